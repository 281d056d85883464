"""Train the toybox's dual encoder in two stages.

1. The vision tower alone, without its last layer, to predict from each patch what it shows.
2. The last layer, the pooling head and the text tower, on stored patches of the frozen tower.

A caption's target is a distribution over the pictures of its batch: those that fit it share nearly all of it, however
many they are. Trained end to end from the start, the same model learns several times as slowly.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize
from torch.utils.data import DataLoader, IterableDataset
from transformers import PreTrainedTokenizerFast, SiglipModel

from reranker.toybox.captions import LANGUAGES, write_caption
from reranker.toybox.drawing import draw_scene
from reranker.toybox.encoder_model import GRID, IMAGE_PX, WIDTH, create_encoder, token_ids, write_encoder
from reranker.toybox.examples import counting_request, description_request, relation_request, request_about
from reranker.toybox.matching import Request
from reranker.toybox.optimizer import MuonWithAdamW
from reranker.toybox.scene_table import SceneTable
from reranker.toybox.scenes import Scene, SceneTooCrowded, random_scene
from reranker.toybox.targets import token_targets
from reranker.toybox.tokenizer import build_tokenizer
from reranker.toybox.vision_training import TokenHeads

_log = logging.getLogger(__name__)

PATCH_SHARE = 0.53  # of the time
SCENES: Final = 10_000  # that are drawn for the second stage
PATCH_BATCH: Final = 32
CAPTIONS: Final = 64  # of a batch, of as many scenes
PICTURES: Final = 192  # of a batch, those of the captions among them
SHARPNESS: Final = 20.0  # a picture that fits a quarter of the conditions less has e^-5 of the weight
REPORT_STEPS: Final = 100


@dataclass(frozen=True, kw_only=True)
class DescribedScene:
    """A scene and the request that it was made for; None if it was made for none."""

    scene: Scene
    request: Request | None


def described_scene(rng: Random) -> DescribedScene:
    """Return a random scene, with or without a request."""
    make = rng.choice((counting_request, relation_request, description_request, None))
    try:
        request, scene = (None, random_scene(rng)) if make is None else make(rng)
    except SceneTooCrowded:
        return described_scene(rng)
    return DescribedScene(scene=scene, request=request)


def caption_request(described: DescribedScene, rng: Random) -> Request:
    """Return what a caption of a scene says: in half of the cases what the scene was made for, if anything."""
    is_repeated = rng.random() < 0.5
    return described.request if described.request and is_repeated else request_about(described.scene, rng)


def pixels_of(scene: Scene) -> NDArray[np.uint8]:
    """Draw a scene as the encoder sees it: (height, width, RGB)."""
    return np.asarray(draw_scene(scene).resize((IMAGE_PX, IMAGE_PX), Image.Resampling.BICUBIC))


def normalized(pixels: torch.Tensor) -> torch.Tensor:
    """Return bytes (n, height, width, 3) as the vision tower takes them: float32 (n, 3, height, width), in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


class _Patches(IterableDataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """Endless batches: pixels of pictures, and the labels and centres of their patches."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        rng = Random(self._seed)
        while True:
            scenes = [described_scene(rng).scene for _ in range(PATCH_BATCH)]
            targets = [token_targets(scene, GRID, GRID) for scene in scenes]
            yield (
                torch.from_numpy(np.stack([pixels_of(scene) for scene in scenes])),
                torch.from_numpy(np.concatenate([each.labels for each in targets])),
                torch.from_numpy(np.concatenate([each.centres for each in targets])),
            )


@dataclass(frozen=True, kw_only=True)
class _CaptionBatch:
    """ids: (captions, tokens). rows: of the pictures in the store. matches: (captions, pictures), in [0, 1]."""

    ids: torch.Tensor
    rows: torch.Tensor
    matches: torch.Tensor


class _Captions(IterableDataset[_CaptionBatch]):
    """Endless batches of captions of scenes, with these scenes and others."""

    def __init__(self, scenes: list[DescribedScene], tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self._scenes, self._tokenizer, self._seed = scenes, tokenizer, seed
        self._table = SceneTable([each.scene for each in scenes])

    def __iter__(self) -> Iterator[_CaptionBatch]:
        rng = Random(self._seed)
        while True:
            rows = np.array(rng.sample(range(len(self._scenes)), PICTURES))
            requests = [caption_request(self._scenes[row], rng) for row in rows[:CAPTIONS]]
            texts = [write_caption(request, rng.choice(LANGUAGES), rng).text for request in requests]
            matches = np.stack([self._table.matches(request, rows) for request in requests])
            yield _CaptionBatch(
                ids=token_ids(self._tokenizer, texts), rows=torch.from_numpy(rows), matches=torch.from_numpy(matches)
            )


def retrieval_loss(
    texts: torch.Tensor, images: torch.Tensor, matches: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Return the loss of a batch, a scalar: the cross-entropy of the graded distributions of captions over pictures,
    and SigLIP's binary cross-entropy of whether each picture fits each caption (https://arxiv.org/abs/2303.15343).

    texts: (captions, width) and images: (pictures, width), of any length. matches: (captions, pictures), in [0, 1].
    scale, bias: of SigLIP; the scale is a logarithm.
    """
    cosines = normalize(texts.float(), dim=1) @ normalize(images.float(), dim=1).T
    logits = cosines * scale.exp()
    weights = (SHARPNESS * (matches - 1)).exp()
    ranking = -(weights / weights.sum(1, keepdim=True) * logits.log_softmax(1)).sum(1).mean()
    fitting = binary_cross_entropy_with_logits(logits + bias, (matches == 1).float(), reduction="sum") / len(matches)
    return ranking + 0.1 * fitting


class EncoderTraining:
    """Both stages. minutes: of all together, without drawing. device: "cpu" or "cuda"."""

    def __init__(self, folder: Path, *, minutes: float, device: str, seed: int = 31) -> None:
        torch.manual_seed(0)
        self._folder, self._minutes, self._device, self._seed = folder, minutes, device, seed
        self._tokenizer = build_tokenizer()
        self._model: Any = create_encoder(self._tokenizer)
        torch.nn.Module.to(self._model, device)
        self._is_half = device != "cpu" or torch.cpu._is_avx512_bf16_supported()

    def run(self) -> SiglipModel:
        """Train, and write the checkpoint."""
        self._train_patches(self._minutes * PATCH_SHARE)
        rng = Random(self._seed + 1)
        scenes = [described_scene(rng) for _ in range(SCENES)]
        pixels = torch.from_numpy(np.stack([pixels_of(each.scene) for each in scenes]))
        _log.info(f"drew {SCENES} scenes")
        self._train_captions(scenes, pixels, self._minutes * (1 - PATCH_SHARE))
        write_encoder(self._model, self._tokenizer, self._folder)
        model: SiglipModel = self._model
        return model

    def _autocast(self) -> Any:
        return torch.autocast(self._device, torch.bfloat16, enabled=self._is_half)

    def _lower_layers(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run the vision tower without its last layer: (pictures, patches, width)."""
        vision = self._model.vision_model
        hidden: torch.Tensor = vision.embeddings(normalized(pixels.to(self._device)))
        for layer in vision.encoder.layers[:-1]:
            hidden = layer(hidden, None)
        return hidden

    def _pooled(self, hidden: torch.Tensor) -> torch.Tensor:
        """Run the last layer and the pooling head: (pictures, width)."""
        vision = self._model.vision_model
        pooled: torch.Tensor = vision.head(vision.post_layernorm(vision.encoder.layers[-1](hidden, None)))
        return pooled

    def _train_patches(self, minutes: float) -> None:
        vision = self._model.vision_model
        heads = TokenHeads(WIDTH).to(self._device)
        optimizer = MuonWithAdamW([vision.embeddings, *vision.encoder.layers[:-1], heads], peak=2e-3)
        start = time.monotonic()
        for step, batch in enumerate(_loaded(_Patches(self._seed))):
            progress = (time.monotonic() - start) / (60 * minutes)
            if progress >= 1:
                return
            pixels, labels, centres = (each.to(self._device) for each in batch)
            with self._autocast():
                tokens = self._lower_layers(pixels).float().flatten(0, 1)
            loss = heads.loss(tokens, labels, centres)
            optimizer.step(loss, progress)
            if step % REPORT_STEPS == 0:
                accuracies = " ".join(f"{each:.2f}" for each in heads.accuracies(tokens, labels))
                _log.info(f"patches {progress:6.1%} step {step}  loss {loss.item():.3f}  accuracies {accuracies}")

    def _train_captions(self, scenes: list[DescribedScene], pixels: torch.Tensor, minutes: float) -> None:
        with torch.no_grad(), self._autocast():
            parts = [self._lower_layers(part).half().cpu() for part in pixels.split(100)]
        stored = torch.cat(parts)  # outside of autocast, which cannot join halves in bfloat16
        model, vision = self._model, self._model.vision_model
        trained = [vision.encoder.layers[-1], vision.post_layernorm, vision.head, model.text_model, _Logits(model)]
        optimizer = MuonWithAdamW(trained, peak=2e-3)
        start = time.monotonic()
        for step, batch in enumerate(_loaded(_Captions(scenes, self._tokenizer, self._seed + 2))):
            progress = (time.monotonic() - start) / (60 * minutes)
            if progress >= 1:
                return
            with self._autocast():
                images = self._pooled(stored[batch.rows].to(self._device).float())
                texts = model.text_model(input_ids=batch.ids.to(self._device)).pooler_output
            matches = batch.matches.to(self._device)
            loss = retrieval_loss(texts, images, matches, model.logit_scale, model.logit_bias)
            optimizer.step(loss, progress)
            if step % REPORT_STEPS == 0:
                _log.info(f"captions {progress:6.1%} step {step}  loss {loss.item():.3f}")


class _Logits(nn.Module):
    """The scale and the bias of the logits, as a module that is trained."""

    def __init__(self, model: SiglipModel) -> None:
        super().__init__()
        self.logit_scale, self.logit_bias = model.logit_scale, model.logit_bias


def _loaded(dataset: IterableDataset[Any]) -> Iterator[Any]:
    """Return batches that are made in a background process."""
    return iter(DataLoader(dataset, batch_size=None, num_workers=1, prefetch_factor=8))

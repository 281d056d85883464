"""Stage 1: train the vision tower alone, to predict from each visual token what it shows."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, smooth_l1_loss
from torch.utils.data import DataLoader, IterableDataset
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from reranker.models.patchify import Patches, patchify
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL
from reranker.toybox.drawing import draw_scene
from reranker.toybox.examples import counting_request, relation_request
from reranker.toybox.model_config import DETAIL_LEVELS
from reranker.toybox.optimizer import MuonWithAdamW
from reranker.toybox.scenes import Scene, SceneTooCrowded, random_scene
from reranker.toybox.targets import CLASS_COUNT, TOKEN_ATTRIBUTES, TokenTargets, token_targets

_log = logging.getLogger(__name__)

SCENES_PER_BATCH = 32
DETAIL_LEVEL_WEIGHTS = (1, 6, 1)


@dataclass(frozen=True, kw_only=True)
class DrawnScene:
    """A scene with the input of the vision tower and the targets of its tokens."""

    scene: Scene
    patches: Patches
    targets: TokenTargets


def draw_for_training(scene: Scene, visual_tokens: int) -> DrawnScene:
    """Draw and patchify a scene, and compute its targets."""
    patches = patchify(draw_scene(scene), visual_tokens, QWEN2_5_VL.patch_settings)
    targets = token_targets(scene, patches.grid_h // 2, patches.grid_w // 2)
    return DrawnScene(scene=scene, patches=patches, targets=targets)


class SceneStream(IterableDataset[list[DrawnScene]]):
    """Endless batches of random scenes; the scenes of a batch have the same grid."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __iter__(self) -> Iterator[list[DrawnScene]]:
        rng = Random(self._seed)
        incomplete: dict[tuple[int, int], list[DrawnScene]] = defaultdict(list)
        while True:
            scene = draw_for_training(_any_scene(rng), rng.choices(DETAIL_LEVELS, DETAIL_LEVEL_WEIGHTS)[0])
            grid = scene.patches.grid_h, scene.patches.grid_w
            incomplete[grid].append(scene)
            if len(incomplete[grid]) == SCENES_PER_BATCH:
                yield incomplete.pop(grid)


def _any_scene(rng: Random) -> Scene:
    try:
        return rng.choice((random_scene, lambda r: counting_request(r)[1], lambda r: relation_request(r)[1]))(rng)
    except SceneTooCrowded:
        return random_scene(rng)


class TokenHeads(nn.Module):
    """Linear heads on a visual token, for all `TOKEN_ATTRIBUTES` and the centre of the thing that it shows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads_labels = nn.Linear(width, CLASS_COUNT)
        self.heads_centre = nn.Linear(width, 2)

    def loss(self, tokens: torch.Tensor, labels: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
        """The training loss, a scalar.

        tokens: (n, width). labels: int64 (n, attributes), -1 if undefined. centres: (n, 2), in [0, 1].
        """
        logits = self.heads_labels(tokens).split([attribute.classes for attribute in TOKEN_ATTRIBUTES], dim=1)
        losses = [cross_entropy(logit, labels[:, i], ignore_index=-1) for i, logit in enumerate(logits)]
        is_thing = labels[:, 0] > 0
        thing_loss = cross_entropy(logits[0][is_thing], labels[is_thing, 0])
        centre_loss = smooth_l1_loss(self.heads_centre(tokens)[is_thing], centres[is_thing], beta=0.1)
        return torch.stack(losses).sum() + thing_loss + 5 * centre_loss

    def accuracies(self, tokens: torch.Tensor, labels: torch.Tensor) -> list[float]:
        """The share of tokens classified correctly, for each attribute, among the tokens that show a thing."""
        logits = self.heads_labels(tokens).split([attribute.classes for attribute in TOKEN_ATTRIBUTES], dim=1)
        is_thing = labels[:, 0] > 0
        correct = [(logit.argmax(1) == labels[:, i])[is_thing] for i, logit in enumerate(logits)]
        return [each.float().mean().item() for each in correct]


def stack_patches(pictures: Sequence[Patches]) -> tuple[torch.Tensor, torch.Tensor]:
    """Concatenate the patches of pictures: uint8 (patches, bytes of a patch); and their grids: int64 (pictures, 3)."""
    values = torch.cat([torch.from_numpy(picture.values) for picture in pictures])
    grids = torch.tensor([(1, picture.grid_h, picture.grid_w) for picture in pictures])
    return values, grids


def batch_tensors(batch: list[DrawnScene]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Patches, grids, labels and centres of a batch."""
    values, grids = stack_patches([scene.patches for scene in batch])
    labels = torch.from_numpy(np.concatenate([scene.targets.labels for scene in batch]))
    centres = torch.from_numpy(np.concatenate([scene.targets.centres for scene in batch]))
    return values, grids, labels, centres


def scene_batches(seed: int) -> Iterator[list[DrawnScene]]:
    """Batches of scenes, drawn in a background process."""
    return iter(DataLoader(SceneStream(seed), batch_size=None, num_workers=1, prefetch_factor=8))


def train_vision(
    visual: Qwen2_5_VisionTransformerPretrainedModel, heads: TokenHeads, *, minutes: float, device: str, seed: int
) -> None:
    """Train the vision tower and the heads for a time; logs the progress."""
    optimizer = MuonWithAdamW([visual, heads], peak=2e-3)
    start, budget_s = time.monotonic(), 60 * minutes
    for step, batch in enumerate(scene_batches(seed)):
        progress = (time.monotonic() - start) / budget_s
        if progress >= 1:
            break
        values, grids, labels, centres = (tensor.to(device) for tensor in batch_tensors(batch))
        with torch.autocast(device, torch.bfloat16):
            tokens = visual(values, grids).pooler_output
        loss = heads.loss(tokens.float(), labels, centres)
        optimizer.step(loss, progress)
        if step % 100 == 0:
            accuracies = " ".join(f"{each:.2f}" for each in heads.accuracies(tokens.float(), labels))
            scenes = step * SCENES_PER_BATCH
            _log.info(f"vision {progress:6.1%} {scenes:7d} scenes  loss {loss.item():.3f}  accuracies {accuracies}")

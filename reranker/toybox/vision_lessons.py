"""First the vision tower alone: each visual token learns to say what it shows."""

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
from reranker.toybox.exercises import counting, relating
from reranker.toybox.geometry import LEVELS
from reranker.toybox.optimizer import Teacher
from reranker.toybox.scenes import Crowded, Scene, random_scene
from reranker.toybox.targets import ANSWER_COUNT, TOKEN_CLASSES, TokenTargets, token_targets

_log = logging.getLogger(__name__)

BATCH = 32
LEVEL_WEIGHTS = (1, 6, 1)


@dataclass(frozen=True, kw_only=True)
class DrawnScene:
    """A scene as the vision tower gets it, and what its tokens show."""

    scene: Scene
    patches: Patches
    targets: TokenTargets


def drawn(scene: Scene, visual_tokens: int) -> DrawnScene:
    """Draw, patchify and describe a scene."""
    patches = patchify(draw_scene(scene), visual_tokens, QWEN2_5_VL.patch_settings)
    targets = token_targets(scene, patches.grid_h // 2, patches.grid_w // 2)
    return DrawnScene(scene=scene, patches=patches, targets=targets)


class SceneStream(IterableDataset[list[DrawnScene]]):
    """Endless batches of scenes that share a grid, drawn in a process of its own."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __iter__(self) -> Iterator[list[DrawnScene]]:
        rng = Random(self._seed)
        waiting: dict[tuple[int, int], list[DrawnScene]] = defaultdict(list)
        while True:
            one = drawn(_any_scene(rng), rng.choices(LEVELS, LEVEL_WEIGHTS)[0])
            batch = waiting[one.patches.grid_h, one.patches.grid_w]
            batch.append(one)
            if len(batch) == BATCH:
                yield waiting.pop((one.patches.grid_h, one.patches.grid_w))


def _any_scene(rng: Random) -> Scene:
    try:
        return rng.choice((random_scene, lambda r: counting(r)[1], lambda r: relating(r)[1]))(rng)
    except Crowded:
        return random_scene(rng)


class TokenHeads(nn.Module):
    """One linear reading of a visual token for all questions, and its thing's centre."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads_answers = nn.Linear(width, ANSWER_COUNT)
        self.heads_centre = nn.Linear(width, 2)

    def loss(self, tokens: torch.Tensor, answers: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
        """tokens (n, width), answers (n, classes), centres (n, 2) -> scalar."""
        logits = self.heads_answers(tokens).split([kind.answers for kind in TOKEN_CLASSES], dim=1)
        parts = [cross_entropy(logit, answers[:, i], ignore_index=-1) for i, logit in enumerate(logits)]
        seen = answers[:, 0] > 0
        things = cross_entropy(logits[0][seen], answers[seen, 0])
        centre = smooth_l1_loss(self.heads_centre(tokens)[seen], centres[seen], beta=0.1)
        return torch.stack(parts).sum() + things + 5 * centre

    def hit_rates(self, tokens: torch.Tensor, answers: torch.Tensor) -> list[float]:
        """Share of right answers for each question, on tokens that show a thing."""
        logits = self.heads_answers(tokens).split([kind.answers for kind in TOKEN_CLASSES], dim=1)
        seen = answers[:, 0] > 0
        hits = [(logit.argmax(1) == answers[:, i])[seen] for i, logit in enumerate(logits)]
        return [hit.float().mean().item() for hit in hits]


def stacked(pictures: Sequence[Patches]) -> tuple[torch.Tensor, torch.Tensor]:
    """The patches of several pictures one after the other, and their grids: uint8 (patches, n), int64 (pictures, 3)."""
    values = torch.cat([torch.from_numpy(picture.values) for picture in pictures])
    grids = torch.tensor([(1, picture.grid_h, picture.grid_w) for picture in pictures])
    return values, grids


def batch_tensors(batch: list[DrawnScene]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Patches, grids, answers and centres of a batch."""
    values, grids = stacked([one.patches for one in batch])
    answers = torch.from_numpy(np.concatenate([one.targets.answers for one in batch]))
    centres = torch.from_numpy(np.concatenate([one.targets.centres for one in batch]))
    return values, grids, answers, centres


def scene_batches(seed: int) -> Iterator[list[DrawnScene]]:
    """Batches from a background process."""
    return iter(DataLoader(SceneStream(seed), batch_size=None, num_workers=1, prefetch_factor=8))


def teach_vision(
    visual: Qwen2_5_VisionTransformerPretrainedModel, heads: TokenHeads, *, minutes: float, device: str, seed: int
) -> None:
    """Teach until the time is over; logs its progress."""
    teacher = Teacher([visual, heads], peak=2e-3)
    start, budget_s = time.monotonic(), 60 * minutes
    for number, batch in enumerate(scene_batches(seed)):
        progress = (time.monotonic() - start) / budget_s
        if progress >= 1:
            break
        values, grids, answers, centres = (tensor.to(device) for tensor in batch_tensors(batch))
        with torch.autocast(device, torch.bfloat16):
            tokens = visual(values, grids).pooler_output
        loss = heads.loss(tokens.float(), answers, centres)
        teacher.step(loss, progress)
        if number % 100 == 0:
            rates = " ".join(f"{rate:.2f}" for rate in heads.hit_rates(tokens.float(), answers))
            _log.info(f"vision {progress:6.1%} {number * BATCH:7d} pictures  loss {loss.item():.3f}  {rates}")

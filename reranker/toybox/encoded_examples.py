"""Training examples with the visual tokens of their scenes, and a buffer to train on them repeatedly."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import torch
from torch.utils.data import DataLoader, IterableDataset
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from reranker.toybox.examples import training_example
from reranker.toybox.matching import Request
from reranker.toybox.model_config import DETAIL_LEVELS
from reranker.toybox.scenes import Scene
from reranker.toybox.targets import TokenTargets
from reranker.toybox.vision_training import DETAIL_LEVEL_WEIGHTS, DrawnScene, draw_for_training, stack_patches

EXAMPLES_PER_BATCH = 32
EXAMPLES_PER_GROUP, STEPS_PER_GROUP = 60, 30  # drawn and encoded together, and the training steps between two groups
INITIAL_GROUPS = 16


@dataclass(frozen=True, kw_only=True)
class DrawnExample:
    """A request and its scenes at one level of detail, the right one first, before the vision tower encodes them."""

    request: Request
    visual_tokens: int
    scenes: tuple[DrawnScene, ...]


@dataclass(frozen=True, kw_only=True)
class EncodedScene:
    """A scene that the vision tower has encoded. tokens: (rows * columns, hidden)."""

    scene: Scene
    targets: TokenTargets
    tokens: torch.Tensor
    rows: int
    columns: int


@dataclass(frozen=True, kw_only=True)
class EncodedExample:
    """A request and its encoded scenes at one level of detail, the right one first."""

    request: Request
    visual_tokens: int
    scenes: tuple[EncodedScene, ...]


class ExampleStream(IterableDataset[list[DrawnExample]]):
    """Endless groups of `EXAMPLES_PER_GROUP` examples."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __iter__(self) -> Iterator[list[DrawnExample]]:
        rng = Random(self._seed)
        while True:
            yield [self._draw(rng) for _ in range(EXAMPLES_PER_GROUP)]

    def _draw(self, rng: Random) -> DrawnExample:
        example, visual_tokens = training_example(rng), rng.choices(DETAIL_LEVELS, DETAIL_LEVEL_WEIGHTS)[0]
        scenes = tuple(draw_for_training(scene, visual_tokens) for scene in (example.right, *example.wrong))
        return DrawnExample(request=example.request, visual_tokens=visual_tokens, scenes=scenes)


def example_groups(seed: int) -> Iterator[list[DrawnExample]]:
    """Groups of examples, drawn in a background process."""
    return iter(DataLoader(ExampleStream(seed), batch_size=None, num_workers=1, prefetch_factor=3))


def encode_examples(
    visual: Qwen2_5_VisionTransformerPretrainedModel, examples: list[DrawnExample], device: str
) -> list[EncodedExample]:
    """Encode the scenes of examples. The tokens carry gradients unless gradients are disabled."""
    encoded = iter(_encode_scenes(visual, [scene for example in examples for scene in example.scenes], device))
    return [
        EncodedExample(
            request=example.request,
            visual_tokens=example.visual_tokens,
            scenes=tuple(next(encoded) for _ in example.scenes),
        )
        for example in examples
    ]


def _encode_scenes(
    visual: Qwen2_5_VisionTransformerPretrainedModel, scenes: list[DrawnScene], device: str
) -> list[EncodedScene]:
    """Encode all scenes of the same grid together, as few window lengths make few and large matrix products."""
    by_grid: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        by_grid[scene.patches.grid_h, scene.patches.grid_w].append(index)
    tokens: dict[int, torch.Tensor] = {}
    for indices in by_grid.values():
        values, grids = stack_patches([scenes[index].patches for index in indices])
        with torch.autocast(device, torch.bfloat16):
            encoded = visual(values.to(device), grids.to(device)).pooler_output
        tokens.update(zip(indices, encoded.chunk(len(indices)), strict=True))
    return [
        EncodedScene(
            scene=scene.scene,
            targets=scene.targets,
            tokens=tokens[index],
            rows=scene.patches.grid_h // 2,
            columns=scene.patches.grid_w // 2,
        )
        for index, scene in enumerate(scenes)
    ]


@torch.no_grad()
def encode_for_replay(
    visual: Qwen2_5_VisionTransformerPretrainedModel, examples: list[DrawnExample], device: str
) -> list[EncodedExample]:
    """Encode examples without gradients; the tokens are in bfloat16 on the CPU."""
    return [
        replace(example, scenes=tuple(_copy_to_host(scene) for scene in example.scenes))
        for example in encode_examples(visual, examples, device)
    ]


def _copy_to_host(scene: EncodedScene) -> EncodedScene:
    return replace(scene, tokens=scene.tokens.to("cpu", torch.bfloat16, copy=True))


class ReplayBuffer:
    """All examples encoded so far, by level of detail."""

    def __init__(self) -> None:
        self._examples: dict[int, list[EncodedExample]] = {level: [] for level in DETAIL_LEVELS}

    def add(self, examples: list[EncodedExample]) -> None:
        """Add examples."""
        for example in examples:
            self._examples[example.visual_tokens].append(example)

    def sample(self, rng: Random) -> list[EncodedExample]:
        """Draw `EXAMPLES_PER_BATCH` examples of one random level of detail, with replacement."""
        return rng.choices(self._examples[rng.choices(DETAIL_LEVELS, DETAIL_LEVEL_WEIGHTS)[0]], k=EXAMPLES_PER_BATCH)

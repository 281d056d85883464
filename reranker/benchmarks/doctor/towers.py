"""Compare both towers with transformers' own forward pass, picture by picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

import torch
from PIL import Image
from transformers import BatchFeature

from reranker.benchmarks.doctor.scores import prepared
from reranker.benchmarks.methods import TEXT
from reranker.benchmarks.model_shapes import Model
from reranker.benchmarks.transformers_reference import TransformersReference
from reranker.core.types import Candidate
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.preparation import PreparedImage
from reranker.models.architecture import ImageSequence
from reranker.models.loading import Checkpoint
from reranker.models.scoring.prompts import LYCHEE, encode_prompt


@dataclass(frozen=True, kw_only=True)
class TowerDifferences:
    """Largest differences from transformers, each relative to the length of transformers' vector.

    vision: of the visual tokens of a picture. language: of the last hidden state, which has come through both towers.
    """

    vision: float
    language: float


@torch.inference_mode()
def measure_towers(model: Model, scorer: CrossEncoder, candidates: Sequence[Candidate]) -> TowerDifferences:
    """Run all pictures in one packed pass of each tower, and one by one through transformers.

    scorer: of the model; it prepares the pictures.
    """
    ours = list(zip(*_packed(model.checkpoint, prepared(scorer, candidates)), strict=True))
    theirs = [_of_transformers(model, candidate) for candidate in candidates]
    differences = torch.tensor(
        [
            [_relative_difference(*parts) for parts in zip(pair, expected, strict=True)]
            for pair, expected in zip(ours, theirs, strict=True)
        ]
    )
    vision, language = differences.max(dim=0).values.tolist()
    return TowerDifferences(vision=vision, language=language)


def _packed(checkpoint: Checkpoint, images: Sequence[PreparedImage]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return the visual tokens and the last hidden state of each picture, by this program."""
    network, prompt = checkpoint.model, encode_prompt(checkpoint.tokenizer, LYCHEE, TEXT)
    features = network.encode_images([image.patches for image in images if image.patches is not None])
    sequences = [ImageSequence(image=each, after=prompt.after) for each in features]
    states = network.last_hidden(network.prefill(prompt.before), sequences)
    return [each.tokens for each in features], states[:, 0]


def _of_transformers(model: Model, candidate: Candidate) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the visual tokens and the last hidden state of a picture, by transformers."""
    inputs, network = _inputs(model, candidate), cast(Any, model.network.model)
    (tokens,) = network.get_image_features(inputs["pixel_values"], inputs["image_grid_thw"]).pooler_output
    return tokens, network(**inputs, use_cache=False).last_hidden_state[0, -1]


def _inputs(model: Model, candidate: Candidate) -> BatchFeature:
    assert isinstance(candidate.source, bytes), "the pictures are made in memory"
    reference = TransformersReference(model, model.checkpoint.detail_levels[1])
    return reference.inputs([Image.open(BytesIO(candidate.source))], [LYCHEE.fill(TEXT)])


def _relative_difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours.float() - theirs.float()).norm() / theirs.float().norm())

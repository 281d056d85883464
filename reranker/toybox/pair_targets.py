"""Batches of pairs of a request and a scene, with everything that is predicted from them in training."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from reranker.toybox.captions import LANGUAGES, write_caption
from reranker.toybox.encoded_examples import EncodedExample, EncodedScene
from reranker.toybox.examples import request_about
from reranker.toybox.matching import Request, RequestedThing, best_conditions
from reranker.toybox.scenes import COLOURS, HELD, PLACES, RELATIONS, THINGS
from reranker.toybox.sequences import Pair, PairBatch, PromptPrefix, collate
from reranker.toybox.targets import slot_targets

SCENES_PER_EXAMPLE = 4
FULL_MATCH_PROBABILITY, PARTIAL_MATCH_FACTOR = 0.98, 0.45
THING_CONDITIONS = ("thing", "colour", "count", "hat", "held", "held colour")
CONDITION_CHANNELS = [(kind, slot) for slot in (0, 1) for kind in THING_CONDITIONS] + [
    ("relation", 0),
    ("place", 0),
    ("absence", 0),
]
ABSENT = (*THINGS, "people")
# Numbers of classes: 0 stands for an attribute that is not requested.
SLOT_CLASSES = (len(THINGS) + 1, len(COLOURS) + 1, 5, 2, len(HELD) + 1, len(COLOURS) + 1)
REQUEST_CLASSES = (*SLOT_CLASSES, *SLOT_CLASSES, len(RELATIONS) + 1, len(PLACES) + 1, len(ABSENT) + 1)


@dataclass(frozen=True, kw_only=True)
class PairTargets:
    """The targets of B pairs.

    match: float32 (B,), the share of the conditions that hold. request: int64 (B, len(REQUEST_CLASSES)).
    slots: float32 (visual tokens of all pairs, len(SLOT_CHANNELS)). conditions: float32 (B, len(CONDITION_CHANNELS)),
    1 if the condition holds, 0 if it does not, -1 if the request has none of this kind.
    """

    match: torch.Tensor
    request: torch.Tensor
    slots: torch.Tensor
    conditions: torch.Tensor

    def to(self, device: str) -> "PairTargets":
        """A copy on a device."""
        return PairTargets(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def target_probability(match: float) -> float:
    """The target of p(yes): 0.98 if all conditions hold, otherwise 0.45 times the share that does."""
    return FULL_MATCH_PROBABILITY if match == 1 else PARTIAL_MATCH_FACTOR * match


def request_labels(request: Request) -> list[int]:
    """The request as one class for each of `REQUEST_CLASSES`."""
    slots = [request.things[slot] if slot < len(request.things) else None for slot in (0, 1)]
    return [
        *(label for requested in slots for label in _thing_labels(requested)),
        _label(RELATIONS, request.relation),
        _label(PLACES, request.place),
        _label(ABSENT, request.absent),
    ]


def _thing_labels(requested: RequestedThing | None) -> list[int]:
    if requested is None:
        return [0] * len(SLOT_CLASSES)
    return [
        _label(THINGS, requested.thing),
        _label(COLOURS, requested.colour),
        requested.count or 0,
        int(requested.straw_hat),
        _label(HELD, requested.held),
        _label(COLOURS, requested.held_colour),
    ]


def _label(options: tuple[str, ...], value: str | None) -> int:
    return 0 if value is None else options.index(value) + 1


def _no_answer(_match: float) -> tuple[int, ...]:
    return ()


def make_batch(
    examples: list[EncodedExample],
    prefix: PromptPrefix,
    rng: Random,
    image_id: int,
    answer: Callable[[float], tuple[int, ...]] = _no_answer,
) -> tuple[PairBatch, PairTargets]:
    """Pair the request of each example with its right scene and three of its wrong ones.

    In three of ten examples, another request about one of the scenes takes the place of the example's own.

    image_id: the token id of a visual token. answer: the ids to generate after the prompt, for a match in [0, 1].
    """
    pairs, labels = [], []
    for example in examples:
        scenes = [example.scenes[0], *rng.sample(example.scenes[1:], SCENES_PER_EXAMPLE - 1)]
        request = example.request
        if rng.random() < 0.3:
            request = request_about(rng.choice(scenes).scene, rng)
        prompt = prefix.encode(write_caption(request, rng.choice(LANGUAGES), rng).text)
        for scene in scenes:
            labels.append(_pair_labels(request, scene))
            ids = answer(labels[-1].match)
            pairs.append(Pair(prompt=prompt, tokens=scene.tokens, rows=scene.rows, columns=scene.columns, answer=ids))
    return collate(pairs, len(prefix.ids), image_id), _stack(labels)


@dataclass(frozen=True, kw_only=True)
class _PairLabels:
    """One row of `PairTargets`."""

    match: float
    request: list[int]
    slots: NDArray[np.float32]
    conditions: list[float]


def _pair_labels(request: Request, scene: EncodedScene) -> _PairLabels:
    holds = {(each.kind, each.slot): each.holds for each in best_conditions(request, scene.scene)}
    return _PairLabels(
        match=sum(holds.values()) / len(holds),
        request=request_labels(request),
        slots=slot_targets(request, scene.scene, scene.targets),
        conditions=[float(holds[channel]) if channel in holds else -1.0 for channel in CONDITION_CHANNELS],
    )


def _stack(labels: list[_PairLabels]) -> PairTargets:
    return PairTargets(
        match=torch.tensor([each.match for each in labels]),
        request=torch.tensor([each.request for each in labels]),
        slots=torch.from_numpy(np.concatenate([each.slots for each in labels])),
        conditions=torch.tensor([each.conditions for each in labels]),
    )

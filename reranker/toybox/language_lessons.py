"""Then the language tower: yes or no for a sentence and a picture, with throw-away readings of every step between."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, softplus
from torch.utils.data import DataLoader, IterableDataset
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLModel,
    Qwen2_5_VLTextModel,
)

from reranker.toybox.captions import LANGUAGES, word
from reranker.toybox.exercises import ask_about, lesson
from reranker.toybox.geometry import LEVELS
from reranker.toybox.matching import Asked, Request, best_parts
from reranker.toybox.optimizer import Teacher
from reranker.toybox.scenes import COLOURS, HELD, PLACES, RELATIONS, THINGS, Scene
from reranker.toybox.sequences import Pair, PairBatch, Primer, collate, hidden_states
from reranker.toybox.targets import SLOT_CHANNELS, TokenTargets, slot_targets
from reranker.toybox.vision_lessons import LEVEL_WEIGHTS, DrawnScene, drawn, stacked

_log = logging.getLogger(__name__)

LESSONS_A_BATCH, PICTURES_A_LESSON = 32, 4
NEW_LESSONS, STEPS_A_GROUP = 60, 30  # drawn and looked at together, and how many steps apart
FIRST_GROUPS = 16
ALL_HOLDS, PARTLY = 0.98, 0.45  # p(yes) where everything asked holds, and its share of the match elsewhere
PART_KINDS = ("thing", "colour", "count", "hat", "held", "held colour")
PART_CHANNELS = [(kind, slot) for slot in (0, 1) for kind in PART_KINDS] + [
    ("relation", 0),
    ("place", 0),
    ("absence", 0),
]
ABSENT = (*THINGS, "people")
SLOT_ANSWERS = (len(THINGS) + 1, len(COLOURS) + 1, 5, 2, len(HELD) + 1, len(COLOURS) + 1)
REQUEST_ANSWERS = (*SLOT_ANSWERS, *SLOT_ANSWERS, len(RELATIONS) + 1, len(PLACES) + 1, len(ABSENT) + 1)
UNDERSTOOD_LAYER, FOUND_LAYER = 2, 4  # after which the request is read off, and what each token has to do with it


def target(match: float) -> float:
    """The p(yes) that is taught for a graded match."""
    return ALL_HOLDS if match == 1 else PARTLY * match


def _number(options: tuple[str, ...], value: str | None) -> int:
    return 0 if value is None else options.index(value) + 1


def request_answers(request: Request) -> list[int]:
    """What the request asks, as one number for each of `REQUEST_ANSWERS`; 0 is: nothing."""
    slots = [request.asked[slot] if slot < len(request.asked) else None for slot in (0, 1)]
    numbers = [number for asked in slots for number in _asked_answers(asked)]
    return [
        *numbers,
        _number(RELATIONS, request.relation),
        _number(PLACES, request.place),
        _number(ABSENT, request.absent),
    ]


def _asked_answers(asked: Asked | None) -> list[int]:
    if asked is None:
        return [0] * len(SLOT_ANSWERS)
    return [
        _number(THINGS, asked.thing),
        _number(COLOURS, asked.colour),
        asked.count or 0,
        int(asked.straw_hat),
        _number(HELD, asked.held),
        _number(COLOURS, asked.held_colour),
    ]


@dataclass(frozen=True, kw_only=True)
class Studied:
    """A scene that the vision tower has seen: tokens (rows * columns, hidden)."""

    scene: Scene
    targets: TokenTargets
    tokens: torch.Tensor
    rows: int
    columns: int


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A request and pictures at one level of detail, the right one first."""

    request: Request
    level: int
    pictures: tuple[Studied, ...]


@dataclass(frozen=True, kw_only=True)
class DrawnLesson:
    """A lesson before the vision tower has seen it."""

    request: Request
    level: int
    scenes: tuple[DrawnScene, ...]


class LessonStream(IterableDataset[list[DrawnLesson]]):
    """Endless small groups of lessons, drawn in a process of its own."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __iter__(self) -> Iterator[list[DrawnLesson]]:
        rng = Random(self._seed)
        while True:
            yield [self._draw(rng) for _ in range(NEW_LESSONS)]

    def _draw(self, rng: Random) -> DrawnLesson:
        exercise, level = lesson(rng), rng.choices(LEVELS, LEVEL_WEIGHTS)[0]
        scenes = tuple(drawn(scene, level) for scene in (exercise.right, *exercise.wrong))
        return DrawnLesson(request=exercise.request, level=level, scenes=scenes)


def study(visual: Qwen2_5_VisionTransformerPretrainedModel, lessons: list[DrawnLesson], device: str) -> list[Lesson]:
    """The lessons with their visual tokens, which carry gradients where gradients are on."""
    seen = iter(_see(visual, [scene for one in lessons for scene in one.scenes], device))
    return [
        Lesson(request=one.request, level=one.level, pictures=tuple(next(seen) for _ in one.scenes)) for one in lessons
    ]


def _see(visual: Qwen2_5_VisionTransformerPretrainedModel, scenes: list[DrawnScene], device: str) -> list[Studied]:
    """Scenes of one grid together: few lengths of windows make few and large products."""
    by_grid: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        by_grid[scene.patches.grid_h, scene.patches.grid_w].append(index)
    tokens: dict[int, torch.Tensor] = {}
    for indices in by_grid.values():
        values, grids = stacked([scenes[index].patches for index in indices])
        with torch.autocast(device, torch.bfloat16):
            looked = visual(values.to(device), grids.to(device)).pooler_output
        tokens.update(zip(indices, looked.chunk(len(indices)), strict=True))
    return [
        Studied(
            scene=scene.scene,
            targets=scene.targets,
            tokens=tokens[index],
            rows=scene.patches.grid_h // 2,
            columns=scene.patches.grid_w // 2,
        )
        for index, scene in enumerate(scenes)
    ]


@torch.no_grad()
def study_to_keep(
    visual: Qwen2_5_VisionTransformerPretrainedModel, lessons: list[DrawnLesson], device: str
) -> list[Lesson]:
    """The same for keeping: visual tokens in bfloat16 on the CPU, the vision tower as it is."""
    return [replace(one, pictures=tuple(_kept(p) for p in one.pictures)) for one in study(visual, lessons, device)]


def _kept(picture: Studied) -> Studied:
    return replace(picture, tokens=picture.tokens.to("cpu", torch.bfloat16, copy=True))


class Readings(nn.Module):
    """Throw-away linear readings of the language tower's states."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads_request = nn.Linear(width, sum(REQUEST_ANSWERS))
        self.heads_slots = nn.Linear(width, len(SLOT_CHANNELS))
        self.heads_parts = nn.Linear(width, len(PART_CHANNELS))


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What a batch of pairs is to answer.

    match: (B,); request: int64 (B, len(REQUEST_ANSWERS)); slots: (visual tokens of all pairs, len(SLOT_CHANNELS));
    parts: (B, len(PART_CHANNELS)), -1 where not asked.
    """

    match: torch.Tensor
    request: torch.Tensor
    slots: torch.Tensor
    parts: torch.Tensor

    def to(self, device: str) -> "Taught":
        """The same on a device."""
        return Taught(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def _nothing(_match: float) -> tuple[int, ...]:
    return ()


def make_batch(
    lessons: list[Lesson],
    primer: Primer,
    rng: Random,
    image_id: int,
    answer: Callable[[float], tuple[int, ...]] = _nothing,
) -> tuple[PairBatch, Taught]:
    """Each lesson's request (or another one about one of its pictures) with four of its pictures.

    answer: the ids that follow the prompt, from the match.
    """
    pairs, match, requests, slots, parts = [], [], [], [], []
    for one in lessons:
        pictures = [one.pictures[0], *rng.sample(one.pictures[1:], PICTURES_A_LESSON - 1)]
        request = one.request
        if rng.random() < 0.3:
            request = ask_about(rng.choice(pictures).scene, rng)
        prompt = primer.encode(word(request, rng.choice(LANGUAGES), rng).text)
        for picture in pictures:
            verdicts = {(part.kind, part.slot): part.holds for part in best_parts(request, picture.scene)}
            match.append(sum(verdicts.values()) / len(verdicts))
            pairs.append(
                Pair(
                    prompt=prompt,
                    tokens=picture.tokens,
                    rows=picture.rows,
                    columns=picture.columns,
                    answer=answer(match[-1]),
                )
            )
            requests.append(request_answers(request))
            slots.append(slot_targets(request, picture.scene, picture.targets))
            parts.append([float(verdicts[channel]) if channel in verdicts else -1.0 for channel in PART_CHANNELS])
    taught = Taught(
        match=torch.tensor(match),
        request=torch.tensor(requests),
        slots=torch.from_numpy(np.concatenate(slots)),
        parts=torch.tensor(parts),
    )
    return collate(pairs, len(primer.ids), image_id), taught


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The parts of the loss, and the yes/no log-odds (B,) that they were computed from."""

    answer: torch.Tensor
    order: torch.Tensor
    request: torch.Tensor
    slots: torch.Tensor
    parts: torch.Tensor
    log_odds: torch.Tensor

    def total(self) -> torch.Tensor:
        """What is stepped down."""
        return self.answer + 0.3 * self.order + 0.5 * self.request + self.slots + 0.5 * self.parts


def pair_losses(
    language: Qwen2_5_VLTextModel,
    readings: Readings,
    primer: Primer,
    batch: PairBatch,
    taught: Taught,
    yes_no: tuple[int, int],
) -> Losses:
    """The language tower's answers against what is taught."""
    states = hidden_states(language, primer, batch)
    return state_losses(states, states_at(states[-1], batch.last[:, None]), language, readings, batch, taught, yes_no)


def states_at(states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """States (B, L, hidden) at places (B, n): (B, n, hidden), float32."""
    rows = torch.arange(len(places), device=places.device)[:, None]
    return states[rows, places].float()


def state_losses(
    states: tuple[torch.Tensor, ...],
    final: torch.Tensor,
    language: Qwen2_5_VLTextModel,
    readings: Readings,
    batch: PairBatch,
    taught: Taught,
    yes_no: tuple[int, int],
) -> Losses:
    """The same from the states after each layer; each of the `final` ones, (B, n, hidden), is to know the answer."""
    yes, no = (language.embed_tokens.weight[token].float() for token in yes_no)
    log_odds = final @ (yes - no)  # (B, n)
    understood = readings.heads_request(states_at(states[UNDERSTOOD_LAYER], batch.first_image[:, None] - 1)[:, 0])
    request = torch.stack(
        [
            cross_entropy(logits, taught.request[:, i])
            for i, logits in enumerate(understood.split(list(REQUEST_ANSWERS), dim=1))
        ]
    ).sum()
    found = readings.heads_slots(states[FOUND_LAYER][batch.image].float())
    asked = (taught.parts >= 0)[:, None].expand(-1, final.shape[1], -1)
    parts = taught.parts[:, None].expand_as(asked)[asked]
    goal = torch.where(taught.match == 1, ALL_HOLDS, PARTLY * taught.match)[:, None]
    return Losses(
        answer=binary_cross_entropy_with_logits(log_odds, goal.expand_as(log_odds)),
        order=order_loss(log_odds.mean(dim=1), taught.match),
        request=request,
        slots=2 * binary_cross_entropy_with_logits(found, taught.slots),
        parts=binary_cross_entropy_with_logits(readings.heads_parts(final)[asked], parts),
        log_odds=log_odds.mean(dim=1),
    )


def order_loss(log_odds: torch.Tensor, match: torch.Tensor) -> torch.Tensor:
    """Of two pictures of a lesson, the one where more holds comes first: mean softplus of the difference."""
    odds, grades = (tensor.view(-1, PICTURES_A_LESSON) for tensor in (log_odds, match))
    better = grades[:, :, None] > grades[:, None, :]
    difference = odds[:, :, None] - odds[:, None, :]
    return softplus(-difference[better]).mean()


def lesson_groups(seed: int) -> Iterator[list[DrawnLesson]]:
    """Lessons from a background process."""
    return iter(DataLoader(LessonStream(seed), batch_size=None, num_workers=1, prefetch_factor=3))


class Library:
    """All lessons studied so far, by level of detail."""

    def __init__(self) -> None:
        self._shelves: dict[int, list[Lesson]] = {level: [] for level in LEVELS}

    def add(self, lessons: list[Lesson]) -> None:
        """Keep them."""
        for one in lessons:
            self._shelves[one.level].append(one)

    def draw(self, rng: Random) -> list[Lesson]:
        """A batch of one level."""
        return rng.choices(self._shelves[rng.choices(LEVELS, LEVEL_WEIGHTS)[0]], k=LESSONS_A_BATCH)


def teach_language(
    model: Qwen2_5_VLModel,
    readings: Readings,
    primer: Primer,
    *,
    minutes: float,
    device: str,
    seed: int,
    save: Callable[[], None],
) -> None:
    """Teach until the time is over, the vision tower frozen; logs its progress and calls `save` now and then."""
    language, visual = model.language_model, model.visual
    yes_no = yes_no_ids(primer)
    teacher, rng, library = Teacher([language, readings], peak=2e-3), Random(seed), Library()
    groups, start = lesson_groups(seed), time.monotonic()
    for _ in range(FIRST_GROUPS):
        library.add(study_to_keep(visual, next(groups), device))
    firsts: list[float] = []
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        if teacher.step_number % STEPS_A_GROUP == 0:
            library.add(study_to_keep(visual, next(groups), device))
        batch, taught = make_batch(library.draw(rng), primer, rng, model.config.image_token_id)
        with torch.autocast(device, torch.bfloat16):
            losses = pair_losses(language, readings, primer, batch.to(device), taught.to(device), yes_no)
        teacher.step(losses.total(), progress)
        firsts.append(first_rate(losses.log_odds, taught.match))
        if teacher.step_number % 100 == 0:
            _report(progress, teacher.step_number, losses, firsts[-100:])
        if teacher.step_number % 500 == 0:
            save()


def yes_no_ids(primer: Primer) -> tuple[int, int]:
    """The tokens that answer."""
    yes, no = (primer.tokenizer.encode(text, add_special_tokens=False)[0] for text in ("yes", "no"))
    return yes, no


def first_rate(log_odds: torch.Tensor, match: torch.Tensor) -> float:
    """Share of lessons whose best picture is one where most holds."""
    odds, grades = (tensor.detach().cpu().view(-1, PICTURES_A_LESSON) for tensor in (log_odds, match))
    chosen = grades.gather(1, odds.argmax(dim=1, keepdim=True))[:, 0]
    return (chosen == grades.amax(dim=1)).float().mean().item()


def _report(progress: float, step: int, losses: Losses, firsts: list[float]) -> None:
    named = ("answer", "order", "request", "slots", "parts")
    shown = " ".join(f"{name} {getattr(losses, name).item():.3f}" for name in named)
    _log.info(f"language {progress:6.1%} step {step:6d}  first {np.mean(firsts):.3f}  {shown}")

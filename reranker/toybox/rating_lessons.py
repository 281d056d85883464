"""Last the second prompt: "Score: X.X", while yes and no go on, the vision tower frozen."""

import logging
import time
from collections.abc import Callable
from random import Random

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel, Qwen2_5_VLTextModel

from reranker.toybox.language_lessons import (
    FIRST_GROUPS,
    STEPS_A_GROUP,
    Lesson,
    Library,
    Losses,
    Readings,
    Taught,
    first_rate,
    lesson_groups,
    make_batch,
    pair_losses,
    state_losses,
    states_at,
    study_to_keep,
    target,
    yes_no_ids,
)
from reranker.toybox.optimizer import Teacher
from reranker.toybox.sequences import NO_ANSWER, PairBatch, Primer, hidden_states

_log = logging.getLogger(__name__)

LESSONS_A_STEP = 16  # for each of the two prompts
RATING_WEIGHT = 0.5


def rating_text(graded: float) -> str:
    """What the rating prompt is answered with: 10.0 where all holds, 4.5 x match elsewhere."""
    return f"Score: {10.0 if graded == 1 else 10 * target(graded):.1f}"


def rating_batch(lessons: list[Lesson], primer: Primer, rng: Random, image_id: int) -> tuple[PairBatch, Taught]:
    """Pairs with the rating behind the prompt."""

    def answer(match: float) -> tuple[int, ...]:
        return tuple(primer.tokenizer.encode(rating_text(match) + "<|im_end|>", add_special_tokens=False))

    return make_batch(lessons, primer, rng, image_id, answer)


def rating_losses(
    language: Qwen2_5_VLTextModel,
    readings: Readings,
    primer: Primer,
    batch: PairBatch,
    taught: Taught,
    yes_no: tuple[int, int],
) -> tuple[torch.Tensor, float, Losses]:
    """Cross-entropy of the answers in nats a pair, the share of them that is right throughout, and the readings.

    Whatever writes a digit has to know which parts hold, so the readings are taken at each position of the answer:
    without them the form is learnt and the number does not follow the picture.
    """
    states = hidden_states(language, primer, batch)
    places = batch.last[:, None] + torch.arange(batch.answers.shape[1], device=batch.last.device)
    final = states_at(states[-1], places)
    logits = final @ language.embed_tokens.weight.float().T
    surprise = cross_entropy(logits.flatten(0, 1), batch.answers.flatten(), ignore_index=NO_ANSWER, reduction="sum")
    right = (logits.argmax(dim=2) == batch.answers) | (batch.answers == NO_ANSWER)
    read = state_losses(states, final, language, readings, batch, taught, yes_no)
    return surprise / len(places), right.all(dim=1).float().mean().item(), read


def teach_rating(
    model: Qwen2_5_VLModel,
    readings: Readings,
    yes_no: Primer,
    rating: Primer,
    *,
    minutes: float,
    device: str,
    seed: int,
    save: Callable[[], None],
) -> None:
    """Teach until the time is over; logs its progress and calls `save` now and then."""
    teacher, rng, library = Teacher([model.language_model, readings], peak=1.5e-3), Random(seed), Library()
    groups, start, image_id = lesson_groups(seed), time.monotonic(), model.config.image_token_id
    answers = yes_no_ids(yes_no)
    firsts: list[float] = []
    exact: list[float] = []
    for _ in range(FIRST_GROUPS):
        library.add(study_to_keep(model.visual, next(groups), device))
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        if teacher.step_number % STEPS_A_GROUP == 0:
            library.add(study_to_keep(model.visual, next(groups), device))
        lessons = library.draw(rng)[: 2 * LESSONS_A_STEP]
        batch, taught = make_batch(lessons[:LESSONS_A_STEP], yes_no, rng, image_id)
        rated, graded = rating_batch(lessons[LESSONS_A_STEP:], rating, rng, image_id)
        with torch.autocast(device, torch.bfloat16):
            losses = pair_losses(model.language_model, readings, yes_no, batch.to(device), taught.to(device), answers)
            surprise, right, read = rating_losses(
                model.language_model, readings, rating, rated.to(device), graded.to(device), answers
            )
        teacher.step(losses.total() + read.total() + RATING_WEIGHT * surprise, progress)
        firsts.append(first_rate(losses.log_odds, taught.match))
        exact.append(right)
        if teacher.step_number % 50 == 0:
            recent = f"first {np.mean(firsts[-50:]):.3f}  answer {losses.answer.item():.3f}"
            rating_recent = f"surprise {surprise.item():.3f}  exact {np.mean(exact[-50:]):.3f}"
            read_recent = f"read {read.answer.item():.3f} {read.parts.item():.3f} {read.slots.item():.3f}"
            _log.info(f"rating {progress:6.1%} step {teacher.step_number:5d}  {recent}  {rating_recent}  {read_recent}")
        if teacher.step_number % 500 == 0:
            save()

"""Last the second prompt: "Score: X.X", while yes and no go on, the vision tower frozen."""

import logging
import time
from random import Random

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel, Qwen2_5_VLTextModel

from reranker.toybox.captions import LANGUAGES, word
from reranker.toybox.language_lessons import (
    FIRST_GROUPS,
    STEPS_A_GROUP,
    Lesson,
    Library,
    Readings,
    first_rate,
    lesson_groups,
    make_batch,
    pair_losses,
    study_to_keep,
    target,
    yes_no_ids,
)
from reranker.toybox.matching import match
from reranker.toybox.optimizer import Teacher
from reranker.toybox.sequences import Pair, PairBatch, Primer, collate, hidden_states

_log = logging.getLogger(__name__)

LESSONS_A_STEP = 16
PICTURES_RATED = 3


def rating_text(graded: float) -> str:
    """What the rating prompt is answered with: 10.0 where all holds, 4.5 x match elsewhere."""
    return f"Score: {10.0 if graded == 1 else 10 * target(graded):.1f}"


def rating_batch(lessons: list[Lesson], primer: Primer, rng: Random, image_id: int) -> tuple[PairBatch, torch.Tensor]:
    """Pairs with their answers, and the ids of the answers, (pairs, longest), -100 behind the end."""
    pairs = [pair for one in lessons for pair in _rated(one, primer, rng)]
    longest = max(len(pair.answer) for pair in pairs)
    answers = torch.tensor([[*pair.answer, *[-100] * (longest - len(pair.answer))] for pair in pairs])
    return collate(pairs, len(primer.ids), image_id), answers


def _rated(one: Lesson, primer: Primer, rng: Random) -> list[Pair]:
    prompt = primer.encode(word(one.request, rng.choice(LANGUAGES), rng).text)
    return [
        Pair(
            prompt=prompt,
            tokens=picture.tokens,
            rows=picture.rows,
            columns=picture.columns,
            answer=_answer_ids(primer, rating_text(match(one.request, picture.scene))),
        )
        for picture in (one.pictures[0], *rng.sample(one.pictures[1:], PICTURES_RATED - 1))
    ]


def _answer_ids(primer: Primer, text: str) -> tuple[int, ...]:
    return tuple(primer.tokenizer.encode(text + "<|im_end|>", add_special_tokens=False))


def rating_loss(language: Qwen2_5_VLTextModel, primer: Primer, batch: PairBatch, answers: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the answers' tokens."""
    states = hidden_states(language, primer, batch)[-1]  # (pairs, L, hidden)
    places = batch.last[:, None] + torch.arange(answers.shape[1], device=states.device)
    rows = torch.arange(len(places), device=states.device)[:, None]
    known = states[rows, places.clamp(max=states.shape[1] - 1)].float()
    logits = known @ language.embed_tokens.weight.float().T
    return cross_entropy(logits.flatten(0, 1), answers.flatten(), ignore_index=-100)


def teach_rating(
    model: Qwen2_5_VLModel,
    readings: Readings,
    yes_no: Primer,
    rating: Primer,
    *,
    minutes: float,
    device: str,
    seed: int,
) -> None:
    """Teach until the time is over; logs its progress."""
    teacher, rng, library = Teacher([model.language_model, readings], peak=1e-3), Random(seed), Library()
    groups, start, image_id = lesson_groups(seed), time.monotonic(), model.config.image_token_id
    firsts: list[float] = []
    for _ in range(FIRST_GROUPS):
        library.add(study_to_keep(model.visual, next(groups), device))
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        if teacher.step_number % STEPS_A_GROUP == 0:
            library.add(study_to_keep(model.visual, next(groups), device))
        lessons = library.draw(rng)[:LESSONS_A_STEP]
        batch, taught = make_batch(lessons, yes_no, rng, image_id)
        rated, answers = rating_batch(lessons, rating, rng, image_id)
        with torch.autocast(device, torch.bfloat16):
            losses = pair_losses(
                model.language_model, readings, yes_no, batch.to(device), taught.to(device), yes_no_ids(yes_no)
            )
            scored = rating_loss(model.language_model, rating, rated.to(device), answers.to(device))
        teacher.step(losses.total() + 0.5 * scored, progress)
        firsts.append(first_rate(losses.log_odds, taught.match))
        if teacher.step_number % 50 == 0:
            recent = f"first {np.mean(firsts[-50:]):.3f}  answer {losses.answer.item():.3f}  rating {scored.item():.3f}"
            _log.info(f"rating {progress:6.1%} step {teacher.step_number:5d}  {recent}")

"""Last both towers together, at small steps: yes or no, what tokens show, and the rating prompt's "Score: X.X"."""

import logging
import time
from random import Random

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel, Qwen2_5_VLTextModel

from reranker.toybox.captions import LANGUAGES, word
from reranker.toybox.language_lessons import (
    DrawnLesson,
    Lesson,
    Losses,
    Readings,
    first_rate,
    lesson_groups,
    make_batch,
    pair_losses,
    study,
    target,
    yes_no_ids,
)
from reranker.toybox.matching import match
from reranker.toybox.optimizer import Teacher
from reranker.toybox.sequences import Pair, PairBatch, Primer, collate, hidden_states
from reranker.toybox.vision_lessons import TokenHeads

_log = logging.getLogger(__name__)

LESSONS_A_STEP = 12
REQUESTS_A_LESSON = 2
RATED_A_LESSON = 3


def rating_text(graded: float) -> str:
    """What the rating prompt is answered with: 10.0 where all holds, 4.5 x match elsewhere."""
    return f"Score: {10.0 if graded == 1 else 10 * target(graded):.1f}"


def rating_batch(lessons: list[Lesson], primer: Primer, rng: Random, image_id: int) -> tuple[PairBatch, torch.Tensor]:
    """Pairs with their answers, and the ids of the answers, (pairs, longest), -100 behind the end."""
    tokenizer, pairs = primer.tokenizer, []
    for one in lessons:
        prompt = primer.encode(word(one.request, rng.choice(LANGUAGES), rng).text)
        for picture in (one.pictures[0], *rng.sample(one.pictures[1:], RATED_A_LESSON - 1)):
            text = rating_text(match(one.request, picture.scene)) + "<|im_end|>"
            answer = tuple(tokenizer.encode(text, add_special_tokens=False))
            pairs.append(
                Pair(prompt=prompt, tokens=picture.tokens, rows=picture.rows, columns=picture.columns, answer=answer)
            )
    longest = max(len(pair.answer) for pair in pairs)
    answers = torch.tensor([[*pair.answer, *[-100] * (longest - len(pair.answer))] for pair in pairs])
    return collate(pairs, len(primer.ids), image_id), answers


def rating_loss(language: Qwen2_5_VLTextModel, primer: Primer, batch: PairBatch, answers: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the answers' tokens."""
    states = hidden_states(language, primer, batch)[-1]  # (pairs, L, hidden)
    places = batch.last[:, None] + torch.arange(answers.shape[1])
    rows = torch.arange(len(places))[:, None]
    known = states[rows, places.clamp(max=states.shape[1] - 1)].float()
    logits = known @ language.embed_tokens.weight.float().T
    return cross_entropy(logits.flatten(0, 1), answers.flatten(), ignore_index=-100)


def teach_together(
    model: Qwen2_5_VLModel,
    readings: Readings,
    heads: TokenHeads,
    primers: tuple[Primer, Primer],
    *,
    minutes: float,
    device: str,
    seed: int,
) -> None:
    """Teach until the time is over; `primers` are of the yes/no layout and of the rating layout."""
    teacher = Teacher([model, readings, heads], peak=4e-4)
    rng, groups, start, firsts = Random(seed), lesson_groups(seed), time.monotonic(), list[float]()
    waiting: list[DrawnLesson] = []
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        waiting = waiting or next(groups)
        lessons = study(model.visual, waiting[:LESSONS_A_STEP], device)
        waiting = waiting[LESSONS_A_STEP:]
        losses, loss = _joint_loss(model, readings, heads, primers, lessons, rng, device)
        teacher.step(loss, progress)
        firsts.append(first_rate(losses[0].log_odds, losses[1]))
        if teacher.step_number % 20 == 0:
            _log.info(
                f"together {progress:6.1%} step {teacher.step_number:5d}  first {np.mean(firsts[-20:]):.3f}  "
                f"answer {losses[0].answer.item():.3f}  rating {losses[2].item():.3f}",
            )


def _joint_loss(
    model: Qwen2_5_VLModel,
    readings: Readings,
    heads: TokenHeads,
    primers: tuple[Primer, Primer],
    lessons: list[Lesson],
    rng: Random,
    device: str,
) -> tuple[tuple[Losses, torch.Tensor, torch.Tensor], torch.Tensor]:
    image_id = model.config.image_token_id
    batch, taught = make_batch(lessons * REQUESTS_A_LESSON, primers[0], rng, image_id)
    rated, answers = rating_batch(lessons, primers[1], rng, image_id)
    with torch.autocast(device, torch.bfloat16):
        losses = pair_losses(model.language_model, readings, primers[0], batch, taught, yes_no_ids(primers[0]))
        rating = rating_loss(model.language_model, primers[1], rated, answers)
    pictures = [picture for one in lessons for picture in one.pictures]
    shown = torch.from_numpy(np.concatenate([picture.targets.answers for picture in pictures]))
    centres = torch.from_numpy(np.concatenate([picture.targets.centres for picture in pictures]))
    seeing = heads.loss(torch.cat([picture.tokens for picture in pictures]).float(), shown, centres)
    return (losses, taught.match, rating), losses.total() + 0.2 * rating + 0.1 * seeing

"""Last both towers together, at small steps: yes or no, what tokens show, and the rating prompt's "Score: X.X"."""

import logging
import time
from dataclasses import dataclass
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
    places = batch.last[:, None] + torch.arange(answers.shape[1], device=states.device)
    rows = torch.arange(len(places), device=states.device)[:, None]
    known = states[rows, places.clamp(max=states.shape[1] - 1)].float()
    logits = known @ language.embed_tokens.weight.float().T
    return cross_entropy(logits.flatten(0, 1), answers.flatten(), ignore_index=-100)


@dataclass(frozen=True, kw_only=True)
class JointLoss:
    """What one step is taken on, and its parts."""

    total: torch.Tensor
    answers: Losses
    match: torch.Tensor
    rating: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Pupil:
    """All that is taught together: the model, its throw-away readings, and the beginnings of both layouts."""

    model: Qwen2_5_VLModel
    readings: Readings
    heads: TokenHeads
    yes_no: Primer
    rating: Primer
    device: str

    def loss(self, lessons: list[Lesson], rng: Random) -> JointLoss:
        """Of lessons whose visual tokens carry gradients."""
        image_id, language = self.model.config.image_token_id, self.model.language_model
        batch, taught = make_batch(lessons * REQUESTS_A_LESSON, self.yes_no, rng, image_id)
        rated, answers = rating_batch(lessons, self.rating, rng, image_id)
        with torch.autocast(self.device, torch.bfloat16):
            losses = pair_losses(
                language,
                self.readings,
                self.yes_no,
                batch.to(self.device),
                taught.to(self.device),
                yes_no_ids(self.yes_no),
            )
            rating = rating_loss(language, self.rating, rated.to(self.device), answers.to(self.device))
        total = losses.total() + 0.2 * rating + 0.1 * self._seeing(lessons)
        return JointLoss(total=total, answers=losses, match=taught.match, rating=rating)

    def _seeing(self, lessons: list[Lesson]) -> torch.Tensor:
        pictures = [picture for one in lessons for picture in one.pictures]
        tokens = torch.cat([picture.tokens for picture in pictures]).float()
        answers = torch.from_numpy(np.concatenate([picture.targets.answers for picture in pictures]))
        centres = torch.from_numpy(np.concatenate([picture.targets.centres for picture in pictures]))
        return self.heads.loss(tokens, answers.to(self.device), centres.to(self.device))


def teach_together(pupil: Pupil, *, minutes: float, seed: int) -> None:
    """Teach until the time is over; logs its progress."""
    teacher = Teacher([pupil.model, pupil.readings, pupil.heads], peak=4e-4)
    rng, groups, start, firsts = Random(seed), lesson_groups(seed), time.monotonic(), list[float]()
    waiting: list[DrawnLesson] = []
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        waiting = waiting or next(groups)
        lessons = study(pupil.model.visual, waiting[:LESSONS_A_STEP], pupil.device)
        waiting = waiting[LESSONS_A_STEP:]
        loss = pupil.loss(lessons, rng)
        teacher.step(loss.total, progress)
        firsts.append(first_rate(loss.answers.log_odds, loss.match))
        if teacher.step_number % 20 == 0:
            _log.info(
                f"together {progress:6.1%} step {teacher.step_number:5d}  first {np.mean(firsts[-20:]):.3f}  "
                f"answer {loss.answers.answer.item():.3f}  rating {loss.rating.item():.3f}"
            )

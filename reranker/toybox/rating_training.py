"""Stage 3: train the language tower to answer the rating prompt with "Score: X.X", and go on with yes and no."""

import logging
import time
from collections.abc import Callable
from random import Random

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel, Qwen2_5_VLTextModel

from reranker.toybox.encoded_examples import (
    INITIAL_GROUPS,
    STEPS_PER_GROUP,
    EncodedExample,
    ReplayBuffer,
    encode_for_replay,
    example_groups,
)
from reranker.toybox.losses import AuxiliaryHeads, Losses, first_rate, pair_losses, state_losses, states_at, yes_no_ids
from reranker.toybox.optimizer import MuonWithAdamW
from reranker.toybox.pair_targets import PairTargets, make_batch, target_probability
from reranker.toybox.sequences import NO_ANSWER, PairBatch, PromptPrefix, hidden_states

_log = logging.getLogger(__name__)

EXAMPLES_PER_STEP = 16  # for each of the two prompts
RATING_WEIGHT = 0.5


def rating_text(match: float) -> str:
    """The answer to the rating prompt: 10.0 if all conditions hold, otherwise 4.5 times the share that does."""
    return f"Score: {10.0 if match == 1 else 10 * target_probability(match):.1f}"


def rating_batch(
    examples: list[EncodedExample], prefix: PromptPrefix, rng: Random, image_id: int
) -> tuple[PairBatch, PairTargets]:
    """A batch of pairs whose answer is the rating; see `make_batch`."""

    def answer(match: float) -> tuple[int, ...]:
        return tuple(prefix.tokenizer.encode(rating_text(match) + "<|im_end|>", add_special_tokens=False))

    return make_batch(examples, prefix, rng, image_id, answer)


def rating_losses(
    language: Qwen2_5_VLTextModel,
    heads: AuxiliaryHeads,
    prefix: PromptPrefix,
    batch: PairBatch,
    targets: PairTargets,
    yes_no: tuple[int, int],
) -> tuple[torch.Tensor, float, Losses]:
    """The cross-entropy of an answer in nats, the share of answers without a wrong token, and the auxiliary losses.

    The auxiliary losses are taken at each position of the answer, because every position that writes a digit needs to
    know which conditions hold. Without them the model learns the form of the answer, but not the number.
    """
    states = hidden_states(language, prefix, batch)
    positions = batch.last[:, None] + torch.arange(batch.answers.shape[1], device=batch.last.device)
    final = states_at(states[-1], positions)
    logits = final @ language.embed_tokens.weight.float().T
    entropy = cross_entropy(logits.flatten(0, 1), batch.answers.flatten(), ignore_index=NO_ANSWER, reduction="sum")
    correct = (logits.argmax(dim=2) == batch.answers) | (batch.answers == NO_ANSWER)
    auxiliary = state_losses(states, final, language, heads, batch, targets, yes_no)
    return entropy / len(positions), correct.all(dim=1).float().mean().item(), auxiliary


def train_rating(
    model: Qwen2_5_VLModel,
    heads: AuxiliaryHeads,
    yes_no_prefix: PromptPrefix,
    rating_prefix: PromptPrefix,
    *,
    minutes: float,
    device: str,
    seed: int,
    save: Callable[[], None],
) -> None:
    """Train for a time with the vision tower frozen; logs the progress, and calls `save` after every 500 steps."""
    language, visual, image_id = model.language_model, model.visual, model.config.image_token_id
    optimizer, rng, buffer = MuonWithAdamW([language, heads], peak=1.5e-3), Random(seed), ReplayBuffer()
    groups, start = example_groups(seed), time.monotonic()
    yes_no = yes_no_ids(yes_no_prefix)
    first_rates: list[float] = []
    exact_rates: list[float] = []
    for _ in range(INITIAL_GROUPS):
        buffer.add(encode_for_replay(visual, next(groups), device))
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        if optimizer.step_number % STEPS_PER_GROUP == 0:
            buffer.add(encode_for_replay(visual, next(groups), device))
        examples = buffer.sample(rng)[: 2 * EXAMPLES_PER_STEP]
        batch, targets = make_batch(examples[:EXAMPLES_PER_STEP], yes_no_prefix, rng, image_id)
        rated_batch, rated_targets = rating_batch(examples[EXAMPLES_PER_STEP:], rating_prefix, rng, image_id)
        with torch.autocast(device, torch.bfloat16):
            losses = pair_losses(language, heads, yes_no_prefix, batch.to(device), targets.to(device), yes_no)
            rating_loss, exact_rate, auxiliary = rating_losses(
                language, heads, rating_prefix, rated_batch.to(device), rated_targets.to(device), yes_no
            )
        optimizer.step(losses.total() + auxiliary.total() + RATING_WEIGHT * rating_loss, progress)
        first_rates.append(first_rate(losses.log_odds, targets.match))
        exact_rates.append(exact_rate)
        if optimizer.step_number % 50 == 0:
            rates = f"first {np.mean(first_rates[-50:]):.3f}  exact {np.mean(exact_rates[-50:]):.3f}"
            _log_progress(progress, optimizer.step_number, rates, losses, rating_loss, auxiliary)
        if optimizer.step_number % 500 == 0:
            save()


def _log_progress(
    progress: float, step: int, rates: str, losses: Losses, rating_loss: torch.Tensor, auxiliary: Losses
) -> None:
    terms = {
        "answer": losses.answer,
        "rating": rating_loss,
        "auxiliary answer": auxiliary.answer,
        "conditions": auxiliary.conditions,
        "slots": auxiliary.slots,
    }
    text = "  ".join(f"{name} {loss.item():.3f}" for name, loss in terms.items())
    _log.info(f"rating {progress:6.1%} step {step:5d}  {rates}  {text}")

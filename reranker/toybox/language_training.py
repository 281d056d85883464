"""Stage 2: train the language tower to answer yes or no, while the vision tower is frozen."""

import logging
import time
from collections.abc import Callable
from random import Random

import numpy as np
import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel

from reranker.toybox.encoded_examples import (
    INITIAL_GROUPS,
    STEPS_PER_GROUP,
    ReplayBuffer,
    encode_for_replay,
    example_groups,
)
from reranker.toybox.losses import AuxiliaryHeads, Losses, first_rate, pair_losses, yes_no_ids
from reranker.toybox.optimizer import MuonWithAdamW
from reranker.toybox.pair_targets import make_batch
from reranker.toybox.sequences import PromptPrefix

_log = logging.getLogger(__name__)


def train_language(
    model: Qwen2_5_VLModel,
    heads: AuxiliaryHeads,
    prefix: PromptPrefix,
    *,
    minutes: float,
    device: str,
    seed: int,
    save: Callable[[], None],
) -> None:
    """Train for a time; logs the progress, and calls `save` after every 500 steps."""
    language, visual = model.language_model, model.visual
    yes_no = yes_no_ids(prefix)
    optimizer, rng, buffer = MuonWithAdamW([language, heads], peak=2e-3), Random(seed), ReplayBuffer()
    groups, start = example_groups(seed), time.monotonic()
    for _ in range(INITIAL_GROUPS):
        buffer.add(encode_for_replay(visual, next(groups), device))
    first_rates: list[float] = []
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        if optimizer.step_number % STEPS_PER_GROUP == 0:
            buffer.add(encode_for_replay(visual, next(groups), device))
        batch, targets = make_batch(buffer.sample(rng), prefix, rng, model.config.image_token_id)
        with torch.autocast(device, torch.bfloat16):
            losses = pair_losses(language, heads, prefix, batch.to(device), targets.to(device), yes_no)
        optimizer.step(losses.total(), progress)
        first_rates.append(first_rate(losses.log_odds, targets.match))
        if optimizer.step_number % 100 == 0:
            _log_progress(progress, optimizer.step_number, losses, first_rates[-100:])
        if optimizer.step_number % 500 == 0:
            save()


def _log_progress(progress: float, step: int, losses: Losses, first_rates: list[float]) -> None:
    names = ("answer", "order", "request", "slots", "conditions")
    terms = " ".join(f"{name} {getattr(losses, name).item():.3f}" for name in names)
    _log.info(f"language {progress:6.1%} step {step:6d}  first {np.mean(first_rates):.3f}  {terms}")

"""The losses of the language tower: yes or no, the order of pictures, and auxiliary predictions."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, softplus
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextModel

from reranker.toybox.pair_targets import (
    CONDITION_CHANNELS,
    FULL_MATCH_PROBABILITY,
    PARTIAL_MATCH_FACTOR,
    REQUEST_CLASSES,
    SCENES_PER_EXAMPLE,
    PairTargets,
)
from reranker.toybox.sequences import PairBatch, PromptPrefix, hidden_states
from reranker.toybox.targets import SLOT_CHANNELS

REQUEST_LAYER, SLOTS_LAYER = 2, 4  # the layers after which the request, and its relation to each token, are predicted


class AuxiliaryHeads(nn.Module):
    """Linear heads on the states of the language tower. They are used in training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads_request = nn.Linear(width, sum(REQUEST_CLASSES))
        self.heads_slots = nn.Linear(width, len(SLOT_CHANNELS))
        self.heads_conditions = nn.Linear(width, len(CONDITION_CHANNELS))


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The terms of the loss, scalars, and the log-odds of "yes" (B,) that they were computed from."""

    answer: torch.Tensor
    order: torch.Tensor
    request: torch.Tensor
    slots: torch.Tensor
    conditions: torch.Tensor
    log_odds: torch.Tensor

    def total(self) -> torch.Tensor:
        """The weighted sum of the terms."""
        return self.answer + 0.3 * self.order + 0.5 * self.request + self.slots + 0.5 * self.conditions


def pair_losses(
    language: Qwen2_5_VLTextModel,
    heads: AuxiliaryHeads,
    prefix: PromptPrefix,
    batch: PairBatch,
    targets: PairTargets,
    yes_no: tuple[int, int],
) -> Losses:
    """The losses at the last token of each prompt. yes_no: the token ids of "yes" and "no"."""
    states = hidden_states(language, prefix, batch)
    final = states_at(states[-1], batch.last[:, None])
    return state_losses(states, final, language, heads, batch, targets, yes_no)


def states_at(states: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """The states (B, L, hidden) at positions (B, n): (B, n, hidden), float32."""
    rows = torch.arange(len(positions), device=positions.device)[:, None]
    return states[rows, positions].float()


def state_losses(
    states: tuple[torch.Tensor, ...],
    final: torch.Tensor,
    language: Qwen2_5_VLTextModel,
    heads: AuxiliaryHeads,
    batch: PairBatch,
    targets: PairTargets,
    yes_no: tuple[int, int],
) -> Losses:
    """The losses, given the states.

    states: after the embedding and after each layer, (B, L, hidden). final: states of the last layer, (B, n, hidden);
        the answer and the conditions are predicted from each of them.
    """
    yes, no = (language.embed_tokens.weight[token].float() for token in yes_no)
    log_odds = final @ (yes - no)  # (B, n)
    request_logits = heads.heads_request(states_at(states[REQUEST_LAYER], batch.first_image[:, None] - 1)[:, 0])
    request = torch.stack(
        [
            cross_entropy(logits, targets.request[:, i])
            for i, logits in enumerate(request_logits.split(list(REQUEST_CLASSES), dim=1))
        ]
    ).sum()
    slot_logits = heads.heads_slots(states[SLOTS_LAYER][batch.image].float())
    is_requested = (targets.conditions >= 0)[:, None].expand(-1, final.shape[1], -1)
    conditions = targets.conditions[:, None].expand_as(is_requested)[is_requested]
    probability = torch.where(targets.match == 1, FULL_MATCH_PROBABILITY, PARTIAL_MATCH_FACTOR * targets.match)[:, None]
    return Losses(
        answer=binary_cross_entropy_with_logits(log_odds, probability.expand_as(log_odds)),
        order=order_loss(log_odds.mean(dim=1), targets.match),
        request=request,
        slots=2 * binary_cross_entropy_with_logits(slot_logits, targets.slots),
        conditions=binary_cross_entropy_with_logits(heads.heads_conditions(final)[is_requested], conditions),
        log_odds=log_odds.mean(dim=1),
    )


def order_loss(log_odds: torch.Tensor, match: torch.Tensor) -> torch.Tensor:
    """The mean softplus of (worse - better) over all pairs of scenes of an example with different matches.

    log_odds, match: (B,), the scenes of an example next to each other. The loss is that of RankNet:
    https://icml.cc/Conferences/2005/proceedings/papers/012_LearningToRank_BurgesEtAl.pdf
    """
    odds, grades = (tensor.view(-1, SCENES_PER_EXAMPLE) for tensor in (log_odds, match))
    better = grades[:, :, None] > grades[:, None, :]
    difference = odds[:, :, None] - odds[:, None, :]
    return softplus(-difference[better]).mean()


def first_rate(log_odds: torch.Tensor, match: torch.Tensor) -> float:
    """The share of examples whose highest log-odds belong to a scene with the highest match."""
    odds, grades = (tensor.detach().cpu().view(-1, SCENES_PER_EXAMPLE) for tensor in (log_odds, match))
    first = grades.gather(1, odds.argmax(dim=1, keepdim=True))[:, 0]
    return (first == grades.amax(dim=1)).float().mean().item()


def yes_no_ids(prefix: PromptPrefix) -> tuple[int, int]:
    """The token ids of "yes" and "no"."""
    yes, no = (prefix.tokenizer.encode(text, add_special_tokens=False)[0] for text in ("yes", "no"))
    return yes, no

"""The towers' attention for teaching, with gradients through transformers' own forward.

Of the language tower: plain products in the precision at hand. At the lessons' lengths, backwards on a CPU, they take
under half the time of torch's fused attention (measured). Of the vision tower: one call for all windows.
"""

from typing import Any

import torch
from transformers import AttentionInterface

from reranker.models.layers.attention import Spans, attend

PLAIN = "plain_for_teaching"
# transformers hands a vision block's attention all windows of all pictures as one packed sequence when the attention's
# name contains "flash"; otherwise it loops over the windows in Python.
WINDOWS = "flash_windows_for_teaching"


def causal_mask(width: int, start: int, device: torch.device) -> torch.Tensor:
    """What to add to the scores, (width, start + width): positions see all of the beginning and what precedes them."""
    hidden = torch.ones(width, start + width, dtype=torch.bool, device=device).triu(start + 1)
    return torch.zeros(width, start + width, dtype=torch.bfloat16, device=device).masked_fill(hidden, float("-inf"))


def attend_plainly(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """query (batch, heads, tokens, head_dim), key and value with fewer heads -> (batch, tokens, heads, head_dim)."""
    batch, heads, tokens, head_dim = query.shape
    groups = key.shape[1]  # the heads of a group share keys: stack their queries instead of copying the keys
    stacked = (query * scaling).reshape(batch, groups, heads // groups * tokens, head_dim)
    scores = (stacked @ key.transpose(-1, -2)).view(batch, heads, tokens, -1) + attention_mask
    weights = torch.softmax(scores, dim=-1).view(batch, groups, heads // groups * tokens, -1)
    return (weights @ value).view(batch, heads, tokens, head_dim).transpose(1, 2), None


def attend_windows(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Full attention within each window or picture.

    query, key, value: (1, heads, tokens, head_dim); cu_seq_lens_q: (pieces + 1,), the pieces' limits, first 0.
    Returns (1, tokens, heads, head_dim).
    """
    packed = [part[0].transpose(0, 1) for part in (query, key, value)]
    spans = Spans(lengths=tuple(cu_seq_lens_q.diff().tolist()), device=query.device)
    return attend(packed[0], packed[1], packed[2], spans, scale=scaling, causal=False)[None], None


AttentionInterface.register(PLAIN, attend_plainly)
AttentionInterface.register(WINDOWS, attend_windows)

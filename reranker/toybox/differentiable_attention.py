"""Attention functions for training, which transformers' own forward calls and gradients flow through.

The language tower uses plain matrix products: on a CPU, at the lengths of the training sequences, the backward pass
takes less than half the time of torch's fused attention (measured). The vision tower uses one call for all windows.
"""

from typing import Any

import torch
from transformers import AttentionInterface

from reranker.models.layers.attention import PackedSequences, attend

# The names under which transformers finds the functions.
MATRIX_ATTENTION = "matrix_products_for_training"
# If the name contains "flash", transformers passes all windows of all pictures as one packed sequence; otherwise it
# loops over the windows in Python.
WINDOW_ATTENTION = "flash_windows_for_training"


def causal_mask(width: int, start: int, device: torch.device) -> torch.Tensor:
    """A bfloat16 mask to add to the attention scores: (width, start + width), 0 or -inf.

    Each position attends to a prefix of `start` tokens, to the positions before it and to itself.
    """
    hidden = torch.ones(width, start + width, dtype=torch.bool, device=device).triu(start + 1)
    return torch.zeros(width, start + width, dtype=torch.bfloat16, device=device).masked_fill(hidden, float("-inf"))


def attend_by_matrix_products(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Grouped-query attention.

    query: (batch, heads, tokens, head_dim). key, value: with fewer heads, and the tokens of a prefix first.
    Returns (batch, tokens, heads, head_dim).
    """
    batch, heads, tokens, head_dim = query.shape
    groups = key.shape[1]  # the heads of a group share their keys: stack the queries instead of copying the keys
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
    """Full attention within each window, or within each picture.

    query, key, value: (1, heads, tokens, head_dim). cu_seq_lens_q: (sequences + 1,), cumulative lengths, starting at 0.
    Returns (1, tokens, heads, head_dim).
    """
    packed = [part[0].transpose(0, 1) for part in (query, key, value)]
    sequences = PackedSequences(lengths=tuple(cu_seq_lens_q.diff().tolist()), device=query.device)
    return attend(packed[0], packed[1], packed[2], sequences, scale=scaling, causal=False)[None], None


AttentionInterface.register(MATRIX_ATTENTION, attend_by_matrix_products)
AttentionInterface.register(WINDOW_ATTENTION, attend_windows)

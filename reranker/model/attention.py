"""Attention over packed pieces of unequal lengths, for machines without a variable-length kernel.

transformers hands a vision block's attention all windows of all pictures as one packed sequence, with their limits,
when the attention's name contains "flash"; otherwise it loops over the windows in Python. This one takes the limits and
runs one batched product for each length that occurs.
"""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

BY_LENGTH = "flash_by_length"


def attend_by_length(
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
    """Full attention within each piece.

    query, key, value: (1, heads, tokens, head_dim); cu_seq_lens_q: (pieces + 1,), the pieces' limits, first 0.
    Returns (1, tokens, heads, head_dim).
    """
    packed = torch.stack((query[0], key[0], value[0])).transpose(1, 2)  # (3, tokens, heads, head_dim)
    output = torch.empty_like(packed[0])
    lengths = cu_seq_lens_q.diff()
    for length in lengths.unique().tolist():
        starts = cu_seq_lens_q[:-1][lengths == length]
        rows = (starts[:, None] + torch.arange(length, device=starts.device)).flatten()
        pieces = packed[:, rows].unflatten(1, (len(starts), length)).transpose(2, 3)
        attended = scaled_dot_product_attention(pieces[0], pieces[1], pieces[2], scale=scaling)
        output = output.index_copy(0, rows, attended.transpose(1, 2).flatten(0, 1))
    return output[None], None


AttentionInterface.register(BY_LENGTH, attend_by_length)

"""Attention by its formula, one sequence at a time."""

from itertools import pairwise

import torch


def attention_of_one(query, key, value, scale, causal):
    """Softmax attention of one sequence by its formula; causal masks count from the ends of queries and keys."""
    key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
    products = scale * torch.einsum("qhd,khd->hqk", query, key)
    if causal:
        hidden = torch.ones(products.shape[1:], dtype=torch.bool).triu(len(key) - len(query) + 1)
        products = products.masked_fill(hidden, -torch.inf)
    return torch.einsum("hqk,khd->qhd", products.softmax(dim=-1), value)


def kernel_by_its_description(
    query, key, value, offsets, key_offsets, longest, longest_key, *, scale, window_size, num_splits=0, enable_gqa=False
):
    """What torch's variable-length kernel is documented to compute, one sequence after the other."""
    assert offsets.dtype == key_offsets.dtype == torch.int32
    assert (longest, longest_key) == (offsets.diff().max(), key_offsets.diff().max())
    assert num_splits == 1
    assert enable_gqa == (query.shape[1] != key.shape[1])
    causal = {(-1, 0): True, (-1, -1): False}[window_size]
    pieces = zip(pairwise(offsets.tolist()), pairwise(key_offsets.tolist()), strict=True)
    return torch.cat([attention_of_one(query[a:b], key[c:d], value[c:d], scale, causal) for (a, b), (c, d) in pieces])

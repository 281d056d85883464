"""Compute attention over packed sequences of different lengths, for both towers, without padding.

On CUDA GPUs in half precision this is torch's variable-length kernel, called once per layer. Elsewhere it is one
batched product for each length that occurs. Both use the indices of `PackedSequences`, computed once per batch.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate
from typing import Any, cast

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention

HALF = (torch.bfloat16, torch.float16)
FIRST_WITH_KERNEL = (8, 0)  # compute capability


@dataclass(frozen=True, kw_only=True)
class PackedSequences:
    """The layout of sequences that follow each other in one packed tensor.

    lengths: tokens of each sequence. prefix_tokens: tokens of a shared prefix, which all sequences attend to and which
        is not part of the packed tensor.
    """

    lengths: tuple[int, ...]
    prefix_tokens: int = 0
    device: torch.device

    @cached_property
    def offsets(self) -> torch.Tensor:
        """The index of each sequence's first token, and the number of all tokens, int32 (sequences + 1,)."""
        return torch.tensor([0, *accumulate(self.lengths)], dtype=torch.int32).to(self.device)

    @cached_property
    def last_tokens(self) -> torch.Tensor:
        """The index of each sequence's last token, (sequences,)."""
        return self.offsets[1:].long() - 1

    @cached_property
    def by_length(self) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
        """Each length that occurs, the indices of its n sequences, (n,), and of their tokens, (n * length,)."""
        starts = torch.tensor([0, *accumulate(self.lengths)])
        groups = []
        for length in sorted(set(self.lengths)):
            sequences = torch.tensor([index for index, each in enumerate(self.lengths) if each == length])
            tokens = (starts[sequences][:, None] + torch.arange(length)).flatten()
            groups.append((length, sequences.to(self.device), tokens.to(self.device)))
        return groups

    @cached_property
    def key_indices(self) -> torch.Tensor:
        """The indices that put the prefix in front of each sequence, given the prefix followed by all sequences."""
        prefix = torch.arange(self.prefix_tokens)
        sequences = self.prefix_tokens + torch.arange(sum(self.lengths))
        parts = [part for sequence in sequences.split(self.lengths) for part in (prefix, sequence)]
        return torch.cat(parts).to(self.device)

    @cached_property
    def key_offsets(self) -> torch.Tensor:
        """The offsets of the sequences with their prefixes, int32 (sequences + 1,)."""
        numbers = torch.arange(len(self.offsets), dtype=torch.int32, device=self.device)
        return self.offsets + self.prefix_tokens * numbers


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    sequences: PackedSequences,
    *,
    scale: float,
    causal: bool,
    prefix: tuple[torch.Tensor, torch.Tensor] | None = None,
    last_only: bool = False,
) -> torch.Tensor:
    """Compute attention within each sequence. Returns a tensor of the query's shape.

    query: (tokens, heads, head_dim). key, value: (tokens, key_heads, head_dim); heads is a multiple of key_heads.
    prefix: keys and values of the shared prefix, (prefix_tokens, key_heads, head_dim) each. causal: whether a token
        attends to itself and earlier tokens only. last_only: whether the query has only the last token of each
        sequence, (sequences, heads, head_dim).
    """
    arguments = (query, key, value, sequences, scale, causal and not last_only, prefix, last_only)
    return _attend_by_kernel(*arguments) if has_kernel(query) else _attend_by_length(*arguments)


def has_kernel(query: torch.Tensor) -> bool:
    """Whether torch's variable-length kernel supports the device and the precision of a query."""
    return (
        query.is_cuda
        and query.dtype in HALF
        and torch.version.hip is None
        and torch.cuda.get_device_capability(query.device) >= FIRST_WITH_KERNEL
    )


_Prefix = tuple[torch.Tensor, torch.Tensor] | None


def _attend_by_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    sequences: PackedSequences,
    scale: float,
    causal: bool,
    prefix: _Prefix,
    last_only: bool,
) -> torch.Tensor:
    if prefix is not None:
        key, value = (torch.cat(parts)[sequences.key_indices] for parts in zip(prefix, (key, value), strict=True))
    # One split, so that the result of a sequence does not depend on the others in the batch.
    options: dict[str, Any] = {"num_splits": 1} if "num_splits" in _parameters(varlen_attn) else {}
    if key.shape[1] != query.shape[1]:
        if "enable_gqa" in _parameters(varlen_attn):
            options["enable_gqa"] = True
        else:
            key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
    max_length = max(sequences.lengths)
    last_token_offsets = torch.arange(len(sequences.offsets), dtype=torch.int32, device=query.device)
    attended = varlen_attn(
        query,
        key,
        value,
        last_token_offsets if last_only else sequences.offsets,
        sequences.key_offsets,
        1 if last_only else max_length,
        max_length + sequences.prefix_tokens,
        scale=scale,
        # The kernel aligns queries with the ends of the keys. Hence each query attends to the complete prefix.
        window_size=(-1, 0) if causal else (-1, -1),
        **options,
    )
    return cast(torch.Tensor, attended)


@cache
def _parameters(kernel: Callable[..., torch.Tensor]) -> frozenset[str]:
    return frozenset(inspect.signature(kernel).parameters)


def _attend_by_length(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    sequences: PackedSequences,
    scale: float,
    causal: bool,
    prefix: _Prefix,
    last_only: bool,
) -> torch.Tensor:
    output = torch.empty_like(query)
    for length, group, tokens in sequences.by_length:
        count, query_rows = len(group), group if last_only else tokens
        q, k, v = (  # (count, heads, length, head_dim)
            (part if count == len(sequences.lengths) else part[rows]).unflatten(0, (count, -1)).transpose(1, 2)
            for part, rows in ((query, query_rows), (key, tokens), (value, tokens))
        )
        if prefix is not None:
            prefixes = (part.transpose(0, 1).expand(count, -1, -1, -1) for part in prefix)
            k, v = (torch.cat(parts, dim=2) for parts in zip(prefixes, (k, v), strict=True))
        attended = scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=_causal_mask(length, k.shape[2], query) if causal and prefix is not None else None,
            is_causal=causal and prefix is None,
            scale=scale,
            enable_gqa=k.shape[1] != q.shape[1],
        )
        packed = attended.transpose(1, 2).flatten(0, 1)
        output = packed if count == len(sequences.lengths) else output.index_copy(0, query_rows, packed)
    return output


def _causal_mask(queries: int, keys: int, like: torch.Tensor) -> torch.Tensor:
    """Return the causal mask to add to the logits, (queries, keys), in which the last query attends to all keys."""
    hidden = torch.ones(queries, keys, dtype=torch.bool, device=like.device).triu(keys - queries + 1)
    return torch.zeros(queries, keys, dtype=like.dtype, device=like.device).masked_fill(hidden, -torch.inf)

"""Attention over packed sequences of unequal lengths, for both towers: no padding, no mask, one call a layer.

On a CUDA card in half precision it is torch's own variable-length kernel; elsewhere one batched product for each length
that occurs. Both see the same bookkeeping, `Spans`.
"""

import inspect
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
class Spans:
    """Where each sequence lies among packed tokens.

    lengths: tokens of each sequence. before: tokens that all sequences see beside their own, in front of them.
    """

    lengths: tuple[int, ...]
    before: int = 0
    device: torch.device

    @cached_property
    def limits(self) -> torch.Tensor:
        """int32 (sequences + 1,): the sequences' limits, first 0."""
        return torch.tensor([0, *accumulate(self.lengths)], dtype=torch.int32).to(self.device)

    @cached_property
    def last(self) -> torch.Tensor:
        """(sequences,): each one's last token."""
        return self.limits[1:].long() - 1

    @cached_property
    def by_length(self) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
        """Each length that occurs, its sequences' numbers (n,), and their tokens (n * length,)."""
        starts = torch.tensor([0, *accumulate(self.lengths)])
        groups = []
        for length in sorted(set(self.lengths)):
            numbers = torch.tensor([number for number, own in enumerate(self.lengths) if own == length])
            tokens = (starts[numbers][:, None] + torch.arange(length)).flatten()
            groups.append((length, numbers.to(self.device), tokens.to(self.device)))
        return groups

    @cached_property
    def seen(self) -> torch.Tensor:
        """Indices that lay out what each sequence sees, `before` and its own, from both one after the other."""
        shared = torch.arange(self.before)
        pieces = self.before + torch.arange(sum(self.lengths))
        return torch.cat([part for own in pieces.split(self.lengths) for part in (shared, own)]).to(self.device)

    @cached_property
    def seen_limits(self) -> torch.Tensor:
        """The limits within `seen`."""
        return self.limits + self.before * torch.arange(len(self.limits), dtype=torch.int32, device=self.device)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    spans: Spans,
    *,
    scale: float,
    causal: bool,
    before: tuple[torch.Tensor, torch.Tensor] | None = None,
    last_only: bool = False,
) -> torch.Tensor:
    """Attention within each sequence.

    query: (tokens, heads, head_dim); key, value: (tokens, key_heads, head_dim), heads a multiple of key_heads; before:
    keys and values of what all sequences see, (spans.before, key_heads, head_dim). causal: a token sees those up to
    itself. last_only: the query is of each sequence's last token alone, (sequences, heads, head_dim). Returns the
    query's shape.
    """
    arguments = (query, key, value, spans, scale, causal and not last_only, before, last_only)
    return _attend_by_kernel(*arguments) if has_kernel(query) else _attend_by_length(*arguments)


def has_kernel(query: torch.Tensor) -> bool:
    """Whether torch's variable-length kernel runs on this."""
    return (
        query.is_cuda
        and query.dtype in HALF
        and torch.version.hip is None
        and torch.cuda.get_device_capability(query.device) >= FIRST_WITH_KERNEL
    )


_Before = tuple[torch.Tensor, torch.Tensor] | None


def _attend_by_kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    spans: Spans,
    scale: float,
    causal: bool,
    before: _Before,
    last_only: bool,
) -> torch.Tensor:
    if before is not None:
        key, value = (torch.cat(parts)[spans.seen] for parts in zip(before, (key, value), strict=True))
    extra: dict[str, Any] = {"num_splits": 1} if "num_splits" in _kernel_parameters() else {}  # same in any company
    if key.shape[1] != query.shape[1]:
        if "enable_gqa" in _kernel_parameters():
            extra["enable_gqa"] = True
        else:
            key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
    longest = max(spans.lengths)
    ones = torch.arange(len(spans.limits), dtype=torch.int32, device=query.device)
    attended = varlen_attn(
        query,
        key,
        value,
        ones if last_only else spans.limits,
        spans.seen_limits,
        1 if last_only else longest,
        longest + spans.before,
        scale=scale,
        window_size=(-1, 0) if causal else (-1, -1),  # causal from the ends of both: what is before is seen whole
        **extra,
    )
    return cast(torch.Tensor, attended)


@cache
def _kernel_parameters() -> frozenset[str]:
    return frozenset(inspect.signature(varlen_attn).parameters)


def _attend_by_length(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    spans: Spans,
    scale: float,
    causal: bool,
    before: _Before,
    last_only: bool,
) -> torch.Tensor:
    output = torch.empty_like(query)
    for length, numbers, tokens in spans.by_length:
        count, asked = len(numbers), numbers if last_only else tokens
        q, k, v = (
            (part if count == len(spans.lengths) else part[rows]).unflatten(0, (count, -1)).transpose(1, 2)
            for part, rows in ((query, asked), (key, tokens), (value, tokens))
        )
        if before is not None:
            shared = (part.transpose(0, 1).expand(count, -1, -1, -1) for part in before)
            k, v = (torch.cat(parts, dim=2) for parts in zip(shared, (k, v), strict=True))
        attended = scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=_lower_right(length, k.shape[2], query) if causal and before is not None else None,
            is_causal=causal and before is None,
            scale=scale,
            enable_gqa=k.shape[1] != q.shape[1],
        )
        packed = attended.transpose(1, 2).flatten(0, 1)
        output = packed if count == len(spans.lengths) else output.index_copy(0, asked, packed)
    return output


def _lower_right(queries: int, keys: int, like: torch.Tensor) -> torch.Tensor:
    """What is added to the products: the last query sees all keys, each one before it one less."""
    hidden = torch.ones(queries, keys, dtype=torch.bool, device=like.device).triu(keys - queries + 1)
    return torch.zeros(queries, keys, dtype=like.dtype, device=like.device).masked_fill(hidden, -torch.inf)

"""Compute attention over packed sequences of different lengths, for both towers, without padding.

On CUDA GPUs in half precision this is torch's variable-length kernel, called once per layer. Elsewhere it is one
batched product for each length that occurs. Both use the indices of `PackedSequences`, computed once per batch.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import accumulate
from typing import Any, cast

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention

from reranker.models.layers.transfer import to_device

HALF = (torch.bfloat16, torch.float16)
FIRST_WITH_KERNEL = (8, 0)  # compute capability


@dataclass(frozen=True, kw_only=True)
class PackedSequences:
    """The layout of sequences that follow each other in one packed tensor.

    lengths: tokens of each sequence, its branches included. prefix_tokens: tokens of a shared prefix, which all
        sequences attend to and which is not part of the packed tensor.
    branches: lengths of the branches at the end of each sequence, which are alternative continuations: the tokens of a
        branch attend to those before all branches (the trunk) and to their own branch, but not to other branches.
    """

    lengths: tuple[int, ...]
    prefix_tokens: int = 0
    branches: tuple[int, ...] = ()
    device: torch.device
    _masks: dict[tuple[int, int, torch.dtype], torch.Tensor] = field(init=False, default_factory=dict, compare=False)

    @property
    def tail(self) -> int:
        """The number of tokens in the tail of each sequence: the last token of the trunk, and those of the branches."""
        return 1 + sum(self.branches)

    @cached_property
    def tail_tokens(self) -> torch.Tensor:
        """The indices of the tokens of each tail, (sequences * tail,)."""
        ends = torch.tensor(list(accumulate(self.lengths)))
        return to_device((ends[:, None] + torch.arange(-self.tail, 0)).flatten(), self.device)

    def query_lengths(self, *, tail_only: bool) -> tuple[int, ...]:
        """Return the lengths of each trunk and its branches; with `tail_only` a trunk is its last token."""
        return tuple(
            part
            for length in self.lengths
            for part in (1 if tail_only else length - sum(self.branches), *self.branches)
        )

    @cached_property
    def query_offsets(self) -> torch.Tensor:
        """The index of the first token of each trunk and branch, and the number of all tokens, int32."""
        return to_device(_offsets(self.query_lengths(tail_only=False)), self.device)

    @cached_property
    def tail_offsets(self) -> torch.Tensor:
        """The same as `query_offsets` in a tensor that has only the tails."""
        return to_device(_offsets(self.query_lengths(tail_only=True)), self.device)

    @cached_property
    def by_length(self) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
        """For each length that occurs the number n of its sequences, the indices of their tokens, (n * length,), and
        of their tails in a tensor that has only tails, (n * tail,).
        """
        starts = torch.tensor([0, *accumulate(self.lengths)])
        groups = []
        for length in sorted(set(self.lengths)):
            sequences = torch.tensor([index for index, each in enumerate(self.lengths) if each == length])
            tokens = (starts[sequences][:, None] + torch.arange(length)).flatten()
            tails = (self.tail * sequences[:, None] + torch.arange(self.tail)).flatten()
            groups.append((len(sequences), to_device(tokens, self.device), to_device(tails, self.device)))
        return groups

    @cached_property
    def key_parts(self) -> list[torch.Tensor]:
        """For each trunk and branch the indices of the keys that it attends to, given the prefix and all sequences."""
        prefix = torch.arange(self.prefix_tokens)
        sequences = self.prefix_tokens + torch.arange(sum(self.lengths))
        keys = []
        for sequence in sequences.split(self.lengths):
            trunk, *branches = sequence.split((len(sequence) - sum(self.branches), *self.branches))
            before = torch.cat((prefix, trunk))
            keys += [before, *(torch.cat((before, branch)) for branch in branches)]
        return keys

    @cached_property
    def key_indices(self) -> torch.Tensor:
        """The indices of `key_parts`, one after the other."""
        return to_device(torch.cat(self.key_parts), self.device)

    @cached_property
    def key_offsets(self) -> torch.Tensor:
        """The offsets of `key_parts` in `key_indices`, int32."""
        return to_device(_offsets(map(len, self.key_parts)), self.device)

    def causal_mask(self, queries: int, keys: int, dtype: torch.dtype) -> torch.Tensor | None:
        """Return the mask to add to the logits, (queries, keys), in which the last query attends to the last key.

        It is None for one query, which attends to all keys. All layers share it.
        """
        if queries == 1:
            return None
        shape = queries, keys, dtype
        if shape not in self._masks:
            self._masks[shape] = to_device(_causal_mask(queries, keys, self.branches, dtype), self.device)
        return self._masks[shape]


def _offsets(lengths: Iterable[int]) -> torch.Tensor:
    return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    sequences: PackedSequences,
    *,
    scale: float,
    causal: bool,
    prefix: tuple[torch.Tensor, torch.Tensor] | None = None,
    tail_only: bool = False,
) -> torch.Tensor:
    """Compute attention within each sequence. Returns a tensor of the query's shape.

    query: (tokens, heads, head_dim). key, value: (tokens, key_heads, head_dim); heads is a multiple of key_heads.
    prefix: keys and values of the shared prefix, (prefix_tokens, key_heads, head_dim) each. causal: whether a token
        attends to itself and earlier tokens only; sequences with branches must be causal. tail_only: whether the query
        has only the tail of each sequence, (sequences * tail, heads, head_dim).
    """
    arguments = (query, key, value, sequences, scale, causal, prefix, tail_only)
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
    tail_only: bool,
) -> torch.Tensor:
    if prefix is not None:
        key, value = (torch.cat(parts) for parts in zip(prefix, (key, value), strict=True))
    if prefix is not None or sequences.branches:
        key, value = (part[sequences.key_indices] for part in (key, value))
    # One split, so that the result of a sequence does not depend on the others in the batch.
    options: dict[str, Any] = {"num_splits": 1} if "num_splits" in _parameters(varlen_attn) else {}
    if key.shape[1] != query.shape[1]:
        if "enable_gqa" in _parameters(varlen_attn):
            options["enable_gqa"] = True
        else:
            key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
    attended = varlen_attn(
        query,
        key,
        value,
        sequences.tail_offsets if tail_only else sequences.query_offsets,
        sequences.key_offsets,
        max(sequences.query_lengths(tail_only=tail_only)),
        max(map(len, sequences.key_parts)),
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
    tail_only: bool,
) -> torch.Tensor:
    output = torch.empty_like(query)
    # Without a mask, torch computes causal attention faster.
    needs_mask = causal and (prefix is not None or tail_only or bool(sequences.branches))
    for count, tokens, tails in sequences.by_length:
        query_rows = tails if tail_only else tokens
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
            attn_mask=sequences.causal_mask(q.shape[2], k.shape[2], query.dtype) if needs_mask else None,
            is_causal=causal and not needs_mask,
            scale=scale,
            enable_gqa=k.shape[1] != q.shape[1],
        )
        packed = attended.transpose(1, 2).flatten(0, 1)
        output = packed if count == len(sequences.lengths) else output.index_copy(0, query_rows, packed)
    return output


def _causal_mask(queries: int, keys: int, branches: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Return the mask of `PackedSequences.causal_mask` in host memory."""
    numbers = [0] * (keys - sum(branches)) + [
        number for number, length in enumerate(branches, 1) for _ in range(length)
    ]
    branch = torch.tensor(numbers)  # of each key; 0 is the trunk
    is_later = torch.ones(queries, keys, dtype=torch.bool).triu(keys - queries + 1)
    is_elsewhere = (branch > 0) & (branch != branch[-queries:, None])
    return torch.zeros(queries, keys, dtype=dtype).masked_fill(is_later | is_elsewhere, -torch.inf)

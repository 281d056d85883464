"""Compare packed attention with its formula in float64, in all layouts that the towers use."""

from dataclasses import dataclass
from typing import Final

import torch

from reranker.benchmarks.doctor.checks import Finding
from reranker.models.layers.attention import PackedSequences, attend, has_kernel


@dataclass(frozen=True, kw_only=True)
class AttentionCase:
    """The shape of one attention call; the fields are those of `PackedSequences` and `attend`."""

    name: str
    lengths: tuple[int, ...]
    head_dim: int = 128
    heads: int = 28
    key_heads: int = 4
    prefix_tokens: int = 0
    branches: tuple[int, ...] = ()
    causal: bool = True
    tail_only: bool = False


WINDOWS: Final = (64, 64, 32, 64, 16, 64, 4, 48)  # patches
PICTURES: Final = (260, 70, 131, 1)  # tokens of a sequence
ANSWERS: Final = (2,) * 10  # the branches of a rating: a digit and the point
RATED: Final = tuple(length + sum(ANSWERS) for length in PICTURES)
CASES: Final = (
    AttentionCase(name="windows", lengths=WINDOWS, head_dim=80, heads=16, key_heads=16, causal=False),
    AttentionCase(name="whole pictures", lengths=PICTURES, head_dim=80, heads=16, key_heads=16, causal=False),
    AttentionCase(name="grouped heads", lengths=PICTURES),
    AttentionCase(name="prefix", lengths=PICTURES, prefix_tokens=57),
    AttentionCase(name="tail only", lengths=PICTURES, prefix_tokens=57, tail_only=True),
    AttentionCase(name="branches", lengths=RATED, prefix_tokens=57, branches=ANSWERS),
    AttentionCase(name="tails with branches", lengths=RATED, prefix_tokens=57, branches=ANSWERS, tail_only=True),
)


# Largest errors that rounding explains. In float32 it is the rounding of sums over up to 128 elements and 337 keys. In
# BF16, with 8 significant bits, a kernel rounds the weights of the softmax and its output, each by at most 1/256; the
# values are normally distributed, and below 5.
ALLOWED_ERROR: Final = {torch.float32: 1e-5, torch.bfloat16: 2 * 5 / 256}


def check_attention(device: torch.device, dtype: torch.dtype) -> Finding:
    """Compare all `CASES` with the formula. The figure `kernel`: whether torch's variable-length kernel was used."""
    errors = {case.name: attention_error(case, device, dtype) for case in CASES}
    largest, allowed = float(torch.tensor(list(errors.values())).max()), ALLOWED_ERROR[dtype]
    return Finding(
        passed=largest <= allowed,
        sentence=f"Attention differs from its formula by at most {largest:.1e} in {len(CASES)} layouts of sequences; "
        f"rounding explains {allowed:.1e}.",
        figures={**errors, "allowed": allowed, "kernel": has_kernel(torch.empty(0, device=device, dtype=dtype))},
    )


def attention_error(case: AttentionCase, device: torch.device, dtype: torch.dtype) -> float:
    """Return the largest difference of packed attention in a precision from the formula, on the same inputs."""
    inputs = random_inputs(case, device, dtype)
    difference = packed_attention(case, *inputs).double().cpu() - attention_by_formula(case, *inputs)
    return float(difference.abs().max())


def random_inputs(
    case: AttentionCase, device: torch.device, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return query, key and value, (tokens, heads, head_dim) each; key and value begin with those of the prefix."""
    generator = torch.Generator().manual_seed(0)
    tokens = sum(case.lengths)
    query, key, value = (
        torch.randn(rows, heads, case.head_dim, generator=generator).to(device, dtype)
        for rows, heads in (
            (tokens, case.heads),
            (case.prefix_tokens + tokens, case.key_heads),
            (case.prefix_tokens + tokens, case.key_heads),
        )
    )
    return query, key, value


def packed_attention(case: AttentionCase, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return the result of `attend`."""
    sequences = PackedSequences(
        lengths=case.lengths, prefix_tokens=case.prefix_tokens, branches=case.branches, device=query.device
    )
    before = case.prefix_tokens
    return attend(
        query[sequences.tail_tokens] if case.tail_only else query,
        key[before:],
        value[before:],
        sequences,
        scale=case.head_dim**-0.5,
        causal=case.causal,
        prefix=(key[:before], value[:before]) if before else None,
        tail_only=case.tail_only,
    )


def attention_by_formula(
    case: AttentionCase, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> torch.Tensor:
    """Return softmax(scale * query x key) x value for one sequence after the other, in float64 on the CPU."""
    query, key, value = (part.double().cpu() for part in (query, key, value))
    before, outputs, end = case.prefix_tokens, [], 0
    for length in case.lengths:
        start, end = end, end + length
        seen = [torch.cat((part[:before], part[before + start : before + end])) for part in (key, value)]
        outputs.append(_attention_of_one(case, query[start:end], *seen))
    return torch.cat(outputs)


def _attention_of_one(case: AttentionCase, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return the output of one sequence, (tokens, heads, head_dim), or that of its tail."""
    key, value = (part.repeat_interleave(case.heads // case.key_heads, dim=1) for part in (key, value))
    logits = case.head_dim**-0.5 * torch.einsum("qhd,khd->hqk", query, key)
    weights = logits.masked_fill(~_visible(case, len(query)), -torch.inf).softmax(dim=-1)
    output = torch.einsum("hqk,khd->qhd", weights, value)
    return output[-1 - sum(case.branches) :] if case.tail_only else output


def _visible(case: AttentionCase, length: int) -> torch.Tensor:
    """Return which token of a sequence attends to which of the prefix and of the sequence, (tokens, keys)."""
    position = torch.arange(length)
    branch_numbers = [number for number, size in enumerate(case.branches, 1) for _ in range(size)]
    branch = torch.tensor([0] * (length - len(branch_numbers)) + branch_numbers)  # 0 is the trunk
    earlier = position <= position[:, None] if case.causal else torch.ones(length, length, dtype=torch.bool)
    same = (branch == 0) | (branch == branch[:, None])
    return torch.cat((torch.ones(length, case.prefix_tokens, dtype=torch.bool), earlier & same), dim=1)

"""Packed attention is that of each sequence alone, by the kernel and without it."""

import pytest
import torch

from reranker.models.layers.attention import PackedSequences, attend
from tests.support.attention import attention_of_one


@pytest.mark.usefixtures("attention_backend")
@pytest.mark.parametrize("lengths", [(4, 1, 5, 4, 4), (3, 3, 3), (7,)])
@pytest.mark.parametrize("before", [0, 6])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("tail_only", [True, False])
def test_packed_attention_is_that_of_each_sequence_alone(lengths, before, causal, tail_only):
    torch.manual_seed(0)
    sequences = PackedSequences(lengths=lengths, prefix_tokens=before, device=torch.device("cpu"))
    query = torch.randn(sum(lengths), 4, 8)
    key, value = torch.randn(2, sum(lengths), 2, 8)
    shared = tuple(torch.randn(2, before, 2, 8)) if before else None
    asked = query[sequences.tail_tokens] if tail_only else query
    output = attend(asked, key, value, sequences, scale=0.3, causal=causal, prefix=shared, tail_only=tail_only)
    expected = []
    for q, k, v in zip(*(part.split(lengths) for part in (query, key, value)), strict=True):
        seen = [torch.cat(parts) for parts in zip(shared, (k, v), strict=True)] if shared else [k, v]
        alone = attention_of_one(q, *seen, 0.3, causal)
        expected.append(alone[-1:] if tail_only else alone)
    assert torch.allclose(output, torch.cat(expected), atol=1e-6)


@pytest.mark.usefixtures("attention_backend")
@pytest.mark.parametrize("before", [0, 6])
@pytest.mark.parametrize("tail_only", [True, False])
def test_branches_continue_the_trunk_and_do_not_attend_to_each_other(before, tail_only):
    torch.manual_seed(0)
    trunks, branches = (4, 1, 4, 3), (2, 1, 2)
    lengths = tuple(trunk + sum(branches) for trunk in trunks)
    sequences = PackedSequences(lengths=lengths, prefix_tokens=before, branches=branches, device=torch.device("cpu"))
    query = torch.randn(sum(lengths), 4, 8)
    key, value = torch.randn(2, sum(lengths), 2, 8)
    shared = torch.randn(2, before, 2, 8)
    asked = query[sequences.tail_tokens] if tail_only else query
    prefix = (shared[0], shared[1]) if before else None
    output = attend(asked, key, value, sequences, scale=0.3, causal=True, prefix=prefix, tail_only=tail_only)
    expected = []
    for q, k, v in zip(*(part.split(lengths) for part in (query, key, value)), strict=True):
        trunk, *own = zip(*(part.split((len(part) - sum(branches), *branches)) for part in (q, k, v)), strict=True)
        before_branches = [torch.cat(parts) for parts in zip(shared, trunk[1:], strict=True)]
        alone = attention_of_one(trunk[0], *before_branches, 0.3, True)
        expected.append(alone[-1:] if tail_only else alone)
        for branch_query, *branch in own:
            seen = [torch.cat(parts) for parts in zip(before_branches, branch, strict=True)]
            expected.append(attention_of_one(branch_query, *seen, 0.3, True))
    assert torch.allclose(output, torch.cat(expected), atol=1e-6)

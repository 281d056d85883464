"""Packed attention is that of each sequence alone, by the kernel and without it."""

import pytest
import torch

from reranker.models.layers.attention import PackedSequences, attend
from tests.support.attention import attention_of_one


@pytest.mark.usefixtures("attention_backend")
@pytest.mark.parametrize("lengths", [(4, 1, 5, 4, 4), (3, 3, 3), (7,)])
@pytest.mark.parametrize("before", [0, 6])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("last_only", [True, False])
def test_packed_attention_is_that_of_each_sequence_alone(lengths, before, causal, last_only):
    torch.manual_seed(0)
    sequences = PackedSequences(lengths=lengths, prefix_tokens=before, device=torch.device("cpu"))
    query = torch.randn(sum(lengths), 4, 8)
    key, value = torch.randn(2, sum(lengths), 2, 8)
    shared = tuple(torch.randn(2, before, 2, 8)) if before else None
    asked = query[sequences.last_tokens] if last_only else query
    output = attend(asked, key, value, sequences, scale=0.3, causal=causal, prefix=shared, last_only=last_only)
    expected = []
    for q, k, v in zip(*(part.split(lengths) for part in (query, key, value)), strict=True):
        seen = [torch.cat(parts) for parts in zip(shared, (k, v), strict=True)] if shared else [k, v]
        alone = attention_of_one(q, *seen, 0.3, causal)
        expected.append(alone[-1:] if last_only else alone)
    assert torch.allclose(output, torch.cat(expected), atol=1e-6)

"""The norm is that of transformers, in one operation."""

import pytest
import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRMSNorm

from reranker.models.layers.rms_norm import rms_norm
from tests.support.operations import CountedOperations


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_it_is_the_norm_of_transformers_in_one_operation(dtype, tolerance):
    torch.manual_seed(0)
    norm = Qwen2_5_VLRMSNorm(64, eps=1e-5).to(dtype)
    torch.nn.init.normal_(norm.weight)
    hidden = (3 * torch.randn(10, 64)).to(dtype)
    with torch.inference_mode(), CountedOperations() as operations:
        normed = rms_norm(norm, hidden)
    assert operations.counts.total() == 1
    with torch.inference_mode():
        assert torch.allclose(normed, norm(hidden), rtol=tolerance, atol=tolerance)

"""A rotation turns each pair of elements by its angle."""

import pytest
import torch

from reranker.models.layers.rotary import Rotation
from tests.support.operations import CountedOperations


def rotated_by_the_formula(heads, angles):
    """As complex numbers, in float64."""
    first, second = heads.double().chunk(2, dim=-1)
    turned = torch.complex(first, second) * torch.polar(torch.ones_like(angles), angles.double())[:, None]
    return torch.cat((turned.real, turned.imag), dim=-1)


@pytest.mark.parametrize("of_heads", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("of_rotation", [torch.float32, torch.bfloat16])
def test_each_pair_is_turned_by_its_angle_in_few_operations(of_heads, of_rotation):
    torch.manual_seed(0)
    angles, heads = torch.randn(7, 4, dtype=torch.float64), torch.randn(7, 3, 8).to(of_heads)
    rotation = Rotation.from_angles(angles.float(), of_rotation)
    with torch.inference_mode(), CountedOperations() as operations:
        rotated = rotation.rotate(heads)
    assert rotated.dtype == of_heads
    exact = of_heads == of_rotation == torch.float32
    assert torch.allclose(rotated.double(), rotated_by_the_formula(heads, angles), atol=1e-6 if exact else 0.05)
    assert operations.counts.total() <= 5  # two products, two sums, and a conversion

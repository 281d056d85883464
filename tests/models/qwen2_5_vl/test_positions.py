"""Rotary positions are those of transformers."""

import pytest
import torch

from reranker.models.layers.multimodal_positions import rope_positions


@pytest.mark.parametrize(("rows", "columns"), [(7, 7), (5, 9), (1, 40), (40, 1)])
def test_positions_are_those_of_transformers(reference, rows, columns):
    pad = reference.config.image_token_id
    ids = torch.tensor([[20] * 11 + [pad] * (rows * columns) + [21] * 6])
    expected, _ = reference.model.get_rope_index(
        ids, mm_token_type_ids=(ids == pad).int(), image_grid_thw=torch.tensor([[1, 2 * rows, 2 * columns]])
    )
    assert torch.equal(rope_positions(11, rows, columns, 6), expected[:, 0])

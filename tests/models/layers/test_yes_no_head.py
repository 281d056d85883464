"""The head is the difference of two rows of the output matrix."""

import torch

from reranker.models.layers.yes_no_head import YesNoHead


def test_the_head_is_the_difference_of_two_rows():
    weight = torch.tensor([[1.0, 2.0], [0.5, -1.0], [9.0, 9.0]])
    assert YesNoHead.of(weight, 0, 1).log_odds(torch.tensor([[2.0, 3.0]])).tolist() == [0.5 * 2 + 3.0 * 3]

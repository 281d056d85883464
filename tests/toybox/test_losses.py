"""The loss of the order, and the share of examples whose best scene comes first, on values computed by hand."""

import pytest
import torch

from reranker.toybox.losses import first_rate, order_loss
from reranker.toybox.pair_targets import SCENES_PER_EXAMPLE


def test_the_order_of_one_example():
    log_odds, match = torch.tensor([2.0, 1.0, 0.0, 0.0]), torch.tensor([1.0, 0.5, 0.5, 0.5])
    expected = torch.nn.functional.softplus(torch.tensor([-1.0, -2.0, -2.0])).mean()
    assert order_loss(log_odds, match).item() == pytest.approx(expected.item())
    assert first_rate(log_odds, match) == 1
    assert first_rate(-log_odds, match) == 0
    assert len(log_odds) == SCENES_PER_EXAMPLE

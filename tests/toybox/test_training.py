"""Training from scratch, with the little time that a test has."""

from random import Random

import pytest

from reranker import Reranker
from reranker.core.scores import shown_score
from reranker.toybox.drawing import png_bytes
from reranker.toybox.scenes import random_scene
from reranker.toybox.training import train_from_scratch


@pytest.mark.slow
def test_a_short_training_writes_a_checkpoint_that_ranks(tmp_path):
    train_from_scratch(tmp_path, minutes=0.2, device="cpu")
    pictures = [png_bytes(random_scene(Random(seed))) for seed in (1, 2)]
    ranking = Reranker(str(tmp_path)).rank("a red car", pictures)
    assert len(ranking.scored) == 2
    assert all(0 <= shown_score(scored.score.log_odds) <= 10 for scored in ranking.scored)

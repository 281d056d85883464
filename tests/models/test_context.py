"""How many visual tokens there is room for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.config.settings import MAX_TOKENS
from reranker.core.errors import DetailTooHigh
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.context import check_detail, max_visual_tokens
from reranker.models.hub import TOYBOX
from reranker.models.loading import load_checkpoint


@pytest.mark.parametrize(
    ("context", "visual"), [(128_000, 16_384), (32_768, 16_384), (4096, 3072), (2048, 1024), (2000, 1000), (1, 1)]
)
def test_a_picture_leaves_room_for_the_prompt(context: int, visual: int) -> None:
    assert max_visual_tokens(context) == visual


@given(st.integers(1, 200_000), st.integers(1, 200_000))
def test_a_longer_context_never_has_less_room(first: int, second: int) -> None:
    short, long = sorted((first, second))
    assert 0 < max_visual_tokens(short) <= max_visual_tokens(long) <= MAX_TOKENS
    assert max_visual_tokens(long) <= long


def test_a_detail_beyond_the_room_is_refused_with_what_there_is() -> None:
    check_detail("mine", 3072, 4096)
    with pytest.raises(DetailTooHigh) as caught:
        check_detail("mine", 3073, 4096)
    assert (caught.value.value, caught.value.expected, caught.value.model) == ("3073", "3,072", "mine")


def test_the_context_is_read_from_the_configuration_before_any_weight_is_loaded() -> None:
    assert CheckpointFiles("toybox", TOYBOX).max_tokens == 4096
    loaded: list[int] = []
    with pytest.raises(DetailTooHigh):
        load_checkpoint("toybox", "cpu", "fp32", visual_tokens=3073, report=lambda done, _: loaded.append(done))
    assert loaded == []

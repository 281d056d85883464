"""The size of batches is that of the quickest ones that fit into the memory."""

from collections.abc import Callable

import pytest

from reranker.pipelines.batch_size import LEAST, MOST, BatchSize


def found(picture_s: Callable[[int], float]) -> int:
    """The size after many batches, in which a picture takes this long by the size of the batch."""
    batch_size = BatchSize()
    for _ in range(40):
        batch_size.measured(batch_size.size, picture_s(batch_size.size) * batch_size.size)
    return batch_size.size


@pytest.mark.parametrize(
    ("picture_s", "size"),
    [
        (lambda size: 1.0, LEAST),
        (lambda size: 1 / size, MOST),
        (lambda size: max(1 / size, 1 / 32), 32),
        (lambda size: 1 / size if size <= 16 else 1.0, 16),
        (lambda size: 1.0 - 0.01 * size / LEAST, LEAST),
    ],
    ids=["equal", "always quicker", "until 32", "slower beyond 16", "hardly quicker"],
)
def test_it_grows_as_long_as_pictures_get_quicker(picture_s: Callable[[int], float], size: int) -> None:
    assert found(picture_s) == size


def test_the_first_batch_of_a_size_and_partial_ones_do_not_count() -> None:
    batch_size = BatchSize()
    batch_size.measured(LEAST, 100.0)
    batch_size.measured(LEAST - 1, 0.001)
    assert batch_size.size == LEAST
    batch_size.measured(LEAST, 1.0)
    assert batch_size.size == 2 * LEAST


def test_it_never_grows_beyond_what_did_not_fit() -> None:
    batch_size = BatchSize()
    batch_size.exceeded(10)
    for _ in range(10):
        batch_size.measured(batch_size.size, 1e-9)
    assert batch_size.size == 5
    for count in (5, 2, 1):
        batch_size.exceeded(count)
    assert batch_size.size == 1

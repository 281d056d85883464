"""Files are ordered as people count."""

from pathlib import Path
from random import Random

import pytest

from reranker.images.natural_order import natural_key


@pytest.mark.parametrize(
    "names",
    [
        ["img1.png", "img2.png", "img10.png"],
        ["2.png", "10.png", "a.png"],
        ["a.png", "B.png", "c.png"],
        ["a/2.png", "a/10.png", "b/1.png"],
        ["第2张.png", "第10张.png"],
        ["A.png", "a.png"],
    ],
)
def test_numbers_are_compared_as_numbers_and_case_is_ignored(names):
    paths = [Path(name) for name in names]
    shuffled = Random(0).sample(paths, len(paths))
    assert sorted(shuffled, key=natural_key) == paths

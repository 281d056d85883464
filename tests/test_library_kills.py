"""A library whose process is killed again and again is complete in the end, as if it had never been killed."""

import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from reranker.library import Library
from tests.support.dual_encoders import siglip_folder
from tests.support.libraries import vectors_of
from tests.support.numbered_pictures import numbered_gallery
from tests.support.paths import ROOT

INDEX = """
import sys
from reranker.library import Library
for progress in Library(sys.argv[1], encoder=sys.argv[2]).index([sys.argv[3]]):
    print(progress.done, flush=True)
"""


@pytest.mark.parametrize(
    ("pictures", "kills"),
    [pytest.param(300, 4, marks=pytest.mark.extended), pytest.param(3000, 20, marks=pytest.mark.slow)],
)
def test_nothing_is_lost_doubled_or_exchanged(tmp_path: Path, pictures: int, kills: int) -> None:
    folder = numbered_gallery(tmp_path / "pictures", *range(pictures))
    encoder, library = siglip_folder(tmp_path / "siglip", 1), tmp_path / "library"
    choose = random.Random(7)
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", INDEX, library, encoder, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        with process:
            for _ in range(choose.randrange(1, 4)):
                process.stdout.readline()
            process.kill()
    with closing(Library(library, encoder=str(encoder))) as killed:
        *_, last = killed.index([folder])
        assert last.failed == 0
        assert last.encoded < pictures, "the killed processes have left something"
    with closing(Library(tmp_path / "other", encoder=str(encoder))) as other:
        *_, last = other.index([folder])
        assert last.encoded == pictures
    found, expected = vectors_of(library), vectors_of(tmp_path / "other")
    assert found.keys() == expected.keys()
    assert len(found) == pictures
    # In BF16 a vector depends a little on the size of its batch.
    np.testing.assert_allclose([found[path] for path in expected], list(expected.values()), atol=1e-2)

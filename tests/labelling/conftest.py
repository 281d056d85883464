"""The folder that the tests of labelling start from."""

from pathlib import Path

import pytest

from tests.support.label_page import numbered_folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return numbered_folder(tmp_path / "photos")

"""What the attacks start from."""

from pathlib import Path

import pytest

from tests.support.label_page import numbered_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to label."""
    return numbered_folder(tmp_path / "photos")

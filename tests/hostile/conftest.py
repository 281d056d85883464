"""What the attacks start from."""

from pathlib import Path

import pytest

from tests.support.label_page import numbered_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to label."""
    return numbered_folder(tmp_path / "photos")


@pytest.fixture
def numbers(upload_folder: Path) -> list[str]:
    """Uploaded files that hold their own log-odds."""
    paths = [upload_folder / f"{value}.png" for value in (-1.5, 2.5, 0.5, 1.5)]
    for path in paths:
        path.write_text(path.stem)
    return [str(path) for path in paths]

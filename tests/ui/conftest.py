"""The uploads that the tests of the page start from."""

import pytest


@pytest.fixture
def numbers(upload_folder) -> list[str]:
    """Uploaded files that hold their own log-odds."""
    paths = [upload_folder / f"{value}.png" for value in (-1.5, 2.5, 0.5, 1.5)]
    for path in paths:
        path.write_text(path.stem)
    return [str(path) for path in paths]

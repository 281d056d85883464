"""Folders of the program and of its user."""

from pathlib import Path
from typing import Final

import platformdirs

_PACKAGE: Final = Path(__file__).resolve().parents[1]
# The sample gallery and the embedded model: inside the package if it is installed, beside it in a clone.
ASSETS: Final = _PACKAGE / "assets" if (_PACKAGE / "assets").is_dir() else _PACKAGE.parent / "assets"

LABELS: Final = _PACKAGE / "data"  # the vocabularies of the program


def cache_folder() -> Path:
    """Return the user's folder for what can be computed again; all programs of this user share it."""
    return platformdirs.user_cache_path("reranker", appauthor=False)


def data_folder() -> Path:
    """Return the user's folder for what cannot be computed again; all programs of this user share it."""
    return platformdirs.user_data_path("reranker", appauthor=False)

"""Where the files lie that come with the program: its pictures and its small model."""

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parents[1]
# Inside the package where that is installed, beside it in a clone.
ASSETS: Final = _HERE / "assets" if (_HERE / "assets").is_dir() else _HERE.parent / "assets"

"""The scripts that a browser runs, as one text each page or component."""

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).with_name("scripts")


def code(*scripts: str) -> str:
    """Those of the folder beside this file, by their names, `elements` before them."""
    return "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in ("elements", *scripts))

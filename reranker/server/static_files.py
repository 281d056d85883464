"""What a browser is given: scripts, as one text each page or component, and styles."""

from pathlib import Path
from typing import Final

_SCRIPTS: Final = Path(__file__).with_name("static") / "scripts"
_STYLES: Final = Path(__file__).with_name("static") / "styles"


def script(name: str) -> str:
    """The text of one script."""
    return (_SCRIPTS / f"{name}.js").read_text(encoding="utf-8")


def code(*scripts: str) -> str:
    """Scripts by their names, `elements` before them."""
    return "\n".join(script(name) for name in ("elements", *scripts))


def styles(*names: str) -> list[Path]:
    """Style sheets by their names, in this order."""
    return [_STYLES / f"{name}.css" for name in names]

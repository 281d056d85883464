"""Which files are pictures, and the order in which people count them."""

import re
from pathlib import Path
from typing import Final

SUFFIXES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)


def is_picture(name: str) -> bool:
    """By its extension, and not hidden."""
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def natural(path: Path) -> tuple[list[list[str | int]], str]:
    """Sorts as people count: img2 before img10, capitals beside small letters, a folder's files together."""
    return [_words_and_numbers(part.casefold()) for part in path.parts], str(path)


def _words_and_numbers(text: str) -> list[str | int]:
    """Words at even places and numbers at odd ones, so that like meets like."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", text))]

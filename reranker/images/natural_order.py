"""The order in which people expect numbered files."""

import re
from pathlib import Path


def natural_key(path: Path) -> tuple[list[list[str | int]], str]:
    """A sort key: img2 before img10, upper and lower case together, the files of a folder together."""
    return [_words_and_numbers(part.casefold()) for part in path.parts], str(path)


def _words_and_numbers(text: str) -> list[str | int]:
    """Split at numbers: words at even indices and numbers at odd ones, so that equal types are compared."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d+)", text))]

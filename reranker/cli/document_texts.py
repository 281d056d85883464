"""Texts that stand beside pictures, from a CSV file: a product's title, a page's caption."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reranker.cli.console import Refused, printable, say
from reranker.core.types import Candidate

COLUMNS = ("path", "text")


def with_texts(candidates: Sequence[Candidate], file: Path) -> list[Candidate]:
    """The candidates with their texts: found by the path as it was typed, else by the name of the file alone,
    where neither the rows nor the pictures have that name twice.

    The file has a header with the columns `path` and `text`, in UTF-8, with or without a byte order mark; rows of other
    pictures are passed over. Raises `Refused` where the file cannot be read, or has a text for none of them.
    """
    texts = _texts(file)
    rows, pictures = (Counter(Path(path).name for path in paths) for paths in (texts, [one.name for one in candidates]))
    by_name = {Path(path).name: text for path, text in texts.items()}
    unique = {name: text for name, text in by_name.items() if rows[name] == pictures[name] == 1}
    found = [texts.get(one.name) or unique.get(Path(one.name).name, "") for one in candidates]
    count = sum(map(bool, found))
    if not count:
        raise Refused(f"The file “{printable(str(file))}” has a text for none of the pictures; its paths are others.")
    say(f"{count} of {len(candidates)} pictures have a text beside them.")
    return [replace(one, text=text) for one, text in zip(candidates, found, strict=True)]


def _texts(file: Path) -> dict[str, str]:
    shown = printable(str(file))
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines)
            if not set(COLUMNS) <= set(table.fieldnames or ()):
                raise Refused(f"The file “{shown}” needs a header with the columns path and text.")
            return {row["path"]: (row["text"] or "").strip() for row in table if row["path"]}
    except OSError as error:
        raise Refused(f"The file “{shown}” cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"The file “{shown}” is not a CSV file in UTF-8; save it as one.") from error

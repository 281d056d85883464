"""Several queries at once, from a file with one a line."""

import sys
from io import StringIO
from pathlib import Path

from reranker.api import Reranker
from reranker.cli.console import Refused, printable
from reranker.core.errors import QueryTooLong

STDIN = Path("-")


def read_queries(file: Path, reranker: Reranker) -> list[str]:
    """The queries, checked, in their order; blank lines are passed over.

    The file is in UTF-8, with or without a byte order mark; `-` is stdin. Raises `Refused`.
    """
    shown = "stdin" if file == STDIN else f"the file “{printable(str(file))}”"
    lines = enumerate(_text(file, shown), start=1)
    queries = [_checked(line, f"Line {number} of {shown}", reranker) for number, line in lines if line.strip()]
    if not queries:
        raise Refused(f"There is no query in {shown}; write one a line.")
    return queries


def _text(file: Path, shown: str) -> StringIO:
    try:
        data = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
        return StringIO(data.decode("utf-8-sig"))
    except OSError as error:
        raise Refused(f"The queries of {shown} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Refused(f"The queries of {shown} are not text in UTF-8; save them as such.") from error


def _checked(line: str, place: str, reranker: Reranker) -> str:
    try:
        return reranker.query(line).text
    except QueryTooLong as error:
        most = f"{error.length:,} characters; the limit is {error.max_length:,}"
        raise Refused(f"{place} has {most}: shorten it.") from error

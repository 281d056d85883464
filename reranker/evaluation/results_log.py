"""What was judged already, in a file that grows by a line a set: an evaluation that was stopped goes on from there."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reranker.evaluation.datasets.labelled import LabelledSet
from reranker.evaluation.results import JudgedSet

_Key = tuple[str, str]


class ResultsLog:
    """Judged sets by fingerprint and content, in a JSON Lines file. A line that was cut off is judged again.

    Raises `OSError` where it cannot be read and written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[_Key, JudgedSet] = {}
        self._append(b"")  # raises before anything is judged
        if path.is_file():
            whole = path.read_bytes()
            for line in whole.splitlines():
                self._learn(line)
            if whole and not whole.endswith(b"\n"):  # what comes next begins a line of its own
                self._append(b"\n")

    def _learn(self, line: bytes) -> None:
        try:
            found: dict[str, Any] = json.loads(line)
            judged = JudgedSet(
                id=found["id"],
                log_odds=tuple(found["log_odds"]),
                errors={int(index): text for index, text in found["errors"].items()},
                looked_ms=found["looked_ms"],
                asked_ms=found["asked_ms"],
                peak_bytes=found["peak_bytes"],
            )
            self._known[found["fingerprint"], found["content"]] = judged
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def get(self, fingerprint: str, labelled: LabelledSet) -> JudgedSet | None:
        """What the scorer of this fingerprint said of these very pictures; None where that is not known."""
        return self._known.get((fingerprint, _content(labelled)))

    def put(self, fingerprint: str, labelled: LabelledSet, judged: JudgedSet) -> None:
        """Keep it. Raises `OSError`."""
        content = _content(labelled)
        line = {"fingerprint": fingerprint, "content": content, **asdict(judged)}
        self._append(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self._known[fingerprint, content] = judged

    def _append(self, line: bytes) -> None:
        with self._path.open("ab") as file:
            file.write(line)


def _content(labelled: LabelledSet) -> str:
    """Digest of the query, and of each picture: its bytes, or of a file the name, size and time."""
    digest = hashlib.sha256(json.dumps([labelled.id, labelled.query]).encode())
    for picture in labelled.pictures:
        digest.update(f"\0{picture.name}\0".encode(errors="surrogatepass"))
        digest.update(picture.source if isinstance(picture.source, bytes) else _state(picture.source))
    return digest.hexdigest()


def _state(path: Path) -> bytes:
    try:
        found = path.stat()
    except OSError:
        return b"missing"
    return f"{found.st_size} {found.st_mtime_ns}".encode()

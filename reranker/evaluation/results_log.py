"""A log of scored sets in a file that grows by a line for each set, so that a stopped evaluation can be resumed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from reranker.evaluation.datasets.types import LabelledSet
from reranker.evaluation.results import ScoredSet

_Key = tuple[str, str]


class ResultsLog:
    """Scored sets by fingerprint and content, in a JSON Lines file. Incomplete lines are ignored.

    Raises `OSError` if the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scored_sets: dict[_Key, ScoredSet] = {}
        self._append(b"")  # raises an error before anything is scored
        if path.is_file():
            data = path.read_bytes()
            for line in data.splitlines():
                self._load(line)
            if data and not data.endswith(b"\n"):  # the last line is incomplete
                self._append(b"\n")

    def _load(self, line: bytes) -> None:
        try:
            record: dict[str, Any] = json.loads(line)
            self._scored_sets[record["fingerprint"], record["content"]] = _from_record(record)
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def get(self, fingerprint: str, labelled: LabelledSet) -> ScoredSet | None:
        """Return the scores of this set by the scorer with this fingerprint, or None if the log does not have them."""
        return self._scored_sets.get((fingerprint, _content_digest(labelled)))

    def put(self, fingerprint: str, labelled: LabelledSet, scored: ScoredSet) -> None:
        """Append the scores of a set. Raises `OSError`."""
        content = _content_digest(labelled)
        record = {"fingerprint": fingerprint, "content": content, **_as_record(scored)}
        self._append(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self._scored_sets[fingerprint, content] = scored

    def _append(self, line: bytes) -> None:
        with self._path.open("ab") as file:
            file.write(line)


def _as_record(scored: ScoredSet) -> dict[str, Any]:
    """Return the fields of a line; their names are part of the file format."""
    return {
        "id": scored.id,
        "log_odds": scored.log_odds,
        "errors": scored.errors,
        "looked_ms": scored.encode_ms,
        "asked_ms": scored.score_ms,
        "peak_bytes": scored.peak_bytes,
    }


def _from_record(record: dict[str, Any]) -> ScoredSet:
    return ScoredSet(
        id=record["id"],
        log_odds=tuple(record["log_odds"]),
        errors={int(index): text for index, text in record["errors"].items()},
        encode_ms=record["looked_ms"],
        score_ms=record["asked_ms"],
        peak_bytes=record["peak_bytes"],
    )


def _content_digest(labelled: LabelledSet) -> str:
    """Return a digest of the query and the pictures: of their bytes, or of the name, size and time of a file."""
    digest = hashlib.sha256(json.dumps([labelled.id, labelled.query]).encode())
    for picture in labelled.pictures:
        digest.update(f"\0{picture.name}\0".encode(errors="surrogatepass"))
        digest.update(picture.source if isinstance(picture.source, bytes) else _file_state(picture.source))
    return digest.hexdigest()


def _file_state(path: Path) -> bytes:
    try:
        stat = path.stat()
    except OSError:
        return b"missing"
    return f"{stat.st_size} {stat.st_mtime_ns}".encode()

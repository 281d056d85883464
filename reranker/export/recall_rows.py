"""What the first stage of a search has found, as rows, as JSON and as CSV, for searches that are not reranked."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from reranker.export.rows import csv_text
from reranker.pipelines.recall import Recalled


@dataclass(frozen=True, kw_only=True)
class RecallRow:
    """One picture. The fields are the columns of every file, in this order.

    rank: from 1. similarity: the cosine of the picture and the query, in [-1, 1]. width, height: in pixels. date: as in
    `FoundPicture`. sha256: of the bytes of the file, in hexadecimal.
    """

    rank: int
    path: str
    similarity: float
    width: int
    height: int
    date: str
    sha256: str


def recall_rows(recalled: Sequence[Recalled]) -> list[RecallRow]:
    """One row for each picture, in their order. Of equal files, it has the first."""
    return [_row(rank, each) for rank, each in enumerate(recalled, start=1)]


def _row(rank: int, recalled: Recalled) -> RecallRow:
    file = recalled.files[0]
    return RecallRow(
        rank=rank,
        path=str(file.path),
        similarity=recalled.cosine,
        width=file.size_px[0],
        height=file.size_px[1],
        date=file.date,
        sha256=file.content_hash,
    )


def recall_as_json(query: str, encoder: str, recalled: Sequence[Recalled]) -> str:
    """A JSON object with the query, the encoder and results."""
    results = [asdict(row) for row in recall_rows(recalled)]
    return json.dumps({"query": query, "encoder": encoder, "results": results}, ensure_ascii=False, indent=2) + "\n"


def recall_as_csv(recalled: Sequence[Recalled]) -> str:
    """CSV in the form of every CSV file of this program."""
    columns = (field.name for field in fields(RecallRow))
    return csv_text(columns, (asdict(row).values() for row in recall_rows(recalled)))

"""Label the pictures of a library that have no labels yet. What was labelled is kept whenever the work is cut off."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reranker.core.errors import PictureError, PictureSkipped
from reranker.core.types import Candidate, Failed
from reranker.pipelines.tag import Tagged
from reranker.storage.catalogue import Catalogue
from reranker.storage.picture_labels import TaggingRecord

WRITTEN_TOGETHER: Final = 16  # pictures

TagPictures = Callable[[Sequence[Candidate]], Iterator[Tagged | Failed]]


@dataclass(frozen=True, kw_only=True)
class TagProgress:
    """How far a run is. failed: pictures that could not be judged, which the next run tries again.

    errors: of the pictures that have failed since the last progress.
    """

    done: int
    total: int
    failed: int = 0
    errors: tuple[PictureError, ...] = ()


def tag_library(catalogue: Catalogue, record: TaggingRecord, tag: TagPictures) -> Iterator[TagProgress]:
    """Label pictures, equal ones once. Yields after each write, and once before the first.

    record: how they are labelled; labels of another one go. tag: yields the result of each picture, in their order.
    Raises `OSError` and `sqlite3.Error`, such as on a full disk, and what `tag` does; what was yielded is kept.
    """
    catalogue.labels.start(record)
    missing = catalogue.labels.missing()
    candidates = [Candidate.of(Path(os.fsdecode(path))) for path in missing.values()]
    progress = TagProgress(done=0, total=len(candidates))
    yield progress
    batch: list[tuple[str, Tagged | Failed]] = []
    for content_hash, result in zip(missing, tag(candidates), strict=True):
        batch.append((content_hash, result))
        if len(batch) == WRITTEN_TOGETHER:
            progress = _written(catalogue, record.digest, batch, progress)
            yield progress
            batch = []
    if batch:
        yield _written(catalogue, record.digest, batch, progress)


def _written(
    catalogue: Catalogue, digest: str, batch: Sequence[tuple[str, Tagged | Failed]], progress: TagProgress
) -> TagProgress:
    """Enter the labels of pictures. One that has changed since it was indexed is left to the next indexing."""
    labels = {
        content_hash: {each.label.key: each.confidence for each in result.labels}
        for content_hash, result in batch
        if isinstance(result, Tagged) and result.content_hash == content_hash
    }
    catalogue.labels.put(digest, labels)
    errors = tuple(result.error for _, result in batch if isinstance(result, Failed))
    errors = tuple(error for error in errors if not isinstance(error, PictureSkipped))
    return TagProgress(
        done=progress.done + len(batch),
        total=progress.total,
        failed=progress.failed + len(errors),
        errors=errors,
    )

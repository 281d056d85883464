"""Answer the requests of the page of `label`: the pictures of a folder, the saved labelled queries, and changes.

Imports neither Gradio nor, unless somebody orders the pictures, the model, so that the page is there at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import RerankerError
from reranker.core.types import Ranking
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import LANGUAGES, phrase, phrases
from reranker.labelling.label_file import LabelFile, LabelledQuery, absolute
from reranker.server.status import Status, trouble
from reranker.storage.thumbnail_store import ThumbnailStore


class Labelling:
    """The handlers for one folder and one file, which all open pages share.

    pictures: files in `folder`; the page shows their relative paths, and no other file is opened. Requests are JSON:
    `query`; `relevant`, the names of pictures; for a saved query its `line`, and `saved_query`, as it was saved.
    """

    def __init__(
        self, *, folder: Path, pictures: Sequence[Path], file: LabelFile, reranker: Reranker, thumbnails: ThumbnailStore
    ) -> None:
        self._pictures, self._thumbnails = [absolute(picture) for picture in pictures], thumbnails
        self._names = {picture: picture.relative_to(absolute(folder)).as_posix() for picture in self._pictures}
        self._file, self._reranker = file, reranker
        self._decoding = BoundedSemaphore(reranker.settings.engine.prefetch_threads)  # each holds the bytes of its file

    @property
    def picture_count(self) -> int:
        """The number of pictures in the folder."""
        return len(self._pictures)

    def state(self, language: Language) -> dict[str, Any]:
        """Return all that the page shows."""
        return {
            "language": language,
            "languages": LANGUAGES,
            "labels": phrases("mark_", language) | phrases("label_", language),
            "pictures": list(self._names.values()),
            **self._response(None, language),
        }

    def thumbnail(self, index: int) -> Path | None:
        """Return the thumbnail of the picture with this index, or None if there is no such picture."""
        if index >= len(self._pictures):
            return None
        with self._decoding:
            return self._thumbnails.get(self._pictures[index])

    def save(self, request: dict[str, Any], language: Language) -> dict[str, Any]:
        """Save a labelled query as a new one, or in place of a saved one."""
        try:
            with self._file.locked():  # two requests at once must not both find that the query is not saved yet
                status = self._save(self._labelled_query(request), request, language)
        except (RerankerError, OSError) as error:
            status = self._error_status(error, language)
        return self._response(status, language)

    def remove(self, request: dict[str, Any], language: Language) -> dict[str, Any]:
        """Remove a saved labelled query."""
        number, saved_query = _saved_line(request)
        try:
            is_removed = self._file.change(number, saved_query, None)
            status = _done("removed", language, query=saved_query) if is_removed else _refused("moved", language)
        except (RerankerError, OSError) as error:
            status = self._error_status(error, language)
        return self._response(status, language)

    def order(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield `done` and `total` after each picture, then `order`: the indexes of all pictures, most relevant first.

        Raises the errors of `Reranker.rank_stream`.
        """
        return order_events(self._reranker, _query_text(request), self._pictures)

    def _labelled_query(self, request: dict[str, Any]) -> LabelledQuery[Path]:
        """Raises `RequestError`."""
        relevant = request.get("relevant")
        names = {name for name in relevant if isinstance(name, str)} if isinstance(relevant, list) else set()
        return LabelledQuery(
            query=self._reranker.query(_query_text(request)).text,
            pictures=tuple(self._pictures),
            relevant=tuple(picture for picture, name in self._names.items() if name in names),
        )

    def _save(self, labelled: LabelledQuery[Path], request: dict[str, Any], language: Language) -> Status:
        """Raises `DatasetInvalid` and `OSError`."""
        if labelled.problem:
            return Status(text=phrase(labelled.problem, language), tone="trouble")
        lines = {line.number: line for line in self._file.read()}
        number, saved_query = _saved_line(request)
        before = lines.pop(number, None)
        same_query = (line.labelled for line in lines.values() if line.labelled.query == labelled.query)
        if any(not self._names.keys().isdisjoint(other.pictures) for other in same_query):
            return _refused("there", language, query=labelled.query)
        if not number:
            self._file.add(labelled)
            return _done("saved", language, query=labelled.query)
        if before is None or before.labelled.query != saved_query:
            return _refused("moved", language)
        if not before.is_plain:
            return _refused("not_plain", language, query=saved_query, name=self._file.name)
        is_changed = self._file.change(number, saved_query, self._with_other_pictures(labelled, before.labelled))
        return _done("changed", language, query=labelled.query) if is_changed else _refused("moved", language)

    def _with_other_pictures(self, labelled: LabelledQuery[Path], before: LabelledQuery[Path]) -> LabelledQuery[Path]:
        """Add the pictures that were labelled before, are not in this folder, and still exist."""
        others = before.limited_to({path for path in before.pictures if path not in self._names and path.is_file()})
        return LabelledQuery(
            query=labelled.query,
            pictures=(*labelled.pictures, *others.pictures),
            relevant=(*labelled.relevant, *others.relevant),
        )

    def _response(self, status: Status | None, language: Language) -> dict[str, Any]:
        """Return the saved labelled queries, the latest first, and the status of a change, if there was one."""
        try:
            lines = self._file.read()
        except (RerankerError, OSError) as error:
            return {"queries": [], "status": self._error_status(error, language).value, "is_done": False}
        count = phrase("labelled_count", language, count=len(lines), name=self._file.name)
        is_done = status is not None and status.tone == "done"
        if status is None or is_done:
            status = Status(text=f"{status.text} {count}" if status else count, tone="done" if status else "idle")
        queries = [self._saved_value(line.number, line.labelled, language) for line in reversed(lines)]
        return {"queries": queries, "status": status.value, "is_done": is_done}

    def _saved_value(self, number: int, labelled: LabelledQuery[Path], language: Language) -> dict[str, Any]:
        names = [self._names[picture] for picture in labelled.relevant if picture in self._names]
        return {"line": number, "relevant": names, **labelled_query_value(labelled, language)}

    def _error_status(self, error: Exception, language: Language) -> Status:
        if isinstance(error, OSError):
            return _refused("closed", language, name=self._file.name, reason=error.strerror or type(error).__name__)
        return trouble(error, language)


def order_events(
    reranker: Reranker, query: str, pictures: Sequence[Path], cancellation: Cancellation | None = None
) -> Iterator[dict[str, Any]]:
    """Yield `done` and `total` after each picture, then `order`: the indexes of all pictures, most relevant first.

    Raises the errors of `Reranker.rank_stream`.
    """
    with closing(reranker.rank_stream(query, pictures, cancellation=cancellation)) as stream:
        for done, event in enumerate(stream, start=1):
            if isinstance(event, Ranking):
                scored, failed = event.scored, event.failed
                yield {"order": [*(each.position for each in scored), *(each.position for each in failed)]}
            else:
                yield {"done": done, "total": len(pictures)}


def _query_text(request: dict[str, Any]) -> str:
    """Return the query of a request, or an empty one if it is not text."""
    query = request.get("query")
    return query if isinstance(query, str) else ""


def _saved_line(request: dict[str, Any]) -> tuple[int, str]:
    """Return the line and the query of the saved labelled query that a request is about.

    The line is 0 for a new one, and -1, which no line has, if the request has something that is not a number of a line.
    """
    line, saved_query = request.get("line"), request.get("saved_query")
    number = 0 if line is None else line if type(line) is int else -1  # True is an int, too
    return number, saved_query if isinstance(saved_query, str) else ""


def labelled_query_value(labelled: LabelledQuery[Any], language: Language) -> dict[str, Any]:
    """Return a line in a list of labelled queries, for `createQueryList` in `label_grid.js`."""
    return {
        "query": labelled.query,
        "count": phrase("marked_right", language, right=len(labelled.relevant), total=len(labelled.pictures)),
        "remove": phrase("remove", language, name=labelled.query),
    }


def _done(key: str, language: Language, **values: object) -> Status:
    return Status(text=phrase(f"labelled_{key}", language, **values), tone="done")


def _refused(key: str, language: Language, **values: object) -> Status:
    return Status(text=phrase(f"labelled_{key}", language, **values), tone="trouble")

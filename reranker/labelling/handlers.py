"""What the page of `label` is answered: a folder's pictures, the saved sets, and what became of a change.

Knows neither gradio nor, unless somebody asks for the likely ones first, the model: it is there at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any

from reranker.api import Reranker
from reranker.core.errors import RerankerError
from reranker.core.types import Ranking
from reranker.evaluation.datasets.reading import is_text
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import LANGUAGES, phrase, phrases
from reranker.labelling.label_file import LabelFile, absolute
from reranker.labelling.labelled_query import LabelledQuery
from reranker.server.status import Status, trouble
from reranker.storage.thumbnail_store import ThumbnailStore


class Labelling:
    """One folder and one file, for all who come.

    pictures: files in `folder`, where they are shown by their paths; nothing else is ever opened. What is asked comes
    as JSON: `query`; `marked`, the names of pictures; of a set that was saved its `line` and the query that it `was`.
    """

    def __init__(
        self, *, folder: Path, pictures: Sequence[Path], file: LabelFile, reranker: Reranker, thumbnails: ThumbnailStore
    ) -> None:
        self._pictures, self._thumbnails = [absolute(picture) for picture in pictures], thumbnails
        self._names = {picture: picture.relative_to(absolute(folder)).as_posix() for picture in self._pictures}
        self._file, self._reranker = file, reranker
        self._saving = Lock()
        self._decoding = BoundedSemaphore(reranker.settings.engine.prefetch_threads)  # each may take 400 MB

    def board(self, language: Language) -> dict[str, Any]:
        """All that the page shows."""
        return {
            "language": language,
            "languages": LANGUAGES,
            "labels": phrases("mark_", language) | phrases("label_", language),
            "pictures": list(self._names.values()),
            **self._told(None, language),
        }

    def thumbnail(self, place: int) -> Path | None:
        """Of the picture at a place of the board; None where there is none."""
        if place >= len(self._pictures):
            return None
        with self._decoding:
            return self._thumbnails.get(self._pictures[place])

    def save(self, asked: dict[str, Any], language: Language) -> dict[str, Any]:
        """The marks as a new set, or in the place of a saved one."""
        try:
            with self._saving:  # or what is looked for in the file might come into it meanwhile
                said = self._saved(self._marked(asked), asked, language)
        except (RerankerError, OSError) as error:
            said = self._trouble(error, language)
        return self._told(said, language)

    def remove(self, asked: dict[str, Any], language: Language) -> dict[str, Any]:
        """A saved set."""
        number, was = _place(asked)
        try:
            is_done = self._file.change(number, was, None)
            said = _done("removed", language, query=was) if is_done else _refused("moved", language)
        except (RerankerError, OSError) as error:
            said = self._trouble(error, language)
        return self._told(said, language)

    def order(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """`done` and `total` after each picture; then the places of all, by the model, the likely ones first.

        Raises as `Reranker.rank_stream`.
        """
        query = asked.get("query")
        with closing(self._reranker.rank_stream(query if isinstance(query, str) else "", self._pictures)) as stream:
            for done, event in enumerate(stream, start=1):
                if isinstance(event, Ranking):
                    yield {"order": [*(one.position for one in event.scored), *(one.position for one in event.failed)]}
                else:
                    yield {"done": done, "total": len(self._pictures)}

    def _marked(self, asked: dict[str, Any]) -> LabelledQuery:
        """Raises `RequestError`."""
        query, marked = asked.get("query"), asked.get("marked")
        names = set(filter(lambda name: isinstance(name, str), marked)) if isinstance(marked, list) else set()
        return LabelledQuery(
            query=self._reranker.query(query if isinstance(query, str) and is_text(query) else "").text,
            pictures=tuple(self._pictures),
            relevant=tuple(picture for picture, name in self._names.items() if name in names),
        )

    def _saved(self, marked: LabelledQuery, asked: dict[str, Any], language: Language) -> Status:
        """Raises `DatasetInvalid` and `OSError`."""
        if marked.mistake:
            return Status(text=phrase(marked.mistake, language), tone="trouble")
        lines = {line.number: line for line in self._file.read()}
        number, was = _place(asked)
        before = lines.pop(number, None)
        others = (line.marked for line in lines.values() if line.marked.query == marked.query)
        if any(not self._names.keys().isdisjoint(other.pictures) for other in others):
            return _refused("there", language, query=marked.query)
        if not number:
            self._file.add(marked)
            return _done("saved", language, query=marked.query)
        if before is None or before.marked.query != was:
            return _refused("moved", language)
        if not before.is_plain:
            return _refused("not_plain", language, query=was, name=self._file.name)
        is_done = self._file.change(number, was, self._beside(marked, before.marked))
        return _done("changed", language, query=marked.query) if is_done else _refused("moved", language)

    def _beside(self, marked: LabelledQuery, before: LabelledQuery) -> LabelledQuery:
        """With those pictures of the set before that are not on this board, as they were there, if they still are."""
        elsewhere = before.among({one for one in before.pictures if one not in self._names and one.is_file()})
        return LabelledQuery(
            query=marked.query,
            pictures=(*marked.pictures, *elsewhere.pictures),
            relevant=(*marked.relevant, *elsewhere.relevant),
        )

    def _told(self, said: Status | None, language: Language) -> dict[str, Any]:
        """What became of it, and the sets that the file has by now, the latest first; else what is wrong with it."""
        try:
            sets = [self._shown(line.number, line.marked, language) for line in reversed(self._file.read())]
        except (RerankerError, OSError) as error:
            return {"sets": [], "said": self._trouble(error, language).value, "is_done": False}
        count = phrase("labelled_count", language, count=len(sets), name=self._file.name)
        is_done = said is not None and said.tone == "done"
        if said is None or is_done:
            said = Status(text=f"{said.text} {count}" if said else count, tone="done" if said else "idle")
        return {"sets": sets, "said": said.value, "is_done": is_done}

    def _shown(self, number: int, marked: LabelledQuery, language: Language) -> dict[str, Any]:
        names = [self._names[picture] for picture in marked.relevant if picture in self._names]
        return {"line": number, "marked": names, **shown_set(marked, language)}

    def _trouble(self, error: Exception, language: Language) -> Status:
        if isinstance(error, OSError):
            return _refused("closed", language, name=self._file.name, reason=error.strerror or type(error).__name__)
        return trouble(error, language)


def _place(asked: dict[str, Any]) -> tuple[int, str]:
    """Of a saved set: its line, 0 where there is none, and the query that it had."""
    line, was = asked.get("line"), asked.get("was")
    return line if isinstance(line, int) else 0, was if isinstance(was, str) else ""


def shown_set(marked: LabelledQuery, language: Language) -> dict[str, Any]:
    """A line in a list of sets: the query, how many are right, and what the button to remove it is called."""
    return {
        "query": marked.query,
        "count": phrase("marked_right", language, right=len(marked.relevant), total=len(marked.pictures)),
        "remove": phrase("remove", language, name=marked.query),
    }


def _done(key: str, language: Language, **values: object) -> Status:
    return Status(text=phrase(f"labelled_{key}", language, **values), tone="done")


def _refused(key: str, language: Language, **values: object) -> Status:
    return Status(text=phrase(f"labelled_{key}", language, **values), tone="trouble")

"""Search a library for a session: the recalled pictures become pictures of the session, and a job ranks them.

So the board of the page shows them at once, in the order of the recall, and moves those that are scored up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from reranker.api import Reranker
from reranker.core.errors import LibraryMissing, RequestMalformed, RerankerError, RunActive
from reranker.core.text import distinct_names, well_formed
from reranker.library import RECALL, Library
from reranker.pipelines.recall import Recalled, SearchQuery
from reranker.pipelines.tag import in_order
from reranker.storage.picture_filter import PictureFilter
from reranker.ui.session.admission import new_id
from reranker.ui.session.ranking_actions import RankingActions
from reranker.ui.session.records import Picture
from reranker.ui.session.request_fields import number_field, text_field
from reranker.ui.session.session import Session
from reranker.ui.session.statuses import trouble
from reranker.vocabulary.labels import Label

MAX_PX: Final = 100_000  # of the shorter side of a picture


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What the page searches a library for.

    example: id of a picture of the session that the others should be like, or empty. folder: a name that
    `LibrarySearches.view` has listed, or empty for all. label: a key of one of its labels, or empty. where: the other
    filters. recall: how many pictures are ranked.
    """

    library: str
    text: str
    exclude: str = ""
    example: str = ""
    folder: str = ""
    label: str = ""
    where: PictureFilter = field(default_factory=PictureFilter)
    recall: int = RECALL

    @classmethod
    def read(cls, body: dict[str, Any], max_recall: int) -> Self:
        """Return the request in a JSON object. Raises `RequestMalformed`, `FilterInvalid`."""
        format_ = text_field(body, "type", "")
        where = PictureFilter.of(
            since=text_field(body, "since", ""),
            until=text_field(body, "until", ""),
            formats=[format_] if format_ else [],
            least_px=number_field(body, "min_px", range(MAX_PX + 1)) or 0,
        )
        return cls(
            library=text_field(body, "library"),
            text=text_field(body, "text", ""),
            exclude=text_field(body, "exclude", ""),
            example=text_field(body, "example", ""),
            folder=text_field(body, "folder", ""),
            label=text_field(body, "label", ""),
            where=where,
            recall=number_field(body, "recall", range(1, max_recall + 1)) or min(RECALL, max_recall),
        )


class LibrarySearches:
    """Searches libraries. Thread-safe. rankings: start the jobs."""

    def __init__(self, libraries: Mapping[str, Library], reranker: Reranker, rankings: RankingActions) -> None:
        self._libraries, self._reranker, self._rankings = libraries, reranker, rankings
        self._max_pictures = reranker.settings.limits.max_pictures

    def library(self, name: str) -> Library:
        """Return one of the libraries. Raises `LibraryMissing`."""
        if name not in self._libraries:
            raise LibraryMissing(name=name)
        return self._libraries[name]

    def views(self) -> list[dict[str, Any]]:
        """Return what the page shows of each library.

        labels: its labels with their names in each language, and how many pictures have them, most frequent first.
        problem: why it cannot be searched, in each language, or null.
        """
        return [self._view(name) for name in self._libraries]

    def _view(self, name: str) -> dict[str, Any]:
        view = {"name": name, "pictures": 0, "folders": [], "labels": [], "encoder": "", "problem": None}
        library = self._libraries[name]
        try:
            facts = library.facts()
            if facts.problem is not None or facts.counts is None or facts.encoder is None:
                return view | {"problem": facts.problem and trouble(facts.problem).text}
            labels = _label_views(library)
        except Exception as error:
            return view | {"problem": trouble(error).text}
        return view | {
            "pictures": facts.counts.pictures,
            "folders": list(_by_name(map(Path, facts.folders))),
            "labels": labels,
            "encoder": facts.encoder.shown,
        }

    def labels(self, picture: Picture) -> list[dict[str, Any]]:
        """Return the labels that a picture has in the first library that knows it, most confident first."""
        for library in self._libraries.values():
            try:
                vocabulary, sha256 = library.vocabulary, picture.sha256 or ""
                confidences = library.labels_of([sha256])[sha256]
            except RerankerError:
                continue  # the tab says why the library cannot be read
            if vocabulary is not None and confidences:
                return [
                    {**_names(each.label), "confidence": each.confidence} for each in in_order(vocabulary, confidences)
                ]
        return []

    def search(self, session: Session, request: SearchRequest) -> dict[str, Any]:
        """Recall pictures of a library, and start to rank them.

        Returns the ids of the rankings, none if nothing was found, and how many pictures the library has. Raises
        `RequestError` and what `Library.recall` does.
        """
        if session.is_running:
            raise RunActive
        library = self.library(request.library)
        example = session.picture(request.example) if request.example else None
        query = library.query(request.text, request.exclude, like=[] if example is None else [example.path])
        recalled = self._recalled(library, query, request)
        ids = self._admit(session, recalled, request.example)
        if not ids:
            return {"rankings": [], "pictures": library.facts().counts.pictures}  # type: ignore[union-attr]
        ranked_by = request.example if example is not None and self._reranker.info.takes_example else ""
        rankings = self._rankings.rank(session, [query.text], query.exclude, ids, ranked_by, min_pictures=1)
        return {"rankings": rankings, "pictures": len(ids)}

    def _recalled(self, library: Library, query: SearchQuery, request: SearchRequest) -> Sequence[Recalled]:
        """Raises what `Library.recall` does."""
        folders = _by_name(library.folders())
        if request.folder and request.folder not in folders:
            raise RequestMalformed(where="folder")
        chosen = (folders[request.folder],) if request.folder else ()
        labels = library.label_keys([request.label] if request.label else [])
        return library.recall(query, request.recall, replace(request.where, folders=chosen, labels=labels))

    def _admit(self, session: Session, recalled: Sequence[Recalled], example: str) -> list[str]:
        """Make the recalled pictures the last ones of a session, in their order, and return the ids of those to rank.

        There is room for those of earlier searches, too, up to the limit of a session.
        """
        with session.lock:
            known = {picture.path: picture for picture in session.pictures.values()}
            groups = [picture.alike for picture in known.values() if picture.alike is not None]
            found = [_picture(each, known.get(each.path), 1 + max(groups, default=-1)) for each in recalled]
            kept = {picture.id for picture in found} | {example}
            earlier = [picture for picture in known.values() if picture.id not in kept]
            excess = len(earlier) + len(found) - self._max_pictures
            earlier.sort(key=lambda picture: (picture.is_marked, picture.place))
            session.remove([picture.id for picture in earlier[: max(0, excess)]])
            session.add(found)
        return [picture.id for picture in found if picture.id != example]


def _picture(recalled: Recalled, known: Picture | None, first_group: int) -> Picture:
    """Return a recalled picture for a session. known: the same file, if the session has it already.

    first_group: number of the first group of near-duplicates; smaller ones are those of earlier searches.
    """
    file = recalled.files[0]
    picture = known or Picture(id=new_id(), name=well_formed(file.path.name), path=file.path)
    return replace(
        picture,
        sha256=file.content_hash,
        size_bytes=file.byte_count,
        size=file.size_px,
        taken=file.taken,
        alike=picture.alike if recalled.alike is None else first_group + recalled.alike,
        place=0,
    )


def _label_views(library: Library) -> list[dict[str, Any]]:
    vocabulary = library.vocabulary
    if vocabulary is None:
        return []
    labels = ((vocabulary.find(key), count) for key, count in library.label_counts().items())
    return [{"key": label.key, **_names(label), "pictures": count} for label, count in labels if label is not None]


def _names(label: Label) -> dict[str, str]:
    return {"en": label.name.written("en"), "zh": label.name.written("zh")}


def _by_name(folders: Iterable[Path]) -> dict[str, Path]:
    """Return folders by names that tell no paths."""
    paths = list(folders)
    return dict(zip(distinct_names(well_formed(path.name or str(path)) for path in paths), paths, strict=True))

"""What a session of the page consists of, and how it is written as JSON for its database and for the browser."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any

from reranker.core import errors
from reranker.core.errors import (
    PictureError,
    PictureSkipped,
    RerankerError,
    can_retry,
)
from reranker.core.scores import none_relevant, shown_score
from reranker.core.types import Candidate, EncodedPicture, Failed, Query, Ranking, Score, Scored
from reranker.engine.batching import float32
from reranker.i18n.error_messages import sentence
from reranker.i18n.page_texts import LANGUAGES
from reranker.pipelines.explain import parts_of
from reranker.pipelines.rerank import sort_events

Text = dict[str, str]
"""A sentence in each language of the page."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a session.

    path: of the file, inside the folder of the session or of a gallery. sha256: of the file; None if it was not read.
    size: upright width and height in pixels; None if unknown. taken: when, as `2024-05-01T10:22:33`, or None.
    alike: number of a group of near-duplicates, or None. pick: 1 if picked, -1 if rejected. rating: 1 to 5 stars, 0 for
    none. error: why the file cannot be read at the moment. place: among the pictures of the session, which are in the
    order of their places; 0 before it is added.
    """

    id: str
    name: str
    path: Path
    sha256: str | None = None
    size_bytes: int = 0
    size: tuple[int, int] | None = None
    taken: str | None = None
    perceptual_hash: int | None = None
    alike: int | None = None
    pick: int = 0
    rating: int = 0
    error: PictureError | None = None
    place: int = 0

    @property
    def candidate(self) -> Candidate:
        """The picture as the engine takes it."""
        return Candidate(name=self.name, source=self.path)

    @property
    def is_marked(self) -> bool:
        """Whether somebody has picked, rejected or rated it."""
        return bool(self.pick or self.rating)

    @property
    def view(self) -> dict[str, Any]:
        """What the browser knows of it."""
        width, height = self.size or (None, None)
        return {
            "id": self.id,
            "name": self.name,
            "width": width,
            "height": height,
            "bytes": self.size_bytes,
            "taken": self.taken,
            "alike": self.alike,
            "place": self.place,
            "error": None if self.error is None else sentences(self.error),
        }

    @property
    def mark(self) -> dict[str, int]:
        """The pick and the rating, for the browser."""
        return {"pick": self.pick, "rating": self.rating}


@dataclass(frozen=True, kw_only=True)
class RankingHeader:
    """A ranking without its results, as it is known before any picture is scored.

    created_s: seconds since 1970. run: one text for all sentences that were ranked together. total: of pictures.
    judged_by: see `Reranker.judged_by`. threshold: the score (0 to 10) from which a picture is relevant, or None.
    saved_from: name of the file that it was opened from, or empty. example: id of the picture that is the example of
    the query; empty if it has none, or none of the session.
    """

    id: str
    query: Query
    created_s: float
    run: str
    total: int
    judged_by: Mapping[str, Any]
    fingerprint: str
    temperature: float
    threshold: float | None
    saved_from: str = ""
    example: str = ""


class Results:
    """The results of one ranking by picture; a newer one of the same picture replaces an older one.

    One thread may add while others copy. Keys are ids of pictures. Pictures that are not in the session, as those of
    opened files, have keys with a space.
    """

    def __init__(self) -> None:
        self.scored: dict[str, Scored] = {}
        self.failed: dict[str, Failed] = {}
        self._lock = Lock()

    def add(self, key: str, event: Scored | Failed) -> None:
        """Add the result of a picture."""
        with self._lock:
            self.scored.pop(key, None)
            self.failed.pop(key, None)
            if isinstance(event, Scored):
                self.scored[key] = event
            else:
                self.failed[key] = event

    def has(self, key: str) -> bool:
        """Return whether a picture has a result."""
        return key in self.scored or key in self.failed

    def copy(self) -> "Results":
        """Return the results as they are now."""
        copy = Results()
        with self._lock:
            copy.scored, copy.failed = dict(self.scored), dict(self.failed)
        return copy

    @property
    def is_stopped(self) -> bool:
        """Whether pictures were skipped because the run was stopped."""
        return any(isinstance(failed.error, PictureSkipped) for failed in self.failed.values())

    def best(self, count: int) -> list[str]:
        """Return the keys of the best pictures, best first."""
        ordered = sorted(self.scored, key=lambda key: order(self.scored[key]))
        return ordered[:count]

    def ranking(self, header: RankingHeader) -> Ranking:
        """Return the ranking of all results."""
        scored, failed = sort_events([*self.scored.values(), *self.failed.values()])
        return Ranking(
            query=header.query,
            fingerprint=header.fingerprint,
            temperature=header.temperature,
            scored=scored,
            failed=failed,
        )


def order(scored: Scored) -> tuple[int, float, int]:
    """Return the sort key of a scored picture: later stages first, then higher scores, then earlier positions."""
    return -scored.score.stage, -float32(scored.score.log_odds), scored.position


def summary(
    header: RankingHeader, results: Results, state: str, seconds: float, error: RerankerError | None
) -> dict[str, Any]:
    """Return what the browser knows of a ranking without its results. state: running, done, stopped or failed."""
    log_odds = [scored.score.log_odds for scored in results.scored.values()]
    best = results.best(3)
    return {
        "id": header.id,
        "query": header.query.text,
        "exclude": header.query.exclude,
        "example": header.query.example and {"id": header.example or None, "name": header.query.example_name},
        "parts": [{"text": part.query.title, "excluded": part.is_excluded} for part in parts_of(header.query)],
        "created": header.created_s,
        "state": state,
        "total": header.total,
        "scored": len(results.scored),
        "failed": len(results.failed),
        "reused": sum(scored.score.cached for scored in results.scored.values()),
        "seconds": seconds,
        "model": header.judged_by.get("model", ""),
        "precision": header.judged_by.get("precision", ""),
        "temperature": header.temperature,
        "threshold": header.threshold,
        "none_fits": state == "done" and none_relevant(log_odds, header.temperature, header.threshold),
        "error": None if error is None else sentences(error),
        "saved_from": header.saved_from or None,
        "run": header.run,
        "best": [key for key in best if not is_unmatched(key)],
        "best_score": shown_score(results.scored[best[0]].score.log_odds, header.temperature) if best else None,
    }


def read_summary(text: str) -> dict[str, Any]:
    """Return a summary that was stored as JSON. Raises an error of Python if it is none."""
    view = dict[str, Any](json.loads(text))
    if not {"id", "query", "state", "seconds", "best"} <= view.keys():
        raise ValueError
    return view


def scored_row(key: str, scored: Scored) -> list[Any]:
    """Return a result for the browser and the database."""
    score = scored.score
    return [
        None if is_unmatched(key) else key,
        float32(score.log_odds),
        score.stage,
        scored.candidate.name,
        score.visual_tokens,
        score.latency_ms,
        int(score.cached),
        score.generated_text,
    ]


def failed_row(key: str, failed: Failed) -> list[Any]:
    """Return a failure for the browser."""
    error = failed.error
    return [None if is_unmatched(key) else key, sentences(error), int(can_retry(error)), failed.candidate.name]


def stored_results(
    header: RankingHeader, results: Results, skipped: Mapping[int, Picture] = MappingProxyType({})
) -> str:
    """Return the results of a ranking and its header as the JSON of the database.

    skipped: more pictures, which were skipped, by their positions.
    """
    scored = [[*scored_row(key, each), each.position, each.content_hash] for key, each in results.scored.items()]
    failed = [
        [None if is_unmatched(key) else key, error_json(each.error), each.candidate.name, each.position]
        for key, each in results.failed.items()
    ]
    failed += [
        [picture.id, {"type": PictureSkipped.__name__, "name": picture.name}, picture.name, position]
        for position, picture in skipped.items()
    ]
    fields = {**vars(header), "query": _query_json(header.query), "judged_by": dict(header.judged_by)}
    return json.dumps({"header": fields, "scored": scored, "failed": failed})


def read_results(text: str, pictures: Mapping[str, Picture]) -> tuple[RankingHeader, Results]:
    """Return what `stored_results` has written. pictures: of the session; others keep their names only."""
    stored = json.loads(text)
    fields = stored["header"]
    header = RankingHeader(**{**fields, "query": _query(fields["query"])})
    results = Results()
    for key, *score, position, content_hash in stored["scored"]:
        log_odds, stage, name, tokens, latency_ms, cached, generated_text = score
        event = Scored(
            position=position,
            candidate=_candidate(key, name, pictures),
            score=Score(
                log_odds=log_odds,
                generated_text=generated_text,
                visual_tokens=tokens,
                latency_ms=latency_ms,
                cached=bool(cached),
                stage=stage,
            ),
            content_hash=content_hash,
        )
        results.add(key or unmatched_key(position), event)
    for key, error, name, position in stored["failed"]:
        candidate = _candidate(key, name, pictures)
        results.add(
            key or unmatched_key(position), Failed(position=position, candidate=candidate, error=read_error(error))
        )
    return header, results


def is_unmatched(key: str) -> bool:
    """Return whether a key is that of a picture that is not in the session."""
    return " " in key


def unmatched_key(position: int) -> str:
    """Return the key of a picture that is not in the session."""
    return f"- {position}"


def sentences(error: RerankerError) -> Text:
    """Return the message of an error in each language."""
    return {language: sentence(error, language) for language in LANGUAGES}


def _query_json(query: Query) -> dict[str, Any]:
    """Return a query as JSON. Its example is the file, without its bytes."""
    example = None
    if query.example is not None:
        name, source = query.example.candidate.name, query.example.candidate.source
        path = str(source) if isinstance(source, Path) else ""
        example = {"name": name, "path": path, "content_hash": query.example.content_hash}
    return {"text": query.text, "exclude": query.exclude, "example": example}


def _query(fields: Mapping[str, Any]) -> Query:
    """Return the query that `_query_json` has written."""
    example = fields.get("example")  # which those of an earlier version do not have
    if example is not None:
        source = Path(example["path"]) if example["path"] else b""
        candidate, digest = Candidate(name=example["name"], source=source), example["content_hash"]
        example = EncodedPicture(candidate=candidate, content_hash=digest, key=digest, data=None)
    return Query(text=fields["text"], exclude=fields["exclude"], example=example)


def _candidate(key: str | None, name: str, pictures: Mapping[str, Picture]) -> Candidate:
    picture = pictures.get(key or "")
    return Candidate(name=name, source=b"") if picture is None else picture.candidate


def picture_json(picture: Picture) -> str:
    """Return a picture as the JSON of the database."""
    fields = {**vars(picture), "path": str(picture.path), "error": picture.error and error_json(picture.error)}
    return json.dumps(fields)


def read_picture(text: str) -> Picture:
    """Return the picture that `picture_json` has written."""
    fields = json.loads(text)
    size = fields["size"] and tuple(fields["size"])
    error = fields["error"] and read_error(fields["error"])
    return Picture(**{**fields, "path": Path(fields["path"]), "size": size, "error": error})


def error_json(error: PictureError) -> dict[str, Any]:
    """Return an error as the JSON of the database."""
    return {"type": type(error).__name__, **vars(error)}


def read_error(fields: dict[str, Any]) -> PictureError:
    """Return the error that `error_json` has written."""
    error_class: type[PictureError] = getattr(errors, fields["type"])
    return error_class(**{name: value for name, value in fields.items() if name != "type"})

"""What people do with the rankings of a session: start, try again, open a saved one, and ask why."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

from reranker.api import Reranker
from reranker.config.settings import MEGABYTE
from reranker.core.cancellation import Cancellation
from reranker.core.errors import (
    ExampleUnreadable,
    NothingToRetry,
    PictureMissing,
    QueryEmpty,
    RequestMalformed,
    ResultUnreadable,
    RunActive,
    TextNotUnicode,
    TooFewPictures,
    TooManyQueries,
    TooManyRequests,
    can_retry,
)
from reranker.core.scores import shown_score
from reranker.core.text import is_blank, is_well_formed, well_formed
from reranker.core.types import Candidate, EncodedPicture, Query, Score, Scored
from reranker.engine.batching import float32
from reranker.pipelines.explain import parts_of
from reranker.server.json_bodies import JsonLimits, parse_whole_json
from reranker.ui.session.admission import new_id
from reranker.ui.session.jobs import RankingPart, RankJob
from reranker.ui.session.records import Picture, RankingHeader, Results, unmatched_key
from reranker.ui.session.session import Session
from reranker.ui.session.sessions import Sessions
from reranker.ui.session.uploads import shown_name
from reranker.ui.upload_quota import UploadQuota

MIN_PICTURES: Final = 2
MAX_QUERIES: Final = 200  # of one run
MAX_SAVED_MB: Final = 20
MAX_SAVED_VALUES: Final = 1_500_000  # numbers, texts and so on; 20 MB of results have fewer
MAX_JUDGED_BY_LENGTH: Final = 10_000  # as JSON
RESULT_BYTES: Final = 150  # of a stored result


class RankingActions:
    """Thread-safe. quota: of the folder that rankings are stored in."""

    def __init__(self, reranker: Reranker, sessions: Sessions, quota: UploadQuota) -> None:
        self._reranker, self._sessions, self._quota = reranker, sessions, quota
        self._json_limits = JsonLimits(max_plain_bytes=MAX_SAVED_MB * MEGABYTE, max_values=MAX_SAVED_VALUES)

    def rank(
        self,
        session: Session,
        queries: Sequence[str],
        exclude: str,
        ids: Sequence[str] | None,
        example: str = "",
        *,
        min_pictures: int = MIN_PICTURES,
    ) -> list[str]:
        """Start to rank pictures by each sentence, and return the ids of the rankings.

        ids: of the pictures; all if None. example: id of the picture that the others should be like, which is not
        ranked; with it, there may be no sentence. Raises `RequestError`, such as `RunActive`.
        """
        checked = self._queries(queries, exclude, session.picture(example) if example else None)
        wanted = set(session.pictures if ids is None else ids) - {example}
        chosen = [picture for picture in session.pictures.values() if picture.id in wanted]
        if len(chosen) < min_pictures:
            raise TooFewPictures(count=len(chosen), min_count=min_pictures)
        self._require_room(len(checked) * len(chosen) * RESULT_BYTES)
        run = new_id()
        parts = [RankingPart(header=_header(query, example, len(chosen), run), pictures=chosen) for query in checked]
        self._start(session, parts)
        return [part.header.id for part in parts]

    def retry(self, session: Session, id_: str) -> None:
        """Score the pictures of a ranking again that were not scored but can be. Raises `RequestError`.

        Scores of several stages can be compared only within one run, so all pictures are part of it then.
        """
        header, results = session.ranking(id_)
        pictures = session.pictures
        keys = {key for key, failed in results.failed.items() if can_retry(failed.error)} & pictures.keys()
        if not keys:
            raise NothingToRetry
        if self._has_stages:
            keys |= results.scored.keys() & pictures.keys()
        chosen = [picture for picture in pictures.values() if picture.id in keys]
        self._start(session, [RankingPart(header=header, pictures=chosen, results=results)])

    @property
    def _has_stages(self) -> bool:
        settings = self._reranker.settings
        return settings.model.detail == "auto" or settings.engine.rescore_near_ties

    def _start(self, session: Session, parts: Sequence[RankingPart]) -> None:
        if session.is_running:
            raise RunActive
        max_count = self._reranker.settings.limits.max_waiting
        if self._sessions.running_count >= max_count:
            raise TooManyRequests(max_count=max_count)
        RankJob(session, self._reranker, parts).start()

    def _queries(self, texts: Sequence[str], exclude: str, example: Picture | None) -> list[Query]:
        """Return the validated sentences, each once, with an example, or that alone. Raises `RequestError`."""
        if not is_well_formed(exclude):
            raise TextNotUnicode(where="exclude")
        distinct = list(dict.fromkeys(text.strip() for text in texts if not is_blank(text)))
        if not distinct and example is None:
            raise QueryEmpty
        if len(distinct) > MAX_QUERIES:
            raise TooManyQueries(count=len(distinct), max_count=MAX_QUERIES)
        queries = [self._reranker.query(text, exclude) for text in distinct]
        if example is None:
            return queries
        alone = self._reranker.query("", exclude, example=example.candidate)
        return [replace(query, example=_file_of(alone, example)) for query in queries or [alone]]

    def _require_room(self, byte_count: int) -> None:
        """Raise `UploadsFull` if there is no room for results."""
        with self._quota.reserve(byte_count):
            pass

    def open_saved(self, session: Session, content: bytearray, name: str) -> list[str]:
        """Add the rankings of a JSON file that was downloaded before, and return their ids.

        Pictures of the session are found by their bytes, or else by their names. Raises `ResultUnreadable`,
        `TooManyQueries`, `RequestTextTooLarge`, `UploadsFull`.
        """
        saved = self._read_saved(content, name)
        self._require_room(len(content))
        by_hash, by_name = _indexed(session.pictures)
        run, ids = new_id(), []
        for fields, rows in saved:
            results = Results()
            used: set[str] = set()
            for position, row in enumerate(rows):
                picture = by_hash.get(row.sha256 or "") or by_name.get(row.name)
                key = unmatched_key(position) if picture is None or picture.id in used else picture.id
                used.add(key)
                results.add(key, row.scored(position, picture))
            header = RankingHeader(**{**fields, "run": run, "saved_from": name, "total": len(rows)})
            session.put_ranking(header, results, "done", 0.0)
            ids.append(header.id)
        return ids

    def _read_saved(self, content: bytearray, name: str) -> list[tuple[dict[str, Any], list["_SavedRow"]]]:
        """Return the headers and rows of the rankings, at least one, in a JSON file that `export.rows` has written.

        Raises as `open_saved` does.
        """
        try:
            saved = parse_whole_json(content, self._json_limits)
            found = saved.get("queries", [saved])
            if len(found) > MAX_QUERIES:
                raise TooManyQueries(count=len(found), max_count=MAX_QUERIES)
            rankings = [self._saved_ranking(each) for each in found]
        except (RequestMalformed, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            raise ResultUnreadable(name=name) from None
        if not rankings:
            raise ResultUnreadable(name=name)
        return rankings

    def _saved_ranking(self, saved: Mapping[str, Any]) -> tuple[dict[str, Any], list["_SavedRow"]]:
        """Raises an error of Python if the fields are others."""
        rows = [_SavedRow(row) for row in saved["results"] if row["status"] == "scored"]
        judged_by = {str(key): value for key, value in saved["judged_by"].items()}
        judged_by |= {name: well_formed(str(judged_by[name])) for name in ("model", "precision")}
        query, exclude, example = str(saved["query"]), str(saved.get("exclude") or ""), saved.get("example")
        max_length = self._reranker.settings.limits.max_query_length
        if max(len(query), len(exclude)) > max_length or len(json.dumps(judged_by)) > MAX_JUDGED_BY_LENGTH:
            raise ValueError
        header = {
            "id": new_id(),
            "query": Query(text=well_formed(query), exclude=well_formed(exclude), example=_named(example)),
            "created_s": time.time(),
            "judged_by": judged_by,
            "fingerprint": well_formed(str(saved["fingerprint"])),
            "temperature": _temperature(rows),
            "threshold": None,
        }
        return header, rows

    def explain(self, session: Session, id_: str, picture: str, cancellation: Cancellation) -> dict[str, Any]:
        """Return the score of each part of the sentence for a picture, and where in the picture its score comes from.

        Raises `RankingUnknown`, the `PictureError` of the picture, and errors of the model.
        """
        header, candidate = self._subject(session, id_, picture)
        explanation = self._reranker.explain(header.query, candidate, cancellation=cancellation)
        parts = [
            {
                "text": part.text,
                "excluded": part.is_excluded,
                "log_odds": part.score.log_odds,
                "score": shown_score(part.score.log_odds, explanation.temperature),
            }
            for part in explanation.parts
        ]
        return {"parts": parts, "drops": explanation.where.drops}

    def parts(self, session: Session, id_: str, pictures: Sequence[str], cancellation: Cancellation) -> dict[str, Any]:
        """Return the scores of the parts of a sentence for pictures, by their ids; null where there is none.

        Raises `RankingUnknown` and errors of the model.
        """
        header, _ = session.ranking(id_)
        present = session.pictures
        chosen = [present[picture] for picture in dict.fromkeys(pictures) if picture in present]
        queries = [part.query for part in parts_of(header.query)]
        scores: dict[str, list[float | None]] = {picture.id: [None] * len(queries) for picture in chosen}
        candidates = [picture.candidate for picture in chosen]
        temperature = self._reranker.info.temperature
        with closing(self._reranker.rank_each_stream(queries, candidates, cancellation=cancellation)) as stream:
            for index, event in stream:
                if isinstance(event, Scored):
                    scores[chosen[event.position].id][index] = shown_score(event.score.log_odds, temperature)
        return {"scores": scores}

    def rating(self, session: Session, id_: str, picture: str, cancellation: Cancellation) -> dict[str, Any]:
        """Return the rating of a picture that the model writes. Raises as `explain` does."""
        header, candidate = self._subject(session, id_, picture)
        rating = self._reranker.generate_rating(header.query, candidate, cancellation=cancellation)
        return {"text": rating.text, "score": rating.rating}

    def _subject(self, session: Session, id_: str, picture: str) -> tuple[RankingHeader, Candidate]:
        header, _ = session.ranking(id_)
        if (example := header.query.example) is not None and not example.content_hash:
            raise ExampleUnreadable(PictureMissing(name=example.candidate.name))
        return header, session.picture(picture).candidate


def _file_of(query: Query, picture: Picture) -> EncodedPicture:
    """Return the example of a query as a file of the session, which is read again when it is needed."""
    assert query.example is not None, "the query was made with this picture"
    return replace(query.example, candidate=picture.candidate, data=None)


def _header(query: Query, example: str, total: int, run: str) -> RankingHeader:
    """Return the header of a ranking that is about to run; the rest is known once the model is loaded."""
    return RankingHeader(
        id=new_id(),
        query=query,
        created_s=time.time(),
        run=run,
        total=total,
        judged_by={},
        fingerprint="",
        temperature=1.0,
        threshold=None,
        example=example,
    )


class _SavedRow:
    """A scored picture of a saved ranking. Raises an error of Python if its fields are wrong."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.name = shown_name(str(row["path"]))
        sha256 = row.get("sha256")
        self.sha256 = sha256 if isinstance(sha256, str) else None
        self.log_odds, self.score = float(row["log_odds"]), float(row["score"])
        if not (math.isfinite(float32(self.log_odds)) and 0 <= self.score <= 10):
            raise ValueError
        words = row.get("words")
        self.generated_text = well_formed(words) if isinstance(words, str) else None

    def scored(self, position: int, picture: Picture | None) -> Scored:
        candidate = Candidate(name=self.name, source=b"") if picture is None else picture.candidate
        score = Score(log_odds=self.log_odds, generated_text=self.generated_text, visual_tokens=0, latency_ms=0.0)
        return Scored(position=position, candidate=candidate, score=score, content_hash=self.sha256)


def _named(example: object) -> EncodedPicture | None:
    """Return the example of a saved query, of which only the name is known."""
    if not isinstance(example, str) or not example:
        return None
    return EncodedPicture(candidate=Candidate(name=shown_name(example), source=b""), content_hash="", key="", data=None)


def _temperature(rows: Sequence[_SavedRow]) -> float:
    """Return T of score = 10 * sigmoid(log-odds / T), from the row that tells it best; 1 if none does."""
    telling = [row for row in rows if 0 < row.score < 10 and row.score != 5 and row.log_odds]
    if not telling:
        return 1.0
    row = max(telling, key=lambda row: min(row.score, 10 - row.score))
    temperature = row.log_odds / math.log(row.score / (10 - row.score))
    return temperature if temperature > 0 else 1.0


def _indexed(pictures: Mapping[str, Picture]) -> tuple[dict[str, Picture], dict[str, Picture]]:
    """Return the pictures by hash and by name, the first of several."""
    by_hash: dict[str, Picture] = {}
    by_name: dict[str, Picture] = {}
    for picture in pictures.values():
        if picture.sha256:
            by_hash.setdefault(picture.sha256, picture)
        by_name.setdefault(picture.name, picture)
    return by_hash, by_name

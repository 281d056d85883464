"""What a session consists of is read as it was written."""

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core import errors
from reranker.core.errors import PictureError, PictureSkipped, PictureUnreadable
from reranker.core.types import Candidate, EncodedPicture, Failed, Query, Score, Scored
from reranker.ui.session.records import (
    Picture,
    RankingHeader,
    Results,
    can_retry,
    failed_row,
    picture_json,
    read_picture,
    read_results,
    scored_row,
    stored_results,
    summary,
    unmatched_key,
)

TEXTS = st.text(max_size=20)
IDS = st.text("0123456789abcdef", min_size=1, max_size=12)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def error_classes() -> list[type[PictureError]]:
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, PictureError)]
    return [each for each in found if each is not PictureError]


def made(error_class: type[PictureError], name: str, number: int) -> PictureError:
    """An error of this class; its fields have this name and this number, or the first reason that is allowed."""
    values: dict[str, Any] = {}
    for field_name, kind in typing.get_type_hints(error_class.__init__).items():
        choices = typing.get_args(kind)
        if field_name != "return":
            values[field_name] = choices[number % len(choices)] if choices else name if kind is str else kind(number)
    return error_class(**values)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    number = st.integers(0, 2**40)
    error_class = draw(st.sampled_from([None, *error_classes()]))
    return Picture(
        id=draw(IDS),
        name=draw(TEXTS),
        path=Path("/a") / draw(IDS),
        sha256=draw(st.none() | IDS),
        size_bytes=draw(number),
        size=draw(st.none() | st.tuples(number, number)),
        taken=draw(st.none() | TEXTS),
        perceptual_hash=draw(st.none() | st.integers(0, 2**64 - 1)),
        alike=draw(st.none() | number),
        pick=draw(st.integers(-1, 1)),
        rating=draw(st.integers(0, 5)),
        error=None if error_class is None else made(error_class, draw(TEXTS), 3),
    )


def same_error(one: PictureError | None, other: PictureError | None) -> bool:
    return type(one) is type(other) and (one is None or vars(one) == vars(other))


@settings(max_examples=30)
@given(pictures())
def test_a_picture_is_read_as_it_was_written(picture: Picture) -> None:
    read = read_picture(picture_json(picture))
    assert same_error(read.error, picture.error)
    assert dataclasses.replace(read, error=None) == dataclasses.replace(picture, error=None)


@pytest.mark.parametrize("error_class", error_classes(), ids=lambda each: each.__name__)
@pytest.mark.parametrize("number", range(1, 4))
def test_every_error_of_a_picture_is_read_as_it_was_written(error_class: type[PictureError], number: int) -> None:
    error = made(error_class, "a \ud800 猫.png", number)
    results = Results()
    results.add("k", Failed(position=0, candidate=Candidate(name="a.png", source=b""), error=error))
    _, read = read_results(stored_results(header(), results), {})
    assert same_error(read.failed["k"].error, error)
    _, texts, retry, _ = failed_row("k", read.failed["k"])
    assert texts["en"] != texts["zh"]
    assert retry == can_retry(error)


def header(**changes: Any) -> RankingHeader:
    values: dict[str, Any] = {
        "id": "r",
        "query": Query(text="a cat", exclude="a dog"),
        "created_s": 1.5,
        "run": "run",
        "total": 3,
        "judged_by": {"model": "m", "precision": "p", "versions": {"torch": "2"}},
        "fingerprint": "f",
        "temperature": 1.25,
        "threshold": 2.5,
        "saved_from": "a.json",
    }
    return RankingHeader(**values | changes)


@st.composite
def scored_pictures(draw: st.DrawFn) -> dict[str, Scored]:
    keys = draw(st.lists(IDS, unique=True, max_size=8))
    events = {}
    for position, key in enumerate(keys):
        score = Score(
            log_odds=draw(FLOATS),
            generated_text=draw(st.none() | TEXTS),
            visual_tokens=draw(st.integers(0, 9999)),
            latency_ms=draw(FLOATS),
            cached=draw(st.booleans()),
            stage=draw(st.integers(0, 3)),
        )
        is_known = draw(st.booleans())
        candidate = Candidate(name=draw(TEXTS), source=Path("/a") / key if is_known else b"")
        hash_ = draw(st.none() | IDS)
        events[key if is_known else unmatched_key(position)] = Scored(
            position=position, candidate=candidate, score=score, content_hash=hash_
        )
    return events


@st.composite
def queries(draw: st.DrawFn) -> Query:
    example = None
    if draw(st.booleans()):
        candidate = Candidate(name=draw(TEXTS), source=draw(st.sampled_from([b"", Path("/a/b.png")])))
        digest = draw(IDS)
        example = EncodedPicture(candidate=candidate, content_hash=digest, key=digest, data=None)
    return Query(text=draw(TEXTS), exclude=draw(TEXTS), example=example)


def test_queries_of_earlier_versions_have_no_example() -> None:
    stored = json.loads(stored_results(header(), Results()))
    del stored["header"]["query"]["example"], stored["header"]["example"]
    assert read_results(json.dumps(stored), {})[0] == header()


@settings(max_examples=30)
@given(scored_pictures(), queries(), FLOATS, st.none() | FLOATS)
def test_results_are_read_as_they_were_written(
    events: dict[str, Scored], query: Query, temperature: float, threshold: float | None
) -> None:
    results = Results()
    known = {}
    for key, event in events.items():
        results.add(key, event)
        if isinstance(event.candidate.source, Path):
            known[key] = Picture(id=key, name=event.candidate.name, path=event.candidate.source)
    written = header(query=query, example="p", temperature=temperature, threshold=threshold)
    read_header, read = read_results(stored_results(written, results), known)
    assert read_header == written
    assert (read.scored, read.failed) == (events, {})
    rows = [scored_row(key, event) for key, event in read.scored.items()]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert [row[0] for row in rows] == [None if " " in key else key for key in events]


def test_results_of_pictures_that_were_removed_keep_their_names() -> None:
    results = Results()
    candidate = Candidate(name="a.png", source=Path("/a.png"))
    score = Score(log_odds=1.0, visual_tokens=1, latency_ms=1.0)
    results.add("k", Scored(position=0, candidate=candidate, score=score))
    _, read = read_results(stored_results(header(), results), {})
    assert scored_row("k", read.scored["k"])[:4] == ["k", 1.0, 0, "a.png"]


def test_a_later_result_replaces_the_earlier_one_of_its_picture() -> None:
    results, candidate = Results(), Candidate(name="a", source=b"")
    score = Score(log_odds=1.0, visual_tokens=1, latency_ms=1.0)
    scored = Scored(position=0, candidate=candidate, score=score)
    failed = Failed(position=0, candidate=candidate, error=PictureSkipped(name="a"))
    results.add("k", failed)
    assert results.is_stopped
    results.add("k", scored)
    assert (dict(results.scored), dict(results.failed), results.is_stopped) == ({"k": scored}, {}, False)
    copy = results.copy()
    results.add("k", failed)
    assert (dict(copy.scored), dict(copy.failed)) == ({"k": scored}, {})


def test_the_best_are_those_of_the_last_stage_and_then_those_that_came_first() -> None:
    results = Results()
    for position, (key, stage, log_odds) in enumerate(
        [("a", 0, 9.0), ("b", 1, 1.0), ("c", 1, 1.0), ("d", 0, 9.5), ("e", 1, 0.5)]
    ):
        score = Score(log_odds=log_odds, visual_tokens=1, latency_ms=1.0, stage=stage)
        results.add(key, Scored(position=position, candidate=Candidate(name=key, source=b""), score=score))
    assert results.best(5) == ["b", "c", "e", "d", "a"]
    ranking = results.ranking(header())
    assert [scored.candidate.name for scored in ranking.scored] == results.best(5)
    assert summary(header(), results, "done", 1.0, None)["best"] == ["b", "c", "e"]


@pytest.mark.parametrize(("state", "says"), [("done", True), ("running", False), ("stopped", False), ("failed", False)])
def test_only_of_a_complete_ranking_it_is_said_that_nothing_fits(state: str, says: bool) -> None:
    results = Results()
    score = Score(log_odds=-5.0, visual_tokens=1, latency_ms=1.0)
    results.add("k", Scored(position=0, candidate=Candidate(name="a", source=b""), score=score))
    assert summary(header(), results, state, 1.0, None)["none_fits"] is says


def test_what_passes_can_be_tried_again() -> None:
    for reason in typing.get_args(typing.get_type_hints(PictureUnreadable)["reason"]):
        passes = reason in ("no access", "no memory", "too slow")
        assert can_retry(PictureUnreadable(name="a", reason=reason)) is passes

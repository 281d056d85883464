"""The score store: a picture is scored once, and a broken store never stops a run."""

import hashlib
import logging
import sqlite3
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest

from reranker import Reranker
from reranker.config.settings import Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureSkipped
from reranker.core.types import Candidate, Query, Score, Scored
from reranker.images.hashing import read_and_hash
from reranker.images.limits import Limits
from reranker.storage.score_store import SqliteScoreStore
from tests.support.scripted_scorer import ScriptedScorer, until

QUERY = Query(text="红色的 secret car")
MAX_BYTES = 10_000_000


def digest(number: int) -> str:
    return f"{number:064x}"


def score(log_odds: float = 1.5, words: str | None = None) -> Score:
    return Score(log_odds=log_odds, generated_text=words, visual_tokens=49, latency_ms=7.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "scores.sqlite"


@pytest.mark.parametrize("log_odds", [1.5, -0.1, 1e-300, 12345.678])
@pytest.mark.parametrize("words", [None, "Score: 9.5", "分数：8"])
def test_another_store_on_the_same_file_gets_what_was_put(path: Path, log_odds: float, words: str | None) -> None:
    stored = score(log_odds, words)
    SqliteScoreStore(path, MAX_BYTES).put(QUERY, "fingerprint", {digest(1): stored})
    got = SqliteScoreStore(path, MAX_BYTES).get(digest(1), QUERY, "fingerprint")
    assert got is not None
    assert (got.log_odds, got.generated_text) == (stored.log_odds, stored.generated_text)
    assert (got.visual_tokens, got.cached, got.latency_ms) == (49, True, 0.0)


def test_the_key_is_picture_query_and_fingerprint(path: Path) -> None:
    store = SqliteScoreStore(path, MAX_BYTES)
    store.put(QUERY, "fingerprint", {digest(1): score()})
    assert store.get(digest(2), QUERY, "fingerprint") is None
    assert store.get(digest(1), Query(text="红色的 secret ca"), "fingerprint") is None
    assert store.get(digest(1), QUERY, "fingerprin") is None


def with_example(data: bytes, text: str = "") -> Query:
    return Query(text=text, example=read_and_hash(Candidate(name="any", source=data), Limits()))


def test_an_example_is_part_of_the_key_by_its_content(path: Path) -> None:
    store = SqliteScoreStore(path, MAX_BYTES)
    store.put(with_example(b"one", "a"), "fingerprint", {digest(1): score()})
    renamed = Query(text="a", example=read_and_hash(Candidate(name="other", source=b"one"), Limits()))
    assert store.get(digest(1), renamed, "fingerprint") is not None
    others = [Query(text="a"), with_example(b"one"), with_example(b"two", "a"), with_example(b"one", "b")]
    assert [store.get(digest(1), query, "fingerprint") for query in others] == [None] * len(others)


def test_the_key_of_a_sentence_is_its_sha256_so_that_scores_of_earlier_versions_are_found(path: Path) -> None:
    SqliteScoreStore(path, MAX_BYTES).put(QUERY, "fingerprint", {digest(1): score()})
    with closing(sqlite3.connect(path)) as connection:
        (query_hash,) = connection.execute("SELECT query_hash FROM scores").fetchone()
    assert query_hash == hashlib.sha256(QUERY.text.encode()).digest()


def test_neither_pictures_nor_queries_are_in_the_file(path: Path) -> None:
    SqliteScoreStore(path, MAX_BYTES).put(QUERY, "fingerprint", {digest(1): score()})
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"secret" not in content
    assert "红色".encode() not in content


def test_a_full_store_evicts_the_oldest_scores(path: Path) -> None:
    max_bytes = 200_000
    store = SqliteScoreStore(path, max_bytes)
    for batch in range(40):
        store.put(QUERY, "fingerprint", {digest(100 * batch + i): score() for i in range(100)})
    assert path.stat().st_size <= 1.1 * max_bytes
    assert store.get(digest(0), QUERY, "fingerprint") is None
    assert store.get(digest(3999), QUERY, "fingerprint") is not None


def _put_many(path: Path, first: int) -> None:
    store = SqliteScoreStore(path, MAX_BYTES)
    for number in range(first, first + 60):
        store.put(QUERY, "fingerprint", {digest(number): score(float(number))})


def test_several_processes_share_a_store(path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_put_many, [path, path], [0, 60]))
    store = SqliteScoreStore(path, MAX_BYTES)
    kept = [store.get(digest(number), QUERY, "fingerprint") for number in range(120)]
    assert [entry.log_odds for entry in kept if entry] == list(range(120))


def _can_store(path: Path) -> bool:
    store = SqliteScoreStore(path, MAX_BYTES)
    store.put(QUERY, "fingerprint", {digest(1): score()})
    return store.get(digest(1), QUERY, "fingerprint") is not None


def test_programs_that_start_at_once_can_all_store(path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        assert all(pool.map(_can_store, [path.with_name(f"{number // 4}.sqlite") for number in range(40)]))


def test_a_damaged_file_is_renamed_and_replaced(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    store = SqliteScoreStore(path, MAX_BYTES)
    store.put(QUERY, "fingerprint", {digest(1): score()})
    assert store.get(digest(1), QUERY, "fingerprint") is not None
    assert path.with_suffix(".damaged").read_bytes().startswith(b"no database")


def test_a_file_of_a_newer_version_is_not_changed(path: Path) -> None:
    SqliteScoreStore(path, MAX_BYTES).put(QUERY, "fingerprint", {digest(1): score()})
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO migrations VALUES ('of the year 2030')")
    connection.close()
    before = path.read_bytes()
    store = SqliteScoreStore(path, MAX_BYTES)
    store.put(QUERY, "fingerprint", {digest(2): score()})
    assert store.get(digest(1), QUERY, "fingerprint") is None
    assert path.read_bytes() == before


def test_a_store_that_cannot_create_its_file_stores_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    with caplog.at_level(logging.WARNING, "reranker.storage.score_store"):
        store = SqliteScoreStore(tmp_path / "file" / "scores.sqlite", MAX_BYTES)
    store.put(QUERY, "fingerprint", {digest(1): score()})
    assert store.get(digest(1), QUERY, "fingerprint") is None
    assert "The score store cannot be used" in caplog.text
    assert str(tmp_path) not in caplog.text


def test_a_store_that_breaks_during_a_run_does_not_stop_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteScoreStore(path, MAX_BYTES)
    with closing(sqlite3.connect(path)) as other_process, other_process:
        other_process.execute("DROP TABLE scores")
    scorer = ScriptedScorer()
    monkeypatch.setattr(Reranker, "store", store)
    assert len(Reranker(scorer=scorer).rank("a car", [b"1", b"2"]).scored) == 2


def test_a_second_run_continues_an_interrupted_one() -> None:
    pictures = [str(number).encode() for number in range(50)]
    cancellation, first = Cancellation(), ScriptedScorer(batch_tokens=4)
    stream = Reranker(scorer=first).rank_stream("a car", pictures, cancellation=cancellation)
    for event in stream:
        if isinstance(event, Scored) and len(first.scored) >= 20:
            cancellation.cancel()
            break
    *_, ranking = stream
    assert {type(failed.error) for failed in ranking.failed} == {PictureSkipped}
    until(lambda: all(thread.name != "reranker-batches" for thread in threading.enumerate()))

    second = ScriptedScorer(batch_tokens=4)
    complete = Reranker(scorer=second).rank("a car", pictures)
    assert sorted(first.scored + second.scored) == sorted(pictures), "no picture was scored twice"
    fresh = Reranker(scorer=ScriptedScorer(), settings=Settings.of(score_store_mb=0)).rank("a car", pictures)
    assert [scored.position for scored in complete.scored] == [scored.position for scored in fresh.scored]
    cached = [scored.candidate.source for scored in complete.scored if scored.score.cached]
    assert sorted(cached) == sorted(first.scored)
    assert sorted(second.read_names) == sorted(f"picture-{int(content) + 1}" for content in second.scored)


def test_failures_are_not_stored() -> None:
    broken = Candidate(name="x", source=Path("no such file"))
    for _ in range(2):
        scorer = ScriptedScorer()
        ranking = Reranker(scorer=scorer).rank("a car", [broken, b"1"])
        assert len(ranking.failed) == 1


def test_a_size_of_zero_turns_the_store_off() -> None:
    for _ in range(2):
        scorer = ScriptedScorer()
        Reranker(scorer=scorer, settings=Settings.of(score_store_mb=0)).rank("a car", [b"1"])
        assert scorer.scored == [b"1"]

"""Files that this program has stored and something else has damaged: no run is lost, and what can be made again is."""

import json
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from reranker import Reranker
from reranker.core.types import Query, Score
from reranker.images.limits import Limits
from reranker.storage.calibrations import CalibrationStore
from reranker.storage.score_store import PAGE_BYTES, SqliteScoreStore
from reranker.storage.thumbnail_store import HashedThumbnailPaths, ThumbnailStore
from tests.support.paths import ROOT
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, until

QUERY = Query(text="a car")
MAX_BYTES = 10_000_000
COUNT = 3000

Damage = Callable[[Path], object]


def digest(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:064x}"


def score(log_odds: float = 1.5) -> Score:
    return Score(log_odds=log_odds, generated_text=None, visual_tokens=49, latency_ms=7.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with many scores, all written to it and none to its log."""
    path = tmp_path / "cache" / "scores.sqlite"
    SqliteScoreStore(path, MAX_BYTES).put(QUERY, "fingerprint", {digest(number): score() for number in range(COUNT)})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def overwrite(path: Path) -> None:
    """Replace all but the first pages, from which a store has learned the schema when it was opened."""
    with path.open("r+b") as file:
        file.seek(4 * PAGE_BYTES)
        file.write(b"\xa5" * (path.stat().st_size - 4 * PAGE_BYTES))


def cut(path: Path) -> None:
    os.truncate(path, 4 * PAGE_BYTES)


def replace_header(path: Path) -> None:
    """A store that has read these pages does not notice; one that is opened later does."""
    with path.open("r+b") as file:
        file.write(b"no database " * 1000)


DAMAGES = [overwrite, cut]  # of pages that an open store has not read yet


def is_sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_damaged_while_it_is_open_is_put_aside(path: Path, damage: Damage, caplog) -> None:
    store = SqliteScoreStore(path, MAX_BYTES)
    damage(path)
    damaged = path.read_bytes()
    with caplog.at_level(logging.WARNING):
        assert [store.get(digest(number), QUERY, "fingerprint") for number in range(COUNT)].count(None) > COUNT / 2
        store.put(QUERY, "fingerprint", {digest(number): score(2.5) for number in range(COUNT)})
        assert store.get(digest(7), QUERY, "fingerprint") == SqliteScoreStore(path, MAX_BYTES).get(
            digest(7), QUERY, "fingerprint"
        )
    assert store.get(digest(7), QUERY, "fingerprint").log_odds == 2.5
    assert path.with_suffix(".damaged").read_bytes() == damaged
    assert is_sound(path)
    assert len(caplog.records) == 1
    assert str(path.parent) not in caplog.text


def test_a_damaged_file_takes_its_log_along(path: Path) -> None:
    writer = SqliteScoreStore(path, MAX_BYTES)
    writer.put(QUERY, "fingerprint", {digest(COUNT + 1): score()})
    assert path.with_name("scores.sqlite-wal").stat().st_size > 0
    replace_header(path)
    store = SqliteScoreStore(path, MAX_BYTES)
    store.put(QUERY, "fingerprint", {digest(1): score(2.5)})
    assert store.get(digest(1), QUERY, "fingerprint").log_odds == 2.5
    assert is_sound(path)
    assert path.with_name("scores.damaged-wal").stat().st_size > 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_run_is_lost(path: Path, damage: Damage, monkeypatch) -> None:
    monkeypatch.setattr(Reranker, "store", SqliteScoreStore(path, MAX_BYTES))
    damage(path)
    pictures = [str(number).encode() for number in range(20)]
    assert len(Reranker(scorer=ScriptedScorer()).rank("a car", pictures).scored) == 20
    again = ScriptedScorer()
    assert len(Reranker(scorer=again).rank("a car", pictures).scored) == 20
    assert again.scored == [], "the new file has the scores of the first run"


@pytest.mark.parametrize("damage", DAMAGES)
def test_another_process_that_has_the_old_file_open_goes_on(path: Path, damage: Damage) -> None:
    code = f"""
import sys
from pathlib import Path
from reranker.core.types import Query, Score
from reranker.storage.score_store import SqliteScoreStore
store = SqliteScoreStore(Path({str(path)!r}), {MAX_BYTES})
print("open", flush=True)
sys.stdin.readline()
score = Score(log_odds=3.5, generated_text=None, visual_tokens=49, latency_ms=7.0)
for number in range(5):
    store.put(Query(text="a car"), "other", {{f"{{number:064x}}": score}})
    store.get(f"{{number:064x}}", Query(text="a car"), "other")
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "open\n"
        store = SqliteScoreStore(path, MAX_BYTES)
        damage(path)
        store.put(QUERY, "fingerprint", {digest(number): score(2.5) for number in range(COUNT)})
        for number in range(COUNT):
            store.get(digest(number), QUERY, "fingerprint")
        store.put(QUERY, "fingerprint", {digest(number): score(2.5) for number in range(COUNT)})
        process.communicate("go on\n")
    assert process.returncode == 0
    assert store.get(digest(7), QUERY, "fingerprint").log_odds == 2.5
    assert is_sound(path)
    assert SqliteScoreStore(path, MAX_BYTES).get(digest(7), QUERY, "fingerprint").log_odds == 2.5


def test_two_stores_that_find_the_damage_share_the_new_file(path: Path) -> None:
    first, second = SqliteScoreStore(path, MAX_BYTES), SqliteScoreStore(path, MAX_BYTES)
    overwrite(path)
    for store, number in ((first, 1), (second, 2)):
        for each in range(COUNT):
            store.get(digest(each), QUERY, "fingerprint")
        store.put(QUERY, "fingerprint", {digest(number): score(2.5)})
    for store in (first, second, SqliteScoreStore(path, MAX_BYTES)):
        assert [store.get(digest(number), QUERY, "fingerprint").log_odds for number in (1, 2)] == [2.5, 2.5]


def test_a_file_that_another_process_has_started_meanwhile_is_not_put_aside(path: Path, caplog) -> None:
    replace_header(path)
    caplog.set_level(logging.DEBUG, "filelock")
    with ThreadPoolExecutor(1) as pool:
        with FileLock(path.with_suffix(".lock")):
            late = pool.submit(SqliteScoreStore, path, MAX_BYTES)
            until(lambda: "not acquired" in caplog.text)  # it has seen the damage, and waits
            path.unlink()
            SqliteScoreStore(path, MAX_BYTES).put(QUERY, "fingerprint", {digest(1): score(2.5)})
        assert late.result(PATIENCE_S).get(digest(1), QUERY, "fingerprint").log_odds == 2.5
    assert not path.with_suffix(".damaged").exists()


def test_a_file_that_cannot_be_put_aside_is_left_alone(path: Path, caplog) -> None:
    store = SqliteScoreStore(path, MAX_BYTES)
    overwrite(path)
    path.with_suffix(".damaged").mkdir()
    with caplog.at_level(logging.WARNING):
        assert store.get(digest(1), QUERY, "fingerprint") is None
        store.put(QUERY, "fingerprint", {digest(1): score()})
    assert len(caplog.records) == 1


@pytest.mark.parametrize("value", ["x'00'", "'text'", "9e999", "-9e999"])
def test_a_value_that_is_no_score_is_not_stored(path: Path, value: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE scores SET log_odds = {value}")
    assert SqliteScoreStore(path, MAX_BYTES).get(digest(1), QUERY, "fingerprint") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"temperature": 1' + b"0" * 400 + b', "fits": 5}',
        b'{"temperature": ' + b"9" * 5000 + b', "fits": 5}',
        b'{"temperature": NaN, "fits": 5}',
        b'{"temperature": 1e999, "fits": 5}',
        b'{"temperature": null, "fits": [5]}',
        json.dumps({"temperature": 1, "fits": "\ud800"}).encode(),
    ],
    ids=lambda content: repr(content[:30]),
)
def test_a_damaged_calibration_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.json").write_bytes(content)
    assert CalibrationStore(tmp_path).get("model") is None


def test_a_calibration_that_is_a_folder_or_a_loop_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    for key in ("folder", "loop", "x" * 300, "a/b"):
        assert CalibrationStore(tmp_path).get(key) is None


@pytest.mark.parametrize("kept_bytes", [0, 1, 2, 100])
def test_a_thumbnail_that_is_not_complete_is_made_again(tmp_path: Path, kept_bytes: int) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (40, 30), "red").save(picture)
    thumbnails = ThumbnailStore(HashedThumbnailPaths(tmp_path / "thumbnails"), Limits())
    complete = thumbnails.get(picture).read_bytes()
    os.truncate(thumbnails.path(picture), kept_bytes)
    assert thumbnails.get(picture).read_bytes() == complete

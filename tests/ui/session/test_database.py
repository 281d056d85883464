"""The file of the sessions, in any condition."""

import sqlite3
from pathlib import Path

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import SessionUnknown
from reranker.ui.session.database import SessionDatabase
from reranker.ui.session.records import Picture
from reranker.ui.session.sessions import Sessions
from tests.support.scripted_scorer import ScriptedScorer

HOUR_S = 3600


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.sqlite"


def test_a_session_is_found_with_its_parts_in_their_order(file: Path) -> None:
    database = SessionDatabase(file)
    database.add("s", "me", 5.0)
    database.put_pictures("s", [("b", 2, "B"), ("a", 1, "A")])
    database.put_ranking("s", "r2", 4, "second", "results")
    database.put_ranking("s", "r1", 3, "first", None)
    database.put_pictures("other", [("a", 1, "X")])
    database.close()
    stored = SessionDatabase(file).load("s")
    assert (stored.owner, stored.used_at_s) == ("me", 5.0)
    assert (stored.pictures, stored.summaries) == ([(1, "A"), (2, "B")], [(3, "first"), (4, "second")])
    assert SessionDatabase(file).results("s", "r2") == "results"
    assert SessionDatabase(file).results("s", "r1") is None
    assert SessionDatabase(file).results("other", "r2") is None


def test_a_session_is_deleted_with_all_its_parts(file: Path) -> None:
    database = SessionDatabase(file)
    for session in ("s", "other"):
        database.add(session, "", 5.0)
        database.put_pictures(session, [("a", 1, "A")])
        database.put_ranking(session, "r", 1, "first", "results")
    database.delete("s")
    assert database.load("s") is None
    assert database.results("s", "r") is None
    database.add("s", "", 6.0)
    assert database.load("s").pictures == []
    assert len(database.load("other").pictures) == 1


def test_sessions_that_were_not_used_since_a_time_are_listed(file: Path) -> None:
    database = SessionDatabase(file)
    for session, used_at in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        database.add(session, "", used_at)
    database.touch(["a", "unknown"], 4.0)
    assert database.unused_since(3.0) == ["b"]
    assert database.all() == {"a", "b", "c"}


def test_only_this_user_may_read_the_folder(file: Path) -> None:
    SessionDatabase(file)
    assert file.parent.stat().st_mode & 0o077 == 0


def test_two_programs_use_the_file_at_once(file: Path) -> None:
    first, second = SessionDatabase(file), SessionDatabase(file)
    first.add("a", "", 1.0)
    second.add("b", "", 2.0)
    assert first.all() == second.all() == {"a", "b"}


def damage(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database at all" * 1000)


def newer(file: Path) -> None:
    SessionDatabase(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO migrations VALUES ('of a later version')")
    connection.close()


def not_a_folder(file: Path) -> None:
    file.parent.write_text("a file in place of the folder")


@pytest.mark.parametrize("prepare", [damage, newer, not_a_folder])
def test_a_file_that_cannot_be_used_keeps_nobody_from_working(file: Path, prepare, caplog) -> None:
    prepare(file)
    database = SessionDatabase(file)
    database.add("s", "me", 5.0)
    database.put_pictures("s", [("a", 1, "A")])
    assert len(database.load("s").pictures) == 1
    assert "essions" in caplog.text


def test_a_damaged_file_is_put_aside_and_a_new_one_lasts(file: Path) -> None:
    damage(file)
    SessionDatabase(file).add("s", "me", 5.0)
    assert SessionDatabase(file).load("s").owner == "me"
    assert file.with_name("sessions.damaged").exists()


def test_a_disk_that_becomes_full_is_logged_once(file: Path, caplog) -> None:
    database = SessionDatabase(file)
    database.add("s", "", 1.0)
    database.close()  # any other error of SQLite
    for _ in range(100):
        database.put_pictures("s", [("a", 1, "A")])
    assert database.load("s") is None
    assert database.all() is None
    assert not database.is_complete
    assert caplog.text.count("could not be stored") == 1


# What sessions do then


def sessions_in(folder: Path, now: list[float]) -> Sessions:
    reranker = Reranker(scorer=ScriptedScorer(), settings=Settings.of(model="toybox"))
    return Sessions(reranker, folder, clock=lambda: now[0])


def with_picture(sessions: Sessions) -> tuple[str, Path]:
    session = sessions.create("")
    path = session.folder / "pictures" / "p" / "a.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"1")
    session.add([Picture(id="p", name="a.png", path=path)])
    return session.id, path


@pytest.mark.parametrize("prepare", [newer, not_a_folder])
def test_no_files_are_deleted_if_nobody_knows_whose_they_are(tmp_path: Path, file: Path, prepare) -> None:
    now = [1e9]
    if prepare is newer:
        _, path = with_picture(sessions_in(file.parent, now))
    prepare(file)
    now[0] = 4e9
    sessions = sessions_in(file.parent, now)
    assert sessions.create("").pictures == {}
    sessions.sweep()
    assert prepare is not_a_folder or path.exists()


def test_what_cannot_be_stored_is_not_taken_out_of_memory(file: Path) -> None:
    now = [1e9]
    sessions = sessions_in(file.parent, now)
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE pictures")
    connection.close()
    id_, _ = with_picture(sessions)
    now[0] += 2 * HOUR_S
    sessions.sweep()
    assert list(sessions.find(id_, "").pictures) == ["p"]


def test_a_row_of_another_version_costs_only_itself(file: Path, caplog) -> None:
    now = [1e9]
    sessions = sessions_in(file.parent, now)
    id_, _ = with_picture(sessions)
    database = SessionDatabase(file)
    strange = ['{"id": "x"}', "{", "[]", "5", '{"id": "y", "name": "y", "path": "/y", "size": 5, "error": 7, "new": 1}']
    database.put_pictures(id_, [(str(number), number, text) for number, text in enumerate(strange)])
    for number, text in enumerate(strange):
        database.put_ranking(id_, f"r{number}", number, text, text)
    assert list(sessions_in(file.parent, now).find(id_, "").pictures) == ["p"]
    assert "cannot be read" in caplog.text


def test_a_session_without_a_row_does_not_exist(file: Path) -> None:
    sessions = sessions_in(file.parent, [1e9])
    SessionDatabase(file).put_pictures("x" * 32, [("a", 1, "A")])
    with pytest.raises(SessionUnknown):
        sessions.find("x" * 32, "")

"""How long sessions live, and what brings them back."""

import os
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from reranker import Reranker, Settings
from reranker.config.paths import data_folder
from reranker.core.errors import SessionUnknown
from reranker.ui.session.records import Picture
from reranker.ui.session.session import Session
from reranker.ui.session.sessions import Sessions
from tests.support.http_server import serving_sessions
from tests.support.numbered_pictures import numbered_gallery
from tests.support.paced_scorer import PacedScorer
from tests.support.page_session import PageSession, comparable, is_ended, opened
from tests.support.scripted_scorer import ScriptedScorer, until

HOUR_S = 3600


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1e9

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sessions_in(folder: Path, clock: Clock, hours: int = 24) -> Sessions:
    settings = Settings.of(model="toybox", session_hours=hours)
    return Sessions(Reranker(scorer=ScriptedScorer(), settings=settings), folder / "sessions", clock)


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Sessions:
    return sessions_in(tmp_path, clock)


def filled(session: Session) -> Path:
    """Put a picture into a session, and return its path."""
    path = session.folder / "pictures" / "p" / "a.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"1")
    session.add([Picture(id="p", name="a.png", path=path)])
    return path


# The end of a session


@pytest.mark.parametrize("hours", [1, 24])
def test_a_session_ends_so_many_hours_after_its_last_use(tmp_path: Path, clock: Clock, hours: int) -> None:
    sessions = sessions_in(tmp_path, clock, hours)
    session = sessions.create("")
    path = filled(session)
    for _ in range(3):  # each use counts
        clock.now_s += 0.9 * hours * HOUR_S
        sessions.sweep()
        assert sessions.find(session.id, "").pictures.keys() == {"p"}
    assert sessions.ends_at() == clock.now_s + hours * HOUR_S
    clock.now_s += 1.1 * hours * HOUR_S
    with pytest.raises(SessionUnknown):
        sessions.find(session.id, "")
    sessions.sweep()
    assert not path.exists()
    with pytest.raises(SessionUnknown):
        sessions_in(tmp_path, clock, hours).find(session.id, "")


def test_a_session_ends_between_two_sweeps(sessions: Sessions, clock: Clock) -> None:
    session = sessions.create("")
    filled(session)
    clock.now_s += 24 * HOUR_S - 60
    sessions.sweep_if_due()
    clock.now_s += 61
    with pytest.raises(SessionUnknown):
        sessions.find(session.id, "")


def test_another_program_ends_old_sessions_too(sessions: Sessions, tmp_path: Path, clock: Clock) -> None:
    path = filled(sessions.create(""))
    clock.now_s += 25 * HOUR_S
    sessions_in(tmp_path, clock).create("")
    assert not path.exists()


def test_a_session_that_is_watched_does_not_end(sessions: Sessions, clock: Clock) -> None:
    session = sessions.create("")
    path = filled(session)
    changes: list[object] = []
    session.watch(changes.append)
    for _ in range(10):
        clock.now_s += 12 * HOUR_S
        sessions.sweep()
    assert path.exists()
    session.unwatch(changes.append)
    clock.now_s += 25 * HOUR_S
    sessions.sweep()
    assert not path.exists()


def test_sessions_that_nobody_uses_leave_the_memory_and_come_back(sessions: Sessions, clock: Clock) -> None:
    session = sessions.create("")
    empty = sessions.create("")
    filled(session)
    clock.now_s += 2 * HOUR_S
    sessions.sweep()
    again = sessions.find(session.id, "")
    assert again is not session
    assert again.pictures == session.pictures
    with pytest.raises(SessionUnknown):
        sessions.find(empty.id, "")


def test_a_sweep_that_is_due_is_part_of_any_request(sessions: Sessions, clock: Clock) -> None:
    path = filled(sessions.create(""))
    clock.now_s += 25 * HOUR_S
    with pytest.raises(SessionUnknown):
        sessions.find("x" * 32, "")
    assert not path.exists()


def test_folders_that_belong_to_no_session_are_removed_when_they_are_old(sessions: Sessions, clock: Clock) -> None:
    folders = [sessions.folder / name for name in ("x" * 32, "y" * 32, "notes")]
    for folder in folders:
        folder.mkdir()
        os.utime(folder, (clock.now_s - 2 * HOUR_S, clock.now_s - 2 * HOUR_S))
    os.utime(folders[1], (clock.now_s, clock.now_s))
    sessions.sweep()
    assert [folder.exists() for folder in folders] == [False, True, True]


def test_links_in_place_of_folders_are_not_followed(sessions: Sessions, clock: Clock, tmp_path: Path) -> None:
    secret = numbered_gallery(tmp_path / "elsewhere", 1)
    os.utime(secret, (clock.now_s - 2 * HOUR_S, clock.now_s - 2 * HOUR_S))
    (sessions.folder / ("x" * 32)).symlink_to(secret)
    sessions.sweep()
    assert len(list(secret.iterdir())) == 1


def test_files_of_removed_pictures_do_not_outlive_the_program(sessions: Sessions, tmp_path: Path, clock: Clock) -> None:
    session = sessions.create("")
    path = filled(session)
    session.mark(["p"], pick=1)
    session.remove(["p"])
    assert path.exists(), "the removal can be undone"
    os.utime(path.parent, (clock.now_s, clock.now_s))
    clock.now_s += 2 * HOUR_S
    again = sessions_in(tmp_path, clock).find(session.id, "")
    assert (again.pictures, again.restore_removed()) == ({}, 0)
    assert not path.exists()


def test_ids_cannot_be_guessed_and_belong_to_one_login(sessions: Sessions, tmp_path: Path, clock: Clock) -> None:
    mine = sessions.create("me")
    filled(mine)
    assert len({sessions.create("").id for _ in range(50)} | {mine.id}) == 51
    for found in (sessions, sessions_in(tmp_path, clock)):
        assert found.find(mine.id, "me").pictures.keys() == {"p"}
        for id_, owner in ((mine.id, ""), (mine.id, "you"), (mine.id[:-1], "me"), (mine.id.swapcase(), "me"), ("", "")):
            with pytest.raises(SessionUnknown):
                found.find(id_, owner)


# Forgetting


def test_forgetting_deletes_everything_and_ends_the_streams(open_page) -> None:
    session = open_page()
    other = PageSession.create(session.client)
    other.add(1, 2)
    session.add(1, 2)
    session.rank("a cat")
    session.post("exports", {"format": "zip", "rankings": [{"id": next(iter(session.state()["rankings"]))}]})
    with session.watched() as first, session.watched() as second:
        assert session.delete().status_code == 204
        assert first.ended.wait(20)
        assert second.ended.wait(20)
    for answer in (
        session.get(),
        session.get("events"),
        session.upload(b"1"),
        session.post("samples"),
        session.delete(),
    ):
        assert answer.status_code == 404
    folder = data_folder() / "sessions"
    assert not (folder / session.id).exists()
    assert len(other.state()["pictures"]) == 2


def test_forgetting_stops_the_run(open_page) -> None:
    paced = PacedScorer()
    session = open_page(paced.scorer)
    session.add(1, 2, 3)
    session.start("a cat")
    assert paced.entered.wait(20)
    session.delete()
    paced.allow(3)
    other = PageSession.create(session.client)
    other.add(1, 2)
    paced.allow(2)
    other.rank("a dog")
    assert len(paced.scorer.scored) <= 3, "one of the first, and two of the second"
    assert not (data_folder() / "sessions" / session.id).exists()


def test_a_forgotten_session_takes_nothing_more(sessions: Sessions, tmp_path: Path, clock: Clock) -> None:
    session = sessions.create("")
    path = filled(session)
    session.remove(["p"])
    sessions.forget(session)
    picture = Picture(id="q", name="a.png", path=path)
    for action in (
        lambda: session.add([picture]),
        lambda: session.mark(["p"], pick=1),
        session.restore_removed,
        lambda: session.watch(print),
    ):
        with pytest.raises(SessionUnknown):
            action()
    with pytest.raises(SessionUnknown):
        sessions_in(tmp_path, clock).find(session.id, "")


# A restart


def test_a_restart_brings_back_pictures_marks_and_rankings() -> None:
    with opened() as client:
        session = PageSession.create(client)
        ids = session.add(1, 2, 3, "no number")
        session.post("marks", {"pictures": ids[:2], "pick": -1, "rating": 4})
        session.post("remove", {"pictures": ids[2:3]})
        rankings = session.rank("a cat", "一只狗")
        before = session.state()
    with opened() as client:
        again = PageSession(client, session.id)
        assert comparable(again.state()) == comparable(before)
        assert [again.ranking(ranking["id"]) for ranking in rankings] == rankings
        assert again.get(f"pictures/{ids[0]}/thumbnail").status_code == 200
        assert again.upload(b"1").status_code == 422
        again.add(9)
        after = again.state()
        assert list(after["pictures"])[:3] == list(before["pictures"])
    with opened() as client:
        assert comparable(PageSession(client, session.id).state()) == comparable(after)


def test_a_ranking_that_the_end_of_the_program_has_cut_off_is_stopped_and_can_be_retried() -> None:
    paced = PacedScorer()
    with opened(paced.scorer) as client:
        session = PageSession.create(client)
        ids = session.add(1, 2, 3)
        with session.watched() as watcher:
            (ranking,) = session.start("a cat")
            watcher.wait(lambda state: state["job"] is not None)
            with opened() as other:  # as if the first had been killed
                interrupted = PageSession(other, session.id)
                stopped = interrupted.state()["rankings"][ranking]
                assert (stopped["state"], stopped["total"], stopped["failed"]) == ("stopped", 3, 3)
                assert interrupted.state()["job"] is None
                assert interrupted.post("retry", {"ranking": ranking}).status_code == 202
                until(lambda: interrupted.ranking(ranking)["state"] == "done")
                assert {row[0] for row in interrupted.ranking(ranking)["scored"]} == set(ids)
        paced.allow(3)


def test_the_end_of_the_program_stops_the_run_and_tells_the_browsers() -> None:
    paced = PacedScorer()
    reranker = Reranker(scorer=paced.scorer, settings=Settings.of(model="toybox", score_store_mb=0))
    with ExitStack() as stack, httpx.Client(timeout=20) as client:
        with serving_sessions(reranker) as url:
            client.base_url = url
            session = PageSession.create(client)
            session.add(1, 2, 3)
            watcher = stack.enter_context(session.watched())
            (ranking,) = session.start("a cat")
            assert paced.entered.wait(20)
        assert watcher.ended.wait(20)
    paced.allow(1)
    with opened() as client:
        again = PageSession(client, session.id)
        until(lambda: is_ended(again.state(), ranking))
        assert again.ranking(ranking)["state"] == "stopped"


def test_what_was_only_created_is_not_stored() -> None:
    with opened() as client:
        session = PageSession.create(client)
        assert session.get().json() == {"id": session.id}
    with opened() as client:
        assert PageSession(client, session.id).get().status_code == 404


# A login


def test_a_session_belongs_to_the_login_that_made_it(serve) -> None:
    settings = Settings.of(auth="me:secret", model="toybox", score_store_mb=0)
    url = serve(Reranker(scorer=ScriptedScorer(), settings=settings))
    with httpx.Client(base_url=url, timeout=20) as visitor:
        assert visitor.post("login", data={"username": "me", "password": "secret"}).status_code == 200
        session = PageSession.create(visitor)
        session.add(1)
        assert session.get().status_code == 200
        stranger = httpx.Client(base_url=url, timeout=20)
        theirs = PageSession(stranger, session.id)
        for answer in (
            theirs.get(),
            theirs.get("events"),
            theirs.upload(b"1"),
            theirs.post("rank", {}),
            theirs.delete(),
        ):
            assert answer.status_code == 401
        assert stranger.post("sessions").status_code == 401
        assert session.get().status_code == 200
    with opened() as client:  # the same folder without a login
        assert PageSession(client, session.id).get().status_code == 404

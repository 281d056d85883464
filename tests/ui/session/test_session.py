"""What a session holds, what its watchers learn, and what a restart brings back are the same."""

import shutil
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reranker import Reranker, Settings
from reranker.core.errors import RankingUnknown
from reranker.core.types import Candidate, Query, Score, Scored
from reranker.ui.session.records import Picture, RankingHeader, Results, unmatched_key
from reranker.ui.session.sessions import Sessions
from tests.support.page_session import PageSession, apply_change, by_id, comparable
from tests.support.scripted_scorer import ScriptedScorer

RERANKER = Reranker(scorer=ScriptedScorer(), settings=Settings.of(model="toybox"))


class Mirror:
    """A watcher that rebuilds the state."""

    def __init__(self, session: Any) -> None:
        self.state: dict[str, Any] = {}
        state = session.watch(self.apply)
        self.state = {**state, "pictures": by_id(state["pictures"]), "rankings": by_id(state["rankings"])}
        self.state |= {"marks": dict(state["marks"]), "results": {}}

    def apply(self, change: dict[str, Any]) -> None:
        apply_change(self.state, change)


def view_of(session: Any) -> dict[str, Any]:
    return Mirror(session).state


class SessionMachine(RuleBasedStateMachine):
    """Any sequence of what people do with pictures, their marks, and rankings."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="reranker-tests-"))
        self.session = Sessions(RERANKER, self.folder).create("")
        self.early, self.late = Mirror(self.session), Mirror(self.session)
        self.ids = count()
        self.ever: list[str] = []
        self.rankings: list[str] = []

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(number=st.integers(1, 3))
    def add(self, number: int) -> None:
        new = [f"p{next(self.ids)}" for _ in range(number)]
        for id_ in new:
            path = self.session.folder / "pictures" / id_ / "a.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(id_.encode())
        pictures = [
            Picture(id=id_, name=f"{id_}.png", path=self.session.folder / "pictures" / id_ / "a.png", sha256=id_)
            for id_ in new
        ]
        self.session.add(pictures)
        self.ever += new

    @precondition(lambda self: self.ever)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.session.remove(data.draw(st.lists(st.sampled_from([*self.ever, "unknown"]), max_size=4)))

    @rule()
    def restore(self) -> None:
        before = self.session.view()["can_restore"]
        assert self.session.restore_removed() == before

    @precondition(lambda self: self.ever)
    @rule(data=st.data(), pick=st.none() | st.integers(-1, 1), rating=st.none() | st.integers(0, 5))
    def mark(self, data: st.DataObject, pick: int | None, rating: int | None) -> None:
        ids = data.draw(st.lists(st.sampled_from([*self.ever, "unknown"]), max_size=4))
        self.session.mark(ids, pick, rating)

    @rule()
    def put_ranking(self) -> None:
        id_ = f"r{next(self.ids)}"
        results = Results()
        for position, key in enumerate([*self.session.pictures, unmatched_key(99)]):
            score = Score(log_odds=float(position), visual_tokens=1, latency_ms=1.0)
            candidate = Candidate(name=key, source=b"")
            results.add(key, Scored(position=position, candidate=candidate, score=score))
        self.session.put_ranking(header(id_), results, "done", 1.0)
        self.rankings.append(id_)

    @precondition(lambda self: self.rankings)
    @rule(data=st.data())
    def delete_ranking(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(self.rankings))
        self.session.delete_ranking(id_)
        with pytest.raises(RankingUnknown):
            self.session.ranking(id_)

    @rule()
    def join_later(self) -> None:
        self.session.unwatch(self.late.apply)
        self.late = Mirror(self.session)

    @invariant()
    def all_know_the_same(self) -> None:
        truth = comparable(view_of(self.session))
        assert comparable(self.early.state) == truth
        assert comparable(self.late.state) == truth
        assert self.early.state["can_restore"] == self.session.view()["can_restore"]

    @invariant()
    def pictures_are_in_the_order_in_which_they_came(self) -> None:
        there = list(self.session.pictures)
        assert there == [id_ for id_ in self.ever if id_ in there] == list(self.late.state["pictures"])

    @invariant()
    def a_restart_brings_the_same_back(self) -> None:
        truth = view_of(self.session)
        if truth["pictures"] or truth["rankings"]:
            again = Sessions(RERANKER, self.folder).find(self.session.id, "")
            assert comparable(view_of(again)) == comparable(truth)

    @invariant()
    def files_are_there_as_long_as_they_are_needed(self) -> None:
        there = {path.parent.name for path in self.session.folder.glob("pictures/*/*")}
        assert there >= self.session.pictures.keys()
        assert len(there) == len(self.session.pictures) + self.session.view()["can_restore"]


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)


def header(id_: str) -> RankingHeader:
    return RankingHeader(
        id=id_,
        query=Query(text="a cat"),
        created_s=0.0,
        run="run",
        total=1,
        judged_by={"model": "m", "precision": "p"},
        fingerprint="f",
        temperature=1.0,
        threshold=None,
    )


# By the routes


def test_removing_can_be_undone_until_the_next_removal(session: PageSession) -> None:
    ids = session.add(1, 2, 3)
    session.post("marks", {"pictures": [ids[0]], "rating": 3})
    with session.watched() as watcher:
        assert session.post("remove", {"pictures": [ids[0], ids[1], "unknown"]}).status_code == 204
        watcher.wait(lambda state: list(state["pictures"]) == [ids[2]] and state["can_restore"] == 2)
        with session.watched() as late:
            assert session.post("restore").json() == {"restored": 2}
            for each in (watcher, late):
                each.wait(lambda state: len(state["pictures"]) == 3 and state["can_restore"] == 0)
                each.wait(lambda state: state["marks"].get(ids[0]) == {"pick": 0, "rating": 3})
    assert session.post("restore").json() == {"restored": 0}
    assert session.get(f"pictures/{ids[0]}/full").status_code == 200
    session.post("remove", {"pictures": ids[:1]})
    session.post("remove", {"pictures": ids[1:2]})
    assert session.post("restore").json() == {"restored": 1}
    assert list(session.state()["pictures"]) == ids[1:], "where they were"
    assert session.get(f"pictures/{ids[0]}/thumbnail").status_code == 404


def test_a_pick_and_a_rating_are_changed_each_alone(session: PageSession) -> None:
    ids = session.add(1, 2)
    session.post("marks", {"pictures": ids, "pick": 1})
    session.post("marks", {"pictures": ids[:1], "rating": 5})
    session.post("marks", {"pictures": ids[1:], "pick": 0})
    session.post("marks", {"pictures": ["unknown"], "pick": 1})
    assert session.state()["marks"] == {ids[0]: {"pick": 1, "rating": 5}}


def test_the_oldest_rankings_make_room_for_new_ones(session: PageSession, monkeypatch) -> None:
    monkeypatch.setattr("reranker.ui.session.session.MAX_RANKINGS", 3)
    session.add(1, 2)
    rankings = [session.rank(str(number))[0]["id"] for number in range(5)]
    assert list(session.state()["rankings"]) == rankings[2:]
    assert session.get(f"rankings/{rankings[0]}").status_code == 404


def test_a_ranking_is_deleted_for_all(session: PageSession) -> None:
    session.add(1, 2)
    kept, deleted = session.rank("a cat", "a dog")
    with session.watched() as watcher:
        assert session.delete(f"rankings/{deleted['id']}").status_code == 204
        watcher.wait(lambda state: list(state["rankings"]) == [kept["id"]])
    assert session.get(f"rankings/{deleted['id']}").status_code == 404
    assert session.delete(f"rankings/{deleted['id']}").status_code == 204

"""A run that labels the pictures of a session: told as it goes, stopped, resumed, and found again after a restart."""

from pathlib import Path

import pytest

from reranker.core.errors import PictureUnreadable
from reranker.core.types import Candidate
from tests.support.labelling_session import WARMTH, has_ended, label, names, sentence, start, warmth
from tests.support.numbered_pictures import numbered_gallery
from tests.support.paced_scorer import PacedScorer
from tests.support.page_session import PageSession, opened
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, content_of

LABELLED = {"2.png": ["warm", "热"], "-2.png": ["cold"], "0.1.png": ["warm", "热"]}


def test_pictures_get_the_labels_that_fit(tab: PageSession) -> None:
    watcher = label(tab)
    assert {key: sorted(found) for key, found in names(tab).items()} == LABELLED
    assert watcher.state["tagging"]["state"] == "done"
    assert watcher.state["tagging"]["labels"] == 3
    assert len(watcher.state["tagged"]) == 3, "each result is told once"


def test_a_browser_that_comes_later_is_told_the_same(tab: PageSession) -> None:
    told = label(tab).state
    detail = tab.get("picture-labels").json()
    assert sorted(detail["judged"]) == sorted(told["tagged"])
    assert [each[:2] for each in detail["labels"]] == [["warm", ""], ["cold", ""], ["", "热"]]
    assert detail["thresholds"] == [0.5] * 3
    again = tab.state()
    assert {name: again[name] for name in ("tagging", "own_labels", "label_corrections")} == {
        name: told[name] for name in ("tagging", "own_labels", "label_corrections")
    }


def test_without_a_run_there_are_no_labels(tab: PageSession) -> None:
    assert tab.get("picture-labels").json() == {"run": None}
    assert tab.state()["tagging"] is None
    assert names(tab) == {"2.png": [], "-2.png": [], "0.1.png": []}


def test_a_run_goes_on_while_nobody_watches_and_there_is_only_one(open_tab) -> None:
    paced = PacedScorer(warmth)
    session = open_tab(paced.scorer)
    session.add(1, 2)
    with session.watched() as watcher:
        run = start(session, "warm")
        assert paced.entered.wait(PATIENCE_S)
        state = watcher.wait(lambda state: state["job"] and not state["job"]["preparing"])
        assert (state["job"]["total"], state["job"]["tagging"]) == (2, run)
        assert session.post("picture-labels/run", {"vocabulary": "own", "text": "x"}).status_code == 409
        assert session.post("picture-labels/retry").status_code == 409
    paced.allow(2)
    with session.watched() as watcher:
        watcher.wait(lambda state: has_ended(state, run))
    assert names(session) == {"1.png": ["warm"], "2.png": ["warm"]}


def test_stop_keeps_what_was_judged_and_the_next_run_does_the_rest(open_tab) -> None:
    paced = PacedScorer(warmth)
    session = open_tab(paced.scorer)
    session.add(1, 2, 3)
    with session.watched() as watcher:
        run = start(session, "warm")
        assert paced.entered.wait(PATIENCE_S)
        session.post("stop")
        paced.allow(1)
        stopped = watcher.wait(lambda state: has_ended(state, run))
    assert stopped["tagging"]["state"] == "stopped"
    assert sorted(names(session).values()) == [[], [], ["warm"]]
    judged = len(paced.scorer.batches)
    paced.allow(3)
    assert label(session, "warm").state["tagging"]["total"] == 2
    assert sorted(names(session).values()) == [["warm"]] * 3
    assert len(paced.scorer.batches) - judged == 2, "the first picture is not judged again"


@pytest.mark.parametrize("text", ["warm\nnew", "cold"])
def test_other_labels_replace_those_of_the_run_before(tab: PageSession, text: str) -> None:
    label(tab)
    label(tab, text)
    assert {name for found in names(tab, threshold=0).values() for name in found} == set(text.split("\n"))


def test_equal_labels_are_judged_again_if_no_picture_is_left(open_tab) -> None:
    scorer = ScriptedScorer(judge=warmth)
    session = open_tab(scorer)
    session.add(1)
    label(session)
    first = list(scorer.batches)
    label(session)
    assert scorer.batches == first * 2


def test_a_vocabulary_that_needs_a_dual_encoder_says_so_and_loses_nothing(tab: PageSession) -> None:
    label(tab)
    before = tab.get("picture-labels").json()
    answer = tab.post("picture-labels/run", {"vocabulary": "general"})
    assert "python -m reranker download siglip2" in sentence(answer)
    assert tab.get("picture-labels").json() == before


def test_a_session_without_pictures_says_so(open_tab) -> None:
    answer = open_tab().post("picture-labels/run", {"vocabulary": "own", "text": "warm"})
    assert "Too few pictures" in sentence(answer)


def test_a_picture_that_is_gone_fails_alone_and_says_why(open_tab, tmp_path: Path) -> None:
    folder = numbered_gallery(tmp_path / "pictures", 1, 2)
    session = open_tab(galleries=(folder,))
    session.post("galleries", {"name": "pictures"})
    (folder / "2.png").unlink()
    state = label(session, "warm").state
    (failed,) = [row for row in state["tagged"] if row[0] == list(state["pictures"])[1]]
    assert "2.png" in failed[1]["en"]
    assert "2.png" in failed[1]["zh"]
    assert names(session) == {"1.png": ["warm"], "2.png": []}
    assert session.post("picture-labels/retry").status_code == 400, "it cannot come back"


def test_a_picture_that_took_too_long_can_be_tried_again(open_tab) -> None:
    slow = {"2.png"}

    def read(candidate: Candidate) -> bytes:
        if candidate.name in slow:
            slow.clear()
            raise PictureUnreadable(name=candidate.name, reason="too slow")
        return content_of(candidate)

    session = open_tab(ScriptedScorer(judge=warmth, read=read))
    session.add(1, 2)
    assert label(session, "warm").state["tagging"]["state"] == "done"
    assert names(session) == {"1.png": ["warm"], "2.png": []}
    with session.watched() as watcher:
        run = session.post("picture-labels/retry").json()["run"]
        watcher.wait(lambda state: has_ended(state, run))
    assert names(session) == {"1.png": ["warm"], "2.png": ["warm"]}


def test_a_model_that_cannot_judge_says_why_and_the_run_has_failed(open_tab) -> None:
    def broken(query: object, content: bytes) -> float:
        raise RuntimeError("of a driver")

    session = open_tab(ScriptedScorer(judge=broken))
    session.add(1)
    state = label(session, "warm").state
    assert state["job"] is None
    ((_, reason, _),) = state["tagged"]
    assert "driver" not in reason["en"]


def test_everything_is_there_after_a_restart() -> None:
    with opened(ScriptedScorer(judge=warmth), model="lychee") as client:
        session = PageSession.create(client)
        session.add(2, -2, 0.1)
        label(session)
        before, detail = session.state(), session.get("picture-labels").json()
    with opened(ScriptedScorer(judge=warmth), model="lychee") as client:
        again = PageSession(client, session.id)
        restored = again.get("picture-labels").json()
        assert {key: sorted(value) for key, value in restored.items()} == {
            key: sorted(value) for key, value in detail.items()
        }
        assert again.state()["tagging"] == before["tagging"]
        assert again.state()["own_labels"]["text"] == WARMTH


def test_a_run_that_the_end_of_the_program_cut_off_is_stopped() -> None:
    paced = PacedScorer(warmth)
    with opened(paced.scorer, model="lychee") as client:
        session = PageSession.create(client)
        session.add(1, 2)
        with session.watched() as watcher:
            start(session, "warm")
            paced.allow(1)
            watcher.wait(lambda state: state.get("tagged"))
            with opened(ScriptedScorer(judge=warmth), model="lychee") as other:  # as if this program had been killed
                again = PageSession(other, session.id)
                assert again.state()["tagging"]["state"] == "stopped"
                assert sorted(names(again).values()) == [[], ["warm"]]
                label(again, "warm")
                assert sorted(names(again).values()) == [["warm"], ["warm"]]
        paced.allow(9)


def test_a_session_that_is_forgotten_during_a_run_stays_forgotten() -> None:
    paced = PacedScorer(warmth)
    with opened(paced.scorer, model="lychee") as client:
        session = PageSession.create(client)
        session.add(1, 2)
        start(session, "warm")
        assert paced.entered.wait(PATIENCE_S)
        session.delete()
        paced.allow(9)
        assert session.get("picture-labels").status_code == 404
    with opened(model="lychee") as client:
        assert PageSession(client, session.id).get("picture-labels").status_code == 404

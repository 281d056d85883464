"""Libraries on the page: searched in two stages, by their names, and only read."""

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock
from PIL import Image

from reranker import Reranker
from reranker.config.paths import data_folder
from reranker.library import Library
from tests.support.dual_encoders import siglip_folder
from tests.support.libraries import at_least, indexed, labelled, numbered_library
from tests.support.numbered_pictures import nearness, numbered_gallery
from tests.support.paced_scorer import PacedScorer
from tests.support.page_session import PageSession, Watcher, is_ended, names_by_score, opened
from tests.support.scripted_scorer import ScriptedScorer

NUMBERS = (3.5, -1, 0.5, 2, -2.5)


@pytest.fixture
def holidays(tmp_path: Path) -> Path:
    return numbered_library(tmp_path, *NUMBERS)


@pytest.fixture
def open_tab() -> Iterator[Any]:
    """Serve sessions with libraries, and return a session."""
    with ExitStack() as stack:

        def open_(*libraries: Path, scorer: ScriptedScorer | None = None, **settings: object) -> PageSession:
            names = tuple(map(str, libraries))
            return PageSession.create(stack.enter_context(opened(scorer, libraries=names, **settings)))

        yield open_


def search(session: PageSession, library: str = "holidays", **request: object) -> httpx.Response:
    return session.post("libraries/search", {"library": library, "text": "a cat", **request})


def ended(watcher: Watcher, answer: httpx.Response) -> dict[str, Any]:
    """Wait for the end of a search, and return the state."""
    assert answer.status_code == 202, answer.text
    (ranking,) = answer.json()["rankings"]
    return watcher.wait(lambda state: state["job"] is None and is_ended(state, ranking))


def searched(session: PageSession, **request: object) -> dict[str, Any]:
    """Search, and return the ranking at the end."""
    with session.watched() as watcher:
        answer = search(session, **request)
        ended(watcher, answer)
    return session.ranking(answer.json()["rankings"][0])


def names(session: PageSession) -> list[str]:
    return [picture["name"] for picture in session.state()["pictures"].values()]


def sentence(answer: httpx.Response) -> str:
    assert answer.is_error, answer.text
    assert set(answer.json()["sentences"]) == {"en", "zh"}
    return answer.json()["sentences"]["en"]


def test_pictures_are_there_in_the_order_of_the_recall_and_then_ranked(open_tab, holidays: Path) -> None:
    paced = PacedScorer()
    session = open_tab(holidays, scorer=paced.scorer)
    with session.watched() as watcher:
        answer = search(session, recall=4)
        assert answer.json()["pictures"] == 4
        paced.entered.wait()
        (ranking,) = answer.json()["rankings"]
        recalled = list(watcher.wait(lambda state: len(state["pictures"]) == 4)["pictures"])
        assert session.ranking(ranking)["waiting"] == recalled, "all are to be scored, in this order"
        paced.allow(4)
        ended(watcher, answer)
    ranked = session.ranking(ranking)
    assert ranked["waiting"] == []
    scores = [float(name.removesuffix(".png")) for name in names_by_score(ranked)]
    assert scores == sorted(scores, reverse=True)
    assert sorted(row[0] for row in ranked["scored"]) == sorted(recalled)


def test_each_search_puts_its_pictures_last_in_the_order_of_the_recall(open_tab, holidays: Path) -> None:
    session = open_tab(holidays)
    with closing(Library(holidays, reranker=Reranker(scorer=ScriptedScorer()))) as library:
        for text, count in (("a cat", 4), ("a red dog", 5), ("a cat", 2)):
            searched(session, text=text, recall=count)
            assert names(session)[-count:] == [recalled.path.name for recalled in library.recall(text, count)]
    assert len(names(session)) <= len(NUMBERS), "each file comes once"


def test_near_duplicates_of_a_search_are_grouped(open_tab, holidays: Path, tmp_path: Path) -> None:
    more = numbered_gallery(tmp_path / "more", 7)
    for folder, name in ((tmp_path / "pictures", "2.png"), (more, "7.png")):
        Image.open(folder / name).save(folder / f"copy of {name}")
    indexed(holidays, [tmp_path / "pictures", more], tmp_path / "encoder")
    session = open_tab(holidays, scorer=ScriptedScorer(judge=lambda query, content: 1.0))
    for folder in ("pictures", "more"):
        searched(session, folder=folder)
    alike = {picture["name"]: picture["alike"] for picture in session.state()["pictures"].values()}
    assert alike["2.png"] == alike["copy of 2.png"] is not None
    assert alike["7.png"] == alike["copy of 7.png"] is not None
    assert alike["2.png"] != alike["7.png"], "each search has groups of its own"


def test_what_is_shown_tells_no_paths(open_tab, holidays: Path, tmp_path: Path) -> None:
    session = open_tab(holidays)
    (view,) = session.get("libraries").json()["libraries"]
    assert view == {
        "name": "holidays",
        "pictures": 5,
        "folders": ["pictures"],
        "labels": [],
        "encoder": "encoder",
        "problem": None,
    }
    ranking = searched(session)
    assert str(tmp_path) not in json.dumps([session.get("libraries").json(), ranking, session.state()])
    thumbnail = session.get(f"pictures/{ranking['scored'][0][0]}/thumbnail")
    assert (thumbnail.status_code, thumbnail.headers["content-type"]) == (200, "image/jpeg")
    assert not list(data_folder().rglob("*.png")), "nothing is copied"
    session.delete()
    assert len(list((tmp_path / "pictures").iterdir())) == 5, "nothing is deleted"


def test_filters_and_what_must_not_be_there(open_tab, holidays: Path, tmp_path: Path) -> None:
    more = numbered_gallery(tmp_path / "more" / "pictures", 7, 8)
    Image.new("RGB", (40, 30)).save(more / "1.5.jpg")
    indexed(holidays, [more], tmp_path / "encoder")
    session = open_tab(holidays)
    assert session.get("libraries").json()["libraries"][0]["folders"] == ["pictures", "pictures (2)"]
    folder = "pictures" if str(more) < str(tmp_path / "pictures") else "pictures (2)"
    assert set(names_by_score(searched(session, folder=folder, type="PNG"))) == {"7.png", "8.png"}
    assert searched(session, min_px=30, type="JPEG")["total"] == 1, "one picture is enough"
    assert searched(session, until="2999-12-31", exclude="a dog", recall=3)["exclude"] == "a dog"
    answer = search(session, since="2999-01-01")
    assert (answer.status_code, answer.json()) == (200, {"rankings": [], "pictures": 8})


@pytest.mark.parametrize(
    ("request_", "status", "text"),
    [
        ({"text": " "}, 400, "The sentence is empty"),
        ({"text": "x" * 1001}, 400, "The sentence has 1,001 characters"),
        ({"since": "yesterday"}, 400, "yesterday"),
        ({"until": "2024-13-01"}, 400, "2024-13-01"),
        ({"until": "20240201"}, 400, "20240201"),
        ({"type": "EXE"}, 400, "EXE"),
        ({"folder": "/etc"}, 400, "folder"),
        ({"label": "cat"}, 400, "The filter “label” is “cat”"),
        ({"min_px": -1}, 400, "min_px"),
        ({"recall": 0}, 400, "recall"),
        ({"recall": 1001}, 400, "recall"),
        ({"example": "none"}, 404, ""),
        ({"library": "secret"}, 404, "There is no library “secret”"),
        ({"library": 3}, 400, "library"),
    ],
)
def test_mistakes_are_said_and_change_nothing(open_tab, holidays: Path, request_, status, text) -> None:
    session = open_tab(holidays)
    answer = search(session, **request_)
    assert answer.status_code == status
    assert text in sentence(answer)
    assert names(session) == []


def test_a_library_that_is_missing_empty_or_of_another_encoder_is_said(open_tab, holidays: Path, tmp_path) -> None:
    empty = indexed(tmp_path / "empty", [], tmp_path / "encoder")
    session = open_tab(holidays, tmp_path / "none", empty)
    problems = {view["name"]: view["problem"] for view in session.get("libraries").json()["libraries"]}
    assert problems["holidays"] is problems["empty"] is None
    assert "There is no library “none”" in problems["none"]["en"]
    assert search(session, "empty").json() == {"rankings": [], "pictures": 0}
    assert names_by_score(searched(session))[0] == "3.5.png"
    shutil.rmtree(holidays)
    assert "There is no library “holidays”" in sentence(search(session))
    indexed(holidays, [tmp_path / "pictures"], siglip_folder(tmp_path / "other", 2))
    said = sentence(search(session))
    assert "The library “holidays” was made with the encoder other" in said
    assert str(tmp_path) not in said
    with session.watched() as watcher:
        session.post("libraries/update", {"library": "holidays"})
        assert update_of(watcher.wait(lambda state: update_of(state).get("error")))["error"]["en"] == said


def test_earlier_pictures_go_first_when_a_session_is_full(open_tab, holidays: Path, tmp_path: Path) -> None:
    more = numbered_library(tmp_path, 7, 8, 9, name="more", folder="others")
    session = open_tab(holidays, more, max_pictures=6)
    searched(session)
    before = set(session.state()["pictures"])
    first = next(iter(session.state()["pictures"]))
    session.post("marks", {"pictures": [first], "rating": 3})
    searched(session, library="more")
    state = session.state()
    assert len(state["pictures"]) == 6
    assert len(before & set(state["pictures"])) == 3
    assert state["marks"] == {first: {"pick": 0, "rating": 3}}, "marked ones stay longer"
    assert list(state["pictures"])[:3] == [id_ for id_ in state["pictures"] if id_ in before], "the new ones come last"
    searched(session)
    assert len(before & set(session.state()["pictures"])) == 3, "files that are found again keep their ids"
    assert session.state()["marks"] == state["marks"]


def test_more_like_a_picture_of_the_library(open_tab, holidays: Path) -> None:
    session = open_tab(holidays, scorer=ScriptedScorer(judge=nearness))
    example = next(row[0] for row in searched(session)["scored"] if row[3] == "0.5.png")
    ranking = searched(session, text="", example=example)
    assert ranking["example"]["name"] == "0.5.png"
    assert set(names_by_score(ranking)) == {"2.png", "-1.png", "3.5.png", "-2.5.png"}, "all but itself"
    assert example in session.state()["pictures"]


def test_one_search_at_a_time(open_tab, holidays: Path) -> None:
    paced = PacedScorer()
    session = open_tab(holidays, scorer=paced.scorer)
    with session.watched() as watcher:
        first = search(session, recall=2)
        paced.entered.wait()
        assert search(session, recall=5).status_code == 409
        assert len(session.state()["pictures"]) == 2
        session.post("stop")
        paced.allow(2)
        ended(watcher, first)


# Updates


def update_of(state: dict[str, Any]) -> dict[str, Any]:
    return state.get("updates", {}).get("holidays", {})


def test_pictures_are_labelled_for_all_and_found_by_their_labels(open_tab, holidays: Path, tmp_path: Path) -> None:
    session = open_tab(labelled(holidays), scorer=ScriptedScorer(judge=at_least))
    other = PageSession.create(session.client)
    (view,) = session.get("libraries").json()["libraries"]
    assert view["labels"] == [{"key": "3", "en": "3", "zh": "三", "pictures": 1}]
    ranked = searched(session, text="0", label="3")
    assert names_by_score(ranked) == ["3.5.png"]
    (label,) = session.get(f"pictures/{ranked['scored'][0][0]}/details").json()["labels"]
    assert (label["zh"], label["confidence"]) == ("三", pytest.approx(1 / (1 + math.exp(-1))))
    numbered_gallery(tmp_path / "pictures" / "new", 7, 5)
    with other.watched() as watcher:
        assert session.post("libraries/update", {"library": "holidays"}).status_code == 204
        updated = watcher.wait(lambda state: update_of(state).get("state") in ("done", "failed", "stopped"))
    assert (update_of(updated)["work"], update_of(updated)["done"]) == ("update", 2), "new pictures are labelled, too"
    (view,) = session.get("libraries").json()["libraries"]
    assert [(label["key"], label["pictures"]) for label in view["labels"]] == [("3", 3), ("6", 1)]
    assert names_by_score(searched(session, text="0", label="3")) == ["7.png", "5.png", "3.5.png"]


def test_labels_of_a_library_are_made_on_request(open_tab, holidays: Path) -> None:
    session = open_tab(holidays, scorer=ScriptedScorer(judge=nearness), model="toybox")
    with session.watched() as watcher:
        assert session.post("libraries/label", {"library": "holidays"}).status_code == 204
        state = watcher.wait(lambda state: update_of(state).get("state") in ("done", "failed", "stopped"))
    view = update_of(state)
    assert (view["work"], view["state"], view["done"], view["error"]) == ("labels", "done", 5, None)
    with closing(Library(holidays, reranker=Reranker(scorer=ScriptedScorer()))) as library:
        assert library.vocabulary is not None


def test_an_update_reads_the_known_folders_and_is_told_to_all(open_tab, holidays: Path, tmp_path: Path) -> None:
    session = open_tab(holidays)
    other = PageSession.create(session.client)
    assert session.get("libraries").json()["may_update"] is True
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    numbered_gallery(tmp_path / "pictures" / "new", 9)
    with other.watched() as watcher:
        assert session.post("libraries/update", {"library": "holidays"}).status_code == 204
        state = watcher.wait(lambda state: update_of(state).get("state") in ("done", "failed", "stopped"))
    view = update_of(state)
    assert (view["state"], view["done"], view["total"], view["failed"]) == ("done", 2, 2, 1)
    found = session.get("libraries").json()
    assert found["updates"] == [view]
    assert found["libraries"][0]["pictures"] == 6
    assert names_by_score(searched(session))[0] == "9.png"


def test_an_update_of_a_library_that_another_program_changes_says_so(open_tab, holidays: Path) -> None:
    session = open_tab(holidays)
    with session.watched() as watcher, FileLock(holidays / "index.lock"):
        session.post("libraries/update", {"library": "holidays"})
        view = update_of(watcher.wait(lambda state: update_of(state).get("state") == "failed"))
        assert "Another program is changing the library" in view["error"]["en"]
        assert names_by_score(searched(session))[0] == "3.5.png", "it can be searched meanwhile"


def test_a_library_that_is_gone_is_not_made_by_an_update(open_tab, tmp_path: Path) -> None:
    session = open_tab(tmp_path / "none")
    assert "There is no library" in sentence(session.post("libraries/update", {"library": "none"}))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "guests", [{"auth": "me:secret"}, {"host": "0.0.0.0"}, {"share": True, "share_openly": True}, {"root_path": "/x"}]
)
def test_guests_cannot_update(open_tab, holidays: Path, tmp_path: Path, guests) -> None:
    session = open_tab(holidays, **guests)
    assert session.get("libraries").json()["may_update"] is False
    for path in ("update", "label", "stop"):
        answer = session.post(f"libraries/{path}", {"library": "holidays"})
        assert answer.status_code == 403
        assert "only on the computer that runs the program" in sentence(answer)
    assert names_by_score(searched(session))[0] == "3.5.png"


def test_a_request_through_a_proxy_cannot_update(open_tab, holidays: Path) -> None:
    session = open_tab(holidays)
    session.client.headers["X-Forwarded-For"] = "203.0.113.5"
    assert session.post("libraries/update", {"library": "holidays"}).status_code == 403

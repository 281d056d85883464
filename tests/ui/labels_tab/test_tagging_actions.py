"""What people choose, bring and correct on the tab “Labels”."""

import json

import pytest

from tests.support.labelling_session import WARMTH, correct, label, names, sentence, warmth
from tests.support.page_session import PageSession, opened
from tests.support.scripted_scorer import ScriptedScorer

TREE = "en,zh,synonyms,group,parent\nwarm,暖,hot;热,heat,\ncold,冷,,cold,\n"


def put_own(session: PageSession, content: bytes, name: str):
    return session.client.post(f"sessions/{session.id}/picture-labels/own", params={"name": name}, content=content)


def test_the_vocabularies_are_told_with_their_groups(tab: PageSession) -> None:
    choices = {each["choice"]: each for each in tab.get("picture-labels/choices").json()["choices"]}
    assert set(choices) == {"auto", "general", "aerial", "toybox"}
    assert choices["auto"]["name"] == "general"
    assert choices["general"]["labels"] > 1000
    assert ["things", "物体"] in choices["toybox"]["groups"]


def test_a_file_of_labels_is_kept_with_its_groups(tab: PageSession) -> None:
    answer = put_own(tab, TREE.encode(), "暖 冷.csv")
    groups = [["heat", ""], ["cold", ""]]
    assert answer.json().items() >= {"name": "暖 冷.csv", "text": "", "labels": 2, "groups": groups}.items()
    assert tab.state()["own_labels"] == answer.json()
    label(tab, None)
    assert names(tab, language="zh") == {"2.png": ["暖"], "-2.png": ["冷"], "0.1.png": ["暖"]}
    label(tab, None, groups=["cold", "of another vocabulary"])
    assert names(tab, language="both") == {"2.png": [], "-2.png": ["cold / 冷"], "0.1.png": []}
    assert tab.delete("picture-labels/own").status_code == 204
    assert tab.state()["own_labels"] is None
    assert tab.post("picture-labels/run", {"vocabulary": "own"}).status_code == 400


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.txt", b"", "there are no labels"),
        ("a.txt", b"cat\nCat", "“a.txt”, line 2: the name “Cat” is used twice"),
        ("a.txt", b"\xff\xfe\x00", "line 1: this is not UTF-8 text"),
        ("a.csv", b"x,y\n1,2", "line 1: the columns"),
        ("a.jsonl", b'{"en": 5}', "line 1: the field “en”"),
        ("a.jsonl", b'{"en": "cat", "parent": "pet"}', "the parent “pet” is not a label"),
        ("a.txt", b"x" * 201, "has 201 characters"),
        ("a.txt", b"\n".join(b"%d" % number for number in range(10_001)), "more than 10,000 labels"),
        ("../../a.txt", b" ", "“a.txt”: there are no labels"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_changes_nothing(
    tab: PageSession, name: str, content: bytes, fault: str
) -> None:
    put_own(tab, b"warm", "good.txt")
    answer = put_own(tab, content, name)
    assert answer.status_code == 400
    assert fault in sentence(answer)
    assert "标签" in sentence(answer, "zh")
    assert tab.state()["own_labels"]["name"] == "good.txt"


@pytest.mark.parametrize("text", ["", " \n ", "warm\nWARM", "x" * 201])
def test_typed_labels_that_cannot_be_used_say_why(tab: PageSession, text: str) -> None:
    answer = tab.post("picture-labels/run", {"vocabulary": "own", "text": text})
    assert answer.status_code == 400
    assert sentence(answer).startswith("The labels “own labels” cannot be used")
    answer = tab.client.post(
        f"sessions/{tab.id}/picture-labels/run",
        json={"vocabulary": "own", "text": text},
        headers={"Accept-Language": "zh"},
    )
    assert sentence(answer, "zh").startswith("标签“自己的标签”无法使用")


def test_more_labels_than_can_be_judged_without_a_dual_encoder_say_so(tab: PageSession) -> None:
    answer = tab.post("picture-labels/run", {"vocabulary": "own", "text": "\n".join(map(str, range(101)))})
    assert answer.status_code == 503
    assert "siglip2" in sentence(answer)


@pytest.mark.parametrize(
    "body",
    [
        {"vocabulary": "other"},
        {"vocabulary": 5},
        {"text": 5, "vocabulary": "own"},
        {"groups": "a"},
        {"groups": [1]},
        [],
    ],
)
def test_a_request_that_is_no_run_is_refused(tab: PageSession, body: object) -> None:
    assert tab.post("picture-labels/run", body).status_code == 400


def test_an_unknown_group_is_refused(tab: PageSession) -> None:
    assert "fruit" in sentence(tab.post("picture-labels/run", {"vocabulary": "aerial", "groups": ["fruit"]}))


def test_corrections_override_the_model_and_can_be_taken_back(tab: PageSession) -> None:
    label(tab)
    first, *_ = tab.state()["pictures"]
    correct(tab, first, warm="absent", 手写="added", cold="added")
    assert sorted(names(tab)["2.png"]) == ["cold", "手写", "热"]
    correct(tab, first, warm=None, 手写=None, cold=None)
    assert sorted(names(tab)["2.png"]) == ["warm", "热"]
    assert tab.state()["label_corrections"] == {}


def test_a_label_is_the_same_by_any_of_its_names(tab: PageSession) -> None:
    put_own(tab, TREE.encode(), "a.csv")
    label(tab, None)
    second = list(tab.state()["pictures"])[1]
    for name in ("warm", "暖", "HOT", " 热 "):
        correct(tab, second, **{name: "added"})
        assert list(tab.state()["label_corrections"][second]["states"]) == ["warm"]
        correct(tab, second, **{name: None})


def test_corrections_survive_other_runs_and_a_restart() -> None:
    with opened(ScriptedScorer(judge=warmth), model="lychee") as client:
        session = PageSession.create(client)
        first, second = session.add(2, -2)
        label(session)
        correct(session, first, warm="absent", mine="added")
        correct(session, second, checked=True, cold="confirmed")
        label(session, "warm\nother")
        kept = session.state()["label_corrections"]
        assert names(session) == {"2.png": ["mine"], "-2.png": ["cold", "other"]}, (
            "confirmed, though nobody looked for it"
        )
    with opened(ScriptedScorer(), model="lychee") as client:
        again = PageSession(client, session.id)
        assert again.state()["label_corrections"] == kept
        assert kept[second]["checked"]


@pytest.mark.parametrize(
    "body",
    [
        {"labels": {"": "added"}},
        {"labels": {" \u200b": "added"}},
        {"labels": {"x" * 201: "added"}},
        {"labels": {"cat": "maybe"}},
        {"labels": {"cat": ["added"]}},
        {"labels": {"\ud800": "added"}},
        {"labels": {str(number): "added" for number in range(1001)}},
        {"labels": ["cat"]},
        {"checked": "yes"},
    ],
)
def test_a_correction_that_makes_no_sense_is_refused(tab: PageSession, body: dict[str, object]) -> None:
    first, *_ = tab.state()["pictures"]
    content = json.dumps({"picture": first, **body})
    assert tab.post("picture-labels/corrections", content=content).status_code == 400
    assert tab.state()["label_corrections"] == {}


def test_pictures_of_nobody_cannot_be_corrected(tab: PageSession) -> None:
    other = PageSession.create(tab.client)
    (foreign,) = other.add(7)
    for picture in (foreign, "unknown"):
        body = {"picture": picture, "labels": {"cat": "added"}}
        assert tab.post("picture-labels/corrections", body).status_code == 404


def test_each_browser_is_told_what_another_corrects(tab: PageSession) -> None:
    first, *_ = tab.state()["pictures"]
    with tab.watched() as watcher:
        correct(tab, first, cat="added")
        state = watcher.wait(lambda state: state["label_corrections"])
    assert state["label_corrections"] == tab.state()["label_corrections"]


def test_typed_labels_are_there_for_the_next_browser(tab: PageSession) -> None:
    label(tab)
    assert tab.state()["own_labels"]["text"] == WARMTH

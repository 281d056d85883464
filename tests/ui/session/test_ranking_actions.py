"""What people do with rankings: mistakes in starting one, saved ones, and why a picture has its score."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker import Reranker, Settings
from reranker.core.errors import RerankerError
from reranker.export.rows import as_json, rankings_as_json
from reranker.ui.session.ranking_actions import RankingActions
from reranker.ui.session.records import Picture
from reranker.ui.session.sessions import Sessions
from reranker.ui.upload_quota import UploadQuota
from tests.support.numbered_pictures import nearness, number_in, numbered_gallery, numbered_picture
from tests.support.paced_scorer import PacedScorer
from tests.support.page_session import PageSession, names_by_score
from tests.support.rankings import ranking as written_ranking
from tests.support.rankings import scored
from tests.support.scripted_scorer import ScriptedScorer

JUDGED_BY = {"model": "m", "precision": "bf16", "versions": {"torch": "2"}}

# Mistakes


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"queries": []}, 400, "The sentence is empty"),
        ({"queries": [" ", "\n\u200b"]}, 400, "The sentence is empty"),
        ({"queries": ["x" * 1001]}, 400, "The sentence has 1,001 characters; the limit is 1,000"),
        ({"queries": [str(number) for number in range(201)]}, 400, "Too many sentences: 201 given, at most 200"),
        ({"queries": ["a"], "pictures": []}, 400, "Too few pictures: 0 given, at least 2 needed"),
        ({"queries": ["a"], "pictures": ["unknown", "x"]}, 400, "Too few pictures: 0 given, at least 2 needed"),
        ({"queries": ["\ud800"]}, 400, ""),
        ({"queries": ["a"], "exclude": "\ud800"}, 400, ""),
        ({"queries": "a"}, 400, ""),
        ({"queries": [1]}, 400, ""),
        ({"queries": ["a"], "exclude": 5}, 400, ""),
        ({"queries": ["a"], "pictures": "p"}, 400, ""),
        ({}, 400, ""),
        ([], 400, ""),
        (None, 400, ""),
    ],
    ids=str,
)
def test_a_mistake_in_asking_is_one_sentence(session: PageSession, body: Any, status: int, text: str) -> None:
    session.add(1, 2)
    answer = session.post("rank", content=json.dumps(body).encode(), headers={"accept-language": "en"})
    assert (answer.status_code, answer.json()["detail"][: len(text)]) == (status, text)
    assert session.state()["rankings"] == {}


def test_one_picture_is_too_few(session: PageSession) -> None:
    (id_,) = session.add(1)
    answer = session.post("rank", {"queries": ["a"], "pictures": [id_, id_]})
    assert answer.json()["detail"].startswith("Too few pictures: 1 given")


def test_a_session_has_one_run_at_a_time(open_page) -> None:
    paced = PacedScorer()
    session = open_page(paced.scorer, max_waiting=1)
    session.add(1, 2)
    (ranking,) = session.start("a cat")
    assert paced.entered.wait(20)
    assert session.post("rank", {"queries": ["a dog"]}).status_code == 409
    assert session.post("retry", {"ranking": ranking}).status_code in (400, 409)
    assert session.delete(f"rankings/{ranking}").status_code == 204
    other = PageSession.create(session.client)
    other.add(1, 2)
    assert other.post("rank", {"queries": ["a dog"]}).status_code == 429, "so many people rank at once"
    assert list(session.state()["rankings"]) == [ranking]
    paced.allow(2)
    with session.watched() as watcher:
        watcher.wait(lambda state: state["job"] is None)
    paced.allow(2)
    assert other.start("a dog")


def test_results_for_which_there_is_no_room_are_not_computed(open_page, tmp_path: Path) -> None:
    session = open_page(max_uploads_mb=1, galleries=(numbered_gallery(tmp_path / "photos", *range(40)),))
    session.post("galleries", {"name": "photos"})
    answer = session.post("rank", {"queries": [str(number) for number in range(200)]})
    assert answer.status_code == 507
    large = saved(*(("x" * 200, 1.0) for _ in range(3000)))
    assert session.post("saved?name=a.json", large).status_code == 507
    assert session.state()["rankings"] == {}
    assert session.start("a cat")


# An example


@pytest.mark.parametrize(("queries", "shown"), [((), ""), (("a cat",), "a cat")])
def test_pictures_are_ranked_by_an_example_which_is_not_ranked(open_page, queries, shown) -> None:
    session = open_page(ScriptedScorer(judge=nearness))
    ids = session.add(5, 1, 4, 8)
    (ranking,) = session.rank(*queries, example=ids[0])
    assert names_by_score(ranking) == ["4.png", "8.png", "1.png"]
    assert (ranking["query"], ranking["example"]) == (shown, {"id": ids[0], "name": "5.png"})
    assert (ranking["total"], session.state()["model"]["takes_example"]) == (3, True)


def test_a_ranking_by_an_example_is_explained_exported_and_opened_again(open_page) -> None:
    session = open_page(ScriptedScorer(judge=nearness))
    ids = session.add(5, 1, 40)
    (ranking,) = session.rank(example=ids[0], exclude="a tree")
    parts = session.post("explain", {"ranking": ranking["id"], "picture": ids[1]}).json()["parts"]
    assert [(part["text"], part["log_odds"], part["excluded"]) for part in parts] == [
        ("5.png", -1.0, False),
        ("a tree", 1.0, True),
    ]
    export = session.post("exports", {"format": "json", "rankings": [{"id": ranking["id"]}]}).json()
    content = session.client.get(export["url"]).content
    assert (json.loads(content)["query"], json.loads(content)["example"]) == ("", "5.png")
    (id_,) = session.post("saved?name=a.json", content=content).json()["rankings"]
    opened = session.ranking(id_)
    assert (opened["example"], names_by_score(opened)) == ({"id": None, "name": "5.png"}, names_by_score(ranking))
    answer = session.post("explain", {"ranking": id_, "picture": ids[1]})
    assert (answer.status_code, "5.png" in answer.json()["detail"]) == (400, True)


def test_an_example_that_was_removed_is_said_to_be_missing(open_page) -> None:
    session = open_page(ScriptedScorer(judge=nearness))
    ids = session.add(5, 1, 4)
    (ranking,) = session.rank(example=ids[0])
    for removed in ids[:1], ids[2:]:  # files go with the next removal
        session.post("remove", {"pictures": removed})
    answer = session.post("explain", {"ranking": ranking["id"], "picture": ids[1]})
    assert (answer.status_code, "5.png" in answer.json()["detail"]) == (400, True)
    assert session.post("rank", {"queries": [], "example": ids[0]}).status_code == 404


def test_a_model_without_examples_refuses_them(open_page) -> None:
    session = open_page(ScriptedScorer(judge=nearness).with_info(takes_example=False))
    ids = session.add(5, 1, 4)
    (ranking,) = session.rank(example=ids[0])
    assert (ranking["state"], ranking["scored"]) == ("failed", [])
    assert ranking["error"]["en"].startswith("The model “scripted” was not trained to find pictures by an example")
    assert session.state()["model"]["takes_example"] is False


# Saved rankings


def saved(*rows: tuple[str, float], query: str = "a cat") -> dict[str, Any]:
    """A ranking as the program saves it."""
    results = [scored(name, log_odds, position=position) for position, (name, log_odds) in enumerate(rows)]
    return json.loads(as_json(written_ranking(*results, query=query, temperature=2.0), judged_by=JUDGED_BY))


def test_a_saved_ranking_is_opened_with_its_sentence_its_model_and_its_scores(session: PageSession) -> None:
    ids = session.add(1, 2)
    answer = session.post("saved?name=old.json", saved(("photos/2.png", 3.0), ("gone.png", -1.0)))
    assert answer.status_code == 200
    (id_,) = answer.json()["rankings"]
    opened = session.ranking(id_)
    assert [(row[0], row[1], row[3]) for row in opened["scored"]] == [(ids[1], 3.0, "2.png"), (None, -1.0, "gone.png")]
    summary = session.state()["rankings"][id_]
    assert (summary["query"], summary["saved_from"], summary["state"]) == ("a cat", "old.json", "done")
    assert (summary["model"], summary["precision"]) == ("m", "bf16")
    assert summary["temperature"] == pytest.approx(2.0, rel=1e-3)
    assert summary["best"] == [ids[1]]


def test_pictures_are_found_by_their_bytes_before_their_names(session: PageSession) -> None:
    ids = session.add(1, 2)
    content = saved(("1.png", 3.0), ("x.png", 2.0), ("1.png", 1.0))
    content["results"][1]["sha256"] = hashlib.sha256(numbered_picture(2)).hexdigest()
    (id_,) = session.post("saved?name=a.json", content).json()["rankings"]
    assert [row[0] for row in session.ranking(id_)["scored"]] == [ids[0], ids[1], None]


def test_several_rankings_are_opened_together(session: PageSession) -> None:
    rankings = [written_ranking(scored("caf.png", 1.0), query=query) for query in ("a", "海边")]
    text = rankings_as_json(rankings, judged_by=JUDGED_BY).replace("caf", r"caf\udce9")
    answer = session.post("saved?name=a.json", content=text.encode())
    opened = [session.ranking(id_) for id_ in answer.json()["rankings"]]
    assert [(each["query"], each["scored"][0][3]) for each in opened] == [
        ("a", "caf\ufffd.png"),
        ("海边", "caf\ufffd.png"),
    ]
    assert len({each["run"] for each in opened}) == 1


def test_what_was_exported_is_opened_as_it_was(session: PageSession) -> None:
    session.add(1, -3.5, 2)
    (before,) = session.rank("a cat")
    export = session.post("exports", {"format": "json", "rankings": [{"id": before["id"]}]}).json()
    content = session.client.get(export["url"]).content
    (id_,) = session.post("saved?name=a.json", content=content).json()["rankings"]
    after = session.ranking(id_)
    assert {row[0]: row[1] for row in after["scored"]} == {row[0]: row[1] for row in before["scored"]}
    assert names_by_score(after) == names_by_score(before)


GOOD = json.dumps(saved(("a.png", 1.0)))


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", "5", '{"queries": []}', '{"queries": 5}', '{"queries": [5]}', '{"results": [{}]}'),
        *("[" * 100_000, '{"results": 5, "query": "a"}', "\ufeff", '{"queries": {"a": 1}}', "NaN", '"x"'),
        *(
            GOOD.replace('"log_odds": 1.0', f'"log_odds": {wrong}')
            for wrong in ("NaN", "Infinity", "1e300", "null", "{}")
        ),
        *(GOOD.replace('"log_odds": 1.0', f'"log_odds": {"1" + "0" * zeros}') for zeros in (400, 5000)),
        *(GOOD.replace('"query": "a cat"', f'"query": "{"x" * 5000}"') for _ in range(1)),
        GOOD.replace('"judged_by": {', f'"judged_by": {{"x": {"[" * 500 + "]" * 500}, "y": "{"x" * 20_000}", '),
        GOOD.replace('"results": [', '"results": ["a", '),
        GOOD.replace('"results": [', '"results": [["status"], '),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_saved_ranking_is_one_sentence(session: PageSession, text: str) -> None:
    assert text != GOOD
    answer = session.post("saved?name=../a%0A.json", content=text.encode())
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"].startswith("“a\ufffd.json” is not a ranking saved by this program")
    assert session.state()["rankings"] == {}


@pytest.mark.parametrize("score", ["NaN", "Infinity", "-1", "10.5", "1" + "0" * 400, "null", '"x"'])
def test_a_score_that_is_none_is_refused(session: PageSession, score: str) -> None:
    content = saved(("a.png", 1.0))
    text = json.dumps(content).replace(f'"score": {content["results"][0]["score"]}', f'"score": {score}')
    assert text != json.dumps(content)
    assert session.post("saved?name=a.json", content=text.encode()).status_code == 400


def test_a_file_with_too_many_rankings_or_values_is_refused(session: PageSession) -> None:
    many = json.dumps({"queries": [saved(("a.png", 1.0))] * 201})
    assert session.post("saved?name=a.json", content=many.encode()).status_code == 400
    flood = b'{"queries": [' + b"{}," * 2_000_000 + b"{}]}"
    assert session.post("saved?name=a.json", content=flood).status_code == 413
    assert session.state()["rankings"] == {}


def test_texts_that_are_not_unicode_do_no_harm(session: PageSession) -> None:
    content = json.dumps(saved(("a.png", 1.0)))
    for name in ('"bf16"', '"m"', '"a cat"', '"f1"', '"2"', '"torch"', '"a.png"'):
        assert name in content, name
        text = content.replace(name, '"\\ud800<b>"')
        answer = session.post("saved?name=a.json", content=text.encode())
        assert answer.status_code == 200, answer.text
        (id_,) = answer.json()["rankings"]
        assert session.ranking(id_)["scored"]
        export = session.post("exports", {"format": "json", "rankings": [{"id": id_}]})
        assert export.status_code == 200
    assert len(session.state()["rankings"]) == 7


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("scored"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(json.loads(GOOD))), inner),
    max_leaves=8,
)
ROW = st.fixed_dictionaries(
    {
        "status": st.just("scored"),
        "path": st.text(max_size=9) | st.integers(),
        "score": st.floats(0, 10) | st.integers(0, 10),
        "log_odds": st.floats(allow_nan=False) | st.integers(),
    },
    optional={"sha256": JSON, "words": JSON},
)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["queries", *json.loads(GOOD)]), JSON)
    | st.fixed_dictionaries({"results": st.lists(ROW, max_size=4)}).map(lambda fields: json.loads(GOOD) | fields)
)
def test_any_json_is_opened_or_refused(content: Any) -> None:
    """What is opened can be shown and exported: all its numbers are finite."""
    session, actions = QUIET
    text = bytearray(json.dumps(content).encode())
    try:
        ids = actions.open_saved(session, text, "a.json")
    except RerankerError:
        return
    for id_ in ids:
        header, results = session.ranking(id_)
        json.dumps(session.summary(id_), allow_nan=False)
        as_json(results.ranking(header), judged_by=header.judged_by)
        session.delete_ranking(id_)


def quiet(folder: Path) -> tuple[Any, RankingActions]:
    reranker = Reranker(scorer=ScriptedScorer(), settings=Settings.of(model="toybox"))
    sessions = Sessions(reranker, folder)
    session = sessions.create("")
    session.add([Picture(id="p", name="a.png", path=Path("/a.png"), sha256="0")])
    return session, RankingActions(reranker, sessions, UploadQuota(folder, 10**9))


@pytest.fixture(scope="module", autouse=True)
def _quiet(tmp_path_factory: pytest.TempPathFactory) -> None:
    global QUIET  # noqa: PLW0603 - one session for all examples
    QUIET = quiet(tmp_path_factory.mktemp("quiet"))


# Why


def test_one_picture_is_explained_and_rated(open_page, toybox, drawings: list[Path]) -> None:
    session = open_page(reranker=toybox)
    ids = [session.upload(path.read_bytes(), path.name).json()["picture"]["id"] for path in drawings]
    (ranking,) = session.rank("a blue car and a tree")
    asked = {"ranking": ranking["id"], "picture": ids[1]}
    why = session.post("explain", asked).json()
    assert [part["text"] for part in why["parts"]] == ["a blue car", "a tree"]
    assert why["parts"][0]["score"] > why["parts"][1]["score"]
    assert {len(row) for row in why["drops"]} == {4} == {len(why["drops"])}
    rating = session.post("rating", asked).json()
    assert rating["text"].startswith("Score: ")
    assert 0 <= rating["score"] <= 10


def test_parts_are_scored_for_several_pictures(open_page) -> None:
    session = open_page(ScriptedScorer(judge=number_in, temperature=2.0))
    ids = session.add(2, -4, "no number")
    (ranking,) = session.rank("a cat, a dog", exclude="a tree")
    texts = [(part["text"], part["excluded"]) for part in ranking["parts"]]
    assert texts == [("a cat", False), ("a dog", False), ("a tree", True)]
    asked = {"ranking": ranking["id"], "pictures": [*ids, ids[0], "unknown"]}
    scores = session.post("parts", asked).json()["scores"]
    assert scores == {
        ids[0]: [pytest.approx(7.3106, abs=1e-3)] * 3,
        ids[1]: [pytest.approx(1.192, abs=1e-3)] * 3,
        ids[2]: [None] * 3,
    }
    (plain,) = session.rank("a cat")
    assert plain["parts"] == []
    assert session.post("parts", {"ranking": plain["id"], "pictures": ids[:1]}).json() == {"scores": {ids[0]: []}}


@pytest.mark.parametrize("question", ["explain", "rating"])
def test_asking_about_what_is_not_there_is_not_found(session: PageSession, question: str) -> None:
    ids = session.add(1, 2)
    (ranking,) = session.rank("a cat")
    for asked in ({"ranking": "x", "picture": ids[0]}, {"ranking": ranking["id"], "picture": "/etc/passwd"}):
        assert session.post(question, asked).status_code == 404
    assert session.post(question, {"ranking": 5, "picture": ids[0]}).status_code == 400


@pytest.mark.parametrize("question", ["explain", "rating"])
def test_a_picture_whose_file_is_gone_cannot_be_asked_about(open_page, tmp_path: Path, question: str) -> None:
    folder = numbered_gallery(tmp_path / "photos", 1, 2)
    session = open_page(galleries=(folder,))
    session.post("galleries", {"name": "photos"})
    (ranking,) = session.rank("a cat")
    (folder / "1.png").unlink()
    gone = next(row[0] for row in ranking["scored"] if row[3] == "1.png")
    answer = session.post(question, {"ranking": ranking["id"], "picture": gone})
    assert (answer.status_code, answer.json()["detail"].startswith("“1.png” was not found")) == (422, True)
    assert str(tmp_path) not in answer.text

"""The page's endpoints for programs: a stream, texts beside pictures, and tools over MCP by its own client library."""

import base64
import json
import re
from ast import literal_eval
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from reranker import Query, Reranker, Settings
from reranker.core.errors import DeviceFailed
from reranker.i18n.error_messages import sentence
from reranker.library import Library, named_libraries
from reranker.pipelines.exclusion import combined_log_odds
from reranker.tagger import Taggers
from reranker.ui.api_endpoints import ApiEndpoints
from reranker.ui.uploads import Uploads
from tests.support.dual_encoders import siglip_folder
from tests.support.event_loop import run_async
from tests.support.numbered_pictures import number_in, numbered_gallery, numbered_picture
from tests.support.scripted_scorer import ScriptedScorer, likeness, number, until
from tests.support.visitor import ELSEWHERE, visitor


def programs(folder: Path, scorer: ScriptedScorer | None = None, **settings) -> ApiEndpoints:
    reranker = Reranker(scorer=scorer or ScriptedScorer(judge=number), settings=Settings.of(model="toybox", **settings))
    return ApiEndpoints(Uploads(folder), {}, Taggers(reranker))


def test_the_stream_tells_of_every_picture_and_ends_with_the_ranking(upload_folder: Path, numbers: list[str]) -> None:
    items = [*numbers[:2], "/etc/passwd", *numbers[2:]]
    *judged, ranked = programs(upload_folder).rank_stream("cat", items, visitor())
    assert [one["done"] for one in judged] == [2, 3, 4, 5]
    assert {one["total"] for one in judged} == {5}
    assert {one["name"]: one["log_odds"] for one in judged} == {
        Path(path).name: float(Path(path).stem) for path in numbers
    }
    assert ranked["event"] == "ranked"
    assert [row["name"] for row in ranked["results"]] == ["2.5.png", "1.5.png", "0.5.png", "-1.5.png", "passwd"]
    assert programs(upload_folder).rank("cat", items, visitor())["results"] == ranked["results"]


def test_pictures_may_come_inline_and_what_is_no_base64_costs_itself(upload_folder: Path, numbers: list[str]) -> None:
    inline = [f"data:image/png;base64,{base64.b64encode(data).decode()}" for data in (b"9.5", b"-3")]
    answer = programs(upload_folder).rank(
        "cat", [inline[0], numbers[0], "data:image/png;base64,*", inline[1]], visitor()
    )
    rows = [(row["name"], row["log_odds"]) for row in answer["results"]]
    assert rows == [("picture-1", 9.5), ("-1.5.png", -1.5), ("picture-4", -3.0), ("picture-3", None)]


def test_pictures_are_ranked_by_an_example_that_was_uploaded_or_comes_inline(
    upload_folder: Path, numbers: list[str]
) -> None:
    page = programs(upload_folder, ScriptedScorer(judge=likeness))
    nearest = next(path for path in numbers if Path(path).stem == "1.5")
    inline = f"data:image/png;base64,{base64.b64encode(b'1.5').decode()}"
    for example, name in ((nearest, "1.5.png"), (inline, "picture-1")):
        answer = page.rank("", numbers, visitor(), example=example)
        assert answer["results"][0]["name"] == "1.5.png"
        assert (answer["query"], answer["example"]) == ("", name)
    with pytest.raises(gr.Error, match="The example picture cannot be used: “passwd” is outside the folders"):
        page.rank("", numbers, visitor(), example="/etc/passwd")
    with pytest.raises(gr.Error, match="The sentence is empty"):
        page.rank("", numbers, visitor())


def test_who_stops_listening_stops_the_run(upload_folder: Path, numbers: list[str]) -> None:
    scorer = ScriptedScorer(judge=number, batch_tokens=1)
    stream = programs(upload_folder, scorer).rank_stream("cat", numbers * 20, visitor())
    next(stream)
    stream.close()
    assert len(scorer.batches) < 80


def test_a_gpu_that_failed_is_one_error_for_programs(upload_folder: Path, numbers: list[str]) -> None:
    def judge(_query: Query, _content: bytes) -> float:
        raise DeviceFailed

    with pytest.raises(gr.Error) as caught:
        programs(upload_folder, ScriptedScorer(judge=judge)).rank("cat", numbers, visitor())
    assert caught.value.message == sentence(DeviceFailed(), "en")


def test_a_program_may_say_what_must_not_be_there(upload_folder: Path, numbers: list[str]) -> None:
    endpoints = programs(upload_folder, ScriptedScorer(judge=lambda query, content: float(content) * len(query.text)))
    answer = endpoints.rank("cat", numbers, visitor(), None, None, "a")
    assert (answer["query"], answer["exclude"]) == ("cat", "a")
    assert {row["name"]: row["log_odds"] for row in answer["results"]} == {
        Path(path).name: combined_log_odds(3 * float(Path(path).stem), float(Path(path).stem)) for path in numbers
    }
    with pytest.raises(gr.Error):
        endpoints.rank("cat", numbers, visitor(), None, None, 5)


def test_a_program_may_give_a_text_with_each_picture(upload_folder: Path, numbers: list[str]) -> None:
    class Reading(ScriptedScorer):
        def prepare(self, picture):
            texts.append((picture.candidate.name, picture.candidate.text))
            return super().prepare(picture)

    texts = []
    programs(upload_folder, Reading(judge=number)).rank("cat", numbers, visitor(), None, ["a", "", "c", "d"])
    assert dict(texts) == {"-1.5.png": "a", "2.5.png": "", "0.5.png": "c", "1.5.png": "d"}


@pytest.mark.parametrize("texts", [["a"], "abcd", [1, 2, 3, 4]])
def test_texts_that_are_not_one_for_each_picture_are_refused(upload_folder: Path, numbers: list[str], texts) -> None:
    with pytest.raises(gr.Error, match="texts"):
        programs(upload_folder).rank("cat", numbers, visitor(), None, texts)


def test_the_stream_over_the_network(toybox_url: str, drawings: list[Path]) -> None:
    job = Client(toybox_url, verbose=False).submit(
        "a blue car", list(map(handle_file, drawings)), api_name="/rank_stream"
    )
    *judged, ranked = list(job)
    assert ranked["results"][0]["name"] == "blue_car.png"
    assert 1 <= len(judged) <= 4  # a client that listens late hears the last of what was said at once


# Over the network


@pytest.fixture(scope="module")
def client(toybox_url) -> Iterator[Client]:
    with closing(Client(toybox_url, verbose=False)) as client:
        yield client


def test_a_program_may_upload_an_example_which_the_toybox_refuses(client, drawings):
    files = [handle_file(path) for path in drawings]
    with pytest.raises(AppError, match="was not trained to find pictures by an example"):
        client.predict("", files, example=handle_file(drawings[0]), api_name="/rank")


def test_a_program_is_answered_as_the_command_line_answers(client, toybox, drawings):
    asked = client.predict("a red house", [handle_file(path) for path in drawings], 3, api_name="/rank")
    ranking = toybox.rank("a red house", drawings)
    assert asked["query"] == "a red house"
    assert asked["model"] == "toybox"
    assert asked["results"][0]["name"] == "red_house.png"
    assert asked["fingerprint"] == ranking.fingerprint
    assert [row["name"] for row in asked["results"]] == [one.candidate.name for one in ranking.scored[:3]]
    for rank, (row, one) in enumerate(zip(asked["results"], ranking.scored, strict=False), 1):
        assert (row["rank"], row["status"], row["error"]) == (rank, "scored", None)
        assert row["log_odds"] == pytest.approx(one.score.log_odds, abs=1e-4)
        assert 0 <= row["score"] <= 10


def test_broken_and_forbidden_files_cost_only_themselves(client, drawings, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(drawings[0].read_bytes()[:200])
    given = [handle_file(drawings[0]), handle_file(broken), *ELSEWHERE, {"path": 5}, 7]
    results = client.predict("红色的房子", given, api_name="/rank")["results"]
    assert [row["status"] for row in results] == ["scored"] + ["failed"] * (len(given) - 1)
    assert results[1]["error"].startswith("“broken.png” is incomplete")
    for elsewhere, row in zip([*ELSEWHERE, "", ""], results[2:], strict=True):
        assert ("is damaged" if elsewhere.startswith("data:") else "is outside the folders") in row["error"]
    assert "/etc" not in json.dumps(results)


def answered(url: str, query: str, paths: list[Path]) -> list[dict]:
    """By a client of its own."""
    with closing(Client(url, verbose=False)) as client:
        return client.predict(query, [handle_file(path) for path in paths], api_name="/rank")["results"]


def test_two_at_once_both_get_all_of_their_pictures(toybox_url, drawings):
    with ThreadPoolExecutor(2) as pool:
        for results in pool.map(partial(answered, toybox_url, paths=drawings), ["a red house", "一只黑猫"]):
            assert sorted(row["name"] for row in results) == sorted(path.name for path in drawings)
            assert [row["rank"] for row in results] == [1, 2, 3, 4]


def test_two_at_once_advance_batch_by_batch(serve, tmp_path):
    order: list[str] = []

    def judge(query: Query, _content: bytes) -> float:
        order.append(query.text)
        if order.count({"a": "b", "b": "a"}[query.text]) < 5:
            until(lambda: reranker.device_queue.waiting > 0)
        return 0.0

    reranker = Reranker(scorer=ScriptedScorer(judge=judge, batch_tokens=1))
    url = serve(reranker)

    def rank(query: str) -> int:
        paths = [tmp_path / f"{query}{index}.png" for index in range(5)]
        for path in paths:
            path.write_text(path.name)
        return len(answered(url, query, paths))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(rank, "ab")) == [5, 5]
    assert order in (["a", "b"] * 5, ["b", "a"] * 5)


@pytest.mark.parametrize(
    ("query", "pictures", "top_k", "text"),
    [
        ("", ["x"], None, "The sentence is empty; write what the pictures should show."),
        ("cat", [], None, "Too few pictures: 0 given, at least 1 needed; add more."),
        ("cat", ["x"] * 1001, None, "Too many pictures: 1,001 given, at most 1,000 allowed"),
        ("cat", ["x"], 0, "“query” must be text"),
        ("cat", ["x"], "3", "“query” must be text"),
        ("cat", ["x"], True, "“query” must be text"),
        ("cat", {"path": "x"}, None, "“query” must be text"),
        (None, ["x"], None, "“query” must be text"),
    ],
    ids=count(),
)
def test_a_mistake_of_a_program_is_one_sentence(client, query, pictures, top_k, text):
    with pytest.raises(AppError) as refused:
        client.predict(query, pictures, top_k, api_name="/rank")
    assert str(refused.value).startswith(text)


def test_only_these_endpoints_are_open_to_programs(client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/rank", "/rank_stream", "/tag"]


# Libraries


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of pictures with numbers, by a tiny encoder."""
    pictures = numbered_gallery(tmp_path / "pictures", *range(5))
    with closing(Library(tmp_path / "holidays", encoder=str(siglip_folder(tmp_path / "siglip", 1)))) as made:
        list(made.index([pictures]))
    return made.folder


def searching(folder: Path, *libraries: Path) -> ApiEndpoints:
    reranker = Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(model="toybox", score_store_mb=0))
    return ApiEndpoints(Uploads(folder), named_libraries(map(str, libraries), reranker), Taggers(reranker))


def test_a_library_is_searched_by_a_sentence_and_by_a_picture(upload_folder: Path, library: Path) -> None:
    page = searching(upload_folder, library)
    found = page.search_library("a cat", visitor(), top_k=2)
    assert [row["name"] for row in found["results"]] == ["4.png", "3.png"]
    assert (found["library"], found["recalled"], found["none_relevant"]) == ("holidays", 5, False)
    assert page.search_library("a cat", visitor(), since="2999")["results"] == []
    (upload_folder / "example.png").write_bytes(numbered_picture(2))
    alike = page.search_library("", visitor(), example=str(upload_folder / "example.png"), recall=1)
    assert [row["name"] for row in alike["results"]] == ["2.png"]


def test_a_wrong_search_is_a_sentence(upload_folder: Path, library: Path) -> None:
    page = searching(upload_folder, library, library.parent / "none")
    for wrong, words in (
        ({"library": "other"}, "There is no library “other”"),
        ({}, "There is no library “”"),
        ({"library": "none"}, "There is no library “none”"),
        ({"library": "holidays", "until": "soon"}, "The filter “until”"),
        ({"library": "holidays", "recall": 0}, "“recall” a whole number from 1 to 5,000"),
        ({"library": "holidays", "example": "/etc/passwd"}, "is outside the folders"),
    ):
        with pytest.raises(gr.Error, match=words):
            page.search_library("a cat", visitor(), **wrong)


def test_clients_of_gradio_and_of_mcp_search_libraries(serve, library: Path) -> None:
    settings = Settings.of(model="toybox", score_store_mb=0, mcp=True, libraries=(str(library),))
    url = serve(Reranker(scorer=ScriptedScorer(judge=number_in), settings=settings))
    with closing(Client(url, verbose=False)) as client:
        found = client.predict("a cat", top_k=1, api_name="/search_library")
    assert [row["name"] for row in found["results"]] == ["4.png"]
    tools, texts, failed = run_async(partial(_called, url, "search_library", query="a cat", top_k=2))
    assert (tools, failed) == (["rank", "rank_stream", "tag", "search_library"], False)
    assert [row["name"] for row in literal_eval(texts[0])["results"]] == ["4.png", "3.png"]


def test_pictures_are_labelled_and_each_one_that_cannot_be_opened_has_its_reason(
    upload_folder: Path, toybox: Reranker, drawings: list[Path]
) -> None:
    uploaded = [upload_folder / path.name for path in drawings]
    for file, path in zip(uploaded, drawings, strict=True):
        file.write_bytes(path.read_bytes())
    page = ApiEndpoints(Uploads(upload_folder), {}, Taggers(toybox))
    items = [str(uploaded[2]), "/etc/passwd", str(uploaded[1])]
    answer = page.tag(items, visitor(), own_labels=["cat", "汽车"], language="both")
    assert [row["index"] for row in answer["results"]] == [0, 1, 2]
    assert [[each["label"] for each in row["labels"]] for row in answer["results"]] == [["cat"], [], ["汽车"]]
    assert "passwd" in answer["results"][1]["error"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"labels": "/etc/passwd"}, "must be auto | general | aerial | toybox"),
        ({"language": "fr"}, "“lang”"),
        ({"threshold": 3.0}, "“threshold”"),
        ({"top_k": 0}, "“top_k”"),
        ({"own_labels": ["a", "A"]}, "is used twice"),
        ({"own_labels": [3]}, "“labels”"),
    ],
)
def test_a_wrong_request_for_labels_is_a_sentence(
    upload_folder: Path, numbers: list[str], wrong: dict[str, object], words: str
) -> None:
    with pytest.raises(gr.Error, match=re.escape(words)):
        programs(upload_folder).tag(numbers, visitor(), **wrong)


def test_clients_of_gradio_and_of_mcp_label_pictures(mcp_url: str, drawings: list[Path]) -> None:
    with closing(Client(mcp_url, verbose=False)) as client:
        found = client.predict([handle_file(path) for path in drawings], language="zh", api_name="/tag")
    assert "猫" in {each["label"] for each in found["results"][2]["labels"]}
    uri = f"data:image/png;base64,{base64.b64encode(drawings[2].read_bytes()).decode()}"
    _, texts, failed = run_async(partial(_called, mcp_url, "tag", pictures=[uri], own_labels=["cat", "a boat"]))
    assert not failed
    assert [each["label"] for each in literal_eval(texts[0])["results"][0]["labels"]] == ["cat"]


# MCP


@pytest.fixture
def mcp_url(serve) -> str:
    return serve(Reranker("toybox", settings=Settings.of(mcp=True)))


async def _called(url: str, tool: str, **arguments) -> tuple[list[str], list[str], bool]:
    """Names of the tools, the texts of an answer, and whether it is an error."""
    async with (
        streamable_http_client(f"{url}gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = [each.name for each in (await session.list_tools()).tools]
        answer = await session.call_tool(tool, arguments)
        return tools, [part.text for part in answer.content], bool(answer.isError)


def test_a_client_of_mcp_finds_the_ranking_and_gets_one(mcp_url: str, drawings: list[Path]) -> None:
    pictures = [f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in drawings]
    tools, texts, failed = run_async(partial(_called, mcp_url, "rank", query="a black cat", pictures=pictures, top_k=1))
    assert tools == ["rank", "rank_stream", "tag"]
    assert not failed
    (row,) = literal_eval(texts[0])["results"]
    assert (row["rank"], row["status"], row["score"] > 5) == (1, "scored", True)


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:1/a.png", "/etc/passwd", "file:///etc/passwd"])
def test_a_client_of_mcp_opens_nothing_else(mcp_url: str, elsewhere: str) -> None:
    _, texts, failed = run_async(partial(_called, mcp_url, "rank", query="a", pictures=[elsewhere]))
    assert failed or "is outside" in texts[0]
    assert "root:" not in texts[0]


def test_the_errors_of_mcp_stay_what_its_clients_read(mcp_url: str) -> None:
    answer = httpx.post(f"{mcp_url}gradio_api/mcp/", json={}, headers={"accept": "text/plain", "accept-language": "zh"})
    assert answer.status_code == 406
    assert answer.json()["jsonrpc"] == "2.0"


def test_without_the_setting_there_is_no_mcp(toybox_url: str) -> None:
    assert httpx.get(f"{toybox_url}gradio_api/mcp/").status_code == 404

"""The page's endpoints for programs: a stream, texts beside pictures, and tools over MCP by its own client library."""

import base64
from ast import literal_eval
from functools import partial
from pathlib import Path

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from reranker import Reranker, Settings
from reranker.ui.api_endpoints import ApiEndpoints
from reranker.ui.uploads import Uploads
from tests.support.event_loop import run_async
from tests.support.scripted_scorer import ScriptedScorer, number
from tests.support.visitor import visitor


@pytest.fixture
def numbers(upload_folder: Path) -> list[str]:
    """Uploaded files whose contents are their log-odds."""
    paths = [upload_folder / f"{name}.png" for name in ("-1.5", "2.5", "0.5", "1.5")]
    for path in paths:
        path.write_text(path.stem, encoding="utf-8")
    return [str(path) for path in paths]


def programs(folder: Path, scorer: ScriptedScorer | None = None, **settings) -> ApiEndpoints:
    reranker = Reranker(scorer=scorer or ScriptedScorer(judge=number), settings=Settings.of(model="toybox", **settings))
    return ApiEndpoints(reranker, Uploads(folder))


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


def test_who_stops_listening_stops_the_run(upload_folder: Path, numbers: list[str]) -> None:
    scorer = ScriptedScorer(judge=number, batch_tokens=1)
    stream = programs(upload_folder, scorer).rank_stream("cat", numbers * 20, visitor())
    next(stream)
    stream.close()
    assert len(scorer.batches) < 80


def test_a_program_may_give_a_text_with_each_picture(upload_folder: Path, numbers: list[str]) -> None:
    class Reading(ScriptedScorer):
        def prepare(self, candidate):
            texts.append((candidate.name, candidate.text))
            return super().prepare(candidate)

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
    assert tools == ["rank", "rank_stream"]
    assert not failed
    (row,) = literal_eval(texts[0])["results"]
    assert (row["rank"], row["status"], row["score"] > 5) == (1, "scored", True)


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:1/a.png", "/etc/passwd", "file:///etc/passwd"])
def test_a_client_of_mcp_opens_nothing_else(mcp_url: str, elsewhere: str) -> None:
    _, texts, failed = run_async(partial(_called, mcp_url, "rank", query="a", pictures=[elsewhere]))
    assert failed or "is outside" in texts[0]
    assert "root:" not in texts[0]


def test_without_the_setting_there_is_no_mcp(toybox_url: str) -> None:
    assert httpx.get(f"{toybox_url}gradio_api/mcp/").status_code == 404

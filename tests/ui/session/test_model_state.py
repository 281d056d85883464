"""What the page says of its model, and who may download one."""

import threading
from typing import Any

import pytest
from starlette.requests import Request

from reranker import Reranker, Settings
from reranker.config.settings import ServerSettings
from reranker.core.errors import CheckpointMissing
from reranker.i18n.error_messages import sentence
from reranker.ui.session.model_state import ModelState, may_download
from tests.support.numbered_pictures import number_in
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, until


class Loading(Reranker):
    """One that is half loaded until it may go on, or fails then."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("toybox", scorer=ScriptedScorer(judge=number_in))
        self.go_on, self.error, self.has_loaded = threading.Event(), error, False

    @property
    def is_loaded(self) -> bool:
        return self.has_loaded

    @property
    def loaded_share(self) -> float:
        return 0.5

    def load(self) -> Any:
        assert self.go_on.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        self.has_loaded = True
        return super().load()


def test_all_watchers_are_told_how_far_the_model_is_loaded(open_page) -> None:
    reranker = Loading()
    session = open_page(reranker=reranker)
    session.add(1, 2)
    with session.watched() as watcher:
        assert (watcher.state["model"]["state"], watcher.state["model"]["share"]) == ("loading", 0.5)
        (ranking,) = session.start("a cat")
        watcher.wait(lambda state: state["job"] and state["job"]["loading"] == 0.5)
        reranker.go_on.set()
        model = watcher.wait(lambda state: state["model"]["state"] == "ready")["model"]
        watcher.wait(lambda state: state["rankings"][ranking]["state"] == "done")
    assert (model["name"], model["demo"], model["share"]) == ("toybox", True, 1)
    assert model["text"]["en"] != model["text"]["zh"]


@pytest.mark.parametrize("error", [TimeoutError(), CheckpointMissing(name="x", missing="config.json")])
def test_a_model_that_fails_to_load_is_told_and_tried_again(error: Exception, caplog) -> None:
    reranker = Loading(error)
    reranker.go_on.set()
    state = ModelState(reranker)
    state.load()
    view = state.view(may_download=False)
    assert (view["state"], state.is_settled, view["name"]) == ("failed", True, "")
    if isinstance(error, CheckpointMissing):
        assert view["text"] == {language: sentence(error, language) for language in ("en", "zh")}
    reranker.error = None
    reranker.load()  # by a ranking
    assert state.view(may_download=False)["state"] == "ready"
    assert state.is_settled


def test_how_the_model_was_loaded_is_told() -> None:
    reranker = Reranker(
        scorer=ScriptedScorer().with_info(load_warnings=("fp16",)), settings=Settings.of(model="toybox")
    )
    text = ModelState(reranker).view(may_download=False)["text"]
    assert "FP16" in text["zh"]
    assert "FP16" in text["en"]


def request(host: str, client: str, headers: dict[str, str]) -> Request:
    sent = [(name.encode(), value.encode()) for name, value in {"host": host, **headers}.items()]
    return Request({"type": "http", "headers": sent, "client": (client, 1)})


@pytest.mark.parametrize(
    ("host", "client", "headers", "is_here"),
    [
        ("127.0.0.1:7860", "127.0.0.1", {}, True),
        ("localhost:7860", "::1", {}, True),
        ("[::1]:7860", "::1", {}, True),
        ("abc.gradio.live", "127.0.0.1", {}, False),
        ("127.0.0.1:7860", "192.168.1.7", {}, False),
        ("localhost", "127.0.0.1", {"x-forwarded-for": "192.168.1.7"}, False),
        ("localhost", "127.0.0.1", {"forwarded": "for=192.168.1.7"}, False),
        ("", "127.0.0.1", {}, False),
    ],
)
def test_guests_are_told_from_who_sits_at_the_machine(
    host: str, client: str, headers: dict[str, str], is_here: bool
) -> None:
    assert may_download(request(host, client, headers), ServerSettings()) is is_here


@pytest.mark.parametrize(
    ("settings", "is_offered"),
    [
        ({}, True),
        ({"share": True, "share_openly": True}, False),
        ({"host": "0.0.0.0"}, False),
        ({"root_path": "/rank"}, False),
    ],
)
def test_a_download_is_only_offered_where_all_visitors_sit_at_the_machine(
    settings: dict[str, Any], is_offered: bool
) -> None:
    """A tunnel or a proxy can pass on a Host header that says so."""
    reranker = Reranker(settings=Settings.of(model="lychee", **settings))
    allowed = may_download(request("127.0.0.1", "127.0.0.1", {}), reranker.settings.server)
    assert (ModelState(reranker).view(may_download=allowed)["download"] is not None) is is_offered


class Downloading(Reranker):
    """One whose model can be downloaded, as far as the test allows."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("toybox", scorer=ScriptedScorer())
        self.go_on, self.error, self.count = threading.Event(), error, 0

    @property
    def downloadable(self) -> str | None:
        return "lychee"

    def download(self, report: Any = None) -> None:
        self.count += 1
        report(1, 4)
        assert self.go_on.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error


def test_a_download_is_told_step_by_step_and_happens_once(open_page) -> None:
    reranker = Downloading()
    session = open_page(reranker=reranker)
    with session.watched() as watcher:
        assert watcher.state["model"]["download"]["name"] == "lychee"
        for _ in range(3):
            assert session.post("download").status_code == 204
        model = watcher.wait(lambda state: state["model"]["share"] == 0.25)["model"]
        assert (model["state"], model["download"]) == ("downloading", None)
        reranker.go_on.set()
        watcher.wait(lambda state: state["model"]["state"] == "ready")
    assert reranker.count == 1


def test_a_download_that_fails_is_told(open_page, caplog) -> None:
    reranker = Downloading(CheckpointMissing(name="x", missing="config.json"))
    reranker.go_on.set()
    state = ModelState(reranker)
    state.start_download()
    until(lambda: state.is_settled)
    assert reranker.count == 1


def test_nobody_else_can_start_a_download(open_page) -> None:
    reranker = Downloading()
    session = open_page(reranker=reranker)
    headers = {"x-forwarded-for": "192.168.1.7"}
    assert session.post("download", headers=headers).status_code == 404
    assert reranker.count == 0

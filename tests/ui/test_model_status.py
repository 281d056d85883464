"""What the page says of its model, and who may download one."""

import threading
from types import SimpleNamespace

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import (
    CheckpointMissing,
)
from reranker.ui.history import History
from reranker.ui.model_status import ModelStatus, is_local_request
from reranker.ui.sessions import BrowserSessions
from tests.support.page_handlers import page_handlers
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number
from tests.support.visitor import visitor


class Loading(Reranker):
    """One that is half loaded until it may go on, or fails then."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("toybox", scorer=ScriptedScorer(judge=number))
        self.go_on, self.error, self.loaded = threading.Event(), error, []

    @property
    def is_loaded(self) -> bool:
        return bool(self.loaded) and self.error is None

    @property
    def loaded_share(self) -> float:
        return 0.5

    def load(self):
        self.go_on.wait(PATIENCE_S)
        self.loaded.append(threading.get_ident())
        if self.error is not None:
            raise self.error
        return super().load()


@pytest.mark.parametrize("door", ["greet", "rank"])
def test_while_the_model_loads_everybody_is_told_how_far(upload_folder, numbers, door):
    reranker = Loading()
    page = page_handlers(reranker, upload_folder)
    told = (
        page.model_status.show(visitor())
        if door == "greet"
        else page.rank_handlers.rank("cat", numbers, History(), visitor())
    )
    first, half = next(told)[0], next(told)[0]
    assert (first["percent"], half["percent"]) == (0, 50)
    assert half["text"] == "Loading the model …"
    reranker.go_on.set()
    *_, (last, *_) = told
    assert last["text"].startswith("The model “toybox” is ready" if door == "greet" else "4 pictures ranked")


@pytest.mark.parametrize("error", [TimeoutError(), CheckpointMissing(name="x", missing="config.json")])
def test_a_model_that_fails_to_load_is_said_and_tried_again(upload_folder, error):
    reranker = Loading(error)
    reranker.go_on.set()
    page = page_handlers(reranker, upload_folder)
    for _ in range(2):
        *_, (last, *_) = page.model_status.show(visitor())
        assert last["tone"] == "trouble"
    reranker.error = None
    *_, (last, *_) = page.model_status.show(visitor())
    assert last["text"].startswith("The model “toybox” is ready")


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
def test_guests_are_told_from_who_sits_at_the_machine(host, client, headers, is_here):
    request = SimpleNamespace(headers={"host": host, **headers}, client=SimpleNamespace(host=client))
    assert is_local_request(request) is is_here


@pytest.mark.parametrize(
    ("settings", "is_offered"),
    [
        ({}, True),
        ({"share": True, "share_openly": True}, False),
        ({"host": "0.0.0.0"}, False),
        ({"root_path": "/rank"}, False),
    ],
)
def test_a_download_is_only_offered_where_all_visitors_sit_at_the_machine(settings, is_offered):
    """A tunnel or a proxy can pass on a Host header that says so."""
    reranker = Reranker(settings=Settings.of(model="lychee", **settings))
    *_, (_, _, button) = ModelStatus(reranker, BrowserSessions()).show(visitor())
    assert button["visible"] is is_offered

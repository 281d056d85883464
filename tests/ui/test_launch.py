"""How the page is launched."""

import os

import httpx
import pytest

from reranker import Reranker, Settings
from reranker.ui import gradio_environment
from reranker.ui.launch import launch_settings
from reranker.ui.services import PageServices
from tests.support.http_server import serving_page
from tests.support.scripted_scorer import ScriptedScorer


def test_launching_is_quiet_and_closed(upload_folder):
    chosen = Settings.of(host="0.0.0.0", port=8000, root_path="/rank")
    settings = launch_settings(PageServices.of(Reranker(settings=chosen)))
    assert {key: settings[key] for key in ("server_name", "server_port", "root_path", "share")} == {
        "server_name": "0.0.0.0",
        "server_port": 8000,
        "root_path": "/rank",
        "share": False,
    }
    assert not any(settings[key] for key in ("show_error", "run_history", "enable_monitoring", "mcp_server", "pwa"))
    assert launch_settings(PageServices.of(Reranker()))["server_name"] == "127.0.0.1"


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_the_page_starts_behind_a_proxy_that_does_not_answer_and_on_a_slow_machine(name, upload_folder, monkeypatch):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, "example.org")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr("gradio.networking.url_ok", lambda url: False)
    gradio_environment.prepare()
    with serving_page(Reranker(scorer=ScriptedScorer())) as url:
        assert httpx.get(f"{url}health").status_code == 200
        assert os.environ["no_proxy"] == "example.org,localhost,127.0.0.1,::1"

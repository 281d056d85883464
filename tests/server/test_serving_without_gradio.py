"""`serve` where Gradio is not installed: the HTTP API alone, over a real server on loopback."""

import base64
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support import installed
from tests.support.http_server import answers
from tests.support.paths import GALLERY
from tests.support.ports import free_port
from tests.support.scripted_scorer import until
from tests.support.shell import HUNG_AFTER_S, ended

pytestmark = pytest.mark.extended


@contextmanager
def serving() -> Iterator[tuple[str, subprocess.Popen]]:
    """Start a server with the core packages alone; yield its address and its process."""
    port = free_port()
    process = installed.start("serve", "--model", "toybox", "--port", port, "--frame-ancestors", "https://a.example")
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), HUNG_AFTER_S)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        if process.stderr and not process.stderr.closed:
            process.communicate()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with serving() as (url, _):
            yield url


def test_pictures_are_ranked(url: str) -> None:
    names = ["house_by_the_sea.png", "house_in_the_desert.png"]
    documents = [f"data:image/png;base64,{base64.b64encode((GALLERY / name).read_bytes()).decode()}" for name in names]
    body = {"query": "a house in the desert", "documents": documents}
    response = httpx.post(f"{url}/v1/rerank", json=body, timeout=HUNG_AFTER_S)
    assert response.status_code == 200
    assert [result["index"] for result in response.json()["results"]] == [1, 0]


def test_the_model_and_the_description_are_served_but_no_page(url: str) -> None:
    assert httpx.get(f"{url}/v1/models", timeout=HUNG_AFTER_S).json()["data"][0]["id"] == "toybox"
    assert {"/v1/rerank", "/score", "/v1/models"} < set(httpx.get(f"{url}/v1/openapi.json").json()["paths"])
    assert httpx.get(url).status_code == 404


def test_the_middleware_is_that_of_the_page(url: str) -> None:
    response = httpx.get(f"{url}/health", headers={"host": "localhost:7860"})
    assert response.headers["content-security-policy"] == "frame-ancestors https://a.example"
    assert httpx.get(f"{url}/health", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_how_to_install_the_page_and_ends_when_it_is_interrupted(number: signal.Signals) -> None:
    with serving() as (url, process):
        process.send_signal(number)
        result = ended(process)
    assert result.code == 0
    installing, announced = result.err.splitlines()
    assert installing.endswith("pip install 'picture-reranker[ui]'")
    assert f"{url}/v1" in announced


def test_an_address_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = ended(installed.start("serve", "--model", "toybox", "--port", taken.getsockname()[1]))
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("The HTTP API could not be opened at 127.0.0.1")

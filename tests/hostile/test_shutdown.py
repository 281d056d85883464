"""The end of a server by a signal: what the clients read, and that nothing keeps it from ending."""

import base64
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.http_server import answers
from tests.support.ports import free_port
from tests.support.scripted_scorer import PATIENCE_S, until
from tests.support.shell import HUNG_AFTER_S, started

pytestmark = pytest.mark.extended

# A server whose scorer never finishes its batch, in the page or alone.
SERVER = """
import os, signal, sys, threading
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the shell of a test run may ignore it
from reranker import Reranker, Settings
from tests.support.scripted_scorer import ScriptedScorer

def judge(*_):
    print("scoring", flush=True)
    threading.Event().wait()

reranker = Reranker(scorer=ScriptedScorer(judge=judge), settings=Settings.of(host=sys.argv[2], port=int(sys.argv[3])))
if sys.argv[1] == "page":
    os.environ.pop("GRADIO_TEMP_DIR", None)
    from reranker.ui import gradio_environment
    gradio_environment.prepare()
    from reranker.ui.launch import run
    from reranker.ui.page import build_page
    from reranker.ui.services import PageServices
    print(os.environ["GRADIO_TEMP_DIR"], flush=True)
    services = PageServices.of(reranker)
    sys.exit(run(build_page(services), services))
from reranker.server.http_api import api_application
from reranker.server.serving import serve_application
print("none", flush=True)
serve_application(api_application(reranker), sys.argv[2], int(sys.argv[3]), print)
"""


@contextmanager
def serving(kind: str, host: str = "127.0.0.1") -> Iterator[tuple[str, str, subprocess.Popen]]:
    """Start a server; yield its address, its folder of uploads, and its process."""
    port = free_port()
    process = started(["-c", SERVER], kind, host, port)
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    reached = url.replace("[::]", "[::1]")
    try:
        folder = process.stdout.readline().decode().strip()
        until(lambda: process.poll() is not None or answers(f"{reached}health"), HUNG_AFTER_S)
        assert process.poll() is None, process.stderr.read().decode()
        yield reached, folder, process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["alone", "page"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_is_cut_off_with_a_sentence_and_the_program_ends_although_its_scorer_does_not(kind, number) -> None:
    document = f"data:image/png;base64,{base64.b64encode(b'1').decode()}"
    with serving(kind) as (url, folder, process):
        replies: list[httpx.Response] = []
        body = {"query": "a", "documents": [document]}
        asking = threading.Thread(
            target=lambda: replies.append(httpx.post(f"{url}v1/rerank", json=body, timeout=PATIENCE_S))
        )
        asking.start()
        until(lambda: process.stdout.readline().strip() == b"scoring")
        process.send_signal(number)
        asking.join()
        assert replies[0].status_code == 503
        assert "shutting down" in replies[0].json()["detail"]
        assert process.wait(PATIENCE_S) == 0
        assert not Path(folder).exists()


def test_a_session_survives_the_end_of_the_program_and_its_run_ends_with_it() -> None:
    with serving("page") as (url, _, process):
        session = httpx.post(f"{url}sessions").json()["id"]
        address = f"sessions/{session}"
        count = httpx.post(f"{url}{address}/samples").json()["added"]
        (ranking,) = httpx.post(f"{url}{address}/rank", json={"queries": ["a"]}).json()["rankings"]
        until(lambda: process.stdout.readline().strip() == b"scoring")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    with serving("page") as (url, _, process):
        detail = httpx.get(f"{url}{address}/rankings/{ranking}").json()
        assert (detail["state"], detail["total"]) == ("stopped", count)
        assert httpx.delete(f"{url}{address}").status_code == 204
    with serving("page") as (url, _, process):
        assert httpx.get(f"{url}{address}").status_code == 404


@pytest.mark.parametrize("kind", ["alone", "page"])
@pytest.mark.parametrize("host", ["::1", "::"])
def test_addresses_of_the_new_protocol_are_served(kind: str, host: str) -> None:
    with serving(kind, host) as (url, _, process):
        assert httpx.get(f"{url}v1/models").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0

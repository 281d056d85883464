"""`serve`: an option for every setting, and a program that starts, responds and ends."""

import os
import signal
import subprocess
import sys
from inspect import signature
from pathlib import Path

import httpx
import pytest

from reranker.cli.console import USAGE_ERROR
from reranker.cli.serve import serve
from reranker.config.settings import all_settings
from tests.support.http_server import answers
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.scripted_scorer import PATIENCE_S, until
from tests.support.shell import HUNG_AFTER_S, Shell


def test_there_is_an_option_for_every_setting() -> None:
    options = {name: parameter for name, parameter in signature(serve).parameters.items() if name != "context"}
    assert set(options) == {setting.key for setting in all_settings()}


@pytest.mark.extended
def test_the_page_and_the_api_are_served_until_interrupted(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "reranker", "serve", "--model", "toybox", "--port", str(port), "--api-key", "k"]
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/health"), HUNG_AFTER_S)
            assert httpx.get(f"http://127.0.0.1:{port}/").is_success
            assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 401
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        (["--port", "0"], "port"),
        (["--share"], "share_openly"),
        (["--gallery", "/nowhere/at/all"], "galleries"),
        (["--auth", "me"], "name:password"),
        (["--precision", "int3"], "nf4"),
    ],
)
def test_a_wrong_setting_is_one_sentence(shell: Shell, options: list[str], detail: str) -> None:
    result = shell("serve", *options)
    assert (result.code, result.out, len(result.err.splitlines())) == (USAGE_ERROR, "", 1)
    assert detail in result.err

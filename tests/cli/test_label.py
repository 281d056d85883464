"""`label`: a page over a folder, and mistakes in the call."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from reranker.cli.console import DONE
from reranker.evaluation.datasets.loading import open_dataset
from reranker.server import serving
from tests.support.http_server import answers
from tests.support.label_page import numbered_folder
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.scripted_scorer import PATIENCE_S, until
from tests.support.shell import Shell


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return numbered_folder(tmp_path / "photos")


@pytest.mark.extended
def test_it_serves_a_folder_until_it_is_interrupted(folder):
    port = free_port()
    output = folder.parent / "out.jsonl"
    command = [sys.executable, "-m", "reranker", "label", str(folder), "--port", str(port), "--recursive"]
    command += ["--output", str(output)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/"), 3 * PATIENCE_S)
            board = httpx.get(f"http://127.0.0.1:{port}/state").json()
            assert board["pictures"] == ["a.png", "b.png", "d.png", "sub/c.png"]
            httpx.post(f"http://127.0.0.1:{port}/save", json={"query": "a cat", "relevant": ["sub/c.png"]})
            assert httpx.get(f"http://127.0.0.1:{port}/", headers={"host": "evil.example"}).status_code == 400
        finally:
            process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    assert said == f"Label 4 pictures of “photos” at http://127.0.0.1:{port}; Ctrl-C ends it.\n"
    assert [one.query for one in open_dataset(str(output)).sets] == ["a cat"]


def test_links_to_other_folders_are_left_out(shell: Shell, folder, tmp_path, monkeypatch):
    secret = tmp_path / "secret.png"
    secret.write_text("1")
    (folder / "link.png").symlink_to(secret)
    (folder / "inside.png").symlink_to(folder / "a.png")
    (tmp_path / "linked").symlink_to(folder, target_is_directory=True)
    monkeypatch.setattr(serving, "serve_application", lambda app, host, port, announce: announce("here"))
    done = shell("label", tmp_path / "linked")
    assert (done.code, done.said) == (
        DONE,
        [
            "Left out, since other paths lead to the same files: 1 of 5 pictures.",
            "Label 3 pictures of “linked” at here; Ctrl-C ends it.",
        ],
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "“nowhere” is not a folder; name one with pictures."),
        (["empty"], "The folder “empty” has no pictures; add --recursive"),
        (["one"], "The folder “one” has fewer than 2 pictures; add some."),
        (["two", "--output", "nowhere/x.jsonl"], "There is no folder “nowhere” to write the result into"),
        (["two", "--output", "empty"], "The result cannot be written to “empty”, which is a folder"),
        (["two", "--output", "broken.jsonl"], "“broken.jsonl”, line 1: "),
        (["two", "--port", "0"], "Invalid value for '--port'"),
    ],
)
def test_a_mistake_in_the_call_is_one_sentence(shell: Shell, tmp_path, arguments, said):
    for name, count in (("empty", 0), ("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        for number_ in range(count):
            (tmp_path / name / f"{number_}.png").write_text("1")
    (tmp_path / "broken.jsonl").write_text("{")
    done = shell("label", *arguments)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert done.err.startswith(said)


def test_a_port_that_is_taken_is_one_sentence(shell: Shell, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_text("1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = shell("label", tmp_path, "--port", port)
    assert (done.code, done.err) == (
        1,
        f"The page could not be opened at 127.0.0.1, port {port}; choose another --host or --port.\n",
    )

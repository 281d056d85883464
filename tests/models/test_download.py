"""Download a model from a hub on the loopback address that can break off, send wrong bytes, or be gone."""

import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from huggingface_hub import constants, file_download
from safetensors.torch import load_file, save_file

from reranker.cli.console import DONE, USAGE_ERROR
from reranker.cli.main import main
from reranker.models.hub import REPOSITORIES, TOYBOX
from tests.support.paths import ROOT
from tests.support.shell import CommandResult

LYCHEE = REPOSITORIES["lychee"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "reranker.json")
WEIGHTS = "model.safetensors"


@dataclass
class Hub:
    """A hub with one model.

    breaks_after: bytes of the weights after which it hangs up, and is deaf from then on: it hangs up on who wants the
    weights. lies: whether the weights come with other bytes than it says.
    """

    files: dict[str, bytes]
    url: str = ""
    breaks_after: int | None = None
    deaf: bool = False
    lies: bool = False
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, Range

    def begun_at(self) -> list[int]:
        """Where in the weights each answer to a GET began."""
        ranges = [range_ for method, path, range_ in self.asked if method == "GET" and path.endswith(WEIGHTS)]
        return [0 if range_ is None else int(range_.removeprefix("bytes=").split("-")[0]) for range_ in ranges]


def git_digest(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.hub.asked.append((self.command, path, self.headers.get("Range")))
        if path == f"/api/models/{LYCHEE}/revision/main":
            self._send(json.dumps({"id": LYCHEE, "sha": COMMIT, "siblings": []}).encode())
        elif path == f"/api/models/{LYCHEE}/tree/{COMMIT}":
            self._send(json.dumps([self._entry(name) for name in self.hub.files]).encode())
        elif (name := path.removeprefix(f"/{LYCHEE}/resolve/{COMMIT}/")) in self.hub.files:
            self._send_file(name)
        else:
            self._send(b"{}", status=404, headers={"X-Error-Code": "RepoNotFound"})

    def _entry(self, name: str) -> dict[str, object]:
        data = self.hub.files[name]
        entry = {"type": "file", "path": name, "size": len(data), "oid": git_digest(data)}
        if name == WEIGHTS:
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry

    def _send_file(self, name: str) -> None:
        data = self.hub.files[name]
        tag = hashlib.sha256(data).hexdigest() if name == WEIGHTS else git_digest(data)
        if name == WEIGHTS and self.hub.deaf and self.command == "GET":
            self.close_connection = True
            return
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        sent = bytes(len(data)) if self.hub.lies and name == WEIGHTS else data
        self._send(
            sent[begin:],
            status=206 if begin else 200,
            headers={
                "ETag": f'"{tag}"',
                "X-Repo-Commit": COMMIT,
                "Accept-Ranges": "bytes",
                "Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}",
            },
            most=self.hub.breaks_after if name == WEIGHTS else None,
        )

    def _send(
        self, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None, most: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[:most])
        if most is not None and most < len(body):
            self.hub.deaf = True
            self.close_connection = True


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The toybox with its weights in float32: large enough that a part of them is kept when the line breaks."""
    weights = tmp_path_factory.mktemp("weights") / WEIGHTS
    save_file({name: one.float() for name, one in load_file(TOYBOX / WEIGHTS).items()}, weights, {"format": "pt"})
    return {name: (TOYBOX / name).read_bytes() for name in FILES} | {WEIGHTS: weights.read_bytes()}


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[Hub]:
    served = Hub(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfHub", (Answers,), {"hub": served}))
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def use_hub(monkeypatch: pytest.MonkeyPatch, url: str, home: Path) -> None:
    """Point the hub's library, which has read its environment already, to this hub and to a cache of its own."""
    for name, value in {
        "ENDPOINT": url,
        "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_HUB_DISABLE_XET": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None))  # between its retries
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "handlers", [])  # they hold another test's stderr


@dataclass(frozen=True)
class Program:
    """The command line with the real models, in this process."""

    capture: pytest.CaptureFixture

    def __call__(self, *arguments: str) -> CommandResult:
        code = main(arguments)
        out, err = self.capture.readouterr()
        return CommandResult(code=code, out=out.decode(), err=err.decode().replace("\r", "\n"))


@pytest.fixture
def program(capsysbinary: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Program:
    monkeypatch.chdir(ROOT)
    return Program(capsysbinary)


@pytest.fixture
def machine(program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hub: Hub) -> Program:
    use_hub(monkeypatch, hub.url, tmp_path / "home")
    return program


def last_line(done: CommandResult) -> str:
    assert "Traceback" not in done.err
    return done.err.strip().splitlines()[-1]


def log_odds(done: CommandResult) -> dict[str, float]:
    assert done.code == DONE, done.err
    return {row["path"]: row["log_odds"] for row in done.result["results"]}


def test_nothing_is_fetched_unasked_and_what_was_fetched_judges(machine: Program, hub: Hub) -> None:
    pictures = [str(ROOT / "assets" / "gallery" / name) for name in ("boat_and_fish.png", "dog_left_of_tree.png")]
    rank = ("rank", "a boat", *pictures, "--format", "json", "--model")
    missing = machine(*rank, "lychee")
    assert missing.code == USAGE_ERROR
    assert "“lychee”" in last_line(missing)
    assert "python -m reranker download lychee" in last_line(missing)
    assert hub.asked == []
    fetched = machine("download", "lychee")
    assert fetched.code == DONE, fetched.err
    assert "100%" in fetched.err
    assert {path.partition(LYCHEE)[0] for _, path, _ in hub.asked} == {"/", "/api/models/"}, "nothing else is asked"
    hub.asked.clear()
    there = log_odds(machine(*rank, "lychee"))
    assert hub.asked == []
    assert there == pytest.approx(log_odds(machine(*rank, "toybox")), abs=1e-4)
    assert there == log_odds(machine(*rank, LYCHEE))


def test_a_download_that_broke_off_goes_on_where_it_stood(machine: Program, hub: Hub) -> None:
    hub.breaks_after = 15_000_000
    broken = machine("download", "lychee")
    assert broken.code == USAGE_ERROR
    assert last_line(broken).startswith("The download of “lychee” stopped")
    assert "“lychee”" in last_line(machine("rank", "a boat", "assets/gallery", "--model", "lychee"))
    hub.breaks_after, hub.deaf = None, False
    assert machine("download", "lychee").code == DONE
    first, *others = hub.begun_at()
    assert first == 0
    assert set(others) == {10 * 1024 * 1024}, "what is on the disk is not asked for again"


def test_other_bytes_than_the_hub_has_are_removed_and_fetched_anew(machine: Program, hub: Hub) -> None:
    hub.lies = True
    lied = machine("download", "lychee")
    assert lied.code == USAGE_ERROR
    assert last_line(lied).startswith(
        f"The file “{WEIGHTS}” of the model “lychee” was removed because its checksum differs"
    )
    hub.lies = False
    assert machine("download", "lychee").code == DONE
    assert hub.begun_at() == [0, 0]


def test_without_a_network_one_sentence_says_so(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_hub(monkeypatch, "http://127.0.0.1:9", tmp_path)
    done = program("download", "lychee")
    assert done.code == USAGE_ERROR
    assert "the hub could not be reached" in last_line(done)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nobody/nothing", "The hub has no model “nobody/nothing”"),
        ("toybox", "“toybox” is not the name of a model on the hub"),
        ("nothing", "“nothing” is not the name of a model on the hub"),
    ],
)
def test_what_the_hub_does_not_have_is_said(machine: Program, model: str, words: str) -> None:
    done = machine("download", model)
    assert done.code == USAGE_ERROR
    assert last_line(done).startswith(words)


def test_a_library_that_was_told_to_stay_offline_is_named(machine: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in last_line(machine("download", "lychee"))

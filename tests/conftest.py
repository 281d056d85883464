"""What several tests share: pictures, the toybox, the page as a running program, and the command line."""

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from reranker import Reranker
from reranker.server.http_api import api_application
from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import Item, arrange_scene
from reranker.ui import gradio_environment
from tests.support.http_server import serving, serving_page
from tests.support.scripted_scorer import ScriptedScorer, number
from tests.support.shell import Shell

if TYPE_CHECKING:
    from reranker.models.loading import Checkpoint

pytest_plugins = ("tests.support.browser",)

Serve = Callable[[Reranker], str]


def pytest_configure(config: pytest.Config) -> None:
    """Set what libraries read once, when they are imported, in this process and in those that tests start.

    No model of this machine is found by chance, all pages that tests start share one upload folder, and torch uses one
    thread: the models of tests are so small that more threads only wait for each other, and pytest runs workers.
    """
    for name in ("HF_HOME", "GRADIO_TEMP_DIR"):
        folder = tempfile.TemporaryDirectory(prefix="reranker-tests-")
        config.add_cleanup(folder.cleanup)
        os.environ[name] = folder.name
    os.environ["OMP_NUM_THREADS"] = "1"
    gradio_environment.prepare()


def pytest_collection_finish() -> None:
    """Exempt all modules from garbage collection: with torch and gradio loaded, each one would take half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _storage_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("storage")
    return (folder / str(number_) for number_ in count())


@pytest.fixture(autouse=True)
def _own_storage(monkeypatch: pytest.MonkeyPatch, _storage_folders: Iterator[Path]) -> None:
    """Hide scores and calibrations that other tests or this machine's user have stored.

    The folders are only named here: most tests store nothing, and making two for each test took longer than the test.
    """
    folder = next(_storage_folders)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))


@pytest.fixture
def upload_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An upload folder for one test that starts no page."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a page over a reranker and return its address."""
    with ExitStack() as stack:
        yield lambda reranker: stack.enter_context(serving_page(reranker))


@pytest.fixture
def serve_api() -> Iterator[Serve]:
    """Serves the HTTP API alone over a reranker, and returns its address."""
    with ExitStack() as stack:
        yield lambda reranker: stack.enter_context(serving(api_application(reranker)))


@pytest.fixture(params=["serve_api", "serve"], ids=["alone", "with the page"])
def serve_both(request: pytest.FixtureRequest) -> Serve:
    """Serves the API alone in one run of the test, and next to the page in another."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def toybox() -> Reranker:
    return Reranker("toybox")


@pytest.fixture(scope="session")
def checkpoint() -> "Checkpoint":
    """The toybox in float32, for tests that run its network without a `Reranker`; none of them changes it."""
    from reranker.models.loading import load_checkpoint  # noqa: PLC0415 - loads torch

    return load_checkpoint("toybox", "cpu", "fp32")


@pytest.fixture(scope="session")
def toybox_url(toybox: Reranker) -> Iterator[str]:
    """The address of a page over the toybox, whose model is loaded already."""
    toybox.load()
    with serving_page(toybox) as url:
        yield url


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four drawn scenes: a red house, a blue car, a black cat, a yellow ball."""
    folder = tmp_path_factory.mktemp("drawings")
    things = [("red", "house"), ("blue", "car"), ("black", "cat"), ("yellow", "ball")]
    paths = []
    for seed, (colour, thing) in enumerate(things):
        scene = arrange_scene((Item(thing=thing, colour=colour),), "grass", Random(seed))
        paths.append(folder / f"{colour}_{thing}.png")
        draw_scene(scene).save(paths[-1])
    return paths


@pytest.fixture
def shell(capsysbinary: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """The command line in an empty folder, with a scorer that reads the score from the picture's bytes."""
    for name in [name for name in os.environ if name.startswith("RERANKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RERANKER_MODEL", "toybox")
    monkeypatch.chdir(tmp_path)
    return Shell(capture=capsysbinary, scorer=ScriptedScorer(judge=number))

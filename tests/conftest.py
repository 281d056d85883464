"""What several tests share: pictures, and the page as a running program."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest

from reranker import Reranker
from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import Item, arranged
from reranker.ui import gradio_environment
from tests.support.browser import chromium, numbered, visit  # noqa: F401 - fixtures
from tests.support.ports import free_port
from tests.support.scripted_scorer import ScriptedScorer, number
from tests.support.shell import Shell

Serve = Callable[[Reranker], str]


def pytest_configure(config):
    """What libraries read once, when they are imported: no model of this machine's is found by chance, and all pages
    that tests start have one folder of uploads."""
    for name in ("HF_HOME", "GRADIO_TEMP_DIR"):
        folder = tempfile.TemporaryDirectory(prefix="reranker-tests-")
        config.add_cleanup(folder.cleanup)
        os.environ[name] = folder.name
    gradio_environment.prepare()


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory):
    """Scores and calibrations that one test stored are not known to another, and none of this machine's are touched."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


@pytest.fixture
def upload_folder(monkeypatch, tmp_path) -> Path:
    """A folder of uploads for one test that starts no page."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


@contextmanager
def _serving(reranker: Reranker) -> Iterator[str]:
    # Here, so that tests without a page do not wait for gradio.
    from reranker.ui.launch import launch_settings  # noqa: PLC0415
    from reranker.ui.page import build_page  # noqa: PLC0415

    page = build_page(reranker)
    settings = launch_settings(reranker) | {"server_port": free_port(), "server_name": "127.0.0.1"}
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, **settings)
    try:
        yield url
    finally:
        page.close(verbose=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a page over a reranker, and says its address."""
    with ExitStack() as stack:
        yield lambda reranker: stack.enter_context(_serving(reranker))


@pytest.fixture(scope="session")
def toybox() -> Reranker:
    return Reranker("toybox")


@pytest.fixture(scope="session")
def toybox_url(toybox) -> Iterator[str]:
    """The page over the embedded model, which is loaded already."""
    toybox.load()
    with _serving(toybox) as url:
        yield url


@pytest.fixture(scope="session")
def drawings(tmp_path_factory) -> list[Path]:
    """Four drawn scenes: a red house, a blue car, a black cat, a yellow ball."""
    folder = tmp_path_factory.mktemp("drawings")
    things = [("red", "house"), ("blue", "car"), ("black", "cat"), ("yellow", "ball")]
    paths = []
    for seed, (colour, thing) in enumerate(things):
        scene = arranged((Item(thing=thing, colour=colour),), "grass", Random(seed))
        paths.append(folder / f"{colour}_{thing}.png")
        draw_scene(scene).save(paths[-1])
    return paths


@pytest.fixture
def shell(capsysbinary: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shell:
    """The command line in an empty folder, with a scorer that reads the score off the picture."""
    for name in [name for name in os.environ if name.startswith("RERANKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RERANKER_MODEL", "toybox")
    monkeypatch.chdir(tmp_path)
    return Shell(capture=capsysbinary, scorer=ScriptedScorer(judge=number))

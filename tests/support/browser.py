"""A pytest plugin with a real browser: tabs that record requests to other hosts and errors of the page."""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reranker import Query
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def missing(reason: str) -> None:
    """Skip the test, or fail it if `CI` is set."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI is set")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    """A browser for the session. Its event loop runs in the main thread, so other loops need a thread of their own."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        missing("no Chromium or Chrome was found on the PATH")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a development dependency
    except ImportError:
        missing("the package playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Tab:
    """A tab of the browser, with the requests to other hosts and the errors that it has recorded."""

    page: object
    host: str
    outside_requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._record)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))

    def _record(self, request) -> None:
        if not request.url.startswith((self.host, "data:", "blob:")):
            self.outside_requests.append(request.url)

    def upload(self, *paths: Path) -> None:
        before = self.page.locator("#names li").count()
        self.page.locator("#pictures input[type=file]").first.set_input_files(paths)
        self.names(before + len(paths))

    def names(self, total: int) -> list[str]:
        """The names in the list, once it has `total` of them."""
        self.page.wait_for_function(f"document.querySelectorAll('#names li').length === {total}")
        return self.page.locator("#names li span").all_inner_texts()

    def ask(self, query: str) -> None:
        self.page.locator("#query textarea").fill(query)
        self.page.locator("#rank").click()

    def status(self, text: str | re.Pattern) -> str:
        """The status line, once it contains this text."""
        line = self.page.locator("#status p", has_text=text)
        line.wait_for()
        return line.inner_text()

    def captions(self, total: int) -> list[str]:
        """The captions of the cards, once there are `total` of them."""
        self.page.wait_for_function(f"document.querySelectorAll('#ranking .cards li:not([hidden])').length === {total}")
        return self.page.locator("#ranking .cards li:not([hidden]) .caption").all_inner_texts()

    def failures(self, total: int) -> list[str]:
        """The reasons why pictures were not scored, once there are `total` of them."""
        self.page.wait_for_function(f"document.querySelectorAll('#failures li').length === {total}")
        return self.page.locator("#failures li").all_inner_texts()


@pytest.fixture
def visit(chromium) -> Iterator:
    """Open a page in a tab of its own; afterwards, check that no tab has asked another host or reported an error."""
    tabs: list[Tab] = []

    def open_tab(url: str, language: str = "en-US") -> Tab:
        context = chromium.new_context(locale=language)
        context.set_default_timeout(PATIENCE_S * 1000)
        tabs.append(Tab(page=context.new_page(), host=url.partition("?")[0]))
        tabs[-1].page.goto(url)
        tabs[-1].status(re.compile("ready|就绪|cannot|not on|no folder"))
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        tab.page.context.close()
    assert [entry for tab in tabs for entry in (*tab.outside_requests, *tab.errors)] == []


@pytest.fixture
def numbered(tmp_path) -> list[Path]:
    """Files that contain their own log-odds; the third is the best."""
    paths = [tmp_path / f"猫 {index}.png" for index in range(4)]
    for path, log_odds in zip(paths, (-1.5, 0.5, 2.5, 1.5), strict=True):
        path.write_text(str(log_odds))
    return paths


class Paced:
    """A scorer that scores as many pictures as the test has allowed."""

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(0)
        self.scorer = ScriptedScorer(judge=self._judge, batch_tokens=1)

    def _judge(self, query: Query, content: bytes) -> float:
        assert self.allowed.acquire(timeout=PATIENCE_S)
        return number(query, content)

"""A pytest plugin with a real browser: tabs that record requests to other hosts and errors of the page."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.numbered_pictures import numbered_picture
from tests.support.scripted_scorer import PATIENCE_S

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
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(_described(message)))

    def _record(self, request) -> None:
        if not request.url.startswith((self.host, "data:", "blob:")):
            self.outside_requests.append(request.url)

    def upload(self, *paths: Path) -> None:
        """Choose files, and wait until they are there."""
        before = self.page.evaluate(COUNT_SCRIPT)
        self.page.locator("#choose-files").set_input_files(paths)
        self.count(before + len(paths))

    def count(self, total: int) -> None:
        """Wait until the session has this many pictures."""
        self.page.wait_for_function(f"({COUNT_SCRIPT}) === {total}")

    def names(self) -> list[str]:
        """The names of the pictures, in their order."""
        if self.page.locator(".manager").is_hidden():
            self.page.locator(".manage").click()
        self.page.locator(".manage-grid li").first.wait_for()
        return self.page.locator(".manage-grid .name").all_inner_texts()

    def ask(self, query: str) -> None:
        self.page.locator("#query").fill(query)
        self.page.locator("#rank").click()

    def progress(self, text: str | re.Pattern) -> str:
        """What the bar says of the run, once it contains this text."""
        return self._text(".run-text .status", text)

    def facts(self, text: str | re.Pattern) -> str:
        """What the headline says of the shown ranking, once it contains this text."""
        return self._text(".headline-counts", text)

    def verdict(self, text: str | re.Pattern) -> str:
        """What the headline says below it."""
        return self._text(".headline-verdict", text)

    def _text(self, selector: str, text: str | re.Pattern) -> str:
        line = self.page.locator(selector, has_text=text)
        line.wait_for()
        return line.inner_text()

    def captions(self, total: int) -> list[str]:
        """The captions of the cards with a score, once there are `total` of them."""
        self.page.wait_for_function(f"document.querySelectorAll('{CARDS}').length === {total}")
        return self.page.locator(CARDS).evaluate_all(CAPTIONS_SCRIPT)

    def download(self, format_: str) -> None:
        """Ask for a file of what is shown."""
        if self.page.locator(".export-panel").is_hidden():
            self.page.locator(".export-button").click()
        self.page.locator(".export").get_by_role("button", name=EXPORTS[format_]).click()

    def refused(self, total: int) -> list[str]:
        """Why files were not added, once there are `total` reasons."""
        self.page.wait_for_function(f"document.querySelectorAll('.refused li').length === {total}")
        return self.page.locator(".refused li").all_inner_texts()

    def complaint(self, text: str | re.Pattern) -> str:
        """What is said to be wrong with the sentence."""
        return self._text(".sentence .message-text", text)

    def ended(self) -> None:
        """Wait until nothing runs."""
        self.page.locator("#stop").wait_for(state="hidden")
        self.page.wait_for_function("document.querySelector('#rank').getAttribute('aria-disabled') !== 'true'")


def _described(message) -> str:
    """The text of a message of the console, and the address that it is about."""
    return f"{message.text} {message.location.get('url', '')}".strip()


CARDS = ".cards .card:not(.is-waiting)"
CAPTIONS_SCRIPT = """cards => cards.map((card) =>
  ["rank", "score", "name"].map((part) => card.querySelector(`.card-${part}`).textContent).join(" "))"""
EXPORTS = {"zip": "Pictures as ZIP", "csv": "CSV", "json": "JSON", "html": "Contact sheet"}
COUNT_SCRIPT = "document.querySelector('.reranker-app').dataset.count | 0"


@pytest.fixture
def visit(chromium) -> Iterator:
    """Open a page in a tab of its own; afterwards, check that no tab has asked another host or reported an error."""
    tabs: list[Tab] = []

    def open_tab(url: str, language: str = "en-US", **options: object) -> Tab:
        context = chromium.new_context(locale=language, **options)
        context.set_default_timeout(PATIENCE_S * 1000)
        tabs.append(Tab(page=context.new_page(), host=re.split("[?#]", url)[0]))
        tabs[-1].page.goto(url)
        tabs[-1].page.locator(".reranker-app[data-session]:not([data-session=''])").wait_for()
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        tab.page.context.close()
    assert [entry for tab in tabs for entry in (*tab.outside_requests, *tab.errors)] == []


@pytest.fixture
def numbered(tmp_path) -> list[Path]:
    """Pictures that contain their own log-odds; the third is the best."""
    paths = [tmp_path / f"猫 {index}.png" for index in range(4)]
    for path, log_odds in zip(paths, (-1.5, 0.5, 2.5, 1.5), strict=True):
        path.write_bytes(numbered_picture(log_odds))
    return paths

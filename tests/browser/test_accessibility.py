"""What axe-core finds wrong on the page, in every view, light and dark, in both languages."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from reranker import Reranker, Settings
from tests.support.browser import Tab
from tests.support.libraries import numbered_library
from tests.support.numbered_pictures import number_in
from tests.support.scripted_scorer import ScriptedScorer

pytestmark = [pytest.mark.browser, pytest.mark.extended]

VIEWS = (
    "empty",
    "pictures",
    "managed",
    "ranked",
    "menu",
    "downloads",
    "lightbox",
    "briefs",
    "compared",
    "library",
    "searched",
    "labels",
    "labelled",
    "corrected",
    "evaluate",
)


def violations(page: Any) -> list[str]:
    """What axe-core reports about the page, one line for each element.

    It need not load style sheets again: it would look for imported ones at wrong addresses.
    """
    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]


def views(tab: Tab, pictures: list) -> Iterator[str]:
    """Bring the page into each view, and yield its name."""
    page = tab.page
    yield "empty"
    tab.upload(*pictures)
    page.locator("#query").fill("a cat")
    page.get_by_role("button", name=re.compile("Tips|怎样写好")).click()
    yield "pictures"
    page.locator(".manage").click()
    page.locator(".manage-grid .cell").first.click()
    yield "managed"
    page.locator(".manage").click()
    page.locator("#rank").click()
    tab.captions(4)
    tab.ended()
    page.locator(".card-open").first.focus()
    page.keyboard.press("p")
    yield "ranked"
    page.locator(".menu-button").click()
    yield "menu"
    page.keyboard.press("Escape")
    page.locator(".export-button").click()
    yield "downloads"
    page.keyboard.press("Escape")
    page.locator(".card-open").first.click()
    page.locator(".lightbox summary").click()
    yield "lightbox"
    page.keyboard.press("Escape")
    tab.ask("a dog\na cat on a mat")
    tab.ended()
    page.locator(".briefs").wait_for()
    yield "briefs"
    page.locator(".chips .chip-icon:visible", has_text="⇄").first.click()
    page.locator(".compared").wait_for()
    yield "compared"
    page.get_by_role("tab").nth(1).click()
    page.locator(".library-facts").wait_for()
    yield "library"
    page.locator("#library-query").fill("a cat")
    page.locator("#search").click()
    page.wait_for_function("document.querySelectorAll('.reranker-library .card:not(.is-waiting)').length === 3")
    page.locator("#stop-search").wait_for(state="hidden")
    page.locator(".library-update button").first.click()
    page.locator(".library-update-text", has_text=re.compile("Up to date|已是最新")).wait_for()
    yield "searched"
    page.get_by_role("tab").nth(2).click()
    yield from labels_views(page, pictures)
    page.get_by_role("tab").nth(3).click()
    page.locator("#label-query").wait_for()
    yield "evaluate"


def labels_views(page: Any, pictures: list) -> Iterator[str]:
    """Bring the tab “Labels” into each view, and yield its name."""
    page.locator(".reranker-labels[data-session]:not([data-session=''])").wait_for()
    page.locator("#labels-vocabulary").select_option("own")
    page.locator("#own-labels").fill("cat\ndog\n鸟\n" + "\n".join(map(str, range(9))))
    page.locator(".tagging .step-head").wait_for()
    yield "labels"
    page.locator("#labels-choose-files").set_input_files(pictures)
    page.wait_for_function("document.querySelector('.reranker-labels').dataset.count === '4'")
    page.locator("#label-pictures").click()
    page.locator(".tagging-counts tbody button").first.click()
    page.locator(".tag-more").first.click()
    page.locator("#stop-labels").wait_for(state="hidden")
    yield "labelled"
    page.locator(".tag-card .card-open").first.click()
    page.locator(".tag-input").fill("mine")
    page.keyboard.press("Enter")
    page.locator(".lightbox .tag-chip.is-by-hand").wait_for()
    page.locator(".lightbox .tag-chip:not(.is-by-hand) .tag-remove").first.click()
    page.locator(".tag-absent li").wait_for()
    yield "corrected"
    page.keyboard.press("Escape")


@pytest.mark.parametrize(
    ("theme", "language"),
    [("light", "en-US"), ("dark", "zh-CN"), ("light", "zh-CN"), ("dark", "en-US")],
)
def test_axe_finds_nothing(serve, visit, numbered, tmp_path, theme: str, language: str) -> None:
    settings = Settings.of(libraries=(str(numbered_library(tmp_path / "library", 3, 2, -1)),))
    url = serve(Reranker(scorer=ScriptedScorer(judge=number_in), settings=settings))
    tab = visit(f"{url}?__theme={theme}", language, viewport={"width": 1440, "height": 1200}, reduced_motion="reduce")
    found = {view: violations(tab.page) for view in views(tab, numbered)}
    assert tuple(found) == VIEWS
    assert [line for lines in found.values() for line in lines] == []

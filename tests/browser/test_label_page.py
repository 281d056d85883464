"""The label page in a real browser."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from reranker import Reranker
from reranker.evaluation.datasets.loading import open_dataset
from reranker.labelling.handlers import Labelling
from reranker.labelling.label_file import LabelFile
from reranker.labelling.server import application
from reranker.server.security import same_origin_only
from tests.support.http_server import serving
from tests.support.label_page import labelling, marked, numbered_folder
from tests.support.paced_scorer import PacedScorer
from tests.support.scripted_scorer import PATIENCE_S, number

HOSTILE = "<img src=x onerror=\"document.title='owned'\">${document.title='owned'}{{value}} {count} \\users ` #?&"


pytestmark = pytest.mark.browser


def page_over(page: Labelling) -> AbstractContextManager[str]:
    return serving(application(page, same_origin_only("127.0.0.1")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return numbered_folder(tmp_path / "photos")


@pytest.fixture
def opened(chromium) -> Iterator[Callable]:
    """Open the page over a `Labelling`; afterwards, check that it asked no other host and reported no error."""
    recorded: list[str] = []
    with ExitStack() as stack:

        def open_page(page: Labelling, language: str = "en-US", **options: object):
            url = stack.enter_context(page_over(page))
            context = stack.enter_context(chromium.new_context(locale=language, **options))
            context.set_default_timeout(PATIENCE_S * 1000)
            tab = context.new_page()
            tab.on("request", lambda request: request.url.startswith((url, "data:")) or recorded.append(request.url))
            tab.on("pageerror", lambda error: recorded.append(str(error)))
            tab.on("console", lambda message: message.type == "error" and recorded.append(message.text))
            tab.goto(url)
            tab.locator(".pictures button").first.wait_for()
            return tab

        yield open_page
    assert recorded == []


def wait_for_status(tab, text: str) -> None:
    tab.locator(".status", has_text=text).wait_for()


def marked_names(tab) -> list[str]:
    return tab.locator(".pictures button[aria-pressed=true]").evaluate_all("all => all.map(one => one.dataset.key)")


def test_pictures_are_marked_saved_opened_changed_and_deleted(folder, opened):
    tab = opened(labelling(folder))
    pictures = tab.locator(".pictures button")
    tab.locator("#query").fill(HOSTILE)
    pictures.nth(0).click()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Space")
    assert marked_names(tab) == ["a.png", "b.png"]
    tab.get_by_role("button", name="Save").click()
    wait_for_status(tab, "was saved. labels.jsonl has 1 labelled sentence.")
    assert (marked_names(tab), tab.locator("#query").input_value()) == ([], "")
    pictures.nth(1).click()
    pictures.nth(3).click(modifiers=["Shift"])
    tab.locator("#query").fill("三只球")
    tab.locator("#query").press("Enter")
    wait_for_status(tab, "has 2 labelled sentences")
    (first, second) = open_dataset(str(folder / "labels.jsonl")).sets
    assert (first.query, second.query) == (HOSTILE, "三只球")
    assert [[picture.name for picture in one.pictures if picture.is_relevant] for one in (first, second)] == [
        ["a.png", "b.png"],
        ["b.png", "sub/c.png", "d.png"],
    ]
    tab.get_by_role("button", name="三只球").first.click()
    assert marked_names(tab) == ["b.png", "sub/c.png", "d.png"]
    pictures.nth(1).click()
    tab.get_by_role("button", name="Save the change").click()
    wait_for_status(tab, "“三只球” was changed. labels.jsonl has 2 labelled sentences.")
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name=f"Remove {HOSTILE}").click()
    wait_for_status(tab, "was removed. labels.jsonl has 1 labelled sentence.")
    (only,) = open_dataset(str(folder / "labels.jsonl")).sets
    assert [picture.name for picture in only.pictures if picture.is_relevant] == ["sub/c.png", "d.png"]
    tab.get_by_role("button", name="Save").click()
    wait_for_status(tab, "The sentence is empty")
    assert tab.locator(".status.trouble").count() == 1
    assert "owned" not in tab.title()
    assert tab.locator("img[src=x]").count() == 0


@pytest.mark.extended
def test_a_change_can_be_discarded_and_a_removal_cancelled(folder, opened):
    LabelFile(folder / "labels.jsonl").add(marked(folder, "a cat", "a.png"))
    before = (folder / "labels.jsonl").read_bytes()
    tab = opened(labelling(folder), "zh-CN")
    tab.get_by_role("button", name="a cat").first.click()
    tab.get_by_role("button", name="放弃修改").click()
    assert (marked_names(tab), tab.locator("#query").input_value()) == ([], "")
    tab.once("dialog", lambda dialog: dialog.dismiss())
    tab.get_by_role("button", name="移除 a cat").click()
    tab.get_by_role("button", name="English").click()
    wait_for_status(tab, "labels.jsonl has 1 labelled sentence.")
    assert tab.get_by_role("button", name="Discard the change").count() == 0
    assert (folder / "labels.jsonl").read_bytes() == before


@pytest.mark.extended
def test_the_model_orders_the_pictures_and_can_be_stopped(folder, opened):
    paced = PacedScorer(number)
    tab = opened(labelling(folder, Reranker(scorer=paced.scorer)))
    tab.locator("#query").fill("a cat")
    tab.locator(".pictures button").nth(2).click()
    tab.get_by_role("button", name="Most relevant first").click()
    paced.allow()
    wait_for_status(tab, "1/4 pictures scored")
    tab.get_by_role("button", name="Stop ordering").click()
    wait_for_status(tab, "Stopped.")
    paced.allow(8)
    tab.get_by_role("button", name="Most relevant first").click()
    wait_for_status(tab, "The most relevant pictures come first")
    shown = tab.locator(".pictures button").evaluate_all("all => all.map(one => one.dataset.key)")
    assert shown == ["sub/c.png", "d.png", "b.png", "a.png"]
    assert marked_names(tab) == ["sub/c.png"]


@pytest.mark.extended
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overflows_and_marks_are_counted_and_filtered(folder, opened, theme):
    tab = opened(labelling(folder), color_scheme=theme)
    tab.locator("#query").fill("a sentence that is much longer than the narrowest of the screens that people have")
    tab.locator(".pictures button").nth(1).click()
    tab.get_by_role("button", name="Save").click()
    wait_for_status(tab, "has 1 labelled sentence")
    tab.locator(".pictures button").nth(2).click()
    for width in (360, 390, 768, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
    assert tab.locator(".label-grid output").inner_text() == "1 of 4 marked"
    tab.get_by_label("marked pictures only").check()
    assert tab.locator(".pictures li:visible").count() == 1
    tab.get_by_role("button", name="Clear the marks").click()
    assert tab.locator(".pictures li:visible").count() == 4


@pytest.mark.extended
def test_a_program_that_has_ended_is_reported(folder, opened, chromium):
    with page_over(labelling(folder)) as url:
        tab = chromium.new_page(locale="en-US")
        tab.goto(url)
        tab.locator("#query").fill("a cat")
        tab.locator(".pictures button").first.click()
    tab.get_by_role("button", name="Save").click()
    wait_for_status(tab, "The program does not respond")
    assert marked_names(tab) == ["a.png"]
    tab.close()

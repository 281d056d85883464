"""The tab “Evaluate” in a real browser."""

import re
from pathlib import Path

import pytest

from reranker import Reranker, Settings
from tests.support.browser import Paced
from tests.support.visitor import HOSTILE

pytestmark = pytest.mark.browser


def open_tab(tab) -> None:
    tab.page.get_by_role("tab", name=re.compile("Evaluate|评测")).click()
    tab.page.locator("#label-grid .label-grid").wait_for()


def label(tab, query: str, *names: str) -> None:
    tab.page.locator("#label-query input, #label-query textarea").fill(query)
    for name in names:
        tab.page.locator(f"#label-grid .pictures button[title='{name}']").click()
    tab.page.locator("#label-grid button.add").click()
    tab.page.locator("#label-status .done p", has_text=query).wait_for()


def listed(tab) -> list[str]:
    return tab.page.locator("#labelled-queries button.open").all_inner_texts()


@pytest.mark.extended
def test_three_queries_are_labelled_and_two_ways_compared(toybox_url, visit, drawings) -> None:
    tab = visit(toybox_url)
    open_tab(tab)
    assert "appear here" in tab.page.locator("#label-grid .empty").inner_text()
    tab.page.locator("#evaluate").click()
    tab.page.locator("#evaluation-status p", has_text="The test set is empty").wait_for()
    tab.page.get_by_role("tab", name="Rank").click()
    tab.upload(*drawings)
    tab.page.locator("#query textarea").fill("a blue car\n一只黑猫")
    open_tab(tab)
    assert tab.page.locator("#label-query input, #label-query textarea").input_value() == "a blue car"
    label(tab, "a blue car", "blue_car.png")
    label(tab, "黑猫", "black_cat.png")
    label(tab, HOSTILE, "red_house.png", "yellow_ball.png")
    assert listed(tab) == [HOSTILE, "黑猫", "a blue car"]
    tab.page.locator("#method-rating input").check()
    tab.page.locator("#evaluate").click()
    tab.page.locator("#evaluation-status p", has_text="3 sentences evaluated").wait_for()
    rows = tab.page.locator("#evaluation table").first.locator("tbody tr")
    rows.nth(1).wait_for()  # the table follows the status
    assert rows.locator("th").all_inner_texts() == ["yes or no · usual (49 tokens)", "rating · usual (49 tokens)"]
    assert tab.page.locator("#evaluation .differences li").count() == 1
    with tab.page.expect_download() as download:
        tab.page.locator("#download-evaluation").click()
    assert len(Path(download.value.path()).read_text("utf-8-sig").splitlines()) == 3
    tab.page.get_by_text("中文").click()
    tab.page.locator("#evaluation th", has_text="是或否 · 常规").first.wait_for()
    tab.page.locator("#evaluation-status p", has_text="已评测 3 个句子").wait_for()
    tab.page.locator("#label-status p", has_text="已加入").wait_for()
    tab.page.locator("#label-grid .shown", has_text="已标记 0 / 4 张").wait_for()
    assert tab.page.get_by_role("tab", name="评测").count() == 1
    assert tab.page.title() != "owned"
    assert tab.page.locator("img[src=x]").count() == 0


@pytest.mark.extended
def test_labels_go_on_while_an_evaluation_runs_and_stop_ends_it(serve, visit, numbered) -> None:
    paced = Paced()
    tab = visit(serve(Reranker(scorer=paced.scorer, settings=Settings.of(model="toybox"))))
    tab.upload(*numbered)
    open_tab(tab)
    label(tab, "a cat", numbered[2].name)
    assert tab.page.locator("#stop-evaluation").is_disabled()
    tab.page.locator("#evaluate").click()
    paced.allowed.release()
    tab.page.locator("#evaluation-status p", has_text="1/4").wait_for()
    label(tab, "a dog", numbered[0].name)
    tab.page.get_by_role("button", name="Remove a cat").click()
    tab.page.locator("#label-status p", has_text="removed from the test set").wait_for()
    tab.page.keyboard.press("Escape")
    tab.page.locator("#evaluation-status p", has_text="Stopping").wait_for()
    paced.allowed.release()
    tab.page.locator("#evaluation-status p", has_text="Stopped; an unfinished evaluation").wait_for()
    assert listed(tab) == ["a dog"]
    assert tab.page.locator("#evaluation table").count() == 0
    for _ in range(4):
        paced.allowed.release()
    tab.page.locator("#evaluate").click()
    tab.page.locator("#evaluation-status p", has_text="1 sentence evaluated").wait_for()
    assert tab.page.locator("#evaluation tbody th").first.inner_text() == "yes or no · usual (2 tokens)"


@pytest.mark.extended
def test_the_board_follows_the_gallery_and_every_tab_of_the_browser_has_its_own_set(
    toybox_url, visit, drawings
) -> None:
    tab, other = visit(toybox_url), visit(toybox_url)
    for each in (tab, other):
        each.upload(*drawings)
        open_tab(each)
    label(tab, "a blue car", "blue_car.png")
    label(other, "a cat", "black_cat.png")
    label(tab, "a house", "red_house.png")
    assert (listed(tab), listed(other)) == (["a house", "a blue car"], ["a cat"])
    tab.page.locator("#labelled-queries button.open", has_text="a blue car").click()
    tab.page.locator("#label-grid button[aria-pressed=true][title='blue_car.png']").wait_for()
    tab.page.get_by_role("tab", name="Rank").click()
    tab.page.get_by_role("button", name="Remove blue_car.png").click()
    tab.names(3)
    open_tab(tab)
    tab.page.wait_for_function("document.querySelectorAll('#label-grid .pictures button').length === 3")
    tab.page.locator("#labelled-queries li.unused", has_text="not evaluated").wait_for()
    tab.page.locator("#label-query input, #label-query textarea").fill("a ball")
    tab.page.locator("#label-grid button[title='yellow_ball.png']").click()
    tab.page.locator("#label-query input, #label-query textarea").press("Enter")
    tab.page.locator("#labelled-queries button.open", has_text="a ball").wait_for()
    tab.page.locator("#evaluate").click()
    tab.page.locator("#evaluation-status p", has_text="2 sentences evaluated").wait_for()
    assert listed(other) == ["a cat"]


@pytest.mark.extended
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_tab_overflows_at_no_width(toybox_url, visit, drawings, theme: str) -> None:
    tab = visit(f"{toybox_url}?__theme={theme}")
    tab.upload(*drawings)
    open_tab(tab)
    label(tab, "a blue car beside a house that stands on grass beneath a very long description", "black_cat.png")
    for box in ("rating", "low", "high"):
        tab.page.locator(f"#method-{box} input").check()
    tab.page.locator("#evaluate").click()
    tab.page.locator("#evaluation-status p", has_text="1 sentence evaluated").wait_for()
    tab.page.locator("#evaluation table").nth(1).wait_for()
    for width in (360, 390, 768, 1280):
        tab.page.set_viewport_size({"width": width, "height": 800})
        assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width

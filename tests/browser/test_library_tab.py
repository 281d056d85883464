"""The tab “Library” in a real browser: a search in two stages, filters, what can be wrong, and updates."""

import re
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from reranker import Reranker, Settings
from tests.support.browser import Tab
from tests.support.libraries import at_least, indexed, labelled, numbered_library
from tests.support.numbered_pictures import nearness, number_in, numbered_gallery, numbered_picture
from tests.support.paced_scorer import PacedScorer
from tests.support.scripted_scorer import ScriptedScorer

pytestmark = pytest.mark.browser

CARD = ".reranker-library .cards .card"
SCORED = f"{CARD}:not(.is-waiting)"
NAMES_SCRIPT = "cards => cards.map((card) => card.querySelector('.card-name').textContent)"
SOURCES_SCRIPT = "images => images.map((image) => image.getAttribute('src'))"


@pytest.fixture
def holidays(tmp_path: Path) -> Path:
    return numbered_library(tmp_path, -1.5, 0.5, 2.5, 1.5)


def page_with(*libraries: Path, scorer: ScriptedScorer | None = None, **settings: object) -> Reranker:
    chosen = Settings.of(libraries=tuple(map(str, libraries)), **settings)
    return Reranker(scorer=scorer or ScriptedScorer(judge=number_in), settings=chosen)


class LibraryTab:
    """The tab of a page that was opened."""

    def __init__(self, tab: Tab) -> None:
        self.page = tab.page
        self.page.get_by_role("tab").nth(1).click()
        self.page.locator(".reranker-library[data-session]:not([data-session=''])").wait_for()
        self.page.locator("#library-name option").first.wait_for(state="attached")  # the libraries are known

    def search(self, text: str) -> None:
        self.page.locator("#library-query").fill(text)
        self.page.locator("#search").click()

    def said(self, part: str, text: str | re.Pattern) -> str:
        """What a part says, once it contains a text."""
        line = self.page.locator(f".reranker-library {part}", has_text=text)
        line.wait_for()
        return line.inner_text()

    def names(self, total: int) -> list[str]:
        """The names on the cards with a score, once there are so many."""
        self.page.wait_for_function(f"document.querySelectorAll('{SCORED}').length === {total}")
        return self.page.locator(SCORED).evaluate_all(NAMES_SCRIPT)

    def ended(self) -> None:
        self.page.locator("#stop-search").wait_for(state="hidden")
        self.page.wait_for_function("document.querySelector('#search').getAttribute('aria-disabled') !== 'true'")


@pytest.mark.extended
def test_a_page_without_libraries_has_no_such_tab(serve, visit) -> None:
    tab = visit(serve(page_with()))
    assert tab.page.get_by_role("tab").all_inner_texts() == ["Rank", "Labels", "Evaluate"]


def test_the_recalled_are_there_at_once_and_move_up_when_they_are_scored(serve, visit, holidays: Path) -> None:
    paced = PacedScorer()
    opened = visit(serve(page_with(holidays, scorer=paced.scorer)))
    tab = LibraryTab(opened)
    tab.said(".library-facts", "4 pictures · 1 folder · encoder encoder")
    tab.search("a black cat")
    tab.page.wait_for_function(f"document.querySelectorAll('{CARD}.is-waiting img').length === 4")
    recalled = tab.page.locator(f"{CARD}.is-waiting img").evaluate_all(SOURCES_SCRIPT)
    assert len(set(recalled)) == 4
    tab.said(".headline-verdict", "Provisional order: 0 of 4 ranked")
    paced.allow(2)
    tab.said(".headline-verdict", "Provisional order: 2 of 4 ranked")
    tab.names(2)
    waiting = tab.page.locator(f"{CARD}.is-waiting img").evaluate_all(SOURCES_SCRIPT)
    assert waiting == [source for source in recalled if source in waiting], "the others keep their order"
    paced.allow(2)
    tab.ended()
    assert tab.names(4) == ["2.5.png", "1.5.png", "0.5.png", "-1.5.png"]
    tab.page.locator(".reranker-library .headline-verdict").wait_for(state="hidden")
    assert opened.page.locator(".reranker-app").get_attribute("data-count") == "0", "the tab “Rank” has none of them"
    tab.page.reload()
    again = LibraryTab(opened)
    assert again.names(4)[0] == "2.5.png"
    assert again.page.locator("#library-query").input_value() == "a black cat"


@pytest.mark.extended
def test_nothing_fits_is_said_and_pictures_are_marked_and_opened(serve, visit, holidays: Path) -> None:
    scorer = ScriptedScorer(judge=number_in).with_info(relevance_threshold=9.9)
    tab = LibraryTab(visit(serve(page_with(holidays, scorer=scorer))))
    tab.search("a black cat")
    tab.ended()
    tab.said(".headline-verdict", "Nothing here fits: no picture reaches 9.9 of 10")
    tab.page.locator(f"{SCORED} .card-open").first.focus()
    tab.page.keyboard.press("p")
    tab.page.locator(f"{CARD}.is-picked").wait_for()
    tab.page.keyboard.press("Enter")
    tab.said(".lightbox-name", "2.5.png")
    tab.page.keyboard.press("Escape")
    with tab.page.expect_download() as download:
        tab.page.locator(".reranker-library .export-button").click()
        tab.page.locator(".reranker-library .export").get_by_role("button", name="CSV").click()
    assert "2.5.png" in Path(download.value.path()).read_text(encoding="utf-8-sig")


@pytest.mark.extended
def test_filters_narrow_a_search_and_what_is_wrong_is_said(serve, visit, holidays: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    Image.new("RGB", (40, 30)).save(more / "plain.jpg")
    (more / "3.5.png").write_bytes(numbered_picture(3.5, (40, 30)))
    indexed(holidays, [more], tmp_path / "encoder")
    empty = indexed(tmp_path / "空", [], tmp_path / "encoder")
    opened = visit(serve(page_with(holidays, empty, tmp_path / "none")))
    tab = LibraryTab(opened)
    message = ".sentence .message-text"
    tab.said(".library-facts", "6 pictures")
    tab.search("")
    tab.said(message, "Write a sentence")
    fields = tab.page.locator(".library-filters")
    fields.get_by_label("From", exact=True).fill("2030-01-01")
    fields.get_by_label("To", exact=True).fill("2029-01-01")
    tab.search("a cat")
    tab.said(message, "The first date is later than the last one")
    fields.get_by_label("To", exact=True).fill("")
    tab.search("a cat")
    tab.said(message, "No picture of the library passes the filters")
    fields.get_by_label("From", exact=True).press_sequentially("02302024")
    tab.page.locator("#search").click()
    tab.said(message, "One of the dates does not exist")
    fields.get_by_label("From", exact=True).fill("")
    fields.get_by_label("Folder").select_option("more")
    fields.get_by_label("File type").select_option("PNG")
    fields.get_by_label("Shorter side").fill("30")
    tab.search("a cat")
    assert tab.names(1) == ["3.5.png"]
    fields.get_by_label("Folder").select_option("")
    fields.get_by_label("Shorter side").fill("")
    fields.get_by_label("How many").fill("2")
    tab.search("a dog")
    tab.said(".headline-title", "a dog")
    tab.names(2)
    opened.page.locator(".languages button", has_text="中文").click()
    tab.said(".run-bar", "在 6 张图片中搜索")
    for name, problem in (("空", "图库“空”里还没有图片"), ("none", "没有图库“none”")):
        tab.page.locator("#library-name").select_option(name)
        tab.said(".library-problem", problem)
        tab.page.locator("#search").click()
        tab.said(message, problem)
    shutil.rmtree(holidays)
    tab.page.locator("#library-name").select_option("holidays")
    tab.page.locator("#search").click()
    tab.said(".library-problem", "没有图库“holidays”")
    opened.errors.clear()  # the browser reports each request that was refused


@pytest.mark.extended
def test_more_like_a_picture_searches_the_library(serve, visit, holidays: Path) -> None:
    tab = LibraryTab(visit(serve(page_with(holidays, scorer=ScriptedScorer(judge=nearness)))))
    tab.search("a black cat")
    tab.ended()
    tab.page.locator(f"{SCORED} .card-open").nth(1).click()
    name = tab.page.locator(".reranker-library .lightbox-name").inner_text()
    tab.page.get_by_role("button", name="More like this").click()
    tab.said(".headline-title", f"Pictures like {name}")
    tab.ended()
    assert name not in tab.names(3)
    tab.said(".like", f"like {name}")


@pytest.mark.extended
def test_an_update_is_told_to_everybody_and_offered_to_the_owner(serve, visit, holidays: Path, tmp_path: Path) -> None:
    url = serve(page_with(holidays))
    tab, other = LibraryTab(visit(url)), LibraryTab(visit(url, "zh-CN"))
    other.said(".library-facts", "4 张图片")
    with FileLock(holidays / "index.lock"):
        tab.page.get_by_role("button", name="Update").click()
        tab.said(".library-update-text", "Another program is changing the library")
        other.said(".library-update-text", "另一个程序正在更改图库")
    numbered_gallery(tmp_path / "pictures" / "new", 3.5)
    (tmp_path / "pictures" / "-1.5.png").unlink()
    tab.page.get_by_role("button", name="Update").click()
    tab.said(".library-update-text", "Up to date: 1 of 1 files read · 1 gone")
    other.said(".library-update-text", "更新完成：已读取 1/1 个文件 · 1 个文件已不存在")
    other.search("一只猫")
    assert other.names(4)[0] == "3.5.png"


def test_pictures_are_labelled_and_a_label_is_searched_for_alone(serve, visit, holidays: Path) -> None:
    tab = LibraryTab(visit(serve(page_with(labelled(holidays), scorer=ScriptedScorer(judge=at_least)))))
    label = tab.page.locator(".library-filters label", has_text="Label").locator("select")
    label.select_option("3 (1)")
    numbered_gallery(holidays.parent / "pictures" / "new", 3.5, 7)
    tab.page.get_by_role("button", name="Update").click()
    tab.said(".library-update-text", "Up to date: 2 of 2 files read")
    tab.page.get_by_role("button", name="Label all pictures").click()
    tab.said(".library-update-text", "All pictures have their labels already")
    label.select_option("3 (3)")
    tab.page.locator("#search").click()
    assert tab.names(3) == ["7.png", "3.5.png", "2.5.png"]
    label.select_option("6 (1)")
    tab.page.locator("#search").click()
    tab.ended()
    assert tab.names(1) == ["7.png"]
    tab.page.locator(f"{SCORED} .card-open").first.click()
    tab.page.locator(".reranker-library .facts summary").click()
    tab.said(".facts", "Labels in the library")


@pytest.mark.extended
def test_guests_are_not_offered_an_update(serve, chromium, holidays: Path) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(serve(page_with(holidays, root_path="", host="0.0.0.0")))
    page.get_by_role("tab", name="Library").click()
    page.locator(".library-facts", has_text="4 pictures").wait_for()
    assert page.get_by_role("button", name="Update").is_hidden()
    context.close()


@pytest.mark.extended
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_overflows(serve, visit, holidays: Path, width: int) -> None:
    tab = LibraryTab(visit(serve(page_with(holidays)), viewport={"width": width, "height": 900}))
    tab.search("a black cat on a very long window sill " * 5)
    tab.ended()
    tab.names(4)
    assert tab.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0

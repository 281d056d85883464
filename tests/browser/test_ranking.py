"""The tab “Rank” in a real browser: what a person does with it, and what it must not do."""

import json
import re
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from reranker import Reranker
from reranker.ui.services import SAMPLES, PageServices
from tests.support.http_server import serving_page
from tests.support.numbered_pictures import nearness, number_in
from tests.support.paced_scorer import PacedScorer
from tests.support.ports import free_port
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.workers import ManualWorker, WorkersOf

pytestmark = pytest.mark.browser


def name_in(reason: str) -> str:
    """The name of the file in a reason why it was not added."""
    return re.sub(r"^“(.*?)”.*|^(.*?)(?: is not a picture\.)$", r"\1\2", reason)


KNOWN_WORDS = """English black cat png toybox lychee rerank NVIDIA python reranker download Ctrl Shift Delete Enter Esc
ZIP CSV JSON token txt csv There are pictures now Done ranked for by"""


def scripted() -> Reranker:
    return Reranker(scorer=ScriptedScorer(judge=number_in))


@pytest.fixture
def ranked(serve, visit, numbered):
    """A tab with a ranking of four pictures: 9.2, 8.2, 6.2 and 1.8."""
    tab = visit(serve(scripted()))
    tab.upload(*numbered)
    tab.ask("a black cat")
    tab.captions(4)
    tab.ended()
    return tab


@pytest.mark.extended
def test_workers_are_shown_while_they_work(serve, visit, numbered) -> None:
    paced, worker = PacedScorer(), ManualWorker("studio/0")
    reranker = Reranker(scorer=paced.scorer)
    workers = reranker._workers = WorkersOf(worker, ManualWorker("studio/1"))
    tab = visit(serve(reranker))
    tab.upload(*numbered)
    tab.ask("a black cat")
    tab.progress("0 of 4 · 2 workers")
    workers.scheduler.submit(lambda each: each.call("run", 1), pictures=8)
    worker.finish()
    paced.allow()
    tab.progress(re.compile(r"^1 of 4 · .*2 workers: [\d.]+ \+ 0\.0 pictures/s"))
    paced.allow(3)
    tab.ended()


def test_a_chinese_sentence_ranks_uploaded_pictures(serve, visit, numbered) -> None:
    paced = PacedScorer()
    tab = visit(serve(Reranker(scorer=paced.scorer)), "zh-CN")
    assert tab.page.locator("#rank").inner_text() == "排序"
    assert tab.page.evaluate("document.documentElement.lang") == "zh-CN"
    tab.upload(*numbered)
    tab.ask("窗台上的一只黑猫")
    tab.progress("0/4")
    for done in range(1, 4):
        paced.allow()
        tab.progress(re.compile(rf"^{done}/4 .*猫 "))
        assert tab.page.title().startswith(f"{25 * done}% · ")
        assert tab.page.locator(".run-bar [role=progressbar]").get_attribute("aria-valuenow") == str(done)
    paced.allow()
    assert tab.facts("秒").startswith("4 张图片 · ")
    assert tab.captions(4) == ["#1 9.2 猫 2.png", "#2 8.2 猫 3.png", "#3 6.2 猫 1.png", "#4 1.8 猫 0.png"]
    assert tab.page.locator(".headline-title").inner_text() == "窗台上的一只黑猫"
    tab.page.wait_for_function("!document.title.includes('%')")


def test_a_reload_brings_everything_back_and_joins_the_run(serve, visit, numbered) -> None:
    paced = PacedScorer()
    tab = visit(serve(Reranker(scorer=paced.scorer)))
    tab.upload(*numbered)
    tab.ask("a black cat")
    paced.allow()
    tab.progress("1 of 4")
    tab.page.reload()
    tab.progress("1 of 4")
    assert len(tab.captions(1)) == 1
    tab.count(4)
    paced.allow(3)
    assert tab.captions(4)[0] == "#1 9.2 猫 2.png"
    tab.ended()
    tab.page.reload()
    assert tab.captions(4)[0] == "#1 9.2 猫 2.png"
    assert tab.facts("4 pictures")


@pytest.mark.extended
def test_a_server_that_is_gone_is_said_and_one_that_comes_back_goes_on(visit, numbered) -> None:
    port, tab = free_port(), None
    with ExitStack() as first:
        url = first.enter_context(serving_page(scripted(), port))
        tab = visit(url)
        tab.upload(*numbered)
        tab.ask("a black cat")
        tab.captions(4)
    tab.page.locator(".connection", has_text="The server does not answer").wait_for()
    tab.ask("a dog")
    tab.complaint("The server does not answer")
    assert tab.page.locator("#rank").get_attribute("aria-disabled") == "false"
    tab.errors.clear()  # the browser reports each request that was refused
    with serving_page(scripted(), port):
        tab.page.locator(".connection").wait_for(state="hidden")
        tab.ask("a dog")
        tab.page.locator(".headline-title", has_text="a dog").wait_for()
        assert len(tab.captions(4)) == 4
        assert tab.page.locator(".chips-list .chip").count() == 2
        tab.ended()
        tab.page.goto("about:blank")  # so that it does not ask for the server after its end
        tab.errors.clear()


@pytest.mark.extended
def test_stop_ends_a_run_and_keeps_what_was_scored(serve, visit, numbered) -> None:
    paced = PacedScorer()
    tab = visit(serve(Reranker(scorer=paced.scorer)))
    tab.upload(*numbered)
    tab.ask("a black cat")
    paced.allow()
    tab.progress("1 of 4")
    with tab.page.expect_response("**/stop"):
        tab.page.locator("#stop").click()
        tab.progress("Stopping")
    paced.allow()
    assert tab.verdict("Stopped") == "Stopped: 2 of 4 ranked"
    tab.captions(2)
    assert "Nothing here fits" not in tab.page.locator(".headline").inner_text()
    paced.allow(2)
    tab.page.get_by_role("button", name="Rank the remaining 2").click()
    tab.captions(4)
    tab.page.locator(".headline-verdict").wait_for(state="hidden")


def test_broken_files_among_good_ones_are_named(toybox_url, visit, drawings, tmp_path) -> None:
    broken, empty, fake, text = (
        tmp_path / name for name in ("broken.png", "empty.jpg", "<b>fake ${1}.png", "notes.pdf")
    )
    broken.write_bytes(drawings[0].read_bytes()[:300])
    empty.write_bytes(b"")
    for path in (fake, text):
        path.write_text("no picture")
    tab = visit(toybox_url)
    tab.page.locator("#choose-files").set_input_files([drawings[0], broken, drawings[1], empty, fake, text])
    reasons = sorted(tab.refused(4))
    assert {name_in(reason) for reason in reasons} == {fake.name, broken.name, empty.name, text.name}
    tab.count(2)
    tab.page.get_by_role("button", name="中文").click()
    tab.page.locator(".refused li", has_text="不是图片").first.wait_for()
    assert all(re.search("[\u4e00-\u9fff]", reason) for reason in tab.refused(4))
    tab.ask("一辆蓝色的车")
    first, second = tab.captions(2)
    assert (first.split()[-1], second.split()[-1]) == ("blue_car.png", "red_house.png")
    tab.errors.clear()  # the browser reports each file that the server refuses


@pytest.mark.extended
def test_the_sample_gallery_is_the_first_button_and_visible_at_once(serve, visit) -> None:
    tab = visit(serve(scripted()), viewport={"width": 1440, "height": 900})
    samples = sorted(path.name for path in SAMPLES.glob("*.png"))
    button = tab.page.locator(".pictures .sources button").first
    assert button.inner_text() == f"Use the sample gallery ({len(samples)} pictures)"
    assert button.bounding_box()["y"] + button.bounding_box()["height"] < 900
    button.click()
    tab.count(len(samples))
    button.wait_for(state="hidden")
    tab.page.set_viewport_size({"width": 1440, "height": 2000})  # only rows that can be seen exist
    assert tab.names() == samples


@pytest.mark.extended
def test_pictures_are_removed_and_brought_back_and_the_focus_stays(serve, visit, numbered) -> None:
    tab = visit(serve(scripted()))
    tab.upload(*numbered)
    names = tab.names()
    assert set(names) == {path.name for path in numbered}
    tab.page.locator(".manage-grid .cell").nth(1).focus()
    tab.page.keyboard.press("Delete")
    tab.count(3)
    tab.page.wait_for_function(f"document.activeElement.getAttribute('aria-label').startsWith('{names[2]}')")
    tab.page.locator(".manage-grid .cell").first.click()
    tab.page.locator(".manage-grid .cell").nth(2).click(modifiers=["Shift"])
    tab.page.get_by_role("button", name="Remove 3 selected").click()
    tab.count(0)
    tab.page.get_by_role("button", name="Undo").click()
    tab.count(3)
    assert set(tab.names()) == set(names) - {names[1]}


@pytest.mark.extended
def test_mistakes_are_said_beside_the_field(serve, visit, numbered) -> None:
    tab = visit(serve(scripted()))
    tab.page.locator("#rank").click()
    tab.complaint("Write")
    tab.ask("a cat")
    tab.complaint("Add at least 2 pictures first.")
    tab.upload(*numbered)
    tab.ask("a" * 1001)
    tab.complaint(re.compile("too long|at most|1,?000"))
    tab.page.locator("#query").fill("\U0001f600 a cat")
    tab.page.locator(".sentence .message-text").first.wait_for(state="hidden")


@pytest.mark.extended
def test_downloads_have_exactly_what_is_shown(ranked, tmp_path) -> None:
    ranked.page.locator(".filter-top").fill("3")
    ranked.captions(3)
    ranked.page.locator(".filter-name").fill("猫 3")
    assert ranked.captions(1) == ["#2 8.2 猫 3.png"]
    ranked.page.locator(".export-button", has_text="Download the one shown").click()
    ranked.page.locator(".export-template").fill("{score} {rank} {stem}")
    contents = {}
    for format_ in ("zip", "csv", "json", "html"):
        with ranked.page.expect_download() as download:
            ranked.download(format_)
        assert download.value.suggested_filename == f"ranking.{format_}"
        contents[format_] = Path(download.value.path()).read_bytes()
        ranked.page.locator(".export-outcome", has_text=re.compile(rf"ranking\.{format_} · .* [kK]B")).wait_for()
    (tmp_path / "ranking.zip").write_bytes(contents["zip"])
    assert zipfile.ZipFile(tmp_path / "ranking.zip").namelist() == ["8.2 02 猫 3.png"]
    assert [line.split(",")[:2] for line in contents["csv"].decode("utf-8-sig").splitlines()[1:]] == [["2", "猫 3.png"]]
    assert [row["rank"] for row in json.loads(contents["json"])["results"]] == [2]
    assert contents["html"].count(b"<img ") == 1


@pytest.mark.extended
def test_keys_mark_pictures_and_the_filter_finds_them(ranked) -> None:
    ranked.page.locator(".card-open").first.focus()
    for key in ("p", "ArrowRight", "x", "ArrowRight", "4"):
        ranked.page.keyboard.press(key)
    ranked.page.locator(".card[data-key]").nth(2).get_by_role("button", name="4 stars", pressed=True).wait_for()
    choose = ranked.page.locator(".filter select").first
    for value, names in (
        ("picked", ["猫 2.png"]),
        ("rated4", ["猫 1.png"]),
        ("kept", ["猫 2.png", "猫 1.png", "猫 0.png"]),
    ):
        choose.select_option(value)
        ranked.page.locator(".filter-counts", has_text=re.compile(rf"^\D*{len(names)}\D")).wait_for()
        ranked.page.wait_for_function(
            "(names) => [...document.querySelectorAll('.cards .card-name')].map((name) => name.textContent).join() "
            "=== names",
            arg=",".join(names),
        )
    ranked.page.reload()
    ranked.captions(4)
    assert ranked.page.locator(".card.is-picked .card-name").inner_text() == "猫 2.png"
    assert ranked.page.locator(".card.is-rejected .card-name").inner_text() == "猫 3.png"


def test_several_sentences_are_a_table_of_rankings(toybox_url, visit, drawings) -> None:
    tab = visit(toybox_url)
    tab.upload(*drawings)
    tab.ask("a blue car\n\n黑猫\na blue car")
    rows = tab.page.locator(".briefs tbody tr")
    tab.ended()
    assert rows.locator(".brief-open").all_inner_texts() == ["a blue car", "黑猫"]
    assert "blue_car.png" in tab.captions(4)[0]
    tab.page.get_by_role("button", name="黑猫", exact=True).click()
    tab.page.locator(".headline-title", has_text="黑猫").wait_for()
    assert "black_cat.png" in tab.captions(4)[0]


@pytest.mark.extended
def test_a_picture_is_shown_alone_with_its_numbers(ranked) -> None:
    ranked.page.locator(".card-open").nth(1).click()
    box = ranked.page.get_by_role("dialog")
    head = box.locator(".lightbox-head")
    assert head.inner_text().split() == ["#2", "8.2", "2", "/", "4"]
    box.locator("summary").click()
    words = " ".join(box.locator("details").inner_text().split())
    assert "Score, exactly 8.1757" in words
    assert "Log-odds 1.5" in words
    assert "Pixels 8 × 6" in words
    ranked.page.keyboard.press("ArrowRight")
    assert head.inner_text().split() == ["#3", "6.2", "3", "/", "4"]
    ranked.page.keyboard.press("p")
    ranked.page.keyboard.press("Escape")
    box.wait_for(state="hidden")
    label = "document.activeElement.getAttribute('aria-label')"
    ranked.page.wait_for_function(f"{label}?.startsWith('Rank 3, score 6.2: 猫 1.png')")  # in the next frame
    assert ranked.page.locator(".card.is-picked .card-name").inner_text() == "猫 1.png"


@pytest.mark.extended
def test_cards_show_the_scores_of_the_parts_on_request(toybox_url, visit, drawings) -> None:
    tab = visit(toybox_url)
    tab.upload(*drawings)
    tab.ask("a blue car and a tree")
    tab.captions(len(drawings))
    tab.ended()
    assert tab.page.locator(".part").count() == 0
    height = tab.page.locator(".card").first.bounding_box()["height"]
    tab.page.get_by_role("button", name="Scores of the parts").click()
    tab.page.locator(".card").first.locator(".card-parts .part").nth(1).wait_for()
    texts = tab.page.locator(".card").first.locator(".part").all_inner_texts()
    assert [re.sub(r"[\d.]+$", "", text).strip() for text in texts] == ["a blue car", "a tree"]
    assert tab.page.locator(".card").first.bounding_box()["height"] > height
    tab.ask("a red house")
    tab.page.locator(".headline-title", has_text="a red house").wait_for()
    tab.ended()
    tab.page.get_by_role("button", name="Scores of the parts").wait_for(state="hidden")
    tab.page.locator(".part").first.wait_for(state="hidden")


@pytest.mark.extended
def test_more_like_a_picture(serve, visit, numbered) -> None:
    tab = visit(serve(Reranker(scorer=ScriptedScorer(judge=nearness))))
    tab.upload(*numbered)
    tab.ask("a black cat")
    tab.captions(4)
    tab.ended()
    tab.page.locator(".cards .card-open").first.click()
    tab.page.get_by_role("button", name="More like this").click()
    tab.page.locator(".like", has_text="like 猫 2.png").wait_for()
    assert tab.progress("not ranked")
    tab.page.locator("#query").fill("")
    tab.page.locator("#rank").click()
    tab.facts("3 pictures")
    assert tab.captions(3) == ["#1 8.8 猫 3.png", "#2 7.3 猫 1.png", "#3 2.7 猫 0.png"]
    assert tab.page.locator(".headline-title").inner_text() == "Pictures like 猫 2.png"
    tab.ended()
    tab.page.reload()
    assert tab.captions(3)[0] == "#1 8.8 猫 3.png"
    tab.page.locator(".like").wait_for()
    tab.page.get_by_label("Remove the example picture").click()
    tab.page.locator("#rank").click()
    tab.complaint("Write a sentence")
    with tab.page.expect_file_chooser() as chooser:
        tab.page.get_by_role("button", name="like a picture").click()
    chooser.value.set_files(numbered[0])
    tab.page.locator(".like", has_text="like 猫 0.png").wait_for()
    tab.count(4)


@pytest.mark.extended
def test_the_language_is_switched_with_all_that_was_said(ranked) -> None:
    ranked.page.locator(".manage").click()
    ranked.page.get_by_role("button", name="中文").click()
    assert ranked.page.locator("#rank").inner_text() == "排序"
    assert ranked.facts("张图片").startswith("4 张图片 · ")
    assert "4" in ranked.page.locator(".filter-counts", has_text="显示").inner_text()
    ranked.page.get_by_role("tab", name="评测").wait_for()
    assert ranked.page.get_by_role("tab").all_inner_texts() == ["排序", "标签", "评测"]
    assert ranked.page.evaluate("[document.documentElement.lang, location.search]") == ["zh-CN", "?lang=zh"]
    words = ranked.page.locator(".reranker").evaluate_all("all => all.map(one => one.innerText).join(' ')")
    # Words of the model's notice, of the examples, of keys and formats, and of what screen readers heard before.
    known = {*re.findall(r"[A-Za-z]{3,}", " ".join([*PageServices.of(scripted()).examples, KNOWN_WORDS]))}
    assert set(re.findall(r"[A-Za-z]{3,}", words)) <= known
    ranked.page.reload()
    ranked.captions(4)
    assert ranked.page.locator("#rank").inner_text() == "排序"

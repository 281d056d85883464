"""The page in a real browser: what a person does with it, and what it must not do."""

import json
import re
import threading
import zipfile
from io import BytesIO

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import CheckpointNotDownloaded
from reranker.core.protocols import Scorer
from reranker.ui.page import SAMPLES
from tests.support.browser import Paced
from tests.support.recorded_stops import RecordedStops
from tests.support.scripted_scorer import ScriptedScorer, number, until

pytestmark = pytest.mark.browser


def test_a_chinese_sentence_ranks_uploaded_pictures(serve, visit, numbered):
    paced = Paced()
    tab = visit(serve(Reranker(scorer=paced.scorer)), "zh-CN")
    assert tab.page.locator("#rank").inner_text() == "排序"
    tab.upload(*numbered)
    tab.ask("窗台上的一只黑猫")
    tab.status("0/4")
    for done in range(1, 4):
        paced.allowed.release()
        assert tab.status(f"{done}/4 · 猫").startswith(f"{done}/4 · 猫 ")
    paced.allowed.release()
    assert tab.status("已排序 4 张图片").endswith("秒")
    assert tab.captions(4) == [
        "★ #1 · 9.2 猫 2.png",
        "#2 · 8.2 猫 3.png",
        "#3 · 6.2 猫 1.png",
        "#4 · 1.8 猫 0.png",
    ]
    assert [query_and_picture[:1] for query_and_picture in paced.scorer.batches]


@pytest.mark.extended
def test_choosing_a_result_shows_more_of_it(serve, visit, numbered):
    tab = visit(serve(Reranker(scorer=ScriptedScorer(judge=number))))
    tab.upload(*numbered)
    tab.ask("a black cat")
    tab.captions(4)
    tab.page.locator("#ranking .card").nth(1).click()
    chosen = tab.page.locator("#chosen .panel")
    chosen.locator("h3").wait_for()
    words = " ".join(chosen.inner_text().split())
    assert words.startswith(
        "#2 · 猫 3.png Score, 0 to 10 8.2 Log-odds +1.5000 Visual tokens 1 Scored in a batch that took 1 ms"
    )


def test_stop_ends_a_long_run_and_keeps_what_was_judged(serve, visit, numbered):
    paced = Paced()
    tab = visit(serve(Reranker(scorer=paced.scorer)))
    tab.upload(*numbered)
    assert tab.page.locator("#stop").is_disabled()
    tab.ask("a black cat")
    paced.allowed.release()
    tab.status("1/4")
    assert tab.page.locator("#rank").is_disabled()
    tab.page.locator("#stop").click()
    tab.status("Stopping")
    paced.allowed.release()
    assert tab.status("Stopped") == "Stopped · 2 of 4 pictures ranked"
    tab.captions(2)
    assert tab.page.locator("#failures .skipped li").count() == 2
    assert not tab.page.locator("#rank").is_disabled()
    for _ in range(4):
        paced.allowed.release()
    tab.page.locator("#query textarea").press("Enter")
    tab.status(re.compile("^4 pictures ranked"))
    tab.page.locator("#failures li").first.wait_for(state="detached")


def test_a_closed_tab_ends_its_run(serve, visit, numbered):
    paced = Paced()
    reranker = RecordedStops(scorer=paced.scorer)
    tab = visit(serve(reranker))
    tab.upload(*numbered)
    tab.ask("a black cat")
    paced.allowed.release()
    tab.status("1/4")
    tab.page.close()
    until(reranker.stops[0].is_set)
    for _ in range(4):
        paced.allowed.release()
    reranker.rank("a dog", [b"1.0"])  # after all batches that stood in front of it
    assert len(paced.scorer.batches) == 3


def test_broken_files_among_good_ones_are_listed_with_their_reasons(toybox_url, visit, drawings, tmp_path):
    broken, empty, text = tmp_path / "broken.png", tmp_path / "empty.jpg", tmp_path / "<b>text ${1} {{value}}.png"
    broken.write_bytes(drawings[0].read_bytes()[:300])
    empty.write_bytes(b"")
    text.write_text("no picture")
    tab = visit(toybox_url)
    tab.upload(drawings[0], broken, drawings[1], empty, text)
    tab.ask("一辆蓝色的车")
    assert "2 pictures ranked · 3 not scored" in tab.status("ranked")
    reasons = tab.failures(3)
    assert [reason.split("”")[0].lstrip("“") for reason in reasons[:2]] == ["broken.png", "empty.jpg"]
    assert "is not a picture in a supported format" in reasons[2]
    first, second = tab.captions(2)
    assert re.fullmatch(r"★ #1 · \d+\.\d+ blue_car\.png", first)
    assert re.fullmatch(r"#2 · \d+\.\d+ red_house\.png", second)


def test_the_sample_gallery_is_one_click_away(serve, visit):
    samples = sorted(path.name for path in SAMPLES.glob("*.png"))
    tab = visit(serve(Reranker(scorer=ScriptedScorer())))
    tab.page.locator("#samples").click()
    assert tab.names(len(samples)) == samples
    tab.page.get_by_role("button", name=f"Remove {samples[1]}").click()
    assert tab.names(len(samples) - 1) == samples[:1] + samples[2:]
    tab.page.locator("#pictures .delete-button").first.click(force=True)
    assert tab.names(len(samples) - 2) == samples[2:]
    tab.page.locator("#examples button").first.click()
    tab.page.wait_for_function("document.querySelector('#query textarea').value !== ''")
    tab.page.locator("#rank").click()
    tab.status(f"{len(samples) - 2} pictures ranked")
    assert tab.captions(len(samples) - 2)[0].startswith("★ #1 · ")
    tab.page.locator("#clear").click()
    assert tab.names(0) == []


@pytest.mark.extended
def test_mistakes_are_sentences(toybox_url, visit, drawings):
    tab = visit(toybox_url)
    tab.page.locator("#rank").click()
    tab.status("The sentence is empty")
    tab.ask("a red house")
    tab.status("Too few pictures: 0 given, at least 2 needed")
    tab.upload(drawings[0])
    tab.page.locator("#rank").click()
    tab.status("Too few pictures: 1 given, at least 2 needed")


@pytest.mark.extended
def test_one_file_that_is_too_heavy_costs_only_itself(serve, visit, drawings, tmp_path):
    heavy = tmp_path / "heavy.bmp"
    heavy.write_bytes(b"BM" + bytes(1_000_001))
    tab = visit(serve(Reranker("toybox", settings=Settings.of(max_picture_mb=1))))
    tab.upload(drawings[0], heavy, drawings[1])
    tab.ask("a red house")
    tab.status("2 pictures ranked · 1 not scored")
    assert "“heavy.bmp” is 1.000003 MB; the limit is 1 MB" in tab.failures(1)[0]


@pytest.mark.extended
def test_the_page_says_what_the_built_in_model_knows(toybox_url, visit):
    english, chinese = visit(toybox_url), visit(toybox_url, "zh-HK")
    assert "not photographs" in english.page.locator("#about").inner_text().replace("and not", "not")
    assert "不认识照片" in chinese.page.locator("#about").inner_text()
    for tab in (english, chinese):
        assert "RERANKER_MODEL=lychee" in tab.page.locator("#about").inner_text()
        assert not tab.page.locator("#download").is_visible()


@pytest.mark.extended
def test_the_page_works_in_a_frame_that_may_store_nothing(toybox_url, visit, chromium):
    tab = visit(toybox_url)
    tab.page.set_content(f'<iframe sandbox="allow-scripts allow-same-origin" src="{toybox_url}"></iframe>')
    frame = tab.page.frame_locator("iframe")
    frame.locator("#samples").click()
    frame.locator("#names li").first.wait_for()


@pytest.mark.parametrize(
    "format_", ["zip", *(pytest.param(name, marks=pytest.mark.extended) for name in ("csv", "json", "html"))]
)
def test_the_ranking_can_be_taken_away(toybox_url, visit, drawings, format_, tmp_path):
    tab = visit(toybox_url)
    assert not tab.page.locator("#downloads").is_visible()
    tab.upload(*drawings[:3])
    tab.ask("a red house, 红色的房子")
    tab.status("3 pictures ranked")
    tab.page.locator("#best input").fill("2")
    with tab.page.expect_download() as download:
        tab.page.locator(f"#download-{format_}").click()
    file = tmp_path / "taken"
    download.value.save_as(file)
    assert download.value.suggested_filename == f"ranking.{format_}"
    data = file.read_bytes()
    if format_ == "csv":
        assert data.startswith(b"\xef\xbb\xbfrank,")
        assert len(data.splitlines()) == 4
    elif format_ == "json":
        assert [row["rank"] for row in json.loads(data)["results"]] == [1, 2, 3]
        assert json.loads(data)["query"] == "a red house, 红色的房子"
    elif format_ == "zip":
        names = zipfile.ZipFile(BytesIO(data)).namelist()
        assert [name.split("_")[0] for name in names] == ["01", "02"]
    else:
        assert data.count(b"<img ") == 3
        sheet = tab.page.context.new_page()
        asked = []
        sheet.on("request", lambda request: asked.append(request.url))
        sheet.goto((tmp_path / "taken").rename(tmp_path / "sheet.html").as_uri())
        assert sheet.locator("img").evaluate_all("all => all.every(one => one.naturalWidth > 0)")
        assert sheet.locator("h1").inner_text() == "a red house, 红色的房子"
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.extended
def test_a_model_that_is_not_there_is_said_on_the_page(serve, visit):
    tab = visit(serve(Reranker("/nowhere/lychee-rerank-mm")))
    tab.status("There is no folder “lychee-rerank-mm” on this machine")
    assert not tab.page.locator("#about").is_visible()
    assert not tab.page.locator("#download").is_visible()


class Fetching(Reranker):
    """One whose model can be fetched; it tells of two steps and waits between them."""

    fetched = False

    def __init__(self) -> None:
        super().__init__("lychee", scorer=ScriptedScorer())
        self.go_on = threading.Event()

    @property
    def is_loaded(self) -> bool:
        return self.fetched

    @property
    def downloadable(self) -> str | None:
        return None if self.fetched else "lychee"

    def load(self) -> Scorer:
        if not self.fetched:
            raise CheckpointNotDownloaded(name="lychee")
        return super().load()

    def download(self, report) -> None:
        report(4_100_000_000, 16_600_000_000)
        self.go_on.wait()
        self.fetched = True


@pytest.mark.extended
def test_a_model_that_is_missing_is_fetched_by_a_button_and_then_ready(serve, visit):
    reranker = Fetching()
    tab = visit(serve(reranker))
    tab.status("The model “lychee” is not on this machine")
    button = tab.page.locator("#download")
    assert button.inner_text() == "Download “lychee” (16.6 GB)"
    button.click()
    tab.status("Downloading “lychee”: 4.10 of 16.60 GB")
    reranker.go_on.set()
    tab.status("The model “lychee” is ready.")
    button.wait_for(state="hidden")


@pytest.mark.extended
def test_guests_are_not_offered_a_download(serve, chromium):
    with chromium.new_context(extra_http_headers={"X-Forwarded-For": "192.0.2.7"}) as context:
        page = context.new_page()
        page.goto(serve(Fetching()))
        page.get_by_text("The model “lychee” is not on this machine").wait_for()
        assert not page.locator("#download").is_visible()

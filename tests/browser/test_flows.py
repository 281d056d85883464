"""The page in a real browser, beyond one ranking: several, compared, filtered, explained, by keyboard, in a frame."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reranker import Reranker, Settings
from reranker.ui.uploads import Uploads
from tests.support.browser import Paced
from tests.support.scripted_scorer import ScriptedScorer, number, until
from tests.support.visitor import HOSTILE

pytestmark = pytest.mark.browser


@pytest.fixture
def ranked(serve, visit, numbered):
    """A tab with a ranking of four pictures: 9.2, 8.2, 6.2 and 1.8."""
    tab = visit(serve(Reranker(scorer=ScriptedScorer(judge=number))))
    tab.upload(*numbered)
    tab.ask("a black cat")
    tab.captions(4)
    return tab


@pytest.mark.extended
def test_a_threshold_filters_at_once_and_so_does_the_number_of_the_best(ranked) -> None:
    ranked.page.locator("#ranking input[type=range]").fill("6")
    assert ranked.captions(3)[-1].startswith("#3")
    assert ranked.page.locator("#ranking .shown").inner_text() == "3 of 4 shown"
    ranked.page.locator("#ranking input[type=number]").fill("2")
    assert len(ranked.captions(2)) == 2
    ranked.page.locator("#ranking input[type=range]").fill("10")
    ranked.captions(0)
    ranked.page.locator("#ranking input[type=range]").fill("0")
    ranked.page.locator("#ranking input[type=number]").fill("")
    ranked.captions(4)
    bars = ranked.page.locator("#ranking .cards .score i").evaluate_all("all => all.map(one => one.style.width)")
    assert [round(float(width.rstrip("%"))) for width in bars] == [92, 82, 62, 18]


def test_several_queries_have_a_table_and_a_tab_each(toybox_url, visit, drawings) -> None:
    tab = visit(toybox_url)
    tab.upload(*drawings)
    tab.page.locator("#query textarea").fill("a blue car\n黑猫")
    tab.page.locator("#query textarea").press("Enter")
    tab.status(re.compile("^2/2 .* ranked"))
    tab.page.locator("#ranking .overview tbody tr").filter(has_text="black_cat.png").wait_for()
    rows = tab.page.locator("#ranking .overview tbody tr").all_inner_texts()
    assert [re.findall(r"\w+\.png", row) for row in rows] == [["blue_car.png"], ["black_cat.png"]]
    assert not tab.page.locator("#downloads").is_visible()
    tab.page.get_by_role("tab", name="黑猫").click()
    assert "black_cat.png" in tab.captions(4)[0]
    with tab.page.expect_download() as download:
        tab.page.locator("#download-csv").click()
    assert "black_cat.png" in Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()[1]
    tab.page.get_by_role("tab", name="a blue car").click()
    assert "blue_car.png" in tab.captions(4)[0]


@pytest.mark.extended
def test_an_earlier_ranking_is_a_click_away_and_stands_beside_another(toybox_url, visit, drawings) -> None:
    tab = visit(toybox_url)
    tab.upload(*drawings)
    for query, best in (("a blue car", "blue_car"), ("a black cat", "black_cat")):
        tab.ask(query)
        tab.page.locator("#ranking .cards li.first", has_text=best).wait_for()
    assert "4 from the cache" in tab.status("from the cache")
    tab.page.get_by_role("button", name="Compare with the ranking shown: a blue car").click()
    tab.page.locator("#ranking .columns").wait_for()
    left, right = tab.page.locator("#ranking .columns section").all()
    assert [side.locator("h3").inner_text().strip() for side in (left, right)] == ["a blue car", "a black cat"]
    assert [side.locator("li .name").first.inner_text() for side in (left, right)] == ["blue_car.png", "black_cat.png"]
    assert right.locator(".rank-change.up").first.inner_text().startswith("▲")
    tab.page.get_by_role("button", name="Close the comparison").click()
    tab.page.locator("#ranking .earlier button", has_text="a blue car").first.click()
    tab.page.locator("#ranking .cards li.first", has_text="blue_car").wait_for()


@pytest.mark.extended
def test_one_picture_is_asked_why(toybox_url, visit, drawings) -> None:
    tab = visit(toybox_url)
    tab.upload(*drawings)
    tab.ask("a blue car, a red house")
    tab.status("4 pictures ranked")
    tab.page.locator("#ranking .card").first.click()
    tab.page.get_by_role("button", name="Why this score?").click()
    tab.page.locator("#chosen .map i").nth(15).wait_for(state="attached")
    assert tab.page.locator("#chosen .parts li span:first-child").all_inner_texts() == ["a blue car", "a red house"]
    tab.page.get_by_role("button", name="Ask the model for a rating").click()
    tab.page.locator("#chosen blockquote", has_text="Score: ").wait_for()
    assert tab.page.locator("#chosen .map i").count() == 16


@pytest.mark.extended
def test_what_people_type_and_name_is_shown_as_it_is(serve, visit, tmp_path) -> None:
    """Also what would end an address, as # and ? do. Names of uploads lose such characters, those of galleries not."""
    for place in range(2):
        (tmp_path / f"{HOSTILE} {place}.png").write_text(str(place))
    tab = visit(serve(Reranker(scorer=ScriptedScorer(judge=number), settings=Settings.of(galleries=(tmp_path,)))))
    tab.page.locator("#add-gallery").click()
    assert tab.names(2)[0] == f"{HOSTILE} 0.png"
    tab.page.locator("#query textarea").fill(f"{HOSTILE}\na cat")
    tab.page.locator("#rank").click()
    tab.status(re.compile("^2/2 .* ranked"))
    assert HOSTILE in tab.page.locator("#ranking .overview").inner_text()
    tab.page.locator("#ranking").get_by_role("tab").nth(1).click()
    tab.captions(2)
    shown = "[...document.querySelectorAll('#ranking .card img')].filter(one => one.naturalWidth > 0).length === 2"
    tab.page.wait_for_function(shown)
    tab.page.locator("#ranking .card").first.click()
    tab.page.locator("#chosen h3", has_text="#1").wait_for()
    assert tab.page.locator("img[src=x]").count() == 0
    assert tab.page.title() != "owned"


@pytest.mark.extended
def test_keys_rank_walk_and_stop(serve, visit, numbered) -> None:
    paced = Paced()
    tab = visit(serve(Reranker(scorer=paced.scorer)))
    tab.upload(*numbered)
    tab.page.locator("#query textarea").fill("a cat")
    tab.page.locator("#query textarea").press("Enter")
    paced.allowed.release()
    tab.status("1/4")
    tab.page.keyboard.press("Escape")
    tab.status("Stopping")
    paced.allowed.release()
    tab.captions(2)
    for _ in range(4):
        paced.allowed.release()
    tab.page.locator("#query textarea").press("Enter")
    tab.captions(4)
    tab.page.locator("#ranking .card").first.focus()
    for key, rank in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", 4), ("Home", 1)):
        tab.page.keyboard.press(key)
        focused = tab.page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert focused.startswith(f"Rank {rank}, score ")
    tab.page.keyboard.press("Enter")
    tab.page.locator("#chosen h3", has_text="#1").wait_for()


@pytest.mark.extended
def test_the_language_is_switched_with_all_that_was_said(ranked) -> None:
    ranked.page.get_by_text("中文").click()
    ranked.page.locator("#rank", has_text="排序").wait_for()
    ranked.page.locator("#ranking .shown", has_text="显示 4 / 4 张").wait_for()
    ranked.page.locator("#names p", has_text="4 张图片").wait_for()
    ranked.ask("一只猫")
    ranked.status("已排序 4 张图片")
    ranked.page.get_by_text("English").click()
    ranked.page.locator("#rank", has_text="Rank").wait_for()


@pytest.mark.extended
def test_an_address_may_name_the_language(toybox_url, visit) -> None:
    tab = visit(f"{toybox_url}?lang=zh")
    tab.page.locator("#rank", has_text="排序").wait_for()
    tab.status("已就绪")


@pytest.mark.extended
def test_a_folder_is_taken_whole(toybox_url, visit, drawings) -> None:
    tab = visit(toybox_url)
    tab.page.locator("#folder").locator("xpath=..").locator("input[type=file]").first.set_input_files(
        drawings[0].parent
    )
    assert tab.names(4) == sorted(path.name for path in drawings)


PASTED = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 30, height: 20 });
  canvas.getContext("2d").fillRect(0, 0, 30, 20);
  const picture = await new Promise((done) => canvas.toBlob(done, "image/png"));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
}"""


@pytest.mark.extended
def test_a_picture_is_pasted_from_the_clipboard_by_button_and_by_key(toybox_url, visit) -> None:
    tab = visit(toybox_url)
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.page.evaluate(PASTED)
    tab.page.get_by_role("button", name="Paste from clipboard").last.click()
    assert len(tab.names(1)) == 1
    tab.page.locator("#query textarea").focus()
    tab.page.keyboard.press("Control+V")
    assert len(tab.names(2)) == 2


@pytest.mark.extended
def test_who_closes_the_tab_takes_the_uploads_along(serve, visit, numbered) -> None:
    tab = visit(serve(Reranker(scorer=ScriptedScorer(judge=number))))
    tab.upload(*numbered)
    uploads = Uploads.from_gradio()
    held = [path for path in uploads.folder.rglob("猫*.png") if path.read_bytes() == numbered[0].read_bytes()]
    assert held
    tab.page.close()
    until(lambda: not any(path.exists() for path in held))


@pytest.mark.extended
def test_a_gallery_of_the_server_is_offered_by_name(serve, visit, drawings) -> None:
    folder = drawings[0].parent
    tab = visit(serve(Reranker("toybox", settings=Settings.of(galleries=(folder,)))))
    tab.page.locator("#add-gallery").click()
    assert tab.names(4) == sorted(path.name for path in drawings)
    tab.ask("a yellow ball")
    assert "yellow_ball.png" in tab.captions(4)[0]
    assert str(folder) not in tab.page.content()


@pytest.mark.extended
def test_what_failed_is_tried_again(serve, visit, numbered) -> None:
    broken = {"now": True}

    def judge(query, content):
        if broken["now"] and content == b"2.5":
            raise RuntimeError
        return number(query, content)

    tab = visit(serve(Reranker(scorer=ScriptedScorer(judge=judge))))
    tab.upload(*numbered)
    tab.ask("a cat")
    tab.status("3 pictures ranked · 1 not scored")
    broken["now"] = False
    tab.page.get_by_role("button", name="Retry these pictures").click()
    assert tab.captions(4)[0].endswith("猫 2.png")
    assert "3 from the cache" in tab.status("4 pictures ranked")


@pytest.mark.extended
def test_a_saved_ranking_is_opened_beside_the_shown_one(ranked, tmp_path) -> None:
    with ranked.page.expect_download() as download:
        ranked.page.locator("#download-json").click()
    saved = tmp_path / "ranking.json"
    download.value.save_as(saved)
    ranked.ask("a dog")
    ranked.page.locator("#ranking .earlier").wait_for()
    ranked.page.locator("#open-saved").locator("xpath=..").locator("input[type=file]").first.set_input_files(saved)
    ranked.page.get_by_role("button", name="Compare with the ranking shown: a dog").click()
    assert ranked.page.locator("#ranking .columns h3").first.inner_text().strip() == "a dog"
    assert ranked.page.locator("#ranking .columns li .name").count() == 8


@pytest.mark.extended
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overflows_at_any_width(toybox_url, visit, drawings, theme: str) -> None:
    tab = visit(f"{toybox_url}?__theme={theme}")
    tab.upload(*drawings)
    tab.page.locator("#query textarea").fill("a blue car\na house that stands on grass beneath a very long description")
    tab.page.locator("#rank").click()
    tab.status(re.compile("^2/2 .* ranked"))
    assert tab.page.evaluate("document.body.classList.contains('dark')") is (theme == "dark")
    for width in (360, 390, 768, 1280):
        tab.page.set_viewport_size({"width": width, "height": 800})
        for name in ("a blue car", "All sentences"):
            tab.page.get_by_role("tab", name=name).click()
            assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width


@pytest.mark.extended
def test_two_visitors_at_once_see_each_their_own(toybox_url, visit, drawings) -> None:
    tabs = [visit(toybox_url), visit(toybox_url, "zh-CN")]
    for tab, pictures in zip(tabs, (drawings[:3], drawings[1:]), strict=True):
        tab.upload(*pictures)
    tabs[0].ask("a red house")
    tabs[1].ask("黄色的球")
    assert "red_house.png" in tabs[0].captions(3)[0]
    assert "yellow_ball.png" in tabs[1].captions(3)[0]
    assert tabs[0].status("ranked").startswith("3 pictures ranked")
    assert tabs[1].status("已排序").startswith("已排序 3 张图片")


# In a frame of another site


@pytest.fixture
def elsewhere():
    """A page of another origin, by its own server; what it shows is said by `show`."""
    shown = {"html": ""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(shown["html"].encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}", shown  # another site than 127.0.0.1
        server.shutdown()


DENIED = """
for (const name of ["localStorage", "sessionStorage", "indexedDB"])
  Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
Object.defineProperty(Document.prototype, "cookie", { get: () => "", set() {} });
"""


@pytest.mark.extended
def test_the_page_works_in_a_frame_of_another_site_where_storage_is_denied(serve, chromium, drawings, elsewhere):
    """As browsers do that block what third parties would store: to reach for storage raises, cookies are lost."""
    site, shown = elsewhere
    url = serve(Reranker("toybox", settings=Settings.of(frame_ancestors=f"'self' {site}")))
    shown["html"] = f'<iframe width="1000" height="900" src="{url}?__theme=dark"></iframe>'
    with chromium.new_context() as context:
        context.add_init_script(DENIED)
        page = context.new_page()
        complaints = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site)
        frame = page.frame_locator("iframe")
        frame.locator("#status p", has_text="ready").wait_for()
        frame.locator("#pictures input[type=file]").first.set_input_files(drawings)
        frame.locator("#names li").nth(3).wait_for()
        frame.locator("#query textarea").fill("a black cat")
        frame.locator("#rank").click()
        frame.locator("#ranking .cards li.first", has_text="black_cat.png").wait_for()
        assert complaints == []


@pytest.mark.extended
def test_sites_that_are_not_named_cannot_frame_the_page(serve, chromium, elsewhere) -> None:
    site, shown = elsewhere
    url = serve(Reranker(scorer=ScriptedScorer()))
    shown["html"] = f'<iframe src="{url}"></iframe>'
    with chromium.new_context() as context:
        page = context.new_page()
        refused = []
        page.on("console", lambda message: refused.append(message.text))
        page.goto(site)
        page.wait_for_load_state("networkidle")
        assert any("frame-ancestors" in text for text in refused)
        assert page.frame_locator("iframe").locator("#rank").count() == 0

"""The page in a real browser, beyond one ranking: how pictures come in, sessions, saved files, models, frames."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import CheckpointNotDownloaded
from reranker.core.protocols import Scorer
from tests.support.numbered_pictures import number_in
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.visitor import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.extended]


def scripted(**settings: object) -> Reranker:
    return Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(**settings))


# How pictures come in

DROP = """async ([names, type]) => {
  const transfer = new DataTransfer();
  for (const [name, content] of names) transfer.items.add(new File([Uint8Array.from(content)], name));
  const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
  const event = (kind) => document.querySelector("#query").dispatchEvent(new DragEvent(kind, options));
  event("dragenter");
  const isShown = !document.querySelector(".drop-overlay").hidden;
  event("dragover");
  const isLeft = event("drop");
  return [isShown, isLeft];
}"""


def test_files_are_dropped_anywhere_and_never_open_in_place_of_the_page(serve, visit, numbered) -> None:
    tab = visit(serve(scripted()))
    files = [[path.name, list(path.read_bytes())] for path in numbered] + [["notes.pdf", [1, 2]]]
    assert tab.page.evaluate(DROP, [files, "Files"]) == [True, False]
    tab.count(4)
    assert tab.refused(1) == ["notes.pdf is not a picture."]
    assert tab.page.locator(".drop-overlay").is_hidden()
    tab.page.evaluate(DROP, [files[:2], "Files"])
    tab.page.locator(".uploads .message-text", has_text="2 were there already").wait_for()
    tab.count(4)


def test_a_folder_is_taken_whole_in_natural_order(toybox_url, visit, drawings) -> None:
    tab = visit(toybox_url)
    tab.page.locator("#choose-folder").set_input_files(drawings[0].parent)
    tab.count(4)
    assert sorted(tab.names()) == sorted(path.name for path in drawings)


PASTED = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 30, height: 20 });
  canvas.getContext("2d").fillRect(0, 0, 30, 20);
  const picture = await new Promise((done) => canvas.toBlob(done, "image/png"));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
}"""


def test_a_picture_is_pasted_from_the_clipboard(toybox_url, visit) -> None:
    tab = visit(toybox_url)
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.page.evaluate(PASTED)
    tab.page.locator("#query").focus()
    tab.page.keyboard.press("Control+V")
    tab.count(1)


def test_a_gallery_of_the_server_is_offered_by_name(serve, visit, drawings) -> None:
    folder = drawings[0].parent
    tab = visit(serve(Reranker("toybox", settings=Settings.of(galleries=(folder,)))))
    tab.page.locator(".galleries-button").click()
    tab.page.locator(".galleries-panel").get_by_role("button", name=folder.name).click()
    tab.count(4)
    tab.ask("a yellow ball")
    tab.ended()
    assert "yellow_ball.png" in tab.captions(4)[0]
    assert str(folder) not in tab.page.content()


def test_a_ranking_starts_while_pictures_still_arrive(serve, visit, numbered) -> None:
    tab = visit(serve(scripted()))
    tab.upload(*numbered[:2])
    hold = threading.Event()
    tab.page.route("**/pictures?name=*", lambda route: None if not hold.is_set() else route.continue_())
    tab.page.locator("#choose-files").set_input_files(numbered[2:])
    tab.page.locator(".upload-text", has_text="Preparing 0/2").wait_for()
    tab.ask("a cat")
    assert len(tab.captions(2)) == 2


def test_one_file_that_is_too_heavy_costs_only_itself(serve, visit, numbered, tmp_path) -> None:
    heavy = tmp_path / "heavy.bmp"
    heavy.write_bytes(b"BM" + bytes(1_000_001))
    tab = visit(serve(scripted(max_picture_mb=1)))
    tab.page.locator("#choose-files").set_input_files([numbered[0], heavy, numbered[1]])
    assert tab.refused(1) == ["heavy.bmp is larger than 1 MB; save a smaller copy."]
    tab.count(2)
    tab.errors.clear()  # the browser reports the file that the server refuses


def test_sentences_are_read_from_a_file(serve, visit, numbered, tmp_path) -> None:
    tab = visit(serve(scripted()))
    box = tab.page.locator("#query")
    for name, content, sentences in (
        ("briefs.txt", "a cat, on a mat\n\n一只狗\r\n", ["a cat, on a mat", "一只狗"]),
        ("briefs.csv", '\ufeffid,query\n1,"a ""red"" cat, sitting"\n2,a dog\n', ['a "red" cat, sitting', "a dog"]),
        ("semicolons.csv", "句子;编号\n一只猫;1\n", ["一只猫"]),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
        tab.page.locator("#choose-files").set_input_files(tmp_path / name)
        tab.page.locator(".sentence .message-text", has_text=name).wait_for()
        assert box.input_value().split("\n") == sentences


# Sessions


def test_forgetting_a_session_deletes_it_for_every_tab(serve, visit, numbered) -> None:
    url = serve(scripted())
    tab = visit(url)
    tab.upload(*numbered)
    address = tab.page.url
    second = visit(address)
    second.count(4)
    tab.page.locator(".menu-button").click()
    tab.page.get_by_role("button", name="Forget this session").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Forget everything").click()
    tab.page.wait_for_function(f"location.href !== {json.dumps(address)} && location.hash.includes('session=')")
    tab.count(0)
    second.page.locator(".connection", has_text="session").wait_for()
    second.count(0)
    for each in (tab, second):
        each.errors.clear()  # the browser reports the answer 404


def test_two_visitors_at_once_see_each_their_own(toybox_url, visit, drawings) -> None:
    tabs = [visit(toybox_url), visit(toybox_url, "zh-CN")]
    for tab, pictures in zip(tabs, (drawings[:3], drawings[1:]), strict=True):
        tab.upload(*pictures)
    tabs[0].ask("a red house")
    tabs[1].ask("黄色的球")
    for tab in tabs:
        tab.ended()
    assert "red_house.png" in tabs[0].captions(3)[0]
    assert "yellow_ball.png" in tabs[1].captions(3)[0]
    assert tabs[0].facts("pictures").startswith("3 pictures")
    assert tabs[1].facts("张图片").startswith("3 张图片")


def test_two_tabs_of_one_session_show_the_same(serve, visit, numbered) -> None:
    first = visit(serve(scripted()))
    first.upload(*numbered)
    second = visit(first.page.url)
    second.ask("a cat")
    assert first.captions(4) == second.captions(4)


# Rankings


def test_what_failed_is_tried_again(serve, visit, numbered) -> None:
    broken = {"now": True}

    def judge(query, content):
        if broken["now"] and number_in(query, content) == 2.5:
            raise RuntimeError
        return number_in(query, content)

    tab = visit(serve(Reranker(scorer=ScriptedScorer(judge=judge))))
    tab.upload(*numbered)
    tab.ask("a cat")
    tab.facts("1 not scored")
    broken["now"] = False
    tab.page.locator(".failures > .button").click()
    assert tab.captions(4)[0].endswith("猫 2.png")


def test_a_saved_ranking_is_opened_and_matched_by_the_content_of_files(serve, visit, numbered, tmp_path) -> None:
    tab = visit(serve(scripted()))
    tab.upload(*numbered)
    tab.ask("a cat")
    captions = tab.captions(4)
    tab.ended()
    with tab.page.expect_download() as download:
        tab.download("json")
    saved = tmp_path / "saved.json"
    download.value.save_as(saved)
    for index, path in enumerate(numbered):
        path.rename(path.with_name(f"renamed {index}.png"))
    other = visit(serve(scripted()))
    other.upload(*(path.with_name(f"renamed {index}.png") for index, path in enumerate(numbered)))
    other.page.locator("#choose-saved").set_input_files(saved)
    assert other.facts("opened from saved.json")
    assert [caption.replace("renamed", "猫") for caption in other.captions(4)] == captions
    assert other.page.locator(".headline-title").inner_text() == "a cat"


def test_one_picture_is_asked_why(toybox_url, visit, drawings) -> None:
    tab = visit(toybox_url)
    tab.upload(*drawings)
    tab.ask("a blue car, a red house")
    tab.ended()
    tab.page.locator(".card-open").first.click()
    box = tab.page.get_by_role("dialog")
    box.get_by_role("button", name="Why this score?").click()
    box.locator(".why-parts li").nth(1).wait_for()
    parts = box.locator(".why-parts li").all_inner_texts()
    assert parts[0].startswith("a blue car")
    assert parts[1].startswith("a red house")
    assert "not found" in parts[1]
    box.get_by_role("button", name="Ask the model for a rating").click()
    box.locator(".why-words", has_text="Score: ").wait_for()


def test_what_people_type_and_name_is_shown_as_it_is(serve, visit, tmp_path, numbered) -> None:
    """Also what would end an address, as # and ? do."""
    for place, path in enumerate(numbered[:2]):
        (tmp_path / f"{HOSTILE.replace('/', '')} {place}.png").write_bytes(path.read_bytes())
        path.unlink()
    for path in numbered[2:]:
        path.unlink()
    tab = visit(serve(scripted(galleries=(tmp_path,))))
    tab.page.locator(".galleries-button").click()
    tab.page.locator(".galleries-panel").get_by_role("button", name=tmp_path.name).click()
    tab.count(2)
    tab.ask(f"{HOSTILE}\na cat")
    tab.ended()
    assert HOSTILE in tab.page.locator(".briefs").inner_text()
    tab.captions(2)
    shown = "[...document.querySelectorAll('.card img')].filter(one => one.naturalWidth > 0).length === 2"
    tab.page.wait_for_function(shown)
    tab.page.locator(".card-open").first.click()
    tab.page.get_by_role("dialog").wait_for()
    assert tab.page.locator("img[src=x]").count() == 0
    assert "owned" not in tab.page.title()


def test_keys_rank_walk_and_stop(serve, visit, numbered) -> None:
    tab = visit(serve(scripted()))
    tab.upload(*numbered)
    tab.page.locator("#query").fill("a cat")
    tab.page.locator("#query").press("Enter")
    tab.captions(4)
    tab.page.locator(".card-open").first.focus()
    for key, rank in (
        ("ArrowRight", 2),
        ("ArrowRight", 3),
        ("ArrowLeft", 2),
        ("End", 4),
        ("Home", 1),
        ("ArrowDown", 4),
    ):
        tab.page.keyboard.press(key)
        tab.page.wait_for_function(
            f"document.activeElement.getAttribute('aria-label').startsWith('Rank {rank}, score ')"
        )
    assert tab.page.locator(".card-open[tabindex='0']").count() == 1
    tab.page.keyboard.press("Enter")
    tab.page.get_by_role("dialog").wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overflows_at_any_width(toybox_url, visit, drawings, theme: str) -> None:
    tab = visit(f"{toybox_url}?__theme={theme}")
    tab.upload(*drawings)
    tab.ask("a blue car\na house that stands on grass beneath a very long description")
    tab.ended()
    assert tab.page.evaluate("document.body.classList.contains('dark')") is (theme == "dark")
    for width in (360, 390, 768, 1280, 1920):
        tab.page.set_viewport_size({"width": width, "height": 800})
        tab.page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth", timeout=3000)


# Models


def test_the_page_says_what_the_built_in_model_knows(toybox_url, visit) -> None:
    english, chinese = visit(toybox_url), visit(toybox_url, "zh-HK")
    assert english.page.locator(".banner").inner_text().startswith("Demo model: drawings only.")
    assert chinese.page.locator(".banner").inner_text().startswith("演示模型：只认识图画。")
    assert "`" not in english.page.locator(".banner").inner_text()
    english.page.locator(".banner .close").click()
    english.page.locator(".banner").wait_for(state="hidden")


def test_a_model_that_is_not_there_is_said_on_the_page(serve, visit) -> None:
    tab = visit(serve(Reranker("/nowhere/lychee-rerank-mm")))
    tab.upload()
    tab.page.locator(".banner", has_text="There is no folder “lychee-rerank-mm” on this machine").wait_for()


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


def test_a_model_that_is_missing_is_fetched_by_a_button_and_then_ready(serve, visit) -> None:
    reranker = Fetching()
    tab = visit(serve(reranker))
    banner = tab.page.locator(".banner", has_text="The model “lychee” is not on this machine")
    banner.get_by_role("button", name="Download lychee").click()
    assert "16.6 GB" in tab.page.get_by_role("dialog").inner_text()
    tab.page.get_by_role("dialog").get_by_role("button", name="Download", exact=True).click()
    tab.page.locator(".banner", has_text=re.compile("Downloading.*2[45] ?%")).wait_for()
    reranker.go_on.set()
    tab.page.locator(".banner").wait_for(state="hidden")


def test_guests_are_not_offered_a_download(serve, chromium) -> None:
    with chromium.new_context(extra_http_headers={"X-Forwarded-For": "192.0.2.7"}) as context:
        page = context.new_page()
        page.goto(serve(Fetching()))
        page.locator(".banner", has_text="The model “lychee” is not on this machine").wait_for()
        assert page.get_by_role("button", name=re.compile("Download")).count() == 0


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
        frame.locator("#choose-files").set_input_files(drawings)
        frame.locator(".reranker-app[data-count='4']").wait_for()
        frame.locator("#query").fill("a black cat")
        frame.locator("#rank").click()
        frame.locator(".card.is-first", has_text="black_cat.png").wait_for()
        assert complaints == []


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

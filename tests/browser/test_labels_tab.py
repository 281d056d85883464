"""The tab “Labels” in a real browser: label, filter, correct, export, and what can be wrong."""

import json
import re
from pathlib import Path

import pytest

from reranker import Query, Reranker, Settings
from tests.support.browser import Tab
from tests.support.labelling_session import warmth
from tests.support.paced_scorer import PacedScorer
from tests.support.scripted_scorer import ScriptedScorer

pytestmark = pytest.mark.browser

ROOT = ".reranker-labels"
CARD = f"{ROOT} .tag-card"
SHOWN_SCRIPT = """cards => Object.fromEntries(cards.map((card) => [card.querySelector(".card-name").textContent,
  [...card.querySelectorAll(".tag-text")].map((each) => each.textContent)]))"""


class LabelsTab:
    """The tab of a page that was opened. Numbered pictures are warm if their number is positive, and else cold."""

    def __init__(self, tab: Tab) -> None:
        self.page = tab.page
        self.open()

    def open(self) -> None:
        self.page.locator(".reranker-app[data-session]:not([data-session=''])").wait_for()
        self.page.get_by_role("tab", name=re.compile("^(Labels|标签)$")).click()
        self.page.locator(f"{ROOT}[data-session]:not([data-session=''])").wait_for()

    def upload(self, *pictures: Path) -> None:
        """Choose pictures, one after the other, so that they come in this order."""
        for total, picture in enumerate(pictures, start=1):
            self.page.locator("#labels-choose-files").set_input_files(picture)
            self.count(total)

    def count(self, total: int) -> None:
        self.page.wait_for_function(f"document.querySelector('{ROOT}').dataset.count === '{total}'")

    def label(self, text: str | None = None) -> None:
        """Label by own labels, or by what is chosen."""
        if text is not None:
            self.page.locator("#labels-vocabulary").select_option("own")
            self.page.locator("#own-labels").fill(text)
        self.page.locator("#label-pictures").click()

    def said(self, part: str, text: str | re.Pattern[str]) -> str:
        """What a part says, once it contains a text."""
        line = self.page.locator(f"{ROOT} {part}", has_text=text)
        line.wait_for()
        return line.inner_text()

    def card(self, name: str):
        return self.page.locator(CARD, has=self.page.locator(".card-name", has_text=re.compile(f"^{re.escape(name)}$")))

    def chip(self, card, label: str):
        return card.locator(".tag-chip", has=self.page.locator(".tag-text", has_text=re.compile(f"^{label}$")))

    def shown(self) -> dict[str, list[str]]:
        """The labels that are seen, by the names of the pictures."""
        return self.page.locator(CARD).evaluate_all(SHOWN_SCRIPT)

    def wait_for(self, shown: dict[str, list[str]]) -> None:
        """Wait until these labels are seen, and no others."""
        arguments = [CARD, {name: sorted(labels) for name, labels in shown.items()}]
        self.page.wait_for_function(
            f"""([card, wanted]) => {{
              const found = ({SHOWN_SCRIPT})([...document.querySelectorAll(card)]);
              const names = Object.keys(wanted);
              return Object.keys(found).length === names.length
                && names.every((name) => found[name]?.sort().join() === wanted[name].join());
            }}""",
            arg=arguments,
        )

    def download(self, name: str) -> str:
        """Download what is shown, and close the menu again."""
        self.page.locator(f"{ROOT} .export-button").click()
        with self.page.expect_download() as download:
            self.page.locator(f"{ROOT} .export").get_by_role("button", name=name, exact=True).click()
        self.page.keyboard.press("Escape")
        return Path(download.value.path()).read_text(encoding="utf-8-sig")


def page_with(scorer: ScriptedScorer | None = None, **settings: object) -> Reranker:
    chosen = Settings.of(**{"model": "lychee", "score_store_mb": 0, **settings})
    return Reranker(scorer=scorer or ScriptedScorer(judge=warmth), settings=chosen)


def test_pictures_are_labelled_filtered_corrected_and_found_again(serve, visit, numbered: list[Path]) -> None:
    tab = LabelsTab(visit(serve(page_with())))
    tab.upload(*numbered)
    tab.label("warm\ncold")
    labelled = {"猫 0.png": ["cold"], "猫 1.png": ["warm"], "猫 2.png": ["warm"], "猫 3.png": ["warm"]}
    tab.wait_for(labelled)
    tab.said(".headline-counts", "4 of 4 pictures labelled")

    tab.chip(tab.card("猫 1.png"), "warm").locator(".tag-name").click()
    tab.said(".tagging-count", "3 pictures with")
    rows = [json.loads(line) for line in tab.download("JSON Lines").splitlines()]
    assert [row["path"] for row in rows] == ["猫 1.png", "猫 2.png", "猫 3.png"], "only what is shown"
    tab.page.locator(".tagging-counts tbody button", has_text="warm").click()
    tab.wait_for(labelled)

    tab.chip(tab.card("猫 1.png"), "warm").hover()
    tab.card("猫 1.png").get_by_role("button", name="“warm” does not fit 猫 1.png").click()
    tab.wait_for(labelled | {"猫 1.png": []})
    tab.page.locator(".tagging-undo button").click()
    tab.wait_for(labelled)
    tab.card("猫 0.png").locator(".tag-add").click()
    tab.page.locator(".tag-input").fill("WARM")
    tab.page.keyboard.press("Enter")
    tab.said(".lightbox .tag-text", "warm")
    tab.page.locator(".lightbox .tag-all-right").click()
    tab.said(".lightbox .tag-all-right", "Checked")
    tab.page.keyboard.press("Escape")
    corrected = labelled | {"猫 0.png": ["cold", "warm"]}
    tab.wait_for(corrected)

    tab.page.reload()
    tab.open()
    tab.wait_for(corrected)
    (line,) = map(json.loads, tab.download("Labelled pictures").splitlines())
    assert {**line, "labels": sorted(line["labels"])} == {"path": "猫 0.png", "labels": ["cold", "warm"], "absent": []}


@pytest.mark.extended
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_the_sample_gallery_is_labelled_in_the_language_of_the_page(serve, visit, language: str) -> None:
    reranker = Reranker(settings=Settings.of(model="toybox", score_store_mb=0))
    opened = visit(serve(reranker), language)
    tab = LabelsTab(opened)
    tab.page.locator(f"{ROOT} .sources .big").click()
    tab.count(24)
    tab.label()
    tab.said(".headline-counts", {"en-US": "24 of 24 pictures labelled", "zh-CN": "已标注 24/24 张"}[language])
    cat, meadow = {"en-US": ("black cat", "a meadow"), "zh-CN": ("黑色的猫", "草地")}[language]
    for label in (cat, meadow):
        tab.page.locator(".tagging-counts tbody button", has_text=re.compile(f"^{label}$")).click()
    tab.page.wait_for_function(f"document.querySelectorAll('{CARD}').length === 1")
    assert list(tab.shown()) == ["black_cat_grass.png"]
    seen = tab.shown()["black_cat_grass.png"]
    (row,) = json.loads(tab.download("JSON"))["results"]
    assert [each["label"] for each in row["labels"]][: len(seen)] == seen
    other = {"en-US": "中文", "zh-CN": "English"}[language]
    opened.page.locator(".languages button", has_text=other).click()
    tab.said(".tagging-chosen", {"en-US": "草地", "zh-CN": "a meadow"}[language])
    tab.page.locator(".tagging-field select").select_option("both")
    tab.said(".tagging-chosen", "black cat / 黑色的猫")


@pytest.mark.extended
def test_what_the_page_shows_is_what_it_exports(serve, visit) -> None:
    tab = LabelsTab(visit(serve(Reranker(settings=Settings.of(model="toybox", score_store_mb=0)))))
    tab.page.locator(f"{ROOT} .sources .big").click()
    tab.count(24)
    tab.label()
    tab.said(".headline-counts", "24 of 24")
    for percent, most in (("50", ""), ("1", "3"), ("99", ""), ("20", "1")):
        tab.page.locator(".tagging-field input[type=range]").fill(percent)
        tab.page.locator(".tagging-field input[type=number]").fill(most)
        tab.said(".tagging-threshold", f"{percent}%")
        rows = json.loads(tab.download("JSON"))["results"][:8]
        tab.page.locator(f"{CARD} .card-open").first.click()
        for row in rows:
            tab.said(".lightbox-name", row["path"])
            shown = tab.page.locator(".lightbox .tag-text").all_inner_texts()
            assert shown == [each["label"] for each in row["labels"]]
            tab.page.keyboard.press("ArrowRight")
        tab.page.keyboard.press("Escape")


@pytest.mark.extended
def test_stop_keeps_what_was_judged_and_the_rest_follows(serve, visit, numbered: list[Path]) -> None:
    paced = PacedScorer(warmth)
    opened = visit(serve(page_with(paced.scorer)))
    tab = LabelsTab(opened)
    tab.upload(*numbered)
    tab.label("warm")
    tab.said(".run-text .status", "0 of 4")
    paced.allow(2)
    tab.said(".run-text .status", "2 of 4")
    tab.page.reload()
    tab.open()
    tab.said(".run-text .status", "2 of 4")
    with tab.page.expect_response("**/stop"):
        tab.page.locator("#stop-labels").click()
        tab.said(".run-text .status", "Stopping")
    paced.allow(1)
    tab.said(".headline-verdict", "Stopped")
    remaining = tab.page.locator(f"{ROOT} .failures .button", has_text=re.compile("Label the remaining [12]"))
    paced.allow(4)
    remaining.click()
    tab.said(".headline-counts", "4 of 4 pictures labelled")


@pytest.mark.extended
def test_what_is_wrong_is_said_in_one_sentence_and_nothing_is_lost(
    serve, visit, numbered: list[Path], tmp_path: Path
) -> None:
    opened = visit(serve(page_with()))
    tab = LabelsTab(opened)
    message = ".tagging .message-text"
    tab.label()
    tab.said(message, "Add a picture first")
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(numbered[0].read_bytes()[:60])
    notes = tmp_path / "notes.pdf"
    notes.write_bytes(b"%PDF")
    tab.upload(*numbered)
    tab.page.locator("#labels-choose-files").set_input_files([damaged, notes])
    tab.said(".refused li >> nth=0", "notes.pdf is not a picture")
    tab.said(".refused li >> nth=1", "“damaged.png” is damaged")
    tab.label()
    tab.said(message, "siglip2")
    for text, sentence in ((" ", "Write your own labels"), ("cat\nCAT", "line 2: the name “CAT” is used twice")):
        tab.label(text)
        tab.said(message, sentence)
    tab.label("warm")
    labelled = {"猫 0.png": [], "猫 1.png": ["warm"], "猫 2.png": ["warm"], "猫 3.png": ["warm"]}
    tab.wait_for(labelled)
    tab.said(".tag-note >> nth=0", "Nothing recognised")
    for name, content in (("a.csv", b"x,y\n1,2"), ("a.jsonl", b"{"), ("many.txt", b"x\n" + b"%d\n" * 10_000)):
        file = tmp_path / name
        file.write_bytes(content if name != "many.txt" else b"\n".join(b"%d" % each for each in range(10_001)))
        tab.page.locator("#choose-own-labels").set_input_files(file)
        tab.said(message, f"The labels “{name}” cannot be used")
        assert tab.page.locator("#own-labels").input_value() == "warm"
    good = tmp_path / "标签.csv"
    good.write_text("en,zh\nwarm,暖\n", encoding="utf-8")
    tab.page.locator("#choose-own-labels").set_input_files(good)
    tab.said(".tagging-file", "标签.csv: 1 label")
    tab.said(".run-text .status", "The labels below are of another choice")
    tab.label()
    tab.page.locator(".tagging-field select").select_option("both")
    tab.wait_for({name: ["warm / 暖"] if labels else [] for name, labels in labelled.items()})
    opened.errors.clear()  # the browser reports each request that was refused


@pytest.mark.extended
def test_threshold_and_most_labels_hold_at_once_without_a_run(serve, visit, numbered: list[Path]) -> None:
    scorer = ScriptedScorer(judge=warmth)
    tab = LabelsTab(visit(serve(page_with(scorer))))
    tab.upload(*numbered)
    tab.label("warm\n热\ncold")
    tab.wait_for({"猫 0.png": ["cold"], **{f"猫 {index}.png": ["warm", "热"] for index in (1, 2, 3)}})
    judged = len(scorer.batches)
    tab.page.locator(".tagging-field input[type=range]").fill("70")  # the pictures have 82, 62, 92 and 82 percent
    tab.wait_for({"猫 0.png": ["cold"], "猫 1.png": [], "猫 2.png": ["warm", "热"], "猫 3.png": ["warm", "热"]})
    tab.page.locator(".tagging-field input[type=number]").fill("1")
    tab.wait_for({"猫 0.png": ["cold"], "猫 1.png": [], "猫 2.png": ["warm"], "猫 3.png": ["warm"]})
    tab.page.get_by_role("button", name="reset").click()
    tab.page.locator(".tagging-field input[type=number]").fill("")
    tab.wait_for({"猫 0.png": ["cold"], **{f"猫 {index}.png": ["warm", "热"] for index in (1, 2, 3)}})
    assert len(scorer.batches) == judged


@pytest.mark.extended
def test_keys_move_open_and_check(serve, visit, numbered: list[Path]) -> None:
    tab = LabelsTab(visit(serve(page_with())))
    tab.upload(*numbered)
    tab.label("warm")
    tab.chip(tab.card("猫 3.png"), "warm").wait_for()
    tab.page.locator(f"{CARD} .card-open").first.focus()
    tab.page.keyboard.press("End")
    tab.page.keyboard.press("c")
    tab.page.locator(f"{CARD}.is-checked .card-name", has_text="猫 3.png").wait_for()
    tab.page.keyboard.press("ArrowLeft")
    tab.page.keyboard.press("Enter")
    tab.said(".lightbox-name", "猫 2.png")
    tab.page.keyboard.press("ArrowLeft")
    tab.said(".lightbox-name", "猫 1.png")
    tab.page.keyboard.press("a")
    tab.page.keyboard.type("my label")
    tab.page.keyboard.press("Enter")
    tab.said(".lightbox .tag-text >> nth=0", "my label")
    tab.page.keyboard.press("Escape")
    tab.page.wait_for_function("document.activeElement.getAttribute('aria-label')?.startsWith('猫 1.png, my label')")


@pytest.mark.extended
def test_a_drop_is_taken_by_the_tab_that_is_seen(serve, visit, numbered: list[Path], tmp_path: Path) -> None:
    opened = visit(serve(page_with()))
    tab = LabelsTab(opened)
    drop = """([names, texts]) => {
      const transfer = new DataTransfer();
      names.forEach((name, index) => transfer.items.add(new File([texts[index]], name)));
      for (const type of ["dragenter", "dragover", "drop"]) {
        document.querySelector(".reranker-labels .tagging").dispatchEvent(
          new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
      }
    }"""
    tab.page.evaluate(drop, [["mine.txt"], ["warm\ncold\n"]])
    tab.said(".tagging-file", "mine.txt: 2 labels")
    assert opened.page.locator("#query").input_value() == "", "the tab “Rank” has not taken it"
    tab.page.evaluate(drop, [["broken.jsonl"], ["{"]])
    tab.said(".tagging .message-text", "broken.jsonl")
    tab.said(".tagging-file", "mine.txt: 2 labels")
    opened.errors.clear()


@pytest.mark.extended
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_overflows(serve, visit, numbered: list[Path], width: int) -> None:
    def judge(query: Query, content: bytes) -> float:
        return 1.0

    tab = LabelsTab(visit(serve(page_with(ScriptedScorer(judge=judge))), viewport={"width": width, "height": 900}))
    tab.upload(*numbered)
    tab.label("\n".join(f"a very long label of something that is hard to say {index}" * 2 for index in range(20)))
    tab.said(".headline-counts", "4 of 4")
    tab.page.locator(f"{CARD} .tag-more").first.click()
    assert tab.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    tab.page.locator(f"{CARD} .card-open").first.click()
    tab.page.locator(".tag-input").fill("x" * 150)
    tab.page.keyboard.press("Enter")
    tab.said(".lightbox .tag-text >> nth=0", "xxx")
    side = "document.querySelector('.tagging-lightbox .lightbox-side')"
    assert tab.page.evaluate(f"{side}.scrollWidth - {side}.clientWidth") <= 0

"""The tab “Evaluate” in a real browser."""

import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from reranker import Reranker, Settings
from tests.support.numbered_pictures import number_in
from tests.support.paced_scorer import PacedScorer
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.visitor import HOSTILE

pytestmark = pytest.mark.browser

QUERY = "#label-query input, #label-query textarea"


def open_tab(tab, pictures: int) -> None:
    tab.page.get_by_role("tab", name=re.compile("Evaluate|评测")).click()
    tab.page.wait_for_function(f"document.querySelectorAll('#label-grid .pictures button').length === {pictures}")


def said(tab, part: str, text: str | re.Pattern) -> str:
    """A message, once it contains this text: that of the "label" or of the "evaluation"."""
    line = tab.page.locator(f"#{part}-status .text", has_text=text)
    line.wait_for()
    return line.inner_text()


def mark(tab, *names: str) -> None:
    for name in names:
        tab.page.locator(f"#label-grid .pictures button[title='{name}']").click()


def label(tab, query: str, *names: str) -> None:
    tab.page.locator(QUERY).fill(query)
    mark(tab, *names)
    tab.page.locator("#label-grid button.add").click()
    said(tab, "label", query)


def listed(tab) -> list[str]:
    return tab.page.locator("#labelled-queries button.open").all_inner_texts()


def shown_names(tab) -> list[str]:
    return tab.page.locator("#label-grid .pictures button").evaluate_all("all => all.map((one) => one.title)")


def marked_names(tab) -> list[str]:
    return tab.page.locator("#label-grid [aria-pressed=true]").evaluate_all("all => all.map((one) => one.title)")


def violations(tab) -> list[str]:
    found = Axe().run(tab.page, options={"preload": False}).response["violations"]
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]


@pytest.mark.extended
def test_what_is_labelled_is_evaluated_and_still_there_after_a_reload(serve, visit, numbered) -> None:
    tab = visit(serve(Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(model="toybox"))))
    connections: list[str] = []
    tab.page.on("request", lambda request: "heartbeat" in request.url and connections.append(request.url))
    open_tab(tab, 0)
    assert "appear here" in tab.page.locator("#label-grid .empty").inner_text()
    tab.page.locator("#evaluate").click()
    said(tab, "evaluation", "The test set is empty")
    tab.page.get_by_role("tab", name="Rank").click()
    tab.upload(*numbered)
    open_tab(tab, 4)
    assert tab.page.locator("#evaluation-status .text").inner_text() == "", "it was of an earlier action"
    label(tab, HOSTILE, numbered[2].name, numbered[3].name)
    label(tab, "黑猫", numbered[0].name)
    assert tab.page.locator(QUERY).input_value() == ""
    tab.page.locator("#evaluate").click()
    said(tab, "evaluation", "2 sentences evaluated")
    assert tab.page.locator("#label-status .text").inner_text() == ""
    results = tab.page.locator("#evaluation")
    assert results.locator(".headline").inner_text() == "A relevant picture came first for 1 of 2 sentences."
    heads = results.locator("table").first.locator("thead th").all_inner_texts()
    assert [" ".join(head.split()) for head in heads] == [
        "Method",
        "First right the best-ranked picture matches",
        "Within 3 a matching picture is among the first three",
    ]
    assert not results.get_by_text("nDCG@10").first.is_visible()
    picture = results.locator("table img").first
    tab.page.wait_for_function("(image) => image.naturalWidth > 0", arg=picture.element_handle())
    tab.page.reload()
    open_tab(tab, 4)
    assert listed(tab) == ["黑猫", HOSTILE]
    assert results.locator(".headline").count() == 1
    assert connections == []
    assert tab.page.title() != "owned"
    assert tab.page.locator("img[src=x]").count() == 0


@pytest.mark.extended
def test_every_text_follows_the_language_and_figures_are_saved(serve, visit, numbered) -> None:
    tab = visit(serve(Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(model="toybox"))))
    tab.upload(*numbered)
    open_tab(tab, 4)
    label(tab, "猫", numbered[2].name)
    tab.page.locator("#method-low input").check()
    tab.page.locator("#evaluate").click()
    said(tab, "evaluation", "1 sentence evaluated")
    tab.page.locator("#evaluation .more summary").click()
    with tab.page.expect_download() as download:
        tab.page.locator("#evaluation .csv").click()
    size_kb = max(0.1, Path(download.value.path()).stat().st_size / 1000)
    said(tab, "evaluation", f"evaluation.csv was downloaded ({size_kb:.1f} kB).")
    tab.page.get_by_role("button", name="中文").click()
    said(tab, "evaluation", "已下载 evaluation.csv")
    tab.page.get_by_role("button", name="开始评测").wait_for()
    assert tab.page.get_by_role("tab", name="评测").count() == 1
    texts = tab.page.locator(".gradio-container [role=tabpanel]:visible").inner_text()
    assert set(re.findall("[A-Za-z]{3,}", texts)) <= {
        "png",
        "evaluation",
        "csv",
        "token",
        "toybox",
        "fp32",
        "MRR",
        "nDCG",
        "CSV",
        "scripted",
    }
    assert tab.page.locator(QUERY).get_attribute("placeholder") == "一句话，中文、英文或混合均可"


@pytest.mark.extended
def test_likely_pictures_come_first_and_the_original_order_comes_back(serve, visit, numbered) -> None:
    paced = PacedScorer()
    tab = visit(serve(Reranker(scorer=paced.scorer, settings=Settings.of(model="toybox"))))
    tab.upload(*numbered)
    open_tab(tab, 4)
    before = shown_names(tab)
    tab.page.locator(QUERY).fill("a cat")
    mark(tab, numbered[0].name)
    tab.page.get_by_role("button", name="Likely ones first").click()
    paced.allow()
    said(tab, "label", "1/4 pictures scored")
    tab.page.get_by_role("button", name="Stop ordering").click()
    said(tab, "label", "Stopping after this batch")
    paced.allow(8)
    said(tab, "label", "Stopped.")
    assert shown_names(tab) == before
    tab.page.get_by_role("button", name="Likely ones first").click()
    said(tab, "label", "The most relevant pictures come first")
    assert shown_names(tab) == [numbered[index].name for index in (2, 3, 1, 0)]
    assert marked_names(tab) == [numbered[0].name]
    tab.page.get_by_role("button", name="Original order").click()
    assert (shown_names(tab), marked_names(tab)) == (before, [numbered[0].name])


@pytest.mark.extended
def test_a_test_set_is_saved_and_opened_in_another_session(serve, visit, numbered, tmp_path) -> None:
    url = serve(Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(model="toybox")))
    tab, other = visit(url), visit(url)
    tab.upload(*numbered)
    open_tab(tab, 4)
    assert tab.page.get_by_role("button", name="Save the test set").is_disabled()
    label(tab, "a cat", numbered[1].name)
    label(tab, "a dog", numbered[2].name, numbered[3].name)
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="Save the test set").click()
    assert download.value.suggested_filename == "labels.jsonl"
    content = Path(download.value.path()).read_bytes()
    said(tab, "label", f"labels.jsonl was downloaded: 2 sentences, {len(content) / 1000:.1f} kB.")
    renamed = tmp_path / "renamed.png"
    renamed.write_bytes(numbered[1].read_bytes())
    other.upload(renamed, numbered[2], numbered[3])
    open_tab(other, 3)
    file = tmp_path / "labels.jsonl"
    file.write_bytes(content)
    other.page.locator("#labelled-queries input[type=file]").set_input_files(file)
    said(other, "label", f"3 of its 4 pictures are here. Not here: {numbered[0].name}.")
    assert listed(other) == ["a dog", "a cat"]
    other.page.locator("#labelled-queries button.open", has_text="a cat").click()
    said(other, "label", "The marks of “a cat” are shown")
    assert marked_names(other) == ["renamed.png"]
    other.page.locator("#labelled-queries input[type=file]").set_input_files(
        {"name": "x.jsonl", "mimeType": "text/plain", "buffer": json.dumps([1]).encode()}
    )
    said(other, "label", "“x.jsonl” cannot be used")


@pytest.mark.extended
def test_labels_go_on_while_an_evaluation_runs_and_stop_ends_it(serve, visit, numbered) -> None:
    paced = PacedScorer()
    tab = visit(serve(Reranker(scorer=paced.scorer, settings=Settings.of(model="toybox"))))
    tab.upload(*numbered)
    open_tab(tab, 4)
    label(tab, "a cat", numbered[2].name)
    assert tab.page.locator("#stop-evaluation").is_disabled()
    tab.page.locator("#evaluate").click()
    paced.allow()
    said(tab, "evaluation", "1/4")
    assert tab.page.locator("#evaluation-status [role=progressbar]").get_attribute("aria-valuenow") == "25"
    label(tab, "a dog", numbered[0].name)
    tab.page.get_by_role("button", name="Remove a cat").click()
    said(tab, "label", "removed from the test set")
    assert tab.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Remove a dog"
    second = visit(tab.page.url)  # another tab of the same session
    open_tab(second, 4)
    said(second, "evaluation", "1/4")
    second.page.locator("#stop-evaluation").click()
    said(second, "evaluation", "Stopping")
    paced.allow(3)
    for each in (tab, second):
        said(each, "evaluation", "Stopped; an unfinished evaluation")
        assert listed(each) == ["a dog"]
        assert each.page.locator("#evaluation table").count() == 0
    paced.allow(4)
    second.page.locator("#evaluate").click()
    said(second, "evaluation", "1 sentence evaluated")


@pytest.mark.extended
def test_the_tab_follows_the_pictures_and_every_session_has_its_own_set(serve, visit, numbered) -> None:
    url = serve(Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(model="toybox")))
    tab, other = visit(url), visit(url)
    for each in (tab, other):
        each.upload(*numbered)
        open_tab(each, 4)
    label(tab, "a car", numbered[1].name)
    label(other, "a cat", numbered[2].name)
    second = visit(tab.page.url)  # another tab of the same session
    open_tab(second, 4)
    assert (listed(second), listed(other)) == (["a car"], ["a cat"])
    second.page.get_by_role("tab", name="Rank").click()
    second.page.locator(".manage").click()
    second.page.get_by_role("button", name="Remove all").click()
    tab.page.locator("#labelled-queries li.unused", has_text="not evaluated").wait_for()
    assert tab.page.locator("#label-status .text").inner_text() == "", "the pictures have changed"


@pytest.mark.extended
@pytest.mark.parametrize(("theme", "language"), [("light", "en-US"), ("dark", "zh-CN")])
def test_axe_finds_nothing_and_nothing_overflows(serve, visit, numbered, theme: str, language: str) -> None:
    url = serve(Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(model="toybox")))
    tab = visit(f"{url}?__theme={theme}", language, reduced_motion="reduce")
    tab.upload(*numbered)
    open_tab(tab, 4)
    tab.page.locator("#evaluate").click()
    tab.page.locator("#evaluation-status .trouble").wait_for()
    found = violations(tab)
    label(tab, "a blue car beside a house that stands on grass beneath a very long description", numbered[0].name)
    mark(tab, numbered[1].name)
    for box in ("rating", "low", "high"):
        tab.page.locator(f"#method-{box} input").check()
    tab.page.locator("#evaluate").click()
    tab.page.locator("#evaluation-status .done").wait_for()
    tab.page.locator("#evaluation .more summary").first.click()
    found += violations(tab)
    assert found == []
    for width in (360, 390, 768, 1280):
        tab.page.set_viewport_size({"width": width, "height": 800})
        assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width

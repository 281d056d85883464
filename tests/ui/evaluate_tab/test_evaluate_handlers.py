"""Evaluating the labelled queries of the tab, and stopping."""

import asyncio
import re
from pathlib import Path

import pytest

from reranker import Settings
from tests.support.evaluate_tab import (
    ONE_METHOD,
    TWO_METHODS,
    EvaluateTab,
    Missing,
    picture_id,
    shown,
    text,
)
from tests.support.numbered_pictures import numbered_picture
from tests.support.paced_scorer import PacedScorer
from tests.support.visitor import visitor


def test_an_evaluation_ends_in_plain_sentences_and_a_table(tab, numbers):
    tab.add("right", numbers[1])
    tab.add("wrong", numbers[0])
    first, *_, last = tab.evaluate(*TWO_METHODS)
    assert text(first["evaluation_said"]) == "0/16 · reading the pictures"
    assert (first["start"]["interactive"], first["stop"]["interactive"]) == (False, True)
    assert (last["start"]["interactive"], last["stop"]["interactive"]) == (True, False)
    assert re.fullmatch(r"2 sentences evaluated · \d+\.\d s · the results are below", text(last["evaluation_said"]))
    results = last["evaluation"]["en"]
    assert results["headlines"] == [
        "With “yes or no · usual (2 tokens)”, the relevant picture came first for 1 of 2 sentences.",
        "With “rating · usual (2 tokens)”, the relevant picture came first for 1 of 2 sentences.",
    ]
    assert [head["title"] for head in results["main"]["heads"]] == ["First right", "Within 3"]
    assert results["main"]["rows"][0]["cells"] == [{"text": "50%", "note": "1/2"}, {"text": "50%", "note": "1/2"}]
    assert [row["name"] for row in results["rows"]] == ["yes or no · usual (2 tokens)", "rating · usual (2 tokens)"]
    figures = dict(zip([head["title"] for head in results["heads"]], results["rows"][0]["cells"], strict=True))
    assert (figures["First right"]["note"], figures["MRR"]["text"]) == ("0 to 100", "0.625")
    assert [row["query"] for row in results["wrong"]] == ["wrong"]
    cell = results["wrong"][0]["cells"][0]
    assert (cell["text"], cell["title"], cell["picture"]) == ("#4", "b.png was ranked first", picture_id(numbers[1]))
    (verdict,) = results["verdicts"]
    assert (verdict["real"], "do not differ significantly" in verdict["text"]) == (False, True)
    assert results["notes"] == [
        "With fewer than 30 sentences only large differences are significant; label more to be sure."
    ]


def test_one_method_needs_no_name_and_several_relevant_pictures_another_word(tab, numbers):
    tab.add("right", numbers[1], numbers[3])
    (headline,) = tab.evaluate(*ONE_METHOD)[-1]["evaluation"]["en"]["headlines"]
    assert headline == "A relevant picture came first for 1 of 1 sentence."


def test_everything_is_said_in_both_languages(tab, numbers):
    tab.add("right", numbers[0])
    last = tab.evaluate(*TWO_METHODS)[-1]
    assert last["evaluation_said"]["text"]["zh"].startswith("已评测 1 个句子")
    english, chinese = last["evaluation"]["en"], last["evaluation"]["zh"]
    assert chinese["rows"][0]["name"] == "是或否 · 常规（2 token）"

    def texts(results: dict) -> list[str]:
        mistake = results["wrong"][0]["cells"][0]["title"]
        heads = [head[part] for head in results["main"]["heads"] for part in ("title", "meaning")]
        return [
            *results["headlines"],
            *heads,
            results["caption"],
            *results["notes"],
            results["verdicts"][0]["text"],
            mistake,
        ]

    assert not set(texts(english)) & set(texts(chinese))
    assert not re.search("[A-Za-z]{5,}", " ".join(texts(chinese)).replace("toybox", "").replace("token", ""))


@pytest.mark.parametrize(
    ("labelled", "kept", "checked", "said"),
    [
        (False, 4, ONE_METHOD, "The test set is empty; write a sentence"),
        (True, 1, ONE_METHOD, "All pictures of the test set were removed"),
        (True, 4, (False, False, True, True, True), "There is nothing to compare; choose at least one"),
        (True, 4, (True, True, False, False, False), "There is nothing to compare; choose at least one"),
        (True, 4, ("yes", 1, None, True, {}), "There is nothing to compare; choose at least one"),
    ],
)
def test_too_early_is_a_sentence(tab, numbers, labelled, kept, checked, said):
    if labelled:
        tab.add("a cat", numbers[1])
    tab.show(numbers[:kept])
    (only,) = tab.evaluate(*checked)
    assert (only["evaluation_said"]["tone"], text(only["evaluation_said"]).startswith(said)) == ("trouble", True), only
    assert tab.stop() == {"labels_said": only["labels_said"]}, "nothing is running"


def test_what_was_found_before_stays_when_the_next_one_fails(tab, numbers):
    tab.add("a cat", numbers[1])
    before = tab.evaluate(*ONE_METHOD)[-1]["evaluation"]
    tab.evaluate()
    assert tab.draw()["evaluation"] == before


def test_results_say_that_the_set_or_its_pictures_have_changed(tab, numbers):
    tab.add("a cat", numbers[1])
    assert tab.evaluate(*ONE_METHOD)[-1]["evaluation"]["en"]["outdated"] == ""
    changed = tab.add("a dog", numbers[2])["evaluation"]
    assert changed["en"]["outdated"].startswith("The test set or its pictures have changed")
    assert changed["zh"]["outdated"].startswith("此后测试集")
    assert tab.change(action="remove", query="a dog")["evaluation"]["en"]["outdated"] == ""
    tab.show(numbers[1:])
    assert tab.draw()["evaluation"]["en"]["outdated"]


def test_the_size_of_the_csv_is_said(tab, numbers):
    tab.add("a cat", numbers[1])
    tab.evaluate(*ONE_METHOD)
    values = shown(tab.evaluate_handlers.tell_download(tab.session.id, visitor()))
    assert re.fullmatch(r"evaluation\.csv was downloaded \(0\.\d kB\)\.", text(values["evaluation_said"]))


def test_pictures_that_could_not_be_judged_are_counted(tab, numbers):
    Path(numbers[1]).write_text("no number")
    tab.add("a cat", numbers[1])
    results = tab.evaluate(*ONE_METHOD)[-1]["evaluation"]["en"]
    assert results["notes"][-1].endswith("1 picture could not be scored, and counts as not found.")
    assert results["wrong"][0]["cells"][0]["text"] == "not found"


def test_a_model_that_cannot_be_loaded_is_a_sentence(tmp_path, numbers):
    tab = EvaluateTab.of(Missing(settings=Settings.of(model="toybox")), tmp_path)
    tab.show(numbers)
    tab.add("a cat", numbers[1])
    last = tab.evaluate(*ONE_METHOD)[-1]
    assert text(last["evaluation_said"]).startswith("The model “lychee” is not on this machine")
    assert (last["evaluation"], last["start"]["interactive"]) == ({}, True)


# An evaluation that runs


@pytest.fixture
def paced() -> PacedScorer:
    return PacedScorer()


@pytest.fixture
def slow_tab(paced, tmp_path, numbers) -> EvaluateTab:
    """A tab whose model scores as many pictures as the test has allowed."""
    tab = EvaluateTab.of(paced.scorer, tmp_path)
    for path in numbers:
        Path(path).write_bytes(numbered_picture(Path(path).read_text()))
    tab.show(numbers)
    tab.add("a cat", numbers[1])
    return tab


async def started(tab: EvaluateTab) -> dict:
    """Start an evaluation, and close the browser at once."""
    run = tab.evaluate_handlers.evaluate(tab.session.id, visitor(), *ONE_METHOD)
    first = shown(await anext(run))
    await run.aclose()
    return first


def test_an_evaluation_goes_on_without_its_browser_and_another_one_shows_it(slow_tab, paced, numbers):
    assert asyncio.run(started(slow_tab))["evaluation_said"]["tone"] == "busy"
    drawn = slow_tab.draw()
    assert (drawn["evaluation_said"]["tone"], drawn["stop"]["interactive"]) == ("busy", True)
    assert "evaluation_said" not in slow_tab.add("a dog", numbers[0]), "the run itself speaks"
    paced.allow(4)
    last = slow_tab.follow()[-1]
    assert text(last["evaluation_said"]).startswith("1 sentence evaluated")
    assert last["evaluation"]["en"]["headlines"] == ["The relevant picture came first for 1 of 1 sentence."]
    assert slow_tab.follow() == [{}], "nothing is running any more"


def test_a_second_press_joins_the_evaluation_that_runs(slow_tab, paced):
    asyncio.run(started(slow_tab))
    paced.entered.wait()
    paced.allow(4)
    assert text(slow_tab.evaluate(*TWO_METHODS)[-1]["evaluation_said"]).startswith("1 sentence evaluated")
    assert len(slow_tab.draw()["evaluation"]["en"]["rows"]) == 1


def test_stopping_leaves_nothing_half(slow_tab, paced):
    asyncio.run(started(slow_tab))
    paced.entered.wait()
    assert text(slow_tab.stop()["evaluation_said"]) == "Stopping after this batch …"
    paced.allow(4)
    last = slow_tab.follow()[-1]
    assert text(last.get("evaluation_said") or slow_tab.session.evaluation.said.value).startswith(
        "Stopped; an unfinished"
    )
    assert slow_tab.draw()["evaluation"] == {}


def test_a_session_that_is_forgotten_stops_its_evaluation(slow_tab, paced):
    asyncio.run(started(slow_tab))
    paced.entered.wait()
    slow_tab.session.forget()
    paced.allow(4)

    async def end() -> None:
        async for _ in slow_tab.session.evaluation.follow():
            pass

    asyncio.run(end())
    assert slow_tab.session.evaluation.result is None

"""Evaluating the labelled queries of the tab, and stopping."""

import csv
import re
from pathlib import Path

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import CheckpointNotDownloaded
from reranker.ui.evaluate_tab.evaluate_handlers import EvaluateState
from reranker.ui.evaluate_tab.label_handlers import LabelledQueries
from tests.support.browser import Paced
from tests.support.evaluate_tab import ONE_METHOD, TWO_METHODS, added, evaluate_tab, evaluated, picture_key
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.visitor import visitor


def test_an_evaluation_tells_how_far_it_is_and_ends_in_a_table(tab, numbers):
    _, sets, *_ = added(tab, "right", numbers, numbers[1])
    _, sets, *_ = added(tab, "wrong", numbers, numbers[0], sets=sets)
    *running, last = evaluated(tab, numbers, sets, *TWO_METHODS)
    assert running[0][0]["text"] == "0/16 · reading the pictures"
    assert re.match(r"\d+/16 · rating · usual \(2 tokens\)", running[1][0]["text"])
    assert [buttons["interactive"] for buttons in running[0][2:]] == [False, True]
    assert [buttons["interactive"] for buttons in last[2:]] == [True, False]
    status, state, *_ = last
    assert re.fullmatch(r"2 sentences evaluated · \d+\.\d s · the results are below", status["text"])
    said, board, csv_button = tab.evaluate_handlers.draw(tab.session.id, state, visitor())
    assert (said, csv_button["visible"]) == (status, True)
    assert [row["name"] for row in board["rows"]] == ["yes or no · usual (2 tokens)", "rating · usual (2 tokens)"]
    figures = dict(zip([head["title"] for head in board["heads"]], board["rows"][0]["cells"], strict=True))
    assert figures["First right"]["text"] == "50.0%"
    assert figures["First right"]["note"] == "0 to 100"
    assert figures["MRR"]["text"] == "0.625"
    assert [row["query"] for row in board["wrong"]] == ["wrong"]
    assert [(cell["text"], cell["title"]) for cell in board["wrong"][0]["cells"]] == [
        ("#4", "b.png was ranked first")
    ] * 2
    assert board["wrong"][0]["cells"][0]["src"] == picture_key(tab, numbers[1])
    (verdict,) = board["verdicts"]
    assert (verdict["real"], "do not differ significantly" in verdict["text"]) == (False, True)
    assert board["notes"] == [
        "With fewer than 30 sentences only large differences are significant; label more to be sure."
    ]


def test_an_evaluation_is_told_again_in_another_language(tab, numbers):
    _, sets, *_ = added(tab, "right", numbers, numbers[0])
    _, state, *_ = evaluated(tab, numbers, sets, *TWO_METHODS)[-1]
    (_, english, _), (said, chinese, _) = (
        tab.evaluate_handlers.draw(tab.session.id, state, visitor(language)) for language in ("en", "zh-CN")
    )
    assert said["text"].startswith("已评测 1 个句子")
    assert chinese["rows"][0]["name"] == "是或否 · 常规（2 token）"
    texts = [
        english["caption"],
        *english["notes"],
        english["verdicts"][0]["text"],
        english["wrong"][0]["cells"][0]["title"],
    ]
    others = [
        chinese["caption"],
        *chinese["notes"],
        chinese["verdicts"][0]["text"],
        chinese["wrong"][0]["cells"][0]["title"],
    ]
    assert not set(texts) & set(others)
    assert not re.search("[A-Za-z]{5,}", " ".join(others).replace("toybox", "").replace("token", ""))


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
    sets = added(tab, "a cat", numbers, numbers[1])[1] if labelled else LabelledQueries()
    (only,) = evaluated(tab, numbers[:kept], sets, *checked)
    assert (only[0]["tone"], only[0]["text"].startswith(said)) == ("trouble", True), only[0]
    assert [buttons["interactive"] for buttons in only[2:]] == [True, False]


def test_what_was_found_before_stays_when_the_next_one_fails(tab, numbers):
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, state, *_ = evaluated(tab, numbers, sets, *ONE_METHOD)[-1]
    _, later, *_ = evaluated(tab, numbers, sets, state=state)[-1]
    assert later.evaluation is state.evaluation
    said, board, _ = tab.evaluate_handlers.draw(tab.session.id, later, visitor())
    assert (said["tone"], len(board["rows"])) == ("trouble", 1)


def test_stopping_leaves_nothing_half(upload_folder, numbers):
    paced = Paced()
    tab = evaluate_tab(
        Reranker(scorer=paced.scorer, settings=Settings.of(model="toybox", score_store_mb=0)), upload_folder
    )
    _, before, *_ = evaluated(tab, numbers, LabelledQueries(), *ONE_METHOD)[-1]
    assert tab.evaluate_handlers.draw(tab.session.id, before, visitor())[0]["text"].startswith("The test set is empty")
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    run = tab.evaluate_handlers.evaluate(tab.session.id, sets, EvaluateState(), visitor(), *ONE_METHOD)
    paced.allowed.release()
    assert next(run)[0]["tone"] == "busy"
    assert "text" not in tab.evaluate_handlers.draw(tab.session.id, before, visitor())[0], "the run itself speaks"
    assert tab.evaluate_handlers.stop(visitor())["text"] == "Stopping after this batch …"
    for _ in range(4):
        paced.allowed.release()
    *_, last = run
    assert (last[0]["text"], last[1].evaluation) == ("Stopped; an unfinished evaluation has no results.", None)
    assert "text" not in tab.evaluate_handlers.stop(visitor())


def test_who_leaves_ends_the_evaluation(tab):
    stop = tab.tabs.start_run(visitor())
    tab.tabs.close(visitor())
    assert stop.cancelled


def test_a_model_that_cannot_be_loaded_is_a_sentence(upload_folder, numbers):
    class Missing(Reranker):
        def load(self):
            raise CheckpointNotDownloaded(name="lychee")

    tab = evaluate_tab(Missing(settings=Settings.of(model="toybox")), upload_folder)
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    last = evaluated(tab, numbers, sets, *ONE_METHOD)[-1]
    assert last[0]["text"].startswith("The model “lychee” is not on this machine")
    assert tab.evaluate_handlers.draw(tab.session.id, last[1], visitor())[1] is None


def test_pictures_that_could_not_be_judged_are_counted(tab, numbers):
    Path(numbers[1]).write_text("no number")
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, state, *_ = evaluated(tab, numbers, sets, *ONE_METHOD)[-1]
    board = tab.evaluate_handlers.draw(tab.session.id, state, visitor())[1]
    assert board["notes"][-1].endswith("1 picture could not be scored, and counts as not found.")
    assert board["wrong"][0]["cells"][0]["text"] == "not found"


def test_the_figures_are_taken_away_as_csv(tab, numbers):
    assert tab.evaluate_handlers.download(EvaluateState(), visitor())["value"] is None
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, state, *_ = evaluated(tab, numbers, sets, *TWO_METHODS)[-1]
    file = Path(tab.evaluate_handlers.download(state, visitor())["value"])
    assert (file.name, file.is_relative_to(tab.uploads.folder)) == ("evaluation.csv", True)
    rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    assert [(row["scoring"], float(row["first"])) for row in rows] == [("yes-no", 1.0), ("rating", 1.0)]


def test_pictures_of_one_name_are_told_apart(tab, numbers):
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, state, *_ = evaluated(tab, numbers, sets, *ONE_METHOD)[-1]
    (labelled,) = state.evaluation.dataset.sets
    assert [picture.name for picture in labelled.pictures] == ["a.png", "b.png", "a (2).png", "猫.png"]


@pytest.mark.parametrize(
    ("settings", "details", "own"),
    [
        ({}, ("low", "usual", "high"), {"yes-no", "usual"}),
        ({"detail": "auto", "scoring": "rating"}, ("low", "usual", "high"), {"rating", "usual"}),
        ({"detail": "high"}, ("low", "usual", "high"), {"yes-no", "high"}),
        ({"detail": "36"}, ("low", "usual", "high", "36"), {"yes-no", "36"}),
    ],
)
def test_the_own_way_is_chosen_from_the_beginning(upload_folder, settings, details, own):
    reranker = Reranker(scorer=ScriptedScorer(), settings=Settings.of(model="toybox", **settings))
    evaluating = evaluate_tab(reranker, upload_folder).evaluate_handlers
    assert (evaluating.details, evaluating.defaults) == (details, own)

"""The tab “Evaluate”: pictures are marked, the set that comes of it is judged in several ways, and a table says how."""

import csv
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import CheckpointNotDownloaded
from reranker.evaluation.results import Configuration, Difference, Interval
from reranker.labelling.label_file import LabelledQuery
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.evaluate_tab.evaluate_handlers import EvaluateHandlers, EvaluateState
from reranker.ui.evaluate_tab.label_handlers import MAX_LABELLED_QUERIES, LabelHandlers, LabelledQueries
from reranker.ui.evaluate_tab.results_view import evaluation_value, method_name
from reranker.ui.sessions import BrowserSessions
from reranker.ui.uploads import Uploads
from tests.support.browser import Paced
from tests.support.scripted_scorer import ScriptedScorer, number
from tests.support.visitor import HOSTILE, visitor

VALUES = ("-1.5", "2.5", "0.5", "1.5")


@pytest.fixture
def numbers(upload_folder) -> list[str]:
    """Uploaded files that hold their own log-odds; two of them have one name."""
    paths = [upload_folder / str(place) / name for place, name in enumerate(("a.png", "b.png", "a.png", "猫.png"))]
    for path, value in zip(paths, VALUES, strict=True):
        path.parent.mkdir()
        path.write_text(value)
    return [str(path) for path in paths]


def tab_of(reranker: Reranker, folder: Path) -> SimpleNamespace:
    """What serves the events of the tab."""
    uploads, visitors = Uploads(folder), BrowserSessions()
    thumbnails = ThumbnailStore(uploads, reranker.limits, 2)
    marking = LabelHandlers(reranker, uploads, thumbnails, visitors)
    evaluating = EvaluateHandlers(reranker, uploads, thumbnails, visitors, marking)
    return SimpleNamespace(marking=marking, evaluating=evaluating, visitors=visitors, folder=folder)


@pytest.fixture
def tab(upload_folder) -> SimpleNamespace:
    scorer = ScriptedScorer(judge=number)
    return tab_of(Reranker(scorer=scorer, settings=Settings.of(model="toybox", score_store_mb=0)), upload_folder)


def key(tab: SimpleNamespace, path: str) -> str:
    """By what the browser knows a picture."""
    return str(tab.marking._uploads.thumbnail(Path(path)))


def pressed(**data: object) -> SimpleNamespace:
    return SimpleNamespace(_data=data)


def added(tab, query: object, items: list, *right: str, sets: LabelledQueries | None = None, who=None) -> list:
    marks = pressed(action="add", relevant=[key(tab, path) for path in right])
    return tab.marking.add(query, items, sets or LabelledQueries(), marks, who or visitor())


def evaluated(
    tab, items: list, sets: LabelledQueries, *checked: bool, state: EvaluateState | None = None
) -> list[list]:
    """All that a run shows. checked: yes-no, rating, low, usual, high."""
    return list(tab.evaluating.evaluate(items, sets, state or EvaluateState(), visitor(), *checked))


ONE_WAY, TWO_WAYS = (True, False, False, True, False), (True, True, False, True, False)


# Labelling


def test_what_is_marked_becomes_a_set_and_the_board_is_ready_for_the_next(tab, numbers):
    said, sets, board, shown, query = added(tab, " a cat ", numbers, numbers[1], numbers[3])
    assert (said["tone"], said["text"]) == (
        "done",
        "“a cat” was added to the test set; continue with another sentence.",
    )
    (one,) = sets.queries
    assert (one.query, [str(path) for path in one.relevant]) == ("a cat", [numbers[1], numbers[3]])
    assert [str(path) for path in one.pictures] == numbers
    assert (board["relevant"], query) == ([], "")
    assert [row["name"] for row in board["pictures"]] == ["a.png", "b.png", "a.png", "猫.png"]
    assert [(row["query"], row["count"]) for row in shown["queries"]] == [("a cat", "2 of 4 right")]


def test_a_query_is_there_once_and_the_latest_stands_first(tab, numbers):
    _, sets, *_ = added(tab, "a cat", numbers, numbers[0])
    _, sets, *_ = added(tab, "一只狗", numbers, numbers[1], sets=sets)
    _, sets, *_ = added(tab, "a cat", numbers, numbers[2], sets=sets)
    assert [(one.query, str(one.relevant[0])) for one in sets.queries] == [
        ("a cat", numbers[2]),
        ("一只狗", numbers[1]),
    ]


@pytest.mark.parametrize(
    ("query", "kept", "right", "said"),
    [
        ("a cat", 0, (), "Too few pictures: 0 given, at least 2 needed"),
        ("a cat", 1, (0,), "Too few pictures: 1 given, at least 2 needed"),
        ("a cat", 4, (), "No picture is marked; mark every picture"),
        ("a cat", 4, (0, 1, 2, 3), "All pictures are marked, so every order"),
        (" ", 4, (0,), "The sentence is empty"),
        (None, 4, (0,), "The sentence is empty"),
        ("x" * 1001, 4, (0,), "The sentence has 1,001 characters"),
    ],
)
def test_a_mistake_in_marking_is_a_sentence_and_the_marks_stay(tab, numbers, query, kept, right, said):
    status, sets, board, _, left = added(tab, query, numbers[:kept], *(numbers[place] for place in right))
    assert (status["tone"], status["text"].startswith(said)) == ("trouble", True), status
    assert (sets.queries, board["relevant"], "value" in left) == ((), None, False)
    (again, *_) = tab.marking.draw(numbers[:kept], sets, visitor("zh-CN"))
    assert again["text"] != status["text"], "it is said again in another language"


def test_marks_of_what_is_not_in_the_gallery_count_for_nothing(tab, numbers, upload_folder):
    (upload_folder / "other.png").write_text("1")
    for marks in (["/etc/passwd", str(upload_folder / "other.png"), 5, {}, None], "x", None):
        status, *_ = tab.marking.add("a cat", numbers, LabelledQueries(), pressed(relevant=marks), visitor())
        assert status["text"].startswith("No picture is marked")


def test_no_more_sets_are_kept_than_some(tab, numbers):
    full = LabelledQueries(
        queries=tuple(LabelledQuery(query=str(at), pictures=(), relevant=()) for at in range(MAX_LABELLED_QUERIES))
    )
    status, sets, *_ = added(tab, "one more", numbers, numbers[0], sets=full)
    assert (status["tone"], len(sets.queries)) == ("trouble", MAX_LABELLED_QUERIES)
    assert added(tab, "7", numbers, numbers[0], sets=full)[0]["tone"] == "done", "another in the place of one"


def test_a_set_is_opened_and_removed(tab, numbers):
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, sets, *_ = added(tab, "a dog", numbers, numbers[2], sets=sets)
    status, sets, board, _, query = tab.marking.change(numbers, sets, pressed(action="open", query="a cat"), visitor())
    assert (board["relevant"], query) == ([key(tab, numbers[1])], "a cat")
    assert status["text"].startswith("The marks of “a cat” are shown")
    _, left, board, shown, query = tab.marking.change(numbers, sets, pressed(action="remove", query="a cat"), visitor())
    assert [one["query"] for one in shown["queries"]] == ["a dog"] == [one.query for one in left.queries]
    assert (board["relevant"], "value" in query) == (None, False)
    assert tab.marking.change(numbers, left, pressed(action="remove", query="none"), visitor())[1] is left


def test_a_picture_that_leaves_the_gallery_drops_out_and_comes_back(tab, numbers):
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1], numbers[3])
    _, board, shown = tab.marking.draw([numbers[0], numbers[3]], sets, visitor())
    assert (len(board["pictures"]), shown["queries"][0]["count"]) == (2, "1 of 2 right")
    (one,) = tab.marking.usable([numbers[0], numbers[3]], sets)
    assert [str(path) for path in one.pictures] == [numbers[0], numbers[3]]
    _, _, shown = tab.marking.draw(numbers[:1], sets, visitor("zh"))
    assert shown["queries"][0]["note"] == "不参与评测：图片已移除"
    assert tab.marking.usable(numbers[:1], sets) == []
    assert tab.marking.draw(numbers, sets, visitor())[2]["queries"][0]["count"] == "2 of 4 right"


# Evaluating


def test_an_evaluation_tells_how_far_it_is_and_ends_in_a_table(tab, numbers):
    _, sets, *_ = added(tab, "right", numbers, numbers[1])
    _, sets, *_ = added(tab, "wrong", numbers, numbers[0], sets=sets)
    *running, last = evaluated(tab, numbers, sets, *TWO_WAYS)
    assert running[0][0]["text"] == "0/16 · reading the pictures"
    assert re.match(r"\d+/16 · rating · usual \(2 tokens\)", running[1][0]["text"])
    assert [buttons["interactive"] for buttons in running[0][2:]] == [False, True]
    assert [buttons["interactive"] for buttons in last[2:]] == [True, False]
    status, state, *_ = last
    assert re.fullmatch(r"2 sentences evaluated · \d+\.\d s · the results are below", status["text"])
    said, board, csv_button = tab.evaluating.draw(state, visitor())
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
    assert board["wrong"][0]["cells"][0]["src"] == key(tab, numbers[1])
    (verdict,) = board["verdicts"]
    assert (verdict["real"], "do not differ significantly" in verdict["text"]) == (False, True)
    assert board["notes"] == [
        "With fewer than 30 sentences only large differences are significant; label more to be sure."
    ]


def test_an_evaluation_is_told_again_in_another_language(tab, numbers):
    _, sets, *_ = added(tab, "right", numbers, numbers[0])
    _, state, *_ = evaluated(tab, numbers, sets, *TWO_WAYS)[-1]
    (_, english, _), (said, chinese, _) = (tab.evaluating.draw(state, visitor(one)) for one in ("en", "zh-CN"))
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
        (False, 4, ONE_WAY, "The test set is empty; write a sentence"),
        (True, 1, ONE_WAY, "All pictures of the test set were removed"),
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
    _, state, *_ = evaluated(tab, numbers, sets, *ONE_WAY)[-1]
    _, later, *_ = evaluated(tab, numbers, sets, state=state)[-1]
    assert later.evaluation is state.evaluation
    said, board, _ = tab.evaluating.draw(later, visitor())
    assert (said["tone"], len(board["rows"])) == ("trouble", 1)


def test_stopping_leaves_nothing_half_and_the_ranking_alone(upload_folder, numbers):
    paced = Paced()
    tab = tab_of(Reranker(scorer=paced.scorer, settings=Settings.of(model="toybox", score_store_mb=0)), upload_folder)
    _, before, *_ = evaluated(tab, numbers, LabelledQueries(), *ONE_WAY)[-1]
    assert tab.evaluating.draw(before, visitor())[0]["text"].startswith("The test set is empty")
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    ranking = tab.visitors.start_run(visitor())
    run = tab.evaluating.evaluate(numbers, sets, EvaluateState(), visitor(), *ONE_WAY)
    paced.allowed.release()
    assert next(run)[0]["tone"] == "busy"
    assert "text" not in tab.evaluating.draw(before, visitor())[0], "the run itself speaks"
    assert tab.evaluating.stop(visitor())["text"] == "Stopping after this batch …"
    for _ in range(4):
        paced.allowed.release()
    *_, last = run
    assert (last[0]["text"], last[1].evaluation) == ("Stopped; an unfinished evaluation has no results.", None)
    assert "text" not in tab.evaluating.stop(visitor())
    assert not ranking.is_set()


def test_who_leaves_ends_the_evaluation(tab):
    stop = tab.visitors.start_run(visitor(), "evaluation")
    tab.visitors.close(visitor())
    assert stop.is_set()


def test_a_model_that_cannot_be_loaded_is_a_sentence(upload_folder, numbers):
    class Missing(Reranker):
        def load(self):
            raise CheckpointNotDownloaded(name="lychee")

    tab = tab_of(Missing(settings=Settings.of(model="toybox")), upload_folder)
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    last = evaluated(tab, numbers, sets, *ONE_WAY)[-1]
    assert last[0]["text"].startswith("The model “lychee” is not on this machine")
    assert tab.evaluating.draw(last[1], visitor())[1] is None


def test_pictures_that_could_not_be_judged_are_counted(tab, numbers):
    Path(numbers[1]).write_text("no number")
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, state, *_ = evaluated(tab, numbers, sets, *ONE_WAY)[-1]
    board = tab.evaluating.draw(state, visitor())[1]
    assert board["notes"][-1].endswith("1 picture could not be scored, and counts as not found.")
    assert board["wrong"][0]["cells"][0]["text"] == "not found"


def test_the_figures_are_taken_away_as_csv(tab, numbers):
    assert tab.evaluating.download(EvaluateState(), visitor())["value"] is None
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, state, *_ = evaluated(tab, numbers, sets, *TWO_WAYS)[-1]
    file = Path(tab.evaluating.download(state, visitor())["value"])
    assert (file.name, file.is_relative_to(tab.folder)) == ("evaluation.csv", True)
    rows = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    assert [(row["scoring"], float(row["first"])) for row in rows] == [("yes-no", 1.0), ("rating", 1.0)]
    assert tab.visitors.close(visitor()) == {file}


def test_pictures_of_one_name_are_told_apart(tab, numbers):
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, state, *_ = evaluated(tab, numbers, sets, *ONE_WAY)[-1]
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
    evaluating = tab_of(reranker, upload_folder).evaluating
    assert (evaluating.details, evaluating.defaults) == (details, own)


# What is shown of two ways that differ


def way(scoring: str, visual_tokens: int = 49) -> Configuration:
    return Configuration(model="m", precision="bf16", scoring=scoring, visual_tokens=visual_tokens)


def compared(tab, numbers, **differences: float) -> dict:
    """The one verdict on two ways, where the second differs by so much, and really."""
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, state, *_ = evaluated(tab, numbers, sets, *TWO_WAYS)[-1]
    found = state.evaluation
    values = {"first": 0.0, "mrr": 0.0, "ndcg_at_10": 0.0} | differences
    pair = replace(
        found.comparisons[0],
        differences={
            name: Difference(
                value=value, interval=Interval(low=value - 0.1, high=value + 0.1), p=0.01, is_real=value != 0
            )
            for name, value in values.items()
        },
    )
    board = evaluation_value(replace(found, comparisons=(pair,)), (1, 2, 3), lambda path: path, "en")
    return board["verdicts"][0]


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        (
            {"first": 0.25},
            "“rating · usual (2 tokens)” is significantly better than “yes or no · usual (2 tokens)”: "
            "first place +25 points (95 %: +15 to +35).",
        ),
        (
            {"first": -0.25, "mrr": -0.2},
            "“yes or no · usual (2 tokens)” is significantly better than “rating · usual (2 tokens)”: "
            "first place +25 points (95 %: +15 to +35) and MRR +0.200 (+0.100 to +0.300).",
        ),
        (
            {},
            "“rating · usual (2 tokens)” and “yes or no · usual (2 tokens)” do not differ significantly: "
            "first place 0 points (95 %: −10 to +10).",
        ),
    ],
)
def test_the_better_of_two_is_named_first(tab, numbers, differences, said):
    verdict = compared(tab, numbers, **differences)
    assert verdict == {"text": f"{said} Their first pictures differ for 0 of 1 sentences.", "real": bool(differences)}


def test_a_way_is_called_by_its_detail_or_by_its_tokens():
    details = (25, 49, 64)
    assert method_name(way("yes-no", 64), details, "en") == "yes or no · high (64 tokens)"
    assert method_name(way("rating", 36), details, "zh") == "文字评分 · 36 token"
    assert method_name(way("rating", 49), (49, 49, 49), "en") == "rating · low (49 tokens)"


# In a real browser


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


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
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

"""The report of an evaluation is self-contained, runs no script, and shows the results."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.evaluation.charts import (
    ERROR_BAR_WIDTH,
    HISTOGRAM,
    RELIABILITY,
    error_bars,
    histograms,
    reliability_curve,
)
from reranker.evaluation.datasets.types import LabelledPicture, LabelledSet
from reranker.evaluation.report import as_html
from reranker.evaluation.report_tables import COLUMNS, comparison_rows, main_rows, number_text, share_rows, short_names
from reranker.evaluation.results import Configuration, Evaluation, ReliabilityBin, Share
from reranker.evaluation.worst_sets import MAX_PICTURES, MAX_SETS, first_relevant_rank, worst_sets
from reranker.images.limits import Limits
from tests.support.evaluations import METRICS, comparison, configuration, difference, evaluation, evaluation_result, png
from tests.support.labelled_sets import labelled_set, scored_set

properties = settings(deadline=None, max_examples=100, database=None)
VOID = {"meta", "img", "wbr"}


class Page(HTMLParser):
    """The tags of a page with their attributes and their texts, including those of inner tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs), []))
        if tag not in VOID:
            self._open.append(len(self.tags) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.tags[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for index in self._open:
            self.tags[index][2].append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes, _ in self.tags if name == tag]

    def words(self, tag: str, **wanted: str) -> list[str]:
        """Return the text of each tag with these attributes, on one line."""
        found = (words for name, attributes, words in self.tags if name == tag and wanted.items() <= attributes.items())
        return [" ".join("".join(words).split()) for words in found]


def page_of(evaluated: Evaluation) -> Page:
    return Page(as_html(evaluated, limits=Limits()))


SETS = (
    labelled_set([1, 0, 0], set_id="a", sources=[png("red"), png("green"), png("blue")]),
    labelled_set([0, 1], set_id="b", sources=[png("red"), b"no picture"], kinds=["colour", ""], language="zh"),
)
SCORED = (scored_set([2.5, -1.0, None], set_id="a"), scored_set([0.5, 0.25], set_id="b"))
PS = {"hit_at_1": 0.0002, "mrr": 0.25, "ndcg_at_10": 0.04}


def two_configurations() -> Evaluation:
    second = evaluation_result(SCORED, "int8", hit_at_1=0.25, fit=None)
    comparisons = [comparison(configuration("fp32"), configuration("int8"), PS)]
    return evaluation(SETS, evaluation_result(SCORED), second, comparisons=comparisons)


# The page


def test_it_is_self_contained() -> None:
    shown = page_of(two_configurations())
    assert shown.all("script") == []
    assert shown.all("link") == []
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in shown.all("img"))
    ids = {str(attributes["id"]) for _, attributes, _ in shown.tags if "id" in attributes}
    assert {str(link["href"])[1:] for link in shown.all("a")} <= ids
    assert any("default-src 'none'; img-src data:;" in str(meta.get("content")) for meta in shown.all("meta"))
    assert "url(" not in " ".join(shown.words("style"))


def test_ids_are_unique_and_labels_refer_to_them() -> None:
    shown = page_of(two_configurations())
    ids = Counter(attributes["id"] for _, attributes, _ in shown.tags if "id" in attributes)
    assert set(ids.values()) == {1}
    labels = [str(attributes["aria-labelledby"]) for _, attributes, _ in shown.tags if "aria-labelledby" in attributes]
    assert {label for each in labels for label in each.split()} <= set(ids)
    drawn = [svg for svg in shown.all("svg") if svg.get("aria-hidden") != "true"]
    assert len(drawn) == 3  # two histograms and one curve
    assert all(svg["role"] == "img" and svg["aria-labelledby"] for svg in drawn)


EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><script>",
    "{{ 7 * 191 }}",
    "'><svg/onload=a>",
)


@pytest.mark.parametrize("evil", EVIL)
def test_names_are_escaped(evil: str) -> None:
    sources = [png(), b"broken", png("blue")]
    pictures = tuple(
        LabelledPicture(name=f"{evil}{index}", source=source, gain=int(index == 1), grade=0.0, kind=evil)
        for index, source in enumerate(sources)
    )
    labelled = LabelledSet(id=evil, query=evil, language="en", pictures=pictures)
    scored = replace(scored_set([1.0, 2.0, None]), errors={2: evil})
    shares = {evil: Share(value=0.5, count=2)}
    results = [
        evaluation_result([scored], precision, model=evil + precision, kinds=shares) for precision in ("fp32", "int8")
    ]
    comparisons = [comparison(results[0].configuration, results[1].configuration, PS)]
    malicious = evaluation([labelled], *results, comparisons=comparisons)
    shown = page_of(replace(malicious, dataset=replace(malicious.dataset, name=evil)))
    harmless = page_of(two_configurations())
    assert {tag for tag, _, _ in shown.tags} <= {tag for tag, _, _ in harmless.tags}
    assert len(shown.all("img")) == 2
    assert not [name for _, attributes, _ in shown.tags for name in attributes if name.startswith("on")]
    assert shown.words("h1") == [" ".join(evil.split())]
    assert shown.words("h3")[-1] == " ".join(evil.split())
    assert "1337" not in " ".join(shown.words("body"))


def test_the_same_evaluation_gives_the_same_page() -> None:
    assert as_html(two_configurations(), limits=Limits()) == as_html(two_configurations(), limits=Limits())


def test_a_name_that_is_not_text_can_be_shown() -> None:
    odd = replace(SETS[0], query="\udcff")
    as_html(evaluation([odd, SETS[1]], evaluation_result(SCORED)), limits=Limits()).encode()


def test_the_head_names_the_dataset_and_the_configurations() -> None:
    shown = page_of(two_configurations())
    assert shown.words("p", **{"class": "lead"}) == [
        "2 sets, each a query with its pictures, and 5 pictures in total, ranked by 2 configurations."
    ]
    assert shown.words("dd")[:4] == ["toybox", "fp32, int8", "yes-no", "49"]


def test_a_single_configuration_is_not_compared() -> None:
    shown = page_of(evaluation(SETS, evaluation_result(SCORED)))
    assert "Comparisons" not in " ".join(shown.words("body"))
    assert shown.all("mark") == []


def test_a_comparison_shows_which_differences_are_significant() -> None:
    cells = page_of(two_configurations()).words("td", **{"class": "difference"})
    assert cells == [
        "−3.1 points [−9.4, +3.1] significant, p < 0.001",
        "−0.031 [−0.094, +0.031] not significant, p = 0.250",
        "−0.031 [−0.094, +0.031] significant, p = 0.040",
    ]


def test_calibrations_are_drawn_and_a_missing_one_is_explained() -> None:
    fitted, unfitted = page_of(two_configurations()).words("figure", **{"class": "calibration"})
    assert all(words in fitted for words in ("1.62", "5.8 of 10", "93.1%", "8.2%", "0.412", "0.371", "60 sets"))
    assert "no better" not in fitted
    assert "Too few sets" in unfitted


def test_a_calibration_that_does_not_help_is_marked() -> None:
    fit = two_configurations().results[0].fit
    assert fit is not None
    shown = page_of(evaluation(SETS, evaluation_result(SCORED, fit=replace(fit, loss_after=0.5))))
    assert "no better than the T in use" in " ".join(shown.words("figure", **{"class": "calibration"}))


# Tables


def cells(column: str, *values: object) -> list[tuple[str, bool]]:
    index = [each.metric for each in COLUMNS].index(column)
    rows = main_rows(["x"] * len(values), [replace(METRICS, **{column: value}) for value in values])
    return [(row.cells[index].text, row.cells[index].is_best) for row in rows]


@pytest.mark.parametrize(
    ("column", "values", "shown"),
    [
        ("hit_at_1", (0.8749, 0.8751, 0.9), [("87.5%", False), ("87.5%", False), ("90.0%", True)]),
        ("hit_at_1", (0.9001, 0.9002, 0.5), [("90.0%", True), ("90.0%", True), ("50.0%", False)]),
        ("mrr", (0.5, 0.5), [("0.500", False), ("0.500", False)]),
        ("ties", (0, 3), [("0", True), ("3", False)]),
        ("failures", (1200, 1199), [("1,200", False), ("1,199", True)]),
        ("spearman", (None, 0.5, -0.25), [("–", False), ("0.500", True), ("−0.250", False)]),
        ("ms_a_picture", (123.4, 12.34, 1.234), [("123", False), ("12.3", False), ("1.23", True)]),
        ("peak_bytes", (2_500_000_000, None, 1_200_000), [("2,500 MB", False), ("–", False), ("1 MB", True)]),
        ("score_std", (1.0, 2.0), [("1.00", False), ("2.00", False)]),
    ],
)
def test_the_best_values_of_a_column_are_marked(column, values, shown) -> None:
    assert cells(column, *values) == shown


def test_metrics_have_their_interval_or_count_as_a_note() -> None:
    (row,) = main_rows(["x"], [METRICS])
    notes = {column.metric: cell.note for column, cell in zip(COLUMNS, row.cells, strict=True)}
    assert (notes["hit_at_1"], notes["mrr"], notes["spearman"]) == ("25.0–100.0", "0.250–1.000", "of 1,234")


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0004, "0.000"), (0.0, "0.000"), (-1.5, "−1.500"), (12345.6789, "12,345.679")]
)
def test_numbers_have_a_minus_sign_and_zero_has_no_sign(value: float, text: str) -> None:
    assert number_text(value, 3) == text


@pytest.mark.parametrize(("value", "text"), [(0.0004, "0.000"), (0.0006, "+0.001"), (-0.0006, "−0.001")])
def test_a_difference_that_rounds_to_zero_has_no_sign(value: float, text: str) -> None:
    pair = comparison(configuration("a"), configuration("b"), PS, value)
    (row,) = comparison_rows([pair], {pair.first: "a", pair.second: "b"}, 10)
    assert row.differences[1].value == text


def test_shares_have_their_counts_and_the_lowest_come_first() -> None:
    one = {"easy": Share(value=0.9, count=1000), "hard": Share(value=0.1, count=20)}
    rows = share_rows([one, {"easy": Share(value=0.5, count=7)}])
    assert [(row.name, [(cell.text, cell.note) for cell in row.cells]) for row in rows] == [
        ("hard", [("10.0%", "of 20"), ("–", "")]),
        ("easy", [("90.0%", "of 1,000"), ("50.0%", "of 7")]),
    ]


@pytest.mark.parametrize(
    ("configurations", "names"),
    [
        ([("toybox", "fp32", 49)], ["toybox fp32 yes-no 49"]),
        ([("toybox", "fp32", 49), ("toybox", "bf16", 49)], ["fp32", "bf16"]),
        ([("toybox", "fp32", 49), ("toybox", "bf16", 64)], ["fp32 49 tokens", "bf16 64 tokens"]),
        ([("toybox", "fp32", 49), ("lychee", "fp32", 49)], ["toybox", "lychee"]),
    ],
)
def test_configurations_are_named_by_the_parts_that_differ(configurations, names) -> None:
    given_configurations = [
        Configuration(model=model, precision=precision, scoring="yes-no", visual_tokens=tokens)
        for model, precision, tokens in configurations
    ]
    assert list(short_names(given_configurations).values()) == names


# Charts


@properties
@given(st.lists(st.floats(-40, 40) | st.none(), min_size=1, max_size=30), st.integers(0, 29))
def test_the_bars_count_every_picture_once(odds: list[float | None], relevant: int) -> None:
    gains = [int(index <= relevant) for index in range(len(odds))]
    (chart,) = histograms([labelled_set(gains)], [evaluation_result([scored_set(odds)])])
    for bars, wanted in ((chart.relevant, 1), (chart.irrelevant, 0)):
        values = [value for value, gain in zip(odds, gains, strict=True) if gain == wanted and value is not None]
        heights = sum(bar.height for bar in bars) / (HISTOGRAM.height / 2) * chart.max_share
        assert heights == pytest.approx(1.0 if values else 0.0)
        assert all(HISTOGRAM.left <= bar.x and bar.x + bar.width <= HISTOGRAM.right for bar in bars)
        assert all(HISTOGRAM.top - 1e-9 <= bar.y and bar.y + bar.height <= HISTOGRAM.bottom + 1e-9 for bar in bars)


def test_bars_of_relevant_pictures_go_up_and_of_irrelevant_ones_down() -> None:
    (chart,) = histograms([labelled_set([1, 0, 0])], [evaluation_result([scored_set([30.0, -30.0, 0.0])])])
    assert [bar.title for bar in chart.relevant] == ["9.5 to 10: 100.0% of the relevant pictures"]
    assert [bar.title for bar in chart.irrelevant] == [
        "0 to 0.5: 50.0% of the irrelevant pictures",
        "5 to 5.5: 50.0% of the irrelevant pictures",
    ]
    assert chart.relevant[0].y + chart.relevant[0].height == pytest.approx(HISTOGRAM.middle)
    assert {bar.y for bar in chart.irrelevant} == {HISTOGRAM.middle}
    assert chart.relevant[0].x > chart.irrelevant[1].x > chart.irrelevant[0].x


def test_the_histogram_has_the_shown_scores() -> None:
    sets, scored = [labelled_set([1, 0])], [scored_set([4.0, -4.0])]
    sharp, soft = histograms(sets, [evaluation_result(scored), evaluation_result(scored, "int8", temperature=8.0)])
    assert sharp.relevant[0].title.startswith("9.5 to 10")
    assert soft.relevant[0].title.startswith("6 to 6.5")


def test_a_calibrated_curve_is_on_the_diagonal() -> None:
    bins = [
        ReliabilityBin(low=share, high=share + 0.1, mean_predicted=share, fraction_relevant=share, count=3)
        for share in (0.0, 0.5, 1.0)
    ]
    empty = ReliabilityBin(low=0.9, high=1.0, mean_predicted=0.0, fraction_relevant=1.0, count=0)
    assert [(point.x, point.y) for point in reliability_curve([*bins, empty])] == [
        (RELIABILITY.left, RELIABILITY.bottom),
        ((RELIABILITY.left + RELIABILITY.right) / 2, RELIABILITY.middle),
        (RELIABILITY.right, RELIABILITY.top),
    ]


@properties
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9))
def test_error_bars_keep_order_and_sign(values: list[float]) -> None:
    drawn = error_bars([difference(value, 0.5) for value in values])
    assert all(0 <= each.low <= each.value <= each.high <= ERROR_BAR_WIDTH for each in drawn)
    for value, each in zip(values, drawn, strict=True):
        assert (each.value - ERROR_BAR_WIDTH / 2) * value >= 0
    assert sorted(values) == [value for _, value in sorted(zip((each.value for each in drawn), values, strict=True))]


# The worst sets


def ranked(ranks: Sequence[Sequence[int | None]], pictures: int = 4) -> Evaluation:
    """Make a set for each row, with the rank of its relevant picture by configuration; None if it failed."""
    sets = [labelled_set([1] + [0] * (pictures - 1), set_id=str(number)) for number in range(len(ranks))]
    results = []
    for number, column in enumerate(zip(*ranks, strict=True)):
        scored = [
            scored_set([None if rank is None else 0.5 - rank, *(-float(index) for index in range(1, pictures))])
            for rank in column
        ]
        results.append(evaluation_result(scored, f"bits{number}"))
    return evaluation(sets, *results)


def worst_ids(evaluated: Evaluation) -> list[str]:
    return [each.id for each in worst_sets(evaluated, Limits())]


def test_sets_are_ordered_by_the_mean_rank_over_all_configurations() -> None:
    assert worst_ids(ranked([[1, 1], [2, 2], [1, 4], [3, 3], [1, None]])) == ["3", "4", "2", "1", "0"]


def test_sets_with_equal_ranks_are_ordered_by_margin() -> None:
    sets = [labelled_set([1, 0], set_id=name) for name in ("wide", "narrow", "tied")]
    scored = [scored_set([3.0, 0.0]), scored_set([0.25, 0.0]), scored_set([1.0, 1.0])]
    assert worst_ids(evaluation(sets, evaluation_result(scored))) == ["tied", "narrow", "wide"]


def test_the_number_of_sets_is_limited_and_each_has_its_ranks() -> None:
    shown = worst_sets(ranked([[1, 2]] * 30 + [[4, None]]), Limits())
    assert len(shown) == MAX_SETS
    assert list(shown[0].ranks.values()) == [4, None]


@pytest.mark.parametrize(
    ("odds", "rank"), [([1.0, 0.0], 1), ([0.0, 1.0], 2), ([1.0, 1.0], 2), ([None, 1.0], None), ([-9.0, None], 1)]
)
def test_in_a_tie_the_irrelevant_picture_comes_first(odds: list[float | None], rank: int | None) -> None:
    assert first_relevant_rank(labelled_set([1, 0]), scored_set(odds)) == rank


@pytest.mark.parametrize(
    ("relevant", "irrelevant", "shown"), [(1, 30, MAX_PICTURES), (3, 4, 7), (20, 9, 20), (1, 14, 15)]
)
def test_all_relevant_and_the_best_irrelevant_pictures_are_shown(relevant: int, irrelevant: int, shown: int) -> None:
    odds = [-50.0 - index for index in range(relevant)] + [float(-index) for index in range(irrelevant)]
    labelled = labelled_set([1] * relevant + [0] * irrelevant)
    (one,) = worst_sets(evaluation([labelled], evaluation_result([scored_set(odds)])), Limits())
    assert len(one.pictures) == shown
    assert one.hidden == relevant + irrelevant - shown
    assert sum(each.picture.is_relevant for each in one.pictures) == relevant
    ranks = [each.rank for each in one.pictures if each.rank is not None]
    assert ranks == sorted(ranks)
    assert [each.rank for each in one.pictures if not each.picture.is_relevant] == list(range(1, shown - relevant + 1))


def test_a_set_shows_ranks_scores_kinds_and_failures() -> None:
    shown = page_of(two_configurations())
    assert shown.words("article")[0].startswith(
        "query b Set b, Chinese. First relevant picture: #2 by fp32, #2 by int8"
    )
    assert shown.words("li")[:2] == ["#1 · 6.2 colour b-0.png", "no picture #2 · 5.6 relevant b-1.png"]
    assert shown.words("li", **{"class": "is-relevant"})[1].startswith("#1 · 9.2")
    assert shown.words("li")[-1] == "not scored It failed."
    assert [image["alt"] for image in shown.all("img")] == ["b-0.png", "a-0.png", "a-1.png", "a-2.png"]


def test_hidden_pictures_are_counted() -> None:
    labelled = labelled_set([1] + [0] * 20)
    shown = page_of(evaluation([labelled], evaluation_result([scored_set([float(-index) for index in range(21)])])))
    assert "6 more irrelevant pictures are not shown." in shown.words("article")[0]


def test_a_name_may_break_after_an_underscore() -> None:
    labelled = labelled_set([1, 0], set_id="a_b_c")
    text = as_html(evaluation([labelled], evaluation_result([scored_set([1.0, 0.0])])), limits=Limits())
    assert re.search(r"a_<wbr>b_<wbr>c-0\.png", text)
    assert Page(text).words("li")[0].endswith("a_b_c-0.png")

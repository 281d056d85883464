"""The report of an evaluation: it stands alone, nothing in it runs, and it shows what was found."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.evaluation.charts import HISTOGRAM, RELIABILITY, WHISKER_WIDTH, histograms, reliability, whiskers
from reranker.evaluation.datasets.labelled import LabelledPicture, LabelledSet
from reranker.evaluation.report import as_html
from reranker.evaluation.results import Bin, Configuration, Evaluation, Share
from reranker.evaluation.tables import COLUMNS, compared_pairs, main_rows, number_text, share_rows, short_names
from reranker.evaluation.worst_sets import MOST_PICTURES, MOST_SETS, place_of_right, worst_sets
from reranker.images.limits import Limits
from tests.support.evaluated import FIGURES, comparison, configuration, difference, evaluated, evaluation, png
from tests.support.labelled import judged_set, labelled_set

properties = settings(deadline=None, max_examples=100, database=None)
VOID = {"meta", "img", "wbr"}


class Page(HTMLParser):
    """The tags of a page with their attributes, and the words in each, those of inner tags too."""

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
        """Of each such tag, in one line."""
        found = (words for name, attributes, words in self.tags if name == tag and wanted.items() <= attributes.items())
        return [" ".join("".join(words).split()) for words in found]


def page(of: Evaluation) -> Page:
    return Page(as_html(of, limits=Limits()))


SETS = (
    labelled_set([1, 0, 0], set_id="a", sources=[png("red"), png("green"), png("blue")]),
    labelled_set([0, 1], set_id="b", sources=[png("red"), b"no picture"], kinds=["colour", ""], language="zh"),
)
JUDGED = (judged_set([2.5, -1.0, None], set_id="a"), judged_set([0.5, 0.25], set_id="b"))
PS = {"first": 0.0002, "mrr": 0.25, "ndcg_at_10": 0.04}


def two() -> Evaluation:
    second = evaluated(JUDGED, "int8", first=0.25, fit=None)
    compared = [comparison(configuration("fp32"), configuration("int8"), PS)]
    return evaluation(SETS, evaluated(JUDGED), second, compared=compared)


# The page


def test_it_stands_alone() -> None:
    shown = page(two())
    assert shown.all("script") == []
    assert shown.all("link") == []
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in shown.all("img"))
    ids = {str(attributes["id"]) for _, attributes, _ in shown.tags if "id" in attributes}
    assert {str(link["href"])[1:] for link in shown.all("a")} <= ids
    assert any("default-src 'none'; img-src data:;" in str(meta.get("content")) for meta in shown.all("meta"))
    assert "url(" not in " ".join(shown.words("style"))


def test_every_id_is_one_and_every_label_has_its_words() -> None:
    shown = page(two())
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
def test_nothing_in_a_name_runs(evil: str) -> None:
    sources = [png(), b"broken", png("blue")]
    pictures = tuple(
        LabelledPicture(name=f"{evil}{index}", source=source, gain=int(index == 1), grade=0.0, kind=evil)
        for index, source in enumerate(sources)
    )
    labelled = LabelledSet(id=evil, query=evil, language="en", pictures=pictures)
    judged = replace(judged_set([1.0, 2.0, None]), errors={2: evil})
    shares = {evil: Share(value=0.5, count=2)}
    parts = [evaluated([judged], precision, model=evil + precision, kinds=shares) for precision in ("fp32", "int8")]
    compared = [comparison(parts[0].configuration, parts[1].configuration, PS)]
    whole = evaluation([labelled], *parts, compared=compared)
    shown = page(replace(whole, dataset=replace(whole.dataset, name=evil)))
    tame = page(two())
    assert {tag for tag, _, _ in shown.tags} <= {tag for tag, _, _ in tame.tags}
    assert len(shown.all("img")) == 2
    assert not [name for _, attributes, _ in shown.tags for name in attributes if name.startswith("on")]
    assert shown.words("h1") == [" ".join(evil.split())]
    assert shown.words("h3")[-1] == " ".join(evil.split())
    assert "1337" not in " ".join(shown.words("body"))


def test_the_same_evaluation_gives_the_same_page() -> None:
    assert as_html(two(), limits=Limits()) == as_html(two(), limits=Limits())


def test_bytes_of_a_name_that_are_no_text_show_as_such() -> None:
    odd = replace(SETS[0], query="\udcff")
    as_html(evaluation([odd, SETS[1]], evaluated(JUDGED)), limits=Limits()).encode()


def test_the_head_says_what_was_judged_and_how() -> None:
    shown = page(two())
    assert shown.words("p", **{"class": "lead"}) == [
        "2 sets of a query and its pictures, 5 pictures in all, judged in 2 ways."
    ]
    assert shown.words("dd")[:4] == ["toybox", "fp32, int8", "yes-no", "49"]


def test_one_combination_is_compared_with_nothing() -> None:
    shown = page(evaluation(SETS, evaluated(JUDGED)))
    assert "Differences" not in " ".join(shown.words("body"))
    assert shown.all("mark") == []


def test_a_pair_says_what_is_real_and_what_could_be_chance() -> None:
    cells = page(two()).words("td", **{"class": "difference"})
    assert cells == [
        "−3.1 points [−9.4, +3.1] real, p < 0.001",
        "−0.031 [−0.094, +0.031] could be chance, p = 0.250",
        "−0.031 [−0.094, +0.031] real, p = 0.040",
    ]


def test_a_fit_is_drawn_and_where_there_is_none_that_is_said() -> None:
    fitted, unfitted = page(two()).words("figure", **{"class": "fitted"})
    assert all(words in fitted for words in ("1.62", "5.8 of 10", "93.1%", "8.2%", "0.412", "0.371", "60 sets"))
    assert "no better" not in fitted
    assert "Too few sets" in unfitted


def test_a_fit_that_is_worse_where_it_was_tested_is_called_so() -> None:
    fit = two().evaluated[0].fit
    assert fit is not None
    shown = page(evaluation(SETS, evaluated(JUDGED, fit=replace(fit, loss_after=0.5))))
    assert "no better than the T in use" in " ".join(shown.words("figure", **{"class": "fitted"}))


# Tables


def cells(column: str, *figures: object) -> list[tuple[str, bool]]:
    place = [each.figure for each in COLUMNS].index(column)
    rows = main_rows(["x"] * len(figures), [replace(FIGURES, **{column: value}) for value in figures])
    return [(row.cells[place].text, row.cells[place].is_best) for row in rows]


@pytest.mark.parametrize(
    ("column", "values", "shown"),
    [
        ("first", (0.8749, 0.8751, 0.9), [("87.5%", False), ("87.5%", False), ("90.0%", True)]),
        ("first", (0.9001, 0.9002, 0.5), [("90.0%", True), ("90.0%", True), ("50.0%", False)]),
        ("mrr", (0.5, 0.5), [("0.500", False), ("0.500", False)]),
        ("ties", (0, 3), [("0", True), ("3", False)]),
        ("failures", (1200, 1199), [("1,200", False), ("1,199", True)]),
        ("spearman", (None, 0.5, -0.25), [("–", False), ("0.500", True), ("−0.250", False)]),
        ("ms_a_picture", (123.4, 12.34, 1.234), [("123", False), ("12.3", False), ("1.23", True)]),
        ("peak_bytes", (2_500_000_000, None, 1_200_000), [("2,500 MB", False), ("–", False), ("1 MB", True)]),
        ("score_std", (1.0, 2.0), [("1.00", False), ("2.00", False)]),
    ],
)
def test_the_best_of_a_column_is_marked_and_all_that_read_the_same(column, values, shown) -> None:
    assert cells(column, *values) == shown


def test_a_figure_says_how_sure_it_is() -> None:
    (row,) = main_rows(["x"], [FIGURES])
    notes = {column.figure: cell.note for column, cell in zip(COLUMNS, row.cells, strict=True)}
    assert (notes["first"], notes["mrr"], notes["spearman"]) == ("25.0–100.0", "0.250–1.000", "of 1,234")


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0004, "0.000"), (0.0, "0.000"), (-1.5, "−1.500"), (12345.6789, "12,345.679")]
)
def test_numbers_have_a_real_minus_and_zero_has_none(value: float, text: str) -> None:
    assert number_text(value, 3) == text


@pytest.mark.parametrize(("value", "text"), [(0.0004, "0.000"), (0.0006, "+0.001"), (-0.0006, "−0.001")])
def test_a_difference_that_reads_as_zero_has_no_sign(value: float, text: str) -> None:
    pair = comparison(configuration("a"), configuration("b"), PS, value)
    (row,) = compared_pairs([pair], {pair.first: "a", pair.second: "b"}, 10)
    assert row.figures[1].value == text


def test_shares_stand_with_their_counts_and_the_hardest_on_top() -> None:
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
def test_combinations_are_named_by_what_tells_them_apart(configurations, names) -> None:
    given_ones = [
        Configuration(model=model, precision=precision, scoring="yes-no", visual_tokens=tokens)
        for model, precision, tokens in configurations
    ]
    assert list(short_names(given_ones).values()) == names


# Charts


@properties
@given(st.lists(st.floats(-40, 40) | st.none(), min_size=1, max_size=30), st.integers(0, 29))
def test_bars_hold_every_picture_once(odds: list[float | None], right: int) -> None:
    gains = [int(index <= right) for index in range(len(odds))]
    (chart,) = histograms([labelled_set(gains)], [evaluated([judged_set(odds)])])
    for bars, wanted in ((chart.right, 1), (chart.wrong, 0)):
        judged = [value for value, gain in zip(odds, gains, strict=True) if gain == wanted and value is not None]
        heights = sum(bar.height for bar in bars) / (HISTOGRAM.height / 2) * chart.top
        assert heights == pytest.approx(1.0 if judged else 0.0)
        assert all(HISTOGRAM.left <= bar.x and bar.x + bar.width <= HISTOGRAM.right for bar in bars)
        assert all(HISTOGRAM.top - 1e-9 <= bar.y and bar.y + bar.height <= HISTOGRAM.bottom + 1e-9 for bar in bars)


def test_right_pictures_stand_up_and_wrong_ones_hang_down_where_their_scores_are() -> None:
    (chart,) = histograms([labelled_set([1, 0, 0])], [evaluated([judged_set([30.0, -30.0, 0.0])])])
    assert [bar.words for bar in chart.right] == ["9.5 to 10: 100.0% of the right pictures"]
    assert [bar.words for bar in chart.wrong] == [
        "0 to 0.5: 50.0% of the wrong pictures",
        "5 to 5.5: 50.0% of the wrong pictures",
    ]
    assert chart.right[0].y + chart.right[0].height == pytest.approx(HISTOGRAM.middle)
    assert {bar.y for bar in chart.wrong} == {HISTOGRAM.middle}
    assert chart.right[0].x > chart.wrong[1].x > chart.wrong[0].x


def test_scores_are_those_that_people_see() -> None:
    sets, judged = [labelled_set([1, 0])], [judged_set([4.0, -4.0])]
    sharp, soft = histograms(sets, [evaluated(judged), evaluated(judged, "int8", temperature=8.0)])
    assert sharp.right[0].words.startswith("9.5 to 10")
    assert soft.right[0].words.startswith("6 to 6.5")


def test_a_curve_lies_on_the_diagonal_where_what_is_said_is_right() -> None:
    bins = [Bin(low=share, high=share + 0.1, said=share, right=share, count=3) for share in (0.0, 0.5, 1.0)]
    dots = reliability([*bins, Bin(low=0.9, high=1.0, said=0.0, right=1.0, count=0)])
    assert [(dot.x, dot.y) for dot in dots] == [
        (RELIABILITY.left, RELIABILITY.bottom),
        ((RELIABILITY.left + RELIABILITY.right) / 2, RELIABILITY.middle),
        (RELIABILITY.right, RELIABILITY.top),
    ]


@properties
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9))
def test_whiskers_keep_their_order_and_their_sides(values: list[float]) -> None:
    drawn = whiskers([difference(value, 0.5) for value in values])
    assert all(0 <= each.low <= each.value <= each.high <= WHISKER_WIDTH for each in drawn)
    for value, each in zip(values, drawn, strict=True):
        assert (each.value - WHISKER_WIDTH / 2) * value >= 0
    assert sorted(values) == [value for _, value in sorted(zip((each.value for each in drawn), values, strict=True))]


# The worst sets


def ranked(places: Sequence[Sequence[int | None]], pictures: int = 4) -> Evaluation:
    """A set for each row: in it, for each combination, the place of the one right picture; None where it failed."""
    sets = [labelled_set([1] + [0] * (pictures - 1), set_id=str(number)) for number in range(len(places))]
    parts = []
    for part, column in enumerate(zip(*places, strict=True)):
        judged = [
            judged_set([None if place is None else 0.5 - place, *(-float(index) for index in range(1, pictures))])
            for place in column
        ]
        parts.append(evaluated(judged, f"bits{part}"))
    return evaluation(sets, *parts)


def shown_ids(of: Evaluation) -> list[str]:
    return [each.id for each in worst_sets(of, Limits())]


def test_the_worst_come_first_on_average_over_all_combinations() -> None:
    assert shown_ids(ranked([[1, 1], [2, 2], [1, 4], [3, 3], [1, None]])) == ["3", "4", "2", "1", "0"]


def test_sets_with_the_right_picture_first_stand_by_how_narrowly() -> None:
    sets = [labelled_set([1, 0], set_id=name) for name in ("wide", "narrow", "tied")]
    judged = [judged_set([3.0, 0.0]), judged_set([0.25, 0.0]), judged_set([1.0, 1.0])]
    assert shown_ids(evaluation(sets, evaluated(judged))) == ["tied", "narrow", "wide"]


def test_no_more_than_so_many_are_shown_each_with_its_places() -> None:
    shown = worst_sets(ranked([[1, 2]] * 30 + [[4, None]]), Limits())
    assert len(shown) == MOST_SETS
    assert list(shown[0].places.values()) == [4, None]


@pytest.mark.parametrize(
    ("odds", "place"), [([1.0, 0.0], 1), ([0.0, 1.0], 2), ([1.0, 1.0], 2), ([None, 1.0], None), ([-9.0, None], 1)]
)
def test_a_tie_goes_against_the_right_picture(odds: list[float | None], place: int | None) -> None:
    assert place_of_right(labelled_set([1, 0]), judged_set(odds)) == place


@pytest.mark.parametrize(("right", "wrong", "shown"), [(1, 30, MOST_PICTURES), (3, 4, 7), (20, 9, 20), (1, 14, 15)])
def test_right_pictures_are_always_shown_and_the_best_wrong_ones(right: int, wrong: int, shown: int) -> None:
    odds = [-50.0 - index for index in range(right)] + [float(-index) for index in range(wrong)]
    labelled = labelled_set([1] * right + [0] * wrong)
    (one,) = worst_sets(evaluation([labelled], evaluated([judged_set(odds)])), Limits())
    assert len(one.pictures) == shown
    assert one.hidden == right + wrong - shown
    assert sum(each.picture.is_right for each in one.pictures) == right
    ranks = [each.rank for each in one.pictures if each.rank is not None]
    assert ranks == sorted(ranks)
    assert [each.rank for each in one.pictures if not each.picture.is_right] == list(range(1, shown - right + 1))


def test_a_worst_set_shows_ranks_scores_kinds_and_what_failed() -> None:
    shown = page(two())
    assert shown.words("article")[0].startswith("query b Set b, Chinese. First right picture: #2 by fp32, #2 by int8")
    assert shown.words("li")[:2] == ["#1 · 6.2 colour b-0.png", "no picture #2 · 5.6 right b-1.png"]
    assert shown.words("li", **{"class": "is-right"})[1].startswith("#1 · 9.2")
    assert shown.words("li")[-1] == "not judged It failed."
    assert [image["alt"] for image in shown.all("img")] == ["b-0.png", "a-0.png", "a-1.png", "a-2.png"]


def test_pictures_that_are_left_out_are_counted() -> None:
    labelled = labelled_set([1] + [0] * 20)
    shown = page(evaluation([labelled], evaluated([judged_set([float(-index) for index in range(21)])])))
    assert "6 more wrong pictures are not shown." in shown.words("article")[0]


def test_a_name_may_break_after_an_underscore_and_reads_the_same() -> None:
    labelled = labelled_set([1, 0], set_id="a_b_c")
    text = as_html(evaluation([labelled], evaluated([judged_set([1.0, 0.0])])), limits=Limits())
    assert re.search(r"a_<wbr>b_<wbr>c-0\.png", text)
    assert Page(text).words("li")[0].endswith("a_b_c-0.png")

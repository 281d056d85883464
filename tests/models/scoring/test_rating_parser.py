"""Read ratings from answers to the rating prompt: recorded answers, and rules that hold for all others.

`rating_answers.jsonl` has one answer a line, as Qwen2.5-VL and related models word them: the form that it tests, the
text and the expected rating, null if the answer gives none. To add a case, add a line.
"""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.models.scoring.rating_parser import HIGHEST, read_rating

properties = settings(deadline=None, max_examples=100, database=None)
RECORDED = Path(__file__).with_name("rating_answers.jsonl")
LONG = 20_000  # characters; a model writes a few dozen, and a quadratic pattern would need minutes


def recorded_answers() -> list[dict[str, str | float | None]]:
    return [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").split("\n") if line]


def test_every_recorded_answer_is_read() -> None:
    wrong = [
        f"line {number}, {line['form']}: {line['answer']!r} has the rating {line['rating']}, read as {rating}"
        for number, line in enumerate(recorded_answers(), 1)
        if (rating := read_rating(line["answer"])) != line["rating"]
    ]
    assert not wrong, "\n".join(wrong)


def test_every_answer_is_recorded_once() -> None:
    counts = Counter(line["answer"] for line in recorded_answers())
    assert [answer for answer, count in counts.items() if count > 1] == []


# Rules

ratings = st.integers(0, 100).map(lambda tenths: tenths / 10)
LABELS = ["Score", "SCORE", "**Score**", '"score"', "Rating", "Final score", "分数", "评分", "得分", "打分", "最终评分"]
SEPARATORS = [":", ": ", "：", "=", " = ", " is ", " is: ", "是", "为", "为：", " - ", " -> ", " ", "\n", ":\n\n"]
DECORATIONS = [
    "{}",
    "**{}**",
    "`{}`",
    '"{}"',
    "({})",
    "[{}]",
    "<{}>",
    "$\\boxed{{{}}}$",
    "about {}",
    "{}/10",
    "{} / 10.0",
    "**{}**/10",
    "{} out of 10",
    "{} (out of 10)",
    "{} points",
    "{}分",
    "{} 分（满分10分）",
]
BEFORE = [
    "",
    "Sure!\n",
    "There are 3 people in the picture. ",
    "1. Two of 3 dogs\n2. one ball\n\n",
    "On a scale from 0.0 to 10.0: ",
    "<think>Perhaps a 4 or a 5?</think>",
    "Objects: 2/3, colours: 4.5/5, taken in 2019 at 12:05.\n",
    "图中有3个人和两只狗，十分清晰。",
    "满分10分，",
    "- ",
    "{",
    "<|im_start|>assistant\n",
]
AFTER = [
    "",
    ".",
    "。",
    "!",
    "\n",
    "}",
    " 😀",
    "<|im_end|>",
    " because 2 of 3 hold",
    ", 3 people are there",
    ". 3 people are there",
    "\n\nThere are 2 dogs and 1 cat.",
    "，图中有3个人",
    "，因为3个条件中有2个满足",
    " (0 = no match, 10 = perfect match)",
]
HALF_TO_FULL = {ord(" "): "\u3000"} | {code: chr(code + 0xFEE0) for code in range(0x21, 0x7F)}
NUMBERS = (
    "0 1 7.5 -3 8,5 12 .5 100 / % - ~ out of scale max give say eight ten point half stars 分 十 百 点 半 到 满分 给"
)
PIECES = [
    *LABELS,
    *SEPARATORS,
    *BEFORE,
    *AFTER,
    *NUMBERS.split(),
]
SILENT_PIECES = [
    "Score: ",
    "评分：",
    "rating",
    "the dog",
    " out of ",
    "/",
    "%",
    "-",
    ".",
    ",",
    "\n",
    "分",
    "星",
    " points ",
    " stars ",
    "满分",
    "图片十分清晰",
    "X.X",
    "N/A",
    "NaN",
    "inf",
    " I give ",
    "我给",
    "**",
    "<|im_end|>",
    "<think>",
    "</think>",
    "😀",
]
ENDLESS = [
    *("8", "8 ", "8.", "8, ", "8 - ", "-", ".", "(", "[0, ", " ", "\n", "\n8", "　", "*", "a", "aA", "8/10 "),
    *("Score", "Score ", "Score: ", "Score is ", "(8+", "give a b c ", "one ", "one point ", "0 to ", "0 (a", "1) "),
    *("评分", "给", "十", "一 ", "八点", "满分:", "8分", "百分之8", "<|", "<|a", "</a", "<think>", "\\a", "😀"),
]
TELLING = [
    "Score: 1",
    "\n2\n",
    "my score, all in all, 3",
    "I give it a 4",
    "relevance: 5",
    "about 6/10",
    "这张图7分",
    "it fits: 9",
]
texts = st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
ascii_pieces = st.sampled_from([piece for piece in PIECES if piece.isascii()])
ascii_texts = st.text(st.characters(codec="ascii")) | st.lists(ascii_pieces, max_size=12).map("".join)


@properties
@given(
    ratings,
    st.sampled_from(LABELS),
    st.sampled_from(SEPARATORS),
    st.sampled_from(DECORATIONS),
    st.sampled_from(BEFORE),
    st.sampled_from(AFTER),
)
def test_a_rating_reads_back(
    rating: float, label: str, separator: str, decoration: str, before: str, after: str
) -> None:
    assert read_rating(before + label + separator + decoration.format(rating) + after) == rating


@properties
@given(ratings, st.sampled_from(DECORATIONS), st.sampled_from(["", ".", "\n", "<|im_end|>", " 😀", "\n\n2 dogs."]))
def test_a_rating_alone_reads_back(rating: float, decoration: str, after: str) -> None:
    assert read_rating(decoration.format(rating) + after) == rating


@properties
@given(st.integers(0, 1000))
def test_decimals_and_their_sign_do_not_matter(hundredths: int) -> None:
    text = f"{hundredths / 100:.2f}"
    expected = hundredths / 100
    assert read_rating(f"Score: {text}") == read_rating(f"Score: {text.replace('.', ',')}") == expected
    assert read_rating(text) == read_rating(text.replace(".", ",")) == expected


@properties
@given(st.sampled_from([1, 5, 10, 20, 100]), st.integers(0, 1000))
def test_another_maximum_is_scaled(maximum: int, thousandths: int) -> None:
    said = f"{maximum * thousandths / 1000:g}"
    expected = pytest.approx(thousandths / 100, abs=1e-4)
    for text in (f"Score: {said}/{maximum}", f"I give it {said} out of {maximum}.", f"评分：{said}分/{maximum}分"):
        assert read_rating(text) == expected
    if maximum == 100:
        assert read_rating(f"Match: {said}%") == read_rating(f"{said}分（满分100分）") == expected


@properties
@given(st.integers(0, 100), st.integers(0, 100), st.sampled_from(["-", " - ", "–", "～", " to ", "到", "至", " or "]))
def test_a_range_is_its_middle(one: int, other: int, joined: str) -> None:
    low, high = sorted((one, other))
    # From 0 or 1 to 5 or 10 would be a scale.
    if 1 < low / 10 < high / 10:
        assert read_rating(f"Score: {low / 10}{joined}{high / 10}") == pytest.approx((low + high) / 20)


@properties
@given(st.floats(10, 1e30))
def test_beyond_the_scale_is_its_end(value: float) -> None:
    for label in ("Score: ", "评分为", ""):
        assert read_rating(f"{label}{value:.1f}") == HIGHEST
        assert read_rating(f"{label}-{value:.1f}") == 0


@pytest.mark.parametrize(("more", "less"), list(combinations(TELLING, 2)))
def test_the_more_telling_form_counts(more: str, less: str) -> None:
    assert read_rating(f"{more}; {less}") == read_rating(f"{less}; {more}") == read_rating(more)
    assert read_rating(more) != read_rating(less)


def test_a_decimal_that_opens_the_text_counts_before_one_that_stands_free() -> None:
    assert read_rating("8.5 A dog; it fits: 9") == 8.5
    assert read_rating("8.5 A dog; 这张图7分") == 7


@properties
@given(st.lists(ratings, min_size=1, max_size=5), st.sampled_from(["\n", " ", ". ", ", then "]))
def test_the_last_labelled_one_counts(said: list[float], between: str) -> None:
    assert read_rating(between.join(f"Score: {rating}" for rating in said)) == said[-1]


@properties
@given(texts.filter(lambda text: "think" not in text), ratings)
def test_thinking_does_not_count(thought: str, rating: float) -> None:
    assert read_rating(f"<think>{thought}</think>Score: {rating}") == rating


@properties
@given(texts)
def test_no_text_is_too_odd(text: str) -> None:
    rating = read_rating(text)
    assert rating is None or 0 <= rating <= HIGHEST


@properties
@given(st.lists(st.sampled_from(SILENT_PIECES), max_size=12).map("".join))
def test_what_has_no_number_has_no_rating(text: str) -> None:
    assert read_rating(text) is None


@properties
@given(ascii_texts)
def test_full_width_reads_the_same(text: str) -> None:
    assert read_rating(text.translate(HALF_TO_FULL)) == read_rating(text)


@pytest.mark.parametrize("piece", ENDLESS)
def test_long_answers_take_no_time(piece: str) -> None:
    long = piece * (LONG // len(piece))
    for text in (long, f"Score: {long}"):
        rating = read_rating(text)
        assert rating is None or 0 <= rating <= HIGHEST


def test_a_long_answer_is_read_to_its_end() -> None:
    assert read_rating("There are 3 people in the picture. " * (LONG // 35) + "Score: 8.5") == 8.5
    assert read_rating("Score: " + "0" * LONG + "8.5") == 8.5
    assert read_rating("9" * LONG) == HIGHEST
    assert read_rating("Score:" + " \n" * LONG + "8.5") == 8.5

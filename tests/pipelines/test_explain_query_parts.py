"""A query is cut where its sentence joins, and nowhere else."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.pipelines.explain import query_parts

SEPARATORS = [",", "，", "、", ";", "；", "和", "与", "以及", " and ", " AND "]
PHRASES = [
    "a red car",
    "两只狗",
    "海边的房子",
    "没有人",
    "sand",
    "brandy",
    "穿和服的女人",
    "温和的光",
    "rock-and-roll",
    "一只 cat",
]
SHREDS = ["a", "b", " ", "狗", "-", "\n", "服", "平", "温", "装", "and", "And", "和", "与", "以及", *",，、;；"]
TEXTS = st.lists(st.sampled_from(SHREDS), max_size=12).map("".join)

either = settings(deadline=None, max_examples=200, database=None)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a red car and two dogs", ("a red car", "two dogs")),
        ("Sand And sea, AND a boat", ("Sand", "sea", "a boat")),
        ("海边的房子，没有人", ("海边的房子", "没有人")),
        ("一只猫和一只狗", ("一只猫", "一只狗")),
        ("一棵树与一朵花以及一条鱼", ("一棵树", "一朵花", "一条鱼")),
        ("红球、蓝球;白球；黑球", ("红球", "蓝球", "白球", "黑球")),
        ("一只black cat and一只dog", ("一只black cat", "一只dog")),
        ("穿和服的女人和一把伞", ("穿和服的女人", "一把伞")),
        ("柔和和温暖的光", ("柔和", "温暖的光")),
        (",一只猫,, 和 ,一只狗、", ("一只猫", "一只狗")),
    ],
)
def test_parts_by_hand(text, parts):
    assert query_parts(text) == parts


@pytest.mark.parametrize("text", ["", " ", ",", "a dog", "a dog,", "和,and", "一只猫和"])
def test_where_there_is_only_one_part_there_are_none(text):
    assert query_parts(text) == ()


@pytest.mark.parametrize("word", ["和服", "和平", "和谐", "温和", "柔和", "暖和", "和尚", "与众不同"])
def test_a_word_with_a_joining_syllable_stays_whole(word):
    assert query_parts(f"{word}的画面") == ()
    assert query_parts(f"{word}和{word}") == (word, word)


@pytest.mark.parametrize(("text", "second"), [("帽子和服装", "服装"), ("山和平原", "平原"), ("树和风筝", "风筝")])
def test_what_follows_may_make_it_another_word(text, second):
    assert query_parts(text) == (text[: -1 - len(second)], second)


@pytest.mark.parametrize("word", ["sand", "Andes", "brand", "black-and-white", "andén", "bandstand"])
def test_an_and_within_a_word_does_not_join(word):
    assert query_parts(f"{word} by the sea") == ()


@either
@given(st.lists(st.sampled_from(PHRASES), min_size=2, max_size=6), st.data())
def test_what_was_joined_comes_apart_again(phrases, data):
    separators = [data.draw(st.sampled_from(SEPARATORS)) for _ in phrases[1:]]
    merge_rankings = phrases[0] + "".join(
        separator + phrase for separator, phrase in zip(separators, phrases[1:], strict=True)
    )
    assert query_parts(merge_rankings) == tuple(phrases)


@either
@given(TEXTS)
def test_nothing_is_lost_but_what_separates(text):
    if parts := query_parts(text):
        between = r"(?:[\s,，、;；和与]|以及|and)*"
        whole = between + between.join(map(re.escape, parts)) + between
        assert re.fullmatch(whole, text, re.IGNORECASE)
        assert parts == tuple(part.strip() for part in parts if part)
        assert len(parts) > 1


@either
@given(TEXTS)
def test_a_part_has_no_parts(text):
    assert [query_parts(part) for part in query_parts(text)] == [()] * len(query_parts(text))

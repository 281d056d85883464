"""The language of a query."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.evaluation.datasets.types import language_of


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("a red dress", "en"),
        ("红裙子", "zh"),
        ("红裙子，2 件！", "zh"),
        ("一只 black cat", "mixed"),
        ("一只 é", "mixed"),
        ("𠀀", "zh"),
        ("", "en"),
        ("123 !?", "en"),
        ("ドレス", "en"),
    ],
)
def test_a_query_has_the_language_of_its_letters(query, language):
    assert language_of(query) == language


@given(st.text(), st.text())
def test_joining_two_queries_mixes_their_languages_or_keeps_one(one, other):
    languages = {language_of(one), language_of(other)}
    joined = language_of(f"{one} {other}")
    if len(languages) == 1:
        assert {joined} == languages
    elif "en" in languages:
        assert joined in {"mixed", *languages} - {"en"}
    else:
        assert joined == "mixed"

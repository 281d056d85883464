"""The texts of the page: in both languages, in the right number, in the browser's language."""

import string
from typing import get_args

import pytest

from reranker.i18n import page_texts as wording
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import language_of, phrase

LANGUAGES = get_args(Language)


@pytest.mark.parametrize("table", [wording.LABELS, wording.PHRASES], ids=["labels", "phrases"])
def test_every_word_is_there_in_both_languages(table):
    for texts in table.values():
        assert set(texts) == set(LANGUAGES)
        fields = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in texts.values()]
        assert fields[0] == fields[1]


def test_one_is_not_many():
    assert phrase("by_chance", "en", count=1) == "A pair without a significant difference"
    assert phrase("by_chance", "en", count=2) == "Pairs without a significant difference (2)"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hant-HK", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("de-DE,de;q=0.9,zh;q=0.5,en;q=0.4", "zh"),
        ("de", "en"),
        ("en;q=0.1, zh", "zh"),
        ("zh;q=0, en;q=0.2", "en"),
        ("zh;q=much", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_asks_for(header, language):
    assert language_of(header) == language

"""The texts of the page's scripts: in both languages, with the same values, and all of them used."""

import re
import string
from pathlib import Path
from typing import get_args

import reranker.ui
from reranker.i18n.client_texts import CLIENT_TEXTS
from reranker.i18n.error_messages import Language

SCRIPTS = "\n".join(
    path.read_text(encoding="utf-8") for path in (Path(reranker.ui.__file__).parent / "static" / "page").glob("*.js")
)
ASKED_FOR = set(re.findall(r"""\bt\("(\w+)\"""", SCRIPTS))
LITERALS = set(re.findall(r'"(\w+)"', SCRIPTS))
COMPOSED = tuple(re.findall(r"`([a-z]+_[a-z_]*)\$\{", SCRIPTS))  # `brief_${state}`
AREAS = {key.partition("_")[0] for key in CLIENT_TEXTS}  # such as "pictures", which begins all keys of the pictures


def values_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_each_text_is_there_in_both_languages_with_the_same_values():
    for key, texts in CLIENT_TEXTS.items():
        assert set(texts) == set(get_args(Language)), key
        assert all(texts.values()), key
        assert values_of(texts["en"]) == values_of(texts["zh"]), key


def test_no_text_is_markdown_or_html():
    for texts in CLIENT_TEXTS.values():
        for text in texts.values():
            assert not re.search(r"\*\*|`|</?\w+>", text)


def test_chinese_sentences_have_full_width_punctuation():
    for texts in CLIENT_TEXTS.values():
        assert not re.search(r"[\u4e00-\u9fff][,.;:?!]", texts["zh"])


def test_a_singular_has_a_plural_with_the_same_values_or_fewer():
    for key, texts in CLIENT_TEXTS.items():
        if key.endswith("_one"):
            plural = CLIENT_TEXTS[key.removesuffix("_one")]
            assert values_of(texts["en"]) <= values_of(plural["en"])


def test_each_text_that_a_script_asks_for_exists():
    assert ASKED_FOR
    assert set(CLIENT_TEXTS) >= ASKED_FOR


def test_each_key_that_a_script_names_exists():
    keys = {literal for literal in LITERALS if "_" in literal and literal.partition("_")[0] in AREAS}
    assert keys <= set(CLIENT_TEXTS)


def is_named(key: str) -> bool:
    """Whether a script has a key as a whole, or in two parts: `${label}_${value}`."""
    splits = [(key[:place], key[place + 1 :]) for place, letter in enumerate(key) if letter == "_"]
    return key in LITERALS or key.startswith(COMPOSED) or any(LITERALS.issuperset(parts) for parts in splits)


def test_each_text_is_used():
    assert [key for key in CLIENT_TEXTS if not is_named(key.removesuffix("_one"))] == []

"""The texts of the page's scripts: complete, and used."""

import re

from reranker.i18n.client_texts import CLIENT_TEXTS
from reranker.ui.client_files import CLIENT

SCRIPTS = "\n".join(path.read_text(encoding="utf-8") for path in sorted(CLIENT.glob("*.js")))
FIELD = re.compile(r"\{(\w+)\}")


def test_each_text_is_there_in_both_languages_with_the_same_fields() -> None:
    for key, texts in CLIENT_TEXTS.items():
        assert list(texts) == ["en", "zh"], key
        assert set(FIELD.findall(texts["en"])) == set(FIELD.findall(texts["zh"])), key
        assert all(texts.values()), key


def test_a_text_for_a_count_of_one_belongs_to_one_with_a_count() -> None:
    for key in CLIENT_TEXTS:
        if key.endswith("_one"):
            assert "count" in FIELD.findall(CLIENT_TEXTS[key.removesuffix("_one")]["en"]), key


def test_every_text_is_used_and_every_key_exists() -> None:
    """Some scripts put a key together from a part that they know and one of a list."""
    parts = set(re.findall(r"[`\"]([a-z][a-z_0-9]*)", SCRIPTS))
    starts = set(re.findall(r"`([a-z_]+_)\$\{", SCRIPTS))
    for key in CLIENT_TEXTS:
        is_built = any(key.startswith(start) for start in starts)
        assert key.removesuffix("_one") in parts or key.removesuffix("_why") in parts or is_built, key
    for key in re.findall(r"\b(?:t|say)\(\"(\w+)\"", SCRIPTS):
        assert key in CLIENT_TEXTS, key

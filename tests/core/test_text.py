"""What can be seen of a text, and what of it is text at all."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.text import is_blank, is_visible, is_well_formed, well_formed
from reranker.core.types import Candidate

properties = settings(deadline=None, max_examples=200, database=None)

INVISIBLE = [
    *("", " ", "\t\r\n", "\u00a0", "\u3000", "\u2028"),
    *("\u200b", "\u2060", "\ufeff", "\u00ad", "\0", "\u202e", "\u200d", "\u061c", "\x7f", "\x85"),
    *("\u3164", "\uffa0", "\u115f", "\u2800", "\u034f", "\ufe0f", "\U000e0041", "\u2066\u2069"),
    " \u200b \ufeff\n",
]


@pytest.mark.parametrize("text", INVISIBLE)
def test_what_cannot_be_seen_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", "猫", ".", "😀", "❤\ufe0f", "\u0301", "\u200bcat", "\u0600", "\ufffd", "\ue000"])
def test_what_can_be_seen_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@properties
@given(st.characters())
def test_letters_digits_and_punctuation_are_visible_except_the_fillers(character: str) -> None:
    if unicodedata.category(character)[0] in "LNPS" and character not in "\u3164\uffa0\u115f\u1160\u2800":
        assert is_visible(character)


@properties
@given(st.text())
def test_text_is_well_formed_and_stays_as_it_is(text: str) -> None:
    assert is_well_formed(text)
    assert well_formed(text) == text


@properties
@given(st.binary())
def test_bytes_that_are_no_text_become_replacement_characters(data: bytes) -> None:
    kept = data.decode("utf-8", "surrogateescape")
    assert well_formed(kept) == data.decode("utf-8", "replace")
    assert is_well_formed(kept) == (kept == well_formed(kept))


def test_text_that_a_locale_without_utf_8_has_kept_as_bytes_is_decoded() -> None:
    assert well_formed("一只猫 cat".encode().decode("ascii", "surrogateescape")) == "一只猫 cat"


@pytest.mark.parametrize("text", ["\ud83d", "cat \ude00", "\ud83d\udce9", "caf\udce9 \ud800"])
def test_half_a_surrogate_pair_becomes_a_replacement_character(text: str) -> None:
    assert not is_well_formed(text)
    well_formed(text).encode()
    assert "\ufffd" in well_formed(text)


def test_the_name_of_a_candidate_can_be_encoded() -> None:
    assert Candidate(name="caf\udce9.jpg", source=b"").name == "caf\ufffd.jpg"
    assert Candidate.of("caf\udce9.jpg").name == "caf\ufffd.jpg"

"""The tokenizer: answers are single tokens, words take few."""

import pytest
from transformers import AutoTokenizer

from reranker.config.paths import ASSETS
from reranker.toybox.tokenizer import SINGLE_TOKENS, build_tokenizer


def stored_tokenizer():
    return AutoTokenizer.from_pretrained(ASSETS / "toybox")


@pytest.mark.parametrize("tokenizer_of", [stored_tokenizer, pytest.param(build_tokenizer, marks=pytest.mark.extended)])
def test_answers_are_single_tokens_and_every_text_can_be_decoded(tokenizer_of):
    tokenizer = tokenizer_of()
    for text in SINGLE_TOKENS:
        assert len(tokenizer.encode(text, add_special_tokens=False)) == 1
    for text in ("窗台上有一只黑猫", "a fire truck 在雪地里", "emoji 🐈 and 漢字"):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    assert len(tokenizer.encode("穿红色裙子的女人", add_special_tokens=False)) <= 6

"""Captions are in the language they should be in, and vary."""

from random import Random

import numpy as np
import pytest

from reranker.toybox.captions import LANGUAGES, write_caption
from reranker.toybox.examples import evaluation_example
from reranker.toybox.matching import Request, RequestedThing


def is_chinese(text):
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def is_english(text):
    return any(character.isascii() and character.isalpha() for character in text)


@pytest.mark.extended
def test_captions_are_in_their_language_and_vary():
    rng = Random(2)
    mixed = []
    for _ in range(300):
        request = evaluation_example(rng).request
        assert not is_chinese(write_caption(request, "en", rng).text)
        assert not is_english(write_caption(request, "zh", rng).text)
        mixed.append(write_caption(request, "mixed", rng).text)
    assert np.mean([is_chinese(text) and is_english(text) for text in mixed]) > 0.9
    request = Request(things=(RequestedThing(thing="cat", colour="black"),), place="window sill", absent="people")
    for language in LANGUAGES:
        assert len({write_caption(request, language, rng).text for _ in range(60)}) >= 8

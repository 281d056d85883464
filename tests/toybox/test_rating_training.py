"""The rating stage: the text of a rating, and its place after the prompt."""

from random import Random

from reranker.models.scoring.prompts import RATING
from reranker.toybox.rating_training import rating_batch, rating_text
from reranker.toybox.sequences import PromptPrefix


def test_the_rating_of_a_match():
    assert (rating_text(1.0), rating_text(0.0), rating_text(0.8)) == ("Score: 10.0", "Score: 0.0", "Score: 3.6")


def test_the_rating_follows_the_prompt(checkpoint, example):
    prefix = PromptPrefix(checkpoint.tokenizer, RATING)
    batch, _ = rating_batch([example], prefix, Random(1), checkpoint.tokenizer.encode("<|image_pad|>")[0])
    for row, answer in enumerate(batch.answers):
        length = int((answer >= 0).sum())
        start = int(batch.last[row]) + 1
        assert batch.ids[row, start : start + length].tolist() == answer[:length].tolist()
        text = checkpoint.tokenizer.decode(answer[:length].tolist())
        assert text.startswith("Score: ")
        assert text.endswith("<|im_end|>")

"""The two ways to ask a model what it thinks of pictures: yes or no, or a rating in words."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reranker.core.types import Scoring
from reranker.models.loading import Checkpoint
from reranker.models.qwen2_5_vl.language import PrefixKV, last_hidden, prefill
from reranker.models.qwen2_5_vl.vision import ImageFeatures
from reranker.models.scoring.prompts import INSTRUCTIONS, LYCHEE, RATING, EncodedPrompt, encode_prompt
from reranker.models.scoring.rating import Answer, Generator
from reranker.models.scoring.rating_parser import read_rating

QUERIES_KEPT: Final = 16  # whose beginnings stay read, on the device
LEAST_RATING: Final = 1e-9  # and as far below 10: at the ends a log-odds would be infinite
SAME_RATING: Final = 0.01


@dataclass(frozen=True, kw_only=True)
class Document:
    """What is judged: a picture, and the text beside it."""

    picture: ImageFeatures
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoredDocument:
    """What the model says of one document; NaN where its words have no rating. `words` where it wrote some."""

    log_odds: float
    words: str | None = None


class ScoringMethod(Protocol):
    """A way to ask."""

    @property
    def identity(self) -> tuple[str, ...]:
        """What the answer depends on besides the checkpoint; for the fingerprint."""

    @property
    def temperature(self) -> float:
        """T of the score that people see."""

    def scores_of(self, query: str, documents: Sequence[Document]) -> list[ScoredDocument]:
        """Of each document. Without gradients, in the thread of torch."""


def make_scoring_method(checkpoint: Checkpoint, scoring: Scoring, instruction: str) -> ScoringMethod:
    """As `Settings` has both."""
    if scoring == "rating":
        return Rating(checkpoint)
    return YesNo(checkpoint, INSTRUCTIONS.get(instruction, instruction) or checkpoint.instruction)


class YesNo:
    """As rerankers are trained: the log-odds of yes against no at the last position, nothing generated."""

    def __init__(self, checkpoint: Checkpoint, instruction: str) -> None:
        self._checkpoint, self._instruction = checkpoint, instruction
        self._begun: OrderedDict[str, tuple[EncodedPrompt, PrefixKV]] = OrderedDict()

    @property
    def identity(self) -> tuple[str, ...]:
        """As `Asks` has it."""
        return LYCHEE.version, LYCHEE.template, self._instruction

    @property
    def temperature(self) -> float:
        """That of the checkpoint."""
        return self._checkpoint.temperature

    def scores_of(self, query: str, documents: Sequence[Document]) -> list[ScoredDocument]:
        """As `Asks` has it."""
        plain, prefix = self._opened(query)
        after = [self._encoded(query, document.text).after if document.text else plain.after for document in documents]
        pictures = [document.picture for document in documents]
        states = last_hidden(self._checkpoint.language, prefix, pictures, after)
        return [ScoredDocument(log_odds=value) for value in self._checkpoint.head.log_odds(states).tolist()]

    def _encoded(self, query: str, text: str = "") -> EncodedPrompt:
        return encode_prompt(self._checkpoint.tokenizer, LYCHEE, query, self._instruction, text)

    def _opened(self, query: str) -> tuple[EncodedPrompt, PrefixKV]:
        """The query's prompt, its beginning read; once a query, not once a batch."""
        if query not in self._begun:
            prompt = self._encoded(query)
            self._begun[query] = prompt, prefill(self._checkpoint.language, prompt.before)
            if len(self._begun) > QUERIES_KEPT:
                self._begun.popitem(last=False)
        self._begun.move_to_end(query)
        return self._begun[query]


class Rating:
    """As the articles do: the model writes "Score: X.X". For models that were not taught to say yes or no.

    The order is by the rating that its digits are expected to make, which does not tie; it is that of the words where
    they have another form.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._tokenizer, self._generator = checkpoint.tokenizer, Generator(checkpoint)

    @property
    def identity(self) -> tuple[str, ...]:
        """As `Asks` has it."""
        return RATING.version, RATING.template

    @property
    def temperature(self) -> float:
        """1: a rating is shown as it is."""
        return 1.0

    def scores_of(self, query: str, documents: Sequence[Document]) -> list[ScoredDocument]:
        """As `Asks` has it."""
        prompts = [encode_prompt(self._tokenizer, RATING, query, text=document.text) for document in documents]
        answers = self._generator.answers([document.picture for document in documents], prompts)
        return [ScoredDocument(log_odds=_log_odds(answer), words=answer.words) for answer in answers]


def _log_odds(answer: Answer) -> float:
    """logit(rating / 10), of the expected rating where the words say the very one that the digits were read as."""
    read, digits = read_rating(answer.words), answer.rating
    if read is None:
        return math.nan
    rating = digits.expected if digits is not None and abs(digits.written - read) < SAME_RATING else read
    share = min(max(rating, LEAST_RATING), 10 - LEAST_RATING) / 10
    return math.log(share / (1 - share))

"""The interface of scoring methods."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from reranker.models.architecture import ImageFeatures
from reranker.models.scoring.prompts import SuffixLength


@dataclass(frozen=True, kw_only=True)
class Document:
    """An encoded image and its accompanying text, to be scored against a query."""

    image: ImageFeatures
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Example:
    """The picture of a query.

    key: examples with equal keys have equal features. visual_tokens: at least 1. encode: returns the features; called
        in the thread of torch, unless the prefix of the query is still known.
    """

    key: str
    visual_tokens: int
    encode: Callable[[], ImageFeatures]


@dataclass(frozen=True, kw_only=True)
class ScoredDocument:
    """The log-odds of one document.

    generated_text: the most probable answer; None if the method has no answers.
    """

    log_odds: float
    generated_text: str | None = None


class ScoringMethod(Protocol):
    """Prompts a model and reads log-odds off its output."""

    @property
    def identity(self) -> tuple[str, ...]:
        """The settings besides the checkpoint that change the scores, for the fingerprint."""

    @property
    def temperature(self) -> float:
        """The temperature of the displayed score."""

    def query_tokens(self, query: str, example: Example | None = None) -> int:
        """Return the tokens before an image, with those of the example. Call it in the thread of torch."""

    @property
    def text_length(self) -> SuffixLength:
        """Counts the tokens after an image with a text, those of the method's branches included. Thread-safe."""

    def run(self, query: str, documents: Sequence[Document], example: Example | None = None) -> torch.Tensor:
        """Return the numbers of each document, (documents, numbers), on the device, without waiting for them.

        Call it without gradients, in the thread of torch.
        """

    def run_each(self, queries: Sequence[str], documents: Sequence[Document]) -> torch.Tensor:
        """Return the same as `run`, with a query of its own for each document, all in one packed pass."""

    def read(self, numbers: torch.Tensor) -> list[ScoredDocument]:
        """Return the score of each document by the numbers of `run`, which are in host memory. Thread-safe."""

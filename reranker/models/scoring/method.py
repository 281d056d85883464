"""What the ways to read a score off a model have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reranker.models.architecture import ImageFeatures


@dataclass(frozen=True, kw_only=True)
class Document:
    """What is scored against the query: an encoded image, and the text beside it."""

    image: ImageFeatures
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoredDocument:
    """The log-odds of one document; NaN if the generated text has no rating.

    generated_text: None if nothing was generated.
    """

    log_odds: float
    generated_text: str | None = None


class ScoringMethod(Protocol):
    """A prompt, and how log-odds are read off the model's output."""

    @property
    def identity(self) -> tuple[str, ...]:
        """What the scores depend on besides the checkpoint, for the fingerprint."""

    @property
    def temperature(self) -> float:
        """T of the score that people see."""

    def score(self, query: str, documents: Sequence[Document]) -> list[ScoredDocument]:
        """Score documents, without gradients, in the thread of torch."""

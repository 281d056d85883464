"""Score as rerankers are trained: by the log-odds of "yes" against "no" at the last position."""

from collections.abc import Sequence

import torch

from reranker.models.architecture import ImageSequence, PrefixKV
from reranker.models.loading import Checkpoint
from reranker.models.scoring.method import Document, Example, ScoredDocument
from reranker.models.scoring.prompt_cache import PromptCache
from reranker.models.scoring.prompts import LYCHEE, SuffixLength


class YesNo:
    """A `ScoringMethod` that needs one forward pass.

    instruction: the search task, which is part of the prompt.
    """

    def __init__(self, checkpoint: Checkpoint, instruction: str) -> None:
        self._checkpoint, self._instruction = checkpoint, instruction
        self._prompts = PromptCache(checkpoint, LYCHEE, instruction)

    @property
    def identity(self) -> tuple[str, ...]:
        """The prompt and its version."""
        return LYCHEE.version, LYCHEE.template, self._instruction

    @property
    def temperature(self) -> float:
        """The temperature of the checkpoint."""
        return self._checkpoint.temperature

    def query_tokens(self, query: str, example: Example | None = None) -> int:
        """Return the tokens before an image, with those of the example."""
        return self._prompts.query_tokens(query, example)

    @property
    def text_length(self) -> SuffixLength:
        """Counts the tokens after an image with a text, whatever the query."""
        return self._prompts.suffix_length()

    def run(self, query: str, documents: Sequence[Document], example: Example | None = None) -> torch.Tensor:
        """Return log-odds, (documents, 1), by one packed pass that continues the prefix of the query."""
        return self._log_odds(self._prompts.prefix(query, example), self._prompts.sequences(documents))

    def run_each(self, queries: Sequence[str], documents: Sequence[Document]) -> torch.Tensor:
        """Return log-odds, (documents, 1), by one packed pass that continues what the prompts start with."""
        prefix, before = self._prompts.shared_prefix(queries)
        return self._log_odds(prefix, self._prompts.sequences(documents, before))

    def _log_odds(self, prefix: PrefixKV, sequences: Sequence[ImageSequence]) -> torch.Tensor:
        return self._checkpoint.head.log_odds(self._checkpoint.model.last_hidden(prefix, sequences))

    def read(self, numbers: torch.Tensor) -> list[ScoredDocument]:
        """Return the log-odds as scores."""
        return [ScoredDocument(log_odds=log_odds) for (log_odds,) in numbers.tolist()]

"""Score as rerankers are trained: by the log-odds of "yes" against "no" at the last position."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from reranker.models.architecture import PrefixKV
from reranker.models.loading import Checkpoint
from reranker.models.scoring.method import Document, ScoredDocument
from reranker.models.scoring.prompts import LYCHEE, EncodedPrompt, encode_prompt

MAX_PREFIXES: Final = 16  # queries whose prefix stays on the device


class YesNo:
    """A `ScoringMethod` that generates no text.

    instruction: the search task, which is part of the prompt.
    """

    def __init__(self, checkpoint: Checkpoint, instruction: str) -> None:
        self._checkpoint, self._instruction = checkpoint, instruction
        self._prefixes: OrderedDict[str, tuple[EncodedPrompt, PrefixKV]] = OrderedDict()

    @property
    def identity(self) -> tuple[str, ...]:
        """The prompt and its version."""
        return LYCHEE.version, LYCHEE.template, self._instruction

    @property
    def temperature(self) -> float:
        """The temperature of the checkpoint."""
        return self._checkpoint.temperature

    def text_tokens(self, text: str) -> int:
        """Return the tokens after an image with this text, whatever the query."""
        return len(self._encode("", text).after)

    def score(self, query: str, documents: Sequence[Document]) -> list[ScoredDocument]:
        """Score documents in one packed pass that continues the prefix of the query."""
        plain, prefix = self._prefix(query)
        suffixes = [
            self._encode(query, document.text).after if document.text else plain.after for document in documents
        ]
        images = [document.image for document in documents]
        states = self._checkpoint.model.last_hidden(prefix, images, suffixes)
        return [ScoredDocument(log_odds=value) for value in self._checkpoint.head.log_odds(states).tolist()]

    def _encode(self, query: str, text: str = "") -> EncodedPrompt:
        return encode_prompt(self._checkpoint.tokenizer, LYCHEE, query, self._instruction, text)

    def _prefix(self, query: str) -> tuple[EncodedPrompt, PrefixKV]:
        """Return the prompt of a query and its prefix, computed once per query instead of once per batch."""
        if query not in self._prefixes:
            prompt = self._encode(query)
            self._prefixes[query] = prompt, self._checkpoint.model.prefill(prompt.before)
            if len(self._prefixes) > MAX_PREFIXES:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(query)
        return self._prefixes[query]

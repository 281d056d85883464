"""Encode the prompts of a layout, and keep what recent queries have computed."""

from collections import OrderedDict
from typing import Final

from reranker.models.architecture import PrefixKV
from reranker.models.loading import Checkpoint
from reranker.models.scoring.prompts import EncodedPrompt, Layout, encode_prompt

MAX_PREFIXES: Final = 16  # queries whose prefix stays on the device


class PromptCache:
    """The prompts of one layout and instruction. The prefix of a query is computed once, not once per batch."""

    def __init__(self, checkpoint: Checkpoint, layout: Layout, instruction: str) -> None:
        self._checkpoint, self._layout, self._instruction = checkpoint, layout, instruction
        self._prefixes: OrderedDict[str, tuple[EncodedPrompt, PrefixKV]] = OrderedDict()

    def query_tokens(self, query: str) -> int:
        """Return the number of tokens before the image. Call it in the thread of torch."""
        prompt = self._prefixes[query][0] if query in self._prefixes else self._encode(query)
        return len(prompt.before)

    def prefix(self, query: str) -> PrefixKV:
        """Return the keys and values of the tokens before the image."""
        return self._of(query)[1]

    def suffix(self, query: str, text: str) -> tuple[int, ...]:
        """Return the ids of the tokens after the image. text: of the document."""
        return self._encode(query, text).after if text else self._of(query)[0].after

    def text_tokens(self, text: str) -> int:
        """Return the number of tokens after an image with this text, whatever the query. Thread-safe."""
        return len(self._encode("", text).after)

    def _of(self, query: str) -> tuple[EncodedPrompt, PrefixKV]:
        if query not in self._prefixes:
            prompt = self._encode(query)
            self._prefixes[query] = prompt, self._checkpoint.model.prefill(prompt.before)
            if len(self._prefixes) > MAX_PREFIXES:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(query)
        return self._prefixes[query]

    def _encode(self, query: str, text: str = "") -> EncodedPrompt:
        return encode_prompt(self._checkpoint.tokenizer, self._layout, query, self._instruction, text)

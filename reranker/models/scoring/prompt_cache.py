"""Encode the prompts of a layout, and keep what recent queries have computed."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from reranker.models.architecture import ImageSequence, PrefixKV
from reranker.models.loading import Checkpoint
from reranker.models.scoring.method import Document, Example
from reranker.models.scoring.prompts import EncodedPrompt, Layout, SuffixLength, encode_prompt

# Queries whose prefix stays on the device, and the tokens of all of them: 230 MB with the 7B model.
MAX_PREFIXES: Final = 16
MAX_PREFIX_TOKENS: Final = 4096
MAX_PROMPTS: Final = 16_384  # whose ids are remembered: those of the labels of a vocabulary


class PromptCache:
    """The prompts of one layout and instruction. The prefix of a query is computed once, not once per batch."""

    def __init__(self, checkpoint: Checkpoint, layout: Layout, instruction: str) -> None:
        self._checkpoint, self._layout, self._instruction = checkpoint, layout, instruction
        self._prefixes: OrderedDict[tuple[str, str | None], PrefixKV] = OrderedDict()
        self._plain_suffix = self._encode().after
        self._before = lru_cache(MAX_PROMPTS)(lambda query: self._encode(query).before)

    def query_tokens(self, query: str, example: Example | None = None) -> int:
        """Return the number of tokens before the image. Call it in the thread of torch."""
        known = self._prefixes.get(_key(query, example))
        if known is not None:
            return known.tokens
        prompt = self._encode(query, has_example=example is not None)
        before_example = prompt.before_example or ()
        return len(before_example) + (example.visual_tokens if example else 0) + len(prompt.before)

    def prefix(self, query: str, example: Example | None = None) -> PrefixKV:
        """Return the keys and values of the tokens before the image."""
        key = _key(query, example)
        if key not in self._prefixes:
            self._prefixes[key] = self._prefill(query, example)
            self._evict()
        self._prefixes.move_to_end(key)
        return self._prefixes[key]

    def shared_prefix(self, queries: Sequence[str]) -> tuple[PrefixKV, list[tuple[int, ...]]]:
        """Return the keys and values of the tokens that the prompts of all queries start with, and for each query the
        ids of those that follow, up to the image.
        """
        before = [self._before(query) for query in queries]
        count = _common_start(self._before(""), *before)
        return self.prefix("").first(count), [ids[count:] for ids in before]

    def suffix(self, text: str) -> tuple[int, ...]:
        """Return the ids of the tokens after the image, whatever the query. text: of the document. Thread-safe."""
        return self._encode(text=text).after if text else self._plain_suffix

    def suffix_length(self, branches: int = 0) -> SuffixLength:
        """Return what counts the tokens of `suffix`, and so many more."""
        return SuffixLength(
            tokenizer=self._checkpoint.tokenizer,
            layout=self._layout,
            instruction=self._instruction,
            branches=branches,
            plain=len(self._plain_suffix),
        )

    def sequences(
        self, documents: Sequence[Document], before: Sequence[tuple[int, ...]] | None = None
    ) -> list[ImageSequence]:
        """Return what follows a prefix, for each document. before: ids between the prefix and its image, if any."""
        return [
            ImageSequence(before=ids, image=document.image, after=self.suffix(document.text))
            for document, ids in zip(documents, before or [()] * len(documents), strict=True)
        ]

    def _prefill(self, query: str, example: Example | None) -> PrefixKV:
        prompt, model = self._encode(query, has_example=example is not None), self._checkpoint.model
        if example is None or prompt.before_example is None:
            return model.prefill(prompt.before)
        return model.prefill(prompt.before_example, example.encode(), prompt.before)

    def _evict(self) -> None:
        """Forget the least recent prefixes, but never the last one."""
        while len(self._prefixes) > 1 and (
            len(self._prefixes) > MAX_PREFIXES
            or sum(prefix.tokens for prefix in self._prefixes.values()) > MAX_PREFIX_TOKENS
        ):
            self._prefixes.popitem(last=False)

    def _encode(self, query: str = "", text: str = "", *, has_example: bool = False) -> EncodedPrompt:
        tokenizer = self._checkpoint.tokenizer
        return encode_prompt(tokenizer, self._layout, query, self._instruction, text, has_example=has_example)


def _common_start(*sequences: tuple[int, ...]) -> int:
    """Return how many items all sequences start with."""
    columns = zip(*sequences, strict=False)
    return next((count for count, column in enumerate(columns) if len(set(column)) > 1), min(map(len, sequences)))


def _key(query: str, example: Example | None) -> tuple[str, str | None]:
    return query, example.key if example else None

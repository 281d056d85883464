"""Layouts: how a query and a picture become the tokens that a model was trained on.

`LYCHEE` is the layout of vec-ai/lychee-rerank-mm as a third party's benchmark of that checkpoint has it, the same as
the official code of Qwen3-VL-Reranker: parts joined with nothing between them, the picture before the document's text.
"""

from dataclasses import dataclass
from typing import Protocol

VISION_START, IMAGE_PAD, VISION_END = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"
DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A prompt with the fields {instruction} and {query} and one image; `version` goes into the fingerprint."""

    version: str
    template: str

    def fill(self, query: str, instruction: str = DEFAULT_INSTRUCTION) -> str:
        """The prompt with one image pad; a query stays text: special tokens that it spells out are broken up."""
        fields = {"{instruction}": instruction, "{query}": query.replace("<|", "< |")}
        text = self.template
        for field, value in fields.items():
            text = text.replace(field, value)
        return text


LYCHEE = Layout(
    version="lychee-1",
    template=(
        "<|im_start|>system\n"
        "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
        'Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n"
        "<Instruct>: {instruction}<Query>:{query}\n"
        f"<Document>:{VISION_START}{IMAGE_PAD}{VISION_END}<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
)

RATING = Layout(
    version="rating-1",
    template=(
        "<|im_start|>system\n"
        "You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n"
        "Rate how well the picture fits the query, from 0.0 to 10.0. "
        'Answer in the form "Score: X.X".\n'
        "Query: {query}\n"
        f"{VISION_START}{IMAGE_PAD}{VISION_END}<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
)


class Encodes(Protocol):
    """The part of a tokenizer that layouts need."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Token ids of a text in which special tokens are spelled out."""


@dataclass(frozen=True, kw_only=True)
class EncodedPrompt:
    """Token ids around the picture: those before the first image position and those after the last."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def encode_prompt(tokenizer: Encodes, layout: Layout, query: str) -> EncodedPrompt:
    """The filled layout as ids, cut at its image pad."""
    ids = tokenizer.encode(layout.fill(query), add_special_tokens=False)
    cut = ids.index(*tokenizer.encode(IMAGE_PAD, add_special_tokens=False))
    return EncodedPrompt(before=tuple(ids[:cut]), after=tuple(ids[cut + 1 :]))

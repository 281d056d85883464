"""Layouts: how a query and a document become the tokens that a model was trained on.

`LYCHEE` is the layout of vec-ai/lychee-rerank-mm as a third party's benchmark of that checkpoint has it, the same as
the official code of Qwen3-VL-Reranker: parts joined with nothing between them, the picture before the document's text.
`RATING` asks for a number in words, as the articles do that this program began from.
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol

VISION_START, IMAGE_PAD, VISION_END = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"

FIELD: Final = re.compile(r"\{(?:instruction|query|text)\}")

# What the documents are searched for. "web" is what the checkpoint was measured with, "photo" in the style that its
# family was trained on with captions.
INSTRUCTIONS: Final = {
    "photo": "Find an image that matches the given caption.",
    "product": "Given a description of a product, find the picture of that product.",
    "document": "Given a question, find the document page that answers it.",
    "remote-sensing": "Given a description of a place seen from above, find the aerial image that shows it.",
    "web": "Given a web search query, retrieve relevant passages that answer the query",
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A prompt with one image and the fields {query}, {text} of the document beside the image, and {instruction}.

    `version` goes into the fingerprint.
    """

    version: str
    template: str

    def fill(self, query: str, instruction: str = INSTRUCTIONS["web"], text: str = "") -> str:
        """The prompt with one image pad; what is given stays text: special tokens that it spells out are broken up."""
        given = {"{instruction}": instruction, "{query}": query, "{text}": text}
        return FIELD.sub(lambda found: given[found[0]].replace("<|", "< |"), self.template)


LYCHEE = Layout(
    version="lychee-1",
    template=(
        "<|im_start|>system\n"
        "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
        'Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n"
        "<Instruct>: {instruction}<Query>:{query}\n"
        f"<Document>:{VISION_START}{IMAGE_PAD}{VISION_END}{{text}}<|im_end|>\n"
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
        f"{VISION_START}{IMAGE_PAD}{VISION_END}{{text}}<|im_end|>\n"
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


def encode_prompt(
    tokenizer: Encodes, layout: Layout, query: str, instruction: str = INSTRUCTIONS["web"], text: str = ""
) -> EncodedPrompt:
    """The filled layout as ids, cut at its image pad."""
    ids = tokenizer.encode(layout.fill(query, instruction, text), add_special_tokens=False)
    cut = ids.index(*tokenizer.encode(IMAGE_PAD, add_special_tokens=False))
    return EncodedPrompt(before=tuple(ids[:cut]), after=tuple(ids[cut + 1 :]))

"""Prompt templates, and their encoding to the tokens that a model was trained on.

`LYCHEE` is the template of vec-ai/lychee-rerank-mm as in a third-party benchmark of that checkpoint. It is the same as
in the official code of Qwen3-VL-Reranker: the parts follow each other without separators, and the picture is before the
document's text. The picture of a query, its example, is before the query's text in the same way. `RATING` prompts for
a number, as the articles on which this program is based do.

The instruction of a prompt is the first that exists of: that of the settings (a name of `INSTRUCTIONS` or a sentence),
that of `reranker.json` in the folder of the checkpoint, that of the architecture.
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol

VISION_START, IMAGE_PAD, VISION_END = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"
IMAGE: Final = VISION_START + IMAGE_PAD + VISION_END

FIELD: Final = re.compile(r"\{(?:instruction|query|text)\}")

# Search tasks. "web" is the only one with which vec-ai/lychee-rerank-mm was evaluated. "photo" is that of the caption
# data in M-BEIR (arXiv 2311.17136), on which models of its family were trained.
INSTRUCTIONS: Final = {
    "photo": "Find me an everyday image that matches the given caption.",
    "product": "Given a description of a product, find the picture of that product.",
    "document": "Given a question, find the document page that answers it.",
    "remote-sensing": "Given a description of a place seen from above, find the aerial image that shows it.",
    "web": "Given a web search query, retrieve relevant passages that answer the query",
}
DEFAULT_INSTRUCTION: Final = INSTRUCTIONS["web"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A prompt template with the image of a document and the fields {instruction}, {query} and {text}, of the document.

    version: part of the fingerprint. Change it if examples stand elsewhere than `fill` puts them.
    """

    version: str
    template: str

    def fill(
        self, query: str, instruction: str = DEFAULT_INSTRUCTION, text: str = "", *, has_example: bool = False
    ) -> str:
        """Return the prompt, with an image pad for the document, and one for the example before the query's text.

        Special tokens in the arguments are broken up, so they stay text.
        """
        given = {"{instruction}": instruction, "{query}": query, "{text}": text}
        values = {field: value.replace("<|", "< |") for field, value in given.items()}
        if has_example:
            values["{query}"] = IMAGE + values["{query}"]
        return FIELD.sub(lambda field: values[field[0]], self.template)


LYCHEE = Layout(
    version="lychee-1",
    template=(
        "<|im_start|>system\n"
        "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
        'Note that the answer can only be "yes" or "no".<|im_end|>\n'
        "<|im_start|>user\n"
        "<Instruct>: {instruction}<Query>:{query}\n"
        f"<Document>:{IMAGE}{{text}}<|im_end|>\n"
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
        f"{IMAGE}{{text}}<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
)


RATING_FORM: Final = "Score: {:.1f}"

# The rating prompt with the start of its answer, after which the first digit follows.
RATING_ANSWER = Layout(version="rating-2", template=RATING.template + RATING_FORM.partition("{")[0])


class TextEncoder(Protocol):
    """The part of a tokenizer that encodes prompts."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Return the token ids of a text, in which special tokens are recognized."""


@dataclass(frozen=True, kw_only=True)
class EncodedPrompt:
    """The token ids of a prompt before and after the image of the document.

    before_example: those before the example, which `before` follows; None if there is no example.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    before_example: tuple[int, ...] | None = None


def encode_prompt(
    tokenizer: TextEncoder,
    layout: Layout,
    query: str,
    instruction: str = DEFAULT_INSTRUCTION,
    text: str = "",
    *,
    has_example: bool = False,
) -> EncodedPrompt:
    """Fill the template, encode it, and split the ids at the image pads."""
    ids = tokenizer.encode(layout.fill(query, instruction, text, has_example=has_example), add_special_tokens=False)
    (pad,) = tokenizer.encode(IMAGE_PAD, add_special_tokens=False)
    *examples, image = (index for index, each in enumerate(ids) if each == pad)
    before, after = tuple(ids[:image]), tuple(ids[image + 1 :])
    if not examples:
        return EncodedPrompt(before=before, after=after)
    (example,) = examples
    return EncodedPrompt(before_example=before[:example], before=before[example + 1 :], after=after)


@dataclass(frozen=True, kw_only=True)
class SuffixLength:
    """Counts the tokens of a prompt after the image of its document. Thread-safe; it can be pickled.

    plain: the count without a text, which most documents have. branches: tokens that are counted besides.
    """

    tokenizer: TextEncoder
    layout: Layout
    instruction: str
    branches: int
    plain: int

    def __call__(self, text: str) -> int:
        """Return the count for the text of a document, whatever the query."""
        if not text:
            return self.plain + self.branches
        return len(encode_prompt(self.tokenizer, self.layout, "", self.instruction, text).after) + self.branches

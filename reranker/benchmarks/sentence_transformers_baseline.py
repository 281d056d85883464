"""The CrossEncoder of sentence-transformers on the model that is measured: this program's closest competitor.

It comes with the packages sentence-transformers and torchvision, which this program does not need otherwise.
"""

from typing import Any

import torch

from reranker.benchmarks.model_shapes import Model
from reranker.models.hub import TOYBOX
from reranker.models.scoring.prompts import IMAGE_PAD, LYCHEE, VISION_END, VISION_START

QUERY = "{{ messages[0].content[0].text }}"
DOCUMENT = (
    "{% for part in messages[1].content %}"
    f"{{% if part.type == 'image' %}}{VISION_START}{IMAGE_PAD}{VISION_END}{{% else %}}{{{{ part.text }}}}{{% endif %}}"
    "{% endfor %}"
)
PLACE_OF_QUERY = "THE QUERY GOES HERE"


def why_not() -> str | None:
    """What is missing to run it, in words; None where it runs."""
    try:
        import sentence_transformers.cross_encoder.modules  # noqa: F401, PLC0415 - only who measures needs it
        import torchvision  # noqa: F401, PLC0415
    except (ImportError, RuntimeError, OSError):  # a torchvision made for another torch fails in several ways
        return "it needs the packages sentence-transformers and torchvision, the latter made for the torch here."
    return None


def cross_encoder(model: Model, visual_tokens: int) -> Any:
    """A CrossEncoder that shares the model's weights, tokenizer and prompt, for pairs of a query and a picture.

    Its shell is the toybox's, since it can only be made from a folder; all that is measured is then put in its place.
    """
    from sentence_transformers import CrossEncoder  # noqa: PLC0415
    from sentence_transformers.base.modules import Transformer  # noqa: PLC0415
    from sentence_transformers.cross_encoder.modules import LogitScore  # noqa: PLC0415

    checkpoint = model.checkpoint
    transformer = Transformer(str(TOYBOX), transformer_task="any-to-any")
    transformer.model, transformer.processor.tokenizer = model.network, checkpoint.tokenizer
    transformer.processor.tokenizer.padding_side = "left"
    transformer.processor.chat_template = _template()
    transformer.processor.image_processor.size = dict.fromkeys(
        ("shortest_edge", "longest_edge"), visual_tokens * 28 * 28
    )
    yes, no = (checkpoint.tokenizer.encode(word, add_special_tokens=False)[0] for word in ("yes", "no"))
    return CrossEncoder(
        modules=[transformer, LogitScore(yes, no)], device=str(checkpoint.device), activation_fn=torch.nn.Identity()
    )


def _template() -> str:
    """The prompt as a chat template of one message for the query and one for the document."""
    before, after = LYCHEE.fill(PLACE_OF_QUERY).split(PLACE_OF_QUERY)
    # A template's last line break is dropped.
    return before + QUERY + after.replace(f"{VISION_START}{IMAGE_PAD}{VISION_END}", DOCUMENT) + "\n"

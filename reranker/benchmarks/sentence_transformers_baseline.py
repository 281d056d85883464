"""The CrossEncoder and the SentenceTransformer of sentence-transformers with the benchmarked models, as baselines.

It needs the packages sentence-transformers and torchvision, which the rest of the program does not need.
"""

from pathlib import Path
from typing import Any

import torch

from reranker.benchmarks.model_shapes import Model
from reranker.benchmarks.transformers_reference import processor_settings
from reranker.models.hub import TOYBOX
from reranker.models.scoring.prompts import IMAGE_PAD, LYCHEE, VISION_END, VISION_START

QUERY_TEMPLATE = "{{ messages[0].content[0].text }}"
DOCUMENT_TEMPLATE = (
    "{% for part in messages[1].content %}"
    f"{{% if part.type == 'image' %}}{VISION_START}{IMAGE_PAD}{VISION_END}{{% else %}}{{{{ part.text }}}}{{% endif %}}"
    "{% endfor %}"
)
QUERY_PLACEHOLDER = "THE QUERY GOES HERE"


def missing_requirement() -> str | None:
    """Return a sentence about what is missing to run it, or None if nothing is."""
    try:
        import sentence_transformers.cross_encoder.modules  # noqa: F401, PLC0415 - only this benchmark needs it
        import torchvision  # noqa: F401, PLC0415
    except (ImportError, RuntimeError, OSError):  # a torchvision built for another torch fails in several ways
        return "it needs the packages sentence-transformers and torchvision, the latter built for the installed torch."
    return None


def cross_encoder(model: Model, visual_tokens: int) -> Any:
    """Return a CrossEncoder for pairs of a query and a picture, with the weights, tokenizer and prompt of the model.

    It can only be created from a folder, so it is created from the toybox's, and then its parts are replaced.
    """
    from sentence_transformers import CrossEncoder  # noqa: PLC0415
    from sentence_transformers.base.modules import Transformer  # noqa: PLC0415
    from sentence_transformers.cross_encoder.modules import LogitScore  # noqa: PLC0415

    checkpoint = model.checkpoint
    transformer = Transformer(str(TOYBOX), transformer_task="any-to-any")
    transformer.model, transformer.processor.tokenizer = model.network, checkpoint.tokenizer
    transformer.processor.tokenizer.padding_side = "left"
    transformer.processor.chat_template = _template()
    for name, value in processor_settings(checkpoint, visual_tokens).items():
        setattr(transformer.processor.image_processor, name, value)
    yes, no = (checkpoint.tokenizer.encode(word, add_special_tokens=False)[0] for word in ("yes", "no"))
    return CrossEncoder(
        modules=[transformer, LogitScore(yes, no)], device=str(checkpoint.device), activation_fn=torch.nn.Identity()
    )


def sentence_transformer(folder: Path) -> Any:
    """Return a SentenceTransformer of the dual encoder in a folder, in FP32 on the CPU."""
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    return SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})


def _template() -> str:
    """Return the prompt as a chat template of a message with the query and a message with the document."""
    before, after = LYCHEE.fill(QUERY_PLACEHOLDER).split(QUERY_PLACEHOLDER)
    # The template drops its last line break.
    return before + QUERY_TEMPLATE + after.replace(f"{VISION_START}{IMAGE_PAD}{VISION_END}", DOCUMENT_TEMPLATE) + "\n"

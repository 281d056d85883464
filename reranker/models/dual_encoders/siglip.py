"""SigLIP, SigLIP 2 with a fixed resolution, and Git-RSCLIP: all are `SiglipModel`.

The text tower pools its last position, padding included, and takes no attention mask. So a text is always padded on the
right to the full length. Sources: https://arxiv.org/abs/2303.15343, https://arxiv.org/abs/2502.14786, and transformers.
"""

import string
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, cast

import torch
from transformers import PretrainedConfig, PreTrainedTokenizerFast, SiglipConfig, SiglipModel

from reranker.core.errors import CheckpointBroken, CheckpointMissing, CheckpointUnsupported
from reranker.models.dual_encoders.family import DualEncoderFamily, Tokenize
from reranker.models.model_files import ModelFiles
from reranker.models.picture_preprocessing import SquareDefaults

TOKENIZER: Final = "tokenizer.json"
TOKENIZER_SETTINGS: Final = "tokenizer_config.json"
_WITHOUT_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


def canonical(text: str) -> str:
    """Return a text as SigLIP was trained: lower case, without ASCII punctuation, with single spaces."""
    return " ".join(text.lower().translate(_WITHOUT_PUNCTUATION).split())


# What tokenizer.json does not do itself. SigLIP 2 was trained with lower case, which Gemma's tokenizer keeps.
_NORMALIZE: Final[Mapping[str, Callable[[str], str]]] = {
    "SiglipTokenizer": canonical,
    "GemmaTokenizer": str.lower,
    "GemmaTokenizerFast": str.lower,
}


def make_tokenize(files: ModelFiles, config: PretrainedConfig) -> Tokenize:
    """Return what turns texts into token ids of the full length. Raises a `CheckpointError`."""
    if not (files.folder / TOKENIZER).is_file():
        raise CheckpointMissing(name=files.name, missing=TOKENIZER)
    settings = files.read_json(TOKENIZER_SETTINGS)
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(files.folder, local_files_only=True)
    except Exception as error:  # tokenizers raises errors of many types
        raise CheckpointBroken(name=files.name, file=TOKENIZER, reason=type(error).__name__) from error
    if tokenizer.eos_token_id is None or tokenizer.pad_token_id is None:
        reason = f"{TOKENIZER_SETTINGS} names no eos_token or no pad_token"
        raise CheckpointUnsupported(name=files.name, reason=reason)
    return partial(
        _tokenize,
        tokenizer=tokenizer,
        normalize=_NORMALIZE.get(str(settings.get("tokenizer_class")), str),
        length=cast(Any, config).text_config.max_position_embeddings,
    )


def _tokenize(
    texts: Sequence[str], *, tokenizer: PreTrainedTokenizerFast, normalize: Callable[[str], str], length: int
) -> dict[str, torch.Tensor]:
    rows = []
    for text in texts:
        ids = tokenizer.encode(normalize(text), add_special_tokens=False)[: length - 1]
        padding = [tokenizer.pad_token_id] * (length - len(ids) - 1)
        rows.append([*ids, tokenizer.eos_token_id, *padding])
    return {"input_ids": torch.tensor(rows)}


SIGLIP: Final = DualEncoderFamily(
    model_type="siglip",
    config_class=SiglipConfig,
    network_class=SiglipModel,
    square_defaults=SquareDefaults(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), center_crop=False),
    dimensions=lambda config: config.text_config.projection_size,
    make_tokenize=make_tokenize,
    text_length_varies=False,
    version="siglip-1",
)

"""Chinese-CLIP: `ChineseCLIPModel`, a vision transformer and a Chinese BERT.

The vector of a text is the projected state of its first token. Source: https://arxiv.org/abs/2211.01335 and its code,
which cuts texts to 52 tokens and writes curly quotes as straight ones.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import torch
from transformers import ChineseCLIPConfig, ChineseCLIPModel, PretrainedConfig, PreTrainedTokenizerBase

from reranker.models.dual_encoders.family import DualEncoderFamily, Tokenize
from reranker.models.model_files import ModelFiles
from reranker.models.picture_preprocessing import SquareDefaults

MAX_TEXT_TOKENS: Final = 52  # with the first and the last one
_STRAIGHT_QUOTES: Final = str.maketrans("“”", '""')


def make_tokenize(files: ModelFiles, config: PretrainedConfig) -> Tokenize:
    """Return what turns texts into token ids and an attention mask. Raises a `CheckpointError`."""
    return partial(_tokenize, tokenizer=files.tokenizer())


def _tokenize(texts: Sequence[str], *, tokenizer: PreTrainedTokenizerBase) -> dict[str, torch.Tensor]:
    encoded = tokenizer(
        [text.lower().translate(_STRAIGHT_QUOTES) for text in texts],
        padding=True,
        truncation=True,
        max_length=MAX_TEXT_TOKENS,
        padding_side="right",
        return_tensors="pt",
    )
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


CHINESE_CLIP: Final = DualEncoderFamily(
    model_type="chinese_clip",
    config_class=ChineseCLIPConfig,
    network_class=ChineseCLIPModel,
    square_defaults=SquareDefaults(
        mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711), center_crop=True
    ),
    dimensions=lambda config: config.projection_dim,
    make_tokenize=make_tokenize,
    text_length_varies=True,
    version="chinese-clip-1",
)

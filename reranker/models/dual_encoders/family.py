"""What the code needs to know about a family of dual encoders, and how its texts become tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from reranker.models.model_files import ModelFiles
from reranker.models.picture_preprocessing import SquareDefaults

Tokenize = Callable[[Sequence[str]], dict[str, torch.Tensor]]
"""Turns texts into the arguments of `get_text_features`."""


@dataclass(frozen=True, kw_only=True)
class DualEncoderFamily:
    """Reads and runs the checkpoints of one `model_type`.

    square_defaults: used for what the checkpoint does not say about its image processor, as transformers does.
    dimensions: takes the configuration, and returns those of a vector.
    make_tokenize: takes the files and the configuration; raises a `CheckpointError`. version: part of the fingerprint;
        increase it if the same text or picture gets another vector. text_length_varies: whether texts of different
        lengths become different numbers of tokens.
    """

    model_type: str
    config_class: type[PretrainedConfig]
    network_class: type[PreTrainedModel]
    square_defaults: SquareDefaults
    dimensions: Callable[[Any], int]
    make_tokenize: Callable[[ModelFiles, PretrainedConfig], Tokenize]
    text_length_varies: bool
    version: str

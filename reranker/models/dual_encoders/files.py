"""The files of a dual encoder."""

import hashlib
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

from safetensors import safe_open
from transformers import PretrainedConfig

from reranker.core.errors import CheckpointBroken
from reranker.models.dual_encoders.chinese_clip import CHINESE_CLIP
from reranker.models.dual_encoders.family import DualEncoderFamily
from reranker.models.dual_encoders.siglip import SIGLIP
from reranker.models.model_files import CONFIG, ModelFiles
from reranker.models.picture_preprocessing import SquareSettings, is_positive_whole

MAX_LOGIT_SCALE: Final = 10.0  # the exponential of what no trained checkpoint has
FAMILIES: Final = {family.model_type: family for family in (SIGLIP, CHINESE_CLIP)}


@contextmanager
def without_advice_on_ids() -> Iterator[None]:
    """Keep transformers from warning of the ids of <bos> and <eos> that SigLIP's configurations do not set.

    The defaults lie beyond the vocabulary; the ids are those of the tokenizer.
    """
    log = logging.getLogger("transformers.configuration_utils")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@dataclass(frozen=True, kw_only=True)
class Logits:
    """How a cosine becomes the logit of a text and a picture: scale * cosine + bias.

    scale: the exponential of the checkpoint's `logit_scale`. bias: None if the checkpoint has none, as CLIP.
    """

    scale: float
    bias: float | None


class DualEncoderFiles(ModelFiles):
    """The folder of a dual encoder."""

    supported = FAMILIES

    @property
    def family(self) -> DualEncoderFamily:
        """The code that reads and runs it."""
        return FAMILIES[self.model_type]

    @cached_property
    def config(self) -> PretrainedConfig:
        """The configuration of the network, by config.json."""
        try:
            with without_advice_on_ids():
                return self.family.config_class.from_pretrained(self.folder, local_files_only=True)
        except Exception as error:  # transformers raises errors of many types
            raise CheckpointBroken(name=self.name, file=CONFIG, reason=type(error).__name__) from error

    @property
    def tokenizer_digest(self) -> str:
        """A digest of the files of the tokenizer."""
        files = [self.folder / name for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt")]
        contents = [file.read_bytes() if file.is_file() else b"" for file in files]
        return hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in contents)).hexdigest()

    @property
    def logits(self) -> Logits:
        """How a cosine becomes a logit, by the weights."""
        scale, bias = self._scalar("logit_scale"), self._scalar("logit_bias")
        return Logits(scale=1.0 if scale is None else math.exp(min(scale, MAX_LOGIT_SCALE)), bias=bias)

    def _scalar(self, weight: str) -> float | None:
        """Return a weight that is one number; None if there is no such weight."""
        for path in self.weights:
            with safe_open(path, framework="pt") as tensors:
                if weight in tensors.keys():  # noqa: SIM118 - it is no dictionary
                    return float(tensors.get_tensor(weight).float().flatten()[0])
        return None

    @property
    def square_settings(self) -> SquareSettings:
        """How pictures are prepared: those of the image processor, which must agree with the vision tower."""
        image_px = cast(Any, self.config).vision_config.image_size
        if not is_positive_whole(image_px):
            raise self.invalid(CONFIG, "image_size", "positive whole number")
        return self.preprocessor_fields().square_settings(image_px, self.family.square_defaults)

"""The files of a dual encoder."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, cast

from transformers import PretrainedConfig

from reranker.core.errors import CheckpointBroken
from reranker.models.dual_encoders.chinese_clip import CHINESE_CLIP
from reranker.models.dual_encoders.family import DualEncoderFamily
from reranker.models.dual_encoders.siglip import SIGLIP
from reranker.models.model_files import CONFIG, ModelFiles
from reranker.models.picture_preprocessing import SquareSettings, is_positive_whole

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
    def square_settings(self) -> SquareSettings:
        """How pictures are prepared: those of the image processor, which must agree with the vision tower."""
        image_px = cast(Any, self.config).vision_config.image_size
        if not is_positive_whole(image_px):
            raise self.invalid(CONFIG, "image_size", "positive whole number")
        return self.preprocessor_fields().square_settings(image_px, self.family.square_defaults)

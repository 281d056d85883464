"""Read the folder of a checkpoint in the Hugging Face layout, and check its files.

The folder has config.json, safetensors files, a tokenizer, and processor_config.json or preprocessor_config.json. It
may also have `reranker.json`, a file of this program: the settings that the checkpoint was trained with, and its
calibration.
"""

from functools import cached_property
from typing import Any, Final, cast

from transformers import PretrainedConfig

from reranker.core.errors import CheckpointBroken
from reranker.core.text import is_well_formed
from reranker.core.types import LabelCalibration
from reranker.models.architecture import Architecture
from reranker.models.context import max_tokens_of, max_visual_tokens
from reranker.models.memory_plan import WeightCounts
from reranker.models.model_files import CONFIG, ModelFiles
from reranker.models.patchify import PatchSettings
from reranker.models.picture_preprocessing import VisionShape, is_number, is_positive_whole
from reranker.models.registry import ARCHITECTURES

DEFAULT_DETAILS: Final = (256, 512, 1280)  # visual tokens, if reranker.json does not have them
SETTINGS: Final = "reranker.json"


class CheckpointFiles(ModelFiles):
    """The folder of the checkpoint of a reranker."""

    supported = ARCHITECTURES

    @property
    def architecture(self) -> Architecture:
        """The architecture of the network."""
        return ARCHITECTURES[self.model_type]

    @cached_property
    def config(self) -> PretrainedConfig:
        """The configuration of the network, by config.json."""
        try:
            return self.architecture.config_class.from_pretrained(self.folder, local_files_only=True)
        except Exception as error:  # transformers raises errors of many types
            raise CheckpointBroken(name=self.name, file=CONFIG, reason=type(error).__name__) from error

    @cached_property
    def weight_counts(self) -> WeightCounts:
        """The number of weights of each part of the network, by config.json."""
        try:
            return WeightCounts.from_config(self.architecture, self.config)
        except CheckpointBroken:
            raise
        except Exception as error:  # transformers raises errors of many types
            raise CheckpointBroken(name=self.name, file=CONFIG, reason=type(error).__name__) from error

    @property
    def max_tokens(self) -> int:
        """Most tokens, visual and text, that the model reads together."""
        return max_tokens_of(self.name, self.config)

    @property
    def patch_settings(self) -> PatchSettings:
        """The settings of the image processor, with those of the architecture for missing fields."""
        vision = cast(Any, self.config).vision_config
        for field in ("patch_size", "spatial_merge_size", "temporal_patch_size"):
            if not is_positive_whole(getattr(vision, field)):
                raise self.invalid(CONFIG, field, "positive whole number")
        shape = VisionShape(
            patch_px=vision.patch_size, merge=vision.spatial_merge_size, frames=vision.temporal_patch_size
        )
        return self.preprocessor_fields().patch_settings(shape, self.architecture.patch_settings)

    @cached_property
    def _reranker_settings(self) -> dict[str, Any]:
        return self.read_json(SETTINGS) if (self.folder / SETTINGS).is_file() else {}

    @property
    def temperature(self) -> float:
        """The temperature of the displayed score; 1 if the checkpoint was not calibrated."""
        temperature = self._reranker_settings.get("temperature", 1.0)
        if not (is_number(temperature) and temperature > 0):
            raise self.invalid(SETTINGS, "temperature", "positive number")
        return float(temperature)

    @property
    def relevance_threshold(self) -> float | None:
        """The lowest score, between 0 and 10, of a picture that fits its query; None if the checkpoint has none."""
        threshold = self._reranker_settings.get("fits")
        if threshold is None:
            return None
        if not (is_number(threshold) and 0 < threshold < 10):
            raise self.invalid(SETTINGS, "fits", "score")
        return float(threshold)

    @property
    def label_calibration(self) -> LabelCalibration | None:
        """How confident the model is in labels; None if it was not calibrated for them."""
        fields: Any = self._reranker_settings.get("labels")
        if fields is None:
            return None
        if not isinstance(fields, dict):
            raise self.invalid(SETTINGS, "labels", "object")
        slope: Any = fields.get("slope")
        intercept: Any = fields.get("intercept")
        threshold: Any = fields.get("threshold")
        if not (is_number(slope) and slope > 0):
            raise self.invalid(SETTINGS, "labels.slope", "positive number")
        if not is_number(intercept):
            raise self.invalid(SETTINGS, "labels.intercept", "number")
        if not (is_number(threshold) and 0 < threshold < 1):
            raise self.invalid(SETTINGS, "labels.threshold", "probability")
        return LabelCalibration(slope=float(slope), intercept=float(intercept), threshold=float(threshold))

    @property
    def takes_example(self) -> bool:
        """Whether the model knows queries with a picture; true if reranker.json does not say."""
        takes_example = self._reranker_settings.get("takes_example", True)
        if not isinstance(takes_example, bool):
            raise self.invalid(SETTINGS, "takes_example", "true or false")
        return takes_example

    @property
    def instruction(self) -> str:
        """The instruction of reranker.json; that of the architecture if it has none."""
        instruction = self._reranker_settings.get("instruction", self.architecture.instruction)
        if not (isinstance(instruction, str) and is_well_formed(instruction)):
            raise self.invalid(SETTINGS, "instruction", "text")
        return instruction

    @property
    def detail_levels(self) -> tuple[int, int, int]:
        """The visual tokens per picture at the lowest, the default and the highest detail.

        If the model has no room for so many, a level is what it has room for.
        """
        details = self._reranker_settings.get("details", DEFAULT_DETAILS)
        numbers = list(details) if isinstance(details, (list, tuple)) else []
        if len(numbers) != len(DEFAULT_DETAILS) or not all(map(is_positive_whole, numbers)):
            raise self.invalid(SETTINGS, "details", "three positive whole numbers")
        most = max_visual_tokens(self.max_tokens)
        low, default, high = sorted(min(number, most) for number in numbers)
        return low, default, high

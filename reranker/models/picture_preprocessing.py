"""Read how a checkpoint wants pictures prepared, from the file that transformers wrote for its image processor.

transformers 5 writes the settings into the field `image_processor` of processor_config.json, earlier versions into
preprocessor_config.json. If a folder has both, transformers reads the former, and so does this module.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reranker.core.errors import CheckpointFieldInvalid, CheckpointUnsupported, FieldRule
from reranker.models.patchify import CHANNELS, PatchSettings

PREPROCESSOR_FILE: Final = "preprocessor_config.json"
PROCESSOR_FILE: Final = "processor_config.json"
NESTED: Final = "image_processor"  # the field of `PROCESSOR_FILE`
BICUBIC: Final = 3
# What this program always does; a checkpoint that wants something else would get other scores than it was trained for.
FIXED: Final[Mapping[str, object]] = {
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "resample": BICUBIC,
}
RESCALE_FACTOR: Final = 1 / 255


@dataclass(frozen=True, kw_only=True)
class VisionShape:
    """What config.json says about the patches of the vision tower.

    patch_px: side of a patch in pixels. merge: patches per side of a visual token. frames: times that a still picture
        is repeated in a patch.
    """

    patch_px: int
    merge: int
    frames: int


@dataclass(frozen=True, kw_only=True)
class SquareDefaults:
    """What transformers does if an image processor for squares does not say it."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    center_crop: bool


@dataclass(frozen=True, kw_only=True)
class SquareSettings:
    """Pictures are resized to a square, whatever their shape, and normalized.

    image_px: side of the square. mean, std: of the channels, in [0, 1].
    """

    image_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class PreprocessorFields:
    """The settings in a file of transformers. name: of the model; file: name of the file. Both are for errors.

    A field that is missing or null has the default of the architecture.
    """

    name: str
    file: str
    fields: Mapping[str, Any]

    def patch_settings(self, shape: VisionShape, defaults: PatchSettings) -> PatchSettings:
        """Return the settings. Raises `CheckpointFieldInvalid` and `CheckpointUnsupported`."""
        self._check_fixed()
        for key, value in (
            ("patch_size", shape.patch_px),
            ("merge_size", shape.merge),
            ("temporal_patch_size", shape.frames),
        ):
            self._check_same(key, value)
        min_pixels, max_pixels = self._pixel_range(defaults)
        return PatchSettings(
            patch_px=shape.patch_px,
            merge=shape.merge,
            mean=self._channels("image_mean", defaults.mean, positive=False),
            std=self._channels("image_std", defaults.std, positive=True),
            min_pixels=min_pixels,
            max_pixels=max_pixels,
        )

    def square_settings(self, image_px: int, defaults: SquareDefaults) -> SquareSettings:
        """Return the settings of an image processor that makes squares. image_px: the side that the tower takes.

        Raises `CheckpointFieldInvalid` and `CheckpointUnsupported`.
        """
        self._check_fixed()
        if self._get("do_center_crop", defaults.center_crop) is not False:
            raise self._unsupported("do_center_crop")
        size = self._get("size", image_px)
        sides = [size.get("height"), size.get("width")] if isinstance(size, Mapping) else [size]
        if any(side != image_px for side in sides):
            raise self._invalid("size", "as in config.json")
        return SquareSettings(
            image_px=image_px,
            mean=self._channels("image_mean", defaults.mean, positive=False),
            std=self._channels("image_std", defaults.std, positive=True),
        )

    def _get(self, key: str, default: Any) -> Any:
        value = self.fields.get(key)
        return default if value is None else value

    def _invalid(self, key: str, rule: FieldRule) -> CheckpointFieldInvalid:
        return CheckpointFieldInvalid(name=self.name, file=self.file, reason=rule, field=key)

    def _check_fixed(self) -> None:
        for key, value in FIXED.items():
            if self._get(key, value) != value:
                raise self._unsupported(key)
        factor = self._get("rescale_factor", RESCALE_FACTOR)
        if not is_number(factor) or not math.isclose(factor, RESCALE_FACTOR, rel_tol=1e-6):
            raise self._unsupported("rescale_factor")

    def _unsupported(self, key: str) -> CheckpointUnsupported:
        reason = f"{self.file} sets {key} to {self.fields.get(key)!r:.40}, for which this program has no code"
        return CheckpointUnsupported(name=self.name, reason=reason)

    def _check_same(self, key: str, value: int) -> None:
        given = self._get(key, value)
        if not is_positive_whole(given):
            raise self._invalid(key, "positive whole number")
        if given != value:
            raise self._invalid(key, "as in config.json")

    def _channels(self, key: str, default: tuple[float, float, float], *, positive: bool) -> tuple[float, float, float]:
        values = self._get(key, default)
        is_list = isinstance(values, Sequence) and not isinstance(values, str) and len(values) == CHANNELS
        if not is_list or not all(is_number(value) and (value > 0 or not positive) for value in values):
            raise self._invalid(key, "three positive numbers" if positive else "three numbers")
        red, green, blue = map(float, values)
        return red, green, blue

    def _pixel_range(self, defaults: PatchSettings) -> tuple[int, int]:
        """Return the smallest and the largest area, in either spelling: `min_pixels` or `size.shortest_edge`.

        transformers reads both, and prefers the former.
        """
        size = self._get("size", {})
        if not isinstance(size, Mapping):
            raise self._invalid("size", "object")
        pixels = []
        for key, edge, default in (
            ("min_pixels", "shortest_edge", defaults.min_pixels),
            ("max_pixels", "longest_edge", defaults.max_pixels),
        ):
            written = key if self.fields.get(key) is not None else f"size.{edge}"
            value = self._get(key, default if size.get(edge) is None else size[edge])
            if not is_positive_whole(value):
                raise self._invalid(written, "positive whole number")
            pixels.append(value)
        smallest, largest = pixels
        if smallest > largest:
            raise self._invalid(written, "at least the smallest area")
        return smallest, largest


def is_number(value: object) -> bool:
    """Return whether a value of a JSON file is a finite number."""
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def is_positive_whole(value: object) -> bool:
    """Return whether a value of a JSON file is a whole number from 1 up."""
    return type(value) is int and value > 0

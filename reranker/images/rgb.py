"""Convert decoded images of any mode to 8 bits, with transparent parts on white."""

import math
from collections.abc import Iterator
from typing import Final

from PIL import Image

from reranker.images.colours import Conversion

# Values that may be white, by mode; the smallest that no pixel exceeds is. 32-bit modes are stored on several scales.
_WHITES: Final[dict[str, tuple[float, ...]]] = {
    "I;16": (65535,),
    "I;16L": (65535,),
    "I;16B": (65535,),
    "I;16N": (65535,),
    "I": (255, 65535),
    "F": (1, 255, 65535),
}

_STRIP_PIXELS: Final = 1_000_000
_REDUCIBLE: Final = {"LA", "RGBA"}


def opaque(
    image: Image.Image, conversion: Conversion | None, target_pixels: int | None
) -> tuple[Image.Image, Conversion | None]:
    """Return the image with transparent parts on white, and the conversion to sRGB that is left to do.

    Its mode is RGB, or that of the conversion. It may be the same image. target_pixels: as in `open_picture`.
    """
    if image.mode in _WHITES:
        return _grey(image), conversion
    if image.has_transparency_data:
        if conversion is not None and target_pixels is not None:
            image = _reduced(image, target_pixels)
        return _on_white(image, conversion), None
    mode = "RGB" if conversion is None else conversion.mode
    return image._new(image.im) if image.mode == mode else image.convert(mode), conversion


def _reduced(image: Image.Image, target_pixels: int) -> Image.Image:
    """Return the image at a half, a third and so on, as long as its sides stay at least twice those of the target.

    Before it is put on white, its colours are converted, which takes 5 s for 100 megapixels.
    """
    factor = int(math.sqrt(image.width * image.height / target_pixels) / 2)
    is_reducible = image.mode in _REDUCIBLE and "transparency" not in image.info
    return image.reduce(factor) if factor > 1 and is_reducible else image


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Yield boxes of whole rows that cover an image from above: what is copied of it at a time."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _on_white(image: Image.Image, conversion: Conversion | None) -> Image.Image:
    shown = Image.new("RGB", image.size)
    for box in _strips(image):
        part = image.crop(box).convert("RGBA")
        if conversion is not None:
            alpha = part.getchannel("A")
            part = conversion.apply(part)
            part.putalpha(alpha)
        white = Image.new("RGBA", part.size, "white")
        white.alpha_composite(part)
        shown.paste(white.convert("RGB"), box)
    return shown


def _grey(image: Image.Image) -> Image.Image:
    """Scale grey of 16 bits, 32 bits or floating point to 8 bits. Pillow's own conversion clips at 255."""
    import numpy as np  # noqa: PLC0415 - few pictures need it, and a decoding process starts in half the time

    low, high = _range(image)
    black, white = _black_and_white(low, high, _WHITES[image.mode])
    step = 255 / (white - black) if white - black > 1e-30 else 0.0  # a larger step would overflow float32
    shown = Image.new("RGB", image.size)
    for box in _strips(image):
        stored = np.asarray(image.crop(box))  # (rows, width)
        values = np.nan_to_num(stored.astype(np.float32), copy=False, nan=low, posinf=high, neginf=low)
        values *= step
        values -= black * step
        grey = np.clip(np.rint(values, out=values), 0, 255).astype(np.uint8)
        if isinstance(transparent := image.info.get("transparency"), int):
            grey[stored == transparent] = 255
        shown.paste(Image.fromarray(grey), box)
    return shown


def _range(image: Image.Image) -> tuple[float, float]:
    """The lowest and the highest finite value of a grey image; 0 and 0 if there is none."""
    import numpy as np  # noqa: PLC0415

    low, high = math.inf, -math.inf
    for box in _strips(image):
        values = np.asarray(image.crop(box)).astype(np.float32)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _black_and_white(low: float, high: float, whites: tuple[float, ...]) -> tuple[float, float]:
    """The values to show as black and white: 0 and the smallest white that fits, or `low` and `high` if none does."""
    if low < 0 or high > max(whites):
        return low, high
    return 0, min(white for white in whites if high <= white)

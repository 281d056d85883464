"""Convert colours to sRGB: from the colour profile of a picture, or from code points that name its colours.

LittleCMS does it. It is loaded for the first picture that says something about its colours.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from itertools import product
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageChops

from reranker.images.metadata import Metadata

if TYPE_CHECKING:
    from PIL import ImageCms

_CACHED: Final = 8  # profiles: making a conversion takes 10 ms, and pictures of a folder share a few
# Real variants of sRGB, also the tiny ones with curves of 20 points, differ from it by 1 of 255 levels, the nearest
# other colours, with a gamma of 2.2, by 9. Pictures with a variant keep their pixels.
_MAX_DIFFERENCE: Final = 3

# The class of a profile, in its header. Those of input, display, output and colour spaces describe pixels; links of
# devices, effects and named colours do not. Layout: ICC.1:2022, 7.2
_CLASS: Final = slice(12, 16)
_CLASSES: Final = {b"mntr", b"prtr", b"scnr", b"spac"}

# XYZ of red, green and blue by the number of the primaries: BT.2020 and Display P3, adapted to the white of profiles.
_PRIMARIES: Final = {
    9: ((0.67348, 0.27904, -0.00194), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)),
    12: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
_SRGB_PRIMARIES: Final = 1
# sRGB itself, and the curves of video for the same kind of picture, which files name where they mean sRGB.
_SRGB_TRANSFERS: Final = {1, 6, 13, 14, 15}


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A conversion to sRGB from the colours of a device. mode: of its pixels: RGB, L or CMYK."""

    mode: str
    transform: "ImageCms.ImageCmsTransform"

    def apply(self, image: Image.Image) -> Image.Image:
        """Return an image as RGB in sRGB. An RGB image may be changed, and returned."""
        pixels = image if image.mode == self.mode else image.convert(self.mode)
        return self.transform.apply_in_place(pixels) if self.mode == "RGB" else self.transform.apply(pixels)


def conversion_of(metadata: Metadata, mode: str) -> Conversion | None:
    """Return the conversion to sRGB of an image with this mode; None if its colours are sRGB, or not known.

    A profile that is broken, or made for other pixels, counts as none.
    """
    pixels = _pixels_of(mode)
    if pixels is None:
        return None
    primaries, transfer = metadata.code_points or (0, 0)
    if transfer in _SRGB_TRANSFERS and pixels == "RGB":
        if primaries == _SRGB_PRIMARIES:
            return None
        if primaries in _PRIMARIES:
            return _conversion(_profile_of(primaries), pixels)
    return _conversion(metadata.profile, pixels) if metadata.profile[_CLASS] in _CLASSES else None


def _pixels_of(mode: str) -> str | None:
    """Return the mode in which pixels are converted; None for LAB, which Pillow converts itself."""
    if mode in ("CMYK", "LAB"):
        return "CMYK" if mode == "CMYK" else None
    return "L" if mode in ("1", "L", "LA", "La", "F") or mode.startswith("I") else "RGB"


@lru_cache(_CACHED)
def _conversion(profile: bytes, pixels: str) -> Conversion | None:
    """Return the conversion by a profile; None if it is broken, is for other pixels, or changes nothing."""
    from PIL import ImageCms  # noqa: PLC0415 - most pictures do not need it

    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            pixels,
            "RGB",
            # As Adobe's programs do by default: colours that sRGB has stay exact, others become the nearest, and the
            # darkest colour of a print is black.
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return None
    conversion = Conversion(mode=pixels, transform=transform)
    return None if pixels != "CMYK" and _changes_nothing(conversion) else conversion


def _changes_nothing(conversion: Conversion) -> bool:
    """Whether a conversion leaves all greys, and colours from the whole range, nearly as they are."""
    levels = range(0, 256, 15)
    before = Image.frombytes("L", (256, 1), bytes(range(256)))
    if conversion.mode == "RGB":
        colours = bytes(value for colour in product(levels, repeat=3) for value in colour)
        greys = bytes(value for value in range(256) for _ in range(3))
        before = Image.frombytes("RGB", (len(colours + greys) // 3, 1), colours + greys)
    after = conversion.apply(before.copy())
    changes = ImageChops.difference(before.convert("RGB"), after)
    return not any(changes.point(lambda change: 255 * (change > _MAX_DIFFERENCE)).tobytes())


@lru_cache(len(_PRIMARIES))
def _profile_of(primaries: int) -> bytes:
    """Return the profile of sRGB with other primaries."""
    from PIL import ImageCms  # noqa: PLC0415

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, colour in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _PRIMARIES[primaries], strict=True):
        (offset,) = struct.unpack_from(">I", profile, profile.index(tag) + 4)
        struct.pack_into(">3i", profile, offset + 8, *(round(value * 65536) for value in colour))
    return bytes(profile)

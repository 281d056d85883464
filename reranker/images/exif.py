"""Read blocks of EXIF, as cameras write them and as attackers do; it runs in a decoding process.

Pillow parses the block. What it finds may be of any type: each value is checked, cleaned and shortened on its own, and
a wrong one costs only itself. Tags: CIPA DC-008, "Exchangeable image file format", version 2.32.
"""

import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from reranker.core.types import CaptureData, CaptureKey

MAX_TEXT_LENGTH: Final = 80  # characters of a value
_LONG_EXPOSURE_S: Final = 0.3  # from which on it is written as a decimal, and below as a fraction
_DATE: Final = re.compile(r"(\d{4})[-:./](\d\d)[-:./](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_FIRST_YEAR: Final = 1826  # of the oldest photograph
_WRONG: Final = (ArithmeticError, LookupError, TypeError, ValueError)

_Tags = Mapping[int, Any]


def read_exif(exif: bytes) -> CaptureData:
    """Return what a block of EXIF says about how a picture was taken; nothing of what is broken."""
    block = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of broken values
        image = _parsed(lambda: _loaded(block, exif))
        camera = _parsed(lambda: block.get_ifd(IFD.Exif))
        place = _parsed(lambda: block.get_ifd(IFD.GPSInfo))
        taken = _date(camera, Base.DateTimeOriginal) or _date(camera, Base.DateTimeDigitized)
        found: dict[CaptureKey, str] = {
            "camera": _camera(image),
            "lens": _text(camera, Base.LensModel),
            "exposure": " · ".join(filter(None, (_exposure(camera), _aperture(camera)))),
            "iso": _iso(camera),
            "focal_length": _focal_length(camera),
            "place": _place(place),
            "software": _text(image, Base.Software),
        }
    return CaptureData(taken=taken, details=tuple((key, value) for key, value in found.items() if value))


def _loaded(block: Image.Exif, exif: bytes) -> _Tags:
    """Parse a block, and return its first directory."""
    if exif:
        block.load(exif)
    return block


def _parsed(read: Callable[[], _Tags]) -> _Tags:
    """Return a directory; an empty one if it is broken: Pillow raises errors of any class."""
    try:
        return read()
    except Exception:
        return {}


def _value(tags: _Tags, tag: int) -> Any:
    """Return a value of a directory, which Pillow decodes only now; None if there is none or it is broken."""
    try:
        return tags.get(tag)
    except Exception:
        return None


def _numbers(tags: _Tags, tag: int) -> Iterator[float]:
    """Yield the finite numbers of a value, up to the first that is none."""
    value = _value(tags, tag)
    for each in value if isinstance(value, tuple) else (value,):
        try:
            number = float(each)
        except _WRONG:
            return
        if not math.isfinite(number):
            return
        yield number


def _number(tags: _Tags, tag: int, least: float, most: float) -> float | None:
    """Return the first number of a value if it is in a range."""
    number = next(_numbers(tags, tag), math.nan)
    return number if least <= number <= most else None


def _text(tags: _Tags, tag: int) -> str:
    """Return a value as one short line that can be shown; empty if it is no text."""
    value = _value(tags, tag)
    if not isinstance(value, str | bytes):
        return ""
    data = value.encode("latin-1", "replace") if isinstance(value, str) else value  # as Pillow has decoded it
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    shown = "".join(character if character.isprintable() else " " for character in text.partition("\0")[0])
    line = " ".join(shown.split())
    return line if len(line) <= MAX_TEXT_LENGTH else line[: MAX_TEXT_LENGTH - 1] + "…"


def _date(tags: _Tags, tag: int) -> str | None:
    found = _DATE.match(_text(tags, tag))
    if found is None:
        return None
    try:
        date = datetime(*map(int, found.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None
    return date.isoformat() if date.year >= _FIRST_YEAR else None


def _camera(tags: _Tags) -> str:
    """Return maker and model; models often begin with the first word of their maker."""
    maker, model = _text(tags, Base.Make), _text(tags, Base.Model)
    has_maker = bool(maker) and model.lower().startswith(maker.split()[0].lower())
    return model if has_maker else f"{maker} {model}".strip()


def _exposure(tags: _Tags) -> str:
    seconds = _number(tags, Base.ExposureTime, 1e-6, 1e5)
    if seconds is None:
        return ""
    return f"{seconds:.3g} s" if seconds >= _LONG_EXPOSURE_S else f"1/{1 / seconds:.0f} s"


def _aperture(tags: _Tags) -> str:
    number = _number(tags, Base.FNumber, 0.1, 1000)
    return "" if number is None else f"f/{number:.3g}"


def _iso(tags: _Tags) -> str:
    number = _number(tags, Base.ISOSpeedRatings, 1, 1e8)
    return "" if number is None else f"{number:.0f}"


def _focal_length(tags: _Tags) -> str:
    millimetres = _number(tags, Base.FocalLength, 0.1, 1e5)
    return "" if millimetres is None else f"{millimetres:.4g} mm"


def _place(tags: _Tags) -> str:
    """Return latitude and longitude in degrees; empty if one is not known, or if both are 0: so devices say it."""
    latitude = _degrees(tags, GPS.GPSLatitude, GPS.GPSLatitudeRef, "S", 90)
    longitude = _degrees(tags, GPS.GPSLongitude, GPS.GPSLongitudeRef, "W", 180)
    if latitude is None or longitude is None or latitude == longitude == 0:
        return ""
    return f"{latitude:.5f}, {longitude:.5f}"


def _degrees(tags: _Tags, tag: int, reference: int, negative: str, most: float) -> float | None:
    """Return an angle from its degrees, minutes and seconds."""
    parts = list(_numbers(tags, tag))
    if not 1 <= len(parts) <= 3 or min(parts) < 0:
        return None
    degrees = sum(part / 60**index for index, part in enumerate(parts))
    sign = -1 if _text(tags, reference).upper() == negative else 1
    return sign * degrees if degrees <= most else None

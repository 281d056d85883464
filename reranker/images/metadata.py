"""What a picture file says about its pixels: which way is up, and what its colours mean."""

from dataclasses import dataclass
from typing import Final

# Of an ICC profile, or a block of EXIF; the profiles of printers have up to three million. Larger ones are ignored.
MAX_METADATA_BYTES: Final = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The facts that a file states about its stored pixels; by default it states none.

    orientation: as in EXIF, 1 to 8 if it is one; 1 is upright.
    profile: an ICC profile, which may be broken; empty if there is none.
    exif: a block of EXIF, which may be broken; empty if there is none.
    code_points: colour primaries and transfer characteristics by their numbers in ITU-T H.273. Where they are
        understood, they count, and not the profile.
    """

    orientation: int = 1
    profile: bytes = b""
    exif: bytes = b""
    code_points: tuple[int, int] | None = None


def limited_profile(data: bytes | None) -> bytes:
    """Return the bytes of a profile; none if there are none, or too many."""
    return data if data is not None and len(data) <= MAX_METADATA_BYTES else b""

"""Small picture files that make a decoder work hard, and the memory of the processes that decode them."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def webp_bomb(side: int) -> bytes:
    """A transparent square in 40 bytes, whose decoder holds 12 bytes a pixel.

    It is lossless, without transforms; each of its five prefix codes has one symbol, so that a pixel takes no bits.
    """
    size = (side - 1) | (side - 1) << 14 | 1 << 28
    codes = sum(1 << 3 + 4 * number for number in range(5))
    payload = b"\x2f" + struct.pack("<IQ", size, codes) + bytes(7)
    return b"RIFF" + struct.pack("<I", len(payload) + 12) + b"WEBPVP8L" + struct.pack("<I", len(payload)) + payload


def jpeg_with_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG of one grey, which repeats its second scan."""
    small = saved(Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    start, *parts = small[:-2].split(b"\xff\xda")
    size = start.index(b"\xff\xc2") + 5
    frame = start[:size] + struct.pack(">HH", side, side) + start[size + 4 :]
    return b"\xff\xda".join([frame, parts[0], *[parts[1]] * scans]) + b"\xff\xd9"


def tiff(width: int, height: int, entries: dict[int, list[int]], data: bytes) -> bytes:
    """An 8-bit grey TIFF. entries: values by tag; offsets count from the start of `data`, which comes last."""
    values = {256: [width], 257: [height], 258: [8], 259: [8], 262: [1], 277: [1]} | entries
    start = 10 + 12 * len(values) + 4
    data_at = start + sum(4 * len(each) for each in values.values() if len(each) > 1)
    directory, elsewhere = b"", b""
    for tag, numbers in sorted(values.items()):
        shifted = [number + data_at for number in numbers] if tag in (273, 324) else numbers
        packed = struct.pack(f"<{len(shifted)}I", *shifted)
        is_inline = len(shifted) == 1
        directory += struct.pack("<HHI", tag, 4, len(shifted))
        directory += packed if is_inline else struct.pack("<I", start + len(elsewhere))
        elsewhere += b"" if is_inline else packed
    return b"II*\0" + struct.pack("<IH", 8, len(values)) + directory + bytes(4) + elsewhere + data


def tiff_with_shared_strips(rows: int, strip: bytes) -> bytes:
    """Each row is a strip, and all have the same bytes."""
    entries = {273: [0] * rows, 278: [1], 279: [len(strip)] * rows}
    return tiff(700, rows, entries, strip)


def tiff_with_tiles(side: int, tile_px: int) -> bytes:
    """All tiles have the same bytes."""
    tile = zlib.compress(bytes(tile_px**2))
    count = (side // tile_px) ** 2
    entries = {322: [tile_px], 323: [tile_px], 324: [0] * count, 325: [len(tile)] * count}
    return tiff(side, side, entries, tile)


def png_with_chunks(count: int) -> bytes:
    small = saved(Image.new("L", (1, 1)), "PNG")
    return small[:33] + (bytes(4) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))) * count + small[33:]


def gif_with_comments(count: int) -> bytes:
    small = saved(Image.new("P", (1, 1)), "GIF")
    frame = small.rindex(b",")
    return small[:frame] + b"!\xfe\x01x\0" * count + small[frame:]


def jpeg_with_segments(count: int) -> bytes:
    small = saved(Image.new("L", (8, 8)), "JPEG")
    return small[:2] + b"\xff\xef\0\2" * count + small[2:]


def webp_with_chunks(count: int) -> bytes:
    body = saved(Image.new("RGBA", (8, 8)), "WEBP", exif=b"Exif\0\0")[8:] + b"abcd\0\0\0\0" * count
    return b"RIFF" + struct.pack("<I", len(body)) + body


def resident_bytes(process_id: int, peak: bool = False) -> int:
    """The memory of a process, or its peak; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return 0
    key = "VmHWM:" if peak else "VmRSS:"
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith(key)), 0)


def forget_peak(process_id: int) -> None:
    Path(f"/proc/{process_id}/clear_refs").write_text("5")

"""Real pictures that say in a text chunk how they are scored."""

import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image, PngImagePlugin

from reranker import Query
from tests.support.scripted_scorer import content_of


def numbered_picture(log_odds: object, size: tuple[int, int] = (8, 6)) -> bytes:
    """Return a PNG that `number_in` reads this number from; its pixels depend on the number, too."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("number", str(log_odds))
    colour = zlib.crc32(str(log_odds).encode()).to_bytes(4, "big")[:3]
    buffer = BytesIO()
    Image.new("RGB", size, tuple(colour)).save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def number_in(query: Query, content: bytes) -> float:
    """Return the log-odds in a picture. Raises `ValueError` if its text is no number."""
    with Image.open(BytesIO(content)) as image:
        return float(image.info["number"])


def nearness(query: Query, content: bytes) -> float:
    """Return larger log-odds the nearer the number in a picture is to that in the example; without one, the number."""
    if query.example is None:
        return number_in(query, content)
    return 3 - abs(number_in(query, content) - number_in(query, content_of(query.example.candidate)))


def numbered_gallery(folder: Path, *numbers: object) -> Path:
    """Write pictures that are named by their numbers."""
    folder.mkdir(parents=True)
    for log_odds in numbers:
        (folder / f"{log_odds}.png").write_bytes(numbered_picture(log_odds))
    return folder

"""Limits on the size and shape of a picture."""

from dataclasses import dataclass

from reranker.core.errors import PictureFileTooLarge, PictureTooLarge, PictureTooNarrow


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest picture that is accepted; a picture exactly at a limit is accepted.

    max_bytes: size of the encoded file; a megabyte is 1,000,000 bytes, here and in every message.
    max_pixels: width times height, read from the header before anything is decoded. Pillow decodes WebP only up to
        178,956,970 pixels, even if this limit is higher.
    max_aspect_ratio: longer side divided by shorter side.
    max_decoding_bytes: memory for decoding, of all pictures that are decoded at the same time.
    """

    max_bytes: int = 50_000_000
    max_pixels: int = 100_000_000
    max_aspect_ratio: float = 200.0
    max_decoding_bytes: int = 1_500_000_000

    def check_bytes(self, size_bytes: int, name: str) -> None:
        """Raises `PictureFileTooLarge` if the encoded file of the picture `name` is larger than `max_bytes`."""
        if size_bytes > self.max_bytes:
            raise PictureFileTooLarge(name=name, size_bytes=size_bytes, max_bytes=self.max_bytes)

    def check_pixels(self, size: tuple[int, int], name: str) -> None:
        """Raises `PictureTooLarge` if width times height is more than `max_pixels`. size: width and height."""
        width, height = size
        if width * height > self.max_pixels:
            raise PictureTooLarge(name=name, width=width, height=height, max_pixels=self.max_pixels)

    def check_shape(self, size: tuple[int, int], name: str) -> None:
        """Raises `PictureTooLarge` or `PictureTooNarrow`. size: width and height in pixels."""
        self.check_pixels(size, name)
        width, height = size
        if max(size) > self.max_aspect_ratio * min(size):
            raise PictureTooNarrow(name=name, width=width, height=height, max_aspect_ratio=self.max_aspect_ratio)

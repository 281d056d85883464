"""Pictures as files, and as transformers prepares them."""

from io import BytesIO

from PIL import Image
from transformers import BatchFeature
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def processed_by_transformers(image: Image.Image, visual_tokens: int = 49) -> BatchFeature:
    """Patches and grid of the image processor that Qwen2.5-VL is published with, at this number of visual tokens."""
    pixels = visual_tokens * 28 * 28
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": pixels, "longest_edge": pixels})
    return processor(images=[image], return_tensors="pt")

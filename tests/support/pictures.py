"""Pictures as files, and as transformers prepares them."""

from io import BytesIO

from PIL import Image
from transformers import BatchFeature
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def processed_by_transformers(*images: Image.Image, smallest: int = 49, largest: int = 49) -> BatchFeature:
    """Patches and grids of the image processor that Qwen2.5-VL is published with, in this range of visual tokens."""
    size = {"shortest_edge": smallest * 28 * 28, "longest_edge": largest * 28 * 28}
    return Qwen2VLImageProcessorPil(size=size)(images=list(images), return_tensors="pt")

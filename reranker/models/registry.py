"""Architectures by the `model_type` in a checkpoint's config.json."""

from typing import Final

from reranker.models.qwen2_5_vl.model import QWEN2_5_VL
from reranker.models.qwen3_vl.model import QWEN3_VL

ARCHITECTURES: Final = {architecture.model_type: architecture for architecture in (QWEN2_5_VL, QWEN3_VL)}

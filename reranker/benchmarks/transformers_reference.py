"""Score pictures by transformers' own image processor and forward pass, with which this program is compared."""

import re
from collections.abc import Sequence
from typing import Any, cast

import torch
from PIL import Image
from transformers import BatchFeature
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from reranker.benchmarks.model_shapes import Model
from reranker.models.loading import Checkpoint
from reranker.models.scoring.prompts import IMAGE_PAD


def processor_settings(checkpoint: Checkpoint, visual_tokens: int) -> dict[str, Any]:
    """Return the settings of transformers' image processor for pictures of at most `visual_tokens`."""
    settings = checkpoint.patch_settings
    smallest, largest = settings.pixel_range(visual_tokens)
    return {
        "size": {"shortest_edge": smallest, "longest_edge": largest},
        "patch_size": settings.patch_px,
        "merge_size": settings.merge,
        "image_mean": list(settings.mean),
        "image_std": list(settings.std),
    }


class TransformersReference:
    """A network that transformers runs, with its own image processor.

    visual_tokens: most of a picture.
    """

    def __init__(self, model: Model, visual_tokens: int) -> None:
        self._model = model
        self._processor = Qwen2VLImageProcessorPil(**processor_settings(model.checkpoint, visual_tokens))

    def inputs(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> BatchFeature:
        """Return the inputs of the network for prompts, and for the RGB pictures of all prompts; padded on the left."""
        checkpoint, network = self._model.checkpoint, cast(Any, self._model.network)
        features = self._processor(images=list(images), return_tensors="pt")
        merged = checkpoint.patch_settings.merge**2
        counts = (int(grid.prod()) // merged for grid in features["image_grid_thw"])
        texts = [re.sub(re.escape(IMAGE_PAD), lambda pad: pad[0] * next(counts), prompt) for prompt in prompts]
        tokenizer = checkpoint.tokenizer
        tokenizer.padding_side = "left"
        features.update(tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False))
        features.pop("token_type_ids", None)
        features["mm_token_type_ids"] = (features["input_ids"] == network.config.image_token_id).int()
        features["pixel_values"] = features["pixel_values"].to(network.dtype)
        return features.to(checkpoint.device)

    @torch.inference_mode()
    def log_odds(self, inputs: BatchFeature) -> list[float]:
        """Return the log-odds of "yes" against "no" at the last position of each sequence."""
        states = self._model.network.model(**inputs, use_cache=False).last_hidden_state[:, -1]
        values: list[float] = self._model.checkpoint.head.log_odds(states).tolist()
        return values

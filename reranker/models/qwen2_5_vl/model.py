"""Implement `reranker.models.architecture` for Qwen2.5-VL (arXiv 2502.13923)."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from reranker.models.architecture import Architecture, ImageFeatures, ImageSequence, PrefixKV
from reranker.models.decoder import Decoder, last_hidden, prefill
from reranker.models.layers.patch_embedding import BytePatchEmbedding
from reranker.models.patchify import Patches, PatchSettings
from reranker.models.qwen2_5_vl.positions import language_rotation
from reranker.models.qwen2_5_vl.vision import VisionTower, encode_images, pad_ffn
from reranker.models.scoring.prompts import INSTRUCTIONS


class Qwen2_5VL:  # noqa: N801 - the name of the model
    """A `VisionLanguageModel` that runs the network of transformers over packed sequences."""

    def __init__(
        self, network: Qwen2_5_VLForConditionalGeneration, patch_settings: PatchSettings, device: torch.device
    ) -> None:
        visual = network.model.visual
        embedding = BytePatchEmbedding(visual.patch_embed, patch_settings).to(device)
        self.vision, self._device = VisionTower(network=visual, embedding=embedding), device
        self.language = network.model.language_model
        self.states_per_token = 1
        self._decoder = Decoder(language=self.language, rotation=partial(language_rotation, self.language))
        if device.type not in ("cpu", "meta"):
            for block in self.vision.blocks:
                pad_ffn(block)

    def encode_images(self, images: Sequence[Patches]) -> list[ImageFeatures]:
        """Run the vision tower over all images in one packed pass."""
        return encode_images(self.vision, images, self._device)

    def prefill(
        self, ids: Sequence[int], example: ImageFeatures | None = None, ids_after: Sequence[int] = ()
    ) -> PrefixKV:
        """Run the tokens of the prompt before the image."""
        return prefill(self._decoder, ids, example, ids_after)

    def last_hidden(
        self,
        prefix: PrefixKV,
        sequences: Sequence[ImageSequence],
        branches: Sequence[tuple[int, ...]] = (),
    ) -> torch.Tensor:
        """Return normed hidden states, (sequences, 1 + tokens of all branches, hidden)."""
        return last_hidden(self._decoder, prefix, sequences, branches)


QWEN2_5_VL: Final = Architecture(
    model_type="qwen2_5_vl",
    config_class=Qwen2_5_VLConfig,
    network_class=Qwen2_5_VLForConditionalGeneration,
    patch_settings=PatchSettings(
        patch_px=14,
        merge=2,
        mean=(0.48145466, 0.4578275, 0.40821073),  # of CLIP, as published
        std=(0.26862954, 0.26130258, 0.27577711),
        min_pixels=4 * 28 * 28,
        max_pixels=1280 * 28 * 28,
    ),
    instruction=INSTRUCTIONS["web"],
    wrap=Qwen2_5VL,
)

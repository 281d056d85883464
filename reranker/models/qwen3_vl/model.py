"""Implement `reranker.models.architecture` for Qwen3-VL (arXiv 2511.21631)."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from reranker.models.architecture import Architecture, ImageFeatures, ImageSequence, PrefixKV
from reranker.models.decoder import Decoder, last_hidden, prefill
from reranker.models.layers.patch_embedding import BytePatchEmbedding
from reranker.models.patchify import Patches, PatchSettings
from reranker.models.qwen3_vl.positions import language_rotation
from reranker.models.qwen3_vl.vision import VisionTower, encode_images


class Qwen3VL:
    """A `VisionLanguageModel` that runs the network of transformers over packed sequences."""

    def __init__(
        self, network: Qwen3VLForConditionalGeneration, patch_settings: PatchSettings, device: torch.device
    ) -> None:
        visual = network.model.visual
        embedding = BytePatchEmbedding(visual.patch_embed, patch_settings).to(device)
        self.vision, self._device = VisionTower(network=visual, embedding=embedding), device
        self.language = network.model.language_model
        self.states_per_token = 1 + len(visual.deepstack_merger_list)
        self._decoder = Decoder(language=self.language, rotation=partial(language_rotation, self.language))

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


QWEN3_VL: Final = Architecture(
    model_type="qwen3_vl",
    config_class=Qwen3VLConfig,
    network_class=Qwen3VLForConditionalGeneration,
    patch_settings=PatchSettings(
        patch_px=16,
        merge=2,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        min_pixels=4 * 32 * 32,
        max_pixels=1280 * 32 * 32,
    ),
    # That of the official code of Qwen3-VL-Reranker.
    instruction="Given a search query, retrieve relevant candidates that answer the query.",
    wrap=Qwen3VL,
)

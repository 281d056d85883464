"""The two towers of a dual encoder: pixels become vectors in one, and tokens in the other.

The modules end with vectors of unit length, so that a backend which runs them elsewhere computes the same.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize
from transformers import PreTrainedModel

from reranker.models.picture_preprocessing import SquareSettings

DTYPES: Final[dict[str, torch.dtype]] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Towers(Protocol):
    """Both towers on a backend.

    backend: "torch", "onnx" or "onnx-int8". precision: number format of the weights: fp32, bf16, fp16 or int8.
    """

    backend: str
    precision: str

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors of pictures: (n, px, px, RGB) to (n, dimensions), of unit length."""

    def encode_tokens(self, tokens: Mapping[str, torch.Tensor]) -> NDArray[np.float32]:
        """Return the vectors of texts, given as a `Tokenize` does: (n, tokens) each to (n, dimensions)."""


class PictureTower(torch.nn.Module):
    """Pixels, (n, px, px, RGB) in uint8, to vectors in float32, (n, dimensions) of unit length."""

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, network: PreTrainedModel, settings: SquareSettings) -> None:
        super().__init__()
        self._network: Any = network
        mean, std = torch.tensor(settings.mean), torch.tensor(settings.std)
        # For a whole row of pixels: operations on rows of three numbers, one for each channel, take twice as long.
        self.register_buffer("scale", (1 / (255 * std)).repeat(settings.image_px))
        self.register_buffer("shift", (-mean / std).repeat(settings.image_px))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the vectors."""
        normed = torch.addcmul(self.shift, pixels.flatten(2).float(), self.scale).view(pixels.shape).permute(0, 3, 1, 2)
        return _vectors(self._network.get_image_features(pixel_values=normed.to(self._network.dtype)))


class TextTower(torch.nn.Module):
    """Token ids, and an attention mask if the family has one, (n, tokens) each, to vectors like those of pictures."""

    def __init__(self, network: PreTrainedModel) -> None:
        super().__init__()
        self._network: Any = network

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return the vectors."""
        return _vectors(self._network.get_text_features(input_ids=input_ids, attention_mask=attention_mask))


def _vectors(features: Any) -> torch.Tensor:
    return normalize(features.pooler_output.float(), dim=1)


class TorchTowers:
    """Both towers on torch. network: is on the device, in the precision."""

    backend = "torch"

    def __init__(
        self, network: PreTrainedModel, settings: SquareSettings, device: torch.device, precision: str
    ) -> None:
        network.requires_grad_(False)
        self.precision, self._device = precision, device
        self.pictures = PictureTower(network, settings).to(device).eval()
        self.texts = TextTower(network).eval()

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors of pictures."""
        with torch.inference_mode():
            return _on_host(self.pictures(torch.from_numpy(pixels).to(self._device)))

    def encode_tokens(self, tokens: Mapping[str, torch.Tensor]) -> NDArray[np.float32]:
        """Return the vectors of texts."""
        with torch.inference_mode():
            return _on_host(self.texts(**{name: values.to(self._device) for name, values in tokens.items()}))


def _on_host(vectors: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = vectors.cpu().numpy()
    return array

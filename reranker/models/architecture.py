"""The interface of a model architecture.

Each architecture has a folder in `reranker.models` and an entry in `reranker.models.registry`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import PretrainedConfig, PreTrainedModel

from reranker.models.patchify import Patches, PatchSettings


@dataclass(frozen=True, kw_only=True)
class ImageFeatures:
    """The visual tokens of one image.

    tokens: (rows * columns, hidden), row by row. rows, columns: the grid of visual tokens.
    """

    tokens: torch.Tensor
    rows: int
    columns: int


@dataclass(frozen=True, kw_only=True)
class PrefixKV:
    """Keys and values of the prompt before the image, which all images of a query share.

    layers: for each layer its keys and values, (tokens, key_heads, head_dim) each.
    """

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @property
    def tokens(self) -> int:
        """The number of tokens, at least 1."""
        return len(self.layers[0][0])


class VisionLanguageModel(Protocol):
    """A loaded network whose towers run over packed images of any size, without gradients, in the thread of torch."""

    @property
    def language(self) -> Any:
        """The language tower of transformers, for generation; it has `layers`, `norm`, `embed_tokens`, `config`."""

    def encode_images(self, images: Sequence[Patches]) -> list[ImageFeatures]:
        """Run the vision tower over all images in one packed pass."""

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """Return the embeddings of tokens, (tokens, hidden), on the device of the first layer."""

    def positions(self, before: int, image: ImageFeatures, after: int) -> torch.Tensor:
        """Return rotary positions (axes, tokens) of `before` text tokens, an image, and `after` text tokens."""

    def prefill(self, ids: Sequence[int]) -> PrefixKV:
        """Run the tokens of the prompt before the image."""

    def last_hidden(
        self, prefix: PrefixKV, images: Sequence[ImageFeatures], suffixes: Sequence[tuple[int, ...]]
    ) -> torch.Tensor:
        """Return the normed hidden state at the last position, (images, hidden).

        suffixes: for each image the ids of the tokens after it, at least one. All images run in one packed pass.
        """


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Reads and runs the checkpoints of one `model_type`.

    patch_settings: used if the checkpoint has no preprocessor_config.json. wrap: takes the network, its patch settings
        and the device of its vision tower.
    """

    model_type: str
    config_class: type[PretrainedConfig]
    network_class: type[PreTrainedModel]
    patch_settings: PatchSettings
    wrap: Callable[[Any, PatchSettings, torch.device], VisionLanguageModel]

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

    states: (1 + layers, rows * columns, hidden), row by row: what the language tower reads, and what is added to the
    states of its first layers (DeepStack, arXiv 2406.04334), of which there may be none. rows, columns: the grid of
    visual tokens.
    """

    states: torch.Tensor
    rows: int
    columns: int

    @classmethod
    def of(cls, tokens: torch.Tensor, rows: int, columns: int) -> "ImageFeatures":
        """Make features of what the language tower reads alone, (rows * columns, hidden)."""
        return cls(states=tokens[None], rows=rows, columns=columns)

    @property
    def tokens(self) -> torch.Tensor:
        """What the language tower reads, (rows * columns, hidden)."""
        return self.states[0]

    @property
    def deepstack(self) -> torch.Tensor:
        """The states that are added after its first layers, (layers, rows * columns, hidden)."""
        return self.states[1:]


@dataclass(frozen=True, kw_only=True)
class PrefixKV:
    """Keys and values of the start of a prompt, which several sequences share.

    layers: for each layer its keys and values, (tokens, key_heads, head_dim) each. next_position: the rotary position
        of the token after them; an example takes fewer positions than it has tokens.
    """

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    next_position: int

    @property
    def tokens(self) -> int:
        """The number of tokens, at least 1."""
        return len(self.layers[0][0])

    def first(self, count: int) -> "PrefixKV":
        """Return those of the first `count` tokens, which must all be text: one position each, from 0."""
        return PrefixKV(layers=tuple((key[:count], value[:count]) for key, value in self.layers), next_position=count)


@dataclass(frozen=True, kw_only=True)
class ImageSequence:
    """What follows a prefix: text, an image, and text.

    before: ids of the tokens between the prefix and the image. after: ids of those after the image, at least one.
    """

    image: ImageFeatures
    after: tuple[int, ...]
    before: tuple[int, ...] = ()


class VisionLanguageModel(Protocol):
    """A loaded network whose towers run over packed images of any size, without gradients, in the thread of torch."""

    @property
    def language(self) -> Any:
        """The language tower of transformers, which has `layers`, `norm` and `embed_tokens`."""

    @property
    def states_per_token(self) -> int:
        """The states of a visual token in `ImageFeatures.states`."""

    def encode_images(self, images: Sequence[Patches]) -> list[ImageFeatures]:
        """Run the vision tower over all images in one packed pass."""

    def prefill(
        self, ids: Sequence[int], example: ImageFeatures | None = None, ids_after: Sequence[int] = ()
    ) -> PrefixKV:
        """Run the tokens of the prompt before the image.

        ids: of the text, up to the example if there is one. ids_after: of the text after the example.
        """

    def last_hidden(
        self,
        prefix: PrefixKV,
        sequences: Sequence[ImageSequence],
        branches: Sequence[tuple[int, ...]] = (),
    ) -> torch.Tensor:
        """Return normed hidden states, (sequences, 1 + tokens of all branches, hidden).

        For each sequence they are the state at the last position, then those of the branches. All run in one packed
        pass. branches: ids of alternative continuations of each sequence, which do not attend to each other.
        """


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Reads and runs the checkpoints of one `model_type`.

    patch_settings: used for what the checkpoint does not say about its image processor. instruction: the search task of
        the prompt, if neither the settings nor the checkpoint name one. wrap: takes the network, its patch settings and
        the device of its vision tower.
    """

    model_type: str
    config_class: type[PretrainedConfig]
    network_class: type[PreTrainedModel]
    patch_settings: PatchSettings
    instruction: str
    wrap: Callable[[Any, PatchSettings, torch.device], VisionLanguageModel]

"""How far the vectors of a backend agree with those of torch: measured on drawn pictures and fixed texts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from reranker.core.errors import BackendRefused
from reranker.models.dual_encoders.towers import Towers

TEXTS: Final = (
    "a cat",
    "a red boat at sea",
    "two children play football on a green field",
    "The sun sets behind snowy mountains; a river in front reflects the orange sky and a few birds.",
    "1984",
    "a woman in a red dress, who holds an umbrella, in the rain",
    "猫",
    "海上的红色小船",
    "两个孩子在绿色的草地上踢足球",
    "夕阳落在雪山后面，前景的河水映着橙色的天空和几只飞鸟。",
    "雨中撑伞、穿红裙的女人",
    "没有人的街道",
    "一只 black cat 在窗台上",
    "a poster with the words “新年快乐”",
    "城市夜景 with neon lights and 2 taxis",
    "logo：蓝色 circle，白色背景",
)
PICTURES: Final = 32  # whose cosines are measured
RANKED: Final = 500  # pictures that are ranked for each text
RELEVANT: Final = 10  # the first pictures of a ranking by torch, which count as those that fit the text
FIRST: Final = 100  # pictures of a ranking among which they should be
LEAST_COSINE: Final = {"onnx": 0.999, "onnx-int8": 0.99}
LEAST_RECALL: Final = {"onnx-int8": 0.99}
_SEED: Final = 20_260


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far the vectors of a backend agree with those of torch.

    cosine: the lowest of a picture or a text and itself. recall: the mean share of the first `RELEVANT` pictures of
        torch that are among the first `FIRST` of the backend; None if it was not measured, as the cosine decides.
    """

    cosine: float
    recall: float | None = None

    def require(self, model: str, backend: str) -> None:
        """Raise `BackendRefused` if a figure is too low for the backend."""
        if self.cosine < LEAST_COSINE[backend]:
            raise BackendRefused(model, backend, "cosine", self.cosine, LEAST_COSINE[backend])
        if self.recall is not None and self.recall < LEAST_RECALL[backend]:
            raise BackendRefused(model, backend, "recall", self.recall, LEAST_RECALL[backend])


def drawn_pictures(count: int, px: int) -> NDArray[np.uint8]:
    """Return fields of colour with noise, always the same ones: (count, px, px, RGB)."""
    return np.stack([_drawn_picture(number, px) for number in range(count)])


def _drawn_picture(number: int, px: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng([_SEED, number])
    side = int(rng.integers(2, 9))
    colours = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
    field = np.asarray(colours.resize((px, px), Image.Resampling.BICUBIC), np.float32)
    noise = rng.normal(0, rng.uniform(0, 40), field.shape)
    return np.clip(field + noise, 0, 255).astype(np.uint8)


def measure_agreement(
    towers: Towers, reference: Towers, tokens: Mapping[str, torch.Tensor], image_px: int
) -> Agreement:
    """Compare a backend with torch. tokens: of `TEXTS`."""
    pixels = drawn_pictures(RANKED if towers.backend in LEAST_RECALL else PICTURES, image_px)
    texts, expected_texts = (each.encode_tokens(tokens) for each in (towers, reference))
    some, expected_some = (each.encode_pixels(pixels[:PICTURES]) for each in (towers, reference))
    cosine = min(_least_cosine(texts, expected_texts), _least_cosine(some, expected_some))
    if towers.backend not in LEAST_RECALL or cosine < LEAST_COSINE[towers.backend]:
        return Agreement(cosine=cosine)
    ranked, expected = (np.concatenate(list(_encoded(each, pixels))) for each in (towers, reference))
    return Agreement(cosine=cosine, recall=_recall(texts @ ranked.T, expected_texts @ expected.T))


def _encoded(towers: Towers, pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(pixels), PICTURES):
        yield towers.encode_pixels(pixels[start : start + PICTURES])


def _least_cosine(vectors: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the lowest cosine of two vectors in a row; 0 if one is not finite."""
    if vectors.shape != expected.shape:
        return 0.0
    cosines = (vectors.astype(np.float64) * expected).sum(1)
    return float(np.nan_to_num(cosines, nan=0.0, posinf=0.0, neginf=0.0).min())


def _recall(similarities: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the mean recall@100 of what is expected to fit. Both: (texts, pictures)."""
    first, expected_first = (np.argsort(-each, axis=1, kind="stable") for each in (similarities, expected))
    shares = [
        len(np.intersect1d(row[:FIRST], other[:RELEVANT])) / RELEVANT
        for row, other in zip(first, expected_first, strict=True)
    ]
    return float(np.mean(shares))

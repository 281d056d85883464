"""Propose labels for pictures by a dual encoder.

The vector of a label is the mean of those of several sentences, and is kept on the disk.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from reranker.core.types import LabelCalibration
from reranker.storage.atomic_write import write_atomically
from reranker.vocabulary.labels import Label, Vocabulary, language_of

if TYPE_CHECKING:
    from reranker.models.dual_encoders.encoder import Encoder

_log = logging.getLogger(__name__)

PROPOSED: Final = 30  # labels that are proposed for a picture
ALONE_THRESHOLD: Final = 0.5  # of an encoder that judges each label by itself
SHARED_THRESHOLD: Final = 0.1  # of one whose labels share a probability of 1
BATCH: Final = 256  # sentences that are encoded together
VERSION: Final = "label-vectors-1"  # increase it if a label is put into other sentences
# What a name is put into, by the domain of the vocabulary and the language of the name.
SENTENCES: Final = {
    "photo": {"en": ("{}", "a photo of {}"), "zh": ("{}", "{}的照片")},
    "aerial": {"en": ("{}", "a satellite image of {}"), "zh": ("{}", "{}的卫星影像")},
}


@dataclass(frozen=True, kw_only=True)
class LabelProposals:
    """Finds the labels that may fit a picture.

    vectors: of the labels, as `label_vectors` returns them. run: runs a call in the thread of torch.
    known_vector: returns the vector of a picture by its content hash; None if it is not known.
    count: how many labels are proposed.
    """

    encoder: "Encoder"
    vectors: NDArray[np.float32]
    run: Callable[[Callable[[], NDArray[np.float32]]], NDArray[np.float32]]
    known_vector: Callable[[str], NDArray[np.float32] | None] = lambda content_hash: None
    count: int = PROPOSED

    def encode(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the vectors of pictures as `Encoder.encode_images` does."""
        return self.run(partial(self.encoder.encode_images, pixels))

    def nearest(self, vector: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the rows of the labels whose vectors are nearest to that of a picture, nearest first."""
        cosines = self.vectors @ vector
        count = min(self.count, len(cosines))
        rows = np.argpartition(-cosines, count - 1)[:count]
        return np.asarray(rows[np.argsort(-cosines[rows], kind="stable")], np.int64)

    def probabilities(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each label, as the encoder itself sees it."""
        (probabilities,) = self.encoder.probabilities((self.vectors @ vector)[None])
        return np.asarray(probabilities)

    @property
    def calibration(self) -> LabelCalibration:
        """How confident the encoder is: its probabilities count as they are."""
        threshold = ALONE_THRESHOLD if self.encoder.judges_alone else SHARED_THRESHOLD
        return LabelCalibration(slope=1.0, intercept=0.0, threshold=threshold)


def label_vectors(vocabulary: Vocabulary, encoder: "Encoder", folder: Path) -> NDArray[np.float32]:
    """Return the vectors of labels, (labels, dimensions), of unit length.

    Each is the mean of those of all sentences with a name or a synonym of the label, in the languages that the encoder
    reads. folder: keeps them, by encoder and vocabulary.
    """
    parts = VERSION, encoder.info.fingerprint, encoder.template, ",".join(encoder.languages), vocabulary.digest
    file = folder / (hashlib.sha256("\0".join(parts).encode()).hexdigest() + ".npy")
    shape = (len(vocabulary), encoder.info.dimensions)
    known = _read(file, shape)
    if known is not None:
        return known
    vectors = _encoded(vocabulary, encoder)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = BytesIO()
        np.save(content, vectors, allow_pickle=False)
        write_atomically(content.getvalue(), file)
    except OSError as error:
        _log.warning("The vectors of labels cannot be kept: %s", type(error).__name__)
    return vectors


def _read(file: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Return the vectors in a file; None if it does not have them."""
    try:
        stored = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return stored if stored.shape == shape and stored.dtype == np.float32 else None


def _encoded(vocabulary: Vocabulary, encoder: "Encoder") -> NDArray[np.float32]:
    sentences = [_sentences(label, vocabulary.domain, encoder) for label in vocabulary]
    every = list(dict.fromkeys(sentence for each in sentences for sentence in each))
    rows = {sentence: row for row, sentence in enumerate(every)}
    encoded = np.concatenate(
        [encoder.encode_texts(every[start : start + BATCH]) for start in range(0, len(every), BATCH)]
    )
    means = np.stack([encoded[[rows[sentence] for sentence in each]].mean(0) for each in sentences])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def _sentences(label: Label, domain: str, encoder: "Encoder") -> list[str]:
    """Return the sentences of a label: in the languages of the encoder, or in those that it has."""
    names = [name for name in label.all_names if language_of(name) in encoder.languages] or list(label.all_names)
    if encoder.template != "{}":  # it has the sentence that it was trained with
        return names
    return [sentence.replace("{}", name) for name in names for sentence in SENTENCES[domain][language_of(name)]]

"""The Python interface of labels: what pictures show, by a vocabulary, each with a confidence.

A dual encoder proposes labels for each picture, in milliseconds, and the cross-encoder judges those.
"""

import hashlib
import math
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from reranker.api import Picture, Reranker
from reranker.config.paths import cache_folder
from reranker.core.cancellation import Cancellation
from reranker.core.errors import CheckpointNotDownloaded, FilterInvalid
from reranker.core.text import well_formed
from reranker.core.types import Candidate, Failed, LabelCalibration
from reranker.engine.scoring_run import ScoringEngine
from reranker.images.decoding_pool import shared_pool
from reranker.pipelines.label_proposals import PROPOSED, LabelProposals, label_vectors
from reranker.pipelines.tag import Tagged, TaggingRun, TagOptions
from reranker.vocabulary.label_files import load_vocabulary
from reranker.vocabulary.labels import Vocabulary

if TYPE_CHECKING:
    from reranker.models.dual_encoders.encoder import Encoder

AUTO: Final = "auto"
NO_ENCODER: Final = "none"
MOST_WITHOUT_ENCODER: Final = 100  # labels that are all judged by the cross-encoder if there is no dual encoder
# Of what is on this machine, the first is used.
PREFERRED: Final = {
    "photo": ("siglip2-so400m", "siglip2", "chinese-clip"),
    "aerial": ("git-rsclip", "siglip2-so400m", "siglip2"),
}
LoadEncoder = Callable[[str], "Encoder"]
KnownVector = Callable[[str], NDArray[np.float32] | None]


class Tagger:
    """Labels pictures by a vocabulary.

        tagger = Tagger()
        for tagged in tagger.tag(["one.jpg", "two.jpg"]):       # `Tagged`, or `Failed` with its reason
            print(tagged.candidate.name, [(each.label.name.zh, each.confidence) for each in tagged.labels])

    labels: "general", "aerial", "toybox", a file as in `label_files`, or a vocabulary; "auto" is what the toybox knows
    beside the toybox, else "general". threshold, top_k: as in `TagOptions`. groups: only labels of these groups; all if
    empty.
    encoder: a name of `load_encoder`; "auto" is the toybox's beside the toybox, else the best one on this machine;
    "none" lets the cross-encoder judge all labels. proposed: how many labels it judges otherwise.
    rerank: whether the cross-encoder judges; else the confidences are those of the dual encoder.
    reranker: one with the settings of the environment if None. load: returns the dual encoder of a name; it is
    loaded if None.

    All methods may be called from several threads. Methods raise `VocabularyError`, `FilterInvalid`, `CheckpointError`,
    `DeviceFailed`.
    """

    def __init__(
        self,
        labels: str | Path | Vocabulary = AUTO,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        groups: Iterable[str] = (),
        encoder: str = AUTO,
        proposed: int = PROPOSED,
        rerank: bool = True,
        reranker: Reranker | None = None,
        load: "LoadEncoder | None" = None,
    ) -> None:
        _check(
            "threshold", threshold, "0 to 1", threshold is None or (math.isfinite(threshold) and 0 <= threshold <= 1)
        )
        _check("top_k", top_k, "a whole number from 1", top_k is None or (type(top_k) is int and top_k >= 1))
        _check("proposed", proposed, "a whole number from 1", type(proposed) is int and proposed >= 1)
        _check("encoder", encoder, "another one with rerank=False", rerank or encoder != NO_ENCODER)
        self.reranker = reranker or Reranker()
        self.vocabulary = _only(self._vocabulary(labels), list(groups))
        self.options = TagOptions(threshold=threshold, top_k=top_k)
        self._encoder_name, self._proposed, self.is_reranked = encoder, proposed, rerank
        self._load = load or Taggers(self.reranker).encoder

    def _vocabulary(self, labels: str | Path | Vocabulary) -> Vocabulary:
        if isinstance(labels, Vocabulary):
            return labels
        if labels == AUTO:
            return load_vocabulary("toybox" if self.reranker.choice.name == "toybox" else "general")
        return load_vocabulary(labels)

    @property
    def encoder_name(self) -> str | None:
        """The name of the dual encoder; None if the cross-encoder judges all labels. Raises `CheckpointError`."""
        if self._encoder_name == NO_ENCODER:
            return None
        return self._encoder_name if self._encoder_name != AUTO else self._best_encoder()

    @property
    def encoder_shown(self) -> str | None:
        """The name of the dual encoder for people, without the path to a folder."""
        name = self.encoder_name
        return None if name is None else well_formed(Path(name).name if Path(name).is_absolute() else name)

    def _best_encoder(self) -> str | None:
        from reranker.models.hub import is_missing  # noqa: PLC0415 - torch is slow to import

        if self.reranker.choice.name == "toybox":
            return "toybox-encoder"
        preferred = PREFERRED[self.vocabulary.domain]
        if found := next((name for name in preferred if not is_missing(name)), None):
            return found
        if self.is_reranked and len(self.vocabulary) <= MOST_WITHOUT_ENCODER:
            return None
        raise CheckpointNotDownloaded(name=preferred[-1] if self.vocabulary.domain == "aerial" else "siglip2")

    @cached_property
    def _encoder(self) -> "Encoder | None":
        name = self.encoder_name
        return None if name is None else self._load(name)

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        encoder = self._encoder
        assert encoder is not None
        return label_vectors(self.vocabulary, encoder, cache_folder() / "label-vectors")

    @property
    def given(self) -> dict[str, Any]:
        """The options that decide which labels a picture gets, besides labels and encoder, as the constructor takes."""
        return {
            "threshold": self.options.threshold,
            "top_k": self.options.top_k,
            "proposed": self._proposed,
            "rerank": self.is_reranked,
        }

    @property
    def digest(self) -> str:
        """A SHA-256 digest of all that the labels of a picture depend on; loads what judges."""
        encoder = self._encoder
        parts = (
            self.vocabulary.digest,
            encoder.info.fingerprint if encoder else "",
            self._engine().executor.info.fingerprint if self.is_reranked else "",
            repr(self.calibration),
            repr(sorted(self.given.items())),
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def calibration(self) -> LabelCalibration:
        """How log-odds become confidences, and the thresholds; loads what judges."""
        return self.run().calibration

    @property
    def is_relative(self) -> bool:
        """Whether confidences only compare labels of a picture: those of a dual encoder that judges none by itself."""
        encoder = None if self.is_reranked else self._encoder
        return encoder is not None and not encoder.judges_alone

    def tag_stream(
        self,
        pictures: Sequence[Picture],
        cancellation: Cancellation | None = None,
        known_vector: KnownVector | None = None,
    ) -> Generator[Tagged | Failed, None, None]:
        """Return an iterator over a `Tagged` or a `Failed` for each picture, in their order.

        cancellation: once cancelled, the remaining pictures come out as skipped. known_vector: returns the vector of
            the dual encoder for a picture by its content hash, or None.
        """
        candidates = [Candidate.of(picture, position) for position, picture in enumerate(pictures)]
        return self.run(known_vector).run(candidates, cancellation)

    def tag(self, pictures: Sequence[Picture]) -> list[Tagged | Failed]:
        """Return the items of `tag_stream`."""
        return list(self.tag_stream(pictures))

    def run(self, known_vector: KnownVector | None = None) -> "TaggingRun[Any]":
        """Return a run, which also tells how many others go first. Loads what judges. known_vector: as above."""
        engine = self._engine() if self.is_reranked else None
        encoder, proposals = self._encoder, None
        if encoder is not None:
            proposals = LabelProposals(
                encoder=encoder,
                vectors=self._vectors,
                run=self.reranker.torch_thread.run,
                known_vector=known_vector or (lambda content_hash: None),
                count=self._proposed,
            )
        return TaggingRun(
            self.vocabulary,
            self.options,
            engine=engine,
            proposals=proposals,
            limits=self.reranker.limits,
            pool=shared_pool(),
        )

    def _engine(self) -> ScoringEngine[Any]:
        detail = self.reranker.settings.model.detail
        return self.reranker.engine("usual" if detail == "auto" else detail)


class Taggers:
    """Makes taggers over one reranker that share their dual encoders. Thread-safe."""

    def __init__(self, reranker: Reranker) -> None:
        self.reranker = reranker
        self._encoders: dict[str, Encoder] = {}
        self._lock = Lock()

    def of(self, labels: str | Path | Vocabulary = AUTO, **options: Any) -> Tagger:
        """Return a tagger. labels, options: as in `Tagger`."""
        return Tagger(labels, reranker=self.reranker, load=self.encoder, **options)

    def encoder(self, name: str) -> "Encoder":
        """Return the dual encoder of a name, loaded once. Raises `CheckpointError`."""
        from reranker.models.dual_encoders.encoder import load_encoder  # noqa: PLC0415 - torch is slow to import

        with self._lock:
            if name not in self._encoders:
                self._encoders[name] = load_encoder(name, self.reranker.settings.model.device)
            return self._encoders[name]


def _only(vocabulary: Vocabulary, groups: Sequence[str]) -> Vocabulary:
    """Return the labels of some groups; all if none is named. Raises `FilterInvalid`."""
    if not groups:
        return vocabulary
    known = {name.casefold() for group in vocabulary.groups for name in group.all}
    for group in groups:
        names = (
            " | ".join(group.written("both") for group in vocabulary.groups) or "left out: the labels have no groups"
        )
        _check("groups", group, names, group.strip().casefold() in known)
    return vocabulary.only(groups)


def _check(name: str, value: object, expected: str, is_valid: bool) -> None:
    if not is_valid:
        raise FilterInvalid(filter=name, value=str(value), expected=expected)

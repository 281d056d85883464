"""The one `Scorer`: a Qwen2.5-VL that reads query and picture together, and is asked in one of two ways."""

import copy
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import torch

from reranker.core.errors import PictureOutOfMemory
from reranker.core.types import Candidate, LoadWarning, Occluded, Query, Score, Scoring
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.memory_budget import TokenBudget, device_memory, in_runs, is_out_of_memory, planned_tokens
from reranker.engine.torch_thread import TorchThread
from reranker.images.decoding import decode
from reranker.images.hashing import ContentHashes, content_hash
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes
from reranker.models.loading import Checkpoint
from reranker.models.occlusion import grid_of, occluded
from reranker.models.patchify import CHANNELS, PATCHIFY_VERSION, Patches, noise, patchify
from reranker.models.qwen2_5_vl.vision import ImageFeatures, encode_images
from reranker.models.scoring.methods import Document, ScoredDocument, ScoringMethod, YesNo, make_scoring_method
from reranker.storage.calibrations import CalibrationStore

_log = logging.getLogger(__name__)

BATCHES_READY = 3
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class PreparedImage:
    """A picture ready for the device: cut into patches, or already seen.

    picture_hash: digest of the encoded bytes. content_hash: of these and the text beside the picture.
    """

    content_hash: str
    patches: Patches | None = None
    seen: ImageFeatures | None = None
    visual_tokens: int
    picture_hash: str
    text: str = ""

    @property
    def nbytes(self) -> int:
        """Host memory that it holds beside the vision memory."""
        return 0 if self.patches is None else self.patches.values.nbytes


class CrossEncoder:
    """Judges pictures with a checkpoint; see `reranker.core.types.Scorer` for the contract.

    Pictures are looked at once: their visual tokens are remembered, whatever the query. A batch is one packed run of
    each tower, whatever the sizes of its pictures.

    worker: the thread that the checkpoint was loaded in; one of its own where None.
    visual_tokens: how closely pictures are looked at; the checkpoint's usual detail where None.
    asks: the way to ask the checkpoint; yes or no, with its own instruction, where None.
    instruction: for yes or no where it is asked otherwise later, as in `Settings`.
    calibrations: how scores are shown to people; as the checkpoint has it where None.
    batch_tokens: visual tokens in a batch at most; by the device's memory where None.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        limits: Limits,
        memory: FeatureCache,
        torch_thread: TorchThread | None = None,
        scoring_method: ScoringMethod | None = None,
        instruction: str = "",
        calibrations: CalibrationStore | None = None,
        visual_tokens: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        self._checkpoint, self._limits, self._memory = checkpoint, limits, memory
        self._torch_thread, self._hashes = torch_thread or TorchThread(), ContentHashes()
        self._visual_tokens = visual_tokens or checkpoint.detail_levels[1]
        self._scoring_method = scoring_method or YesNo(checkpoint, checkpoint.instruction)
        self._instruction, self._calibrations = instruction, calibrations or CalibrationStore(None)
        self.fingerprint, self._calibration = self._fingerprint(), self._calibrations.get(self.calibration_key)
        self._budget = TokenBudget(
            batch_tokens
            or self._torch_thread.run(
                partial(planned_tokens, checkpoint.gpus, self._judge_noise, 4 * self._visual_tokens)
            )
        )

    @property
    def temperature(self) -> float:
        """T of the score that people see."""
        return self._calibration.temperature if self._calibration else self._scoring_method.temperature

    @property
    def relevance_threshold(self) -> float | None:
        """The score from which a picture fits; None where nobody knows."""
        return self._calibration.relevance_threshold if self._calibration else self._checkpoint.relevance_threshold

    @property
    def calibration_key(self) -> str:
        """As `Scorer` has it: `<digest of the weights>-<precision>-<digest of the way to ask>`."""
        way = hashlib.sha256("\0".join(self._scoring_method.identity).encode()).hexdigest()
        return f"{self._checkpoint.digest}-{self._checkpoint.precision}-{way[:8]}"

    @property
    def precision(self) -> str:
        """Of the weights."""
        return self._checkpoint.precision

    @property
    def load_warnings(self) -> tuple[LoadWarning, ...]:
        """On how it had to be loaded."""
        return self._checkpoint.load_warnings

    @property
    def device_memory(self) -> tuple[int, int] | None:
        """Bytes in use on the card, the fullest of several, and bytes in all; None on the CPU."""
        return device_memory(self._checkpoint.gpus)

    @property
    def _free_share(self) -> float:
        used, total = self.device_memory or (0, 1)
        return 1 - used / total

    @property
    def batch_tokens(self) -> int:
        """Visual tokens worth handing to one call of `score`: fewer after the device ran out of memory."""
        return self._budget.tokens

    @property
    def prefetch_bytes(self) -> int:
        """Of the batch on the device and the two behind it: more waits for nothing and only takes memory."""
        settings = self._checkpoint.patch_settings
        return BATCHES_READY * self.batch_tokens * settings.token_px**2 * CHANNELS

    @property
    def cached_images(self) -> int:
        """About how many seen pictures the vision memory holds at this detail."""
        weight = self._checkpoint.language.embed_tokens.weight
        return self._memory.max_bytes // (self._visual_tokens * weight.shape[1] * weight.element_size())

    @property
    def detail_levels(self) -> tuple[int, int, int]:
        """Visual tokens of a picture at the lowest, the usual and the highest detail."""
        return self._checkpoint.detail_levels

    def at(self, visual_tokens: int) -> "CrossEncoder":
        """The same judge at another detail."""
        return self._but(_visual_tokens=visual_tokens)

    def with_scoring(self, scoring: Scoring) -> "CrossEncoder":
        """The same judge, asked in this way."""
        return self._but(_scoring_method=make_scoring_method(self._checkpoint, scoring, self._instruction))

    def _but(self, **changed: Any) -> "CrossEncoder":
        other = copy.copy(self)
        vars(other).update(changed)
        other.fingerprint, other._calibration = other._fingerprint(), other._calibrations.get(other.calibration_key)
        return other

    def _fingerprint(self) -> str:
        parts = (
            self._checkpoint.digest,
            *self._scoring_method.identity,
            self._checkpoint.precision,
            str(self._visual_tokens),
            PATCHIFY_VERSION,
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def identify(self, candidate: Candidate) -> str:
        """The `content_hash` of what `prepare` will give. Raises the picture's `PictureError`."""
        return _identity(self._hashes.identify(candidate, self._limits)[0], candidate.text)

    def prepare(self, candidate: Candidate) -> PreparedImage:
        """Read the picture; decode and cut it only where it is not known. Raises its `PictureError`."""
        digest, data = self._hashes.identify(candidate, self._limits)
        seen = self._memory.get(self._key(digest))
        if seen is not None:
            return self._prepared(candidate, digest, visual_tokens=len(seen.tokens), seen=seen)
        if data is None:
            data = read_bytes(candidate, self._limits)
            digest = content_hash(data)
        settings = self._checkpoint.patch_settings
        area = self._visual_tokens * settings.token_px**2
        pieces = patchify(decode(data, candidate.name, self._limits, area), self._visual_tokens, settings)
        count = len(pieces.values) // settings.merge**2
        return self._prepared(candidate, digest, visual_tokens=count, patches=self._pinned(pieces))

    def _prepared(self, candidate: Candidate, digest: str, **found: Any) -> PreparedImage:
        identity = _identity(digest, candidate.text)
        return PreparedImage(content_hash=identity, picture_hash=digest, text=candidate.text, **found)

    def _key(self, digest: str) -> str:
        return f"{digest} {self._visual_tokens}"

    def _pinned(self, pieces: Patches) -> Patches:
        """In memory that a card reads by itself, where there is one."""
        if self._checkpoint.device.type != "cuda":
            return pieces
        return replace(pieces, values=torch.from_numpy(pieces.values).pin_memory().numpy())

    def score(self, query: Query, prepared: Sequence[PreparedImage]) -> Iterator[tuple[int, Score]]:
        """Yield (index, judgement). Raises `PictureOutOfMemory` where the batch does not fit on the device."""
        start = time.perf_counter()
        tokens = sum(picture.visual_tokens for picture in prepared)
        scores_of = self._on_device(partial(self._score_documents, query, prepared), tokens)
        self._budget.went_well(self._free_share)
        latency_ms = 1000 * (time.perf_counter() - start)
        for index, (picture, opinion) in enumerate(zip(prepared, scores_of, strict=True)):
            yield index, self._judgement(picture, opinion, latency_ms)

    def _judgement(self, picture: PreparedImage, opinion: ScoredDocument, latency_ms: float) -> Score:
        return Score(
            log_odds=opinion.log_odds,
            generated_text=opinion.words,
            visual_tokens=picture.visual_tokens,
            latency_ms=latency_ms,
            cached=picture.seen is not None,
        )

    def encode(self, query: Query, prepared: Sequence[PreparedImage]) -> Sequence[PreparedImage]:
        """The pictures, seen; also those that were seen after they were prepared. Raises `PictureOutOfMemory`."""
        tokens = sum(picture.visual_tokens for picture in prepared)
        return self._on_device(partial(self._encode, query, prepared), tokens)

    def _encode(self, query: Query, prepared: Sequence[PreparedImage]) -> list[PreparedImage]:
        found = [one if one.seen else self._found(one) for one in prepared]
        seen = self._see(found)
        self._remember(query, found, seen)
        return [replace(one, patches=None, seen=each) for one, each in zip(found, seen, strict=True)]

    def _found(self, prepared: PreparedImage) -> PreparedImage:
        """As the vision memory has it by now."""
        seen = self._memory.get(self._key(prepared.picture_hash))
        return replace(prepared, patches=None, seen=seen) if seen else prepared

    def occluded(self, query: Query, prepared: PreparedImage) -> Occluded:
        """The picture without each of its patches in turn. Raises `PictureOutOfMemory`."""
        return self._on_device(partial(self._occluded, query, prepared), prepared.visual_tokens)

    def _occluded(self, query: Query, prepared: PreparedImage) -> Occluded:
        (encode,) = self._encode(query, [prepared])
        assert encode.seen is not None, "it was looked at"
        rows, columns = grid_of(encode.seen)
        pictures = [replace(encode, seen=one) for one in occluded(encode.seen, rows, columns)]
        return Occluded(rows=rows, columns=columns, pictures=pictures)

    def _on_device(self, work: Callable[[], _Result], visual_tokens: int) -> _Result:
        """What `work` returns. Raises `PictureOutOfMemory` where so many visual tokens do not fit on the device."""
        result = self._torch_thread.run(partial(_unless_out_of_memory, work))
        if result is None:  # told by a value: an exception would hold the tensors of the batch
            self._budget.ran_out(visual_tokens)
            if self._checkpoint.device.type == "cuda":
                torch.cuda.empty_cache()
            _log.warning("The device ran out of memory at %d visual tokens; now %d", visual_tokens, self._budget.tokens)
            raise PictureOutOfMemory(name="", visual_tokens=visual_tokens)
        return result

    def _score_documents(self, query: Query, prepared: Sequence[PreparedImage]) -> list[ScoredDocument]:
        seen = self._see(prepared)
        documents = [Document(picture=one, text=each.text) for one, each in zip(seen, prepared, strict=True)]
        scores_of = self._scoring_method.scores_of(query.text, documents)
        self._remember(query, prepared, seen)
        return scores_of

    def _remember(self, query: Query, prepared: Sequence[PreparedImage], seen: Sequence[ImageFeatures]) -> None:
        for picture, encode in zip(prepared, seen, strict=True):
            if picture.seen is None:
                self._memory.put(self._key(picture.picture_hash), encode, run=query)
            else:
                self._memory.use(self._key(picture.picture_hash), run=query)

    def _see(self, prepared: Sequence[PreparedImage]) -> list[ImageFeatures]:
        """Visual tokens of each picture; those that nobody knows go through the vision tower, a few at a time."""
        fresh = [picture for picture in prepared if picture.patches is not None]
        encode = chain.from_iterable(map(self._look, in_runs(fresh, self._checkpoint.device)))
        return [picture.seen or next(encode) for picture in prepared]

    def _look(self, fresh: Sequence[PreparedImage]) -> list[ImageFeatures]:
        pieces = [picture.patches for picture in fresh if picture.patches is not None]
        return encode_images(self._checkpoint.vision, pieces, self._checkpoint.device)

    @torch.inference_mode()
    def _judge_noise(self, visual_tokens: int) -> None:
        """A batch of random pictures, so many visual tokens in all, for the memory that it takes."""
        settings = self._checkpoint.patch_settings
        rng = np.random.default_rng(0)
        pieces = [noise(rng, self._visual_tokens, settings) for _ in range(visual_tokens // self._visual_tokens)]
        seen = encode_images(self._checkpoint.vision, pieces, self._checkpoint.device)
        self._scoring_method.scores_of("", [Document(picture=picture) for picture in seen])


def _identity(digest: str, text: str) -> str:
    """Of a picture and the text beside it."""
    return hashlib.sha256(f"{digest}\0{text}".encode()).hexdigest() if text else digest


@torch.inference_mode()
def _unless_out_of_memory(work: Callable[[], _Result]) -> _Result | None:
    """What `work` returns; None where the device ran out of memory."""
    try:
        return work()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None

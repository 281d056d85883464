"""The one `Scorer`: a Qwen2.5-VL that reads query and picture together and answers yes or no."""

import copy
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
import torch

from reranker.errors import PictureOutOfMemory
from reranker.images import ContentHashes, Limits, content_hash, decode, read_bytes
from reranker.model import patches
from reranker.model.checkpoints import Checkpoint
from reranker.model.language import Beginning, last_hidden, read_beginning
from reranker.model.memory import TokenBudget, in_runs, is_out_of_memory, planned_tokens
from reranker.model.patches import CHANNELS, Patches, cut, noise
from reranker.model.prompts import DEFAULT_INSTRUCTION, LYCHEE, EncodedPrompt, encode_prompt
from reranker.model.vision import SeenPicture, look
from reranker.model.vision_memory import VisionMemory
from reranker.model.worker import Worker
from reranker.types import Candidate, Judgement, Query

_log = logging.getLogger(__name__)

BATCHES_READY = 3
QUERIES_KEPT = 16  # whose beginnings stay read, on the device


@dataclass(frozen=True, kw_only=True)
class PreparedPicture:
    """A picture ready for the device: cut into patches, or already seen."""

    content_hash: str
    patches: Patches | None = None
    seen: SeenPicture | None = None
    visual_tokens: int

    @property
    def nbytes(self) -> int:
        """Host memory that it holds beside the vision memory."""
        return 0 if self.patches is None else self.patches.values.nbytes


class CrossEncoder:
    """Judges pictures with a checkpoint; see `reranker.types.Scorer` for the contract.

    Pictures are looked at once: their visual tokens are remembered, whatever the query. A batch is one packed run of
    each tower, whatever the sizes of its pictures.

    worker: the thread that the checkpoint was loaded in; one of its own where None.
    visual_tokens: how closely pictures are looked at; the checkpoint's usual detail where None.
    batch_tokens: visual tokens in a batch at most; by the device's memory where None.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        limits: Limits,
        memory: VisionMemory,
        worker: Worker | None = None,
        visual_tokens: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        self._checkpoint, self._limits, self._memory = checkpoint, limits, memory
        self._worker, self._hashes = worker or Worker(), ContentHashes()
        self._visual_tokens = visual_tokens or checkpoint.details[1]
        self._beginnings: OrderedDict[str, tuple[EncodedPrompt, Beginning]] = OrderedDict()
        self.fingerprint = self._fingerprint()
        self._budget = TokenBudget(
            batch_tokens
            or self._worker.run(partial(planned_tokens, checkpoint.device, self._judge_noise, 4 * self._visual_tokens))
        )

    @property
    def temperature(self) -> float:
        """T of the score that people see."""
        return self._checkpoint.temperature

    @property
    def batch_tokens(self) -> int:
        """Visual tokens worth handing to one call of `score`: fewer after the device ran out of memory."""
        return self._budget.tokens

    @property
    def look_ahead_bytes(self) -> int:
        """Of the batch on the device and the two behind it: more waits for nothing and only takes memory."""
        settings = self._checkpoint.patch_settings
        return BATCHES_READY * self.batch_tokens * settings.token_px**2 * CHANNELS

    @property
    def pictures_remembered(self) -> int:
        """About how many seen pictures the vision memory holds at this detail."""
        weight = self._checkpoint.language.embed_tokens.weight
        return self._memory.max_bytes // (self._visual_tokens * weight.shape[1] * weight.element_size())

    @property
    def details(self) -> tuple[int, int, int]:
        """Visual tokens of a picture at the lowest, the usual and the highest detail."""
        return self._checkpoint.details

    def at(self, visual_tokens: int) -> "CrossEncoder":
        """The same judge at another detail."""
        other = copy.copy(self)
        other._visual_tokens = visual_tokens
        other.fingerprint = other._fingerprint()
        return other

    def _fingerprint(self) -> str:
        parts = (
            self._checkpoint.digest,
            LYCHEE.version,
            LYCHEE.template,
            DEFAULT_INSTRUCTION,
            self._checkpoint.precision,
            str(self._visual_tokens),
            patches.VERSION,
        )
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def identify(self, candidate: Candidate) -> str:
        """Content hash of the encoded bytes. Raises the picture's `PictureError`."""
        return self._hashes.identify(candidate, self._limits)[0]

    def prepare(self, candidate: Candidate) -> PreparedPicture:
        """Read the picture; decode and cut it only where it is not known. Raises its `PictureError`."""
        digest, data = self._hashes.identify(candidate, self._limits)
        seen = self._memory.get(self._key(digest))
        if seen is not None:
            return PreparedPicture(content_hash=digest, seen=seen, visual_tokens=len(seen.tokens))
        if data is None:
            data = read_bytes(candidate, self._limits)
            digest = content_hash(data)
        settings = self._checkpoint.patch_settings
        area = self._visual_tokens * settings.token_px**2
        pieces = cut(decode(data, candidate.name, self._limits, area), self._visual_tokens, settings)
        return PreparedPicture(
            content_hash=digest, patches=self._pinned(pieces), visual_tokens=len(pieces.values) // settings.merge**2
        )

    def _key(self, digest: str) -> str:
        return f"{digest} {self._visual_tokens}"

    def _pinned(self, pieces: Patches) -> Patches:
        """In memory that a card reads by itself, where there is one."""
        if self._checkpoint.device.type != "cuda":
            return pieces
        return replace(pieces, values=torch.from_numpy(pieces.values).pin_memory().numpy())

    def score(self, query: Query, prepared: Sequence[PreparedPicture]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index, judgement). Raises `PictureOutOfMemory` where the batch does not fit on the device."""
        start = time.perf_counter()
        tokens = sum(picture.visual_tokens for picture in prepared)
        odds = self._worker.run(partial(self._log_odds, query, prepared))
        if odds is None:  # told by a value: an exception would hold the tensors of the batch
            self._budget.ran_out(tokens)
            if self._checkpoint.device.type == "cuda":
                torch.cuda.empty_cache()
            _log.warning("The device ran out of memory at %d visual tokens; now %d", tokens, self._budget.tokens)
            raise PictureOutOfMemory(name="", visual_tokens=tokens)
        self._budget.went_well()
        batch_ms = 1000 * (time.perf_counter() - start)
        for index, (picture, log_odds) in enumerate(zip(prepared, odds, strict=True)):
            yield index, self._judgement(picture, log_odds, batch_ms)

    def _judgement(self, picture: PreparedPicture, log_odds: float, batch_ms: float) -> Judgement:
        return Judgement(
            order_key=log_odds,
            log_odds=log_odds,
            visual_tokens=picture.visual_tokens,
            batch_ms=batch_ms,
            known=picture.seen is not None,
        )

    @torch.inference_mode()
    def _log_odds(self, query: Query, prepared: Sequence[PreparedPicture]) -> list[float] | None:
        """Of each picture; None where the device ran out of memory."""
        try:
            seen = self._see(prepared)
            odds = self._judge(query.text, seen)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return None
        for picture, looked in zip(prepared, seen, strict=True):
            if picture.seen is None:
                self._memory.put(self._key(picture.content_hash), looked, run=query)
            else:
                self._memory.use(self._key(picture.content_hash), run=query)
        return odds

    def _see(self, prepared: Sequence[PreparedPicture]) -> list[SeenPicture]:
        """Visual tokens of each picture; those that nobody knows go through the vision tower, a few at a time."""
        fresh = [picture for picture in prepared if picture.patches is not None]
        looked = chain.from_iterable(map(self._look, in_runs(fresh, self._checkpoint.device)))
        return [picture.seen or next(looked) for picture in prepared]

    def _look(self, fresh: Sequence[PreparedPicture]) -> list[SeenPicture]:
        pieces = [picture.patches for picture in fresh if picture.patches is not None]
        return look(self._checkpoint.vision, pieces, self._checkpoint.device)

    def _judge(self, text: str, pictures: Sequence[SeenPicture]) -> list[float]:
        prompt, beginning = self._begun(text)
        states = last_hidden(self._checkpoint.language, beginning, prompt.after, pictures)
        return [float(value) for value in self._checkpoint.head.log_odds(states).tolist()]

    def _begun(self, text: str) -> tuple[EncodedPrompt, Beginning]:
        """The query's prompt, its beginning read; once a query, not once a batch."""
        if text not in self._beginnings:
            prompt = encode_prompt(self._checkpoint.tokenizer, LYCHEE, text)
            self._beginnings[text] = prompt, read_beginning(self._checkpoint.language, prompt.before)
            if len(self._beginnings) > QUERIES_KEPT:
                self._beginnings.popitem(last=False)
        self._beginnings.move_to_end(text)
        return self._beginnings[text]

    @torch.inference_mode()
    def _judge_noise(self, visual_tokens: int) -> None:
        """A batch of random pictures, so many visual tokens in all, for the memory that it takes."""
        settings = self._checkpoint.patch_settings
        rng = np.random.default_rng(0)
        pieces = [noise(rng, self._visual_tokens, settings) for _ in range(visual_tokens // self._visual_tokens)]
        self._judge("", look(self._checkpoint.vision, pieces, self._checkpoint.device))

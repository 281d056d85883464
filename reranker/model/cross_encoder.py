"""The one `Scorer`: a Qwen2.5-VL that reads query and picture together and answers yes or no."""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from reranker.images import Limits, content_hash, decode, read_bytes
from reranker.model import patches
from reranker.model.checkpoints import Checkpoint
from reranker.model.language import last_hidden
from reranker.model.patches import Patches, cut
from reranker.model.prompts import DEFAULT_INSTRUCTION, LYCHEE, EncodedPrompt, encode_prompt
from reranker.model.vision import SeenPicture, VisionMemory, look
from reranker.types import Candidate, Judgement, Query


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

    Pictures are looked at once: their visual tokens are remembered, whatever the query.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        limits: Limits,
        memory: VisionMemory,
        visual_tokens: int | None = None,
        batch_size: int = 8,
    ) -> None:
        self._checkpoint, self._limits, self._memory = checkpoint, limits, memory
        self._visual_tokens = visual_tokens or checkpoint.visual_tokens
        self.batch_size = batch_size
        self.fingerprint = self._fingerprint()

    @property
    def temperature(self) -> float:
        """T of the score that people see."""
        return self._checkpoint.temperature

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

    def prepare(self, candidate: Candidate) -> PreparedPicture:
        """Read the picture; decode and cut it only where it is not known. Raises its `PictureError`."""
        data = read_bytes(candidate, self._limits)
        digest = content_hash(data)
        seen = self._memory.get(digest)
        if seen is not None:
            return PreparedPicture(content_hash=digest, seen=seen, visual_tokens=len(seen.tokens))
        settings = self._checkpoint.patch_settings
        pieces = cut(decode(data, candidate.name, self._limits), self._visual_tokens, settings)
        return PreparedPicture(
            content_hash=digest, patches=pieces, visual_tokens=len(pieces.values) // settings.merge**2
        )

    def score(self, query: Query, prepared: Sequence[PreparedPicture]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index, judgement), pictures of equal size together."""
        prompt = encode_prompt(self._checkpoint.tokenizer, LYCHEE, query.text)
        start = time.perf_counter()
        seen = self._see(prepared)
        groups: dict[int, list[int]] = defaultdict(list)
        for index, picture in enumerate(prepared):
            groups[picture.visual_tokens].append(index)
        for indices in groups.values():
            odds = self._judge(prompt, [seen[index] for index in indices])
            batch_ms = 1000 * (time.perf_counter() - start)
            for index, log_odds in zip(indices, odds, strict=True):
                yield index, self._judgement(prepared[index], log_odds, batch_ms)

    def _judgement(self, picture: PreparedPicture, log_odds: float, batch_ms: float) -> Judgement:
        return Judgement(
            order_key=log_odds,
            log_odds=log_odds,
            visual_tokens=picture.visual_tokens,
            batch_ms=batch_ms,
            known=picture.seen is not None,
        )

    @torch.inference_mode()
    def _see(self, prepared: Sequence[PreparedPicture]) -> list[SeenPicture]:
        """Visual tokens of each picture; those that nobody knows go through the vision tower together."""
        fresh = [(picture.content_hash, picture.patches) for picture in prepared if picture.patches is not None]
        looked = look(self._checkpoint.visual, [pieces for _, pieces in fresh], self._checkpoint.device)
        for (digest, _), seen in zip(fresh, looked, strict=True):
            self._memory.put(digest, seen)
        just_seen = iter(looked)
        return [picture.seen or next(just_seen) for picture in prepared]

    @torch.inference_mode()
    def _judge(self, prompt: EncodedPrompt, pictures: Sequence[SeenPicture]) -> list[float]:
        states = last_hidden(self._checkpoint.language, prompt, pictures)
        return [float(value) for value in self._checkpoint.head.log_odds(states).tolist()]

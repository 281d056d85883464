"""A scorer whose answers are arithmetic: the one fake, for every test that needs no model."""

import copy
import hashlib
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from reranker.core.errors import PictureMissing
from reranker.core.types import Candidate, Occluded, Query, Score, Scoring

# How long a test waits before it calls something hung. Nothing that passes comes near it.
PATIENCE_S = 20.0


def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Yield to other threads until `condition` holds."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "hung"
        time.sleep(0)


def content_of(candidate: Candidate) -> bytes:
    """The encoded bytes, from memory or the disk."""
    if isinstance(candidate.source, bytes):
        return candidate.source
    try:
        return candidate.source.read_bytes()
    except OSError:
        raise PictureMissing(name=candidate.name) from None


def checksum(query: Query, content: bytes) -> float:
    """Log-odds in [-8, 8) that depend on every byte of both."""
    return zlib.crc32(query.text.encode() + b"\0" + content) / 2**28 - 8


def number(query: Query, content: bytes) -> float:
    """Log-odds written down by hand: the picture b"-1.5" has -1.5."""
    return float(content)


@dataclass(frozen=True, kw_only=True)
class ScriptedPicture:
    """A picture of one visual token, and one byte a byte."""

    content: bytes
    content_hash: str
    visual_tokens: int
    nbytes: int


class ScriptedScorer:
    """Reads with `read`, judges with `judge`, and remembers what it was asked.

    `read` runs in reader threads and `judge` in the device's, a picture a call, the last of a batch first, so that
    nobody relies on the order of answers. Either may raise, or wait for what a test has in hand. A `judge` that returns
    None leaves that picture without an answer.
    """

    def __init__(
        self,
        *,
        judge: Callable[[Query, bytes], float | None] = checksum,
        read: Callable[[Candidate], bytes] = content_of,
        batch_tokens: int = 4,
        fingerprint: str = "scripted",
        temperature: float = 1.0,
        words: Callable[[bytes], str | None] = lambda content: None,
    ) -> None:
        self.batch_tokens = batch_tokens
        self.remembered = 1000
        self.fingerprint = fingerprint
        self.temperature = temperature
        self.precision = "fp32"
        self.relevance_threshold: float | None = None
        self.load_warnings = ()
        self.device_memory: tuple[int, int] | None = None
        self._words = words
        self.read_names: list[str] = []
        self.batches: list[list[bytes]] = []
        self.answered: list[bytes] = []
        self.held_bytes = 0
        self.peak_bytes = 0
        self._judge = judge
        self._read = read
        self._lock = threading.RLock()

    @property
    def prefetch_bytes(self) -> int:
        return 1_000_000

    @property
    def cached_images(self) -> int:
        return self.remembered

    @property
    def detail_levels(self) -> tuple[int, int, int]:
        return 1, 2, 3

    def at(self, visual_tokens: int) -> "ScriptedScorer":
        return self

    def with_scoring(self, scoring: Scoring) -> "ScriptedScorer":
        other = copy.copy(self)
        if scoring == "rating":
            other.fingerprint, other._words = f"{self.fingerprint}, rated", lambda content: f"Score: {content.decode()}"
        return other

    @property
    def calibration_key(self) -> str:
        return self.fingerprint

    def identify(self, candidate: Candidate) -> str:
        return hashlib.sha256(content_of(candidate)).hexdigest()

    def prepare(self, candidate: Candidate) -> ScriptedPicture:
        content = self._read(candidate)
        self.read_names.append(candidate.name)
        content_hash = hashlib.sha256(content).hexdigest()
        picture = ScriptedPicture(content=content, content_hash=content_hash, visual_tokens=1, nbytes=len(content))
        self._hold(len(content))
        weakref.finalize(picture, self._hold, -len(content)).atexit = False
        return picture

    def score(self, query: Query, prepared: Sequence[ScriptedPicture]) -> Iterator[tuple[int, Score]]:
        self.batches.append([picture.content for picture in prepared])
        for index, picture in reversed(list(enumerate(prepared))):
            log_odds = self._judge(query, picture.content)
            if log_odds is not None:
                self.answered.append(picture.content)
                yield index, self._judgement(log_odds, picture)

    def encode(self, query: Query, prepared: Sequence[ScriptedPicture]) -> Sequence[ScriptedPicture]:
        return prepared

    def occluded(self, query: Query, prepared: ScriptedPicture) -> Occluded:
        """Two rows of three patches; the number of the blanked one is another byte, so another digit of a number."""
        pictures = [replace(prepared, content=prepared.content + b"%d" % patch) for patch in range(6)]
        return Occluded(rows=2, columns=3, pictures=pictures)

    def _judgement(self, log_odds: float, picture: ScriptedPicture) -> Score:
        return Score(
            log_odds=log_odds,
            generated_text=self._words(picture.content),
            visual_tokens=picture.visual_tokens,
            latency_ms=1.0,
            cached=False,
        )

    def _hold(self, nbytes: int) -> None:
        with self._lock:
            self.held_bytes += nbytes
            self.peak_bytes = max(self.peak_bytes, self.held_bytes)

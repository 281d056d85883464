"""Reads and prepares pictures ahead of the device, bounded in bytes."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Generic

from reranker.core.errors import DeviceFailed, ExampleUnreadable
from reranker.core.protocols import ImageT, Preprocessor
from reranker.core.types import Candidate, EncodedPicture, Query
from reranker.engine.results import ResultCollector, StoredScores, failure


class PrefetchBuffer(Generic[ImageT]):
    """A queue of prepared images between the prefetch threads and the devices. Images of one home are taken together.

    count: positions to prepare. max_bytes: nothing more is claimed while so many bytes are held; images in a batch on
    the device count until they are released.
    """

    def __init__(self, count: int, max_bytes: int) -> None:
        self._changed = threading.Condition()
        self._ready: dict[str | None, deque[ImageT]] = {}  # by home, the next one first; none is empty
        self._ready_tokens: Counter[str | None] = Counter()
        self._unclaimed = deque(range(count))
        self._in_preparation = 0
        self._held_bytes = 0
        self._max_bytes = max_bytes
        self._closed = False

    def claim(self) -> int | None:
        """Wait for space and return the next position to prepare; None if there is nothing left to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._unclaimed or self._has_space())
            if self._closed or not self._unclaimed:
                return None
            self._in_preparation += 1
            return self._unclaimed.popleft()

    def _has_space(self) -> bool:
        return self._held_bytes == 0 or self._held_bytes < self._max_bytes

    def put(self, image: ImageT | None) -> None:
        """Hand over what was claimed; None if the device has nothing to do for it."""
        with self._changed:
            self._in_preparation -= 1
            if image is not None and not self._closed:
                self._ready.setdefault(image.home, deque()).append(image)
                self._ready_tokens[image.home] += image.tokens
                self._held_bytes += image.nbytes
            self._changed.notify_all()

    def wait(self) -> bool:
        """Wait until an image is ready; return False if none will be."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._is_complete)
            return bool(self._ready)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, or no image will become ready any more.

        The condition is tried when something of the buffer has changed, and after `notify`.
        """
        with self._changed:
            self._changed.wait_for(lambda: condition() or (self._is_complete and not self._ready))

    def notify(self) -> None:
        """Let those who wait try their conditions again."""
        with self._changed:
            self._changed.notify_all()

    @property
    def _is_complete(self) -> bool:
        return self._closed or not (self._unclaimed or self._in_preparation)

    def has_ready(self, tokens: int, example_tokens: int = 0) -> bool:
        """Whether images of one home with so many tokens are ready now, or all that will be, if that is at least one.

        example_tokens: what each image takes besides its own.
        """
        with self._changed:
            if self._is_complete:
                return bool(self._ready)
            return any(
                self._ready_tokens[home] + example_tokens * len(images) >= tokens
                for home, images in self._ready.items()
            )

    def take(self, tokens: int, example_tokens: int = 0) -> list[ImageT]:
        """Return images of one home that are ready, at most so many tokens or one image.

        Their bytes stay held until `release`. example_tokens: what each image takes besides its own.
        """
        with self._changed:
            if not self._ready:
                return []
            home = next(iter(self._ready))
            images, taken = self._ready.pop(home), list[ImageT]()
            while images and (not taken or tokens >= images[0].tokens + example_tokens):
                tokens -= images[0].tokens + example_tokens
                self._ready_tokens[home] -= images[0].tokens
                taken.append(images.popleft())
            if images:
                self._ready[home] = images  # the other homes are next
            return taken

    def release(self, nbytes: int) -> None:
        """Note that so many bytes are no longer held."""
        with self._changed:
            self._held_bytes -= nbytes
            self._changed.notify_all()

    def close(self) -> None:
        """Drop what is ready; nothing more is claimed or taken."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._ready_tokens.clear()
            self._changed.notify_all()


class Prefetcher(Generic[ImageT]):
    """Fills a prefetch buffer, in as many threads as call `run`. Pictures with stored scores never reach the buffer."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        preprocessor: Preprocessor[ImageT],
        stored: StoredScores,
        buffer: PrefetchBuffer[ImageT],
        results: ResultCollector,
    ) -> None:
        self._candidates, self._preprocessor, self._stored = candidates, preprocessor, stored
        self._buffer, self._results = buffer, results

    def run(self) -> None:
        """Prepare pictures until there is nothing left to do."""
        while (position := self._buffer.claim()) is not None:
            # The image gets no name here: a name would hold its memory while the thread waits for space.
            self._buffer.put(self._prepare(position))

    def _prepare(self, position: int) -> ImageT | None:
        candidate = self._candidates[position]
        try:
            picture = self._preprocessor.identify(candidate)
        except Exception as error:
            self._results.fail(position, candidate, failure(error, candidate.name))
            return None
        return self._prepare_first(picture) if self._results.register(position, picture) else None

    def _prepare_first(self, picture: EncodedPicture) -> ImageT | None:
        """Prepare the first picture with its key, unless its score is known."""
        try:
            score = self._stored.get(picture.key)
            if score is None:
                return self._unless_equal(self._preprocessor.prepare(picture))
            self._results.set_result(picture.key, score)
        except Exception as error:
            self._results.set_result(picture.key, failure(error, picture.candidate.name))
        return None

    def _unless_equal(self, image: ImageT) -> ImageT | None:
        """Return the image, unless the score of another one with equal pixels is, or will be, its score, too."""
        if not self._results.register_pixels(image.key, image.pixel_key):
            return None
        score = self._stored.get(image.pixel_key)
        if score is None:
            return image
        self._stored.put({image.key: score})
        self._results.set_result(image.key, score)
        return None


def prepare_example(query: Query, preprocessor: Preprocessor[ImageT]) -> ImageT | None:
    """Return the example of a query, prepared; None if it has none. Raises `ExampleUnreadable` and `DeviceFailed`."""
    if query.example is None:
        return None
    try:
        return preprocessor.prepare(query.example)
    except DeviceFailed:
        raise
    except Exception as error:
        picture_error = failure(error, query.example.candidate.name)
    raise ExampleUnreadable(picture_error)  # outside the handler, so that the frames of the first error do not live on

"""The first stage of a search: the pictures of a library whose vectors are nearest to that of a query."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from reranker.core.types import Candidate
from reranker.images.decoding_pool import DecodingPool
from reranker.images.hashing import content_hash
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes
from reranker.storage.catalogue import Catalogue, FoundPicture
from reranker.storage.picture_filter import PictureFilter
from reranker.storage.vector_cache import VectorCache

if TYPE_CHECKING:
    from reranker.index.vector_index import VectorIndex
    from reranker.models.dual_encoders.encoder import Encoder

SAMPLED_ROWS: Final = 4096  # of a library, whose cosines say how much those of a sentence and of a picture spread
# Against the sentence. In 300 searches of 3,000 drawn scenes, the first 200 had 93.0 % of those that fit (at most 200);
# with 0, 0.5 and 1, they had 91.4, 91.7 and 77.6 %.
EXCLUDE_WEIGHT: Final = 0.25
# From which two pictures are near-duplicates. Of 200 drawings, all were with copies at JPEG quality 60 or of half the
# size, and 42 % with a copy that was cropped by 2 %; of 4.5 million pairs of other drawings, 7 were.
ALIKE_COSINE: Final = 0.98


@dataclass(frozen=True, kw_only=True)
class SearchQuery:
    """What a library is searched for: a sentence, example pictures, or both.

    text: empty only if there are examples. exclude: a sentence that says what must not be in the pictures, or empty.
    examples: pictures that the others should be like. example_weight: of the examples together, from 0 to 1; the
    sentence has the rest.
    """

    text: str
    exclude: str = ""
    examples: tuple[Candidate, ...] = ()
    example_weight: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """A picture that a dual encoder has recalled, which may be several equal files.

    id: of the picture in the library, as long as the library has this encoder. cosine: of its vector and that of the
    query, in [-1, 1]. alike: number of the group of near-duplicates among the recalled, from 0; None if it is in none.
    """

    id: int
    cosine: float
    files: tuple[FoundPicture, ...] = field(repr=False)
    alike: int | None = None

    @property
    def path(self) -> Path:
        """The path of the first of the files."""
        return self.files[0].path


class Recaller:
    """Recalls pictures of a library. Thread-safe. pool: decodes examples."""

    def __init__(
        self,
        catalogue: Catalogue,
        index: "VectorIndex",
        encoder: "Encoder",
        cache: VectorCache,
        limits: Limits,
        pool: DecodingPool,
    ) -> None:
        self._catalogue, self._index, self._encoder, self._cache = catalogue, index, encoder, cache
        self._limits, self._pool, self._lock = limits, pool, Lock()

    def recall(
        self, queries: Sequence[SearchQuery], count: int, filter_: PictureFilter | None = None
    ) -> list[tuple[Recalled, ...]]:
        """Return, for each query, the pictures that pass a filter and are nearest to it, nearest first.

        Raises a `PictureError` for an example that cannot be read, and `OSError`.
        """
        with self._lock:
            vectors, is_searched = self._catalogue.searchable(filter_)
            if len(vectors) == 0 or not queries:
                return [()] * len(queries)
            self._index.extend(vectors)
            texts = self._text_vectors([text for query in queries for text in (query.text, query.exclude) if text])
            combined = np.stack([self._combined(query, texts, vectors) for query in queries])
            found = self._index.search(combined, count, is_searched)
        return [self._recalled(rows, cosines, vectors, filter_) for rows, cosines in found]

    def use(self, index: "VectorIndex") -> None:
        """Search another index from now on."""
        with self._lock:
            self._index = index

    def is_outgrown(self, vectors: NDArray[np.float16]) -> bool:
        """Whether the index should be built again for these vectors, which are all of the library."""
        with self._lock:
            self._index.extend(vectors)
            return self._index.is_outgrown

    def _text_vectors(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        fingerprint, distinct = self._encoder.info.fingerprint, list(dict.fromkeys(texts))
        known = self._cache.get(fingerprint, distinct)
        missing = [text for text in distinct if text not in known]
        if missing:
            new = dict(zip(missing, self._encoder.encode_texts(missing), strict=True))
            self._cache.put(fingerprint, new)
            known |= new
        return known

    def _combined(
        self, query: SearchQuery, texts: dict[str, NDArray[np.float32]], vectors: NDArray[np.float16]
    ) -> NDArray[np.float32]:
        """Return the vector of a query, (dimensions,), of unit length.

        Its cosine with a picture orders as the weighted sum of the standard scores of the cosines with each part does:
        cosines of sentences spread less than those of pictures, and would not count beside them.
        """
        parts = [(texts[query.text], 1.0 - query.example_weight if query.examples else 1.0)] if query.text else []
        each = (query.example_weight if query.text else 1.0) / max(1, len(query.examples))
        parts += [(self._example_vector(example), each) for example in query.examples]
        if query.exclude:
            parts.append((texts[query.exclude], -EXCLUDE_WEIGHT))
        if len(parts) == 1:
            return parts[0][0]
        sample = vectors[:: max(1, len(vectors) // SAMPLED_ROWS)].astype(np.float32)
        spread = [max(float((sample @ vector).std()), 1e-6) for vector, _ in parts]
        total = np.sum([weight / std * vector for (vector, weight), std in zip(parts, spread, strict=True)], axis=0)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32)

    def _example_vector(self, example: Candidate) -> NDArray[np.float32]:
        """Raises a `PictureError`."""
        data = read_bytes(example, self._limits)
        known = self._catalogue.vector(content_hash(data))
        if known is not None:
            return known
        pixels, _ = self._pool.square(data, example.name, self._limits, self._encoder.info.image_px)
        vector: NDArray[np.float32] = self._encoder.encode_images([pixels])[0]
        return vector

    def _recalled(
        self,
        rows: NDArray[np.int64],
        cosines: NDArray[np.float32],
        vectors: NDArray[np.float16],
        filter_: PictureFilter | None,
    ) -> tuple[Recalled, ...]:
        groups = group_near_duplicates(vectors[rows].astype(np.float32))
        files = self._catalogue.files(rows.tolist(), filter_)
        return tuple(
            Recalled(id=row, cosine=cosine, files=tuple(files[row]), alike=group)
            for row, cosine, group in zip(rows.tolist(), cosines.tolist(), groups, strict=True)
            if row in files  # another process may have removed some meanwhile
        )


def group_near_duplicates(vectors: NDArray[np.float32]) -> list[int | None]:
    """Return the number of the group of each vector, (n, dimensions), from 0 in the order of their first members.

    Two are in one group if their cosine is at least `ALIKE_COSINE`, or if others connect them. None: it is alone.
    """
    is_alike = vectors @ vectors.T >= ALIKE_COSINE
    groups: list[int | None] = [None] * len(vectors)
    count = 0
    for first in range(len(vectors)):
        if groups[first] is not None or is_alike[first].sum() < 2:
            continue
        waiting = [first]
        while waiting:
            member = waiting.pop()
            if groups[member] is None:
                groups[member] = count
                waiting += np.flatnonzero(is_alike[member]).tolist()
        count += 1
    return groups

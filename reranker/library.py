"""The Python interface of libraries: thousands of picture files, searched by sentences in two stages.

A dual encoder recalls the pictures that may fit, in milliseconds, and the cross-encoder ranks those.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from reranker.api import Reranker
from reranker.config.paths import data_folder
from reranker.core.cancellation import Cancellation
from reranker.core.types import Candidate, Ranking
from reranker.images.decoding_pool import shared_pool
from reranker.index.exact import nearest
from reranker.pipelines.indexing import FolderChanges, Indexer, IndexProgress, find_changes
from reranker.storage.catalogue import Catalogue, EncoderRecord

if TYPE_CHECKING:
    from reranker.models.dual_encoders.encoder import Encoder

RECALL: Final = 200
DEFAULT_ENCODER: Final = "toybox-encoder"
DEFAULT_NAME: Final = "pictures"


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """A picture that a dual encoder has recalled. cosine: of its vector and that of the query, in [-1, 1]."""

    path: Path
    cosine: float


class Library:
    """Pictures of folders, which stay where they are.

        library = Library()
        for progress in library.index(["~/Pictures"]):
            print(progress.done, progress.total)
        library.search("a woman in a red dress").scored[0].candidate.source

    library: a name, for a folder of the user's data folder, or the folder itself. encoder: of `load_encoder`.
    reranker: ranks what was recalled; one with the settings of the environment if None.
    The constructor raises nothing; other methods raise `LibraryUnreadable`, `LibraryEncoderDiffers`,
    `CheckpointError` and what `Reranker.rank` does.
    """

    def __init__(
        self,
        library: str | Path = DEFAULT_NAME,
        *,
        encoder: str = DEFAULT_ENCODER,
        reranker: Reranker | None = None,
    ) -> None:
        is_name = isinstance(library, str) and "/" not in library and "\\" not in library
        self.folder = data_folder() / "libraries" / library if is_name else Path(library).expanduser()
        self._encoder_name, self._given = encoder, reranker

    @cached_property
    def reranker(self) -> Reranker:
        """What ranks the recalled pictures."""
        return self._given or Reranker()

    @cached_property
    def _encoder(self) -> "Encoder":
        from reranker.models.dual_encoders.encoder import load_encoder  # noqa: PLC0415 - torch is slow to import

        return load_encoder(self._encoder_name)

    @cached_property
    def _catalogue(self) -> Catalogue:
        info = self._encoder.info
        record = EncoderRecord(fingerprint=info.fingerprint, model=info.model, dimensions=info.dimensions)
        return Catalogue(self.folder, record)

    def changes(self, folders: Iterable[str | Path]) -> FolderChanges:
        """Compare folders with the library, without opening pictures."""
        return find_changes([Path(folder).expanduser() for folder in folders], self._catalogue.stamps())

    def index(self, folders: Iterable[str | Path], cancellation: Cancellation | None = None) -> Iterator[IndexProgress]:
        """Bring the library up to date with folders and their subfolders. A call that is cut off goes on next time."""
        return self.carry_out(self.changes(folders), cancellation)

    def carry_out(self, changes: FolderChanges, cancellation: Cancellation | None = None) -> Iterator[IndexProgress]:
        """Bring the library up to date with what `changes` has found."""
        indexer = Indexer(self._catalogue, self._encoder, self.reranker.limits, shared_pool())
        return indexer.run(changes, cancellation)

    @property
    def exists(self) -> bool:
        """Whether something was indexed, or tried to be."""
        return Catalogue.exists(self.folder)

    def recall(self, query: str, count: int = RECALL) -> list[Recalled]:
        """Return the pictures whose vectors are nearest to a sentence, nearest first; equal files once.

        Raises `QueryEmpty`, `QueryTooLong` and `TextNotUnicode`.
        """
        sentence = self.reranker.query(query).text
        if not self.exists:  # a search makes no library
            return []
        vectors, paths = self._catalogue.searchable()
        is_searched = np.zeros(len(vectors), bool)
        is_searched[list(paths)] = True
        (vector,) = self._encoder.encode_texts([sentence])
        rows, cosines = nearest(vectors, vector, count, is_searched)
        return [
            Recalled(path=Path(paths[int(row)][0]), cosine=float(cosine))
            for row, cosine in zip(rows, cosines, strict=True)
        ]

    def search(self, query: str, *, recall: int = RECALL, top_k: int | None = None) -> Ranking:
        """Recall so many pictures for a sentence, and return their ranking by the cross-encoder."""
        candidates = [Candidate(name=str(each.path), source=each.path) for each in self.recall(query, recall)]
        return self.reranker.rank(query, candidates, top_k=top_k)

    def close(self) -> None:
        """Close the files of the library."""
        if "_catalogue" in vars(self):
            self._catalogue.close()

"""The Python interface of libraries: thousands of picture files, searched by sentences in two stages.

A dual encoder recalls the pictures that may fit, in milliseconds, and the cross-encoder ranks those.
"""

import os
import shutil
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from filelock import FileLock, Timeout

from reranker.api import Picture, Reranker
from reranker.config.paths import cache_folder, data_folder
from reranker.core.cancellation import Cancellation
from reranker.core.errors import (
    ExampleUnreadable,
    FilterInvalid,
    LibraryBusy,
    LibraryMissing,
    LibraryUnreadable,
    LibraryUnwritable,
    PictureError,
    RerankerError,
)
from reranker.core.text import distinct_names
from reranker.core.types import BackendChoice, Candidate, EncoderBackend, Query
from reranker.images.decoding_pool import shared_pool
from reranker.pipelines.indexing import (
    EncodingHere,
    FolderChanges,
    Indexer,
    IndexProgress,
    PictureEncoding,
    find_changes,
)
from reranker.pipelines.library_search import Recall, SearchEvent, SearchResult, drain, search_stream
from reranker.pipelines.library_tagging import TagProgress, tag_library
from reranker.pipelines.rank_each import Stream
from reranker.pipelines.recall import Recalled, Recaller, SearchQuery
from reranker.pipelines.tag import Tagged, in_order
from reranker.storage.catalogue import (
    Catalogue,
    CatalogueCounts,
    EncoderRecord,
    FoundPicture,
    catalogue_size,
)
from reranker.storage.picture_filter import PictureFilter
from reranker.storage.picture_labels import TaggingRecord
from reranker.storage.vector_cache import VectorCache
from reranker.tagger import AUTO, Tagger
from reranker.vocabulary.label_files import from_json_lines, to_json_lines
from reranker.vocabulary.labels import Vocabulary

if TYPE_CHECKING:
    from reranker.index.vector_index import IndexReport
    from reranker.models.dual_encoders.encoder import Encoder

RECALL: Final = 200
DEFAULT_ENCODER: Final = "toybox-encoder"
DEFAULT_NAME: Final = "pictures"
CHECKED_ROWS: Final = 10_000  # of the vectors
WATCH_TIMEOUT_MS: Final = 200  # after which it is seen that watching should stop
MEASURED_SENTENCES: Final = 50  # that were asked last, for the measurement of an index


@dataclass(frozen=True, kw_only=True)
class LibraryFacts:
    """What there is to know of a library without searching it. size_bytes: on the disk. index: None if it has none.

    problem: why the library cannot be used, as an error; the other facts are empty then.
    """

    name: str
    folder: Path
    counts: CatalogueCounts | None = None
    folders: tuple[str, ...] = ()
    encoder: EncoderRecord | None = None
    size_bytes: int = 0
    index: "IndexReport | None" = None
    problem: RerankerError | None = None


class Library:
    """Pictures of folders, which stay where they are.

        library = Library()
        for progress in library.index(["~/Pictures"]):
            print(progress.done, progress.total)
        for recalled, scored in library.search("a woman in a red dress").ordered:
            print(recalled.path, scored.score.log_odds)

    library: a name, for a folder of the user's data folder, or the folder itself. encoder: of `load_encoder`; that of
    the library, or else the built-in one, if None. backend: as in `load_encoder`; torch if None, or int8 if the library
    was made with it. reranker: ranks what was recalled; one with the settings of the
    environment if None. All methods may be called from several threads.
    The constructor raises nothing; other methods raise `LibraryMissing`, `LibraryUnreadable`, `LibraryEncoderDiffers`,
    `CheckpointError` and what `Reranker.rank` does.
    """

    def __init__(
        self,
        library: str | Path = DEFAULT_NAME,
        *,
        encoder: str | None = None,
        backend: EncoderBackend | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self.folder = folder_of(library)
        self._encoder_name, self._backend, self._given, self._lock = encoder, backend, reranker, Lock()
        self._opened: tuple[Catalogue, Recaller] | None = None

    @property
    def name(self) -> str:
        """The name of the library."""
        return self.folder.name

    @cached_property
    def reranker(self) -> Reranker:
        """What ranks the recalled pictures."""
        return self._given or Reranker()

    @cached_property
    def _encoder(self) -> "Encoder":
        from reranker.models.dual_encoders.encoder import load_encoder  # noqa: PLC0415 - torch is slow to import

        made_by = self._made_by()
        model, backend = self._encoder_name or (made_by.model if made_by else DEFAULT_ENCODER), self._backend
        if backend is None:
            backend = "onnx-int8" if made_by and made_by.backend == "onnx-int8" else "torch"
        return load_encoder(model, backend=backend)

    def _made_by(self) -> EncoderRecord | None:
        """The encoder that has made the library; None if there is no library yet."""
        if not self.exists:
            return None
        catalogue = Catalogue(self.folder)
        catalogue.close()
        return catalogue.encoder

    @property
    def encoder_name(self) -> str:
        """The name of the encoder for people, as in `EncoderRecord.shown`."""
        return self._encoder_record.shown

    @property
    def backend_choice(self) -> BackendChoice | None:
        """How the backend was chosen; None unless it was "auto"."""
        return self._encoder.choice

    @property
    def _encoder_record(self) -> EncoderRecord:
        info = self._encoder.info
        return EncoderRecord(
            fingerprint=info.fingerprint, model=info.model, backend=info.backend, dimensions=info.dimensions
        )

    @property
    def exists(self) -> bool:
        """Whether something was indexed, or tried to be."""
        return Catalogue.exists(self.folder)

    def _open(self, *, must_exist: bool = True) -> tuple[Catalogue, Recaller]:
        """Return the open catalogue. One that was deleted or made again since is opened again."""
        from reranker.index.vector_index import VectorIndex  # noqa: PLC0415 - of the extra `library`

        with self._lock:
            if self._opened is not None and not self._opened[0].is_current:
                self._opened[0].close()
                self._opened = None
            if self._opened is None:
                if must_exist and not self.exists:
                    raise LibraryMissing(name=self.name)
                catalogue = Catalogue(self.folder, self._encoder_record, must_exist=must_exist)
                index = VectorIndex.open(self.folder, catalogue.encoder.dimensions)
                limits, pool = self.reranker.limits, shared_pool()
                recaller = Recaller(catalogue, index, self._encoder, self._text_vectors, limits, pool)
                self._opened = catalogue, recaller
            return self._opened

    @cached_property
    def _text_vectors(self) -> VectorCache:
        return VectorCache(cache_folder() / "text-vectors.sqlite")

    # Indexing

    def folders(self) -> list[Path]:
        """Return the folders that were indexed."""
        return [Path(folder) for folder in self._open()[0].folders()]

    def changes(self, folders: Iterable[str | Path] = ()) -> FolderChanges:
        """Compare folders with the library, without opening pictures; all that were indexed if none is given."""
        catalogue, _ = self._open(must_exist=False)
        return find_changes(_absolute(folders) or [Path(each) for each in catalogue.folders()], catalogue.stamps())

    def index(
        self, folders: Iterable[str | Path] = (), cancellation: Cancellation | None = None
    ) -> Iterator[IndexProgress]:
        """Bring the library up to date with folders and their subfolders; all that were indexed if none is given.

        A call that is cut off goes on next time. Raises `LibraryBusy` and `LibraryUnwritable`.
        """
        chosen = list(folders)
        return self.carry_out(self.changes(chosen), chosen, cancellation)

    def carry_out(
        self, changes: FolderChanges, folders: Iterable[str | Path] = (), cancellation: Cancellation | None = None
    ) -> Iterator[IndexProgress]:
        """Bring the library up to date with what `changes` has found in folders."""
        with self._changing():
            catalogue, _ = self._open(must_exist=False)
            catalogue.add_folders(map(str, _absolute(folders)))
            info, limits = self._encoder.info, self.reranker.limits
            indexer = Indexer(catalogue, info.image_px, self._encoding(), limits, shared_pool())
            yield from indexer.run(changes, cancellation)

    def _encoding(self) -> PictureEncoding:
        """Return what encodes new pictures: the workers, if the settings want any. Raises `ClusterError`."""
        workers = self.reranker.worker_pool()
        if workers is None:
            return EncodingHere(self._encoder)
        from reranker.cluster.remote_encoding import RemoteEncoding  # noqa: PLC0415
        from reranker.cluster.sources import DualEncoderSource  # noqa: PLC0415

        info = self._encoder.info
        backend: EncoderBackend = "onnx-int8" if info.precision == "int8" else "torch"
        return RemoteEncoding(workers, DualEncoderSource(model=info.model, backend=backend), info.fingerprint)

    def start_again(self) -> None:
        """Forget what was indexed, but not the folders: for another encoder. Raises `LibraryUnwritable`."""
        with self._changing(), self._lock:
            catalogue = self._opened[0] if self._opened else Catalogue(self.folder)
            catalogue.start_again(self._encoder_record)
            catalogue.close()
            self._opened = None

    def build_index(self, *, always: bool = False) -> "IndexReport | None":
        """Build the index of the vectors if too many are in none; others search meanwhile.

        Returns what was measured; None if nothing had to be built. always: build it in any case.
        """
        from reranker.index.vector_index import VectorIndex, build  # noqa: PLC0415

        with self._changing():
            catalogue, recaller = self._open()
            vectors, _ = catalogue.searchable()
            if len(vectors) == 0 or not (always or recaller.is_outgrown(vectors)):
                return None
            asked = self._text_vectors.latest(catalogue.encoder.fingerprint, MEASURED_SENTENCES)
            report = build(self.folder, vectors, np.stack(asked) if asked else None)
            recaller.use(VectorIndex.open(self.folder, catalogue.encoder.dimensions))
            return report

    def watch(self, stop: Event, folders: Iterable[str | Path] = ()) -> Generator[IndexProgress, None, None]:
        """Keep the library up to date with folders while files in them change, until `stop` is set.

        folders: as in `index`; all are compared first.
        """
        from watchfiles import watch  # noqa: PLC0415 - of the extra `library`

        chosen = list(folders)
        watched = _absolute(chosen) or self.folders()
        # It begins to watch with the first `next`, before the folders are compared: nothing is missed in between.
        changed = watch(
            *watched, watch_filter=None, stop_event=stop, rust_timeout=WATCH_TIMEOUT_MS, yield_on_timeout=True
        )
        next(changed, None)
        yield from self.index(chosen)
        self._follow(stop)
        for changes in changed:
            parents = {Path(path).parent for _, path in changes}
            if parents := {parent for parent in parents if parent.is_dir()}:
                yield from self.carry_out(self.changes(parents))
                self._follow(stop)

    def _follow(self, stop: Event) -> None:
        """Bring the index up to date with the pictures, and labels if the library has some. stop: ends it."""
        self.build_index()
        if self.vocabulary is not None:
            for _ in self.tag():
                if stop.is_set():
                    break

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other programs from changing the library, and name what keeps this one from it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self.folder / "index.lock", timeout=0):
                yield
        except Timeout:
            raise LibraryBusy(name=self.name) from None
        except (OSError, sqlite3.Error) as error:
            raise LibraryUnwritable(name=self.name, reason=_reason(error)) from error

    # Labels

    def tag(
        self,
        labels: str | Path | Vocabulary | None = None,
        *,
        cancellation: Cancellation | None = None,
        **options: Any,
    ) -> Iterator[TagProgress]:
        """Label the pictures that have no labels yet; all, if they are to be labelled otherwise than before.

        labels, options: as in `Tagger`, except its encoder, which is that of the library; what was used last if
        `labels` is None. cancellation: ends it; what was labelled is kept. Raises as `Tagger` does, `LibraryBusy` and
        `LibraryUnwritable`.
        """
        with self._changing():
            catalogue, _ = self._open()
            tagger = self._tagger(catalogue, labels, options)
            vocabulary = tagger.vocabulary
            record = TaggingRecord(
                digest=tagger.digest,
                options=tagger.given,
                vocabulary=(vocabulary.name, vocabulary.domain, to_json_lines(vocabulary)),
            )
            yield from tag_library(
                catalogue, record, partial(tagger.tag_stream, cancellation=cancellation, known_vector=catalogue.vector)
            )

    def _tagger(
        self, catalogue: Catalogue, labels: str | Path | Vocabulary | None, options: Mapping[str, Any]
    ) -> Tagger:
        last = catalogue.labels.record()
        if labels is None and last is not None:
            labels, options = self._vocabulary(last), {**last.options, **options}
        return Tagger(
            AUTO if labels is None else labels,
            encoder=self._encoder.info.model,
            load=lambda name: self._encoder,
            reranker=self.reranker,
            **options,
        )

    def _vocabulary(self, record: TaggingRecord) -> Vocabulary:
        name, domain, text = record.vocabulary
        return from_json_lines(text, name, "aerial" if domain == "aerial" else "photo")

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The labels that the pictures were labelled with last; None if they were not."""
        record = self._open()[0].labels.record()
        return None if record is None else self._vocabulary(record)

    def label_counts(self) -> dict[str, int]:
        """Return how many pictures have each label, by its key, most frequent first; equal files count once."""
        return self._open()[0].labels.counts()

    def labels_of(self, content_hashes: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return the labels of pictures with their confidences, by content hash; none for pictures that have none."""
        return self._open()[0].labels.of(content_hashes)

    def tagged(self) -> Iterator[Tagged]:
        """Yield the labels of every picture that was labelled, in the order of their paths; equal files each."""
        catalogue, vocabulary = self._open()[0], self.vocabulary
        if vocabulary is None:
            return
        for position, (path, content_hash) in enumerate(catalogue.labels.pictures()):
            (confidences,) = catalogue.labels.of([content_hash]).values()
            yield Tagged(
                position=position,
                candidate=Candidate(name=os.fsdecode(path), source=Path(os.fsdecode(path))),
                labels=in_order(vocabulary, confidences),
                confidences=confidences,
                content_hash=content_hash,
            )

    def label_keys(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the keys of labels by any of their names, for a `PictureFilter`. Raises `FilterInvalid`."""
        vocabulary, keys = self.vocabulary, []
        for name in names:
            label = vocabulary.find(name) if vocabulary else None
            if label is None:
                expected = "a label of the library" if vocabulary else "left out: the library has no labels yet"
                raise FilterInvalid(filter="label", value=name, expected=expected)
            keys.append(label.key)
        return tuple(keys)

    def labelled(self, where: PictureFilter, count: int = RECALL) -> list[tuple[FoundPicture, float]]:
        """Return the pictures with labels and their confidences, most confident first, equal files once.

        where: with at least one label; the confidence is that of the least confident of them.
        """
        catalogue, _ = self._open()
        found = catalogue.labels.most_confident(where.labels)
        files = catalogue.files_of(found, where)
        return [(files[each][0], confidence) for each, confidence in found.items() if each in files][:count]

    # Searching

    def query(
        self, text: str, exclude: str = "", *, like: Sequence[Picture] = (), example_weight: float = 0.5
    ) -> SearchQuery:
        """Return a validated query. Raises `QueryEmpty`, `QueryTooLong`, `TextNotUnicode`, `ExampleUnreadable`."""
        examples = tuple(Candidate.of(each, position) for position, each in enumerate(like))
        checked = self.reranker.query(text, exclude, example=examples[0] if examples else None)
        return SearchQuery(text=checked.text, exclude=checked.exclude, examples=examples, example_weight=example_weight)

    def recall(
        self, query: str | SearchQuery, count: int = RECALL, where: PictureFilter | None = None
    ) -> tuple[Recalled, ...]:
        """Return the pictures whose vectors are nearest to that of a query, nearest first; equal files once."""
        return self.recall_each([query], count, where)[0]

    def recall_each(
        self, queries: Sequence[str | SearchQuery], count: int = RECALL, where: PictureFilter | None = None
    ) -> list[tuple[Recalled, ...]]:
        """Return what `recall` does for each of several queries, which are encoded together."""
        checked = [self._checked(query) for query in queries]
        try:
            return self._open()[1].recall(checked, count, where)
        except PictureError as error:
            raise ExampleUnreadable(error) from None
        except (OSError, sqlite3.Error) as error:
            raise LibraryUnreadable(name=self.name, reason=type(error).__name__) from error

    def search_stream(
        self,
        query: str | SearchQuery,
        *,
        where: PictureFilter | None = None,
        recall: int = RECALL,
        top_k: int | None = None,
        reranked: bool = True,
        cancellation: Cancellation | None = None,
    ) -> Iterator[SearchEvent]:
        """Return an iterator over the `Recall`, `Scored` or `Failed` for each picture, and the `SearchResult`.

        where: which pictures are searched; all if None. recall: how many the first stage finds. top_k: how many the
        ranking keeps. reranked: whether the cross-encoder ranks them; it never does for examples alone if it knows
        none, and of several examples, it gets the first.
        """
        checked = self._checked(query)
        found = Recall(query=checked, recalled=self.recall(checked, recall, where))
        return search_stream(found, self._ranked(found, top_k, cancellation) if reranked else None)

    def search(
        self,
        query: str | SearchQuery,
        *,
        where: PictureFilter | None = None,
        recall: int = RECALL,
        top_k: int | None = None,
        reranked: bool = True,
    ) -> SearchResult:
        """Return the last item of `search_stream`."""
        return drain(self.search_stream(query, where=where, recall=recall, top_k=top_k, reranked=reranked))

    def search_each(
        self,
        queries: Sequence[str | SearchQuery],
        *,
        where: PictureFilter | None = None,
        recall: int = RECALL,
        top_k: int | None = None,
    ) -> Iterator[SearchResult]:
        """Yield the result of each query. They are encoded together, and each picture is prepared once."""
        checked = [self._checked(query) for query in queries]
        for query, recalled in zip(checked, self.recall_each(checked, recall, where), strict=True):
            found = Recall(query=query, recalled=recalled)
            yield drain(search_stream(found, self._ranked(found, top_k, None)))

    def _checked(self, query: str | SearchQuery) -> SearchQuery:
        """Return a query that is validated. Raises as `query` does."""
        return query if isinstance(query, SearchQuery) else self.query(query)

    def _ranked(self, found: Recall, top_k: int | None, cancellation: Cancellation | None) -> Stream | None:
        query = self.rerank_query(found.query)
        if query is None or not found.recalled:
            return None
        return self.reranker.rank_stream(query, found.candidates, top_k=top_k, cancellation=cancellation)

    def rerank_query(self, query: SearchQuery) -> Query | None:
        """Return what the second stage ranks by; None if the model cannot judge it."""
        example = query.examples[0] if query.examples and self.reranker.info.takes_example else None
        if not query.text and example is None:
            return None
        return self.reranker.query(query.text, query.exclude, example=example)

    def files(self, id_: int) -> list[FoundPicture]:
        """Return the files of a picture that was recalled; none if they were removed."""
        return self._open()[0].files([id_]).get(id_, [])

    def facts(self) -> LibraryFacts:
        """Return what there is to know of the library, without loading an encoder. Raises `LibraryMissing`."""
        from reranker.index.vector_index import read_report  # noqa: PLC0415

        if not self.exists:
            raise LibraryMissing(name=self.name)
        try:
            catalogue = Catalogue(self.folder)
        except RerankerError as error:
            return LibraryFacts(name=self.name, folder=self.folder, problem=error)
        facts = LibraryFacts(
            name=self.name,
            folder=self.folder,
            counts=catalogue.counts(),
            folders=tuple(catalogue.folders()),
            encoder=catalogue.encoder,
            size_bytes=catalogue_size(self.folder),
            index=read_report(self.folder),
        )
        catalogue.close()
        return facts

    def problems(self) -> list[str]:
        """Compare the library with its folders and its own files, without reading pictures; a sentence each."""
        catalogue = Catalogue(self.folder)
        try:
            changes = find_changes([Path(each) for each in catalogue.folders()], catalogue.stamps())
            found = {
                "{} files are new or have changed; call `index`.": len(changes.changed),
                "{} files are gone; call `index`.": len(changes.removed),
                "{} folders cannot be read.": len(changes.unreadable),
            }
            sentences = [text.format(count) for text, count in found.items() if count]
            try:
                vectors, _ = catalogue.searchable()
                lengths = np.linalg.norm(vectors[:: max(1, len(vectors) // CHECKED_ROWS)].astype(np.float32), axis=1)
                if not np.allclose(lengths, 1, atol=0.01):
                    sentences.append("Some vectors are damaged; call `index --again`.")
            except OSError:
                sentences.append("The file of vectors is incomplete; call `index --again`.")
            return sentences
        finally:
            catalogue.close()

    def delete(self) -> None:
        """Delete the library, but none of its pictures. Raises `LibraryMissing`, `LibraryBusy`, `LibraryUnwritable`."""
        if not self.exists:
            raise LibraryMissing(name=self.name)
        self.close()
        with self._changing():
            shutil.rmtree(self.folder)

    def close(self) -> None:
        """Close the files of the library."""
        with self._lock:
            if self._opened is not None:
                self._opened[0].close()
            self._opened = None
            if "_text_vectors" in vars(self):
                self._text_vectors.close()
                del self._text_vectors


def folder_of(library: str | Path) -> Path:
    """Return the folder of a library, by its name or as it was given."""
    is_name = isinstance(library, str) and "/" not in library and "\\" not in library
    return libraries_folder() / library if is_name else Path(library).expanduser()


def libraries_folder() -> Path:
    """Return the folder of the libraries that have names."""
    return data_folder() / "libraries"


def all_libraries() -> list[str]:
    """Return the names of the user's libraries, in order."""
    folder = libraries_folder()
    return sorted(each.name for each in folder.iterdir() if Catalogue.exists(each)) if folder.is_dir() else []


def named_libraries(libraries: Iterable[str], reranker: Reranker) -> dict[str, Library]:
    """Return libraries, given as in `Library`, by the names of their folders; equal names are numbered.

    reranker: ranks what each has recalled.
    """
    opened = [Library(each, reranker=reranker) for each in dict.fromkeys(libraries)]
    return dict(zip(distinct_names(library.name for library in opened), opened, strict=True))


def _absolute(folders: Iterable[str | Path]) -> list[Path]:
    return [Path(folder).expanduser().resolve() for folder in folders]


def _reason(error: OSError | sqlite3.Error) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__

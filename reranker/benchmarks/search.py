"""Measure how a library grows: vectors of made pictures are indexed, opened and searched, at several sizes.

The vectors are in clusters, as those of pictures are. The queries are other members of the clusters, and a part of each
is a direction that all queries share and no picture has, as sentences lie apart from pictures.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reranker.engine.process_memory import process_bytes
from reranker.images.encoding import encode_jpeg
from reranker.index.vector_index import COMPARED, IndexReport, Kind, VectorIndex, build
from reranker.library import DEFAULT_ENCODER, Library
from reranker.models.dual_encoders.encoder import load_encoder
from reranker.pipelines.indexing import find_changes
from reranker.storage.catalogue import Catalogue, CataloguedPicture, Content, EncoderRecord, FileStamp
from reranker.storage.vectors import VectorFile

MEGABYTE: Final = 1_000_000
QUERIES: Final = 100
BLOCK_ROWS: Final = 20_000
CLUSTER_ROWS: Final = 200  # pictures of a cluster, about
SPREAD: Final = 0.7  # of a cluster, against the distance of its centre
QUERY_SHARE: Final = 0.5  # of the shared direction in a query
FOLDER_FILES: Final = 1000
SEED: Final = 5


@dataclass(frozen=True, kw_only=True)
class IndexFigures:
    """What an index of made vectors takes. recall: of the first `COMPARED` of an exact search, for unseen queries.

    opened_ms, p50_ms, p95_ms: milliseconds to open it, and of a query. private_bytes: memory that only the process that
    searches has; the file is mapped beside it.
    """

    rows: int
    dimensions: int
    kind: Kind
    build_s: float
    file_bytes: int
    opened_ms: float
    p50_ms: float
    p95_ms: float
    recall: float
    private_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class LibraryFigures:
    """What a library of made vectors takes. compared_s: to compare its files with the catalogue, with `stat` alone.

    p50_ms, p95_ms: milliseconds of a recall with an unseen sentence, which is encoded.
    """

    files: int
    compared_s: float
    p50_ms: float
    p95_ms: float


def measure_index(rows: int, dimensions: int, kind: Kind | None, folder: Path) -> Iterator[IndexFigures]:
    """Yield the figures of the index that would be chosen, or of one kind, in an empty folder."""
    vectors = made_vectors(rows, dimensions, folder)
    queries = made_queries(dimensions, rows)
    report = build(folder, vectors, queries[: QUERIES // 2], kind)
    exact = VectorIndex(dimensions)
    exact.extend(vectors)
    unseen = queries[QUERIES // 2 :]
    expected = [set(found.tolist()) for found, _ in exact.search(unseen, COMPARED)]
    del exact
    yield _index_figures(folder, report, unseen, expected)


def _index_figures(
    folder: Path, report: IndexReport, queries: NDArray[np.float32], expected: list[set[int]]
) -> IndexFigures:
    before = process_bytes("RssAnon")
    started = perf_counter()
    index = VectorIndex.open(folder, report.dimensions)
    opened_ms = (perf_counter() - started) * 1000
    times_ms, shares = [], []
    for query, all_ in zip(queries, expected, strict=True):
        started = perf_counter()
        ((rows, _),) = index.search(query[None], COMPARED)
        times_ms.append((perf_counter() - started) * 1000)
        shares.append(len(set(rows.tolist()) & all_) / len(all_))
    after = process_bytes("RssAnon")
    return IndexFigures(
        rows=report.rows,
        dimensions=report.dimensions,
        kind=report.kind,
        build_s=report.build_s,
        file_bytes=(folder / report.file).stat().st_size,
        opened_ms=opened_ms,
        p50_ms=float(np.median(times_ms)),
        p95_ms=float(np.percentile(times_ms, 95)),
        recall=float(np.mean(shares)),
        private_bytes=None if before is None or after is None else max(0, after - before),
    )


def made_vectors(rows: int, dimensions: int, folder: Path) -> NDArray[np.float16]:
    """Return vectors in clusters, (rows, dimensions), in a file of the folder."""
    file, random = VectorFile(folder / "vectors.f16", dimensions), np.random.default_rng(SEED)
    centres = _centres(rows, dimensions)
    for start in range(0, rows, BLOCK_ROWS):
        count = min(BLOCK_ROWS, rows - start)
        file.append(_members(centres, count, random), start)
    return file.read(rows)


def made_queries(dimensions: int, rows: int) -> NDArray[np.float32]:
    """Return queries for `made_vectors`, (QUERIES, dimensions)."""
    random = np.random.default_rng(SEED + 1)
    members = _members(_centres(rows, dimensions), QUERIES, random)
    shared = random.standard_normal(dimensions)
    return _unit(members * (1 - QUERY_SHARE) + QUERY_SHARE * shared / np.linalg.norm(shared))


def _centres(rows: int, dimensions: int) -> NDArray[np.float32]:
    return _unit(np.random.default_rng(SEED + 2).standard_normal((max(1, rows // CLUSTER_ROWS), dimensions)))


def _members(centres: NDArray[np.float32], count: int, random: np.random.Generator) -> NDArray[np.float32]:
    chosen = centres[random.integers(0, len(centres), count)]
    return _unit(chosen + SPREAD * _unit(random.standard_normal(chosen.shape, np.float32)))


def _unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def measure_library(files: int, folder: Path) -> LibraryFigures:
    """Return the figures of a library of links to one small picture, each with a made vector."""
    library_folder, pictures = folder / "library", folder / "pictures"
    info = load_encoder(DEFAULT_ENCODER, "cpu").info
    record = EncoderRecord(
        fingerprint=info.fingerprint, model=info.model, backend=info.backend, dimensions=info.dimensions
    )
    paths = linked_pictures(files, pictures)
    catalogue = Catalogue(library_folder, record)
    random, centres = np.random.default_rng(SEED), _centres(files, info.dimensions)
    for start in range(0, files, BLOCK_ROWS):
        chosen = paths[start : start + BLOCK_ROWS]
        hashes = [hashlib.sha256(os.fsencode(path)).hexdigest() for path in chosen]
        contents = [
            Content(vector=vector, format="JPEG", size_px=(64, 48), taken=None)
            for vector in _members(centres, len(chosen), random)
        ]
        entries = [
            CataloguedPicture(path=str(path), stamp=_stamp(path), content_hash=each)
            for path, each in zip(chosen, hashes, strict=True)
        ]
        catalogue.put(entries, dict(zip(hashes, contents, strict=True)))
    started = perf_counter()
    changes = find_changes([pictures], catalogue.stamps())
    compared_s = perf_counter() - started
    assert (len(changes.changed), changes.unchanged_count) == (0, files)
    catalogue.close()
    library = Library(library_folder)
    library.recall("a cat")
    times_ms = []
    for number in range(QUERIES):
        started = perf_counter()
        library.recall(f"{number} cats on a red boat")
        times_ms.append((perf_counter() - started) * 1000)
    library.close()
    return LibraryFigures(
        files=files,
        compared_s=compared_s,
        p50_ms=float(np.median(times_ms)),
        p95_ms=float(np.percentile(times_ms, 95)),
    )


def linked_pictures(count: int, folder: Path) -> list[Path]:
    """Return links to one small picture in each of several subfolders of the folder."""
    jpeg = encode_jpeg(Image.new("RGB", (64, 48), "teal"), 80)
    paths: list[Path] = []
    for number in range(count):
        path = folder / f"{number // FOLDER_FILES:05}" / f"{number:07}.jpg"
        if number % FOLDER_FILES == 0:
            path.parent.mkdir(parents=True)
            path.write_bytes(jpeg)
        else:
            path.hardlink_to(paths[-1])
        paths.append(path)
    return paths


def _stamp(path: Path) -> FileStamp:
    status = path.stat()
    return FileStamp(size=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)


def benchmark(
    sizes: list[int], dimensions: int, files: int, report: Callable[[str], None]
) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of indexes of these sizes, and of a library of so many files (none if 0).

    The index that is chosen is measured, and if that is a flat one of `BLOCK_ROWS` rows or more, an inverted file, too.
    """
    indexes: list[IndexFigures] = []
    libraries: list[LibraryFigures] = []
    if files:
        report(f"{files:,} files …")
        with TemporaryDirectory() as folder:
            libraries.append(measure_library(files, Path(folder)))
    for rows in sizes:
        report(f"{rows:,} vectors …")
        with TemporaryDirectory() as folder:
            indexes += measure_index(rows, dimensions, None, Path(folder))
        if indexes[-1].kind == "flat" and rows >= BLOCK_ROWS:
            with TemporaryDirectory() as folder:
                indexes += measure_index(rows, dimensions, "inverted file", Path(folder))
    return {"indexes": list(map(asdict, indexes)), "libraries": list(map(asdict, libraries))}


def as_table(result: dict[str, list[dict[str, Any]]]) -> str:
    """Return the result as tables for a terminal."""
    names = "build s", "MB", "open ms", "p50 ms", "p95 ms", "recall"
    lines = [f"{'vectors':>10} {'kind':14}{''.join(f'{name:>9}' for name in names)}{'private MB':>12}"]
    for each in result["indexes"]:
        private = "-" if each["private_bytes"] is None else f"{each['private_bytes'] / MEGABYTE:,.0f}"
        lines.append(
            f"{each['rows']:>10,} {each['kind']:14}{each['build_s']:>9.1f}{each['file_bytes'] / MEGABYTE:>9,.0f}"
            f"{each['opened_ms']:>9.1f}{each['p50_ms']:>9.1f}{each['p95_ms']:>9.1f}{each['recall']:>9.3f}{private:>12}"
        )
    for each in result["libraries"]:
        lines.append(
            f"{each['files']:,} files: compared in {each['compared_s']:.1f} s; a sentence is encoded and its pictures "
            f"recalled in {each['p50_ms']:.0f} ms (p95 {each['p95_ms']:.0f} ms)"
        )
    return "\n".join(lines) + "\n"

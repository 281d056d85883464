"""Datasets of a folder in the format of TREC or BEIR: queries, qrels, pictures, and perhaps a first-stage run.

    queries.jsonl     {"_id": "q1", "text": "a red dress"} a line; or queries.tsv, topics.tsv, queries.txt: id,
                      tab, text
    qrels/test.tsv    query-id, corpus-id, score, with BEIR's header; or TREC's query, 0, document, relevance; else the
                      only file in qrels/, or qrels.tsv, qrels.txt, or a file called qrels
    corpus.jsonl      {"_id": "d1", "image": "images/d1.jpg"} a line (or image_path, file_name), the path relative to
                      the folder or to images/; else the files in images/, whose name or stem is the document's id
    run.trec          query, Q0, document, rank, score, tag; or run.txt, run.tsv; optional

The candidates of a query: with a run, the documents of the run by descending score; as in trec_eval, documents that are
not in the qrels are irrelevant, and relevant documents that are not in the run are left out. Without a run, the
documents of the qrels; if all of those are relevant, all documents. Queries whose candidates all have the same gain are
left out, since no order of them is better than another: the metrics are about the reranker, not about a first stage
that found nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from reranker.core.text import is_blank
from reranker.evaluation.datasets.faults import Faults, invalid_fields, is_id, is_text
from reranker.evaluation.datasets.trec_files import Row, read_qrels, read_run
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet, language_of
from reranker.images.formats import is_picture
from reranker.storage.text_files import (
    is_file,
    is_folder,
    list_folder,
    numbered_lines,
    read_objects,
    read_text,
)

_QUERIES: Final = ("queries.jsonl", "queries.tsv", "topics.tsv", "queries.txt")
_QRELS: Final = ("qrels", "qrels.tsv", "qrels.txt")
_TEST_QRELS: Final = "test.tsv"
_RUNS: Final = ("run.trec", "run.txt", "run.tsv")
_CORPUS: Final = "corpus.jsonl"
_IMAGES: Final = "images"
_PATH_FIELDS: Final = ("image", "image_path", "file_name")


def has_qrels(folder: Path) -> bool:
    """Whether a folder has this format."""
    return any(is_file(folder / name) or is_folder(folder / name) for name in _QRELS)


def read_trec(folder: Path, name: str) -> Dataset:
    """Return the sets of a folder with qrels, in the order of its queries. Raises `DatasetInvalid`."""
    faults = Faults(name)
    queries = _read_queries(folder, faults)
    qrels_file, run_file = _find_qrels(folder, faults), _first_existing(folder, _RUNS)
    qrels = read_qrels(qrels_file, faults) if qrels_file else []
    run = read_run(run_file, faults) if run_file else None
    corpus = _read_corpus(folder, {row.document for row in (*qrels, *(run or ()))}, faults)
    _check_ids([*qrels, *(run or ())], queries, corpus, faults)
    sets = [] if len(faults) else list(_sets(queries, qrels, run, corpus))
    return faults.dataset(folder, sets)


def _first_existing(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if is_file(folder / name)), None)


def _find_qrels(folder: Path, faults: Faults) -> Path | None:
    """Return the file with the qrels, or None if it is missing or cannot be told from others."""
    file = _first_existing(folder, _QRELS)
    if file:
        return file
    qrels_folder = folder / _QRELS[0]
    files = list_folder(qrels_folder, lambda path: path.is_file() and not path.name.startswith("."), faults)
    if files is None:
        return None
    if len(files) == 1 or qrels_folder / _TEST_QRELS in files:
        return files[0] if len(files) == 1 else qrels_folder / _TEST_QRELS
    faults.add(qrels_folder, None, "several files" if files else "file missing", _TEST_QRELS)
    return None


def _read_queries(folder: Path, faults: Faults) -> dict[str, str]:
    """Return the texts by id, in the order of the file."""
    file = _first_existing(folder, _QUERIES)
    if file is None:
        faults.add(folder, None, "file missing", ", ".join(_QUERIES))
        return {}
    queries: dict[str, str] = {}
    read = _query_objects if file.suffix == ".jsonl" else _query_lines
    for line, query_id, text in read(file, faults):
        if query_id in queries:
            faults.add(file, line, "id twice", query_id)
        if is_blank(text):
            faults.add(file, line, "empty query")
        queries.setdefault(query_id, text)
    return queries


def _query_objects(file: Path, faults: Faults) -> Iterator[tuple[int, str, str]]:
    for line, record in read_objects(file, faults):
        invalid = invalid_fields(record, {"_id": is_id, "text": is_text})
        for field in invalid:
            faults.add(file, line, "field", field)
        if not invalid:
            yield line, str(record["_id"]), record["text"]


def _query_lines(file: Path, faults: Faults) -> Iterator[tuple[int, str, str]]:
    for line, text in numbered_lines(read_text(file, faults)):
        cells = [cell.strip() for cell in text.split("\t")]
        if len(cells) == 2 and cells[0]:
            yield line, cells[0], cells[1]
        else:
            faults.add(file, line, "columns", "id TAB text")


def _read_corpus(folder: Path, used_ids: set[str], faults: Faults) -> dict[str, Path]:
    """Return the picture files by document id. used_ids: the ids in qrels and run."""
    if is_file(folder / _CORPUS):
        return _corpus_documents(folder, faults)
    if is_folder(folder / _IMAGES):
        return _image_documents(folder / _IMAGES, used_ids, faults)
    faults.add(folder, None, "file missing", f"{_CORPUS}, {_IMAGES}")
    return {}


def _corpus_documents(folder: Path, faults: Faults) -> dict[str, Path]:
    file = folder / _CORPUS
    documents: dict[str, Path] = {}
    for line, record in read_objects(file, faults):
        path = next((record[field] for field in _PATH_FIELDS if record.get(field)), None)
        invalid = invalid_fields(record | {_PATH_FIELDS[0]: path}, {"_id": is_id, _PATH_FIELDS[0]: is_text})
        for field in invalid:
            faults.add(file, line, "field", field)
        if invalid or not isinstance(path, str):
            continue
        document, picture = str(record["_id"]), _find_picture(folder, path)
        if document in documents:
            faults.add(file, line, "id twice", document)
        if picture is None:
            faults.add(file, line, "picture missing", path)
        documents[document] = picture or folder / path
    return documents


def _find_picture(folder: Path, path: str) -> Path | None:
    return next((file for file in (folder / path, folder / _IMAGES / path) if is_file(file)), None)


def _image_documents(images: Path, used_ids: set[str], faults: Faults) -> dict[str, Path]:
    """Return files by the id that qrels and run use: the name, or the stem if no other file has it; else the name."""
    files = list_folder(images, lambda path: is_picture(path.name) and path.is_file(), faults) or []
    stem_counts = Counter(file.stem for file in files)
    ids = {file: file.stem if file.stem in used_ids and stem_counts[file.stem] == 1 else file.name for file in files}
    return {file.name if file.name in used_ids else document: file for file, document in ids.items()}


def _check_ids(rows: Sequence[Row], queries: Mapping[str, str], corpus: Mapping[str, Path], faults: Faults) -> None:
    """Add a fault for each unknown id. If all queries or all pictures are missing, that is a fault already."""
    for row in rows:
        if queries and row.query not in queries:
            faults.add(row.file, row.line, "unknown query", row.query)
        if corpus and row.document not in corpus:
            faults.add(row.file, row.line, "unknown picture", row.document)


def _sets(
    queries: Mapping[str, str], qrels: Sequence[Row], run: Sequence[Row] | None, corpus: Mapping[str, Path]
) -> Iterator[LabelledSet]:
    gains_by_query, scores_by_query = _values_by_query(qrels), _values_by_query(run or ())
    pictures = _CorpusPictures(corpus)
    for query_id in (query_id for query_id in queries if query_id in gains_by_query):
        gains, text = gains_by_query[query_id], queries[query_id]
        documents = scores_by_query.get(query_id, ())
        chosen = pictures.labelled_in_qrels(gains) if run is None else pictures.labelled(documents, gains)
        if any(picture.gain != following.gain for picture, following in pairwise(chosen)):
            yield LabelledSet(id=query_id, query=text, language=language_of(text), pictures=tuple(chosen))


def _values_by_query(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return values by document by query, in the order of the rows."""
    values: dict[str, dict[str, float]] = {}
    for row in rows:
        values.setdefault(row.query, {})[row.document] = row.value
    return values


class _CorpusPictures:
    """The pictures of a corpus. Sets share the object of a picture and gain, since together they may have millions."""

    def __init__(self, corpus: Mapping[str, Path]) -> None:
        self._corpus = corpus
        self._order = {document: index for index, document in enumerate(corpus)}
        self._pictures: dict[tuple[str, int], LabelledPicture] = {}
        self._all_irrelevant = [self._picture(document, 0) for document in corpus]

    def labelled(self, documents: Iterable[str], gains: Mapping[str, float]) -> list[LabelledPicture]:
        """Return the pictures of the documents in their order; documents without a gain are irrelevant."""
        return [self._picture(document, gains.get(document, 0)) for document in documents]

    def labelled_in_qrels(self, gains: Mapping[str, float]) -> list[LabelledPicture]:
        """Return the pictures with a gain, or all pictures if no gain is 0, in the order of the corpus."""
        if not all(gains.values()):
            return self.labelled(sorted(gains, key=self._order.__getitem__), gains)
        pictures = list(self._all_irrelevant)
        for document, gain in gains.items():
            pictures[self._order[document]] = self._picture(document, gain)
        return pictures

    def _picture(self, document: str, relevance: float) -> LabelledPicture:
        gain = int(relevance)
        key = document, gain
        if key not in self._pictures:
            source = self._corpus[document]
            self._pictures[key] = LabelledPicture(name=document, source=source, gain=gain, grade=float(gain))
        return self._pictures[key]

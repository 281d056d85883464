"""A folder as TREC and BEIR have it: queries, relevance judgements (qrels), pictures, and perhaps a first stage's run.

    queries.jsonl     {"_id": "q1", "text": "a red dress"} a line; or queries.tsv, topics.tsv, queries.txt: id,
                      tabulator, text
    qrels/test.tsv    query-id, corpus-id, score, with BEIR's header; or TREC's query, 0, document, relevance; else the
                      only file in qrels/, or qrels.tsv, qrels.txt, or a file called qrels
    corpus.jsonl      {"_id": "d1", "image": "images/d1.jpg"} a line (or image_path, file_name), the path counted from
                      the folder or from images/; else the files in images/, whose name or stem is the document's id
    run.trec          query, Q0, document, rank, score, tag; or run.txt, run.tsv; may be left out

What is ranked for a query: with a run, the documents that the run has for it, the larger score first; those that nobody
judged are wrong, as trec_eval counts them, and a right one that the run has not found stays out. Without a run, the
documents judged for the query; where all of those are right, all documents. Left out are queries whose documents are
all wrong, or all equally right, as no order of them is better than another: figures are those of the reranker, and not
of a first stage that found nothing for it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from reranker.evaluation.datasets.labelled import Dataset, LabelledPicture, LabelledSet, language_of
from reranker.evaluation.datasets.reading import (
    Faults,
    is_file,
    is_folder,
    is_id,
    is_text,
    listed,
    misfits,
    numbered_lines,
    read_objects,
    read_text,
)
from reranker.evaluation.datasets.trec_files import Row, read_qrels, read_run
from reranker.images.formats import is_picture

_QUERIES: Final = ("queries.jsonl", "queries.tsv", "topics.tsv", "queries.txt")
_QRELS: Final = ("qrels", "qrels.tsv", "qrels.txt")
_TEST: Final = "test.tsv"
_RUNS: Final = ("run.trec", "run.txt", "run.tsv")
_CORPUS: Final = "corpus.jsonl"
_IMAGES: Final = "images"
_PATHS: Final = ("image", "image_path", "file_name")


def has_qrels(folder: Path) -> bool:
    """Whether a folder is of this form."""
    return any(is_file(folder / name) or is_folder(folder / name) for name in _QRELS)


def read_trec(folder: Path, name: str) -> Dataset:
    """The sets of a folder that has qrels, in the order of its queries. Raises `DatasetInvalid`."""
    faults = Faults(name)
    queries = _queries(folder, faults)
    qrels, run_file = _qrels_file(folder, faults), _first_of(folder, _RUNS)
    judged = read_qrels(qrels, faults) if qrels else []
    retrieved = read_run(run_file, faults) if run_file else None
    corpus = _corpus(folder, {row.document for row in (*judged, *(retrieved or ()))}, faults)
    _check([*judged, *(retrieved or ())], queries, corpus, faults)
    sets = [] if len(faults) else list(_sets(queries, judged, retrieved, corpus))
    return faults.dataset(folder, sets)


def _first_of(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if is_file(folder / name)), None)


def _qrels_file(folder: Path, faults: Faults) -> Path | None:
    """None where there is none, or not one alone."""
    file = _first_of(folder, _QRELS)
    if file:
        return file
    place = folder / _QRELS[0]
    files = listed(place, lambda each: each.is_file() and not each.name.startswith("."), faults)
    if files is None:
        return None
    if len(files) == 1 or place / _TEST in files:
        return files[0] if len(files) == 1 else place / _TEST
    faults.add(place, None, "several files" if files else "file missing", _TEST)
    return None


def _queries(folder: Path, faults: Faults) -> dict[str, str]:
    """Text by id, in the file's order."""
    file = _first_of(folder, _QUERIES)
    if file is None:
        faults.add(folder, None, "file missing", ", ".join(_QUERIES))
        return {}
    queries: dict[str, str] = {}
    read = _query_objects if file.suffix == ".jsonl" else _query_lines
    for line, query, text in read(file, faults):
        if query in queries:
            faults.add(file, line, "id twice", query)
        if not text.strip():
            faults.add(file, line, "empty query")
        queries.setdefault(query, text)
    return queries


def _query_objects(file: Path, faults: Faults) -> Iterator[tuple[int, str, str]]:
    for line, record in read_objects(file, faults):
        wrong = misfits(record, {"_id": is_id, "text": is_text})
        for field in wrong:
            faults.add(file, line, "field", field)
        if not wrong:
            yield line, str(record["_id"]), record["text"]


def _query_lines(file: Path, faults: Faults) -> Iterator[tuple[int, str, str]]:
    for line, text in numbered_lines(read_text(file, faults)):
        cells = [cell.strip() for cell in text.split("\t")]
        if len(cells) == 2 and cells[0]:
            yield line, cells[0], cells[1]
        else:
            faults.add(file, line, "columns", "id TAB text")


def _corpus(folder: Path, mentioned: set[str], faults: Faults) -> dict[str, Path]:
    """Files of pictures by the ids of their documents; mentioned: ids that qrels and run have."""
    if is_file(folder / _CORPUS):
        return _listed_documents(folder, faults)
    if is_folder(folder / _IMAGES):
        return _named_documents(folder / _IMAGES, mentioned, faults)
    faults.add(folder, None, "file missing", f"{_CORPUS}, {_IMAGES}")
    return {}


def _listed_documents(folder: Path, faults: Faults) -> dict[str, Path]:
    file = folder / _CORPUS
    documents: dict[str, Path] = {}
    for line, record in read_objects(file, faults):
        written = next((record[field] for field in _PATHS if record.get(field)), None)
        wrong = misfits(record | {_PATHS[0]: written}, {"_id": is_id, _PATHS[0]: is_text})
        for field in wrong:
            faults.add(file, line, "field", field)
        if wrong or not isinstance(written, str):
            continue
        document, picture = str(record["_id"]), _picture_file(folder, written)
        if document in documents:
            faults.add(file, line, "id twice", document)
        if picture is None:
            faults.add(file, line, "picture missing", written)
        documents[document] = picture or folder / written
    return documents


def _picture_file(folder: Path, written: str) -> Path | None:
    return next((path for path in (folder / written, folder / _IMAGES / written) if is_file(path)), None)


def _named_documents(images: Path, mentioned: set[str], faults: Faults) -> dict[str, Path]:
    """A file goes by the name that is mentioned: its own, or its stem where no other file has that; else by its own."""
    files = listed(images, lambda each: is_picture(each.name) and each.is_file(), faults) or []
    stems = Counter(file.stem for file in files)
    names = {file: file.stem if file.stem in mentioned and stems[file.stem] == 1 else file.name for file in files}
    return {file.name if file.name in mentioned else name: file for file, name in names.items()}


def _check(rows: Sequence[Row], queries: Mapping[str, str], corpus: Mapping[str, Path], faults: Faults) -> None:
    """Where there are no queries, or no pictures at all, that was said already."""
    for row in rows:
        if queries and row.query not in queries:
            faults.add(row.file, row.line, "unknown query", row.query)
        if corpus and row.document not in corpus:
            faults.add(row.file, row.line, "unknown picture", row.document)


def _sets(
    queries: Mapping[str, str], judged: Sequence[Row], retrieved: Sequence[Row] | None, corpus: Mapping[str, Path]
) -> Iterator[LabelledSet]:
    gains, runs = _by_query(judged), _by_query(retrieved or ())
    pictures = _Pictures(corpus)
    for query in (query for query in queries if query in gains):
        own, text = gains[query], queries[query]
        chosen = pictures.judged(own) if retrieved is None else pictures.found(runs.get(query, ()), own)
        if any(one.gain != next_one.gain for one, next_one in pairwise(chosen)):
            yield LabelledSet(id=query, query=text, language=language_of(text), pictures=tuple(chosen))


def _by_query(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Numbers by document by query, in the order of the rows."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(row.query, {})[row.document] = row.number
    return found


class _Pictures:
    """The pictures of a corpus; one object for all sets that have one with the same gain, as they may be millions."""

    def __init__(self, corpus: Mapping[str, Path]) -> None:
        self._corpus = corpus
        self._order = {document: place for place, document in enumerate(corpus)}
        self._made: dict[tuple[str, int], LabelledPicture] = {}
        self._all_wrong = [self._of(document, 0) for document in corpus]

    def found(self, documents: Iterable[str], gains: Mapping[str, float]) -> list[LabelledPicture]:
        """Those documents, in that order."""
        return [self._of(document, gains.get(document, 0)) for document in documents]

    def judged(self, gains: Mapping[str, float]) -> list[LabelledPicture]:
        """The documents that have a gain, or all of the corpus where no gain is 0, in the order of the corpus."""
        if not all(gains.values()):
            return self.found(sorted(gains, key=self._order.__getitem__), gains)
        pictures = list(self._all_wrong)
        for document, gain in gains.items():
            pictures[self._order[document]] = self._of(document, gain)
        return pictures

    def _of(self, document: str, relevance: float) -> LabelledPicture:
        gain = int(relevance)
        key = document, gain
        if key not in self._made:
            source = self._corpus[document]
            self._made[key] = LabelledPicture(name=document, source=source, gain=gain, grade=float(gain))
        return self._made[key]

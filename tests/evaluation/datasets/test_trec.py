"""Folders in the formats of TREC and BEIR."""

import json
from pathlib import Path

import pytest

from reranker.core.errors import DatasetSpecInvalid
from reranker.evaluation.datasets.loading import open_dataset
from reranker.evaluation.datasets.types import LabelledSet
from tests.support.dataset_files import faults_of, put_pictures

QUERIES = {"q1": "a red dress", "q2": "红色 fire truck", "q3": "a boat"}
DOCUMENTS = ["d1", "d2", "d3", "d10"]
QRELS = "query-id\tcorpus-id\tscore\nq1\td2\t2\nq1\td1\t1\nq1\td10\t0\nq2\td3\t1\n"


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """Return a folder with queries and corpus as JSON Lines, and qrels of three columns; q3 is not in the qrels."""
    folder = tmp_path / "beir"
    put_pictures(folder, *(f"images/of_{document}.png" for document in DOCUMENTS))
    write_objects(folder / "queries.jsonl", *({"_id": query, "text": text} for query, text in QUERIES.items()))
    write_objects(
        folder / "corpus.jsonl",
        *({"_id": document, "title": "", "image": f"images/of_{document}.png"} for document in DOCUMENTS),
    )
    write(folder / "qrels/test.tsv", QRELS)
    return folder


@pytest.fixture
def trec(tmp_path: Path) -> Path:
    """Return a folder with topics separated by tabs, qrels of four columns, and pictures named by their ids."""
    folder = tmp_path / "trec"
    put_pictures(folder, *(f"images/{document}.png" for document in DOCUMENTS))
    write(folder / "topics.tsv", "".join(f"{query}\t{text}\n" for query, text in QUERIES.items()))
    write(folder / "qrels.txt", "q1 0 d2 2\nq1 0 d1 1\nq1 0 d10 0\nq2 0 d3 1\n")
    return folder


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def write_objects(file: Path, *records: object) -> None:
    write(file, "".join(json.dumps(record) + "\n" for record in records))


def sets_of(folder: Path) -> dict[str, LabelledSet]:
    return {one.id: one for one in open_dataset(str(folder)).sets}


def gains(one: LabelledSet) -> list[tuple[str, int]]:
    return [(each.name, each.gain) for each in one.pictures]


ALL_FOR_Q2 = [("d1", 0), ("d2", 0), ("d3", 1), ("d10", 0)]


# What is ranked


@pytest.mark.parametrize("form", ["beir", "trec"])
def test_candidates_are_those_in_the_qrels_or_all_if_those_are_all_relevant(form, request):
    folder = request.getfixturevalue(form)
    dataset = open_dataset(str(folder))
    assert dataset.name == form
    assert [(one.id, one.query, one.language) for one in dataset.sets] == [
        ("q1", "a red dress", "en"),
        ("q2", "红色 fire truck", "mixed"),
    ]
    first, second = dataset.sets
    assert gains(first) == [("d1", 1), ("d2", 2), ("d10", 0)]  # in the order of the corpus
    assert gains(second) == ALL_FOR_Q2
    assert all(each.grade == each.gain for each in first.pictures)
    stem = "of_d1" if form == "beir" else "d1"
    assert first.pictures[0].source == folder / "images" / f"{stem}.png"


def test_a_negative_relevance_is_irrelevant(trec):
    write(trec / "qrels.txt", "q1 0 d2 1\nq1 0 d1 -2\n")
    assert gains(sets_of(trec)["q1"]) == [("d1", 0), ("d2", 1)]


def test_queries_with_equal_gains_are_left_out(trec):
    partly_relevant = "q1 0 d1 1\nq1 0 d2 0\n"
    all_relevant = "".join(f"q2 0 {document} 1\n" for document in DOCUMENTS)
    all_irrelevant = "q3 0 d1 0\nq3 0 d2 0\n"
    write(trec / "qrels.txt", partly_relevant + all_relevant + all_irrelevant)
    assert list(sets_of(trec)) == ["q1"]


def test_a_dataset_whose_queries_are_all_left_out_is_a_fault(trec):
    write(trec / "qrels.txt", "q3 0 d1 0\nq3 0 d2 0\n")
    assert faults_of(trec) == [("trec", None, "no sets", "")]


@pytest.mark.parametrize("name", ["run.trec", "run.txt", "run.tsv"])
def test_candidates_are_the_documents_of_the_run_by_score(trec, name):
    lines = ["q1 Q0 d3 1 7.5 bm25", "q1 Q0 d2 2 -1e1 bm25", "q1 Q0 d10 3 9 bm25", "q3 Q0 d1 1 1 bm25"]
    write(trec / name, "\n".join(lines).replace(" ", "\t" if name.endswith("tsv") else " "))
    found = sets_of(trec)
    assert list(found) == ["q1"]  # q2 is not in the run, q3 is not in the qrels
    assert gains(found["q1"]) == [
        ("d10", 0),
        ("d3", 0),
        ("d2", 2),
    ]  # d3 is not in the qrels; d1 is relevant but not in the run


def test_equal_scores_keep_the_order_of_the_run(trec):
    write(trec / "run.trec", "q1 Q0 d10 1 2 x\nq1 Q0 d1 2 2 x\nq1 Q0 d3 3 2 x\n")
    assert [name for name, _ in gains(sets_of(trec)["q1"])] == ["d10", "d1", "d3"]


def test_a_query_without_relevant_documents_in_the_run_is_left_out(trec):
    write(trec / "run.trec", "q1 Q0 d3 1 2 x\nq1 Q0 d10 2 1 x\nq2 Q0 d3 1 2 x\nq2 Q0 d1 2 1 x\n")
    assert list(sets_of(trec)) == ["q2"]


# Where it is written


@pytest.mark.parametrize("name", ["queries.tsv", "topics.tsv", "queries.txt"])
def test_queries_may_be_in_files_of_several_names(trec, name):
    (trec / "topics.tsv").rename(trec / name)
    assert sets_of(trec)["q1"].query == "a red dress"


@pytest.mark.parametrize("name", ["qrels", "qrels.tsv", "qrels.txt", "qrels/test.tsv", "qrels/any.qrels"])
def test_qrels_may_be_in_files_of_several_names(trec, name):
    text = (trec / "qrels.txt").read_text()
    (trec / "qrels.txt").unlink()
    write(trec / name, text)
    assert gains(sets_of(trec)["q2"]) == ALL_FOR_Q2


def test_the_test_split_is_read_if_there_are_several_qrels(beir):
    write(beir / "qrels/train.tsv", "query-id\tcorpus-id\tscore\nq9\td9\t1\n")
    assert list(sets_of(beir)) == ["q1", "q2"]


def test_three_columns_need_no_header_and_ids_may_have_spaces(beir):
    write_objects(beir / "queries.jsonl", {"_id": "the first", "text": "a red dress"})
    write(beir / "qrels/test.tsv", "the first\td1\t1\r\nthe first\td2\t0\r\n")
    assert gains(sets_of(beir)["the first"]) == [("d1", 1), ("d2", 0)]


def test_ids_may_be_integers(beir):
    write_objects(beir / "queries.jsonl", {"_id": 7, "text": "a red dress"})
    write_objects(beir / "corpus.jsonl", {"_id": 1, "image": "of_d1.png"}, {"_id": 2, "image": "images/of_d2.png"})
    write(beir / "qrels/test.tsv", "7\t1\t1\n")
    assert gains(sets_of(beir)["7"]) == [("1", 1), ("2", 0)]


@pytest.mark.parametrize("field", ["image", "image_path", "file_name"])
def test_the_corpus_has_the_paths_of_the_pictures(beir, field):
    pictures = [{"_id": name, field: str(beir / f"images/of_{name}.png")} for name in DOCUMENTS]
    write_objects(beir / "corpus.jsonl", *pictures)
    assert sets_of(beir)["q2"].pictures[3].source == beir / "images/of_d10.png"


def test_ids_are_the_names_or_stems_that_the_qrels_use(trec):
    put_pictures(trec, "images/d4.png", "images/d4.jpg", "images/d5.jpg", "images/.d6.jpg", "images/notes.txt")
    write(trec / "qrels.txt", "q1 0 d1.png 1\nq1 0 d4.jpg 1\nq1 0 d2 1\n")
    names = [name for name, _ in gains(sets_of(trec)["q1"])]
    assert names == ["d1.png", "d2", "d3.png", "d4.jpg", "d4.png", "d5.jpg", "d10.png"]


def test_a_stem_of_two_pictures_is_not_an_id(trec):
    put_pictures(trec, "images/d4.png", "images/d4.jpg")
    write(trec / "qrels.txt", "q1 0 d1 1\nq1 0 d4 0\n")
    assert faults_of(trec) == [("qrels.txt", 2, "unknown picture", "d4")]


def test_numbers_are_not_allowed(trec):
    with pytest.raises(DatasetSpecInvalid) as caught:
        open_dataset(f"{trec}:5")
    assert (caught.value.name, caught.value.reason) == ("trec", "not allowed")


# Faults

BEIR_COLUMNS, TREC_COLUMNS = "query-id corpus-id score", "query 0 document relevance"
RUN_COLUMNS = "query Q0 document rank score tag"


@pytest.mark.parametrize(
    ("line", "reason", "value"),
    [
        ("q1 d1", "columns", BEIR_COLUMNS),
        ("q1 0 d3 1", "columns", BEIR_COLUMNS),
        ("q1\t\t1", "columns", BEIR_COLUMNS),
        ("q1 d3 1.0", "relevance", "1.0"),
        ("q1 d3 yes", "relevance", "yes"),
        ("q1 d3 " + "9" * 5000, "relevance", "9" * 5000),
        ("q1 d2 2", "labelled twice", "d2"),
        ("q1 d2 0", "labelled twice", "d2"),
        ("q8 d1 1", "unknown query", "q8"),
        ("q1 d8 1", "unknown picture", "d8"),
    ],
)
def test_faults_of_qrels_are_reported_with_their_line(beir, line, reason, value):
    write(beir / "qrels/test.tsv", f"{QRELS}\n{line}\n")
    assert faults_of(beir) == [("test.tsv", 7, reason, value)]


def test_a_line_with_other_columns_than_the_first_is_a_fault(trec):
    write(trec / "qrels.txt", "q1 0 d1 1\nq1 d2 1\n")
    assert faults_of(trec) == [("qrels.txt", 2, "columns", TREC_COLUMNS)]


@pytest.mark.parametrize(
    ("line", "reason", "value"),
    [
        ("q1 Q0 d2 1 5", "columns", RUN_COLUMNS),
        ("q1 Q0 d2 1 high x", "score", "high"),
        ("q1 Q0 d2 1 nan x", "score", "nan"),
        ("q1 Q0 d2 1 inf x", "score", "inf"),
        ("q1 Q0 d1 2 4 x", "picture twice", "d1"),
        ("q8 Q0 d1 2 4 x", "unknown query", "q8"),
        ("q1 Q0 d8 2 4 x", "unknown picture", "d8"),
    ],
)
def test_faults_of_a_run_are_reported_with_their_line(trec, line, reason, value):
    write(trec / "run.txt", f"q1 Q0 d1 1 5 x\n{line}\n")
    assert faults_of(trec) == [("run.txt", 2, reason, value)]


@pytest.mark.parametrize(
    ("record", "reason", "value"),
    [
        ({"_id": "q1", "text": "again"}, "id twice", "q1"),
        ({"_id": "q9", "text": " "}, "empty query", ""),
        ({"text": "a"}, "field", "_id"),
        ({"_id": "", "text": "a"}, "field", "_id"),
        ({"_id": "q9"}, "field", "text"),
        ({"_id": "q9", "text": 3}, "field", "text"),
        ([], "not an object", ""),
    ],
)
def test_faults_of_queries_are_reported_with_their_line(beir, record, reason, value):
    with (beir / "queries.jsonl").open("a") as file:
        file.write(f"\n{json.dumps(record)}\n")
    assert faults_of(beir) == [("queries.jsonl", 5, reason, value)]


@pytest.mark.parametrize(
    ("line", "reason", "value"),
    [
        ("q9", "columns", "id TAB text"),
        ("q9 a boat", "columns", "id TAB text"),
        ("\ta boat", "columns", "id TAB text"),
        ("q9\ta\tb", "columns", "id TAB text"),
        ("q9\t", "empty query", ""),
        ("q1\tagain", "id twice", "q1"),
    ],
)
def test_faults_of_topics_are_reported_with_their_line(trec, line, reason, value):
    with (trec / "topics.tsv").open("a") as file:
        file.write(f"{line}\n")
    assert faults_of(trec) == [("topics.tsv", 4, reason, value)]


@pytest.mark.parametrize(
    ("record", "reason", "value"),
    [
        ({"_id": "d1", "image": "of_d2.png"}, "id twice", "d1"),
        ({"_id": "d9", "image": "gone.png"}, "picture missing", "gone.png"),
        ({"_id": "d9"}, "field", "image"),
        ({"_id": "d9", "image": 3}, "field", "image"),
        ({"image": "of_d2.png"}, "field", "_id"),
    ],
)
def test_faults_of_a_corpus_are_reported_with_their_line(beir, record, reason, value):
    with (beir / "corpus.jsonl").open("a") as file:
        file.write(f"{json.dumps(record)}\n")
    assert faults_of(beir) == [("corpus.jsonl", 5, reason, value)]


def test_all_missing_files_are_reported_once(beir):
    (beir / "queries.jsonl").unlink()
    (beir / "corpus.jsonl").unlink()
    (beir / "images").rename(beir / "pictures")
    (beir / "qrels/test.tsv").unlink()
    assert faults_of(beir) == [
        ("beir", None, "file missing", "queries.jsonl, queries.tsv, topics.tsv, queries.txt"),
        ("qrels", None, "file missing", "test.tsv"),
        ("beir", None, "file missing", "corpus.jsonl, images"),
    ]


def test_ids_of_a_missing_file_are_not_reported(beir):
    (beir / "queries.jsonl").unlink()
    (beir / "corpus.jsonl").unlink()
    (beir / "images").rename(beir / "pictures")
    assert [reason for _, _, reason, _ in faults_of(beir)] == ["file missing"] * 2


def test_several_qrels_without_a_test_split_are_a_fault(beir):
    (beir / "qrels/test.tsv").rename(beir / "qrels/dev.tsv")
    write(beir / "qrels/train.tsv", QRELS)
    assert faults_of(beir) == [("qrels", None, "several files", "test.tsv")]


def test_the_faults_of_all_files_are_reported_together(beir):
    write(beir / "queries.jsonl", "{\n")
    write(beir / "qrels/test.tsv", "q1\td2\tmuch\n")
    (beir / "run.trec").write_bytes("q1 Q0 d2 1 1 红\n".encode("gbk"))
    (beir / "images/of_d3.png").unlink()
    assert faults_of(beir) == [
        ("queries.jsonl", 1, "not JSON", ""),
        ("test.tsv", 1, "relevance", "much"),
        ("run.trec", 1, "not UTF-8", ""),
        ("corpus.jsonl", 3, "picture missing", "images/of_d3.png"),
    ]


@pytest.mark.parametrize("name", ["qrels", "images"])
def test_a_folder_that_cannot_be_read_is_a_fault(trec, name, monkeypatch):
    (trec / "qrels.txt").rename(trec / "moved")
    (trec / "qrels").mkdir()
    (trec / "moved").rename(trec / "qrels/test.tsv")
    real = Path.iterdir

    def refuse(folder: Path) -> object:
        if folder.name == name:
            raise PermissionError
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert faults_of(trec) == [(name, None, "no access", "")]


def test_sets_share_the_object_of_a_picture_with_the_same_gain(beir):
    text = "".join(f"q{number}\td{1 + number % 3}\t1\n" for number in range(200))
    write_objects(beir / "queries.jsonl", *({"_id": f"q{number}", "text": "a"} for number in range(200)))
    write(beir / "qrels/test.tsv", text)
    assert len({id(each) for one in sets_of(beir).values() for each in one.pictures}) <= 2 * len(DOCUMENTS)

"""Labelled queries of a session: stored, and saved and opened as a file."""

import json
from pathlib import Path

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import DatasetInvalid, RequestTooLarge, TooManyPictures, TooManyQueries
from reranker.evaluation.datasets.loading import open_dataset
from reranker.images.hashing import content_hash
from reranker.labelling.label_file import LabelFile
from reranker.ui.session.labelled_queries import (
    MAX_LABELLED_PICTURES,
    MAX_LABELLED_QUERIES,
    Labelled,
    LabelledPicture,
    PictureIndex,
)
from reranker.ui.session.labels_file import MAX_LABELS_MB, OpenedLabels, open_labels, save_labels
from reranker.ui.session.records import Picture
from reranker.ui.session.session import Session
from reranker.ui.session.sessions import Sessions
from tests.support.page_session import PageSession
from tests.support.scripted_scorer import ScriptedScorer

RERANKER = Reranker(scorer=ScriptedScorer(), settings=Settings.of(model="toybox"))


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(RERANKER, tmp_path / "sessions")


@pytest.fixture
def session(sessions: Sessions) -> Session:
    return with_pictures(sessions.create(""), "a.png", "b.png", "c.png")


def with_pictures(session: Session, *names: str, hashed: bool = True) -> Session:
    """Add pictures whose bytes are their names."""
    session.add(
        [
            Picture(id=f"{session.id}-{name}", name=name, path=Path(name), sha256=hash_of(name) if hashed else None)
            for name in names
        ]
    )
    return session


def hash_of(name: str) -> str:
    return content_hash(name.encode())


def label(session: Session, query: str, *relevant: str) -> None:
    pictures = session.pictures
    ids = tuple(id_ for id_, picture in pictures.items() if picture.name in relevant)
    labelled = Labelled(query=query, pictures=tuple(pictures), relevant=ids)
    session.labelled.put([labelled], map(LabelledPicture.of, pictures.values()))


def labels(session: Session) -> dict[str, list[str]]:
    """The names of the relevant pictures that are present, by query, the latest query first."""
    pictures = session.pictures
    present = session.labelled.present(PictureIndex(pictures))
    return {each.query: [pictures[id_].name for id_ in each.relevant] for each in present}


def opened(session: Session, data: bytes) -> OpenedLabels:
    return open_labels(session.labelled, PictureIndex(session.pictures), RERANKER, data, "x.jsonl")


def lines(*records: object) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


# Stored


def test_labels_are_there_again_after_a_restart(session, sessions, tmp_path):
    label(session, "a cat", "a.png")
    label(session, "a dog", "b.png", "c.png")
    label(session, "a cat", "c.png")
    label(session, "a bird", "a.png")
    session.labelled.remove("a bird")
    sessions.close()
    restored = Sessions(RERANKER, tmp_path / "sessions").find(session.id, "")
    assert list(labels(restored).items()) == [("a cat", ["c.png"]), ("a dog", ["b.png", "c.png"])]
    label(restored, "a horse", "a.png")
    again = Sessions(RERANKER, tmp_path / "sessions").find(session.id, "")
    assert list(labels(again)) == ["a horse", "a cat", "a dog"]


def test_a_picture_that_is_uploaded_again_has_its_labels(session):
    label(session, "a cat", "a.png")
    session.remove(list(session.pictures))
    assert labels(session) == {"a cat": []}
    for id_, name, content in (("1", "other.png", "a.png"), ("2", "b.png", "b.png"), ("3", "a.png", "else")):
        session.add([Picture(id=id_, name=name, path=Path(name), sha256=hash_of(content))])
    assert labels(session) == {"a cat": ["other.png"]}, "the same bytes, and not another picture of that name"


def test_a_picture_without_a_hash_is_found_by_its_name(sessions):
    session = with_pictures(sessions.create(""), "a.png", "b.png", hashed=False)
    label(session, "a cat", "a.png")
    session.remove(list(session.pictures))
    session.add([Picture(id="1", name="a.png", path=Path("x"))])
    assert labels(session) == {"a cat": ["a.png"]}


def test_there_are_limits(session):
    with pytest.raises(TooManyQueries):
        opened(
            session,
            lines(
                *({"query": str(n), "pictures": ["a", "b"], "relevant": ["a"]} for n in range(MAX_LABELLED_QUERIES + 1))
            ),
        )
    names = [str(number) for number in range(MAX_LABELLED_PICTURES + 1)]
    with pytest.raises(TooManyPictures):
        opened(session, lines({"query": "a cat", "pictures": names, "relevant": names[:1]}))
    assert labels(session) == {}


# A file


def test_a_saved_set_is_what_evaluate_and_label_read(session, tmp_path):
    with_pictures(session, "猫 \U0001f600.png")
    label(session, "a cat", "a.png")
    label(session, "一只狗", "猫 \U0001f600.png", "b.png")
    for name in ("a.png", "b.png", "c.png", "猫 \U0001f600.png"):
        (tmp_path / name).write_bytes(b"")
    file = tmp_path / "labels.jsonl"
    file.write_bytes(save_labels(session.labelled).data)
    sets = open_dataset(str(file)).sets
    assert [each.query for each in sets] == ["a cat", "一只狗"]
    relevant = [[picture.name for picture in each.pictures if picture.is_relevant] for each in sets]
    assert relevant == [["a.png"], ["b.png", "猫 \U0001f600.png"]]
    assert [line.is_plain for line in LabelFile(file).read()] == [True, True]


def test_a_set_that_is_saved_and_opened_elsewhere_is_the_same(session, sessions):
    label(session, "a cat", "a.png")
    label(session, "a dog", "b.png")
    other = sessions.create("")
    renamed = {"a.png": "x.png", "b.png": "b.png"}
    other.add([Picture(id=new, name=new, path=Path(new), sha256=hash_of(content)) for content, new in renamed.items()])
    found = opened(other, save_labels(session.labelled).data)
    assert (found.count, found.left_out, found.total, found.missing) == (2, 0, 3, ["c.png"])
    assert labels(other) == {"a dog": ["b.png"], "a cat": ["x.png"]}
    assert opened(session, save_labels(other.labelled).data).missing == []
    assert save_labels(session.labelled).data == save_labels(other.labelled).data


def test_pictures_that_come_after_the_set_was_opened_are_found(sessions):
    session = sessions.create("")
    data = lines({"query": "a cat", "pictures": ["sub/a.png", "b.png"], "relevant": ["sub/a.png"]})
    assert opened(session, data).missing == ["sub/a.png", "b.png"]
    assert opened(session, data).total == 2
    with_pictures(session, "a.png", "b.png")
    assert labels(session) == {"a cat": ["a.png"]}
    (line,) = save_labels(session.labelled).text.splitlines()
    assert json.loads(line)["pictures"] == ["sub/a.png", "b.png"], "evaluate finds them where they were"


def test_pictures_of_one_name_are_numbered(session):
    session.add([Picture(id="2", name="a.png", path=Path("y"), sha256=hash_of("y"))])
    session.add([Picture(id="3", name="a (2).png", path=Path("z"), sha256=hash_of("z"))])
    label(session, "a cat", "b.png")
    saved = save_labels(session.labelled)
    assert json.loads(saved.text)["pictures"] == ["a.png", "b.png", "c.png", "a (3).png", "a (2).png"]
    assert saved.renamed == ["a (3).png"]


def test_two_lines_of_one_query_become_one_and_gains_are_relevance(session):
    found = opened(
        session,
        lines(
            {"query": "a cat", "pictures": ["a.png", "b.png"], "relevant": {"a.png": 2, "b.png": 0}},
            {"query": " a cat ", "pictures": ["b.png", "c.png"], "relevant": ["c.png"]},
        ),
    )
    assert (found.count, labels(session)) == (1, {"a cat": ["a.png", "c.png"]})


def test_a_file_that_is_wrong_changes_nothing(session):
    label(session, "a cat", "a.png")
    good = {"query": "a dog", "pictures": ["a.png", "b.png"], "relevant": ["a.png"]}
    for data in (
        b"",
        b"{}",
        lines(good, {"query": "x"}),
        lines(good | {"pictures": ["x" * 1001]}),
        b"\xff",
        b"[" * 999,
    ):
        with pytest.raises(DatasetInvalid):
            opened(session, data)
    with pytest.raises(RequestTooLarge):
        opened(session, b" " * (MAX_LABELS_MB * 10**6 + 1))
    assert labels(session) == {"a cat": ["a.png"]}


def test_hashes_of_a_wrong_form_are_ignored(session):
    record = {"query": "a cat", "pictures": ["a.png", "b.png"], "relevant": ["a.png"]}
    for hashes in ([1], {"a.png": 7, "b.png": "x"}, "x", None):
        assert opened(session, lines(record | {"sha256": hashes})).missing == []


def test_the_routes_send_files(open_page):
    page: PageSession = open_page()
    answer = page.get("labels.jsonl")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-disposition"] == 'attachment; filename="labels.jsonl"'
    assert page.get("evaluation.csv").status_code == 404

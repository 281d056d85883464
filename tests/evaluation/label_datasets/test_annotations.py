"""What annotations say of a picture, with what labels imply."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reranker.evaluation.label_datasets.annotations import Annotations
from tests.support.label_datasets import VOCABULARY

KEYS = st.frozensets(st.sampled_from(sorted(VOCABULARY.by_key)))


def annotated(present: frozenset[str], absent: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    annotations = Annotations(VOCABULARY)
    annotations.add("a.png", b"", present, absent)
    annotations.add("b.png", b"", frozenset(["car"]), frozenset())
    picture = annotations.dataset("a", Path("a")).pictures[0]
    return picture.present, picture.absent


def test_parents_are_there_and_children_are_not() -> None:
    assert annotated(frozenset(["black cat"]), frozenset()) == ({"black cat", "cat", "animal"}, set())
    assert annotated(frozenset(), frozenset(["cat"])) == (set(), {"cat", "black cat"})
    assert annotated(frozenset(["dog"]), frozenset(["cat"])) == ({"dog", "animal"}, {"cat", "black cat"})


def test_a_label_that_is_there_outweighs_an_absent_parent() -> None:
    assert annotated(frozenset(["dog"]), frozenset(["animal"])) == ({"dog", "animal"}, {"cat", "black cat"})


@given(KEYS, KEYS)
def test_what_is_known_is_closed_and_free_of_contradictions(present, absent) -> None:
    known_present, known_absent = annotated(present, absent)
    assert present <= known_present
    assert not known_present & known_absent
    for label in VOCABULARY:
        parents = {parent.key for parent in VOCABULARY.ancestors(label)}
        assert label.key not in known_present or parents <= known_present
        assert label.key in known_absent | known_present or not parents & known_absent


def test_categories_are_names_and_synonyms_in_both_languages() -> None:
    annotations = Annotations(VOCABULARY)
    assert annotations.keys(["Puppy", "猫", " CAR ", "fire_truck", "unicorn", "unicorn"]) == {
        "dog",
        "cat",
        "car",
        "fire truck",
    }
    annotations.add("a.png", b"", frozenset(["car"]), frozenset())
    assert annotations.dataset("a", Path("a")).unknown_categories == ("unicorn",)

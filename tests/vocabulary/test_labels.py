"""A parent is never less certain than its child; groups and synonyms find their labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.vocabulary.labels import Label, Name, Vocabulary, with_implied

CHAIN = Vocabulary(
    name="chain",
    labels=(
        Label(name=Name(en="animal", zh="动物"), group=Name(en="animals", zh="动物")),
        Label(name=Name(en="dog", zh="狗"), synonyms=("犬",), parent="animal", group=Name(en="animals", zh="动物")),
        Label(name=Name(en="golden retriever", zh="金毛犬"), parent="dog", group=Name(en="dogs")),
        Label(name=Name(en="car"), group=Name(en="vehicles")),
        Label(name=Name(zh="雪")),
    ),
)
KEYS = [label.key for label in CHAIN]


@given(st.dictionaries(st.sampled_from(KEYS), st.floats(0, 1)))
def test_parents_are_at_least_as_certain_as_their_children(confidences: dict[str, float]) -> None:
    complete = with_implied(CHAIN, confidences)
    assert complete.items() >= {(key, complete[key]) for key in confidences}
    for key, confidence in complete.items():
        assert confidence >= confidences.get(key, 0)
        parent = CHAIN.by_key[key].parent
        assert parent is None or complete[parent] >= confidence
    assert all(
        complete[key] == max(confidences.get(each, 0) for each in KEYS if key in lineage(each)) for key in complete
    )


def lineage(key: str) -> list[str]:
    label = CHAIN.by_key[key]
    return [key, *(each.key for each in CHAIN.ancestors(label))]


@pytest.mark.parametrize(("name", "key"), [("犬", "dog"), (" DOG ", "dog"), ("动物", "animal"), ("cat", None)])
def test_labels_are_found_by_any_of_their_names(name: str, key: str | None) -> None:
    found = CHAIN.find(name)
    assert (found and found.key) == key


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("en", ["animal", "dog", "golden retriever", "car", "雪"]),
        ("zh", ["动物", "狗", "金毛犬", "car", "雪"]),
        ("both", ["animal / 动物", "dog / 狗", "golden retriever / 金毛犬", "car", "雪"]),
    ],
)
def test_a_label_is_written_in_the_language_that_it_has(language, names: list[str]) -> None:
    assert [label.name.written(language) for label in CHAIN] == names


def test_groups_bring_the_parents_of_their_labels() -> None:
    assert [label.key for label in CHAIN.only(["DOGS"])] == ["animal", "dog", "golden retriever"]
    assert [label.key for label in CHAIN.only(["动物"])] == ["animal", "dog"]


def test_the_digest_depends_on_every_label() -> None:
    digests = {CHAIN.digest, CHAIN.only(["dogs"]).digest, CHAIN.only(["vehicles"]).digest}
    assert len(digests) == 3

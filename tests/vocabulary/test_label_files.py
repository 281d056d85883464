"""Vocabularies are read from text, CSV and JSON Lines; what is wrong is reported with its file and line."""

import json
from collections import Counter
from pathlib import Path

import pytest

from reranker.core.errors import VocabularyInvalid, VocabularyMissing
from reranker.i18n.error_messages import sentence
from reranker.vocabulary.label_files import BUILT_IN, MAX_NAME_LENGTH, load_vocabulary, vocabulary_of
from reranker.vocabulary.labels import Name, language_of


def written(folder: Path, text: str, name: str = "labels.txt") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def faults(file: Path) -> list[tuple[int | None, str, str]]:
    with pytest.raises(VocabularyInvalid) as raised:
        load_vocabulary(file)
    assert all(file.name in sentence(raised.value, language) for language in ("en", "zh"))
    return [(fault.line, fault.reason, fault.value) for fault in raised.value.faults]


def test_a_text_file_has_a_label_a_line(tmp_path: Path) -> None:
    vocabulary = load_vocabulary(written(tmp_path, "\ufeffcat\r\n\n  金毛犬 \nhot dog\n"))
    assert [label.name for label in vocabulary] == [Name(en="cat"), Name(zh="金毛犬"), Name(en="hot dog")]


def test_a_csv_file_has_names_synonyms_groups_and_parents(tmp_path: Path) -> None:
    text = "zh,en,synonyms,group,parent\n狗,dog,犬；hound,动物,\n金毛犬,golden retriever,,动物,犬\n,,,,\n"
    dog, golden = load_vocabulary(written(tmp_path, text, "labels.csv"))
    assert (dog.name, dog.synonyms, dog.group) == (Name(en="dog", zh="狗"), ("犬", "hound"), Name(zh="动物"))
    assert golden.parent == "dog"  # by a synonym


def test_json_lines_have_the_same_fields(tmp_path: Path) -> None:
    records = [
        {"en": "dog", "synonyms": ["hound"], "group": {"en": "animals", "zh": "动物"}},
        {"zh": "柯基", "parent": "DOG"},
    ]
    vocabulary = load_vocabulary(written(tmp_path, "\n".join(map(json.dumps, records)), "labels.jsonl"))
    assert vocabulary.groups == (Name(en="animals", zh="动物"),)
    assert [label.parent for label in vocabulary] == [None, "dog"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.txt", "", [(None, "no labels", "")]),
        ("a.txt", "cat\ndog\ncat", [(3, "label twice", "cat")]),
        ("a.txt", "cat\nCat", [(2, "label twice", "Cat")]),
        ("a.txt", "cat\n\u200b\u200b", [(2, "label empty", "")]),
        ("a.txt", "x" * 2000, [(1, "label too long", "2000")]),
        ("a.csv", "name\ncat\n", [(1, "columns", "en,zh,synonyms,group,parent")]),
        ("a.csv", "en,parent\ncat,animal\n", [(2, "unknown parent", "animal")]),
        ("a.csv", "en,synonyms\ncat,kitty\ndog,Kitty\n", [(3, "label twice", "Kitty")]),
        ("a.csv", 'en\n"cat\n', [(2, "columns", "en")]),
        ("a.jsonl", '{"en": "cat"}\n{"en": 3}\nnot', [(2, "field", "en"), (3, "not JSON", "")]),
        ("a.jsonl", '{"group": "animals"}', [(1, "label empty", "")]),
        (
            "a.jsonl",
            '{"en": "a", "parent": "b"}\n{"en": "b", "parent": "a"}',
            [(1, "own parent", "a"), (2, "own parent", "b")],
        ),
        ("a.jsonl", '{"en": "a", "parent": "A"}', [(1, "own parent", "a")]),
    ],
)
def test_every_fault_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, expected: list[tuple[int | None, str, str]]
) -> None:
    assert faults(written(tmp_path, text, name)) == expected


def test_the_longest_name_is_allowed(tmp_path: Path) -> None:
    assert len(load_vocabulary(written(tmp_path, "x" * MAX_NAME_LENGTH))) == 1


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes("猫\n狗".encode("gbk"))
    assert [reason for _, reason, _ in faults(file)] == ["not UTF-8"]


def test_ten_thousand_labels_are_read(tmp_path: Path) -> None:
    assert len(load_vocabulary(written(tmp_path, "\n".join(f"thing {number}" for number in range(10_000))))) == 10_000


@pytest.mark.parametrize("name", ["missing.txt", "x" * 5000, "genral"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(VocabularyMissing):
        load_vocabulary(name)


def test_labels_can_be_given_one_by_one() -> None:
    assert [label.name for label in vocabulary_of(["cat", "狗"])] == [Name(en="cat"), Name(zh="狗")]
    with pytest.raises(VocabularyInvalid):
        vocabulary_of(["cat", "CAT"])


@pytest.mark.parametrize(("name", "least"), [("general", 1500), ("aerial", 60), ("toybox", 166)])
def test_the_vocabularies_of_the_program_have_both_languages(name: str, least: int) -> None:
    vocabulary = load_vocabulary(name)
    assert set(BUILT_IN) == {"general", "aerial", "toybox"}
    assert len(vocabulary) >= least
    for label in vocabulary:
        assert label.name.en
        assert language_of(label.name.zh) == "zh", label
        assert label.group is not None
        assert label.group.en
        assert label.group.zh
    assert max(Counter(label.name.zh for label in vocabulary).values()) == 1


def test_general_labels_lead_from_a_breed_to_animals() -> None:
    vocabulary = load_vocabulary("general")
    golden = vocabulary.find("金毛犬")
    assert golden is not None
    ancestors = [label.name.zh for label in vocabulary.ancestors(golden)]
    assert ancestors[0] == "狗"
    assert ancestors[-1] == "动物"

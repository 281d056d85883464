"""Annotated pictures for tests: a vocabulary with parents, and what is known or wrong in a dataset."""

from pathlib import Path

import pytest

from reranker.core.errors import DatasetInvalid, FaultReason
from reranker.evaluation.label_datasets.loading import open_label_dataset
from reranker.vocabulary.labels import Label, Name, Vocabulary

ANIMALS, VEHICLES = Name(en="animals", zh="动物"), Name(en="vehicles", zh="车辆")
VOCABULARY = Vocabulary(
    name="test",
    labels=(
        Label(name=Name(en="animal", zh="动物"), group=ANIMALS),
        Label(name=Name(en="dog", zh="狗"), synonyms=("puppy", "小狗"), group=ANIMALS, parent="animal"),
        Label(name=Name(en="cat", zh="猫"), group=ANIMALS, parent="animal"),
        Label(name=Name(en="black cat", zh="黑猫"), group=ANIMALS, parent="cat"),
        Label(name=Name(en="car", zh="汽车"), group=VEHICLES),
        Label(name=Name(en="fire truck", zh="消防车"), group=VEHICLES),
    ),
)


def known(spec: Path | str, vocabulary: Vocabulary = VOCABULARY) -> dict[str, tuple[set[str], set[str]]]:
    """Return the labels that each picture of a dataset has, and those that it does not have."""
    pictures = open_label_dataset(str(spec), vocabulary).pictures
    return {picture.name: (set(picture.present), set(picture.absent)) for picture in pictures}


def label_faults_of(spec: Path | str) -> list[tuple[str, int | None, FaultReason, str]]:
    """Return all faults of a dataset in their order: file, line, reason, value."""
    with pytest.raises(DatasetInvalid) as caught:
        open_label_dataset(str(spec), VOCABULARY)
    return [(fault.file, fault.line, fault.reason, fault.value) for fault in caught.value.faults]

"""Verified labels in the format of Open Images."""

from pathlib import Path

import pytest

from reranker.core.errors import DatasetFormatUnknown
from reranker.evaluation.label_datasets.loading import open_label_dataset
from tests.support.dataset_files import put_pictures
from tests.support.label_datasets import VOCABULARY, known, label_faults_of

HEADER = "ImageID,Source,LabelName,Confidence"
ROWS = (
    "a1,verification,/m/0bt9lr,1",
    "a1,verification,/m/01yrx,0",
    "a1,verification,/m/unicorn,1",
    "b2,verification,/m/0k4j,1.0",
    "b2,machine,/m/0bt9lr,0.7",
)
DESCRIPTIONS = ("LabelName,DisplayName", "/m/0bt9lr,Dog", "/m/01yrx,Cat", '/m/0k4j,"Car"')


def write(
    folder: Path, *rows: str, header: str = HEADER, described: tuple[str, ...] = DESCRIPTIONS, to: str = "classes.csv"
) -> Path:
    file = folder / "labels.csv"
    file.write_text("\n".join([header, *(rows or ROWS)]) + "\n", encoding="utf-8")
    (folder / to).write_text("\n".join(described) + "\n", encoding="utf-8")
    put_pictures(folder, "validation/a1.jpg", "validation/b2.png")
    return file


def test_confidence_1_is_there_0_is_not_and_the_rest_is_unknown(tmp_path: Path) -> None:
    file = write(tmp_path)
    assert known(file) == {"a1.jpg": ({"dog", "animal"}, {"cat", "black cat"}), "b2.png": ({"car"}, set())}
    assert open_label_dataset(str(file), VOCABULARY).unknown_categories == ("/m/unicorn",)


def test_what_people_verified_outweighs_what_a_machine_proposed(tmp_path: Path) -> None:
    rows = "a1,machine,/m/0bt9lr,0.4", "a1,verification,/m/0bt9lr,0", "a1,machine,/m/01yrx,0.9"
    assert known(write(tmp_path, *rows)) == {"a1.jpg": (set(), {"dog"})}


def test_nothing_is_known_of_labels_on_which_lines_disagree(tmp_path: Path) -> None:
    rows = "a1,x,/m/0bt9lr,1", "a1,y,/m/0bt9lr,0", "a1,x,/m/0bt9lr,1", "a1,x,/m/0k4j,1"
    assert known(write(tmp_path, *rows)) == {"a1.jpg": ({"car"}, set())}


@pytest.mark.parametrize("to", ["oidv7-class-descriptions.csv", "class-descriptions.csv"])
def test_descriptions_may_lack_their_header(tmp_path: Path, to: str) -> None:
    assert known(write(tmp_path, described=DESCRIPTIONS[1:], to=to)).keys() == {"a1.jpg", "b2.png"}


def test_of_several_descriptions_the_one_with_the_usual_name_is_read(tmp_path: Path) -> None:
    file = write(tmp_path, to="class-descriptions.csv")
    (tmp_path / "other-class-descriptions.csv").write_text("", encoding="utf-8")
    assert known(file)["b2.png"] == ({"car"}, set())
    (tmp_path / "class-descriptions.csv").rename(tmp_path / "class-descriptions-2.csv")
    assert label_faults_of(file) == [(tmp_path.name, None, "several files", "class-descriptions.csv")]


def test_missing_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    file = write(tmp_path, *ROWS, "c3,verification,/m/0k4j,1")
    dataset = open_label_dataset(str(file), VOCABULARY)
    assert (len(dataset.pictures), dataset.missing_pictures) == (2, 1)


def test_every_fault_is_reported_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, "a1,x,/m/0k4j", ",x,/m/0k4j,1", "a1,x,/m/0k4j,2", "a1,x,/m/0k4j,yes", "a1,x,/m/0k4j,nan")
    (tmp_path / "classes.csv").write_text("LabelName,DisplayName\n/m/0k4j\n", encoding="utf-8")
    assert label_faults_of(file) == [
        ("labels.csv", 2, "columns", HEADER),
        ("labels.csv", 3, "columns", HEADER),
        ("labels.csv", 4, "confidence", "2"),
        ("labels.csv", 5, "confidence", "yes"),
        ("labels.csv", 6, "confidence", "nan"),
        ("classes.csv", 2, "columns", "LabelName,DisplayName"),
    ]


def test_descriptions_that_are_missing_are_a_fault(tmp_path: Path) -> None:
    file = write(tmp_path)
    (tmp_path / "classes.csv").unlink()
    assert label_faults_of(file) == [(tmp_path.name, None, "file missing", "class-descriptions.csv")]


def test_pictures_that_are_all_missing_are_a_fault(tmp_path: Path) -> None:
    assert [fault[2] for fault in label_faults_of(write(tmp_path, "zz,x,/m/0k4j,1"))] == ["pictures elsewhere"]


def test_a_file_without_verified_labels_is_a_fault(tmp_path: Path) -> None:
    assert [fault[2] for fault in label_faults_of(write(tmp_path, "a1,x,/m/0k4j,0.5"))] == ["nothing annotated"]


def test_other_columns_are_another_format(tmp_path: Path) -> None:
    file = write(tmp_path, "a,b", header="image,caption")
    with pytest.raises(DatasetFormatUnknown):
        open_label_dataset(str(file), VOCABULARY)

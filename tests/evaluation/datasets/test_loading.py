"""Opening datasets by their spec."""

import pytest

from reranker.core.errors import DatasetFormatUnknown, DatasetMissing, DatasetSpecInvalid
from reranker.evaluation.datasets.loading import open_dataset
from reranker.i18n.error_messages import sentence
from tests.support.dataset_files import put_pictures


@pytest.mark.parametrize(
    "spec", ["gone", "gone.jsonl", "gone/labels.jsonl", "gone:3:4", "C:\\labels", "", ":5", "a" * 5000]
)
def test_a_missing_dataset_is_an_error(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetMissing):
        open_dataset(spec)


def test_the_error_about_a_missing_dataset_has_its_name_without_folders(tmp_path):
    with pytest.raises(DatasetMissing) as caught:
        open_dataset(str(tmp_path / "gone.jsonl"))
    assert caught.value.name == "gone.jsonl"


@pytest.mark.parametrize("name", ["a.jpg", "notes.md", "notes.txt", "table.csv", "thing.json", "empty.token"])
def test_the_error_about_an_unknown_format_lists_the_formats(tmp_path, name):
    texts = {"notes.txt": "hello\n", "table.csv": "a,b\n1,2\n", "thing.json": '{"images": [3], "annotations": []}'}
    (tmp_path / name).write_text(texts.get(name, ""))
    with pytest.raises(DatasetFormatUnknown) as caught:
        open_dataset(f"{tmp_path / name}:5")
    assert caught.value.name == name
    for word in (".jsonl", "sub-folder", "TREC", "BEIR", "COCO", "Karpathy", "Flickr", "toybox"):
        assert word in sentence(caught.value, "en")
    for word in (".jsonl", "子文件夹", "TREC", "BEIR", "COCO", "Karpathy", "Flickr", "toybox"):
        assert word in sentence(caught.value, "zh")


@pytest.mark.parametrize("names", [[], ["a.jpg"], ["sub/notes.txt"], ["sub/deeper/a.jpg"], [".hidden/a.jpg"]])
def test_a_folder_of_unknown_format_is_an_error(tmp_path, names):
    put_pictures(tmp_path, *names)
    with pytest.raises(DatasetFormatUnknown) as caught:
        open_dataset(str(tmp_path))
    assert caught.value.name == tmp_path.name


def test_numbers_after_a_jsonl_file_are_an_error(tmp_path):
    (tmp_path / "labels.jsonl").touch()
    with pytest.raises(DatasetSpecInvalid) as caught:
        open_dataset(f"{tmp_path / 'labels.jsonl'}:5")
    assert (caught.value.name, caught.value.reason) == ("labels.jsonl", "not allowed")


@pytest.mark.parametrize(
    ("numbers", "reason"), [("0", "sets"), ("3:1", "candidates"), ("3:0:4", "candidates"), ("1:2:3:4", "too many")]
)
def test_invalid_numbers_are_an_error(numbers, reason):
    with pytest.raises(DatasetSpecInvalid) as caught:
        open_dataset(f"toybox:{numbers}")
    assert (caught.value.name, caught.value.reason) == ("toybox", reason)


def test_numbers_in_the_name_of_a_folder_are_part_of_the_name(tmp_path):
    put_pictures(tmp_path, "12:30/red/a.jpg", "12:30/blue/b.jpg")
    assert open_dataset(str(tmp_path / "12:30")).name == "12:30"
    assert open_dataset(f"{tmp_path / '12:30'}:1:2:3").name == "12:30:1:2:3"


def test_relative_folders_have_their_real_name(tmp_path, monkeypatch):
    put_pictures(tmp_path, "photos/red/a.jpg", "photos/blue/b.jpg")
    monkeypatch.chdir(tmp_path / "photos" / "red")
    assert open_dataset("..").name == "photos"
    monkeypatch.chdir("..")
    assert open_dataset(".").name == "photos"
    assert open_dataset("./").sets[0].pictures[0].source.is_file()


def test_a_folder_called_toybox_is_opened_by_its_path(tmp_path, monkeypatch):
    put_pictures(tmp_path, "toybox/red/a.jpg", "toybox/blue/b.jpg")
    monkeypatch.chdir(tmp_path)
    assert [one.query for one in open_dataset("./toybox").sets] == ["blue", "red"]
    assert open_dataset("toybox:1:2").name == "toybox:1:2:0"

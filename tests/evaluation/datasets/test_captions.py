"""Sets are drawn from captions in the formats of the common datasets."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import DatasetFormatUnknown, DatasetSpecInvalid
from reranker.evaluation.datasets.captions import read_caption_sets
from reranker.evaluation.datasets.loading import open_dataset
from reranker.evaluation.datasets.types import Dataset, Sampling
from tests.support.dataset_files import faults_of, put_pictures

NAMES = [f"{number}.jpg" for number in range(20)]
CAPTIONS = {name: [f"a dog on {name}", f"一只狗，{name} ."] for name in NAMES}


def coco(captions: dict[str, list[str]]) -> dict[str, list[dict]]:
    images = [{"id": 100 + number, "file_name": name, "width": 3} for number, name in enumerate(captions)]
    ids = {image["file_name"]: image["id"] for image in images}
    written = [{"id": 1, "image_id": ids[name], "caption": text} for name in captions for text in captions[name]]
    return {"info": {}, "images": images, "annotations": written}


def karpathy(captions: dict[str, list[str]], **given: object) -> dict:
    images = [
        {"filename": name, "imgid": 1, "sentences": [{"raw": text, "tokens": []} for text in texts]} | given
        for name, texts in captions.items()
    ]
    return {"images": images, "dataset": "coco"}


def flickr(captions: dict[str, list[str]], tag: str = "", separator: str = "\t") -> str:
    lines = [(name, number, text) for name, texts in captions.items() for number, text in enumerate(texts)]
    return "".join(f"{name}{tag}#{number}{separator}{text}\n" for name, number, text in lines)


def table(captions: dict[str, list[str]]) -> str:
    text = StringIO(newline="")
    rows = [(name, caption) for name, captions in captions.items() for caption in captions]
    csv.writer(text).writerows([("image", "caption"), *rows])
    return text.getvalue()


def results(captions: dict[str, list[str]]) -> str:
    lines = [(name, number, text) for name, texts in captions.items() for number, text in enumerate(texts)]
    rows = [f"{name}| {number}| {text}\n" for name, number, text in lines]
    return "".join(["image_name| comment_number| comment\n", *rows])


FORMATS = {
    "captions_val2017.json": lambda captions: json.dumps(coco(captions)),
    "dataset_flickr8k.json": lambda captions: json.dumps(karpathy(captions)),
    "Flickr8k.token.txt": flickr,
    "results_20130124.token": flickr,
    "flickr8kzhc.caption.txt": lambda captions: flickr(captions, "#zhc", " "),
    "captions.txt": table,
    "captions.csv": table,
    "results.csv": results,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put_pictures(tmp_path, *NAMES)
    return tmp_path


def opened(folder: Path, name: str, content: object, numbers: str = "") -> Dataset:
    """Open a file with this text, or with this content as JSON."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return open_dataset(f"{file}{numbers}")


def relevant_by_query(dataset: Dataset) -> dict[str, str]:
    """Return the name of the relevant picture by query."""
    return {one.query: next(each.name for each in one.pictures if each.is_relevant) for one in dataset.sets}


EVERY_CAPTION = {text: name for name, texts in CAPTIONS.items() for text in texts}


# Formats


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_assigns_captions_to_pictures(folder, name):
    dataset = opened(folder, name, FORMATS[name](CAPTIONS))
    assert dataset.name == f"{name}:127:15:0"
    assert relevant_by_query(dataset) == EVERY_CAPTION
    assert {one.language for one in dataset.sets if "dog" in one.query} == {"en"}
    for one in dataset.sets:
        assert [each.gain for each in one.pictures if each.is_relevant] == [1]
        assert len({each.name for each in one.pictures}) == len(one.pictures) == 15
        assert all(each.source == folder / each.name and each.grade == each.gain for each in one.pictures)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_may_have_a_byte_order_mark(folder, name):
    assert len(opened(folder, name, "\ufeff" + FORMATS[name](CAPTIONS)).sets) == 40


def test_white_space_in_a_caption_becomes_a_single_space(folder):
    dataset = opened(folder, "c.json", coco(CAPTIONS | {NAMES[0]: ["  A dog \n on  grass.\n"]}))
    assert relevant_by_query(dataset)["A dog on grass."] == NAMES[0]


def test_a_caption_may_have_delimiters(folder):
    captions = CAPTIONS | {NAMES[0]: ['A "dog", they say', "#1 of 2, at 3"]}
    for name, written in FORMATS.items():
        found = relevant_by_query(opened(folder, name, written(captions)))
        assert {text for text, picture in found.items() if picture == NAMES[0]} == set(captions[NAMES[0]])


def test_only_the_test_split_of_karpathys_format_is_read_if_there_is_one(folder):
    content = karpathy(CAPTIONS)
    for number, image in enumerate(content["images"]):
        image["split"] = "test" if number < 4 else "train"
    dataset = opened(folder, "dataset.json", content)
    assert {each.name for one in dataset.sets for each in one.pictures} == set(NAMES[:4])
    for image in content["images"]:
        image["split"] = "val"
    assert len(opened(folder, "dataset.json", content).sets) == 40


def test_pictures_of_karpathys_format_are_found_with_or_without_their_folder(folder):
    put_pictures(folder, *(f"my/pictures/{name}" for name in NAMES[:3]))
    dataset = opened(folder, "dataset.json", karpathy(CAPTIONS, filepath="my/pictures"))
    sources = {each.name: each.source for one in dataset.sets for each in one.pictures}
    assert sources["my/pictures/0.jpg"] == folder / "my/pictures/0.jpg"
    assert sources["my/pictures/3.jpg"] == folder / "3.jpg"


def test_names_may_have_no_extension_as_in_coco_cn(folder):
    captions = {name.removesuffix(".jpg"): texts for name, texts in CAPTIONS.items()}
    dataset = opened(folder, "imageid.human-written-caption.txt", flickr(captions, "#zhm"))
    assert relevant_by_query(dataset)["a dog on 7.jpg"] == "7"
    assert all(each.source.name == f"{each.name}.jpg" for one in dataset.sets for each in one.pictures)


def test_the_damaged_row_in_flickr30k_is_read(folder):
    broken = "2.jpg| 4   A dog runs across the grass .\n"
    assert (
        relevant_by_query(opened(folder, "results.csv", results(CAPTIONS) + broken))["A dog runs across the grass ."]
        == "2.jpg"
    )


def test_quotes_are_part_of_the_caption_if_bars_separate_columns(folder):
    text = 'image_name|comment_number|comment\n1.jpg|0|"a dog" it says\n2.jpg|0|"a cat\n3.jpg|0|a "cow"\n'
    assert relevant_by_query(opened(folder, "results.csv", text)) == {
        '"a dog" it says': "1.jpg",
        '"a cat': "2.jpg",
        'a "cow"': "3.jpg",
    }


def test_lines_may_have_windows_line_endings(folder):
    for name, written in FORMATS.items():
        assert (
            relevant_by_query(opened(folder, name, written(CAPTIONS).replace("\r", "").replace("\n", "\r\n")))
            == EVERY_CAPTION
        )


# Where pictures are


@pytest.mark.parametrize(
    ("file", "pictures"),
    [
        ("annotations/captions_val2017.json", "val2017"),
        ("annotations/captions_train2014.json", "train2014"),
        ("captions_val2014.json", "val2014"),
        ("captions.txt", "Images"),
        ("captions.txt", "images"),
        ("results.csv", "flickr30k-images"),
        ("flickr30k_images/results.csv", "flickr30k_images/flickr30k_images"),
        ("Flickr8k.token.txt", "Flicker8k_Dataset"),
        ("text/Flickr8k.token.txt", "Flicker8k_Dataset"),
    ],
)
def test_pictures_are_found_in_the_folders_of_the_published_datasets(tmp_path, monkeypatch, file, pictures):
    put_pictures(tmp_path / pictures, *NAMES)
    form = FORMATS["captions_val2017.json" if file.endswith("json") else Path(file).name]
    dataset = opened(tmp_path, file, form(CAPTIONS))
    for one in dataset.sets:
        assert all(each.source.samefile(tmp_path / pictures / each.name) for each in one.pictures)
    monkeypatch.chdir((tmp_path / file).parent)
    relative = open_dataset(Path(file).name)
    assert [one.id for one in relative.sets] == [one.id for one in dataset.sets]
    assert all(each.source.is_file() for each in relative.sets[0].pictures)


def test_missing_pictures_are_left_out(folder):
    for name in NAMES[3:]:
        (folder / name).unlink()
    dataset = opened(folder, "captions.txt", table(CAPTIONS))
    assert set(relevant_by_query(dataset).values()) == set(NAMES[:3])
    assert all(len(one.pictures) == 3 for one in dataset.sets)


def test_files_with_equal_names_in_different_folders_are_different_pictures(tmp_path):
    put_pictures(tmp_path, "one/1.jpg", "two/1.jpg", "1.jpg")
    dataset = opened(tmp_path, "captions.txt", table({"one/1.jpg": ["one"], "two/1.jpg": ["two"]}))
    sources = {each.name: each.source for one in dataset.sets for each in one.pictures}
    assert sources == {name: tmp_path / name for name in ("one/1.jpg", "two/1.jpg")}


# Drawing


@pytest.fixture(scope="module")
def drawn_from(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    put_pictures(folder, *NAMES)
    (folder / "captions.txt").write_text(table(CAPTIONS | {"0.jpg": ["only one"]}), encoding="utf-8")
    return folder / "captions.txt"


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(2, 25), st.integers(0, 9))
def test_one_caption_of_each_picture_is_drawn_before_a_second_one(drawn_from, sets, candidates, seed):
    drawn = read_caption_sets(drawn_from, "x", Sampling(sets=sets, candidates=candidates, seed=seed)).sets
    assert len(drawn) == min(sets, 39)
    assert len({one.id for one in drawn}) == len({one.query for one in drawn}) == len(drawn)
    right = [next(each.name for each in one.pictures if each.is_relevant) for one in drawn]
    assert len(set(right[:20])) == len(right[:20])
    assert len(set(right[20:])) == len(right[20:])
    for one in drawn:
        assert len({each.name for each in one.pictures}) == len(one.pictures) == min(candidates, 20)
        assert sum(each.is_relevant for each in one.pictures) == 1


def test_a_seed_draws_the_same_sets_and_more_sets_start_with_the_same(drawn_from):
    dataset = open_dataset(f"{drawn_from}:10:4:7")
    assert dataset.name == "captions.txt:10:4:7"
    assert dataset == open_dataset(f"{drawn_from}:10:4:7")
    assert dataset.sets == open_dataset(f"{drawn_from}:30:4:7").sets[:10]
    assert dataset.sets != open_dataset(f"{drawn_from}:10:4:8").sets
    assert open_dataset(f"{drawn_from}:10:4").sets == open_dataset(f"{drawn_from}:10:4:0").sets


def test_the_relevant_picture_may_be_at_any_position(drawn_from):
    places = {
        [each.is_relevant for each in one.pictures].index(True) for one in open_dataset(f"{drawn_from}:39:4").sets
    }
    assert places == {0, 1, 2, 3}


def test_pictures_with_the_same_caption_are_not_irrelevant(folder):
    captions = {name: [f"a dog {number % 2}"] for number, name in enumerate(NAMES)}
    for one in opened(folder, "captions.txt", table(captions)).sets:
        wrong = [each.name for each in one.pictures if not each.is_relevant]
        assert len(wrong) == 10
        assert all(captions[name] != [one.query] for name in wrong)


def test_captions_that_are_all_equal_give_no_sets(folder):
    file = folder / "captions.txt"
    file.write_text(table({name: ["a dog"] for name in NAMES}))
    assert faults_of(file) == [("captions.txt", None, "no sets", "")]


@pytest.mark.parametrize(("numbers", "reason"), [(":0", "sets"), (":5:1", "candidates"), (":1:2:3:4", "too many")])
def test_invalid_numbers_are_an_error(drawn_from, numbers, reason):
    with pytest.raises(DatasetSpecInvalid) as caught:
        open_dataset(f"{drawn_from}{numbers}")
    assert (caught.value.name, caught.value.reason) == ("captions.txt", reason)


@pytest.mark.extended
def test_a_dataset_of_the_size_of_coco_is_read(tmp_path):
    """There are as many pictures as in val2017."""
    names = [f"{number:012}.jpg" for number in range(5000)]
    (tmp_path / "val2017").mkdir()
    for name in names:
        (tmp_path / "val2017" / name).touch()
    content = coco({name: [f"{name} {number}" for number in range(5)] for name in names})
    dataset = opened(tmp_path, "annotations/captions_val2017.json", content, ":6000:15")
    assert len(dataset.sets) == 6000
    assert all(
        one.query.startswith(name) for one, name in zip(dataset.sets, relevant_by_query(dataset).values(), strict=True)
    )


# What is wrong with a file


@pytest.mark.parametrize(
    ("line", "reason", "value"),
    [
        ("3.jpg a dog", "columns", "name.jpg#0 TAB caption"),
        ("3.jpg#0", "columns", "name.jpg#0 TAB caption"),
        ("#0\ta dog", "columns", "name.jpg#0 TAB caption"),
        ("3.jpg#0\t ", "empty query", ""),
    ],
)
def test_faults_of_a_line_are_reported(folder, line, reason, value):
    file = folder / "x.token"
    file.write_text(f"{line}\n\n{flickr(CAPTIONS)}{line}\n", encoding="utf-8")
    assert faults_of(file) == [("x.token", 1, reason, value), ("x.token", 43, reason, value)]


@pytest.mark.parametrize(
    ("row", "reason", "value"),
    [
        ("3.jpg", "columns", "image,caption"),
        ("3.jpg,a dog, running", "columns", "image,caption"),
        (",a dog", "columns", "image,caption"),
        ('3.jpg,"a" dog', "columns", "image,caption"),
        ("3.jpg, ", "empty query", ""),
    ],
)
def test_faults_of_a_row_are_reported(folder, row, reason, value):
    file = folder / "captions.csv"
    file.write_text(f'image,caption\n\n1.jpg,"a\ndog"\n{row}\n2.jpg,a cat\n')
    assert faults_of(file) == [("captions.csv", 5, reason, value)]


def test_an_unclosed_quote_is_reported_with_its_first_line(folder):
    file = folder / "captions.csv"
    file.write_text('image,caption\n1.jpg,a dog\n2.jpg,"a cat\n3.jpg,a cow\n')
    assert faults_of(file) == [("captions.csv", 3, "columns", "image,caption")]


def test_faults_of_a_row_with_bars_are_reported(folder):
    file = folder / "results.csv"
    file.write_text("image_name| comment_number| comment\n1.jpg| 0| a\n2.jpg| a dog\n3.jpg| 0| \n| 0| a\n1|2|3|4\n")
    columns = "image_name|comment_number|comment"
    assert faults_of(file) == [
        ("results.csv", 3, "columns", columns),
        ("results.csv", 4, "empty query", ""),
        ("results.csv", 5, "columns", columns),
        ("results.csv", 6, "columns", columns),
    ]


def test_faults_of_cocos_format_are_reported_with_their_path(folder):
    content = coco(CAPTIONS)
    content["images"][2]["file_name"] = " "
    content["images"][3] = 7
    content["annotations"] += [
        {"image_id": 100},
        {"image_id": 100, "caption": "\n"},
        {"image_id": 9, "caption": "a"},
        [],
    ]
    file = folder / "captions.json"
    file.write_text(json.dumps(content))
    assert [(line, reason, value) for _, line, reason, value in faults_of(file)] == [
        (None, "field", "images[2].file_name"),
        (None, "field", "images[3].id"),
        (None, "field", "images[3].file_name"),
        *[(None, "unknown picture", str(number)) for number in (102, 102, 103, 103)],
        (None, "field", "annotations[40].caption"),
        (None, "field", "annotations[41].caption"),
        (None, "unknown picture", "9"),
        (None, "field", "annotations[43].image_id"),
        (None, "field", "annotations[43].caption"),
    ]


def test_faults_of_karpathys_format_are_reported_with_their_path(folder):
    content = karpathy(CAPTIONS)
    del content["images"][1]["filename"]
    content["images"][2]["sentences"] = "a dog"
    content["images"][3]["sentences"][1] = {"raw": 3}
    file = folder / "dataset.json"
    file.write_text(json.dumps(content))
    assert faults_of(file) == [
        ("dataset.json", None, "field", "images[1].filename"),
        ("dataset.json", None, "field", "images[2].sentences"),
        ("dataset.json", None, "field", "images[3].sentences[1].raw"),
    ]


def test_invalid_json_is_reported_with_its_line(folder):
    file = folder / "captions.json"
    file.write_text('{"images": [],\n"annotations": [}\n')
    assert faults_of(file) == [("captions.json", 2, "not JSON", "")]
    file.write_text("[" * 100_000)
    assert faults_of(file) == [("captions.json", None, "not JSON", "")]


@pytest.mark.parametrize(
    "content", [{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1, "bbox": []}]}, [], 3]
)
def test_json_without_captions_has_an_unknown_format(folder, content):
    with pytest.raises(DatasetFormatUnknown):
        opened(folder, "instances_val2017.json", content)


@pytest.mark.parametrize("name", ["captions.txt", "captions.json", "x.token", "results.csv"])
def test_another_encoding_is_reported_with_its_line(folder, name):
    file = folder / name
    file.write_bytes("image,caption\n1.jpg,一只狗\n".encode("gbk"))
    assert faults_of(file) == [(name, 2, "not UTF-8", "")]


def test_a_fault_is_reported_if_all_pictures_are_missing(tmp_path):
    file = tmp_path / "captions.txt"
    file.write_text(table(CAPTIONS), encoding="utf-8")
    assert faults_of(file) == [("captions.txt", None, "pictures elsewhere", "images, flickr30k-images, val2017")]
    put_pictures(tmp_path, "images/3.jpg")
    assert faults_of(file) == [("captions.txt", None, "too few pictures", "1")]


def test_a_file_without_captions_is_a_fault(folder):
    file = folder / "captions.txt"
    file.write_text("image,caption\n\n")
    assert faults_of(file) == [("captions.txt", None, "no sets", "")]

"""`tag` on the command line: labels in every format, a reason for each picture that fails, libraries."""

import csv
import json
import shutil
from io import StringIO
from pathlib import Path

import pytest

from reranker import Reranker, Settings
from reranker.cli.console import DONE, FAILED, USAGE_ERROR
from tests.support.paths import GALLERY
from tests.support.shell import Shell

CAT, BALLS = GALLERY / "black_cat_grass.png", GALLERY / "four_yellow_balls.png"


@pytest.fixture
def shell(capfdbinary, tmp_path: Path, monkeypatch, toybox: Reranker) -> Shell:
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return Shell(capture=capfdbinary, scorer=toybox.load())


def test_json_has_the_labels_of_each_picture_and_its_error(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    done = shell("tag", CAT, BALLS, "broken.png", "--format", "json", "--lang", "zh")
    assert done.code == DONE
    cat, balls, broken = done.result["results"]
    assert cat["path"] == str(CAT)
    assert {"黑色的猫", "猫", "草地"} <= {each["label"] for each in cat["labels"]}
    assert {each["group"] for each in balls["labels"]} == {"物体", "物体的颜色", "地点"}
    assert all(
        0 <= each["confidence"] <= 1 and each.keys() == {"label", "confidence", "group"} for each in cat["labels"]
    )
    assert (broken["labels"], cat["error"]) == ([], None)
    assert "not a picture" in broken["error"]


def test_every_format_has_the_same_labels(shell: Shell, tmp_path: Path) -> None:
    expected = shell("tag", CAT, BALLS, "--format", "json").result["results"]
    lines = shell("tag", CAT, BALLS, "--format", "jsonl").out.splitlines()
    assert list(map(json.loads, lines)) == expected
    assert shell("tag", CAT, BALLS, "--format", "csv", "--output", "labels.csv").code == DONE
    rows = list(csv.DictReader(StringIO((tmp_path / "labels.csv").read_text("utf-8-sig"))))
    assert [row["label"] for row in rows] == [each["label"] for picture in expected for each in picture["labels"]]
    table = shell("tag", CAT, BALLS).out
    assert all(each["label"] in table for picture in expected for each in picture["labels"])


def test_own_labels_come_from_a_file_and_nothing_may_be_recognised(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("fire truck\n雨伞\n", encoding="utf-8")
    done = shell("tag", CAT, "--labels", "mine.txt")
    assert (done.code, done.out.strip()) == (DONE, f"{CAT}: nothing recognised")


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "there are no labels"), ("cat\ncat", "line 2"), ("cat\nCAT", "line 2"), ("x" * 2000, "2000 characters")],
)
def test_faulty_labels_are_named_with_their_line(shell: Shell, tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "mine.txt").write_text(content, encoding="utf-8")
    done = shell("tag", CAT, "--labels", "mine.txt")
    assert (done.code, len(done.said)) == (USAGE_ERROR, 1)
    assert words in done.said[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name pictures, or a library"),
        ((CAT, "--library", "x"), "Name pictures, or a library"),
        ((CAT, "--labels", "none.txt"), "There are no labels “none.txt”"),
        ((CAT, "--group", "fruit"), "things / 物体"),
        ((CAT, "--candidates", "0", "--no-rerank"), "encoder"),
        ((CAT, "--threshold", "2"), "--threshold"),
        ((CAT, "--encoder", "nowhere"), "nowhere"),
        (("--library", "nowhere"), "nowhere"),
    ],
)
def test_a_wrong_call_is_a_sentence(shell: Shell, arguments: tuple[object, ...], words: str) -> None:
    done = shell("tag", *arguments)
    assert (done.code, done.out) == (USAGE_ERROR, "")
    assert words in done.said[-1]


def test_no_picture_at_all_is_a_failure(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert shell("tag", "broken.png").code == FAILED


@pytest.mark.extended
def test_a_library_is_labelled_and_searched_by_labels(shell: Shell) -> None:
    assert shell("index", GALLERY, "--library", "drawings").code == DONE
    first = shell("tag", "--library", "drawings", "--format", "jsonl")
    assert len(first.out.splitlines()) == 24
    assert shell("tag", "--library", "drawings", "--format", "jsonl").out == first.out
    found = shell("search", "--library", "drawings", "--label", "小猫", "--label", "a window sill", "--format", "json")
    assert {Path(row["path"]).name for row in found.result["results"]} == {
        "black_cat_window_sill.png",
        "white_cat_window_sill.png",
    }
    ranked = shell("search", "white", "--library", "drawings", "--label", "猫", "--format", "json")
    assert {Path(row["path"]).name for row in ranked.result["results"]} >= {"white_cat_window_sill.png"}
    assert all("cat" in Path(row["path"]).name for row in ranked.result["results"])
    refused = shell("search", "--library", "drawings", "--label", "giraffe")
    assert (refused.code, "a label of the library" in refused.said[-1]) == (USAGE_ERROR, True)


def test_sidecars_are_written_beside_the_pictures(shell: Shell, tmp_path: Path) -> None:
    for path in (CAT, BALLS):
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / f"{BALLS.name}.xmp").write_text("damaged")
    done = shell("tag", CAT.name, BALLS.name, "--xmp", "--lang", "zh")
    assert done.code == DONE
    assert f"“{BALLS.name}.xmp” is damaged" in "".join(done.said)
    assert done.said[-1] == "Sidecars with new keywords: 1."
    assert "黑色的猫" in (tmp_path / f"{CAT.name}.xmp").read_text("utf-8")
    assert (tmp_path / f"{BALLS.name}.xmp").read_text() == "damaged"
    assert shell("tag", CAT.name, "--xmp", "--lang", "zh").said[-1] == "Sidecars with new keywords: 0."


@pytest.mark.parametrize("options", [(), ("--copy",)])
def test_pictures_are_put_into_folders_by_label(shell: Shell, tmp_path: Path, options: tuple[str, ...]) -> None:
    assert shell("tag", CAT, BALLS, "--folders", "out", *options).code == DONE
    assert (tmp_path / "out" / "yellow ball" / BALLS.name).is_symlink() == (not options)
    assert (tmp_path / "out" / "black cat" / CAT.name).read_bytes() == CAT.read_bytes()
    refused = shell("tag", CAT, "--folders", "out")
    assert (refused.code, "is not empty" in refused.said[-1]) == (USAGE_ERROR, True)


def test_the_settings_of_the_environment_count(shell: Shell, monkeypatch) -> None:
    monkeypatch.setenv("RERANKER_MODEL", "nowhere")
    assert shell("tag", CAT, "--labels", "aerial").code == DONE  # the scorer of the test is loaded
    assert Settings.from_environment().model.name == "nowhere"

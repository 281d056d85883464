"""What is ranked: names of files, folders, and texts beside pictures."""

import os
import random
import sys
import zipfile
from pathlib import Path
from typing import get_args

import pytest

from reranker.cli.console import DONE, USAGE_ERROR
from reranker.cli.options import Format
from reranker.core.types import EncodedPicture
from reranker.images.formats import PICTURE_SUFFIXES
from tests.support.folders import close_folder
from tests.support.scripted_scorer import ScriptedImage, ScriptedScorer, number
from tests.support.shell import CommandResult, Shell, read_csv, write


def test_paths_come_back_as_they_were_typed(shell: Shell) -> None:
    write(a=1, b=2)
    whole = Path("b.png").resolve()
    assert set(shell.json("a dog", "./a.png", whole).paths) == {"./a.png", str(whole)}


def test_a_file_is_one_picture_whatever_paths_and_links_lead_to_it(shell: Shell) -> None:
    Path("all").mkdir()
    Path("all/a.png").write_bytes(b"1")
    Path("all/b.png").symlink_to("a.png")
    Path("all/c.png").hardlink_to("all/a.png")
    Path("all/gone.png").symlink_to("nowhere.png")
    Path("all/same content.png").write_bytes(b"1")
    done = shell.json("a dog", "all/c.png", "all", Path("all").resolve())
    assert done.paths == ["all/c.png", "all/same content.png", "all/gone.png", str(Path("all").resolve() / "gone.png")]
    assert done.said == ["Left out, since other paths lead to the same files: 7 of 11 pictures."]


def test_a_folder_without_pictures_does_not_keep_others_from_being_ranked(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(a=1)
    for folder in ("empty", "closed"):
        Path(folder).mkdir()
    close_folder(monkeypatch, "closed")
    done = shell.json("a dog", "empty", "a.png", "closed")
    assert (done.code, done.paths) == (DONE, ["a.png"])
    assert done.said == [
        "The folder “empty” has no pictures; add --recursive to search its subfolders, too.",
        "The folder “closed” cannot be opened; check its permissions.",
    ]
    assert shell("rank", "a dog", "empty", "closed").code == USAGE_ERROR


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere arguments are text")
def test_text_in_a_locale_without_utf_8_is_read(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsencode", lambda text: text.encode("ascii", "surrogateescape"))
    write(a=1)
    as_kept = "一只猫".encode().decode("ascii", "surrogateescape")
    assert shell.json(as_kept, "a.png").result["query"] == "一只猫"
    done = shell("rank", "cat \udcff", "a.png")
    assert (done.code, done.err) == (
        USAGE_ERROR,
        "The text of “query” is not valid Unicode; save or send it as UTF-8.\n",
    )


def test_names_of_every_script_come_back(shell: Shell) -> None:
    names = ["海边 的房子.png", "🐈.png", "é.png", "-1.png", "a\nb.png", "=1+1.png"]
    for name in names:
        Path(name).write_bytes(b"1")
    assert shell.json("a dog", "--", *names).paths == names
    read = [row["path"] for row in read_csv(shell("rank", "a dog", "--format", "csv", "--", *names).out)]
    assert read == [*names[:3], "'-1.png", "a\nb.png", "'=1+1.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is text")
def test_a_name_that_is_not_text_is_shown_with_a_replacement_character(shell: Shell) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        Path(name).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system has only names that are text")
    assert shell.json("a dog", ".").paths == ["caf\ufffd.png"]
    for format_ in get_args(Format):
        shell("rank", "a dog", name, "--format", format_, "--output", f"result.{format_}")
    for format_ in ("table", "json", "csv", "html"):
        assert "caf\ufffd.png" in Path(f"result.{format_}").read_text(encoding="utf-8"), format_
    assert zipfile.ZipFile("result.zip").namelist() == ["01_7.3_caf_.png"]
    assert shell("verify", "result.json").code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is text")
def test_verify_finds_pictures_in_folders_whose_names_are_not_text(shell: Shell) -> None:
    folder = Path(os.fsdecode(b"a\xe9"), os.fsdecode(b"b\xe9"))
    try:
        folder.mkdir(parents=True)
    except OSError:
        pytest.skip("this file system has only names that are text")
    for name in (os.fsdecode(b"caf\xe9.png"), "b.png"):
        (folder / name).write_bytes(b"1")
    for given in (".", str(Path.cwd())):
        shell("rank", "a dog", given, "--recursive", "--format", "json", "--output", "result.json")
        assert shell("verify", "result.json").code == 0


def test_table_and_progress_have_no_control_characters(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reranker.cli.progress.LOG_INTERVAL_S", 0)
    name = "\x1b[31mred\r.png"
    Path(name).write_bytes(b"1")
    done = shell("rank", "a dog", name)
    assert "1/1 ·" in done.err
    assert "\ufffd[31mred\ufffd.png" in done.err
    assert "\ufffd[31mred\ufffd.png" in done.out
    assert "\x1b" not in done.out + done.err


def test_a_folder_stands_for_its_pictures_in_natural_order(shell: Shell) -> None:
    names = ["img1.png", "IMG2.JPG", "img10.webp", "img10b.webp", "海.png"]
    for name in random.Random(5).sample(names, len(names)):
        Path(name).write_bytes(b"1")
    assert shell.json("a dog", ".").paths == names


def test_a_folder_has_only_pictures_and_no_hidden_ones(shell: Shell) -> None:
    for name in ["a.png", ".hidden.png", "notes.txt", "png", "a.png.txt"]:
        Path(name).write_bytes(b"1")
    Path("folder.png").mkdir()
    assert shell.json("a dog", ".").paths == ["a.png"]


def test_a_file_that_is_named_is_read_whatever_its_extension(shell: Shell) -> None:
    for name in [".hidden.png", "picture", "notes.txt"]:
        Path(name).write_bytes(b"1")
    assert shell.json("a dog", ".hidden.png", "picture", "notes.txt").paths == [".hidden.png", "picture", "notes.txt"]


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
def test_folders_are_searched_for_every_supported_format(suffix: str, shell: Shell) -> None:
    Path(f"a{suffix.upper()}").write_bytes(b"1")
    assert shell.json("a dog", ".").paths == [f"a{suffix.upper()}"]


def test_recursive_goes_into_folders_that_are_not_hidden(shell: Shell) -> None:
    for name in ["2.png", "10/1.png", "9/3.png", "9/deep/0.png", ".git/4.png"]:
        Path("all", name).parent.mkdir(parents=True, exist_ok=True)
        Path("all", name).write_bytes(b"1")
    assert shell.json("a dog", "all").paths == ["all/2.png"]
    everywhere = ["all/2.png", "all/9/3.png", "all/9/deep/0.png", "all/10/1.png"]
    assert sorted(shell.json("a dog", "all", "--recursive").paths) == sorted(everywhere)


def test_files_and_folders_may_be_mixed_and_keep_their_order(shell: Shell) -> None:
    Path("folder").mkdir()
    for name in ["z.png", "folder/b.png", "folder/a.png"]:
        Path(name).write_bytes(b"1")
    assert shell.json("a dog", "z.png", "folder", "gone.png").paths == [
        "z.png",
        "folder/a.png",
        "folder/b.png",
        "gone.png",
    ]


def test_broken_links_fail_and_circular_links_are_not_followed(shell: Shell) -> None:
    write(a=1)
    Path("broken.png").symlink_to("gone.png")
    Path("round").symlink_to(".", target_is_directory=True)
    done = shell.json("a dog", ".", "--recursive")
    assert done.paths == ["a.png", "broken.png"]
    assert done.result["results"][1]["status"] == "failed"


def test_an_unreadable_subfolder_is_skipped_and_reported(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("all/closed").mkdir(parents=True)
    Path("all/a.png").write_bytes(b"1")
    close_folder(monkeypatch, "all/closed")
    done = shell.json("a dog", "all", "--recursive")
    assert (done.code, done.paths) == (DONE, ["all/a.png"])
    assert done.said == ["The folder “all/closed” cannot be opened and was skipped."]


def texts_seen(shell: Shell, table: str, *pictures: str) -> tuple[CommandResult, dict[str, str]]:
    seen = {}

    class Reading(ScriptedScorer):
        def prepare(self, picture: EncodedPicture) -> ScriptedImage:
            seen[picture.candidate.name] = picture.candidate.text
            return super().prepare(picture)

    shell.scorer = Reading(judge=number)
    Path("titles.csv").write_bytes(table.encode("utf-8-sig"))
    return shell("rank", "a dog", *pictures, "--text", "titles.csv"), seen


def test_texts_are_matched_by_path_or_by_file_name(shell: Shell) -> None:
    Path("in").mkdir()
    write(a=1, b=2, c=3)
    Path("c.png").rename("in/c.png")
    table = 'path,price,text\na.png,3,"红色, a toy"\nelsewhere/c.png,4,a mug\nother.png,5,a hat\n'
    done, seen = texts_seen(shell, table, "a.png", "b.png", "in")
    assert done.code == DONE
    assert seen == {"a.png": "红色, a toy", "b.png": "", "in/c.png": "a mug"}
    assert "2 of 3 pictures have a text." in done.said


def test_an_ambiguous_file_name_is_matched_by_path_only(shell: Shell) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "1.png").write_bytes(b"1" if folder == "a" else b"2")
    _, seen = texts_seen(shell, "path,text\na/1.png,of a\n", "a", "b")
    assert seen == {"a/1.png": "of a", "b/1.png": ""}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("name,title\na.png,b\n", "columns path and text"),
        ("", "columns path and text"),
        ("path,text\nz.png,b\n", "no text for any of the pictures"),
        ("path,text\na.png,\n", "no text for any of the pictures"),
        ("path,text\na.png,one\nb.png,x\na.png,two\n", "several texts for “a.png”; the second one is on line 4"),
        ("path,text\na.png,a cat, asleep\n", "more cells than columns on line 2"),
        ("path,text,text\na.png,one,two\n", "several columns “text”"),
        ('path,text\na.png,"a title\nb.png,another\n', "a quote that is not closed"),
        ('path,text\na.png,"a title" of it\n', "a quote that is not closed"),
    ],
)
def test_a_file_without_matching_texts_is_reported(shell: Shell, table: str, words: str) -> None:
    write(a=1)
    done, _ = texts_seen(shell, table, "a.png")
    assert done.code == USAGE_ERROR
    assert len(done.said) == 1
    assert words in done.said[0]


@pytest.mark.parametrize("name", ["gone.csv", "latin.csv", "."])
def test_an_unreadable_file_of_texts_is_reported(shell: Shell, name: str) -> None:
    write(a=1)
    Path("latin.csv").write_bytes("path,text\na.png,Größe\n".encode("latin-1"))
    done = shell("rank", "a dog", "a.png", "--text", name)
    assert (done.code, len(done.said)) == (USAGE_ERROR, 1)

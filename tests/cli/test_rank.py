"""The command line: the result on stdout, messages on stderr, exit codes.

Most tests call `main` with a scorer whose answers are arithmetic; the last ones start the program with the toybox.
"""

import json
import logging
import math
import os
import random
import re
import shlex
import signal
import stat
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from typer.main import get_command

import reranker
from reranker import Query, Reranker, Settings
from reranker.cli.console import DONE, FAILED, INTERRUPTED, USAGE_ERROR
from reranker.cli.main import application, main
from reranker.core.errors import CheckpointBroken
from reranker.core.scores import shown_score
from reranker.core.types import Candidate
from reranker.export.rows import COLUMNS
from reranker.images.formats import PICTURE_SUFFIXES
from tests.support.scripted_scorer import PATIENCE_S, ScriptedImage, ScriptedScorer, checksum, number
from tests.support.shell import CommandResult, Shell, ended, read_csv, scripted, started, write

COMMANDS = get_command(application()).commands
EMPTY_QUERY = "The sentence is empty; write what the pictures should show."


# The result


def test_json_format(shell: Shell) -> None:
    write(a=-1.5, b=2.25)
    done = shell.json("海边 a dog", "a.png", "gone.png", "b.png")
    assert done.code == DONE
    assert list(done.result) == ["query", "model", "fingerprint", "judged_by", "results"]
    assert (done.result["query"], done.result["model"]) == ("海边 a dog", "toybox")
    assert done.result["fingerprint"] == "scripted"
    assert [tuple(row) for row in done.result["results"]] == [COLUMNS] * 3
    assert [tuple(row.values())[:5] for row in done.result["results"]] == [
        (1, "b.png", "scored", shown_score(2.25), 2.25),
        (2, "a.png", "scored", shown_score(-1.5), -1.5),
        (None, "gone.png", "failed", None, None),
    ]
    assert [row["error"] for row in done.result["results"][:2]] == [None, None]
    assert done.result["results"][2]["error"].startswith("“gone.png” was not found")


def test_json_keeps_every_digit(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=checksum)
    write(a=1)
    (row,) = shell.json("a dog", "a.png").result["results"]
    assert row["log_odds"] == checksum(Query(text="a dog"), b"1")
    assert row["score"] == shown_score(row["log_odds"])


def test_csv_format(shell: Shell) -> None:
    write(a=0.5)
    done = shell("rank", "a dog", "a.png", "gone.png", "--format", "csv")
    best, gone = read_csv(done.out)
    assert tuple(best) == COLUMNS
    assert (best["rank"], best["path"], float(best["log_odds"]), best["error"]) == ("1", "a.png", 0.5, "")
    assert (gone["rank"], gone["status"], gone["score"], gone["log_odds"]) == ("", "failed", "", "")


def test_table_format(shell: Shell) -> None:
    write(a=9, b=0, c=0.001, d=-9)
    done = shell("rank", "a dog", "a.png", "b.png", "c.png", "d.png", "gone.png")
    assert done.out.splitlines() == [
        "rank  score      picture",
        "   1  10.0       a.png",
        "   2   5.002     c.png",
        "   3   5.000     b.png",
        "   4   0.0       d.png",
        "   -  failed     gone.png: “gone.png” was not found or is not a file; "
        "check that it was not moved or deleted, then add it again.",
    ]


def test_top_k_keeps_the_best_and_every_failure(shell: Shell) -> None:
    write(a=1, b=3, c=2)
    done = shell.json("a dog", "gone.png", "a.png", "b.png", "c.png", "--top-k", 2)
    assert done.paths == ["b.png", "c.png", "gone.png"]


def test_one_picture_is_enough(shell: Shell) -> None:
    write(a=1)
    assert shell.json("a dog", "a.png").paths == ["a.png"]


def test_paths_come_back_as_they_were_typed(shell: Shell) -> None:
    write(a=1)
    whole = Path("a.png").resolve()
    assert set(shell.json("a dog", "./a.png", whole).paths) == {"./a.png", str(whole)}


def test_exit_code_is_1_and_the_result_has_reasons_if_nothing_could_be_ranked(shell: Shell) -> None:
    done = shell.json("a dog", "gone.png", "lost.png")
    assert done.code == FAILED
    assert [row["status"] for row in done.result["results"]] == ["failed", "failed"]
    assert done.said == ["No picture could be scored; the result has the reason for each."]


def test_the_model_comes_from_the_option_then_the_environment_then_is_chosen(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(a=1)
    monkeypatch.delenv("RERANKER_MODEL")
    done = shell.json("a dog", "a.png")
    assert done.result["model"] == "toybox"
    assert "knows drawings, not photographs" in done.said[0]
    monkeypatch.setenv("RERANKER_MODEL", "~/other")
    monkeypatch.setenv("RERANKER_BATCH_TOKENS", "3")
    assert shell.json("a dog", "a.png").result["model"] == "~/other"
    assert shell.json("a dog", "a.png", "--model", "mine").result["model"] == "mine"
    assert shell.opened == Settings.of(model="mine", batch_tokens=3)


# Names


def test_names_of_every_script_come_back(shell: Shell) -> None:
    names = ["海边 的房子.png", "🐈.png", "é.png", "-1.png", "a\nb.png", "=1+1.png"]
    for name in names:
        Path(name).write_bytes(b"1")
    assert shell.json("a dog", "--", *names).paths == names
    read = [row["path"] for row in read_csv(shell("rank", "a dog", "--format", "csv", "--", *names).out)]
    assert read == [*names[:3], "'-1.png", "a\nb.png", "'=1+1.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is text")
def test_a_name_of_any_bytes_comes_back_from_json(shell: Shell) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        Path(name).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system has only names that are text")
    assert shell.json("a dog", ".").paths == [name]
    assert "caf\ufffd.png" in shell("rank", "a dog", name).out
    assert r"caf\udce9.png" in shell("rank", "a dog", name, "--format", "csv").out


def test_table_and_progress_have_no_control_characters(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reranker.cli.progress.LOG_INTERVAL_S", 0)
    name = "\x1b[31mred\r.png"
    Path(name).write_bytes(b"1")
    done = shell("rank", "a dog", name)
    assert "1/1 ·" in done.err
    assert "\ufffd[31mred\ufffd.png" in done.err
    assert "\ufffd[31mred\ufffd.png" in done.out
    assert "\x1b" not in done.out + done.err


# Folders


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


def close_folder(monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    """Let the system refuse to list a folder; permissions would not do for tests that run as root."""
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def test_an_unreadable_subfolder_is_skipped_and_reported(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("all/closed").mkdir(parents=True)
    Path("all/a.png").write_bytes(b"1")
    close_folder(monkeypatch, "all/closed")
    done = shell.json("a dog", "all", "--recursive")
    assert (done.code, done.paths) == (DONE, ["all/a.png"])
    assert done.said == ["The folder “all/closed” cannot be opened and was skipped."]


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["", "a.png"], EMPTY_QUERY),
        (["  ", "a.png"], EMPTY_QUERY),
        (["", "empty"], EMPTY_QUERY),
        (["x" * 1001, "a.png"], "The sentence has 1,001 characters; the limit is 1,000: shorten it."),
        (["a dog"], "Missing argument 'PATH'."),
        ([], "Missing argument 'QUERY'."),
        (["a dog", "empty"], "The folder “empty” has no pictures; add --recursive to search its subfolders, too."),
        (["a dog", "a.png", "empty", "--recursive"], "The folder “empty” and its subfolders have no pictures."),
        (["a dog", "closed"], "The folder “closed” cannot be opened; check its permissions."),
        (["a dog", "a.png", "--output", "empty"], None),
        (["a dog", "a.png", "--output", "gone/a.json"], None),
        (["a dog", "a.png", "--top-k", "0"], None),
        (["a dog", "a.png", "--top-k", "-3"], None),
        (["a dog", "a.png", "--top-k", "few"], None),
        (["a dog", "a.png", "--format", "xml"], None),
        (["a dog", "a.png", "--colour"], None),
    ],
)
def test_usage_errors_are_one_sentence_and_nothing_is_read(
    arguments: list[str], sentence: str | None, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(a=1)
    for name in ["empty", "closed"]:
        Path(name).mkdir()
    close_folder(monkeypatch, "closed")
    done = shell("rank", *arguments)
    assert (done.code, done.out) == (USAGE_ERROR, "")
    assert len(done.err.splitlines()) == 1
    assert sentence in {None, done.err.strip()}
    assert shell.scorer.read_names == []


@pytest.mark.parametrize("format_", ["zip", "html"])
def test_pictures_and_a_contact_sheet_go_into_a_file(shell: Shell, format_: str) -> None:
    write(a=1, b=2)
    done = shell("rank", "a dog", "a.png", "b.png", "--format", format_, "--output", "out")
    assert (done.code, done.out) == (DONE, "")
    data = Path("out").read_bytes()
    if format_ == "zip":
        assert zipfile.ZipFile(BytesIO(data)).namelist() == ["01_8.8_b.png", "02_7.3_a.png"]
    else:
        assert data.startswith(b"<!doctype html>")


# Verifying a result


def test_verify_lists_pictures_that_moved(shell: Shell) -> None:
    write(a=1, b=2, c="no number")
    Path("titles.csv").write_text("path,text\na.png,title\n")
    shell("rank", "a dog", ".", "gone.png", "--format", "json", "--output", "r.json", "--text", "titles.csv")
    same = shell("verify", "r.json")
    assert (same.code, same.out) == (DONE, "All 4 pictures have the same rank and score.\n")
    write(a=3.5)
    Path("gone.png").write_bytes(b"-1")
    moved = shell("verify", "r.json")
    assert moved.code == FAILED
    assert moved.out.splitlines() == [
        "3 of 4 pictures moved:",
        "#2 -> #1  log-odds +2.5000  a.png",
        "#1 -> #2  log-odds +0.0000  b.png",
        "failed then  gone.png",
    ]
    shell.scorer.with_info(fingerprint="other")
    assert "fingerprint differs" in shell("verify", "r.json").err


def test_verify_uses_the_settings_of_the_result_and_no_stored_scores(shell: Shell) -> None:
    write(a=1)
    shell("rank", "a dog", "a.png", "--format", "json", "--output", "r.json", "--model", "mine", "--detail", "high")
    shell("verify", "r.json")
    model = shell.opened.model
    assert (model.name, model.detail, model.precision) == ("mine", "high", "fp32")
    assert shell.opened.engine.score_store_mb == 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"judged_by": {}}', "\udcff"])
def test_verify_rejects_files_that_are_not_results(shell: Shell, content: str) -> None:
    Path("r.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    done = shell("verify", "r.json")
    assert (done.code, len(done.said)) == (USAGE_ERROR, 1)
    assert shell("verify", "gone.json").code == USAGE_ERROR


# Texts of pictures


def texts_seen(shell: Shell, table: str, *pictures: str) -> tuple[CommandResult, dict[str, str]]:
    seen = {}

    class Reading(ScriptedScorer):
        def prepare(self, candidate: Candidate) -> ScriptedImage:
            seen[candidate.name] = candidate.text
            return super().prepare(candidate)

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


def test_an_unsuitable_precision_is_reported(shell: Shell) -> None:
    write(a=math.nan, b=math.inf)
    done = shell("rank", "a dog", "a.png", "b.png")
    assert done.code == FAILED
    assert done.said[-1].startswith("No picture got a finite score in fp32")


def test_a_ranking_without_relevant_pictures_is_reported(shell: Shell) -> None:
    write(a=-1, b=-2)
    shell.scorer.with_info(relevance_threshold=5.0)
    assert "No picture matches: none scores 5 of 10 or more." in shell("rank", "a dog", "a.png", "b.png").said
    write(a=1)
    assert "No picture matches: none scores 5 of 10 or more." not in shell("rank", "a dog", "a.png", "b.png").said


def test_load_warnings_are_reported(shell: Shell) -> None:
    write(a=1)
    shell.scorer.with_info(load_warnings=("offloaded",))
    done = shell("rank", "a dog", "a.png")
    assert any("does not fit on the GPU" in line for line in done.said)


def test_an_invalid_setting_is_reported_by_its_name(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKER_PORT", "here")
    done = shell("rank", "a dog", "a.png")
    assert (done.code, done.out) == (USAGE_ERROR, "")
    assert done.said == ["The setting “port” is “here” but must be a whole number; correct it and start again."]


def test_an_unknown_command_is_reported(shell: Shell) -> None:
    done = shell("sort", "a dog", "a.png")
    assert (done.code, done.out, len(done.said)) == (USAGE_ERROR, "", 1)


def failing_reranker(error: Exception) -> Callable[[Settings], Reranker]:
    class Refusing(Reranker):
        def load(self) -> ScriptedScorer:
            raise error

    return lambda settings: Refusing(settings=settings)


def test_a_broken_model_is_reported_in_one_sentence(shell: Shell) -> None:
    error = CheckpointBroken(name="/home/me/mine", file="model.safetensors", reason="cut short")
    code = main(["rank", "a dog", "a.png"], open_reranker=failing_reranker(error))
    out, err = shell.capture.readouterr()
    assert (code, out) == (USAGE_ERROR, b"")
    assert len(err.splitlines()) == 1
    assert "“mine”".encode() in err


def test_a_missing_model_is_reported_by_its_name(shell: Shell, tmp_path: Path) -> None:
    code = main(["rank", "a dog", "a.png", "--model", str(tmp_path / "mine")])
    out, err = shell.capture.readouterr()
    assert (code, out) == (USAGE_ERROR, b"")
    assert err.decode().startswith("There is no folder “mine” on this machine")
    assert len(err.splitlines()) == 1


def test_unexpected_errors_are_reported_in_one_sentence(shell: Shell) -> None:
    code = main(["rank", "a dog", "a.png"], open_reranker=failing_reranker(RuntimeError("secret\nwords")))
    out, err = shell.capture.readouterr()
    assert (code, out) == (FAILED, b"")
    assert err.decode().startswith("An unexpected error occurred")
    assert len(err.splitlines()) == 1


# Streams and files


def test_progress_is_on_stderr_and_the_result_alone_on_stdout(shell: Shell) -> None:
    write(a=1, b=2, c=3)
    done = shell.json("a dog", ".")
    assert "3/3" in done.err
    assert done.said == []
    assert "3/3" not in done.out


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_file_holds_what_stdout_would(form: str, shell: Shell) -> None:
    Path("海.png").write_bytes(b"1")
    arguments = ["rank", "海边", "海.png", "gone.png", "--format", form]
    printed = shell(*arguments)
    written = shell(*arguments, "--output", "结果.txt")
    assert (written.code, written.out) == (DONE, "")
    assert Path("结果.txt").read_bytes().decode() == printed.out
    assert sorted(path.name for path in Path().iterdir()) == ["海.png", "结果.txt"]


def test_a_file_is_replaced_whole_and_keeps_its_permissions(shell: Shell) -> None:
    write(a=1)
    Path("old.json").write_text("old")
    Path("old.json").chmod(0o640)
    Path("link.json").symlink_to("old.json")
    with Path("old.json").open() as reading:
        shell.json("a dog", "a.png", "--output", "link.json")
        assert reading.read() == "old"
    assert json.loads(Path("old.json").read_text())["query"] == "a dog"
    assert stat.S_IMODE(Path("old.json").stat().st_mode) == 0o640
    assert Path("link.json").is_symlink()


def test_a_new_file_has_ordinary_permissions(shell: Shell) -> None:
    write(a=1)
    shell.json("a dog", "a.png", "--output", "new.json")
    Path("plain").touch()
    assert Path("new.json").stat().st_mode == Path("plain").stat().st_mode


def test_if_the_output_cannot_be_written_the_old_file_stays(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    write(a=1)
    Path("old.json").write_text("old")
    monkeypatch.setattr(Path, "write_bytes", full)
    done = shell.json("a dog", "a.png", "--output", "old.json")
    assert done.code == FAILED
    assert done.said == ["The result could not be written to “old.json”: No space left on device."]
    assert Path("old.json").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "old.json"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(shell: Shell) -> None:
    write(a=1)
    os.mkfifo("pipe")
    read: list[str] = []
    reading = threading.Thread(target=lambda: read.append(Path("pipe").read_text()), daemon=True)
    reading.start()
    assert shell.json("a dog", "a.png", "--output", "pipe").code == DONE
    reading.join(PATIENCE_S)
    assert json.loads(read[0])["query"] == "a dog"
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)


def test_an_interrupt_says_so_and_leaves_no_result(shell: Shell) -> None:
    def interrupt(query: Query, content: bytes) -> float:
        raise KeyboardInterrupt

    write(a=1)
    shell.scorer = ScriptedScorer(judge=interrupt)
    done = shell.json("a dog", "a.png", "--output", "a.json")
    assert (done.code, done.out, done.said) == (INTERRUPTED, "", ["Stopped."])
    assert not Path("a.json").exists()


# Help


def test_help_names_every_option_and_shows_how(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = shell("rank", "--help")
    assert (done.code, done.err) == (DONE, "")
    shown = re.sub(r"\x1b\[[\d;]*m", "", done.out)  # coloured where the environment asks for it
    words = [
        "QUERY",
        "PATH",
        "--model",
        "NAME|PATH",
        "--top-k",
        "--format",
        "table|json|csv|html|zip",
        "--output",
        "--recursive",
        "--precision",
        "auto|fp32|bf16|fp16|int8|nf4",
        "--scoring",
        "yes-no|rating",
        "--instruction",
        "--text",
        "--revision",
        "--queries",
        "--threshold",
        "--copy-top",
    ]
    assert [word for word in words if word not in shown] == []
    assert 'python -m reranker rank "a woman in a red dress" assets/gallery' in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_in_the_help_can_be_parsed(name: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = re.sub(r"\x1b\[[\d;]*m", "", shell(name, "--help").out)
    examples = re.findall(r"^ +(?:printf .* \| )?python -m reranker (\S+) ?(.*)$", shown, re.MULTILINE)
    assert len(examples) >= 2
    assert name in dict(examples)
    for called, arguments in examples:
        COMMANDS[called].make_context(called, shlex.split(arguments.partition(" > ")[0]))


def test_version(shell: Shell) -> None:
    assert shell("--version") == CommandResult(code=DONE, out=f"reranker {reranker.__version__}\n", err="")


def test_without_a_command_the_help_is_shown(shell: Shell) -> None:
    done = shell()
    assert (done.code, done.out) == (USAGE_ERROR, "")
    assert "rank" in done.err


# As a process of its own


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    return path


def test_a_closed_pipe_is_no_error(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a=1)
    read, written = os.pipe()
    os.close(read)
    with suppress(BrokenPipeError), open(written, "w") as closed_pipe:  # noqa: PTH123 - it has no path
        monkeypatch.setattr(sys, "stdout", closed_pipe)
        done = shell("rank", "a dog", "a.png")
    assert (done.code, done.said) == (DONE, [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_behind_stdout_is_reported(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a=1)
    with suppress(OSError), Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        done = shell("rank", "a dog", "a.png")
    assert (done.code, done.said) == (FAILED, ["The result could not be written: No space left on device."])


def test_ctrl_c_ends_the_program_without_a_traceback(picture: Path) -> None:
    judge = """
def judge(query, content):
    print("judging", flush=True)
    sys.stdin.read()
    return 1.0
given = {"judge": judge}
"""
    process = started(scripted(judge), "rank", "a dog", picture)
    assert process.stdout.readline() == b"judging\n"
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert (done.code, done.out, done.said) == (INTERRUPTED, "", ["Stopped."])


def test_the_log_is_written_only_with_verbose(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(query: Query, content: bytes) -> float:
        raise RuntimeError("why")

    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    shell.scorer = ScriptedScorer(judge=fail)
    write(a=1)
    quiet = shell("rank", "a dog", "a.png")
    monkeypatch.setattr(logging.root, "handlers", [])
    verbose = shell("--verbose", "rank", "a dog", "a.png")
    assert quiet.code == verbose.code == FAILED
    assert quiet.said == ["No picture could be scored; the result has the reason for each."]
    assert "RuntimeError: why" in verbose.err


def encoded(picture: Image.Image, kind: str) -> bytes:
    data = BytesIO()
    picture.save(data, kind)
    return data.getvalue()


@pytest.fixture
def mixed_folder(tmp_path: Path) -> Path:
    """Three good pictures and five that are broken in different ways, some of which make decoders print warnings."""
    noise = Image.effect_noise((240, 300), 90).convert("RGB")
    jpeg, tiff, png = (encoded(noise, kind) for kind in ("JPEG", "TIFF", "PNG"))
    files = {
        "good 2.jpg": jpeg,
        "good 10.tif": tiff,
        "海边/好.png": encoded(noise.rotate(90, expand=True), "PNG"),
        "bomb.png": png[:16] + bytes([0, 9, 0, 0, 0, 9, 0, 0]) + png[24:],
        "empty.png": b"",
        "fake.png": b"<html>not a picture</html>",
        "torn.jpg": jpeg[: len(jpeg) // 2],
        "torn.tif": tiff[:-300],
        "notes.txt": b"no picture, and not named like one",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_the_program_ranks_a_mixed_folder_with_the_toybox(mixed_folder: Path) -> None:
    done = ended(started(["-m", "reranker"], "rank", "海边 a dog", mixed_folder, "--recursive", "--format", "json"))
    assert (done.code, done.said) == (DONE, ["No picture matches: none scores 5 of 10 or more."])
    assert "8/8" in done.err
    assert done.result["model"] == "toybox"
    assert len(done.result["fingerprint"]) == 32
    scored = [row for row in done.result["results"] if row["status"] == "scored"]
    failed = [row for row in done.result["results"] if row["status"] == "failed"]
    assert {Path(row["path"]).name for row in scored} == {"good 2.jpg", "good 10.tif", "好.png"}
    assert [row["rank"] for row in scored] == [1, 2, 3]
    assert [row["log_odds"] for row in scored] == sorted((row["log_odds"] for row in scored), reverse=True)
    assert all(0 <= row["score"] <= 10 and row["error"] is None for row in scored)
    assert [Path(row["path"]).name for row in failed] == ["bomb.png", "empty.png", "fake.png", "torn.jpg", "torn.tif"]
    assert all(f"“{Path(row['path']).name}”" in row["error"] for row in failed)
    assert all(row["rank"] is row["score"] is row["log_odds"] is None for row in failed)

"""Where the result goes: stdout, a file, a pipe; and in which format."""

import json
import os
import stat
import sys
import threading
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest

from reranker import Query
from reranker.cli.console import DONE, FAILED
from reranker.core.scores import shown_score
from reranker.export.rows import COLUMNS
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, checksum
from tests.support.shell import Shell, read_csv, write


def test_json_format(shell: Shell) -> None:
    write(a=-1.5, b=2.25)
    done = shell.json("海边 a dog", "a.png", "gone.png", "b.png")
    assert done.code == DONE
    assert list(done.result) == ["query", "exclude", "example", "model", "fingerprint", "judged_by", "results"]
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

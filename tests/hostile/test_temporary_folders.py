"""What a program that was killed has left is removed by the next one, and nothing else is."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reranker.cli.console import DONE
from reranker.server import serving
from reranker.storage.temporary_folder import LOCK_NAME, remove_abandoned, temporary_folder
from tests.support.paths import ROOT
from tests.support.shell import Shell

Start = Callable[[], tuple[subprocess.Popen, Path]]

PROGRAM = """
import os, sys
from reranker.ui import gradio_environment
gradio_environment.prepare()
print(os.environ["GRADIO_TEMP_DIR"], flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def system_folder(tmp_path: Path, monkeypatch) -> Path:
    """The system's folder for temporary files, in this process and in those that it starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program that has prepared its folder for uploads, and return it with the folder."""
    with ExitStack() as stack:

        def start() -> tuple[subprocess.Popen, Path]:
            command = [sys.executable, "-c", PROGRAM]
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process, Path(process.stdout.readline().strip())

        yield start


def abandoned(parent: Path, name: str = "reranker-dead") -> Path:
    folder = parent / name
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "upload.png").write_text("private")
    (folder / LOCK_NAME).touch()
    return folder


def test_the_next_start_removes_what_a_killed_program_has_left(system_folder: Path, start: Start) -> None:
    killed, left = start()
    running, kept = start()
    for folder in (left, kept):
        (folder / "upload.png").write_text("private")
    killed.kill()
    killed.wait()
    assert left.exists()
    last, own = start()
    assert (left.exists(), left.parent.exists(), (kept / "upload.png").exists(), own.exists()) == (
        False,
        False,
        True,
        True,
    )
    for process in (running, last):
        process.communicate("end\n")
        assert process.returncode == 0
    assert list(system_folder.iterdir()) == []


def test_a_folder_that_the_user_names_is_never_removed(system_folder: Path, start: Start, monkeypatch) -> None:
    named = system_folder / "reranker-named"
    named.mkdir()
    (named / "upload.png").write_text("1")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(named))
    killed, folder = start()
    killed.kill()
    killed.wait()
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    process, _ = start()
    process.communicate("end\n")
    assert folder == named
    assert (named / "upload.png").exists()


def test_only_what_is_certainly_abandoned_is_removed(system_folder: Path, tmp_path: Path) -> None:
    elsewhere = abandoned(tmp_path, "elsewhere")
    (system_folder / "reranker-link").symlink_to(elsewhere, target_is_directory=True)
    (system_folder / "reranker-file").write_text("1")
    (system_folder / "reranker-without-lock").mkdir()
    abandoned(system_folder, "other-program")
    folder = abandoned(system_folder)
    (folder / "files" / "linked").symlink_to(elsewhere, target_is_directory=True)
    with temporary_folder() as running:
        remove_abandoned(system_folder)
        assert running.is_dir()
    assert sorted(path.name for path in system_folder.iterdir()) == [
        "other-program",
        "reranker-file",
        "reranker-link",
        "reranker-without-lock",
    ]
    assert (elsewhere / "files" / "upload.png").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make folders of other users")
def test_folders_of_other_users_are_kept(system_folder: Path) -> None:
    folder = abandoned(system_folder)
    os.chown(folder, 12345, 12345)
    remove_abandoned(system_folder)
    assert (folder / "files" / "upload.png").exists()


def test_label_removes_what_was_left_and_leaves_nothing(
    system_folder: Path, folder: Path, shell: Shell, monkeypatch
) -> None:
    left, while_it_ran = abandoned(system_folder), []
    monkeypatch.setattr(serving, "serve_application", lambda *_: while_it_ran.extend(system_folder.iterdir()))
    assert shell("label", folder).code == DONE
    assert len(while_it_ran) == 1
    assert left not in while_it_ran
    assert list(system_folder.iterdir()) == []

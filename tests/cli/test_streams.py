"""Streams that are closed, full, or read by nobody: one sentence, an exit code, and nothing else."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import pytest

from reranker.cli import streams
from reranker.cli.console import DONE, FAILED, USAGE_ERROR, print_bytes, say
from reranker.cli.main import main
from tests.support.shell import Shell, ended, started, write

CLOSED = "stdout is closed, so the result cannot be written; leave it open, or send it to a file."
Target = Path | int | None  # of a stream: a file, a descriptor, or closed
Start = Callable[[Target, Target], None]
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a file that is always full")


@pytest.mark.parametrize(
    "arguments",
    [
        ["rank", "a dog", "a.png"],
        ["rank", "a dog", "a.png", "--format", "json"],
        ["watch", ".", "a dog"],
        ["evaluate", "toybox:2:2"],
        ["verify", "result.json"],
        ["benchmark", "--images", "2"],
        ["memory"],
        ["parity"],
        ["doctor"],
        ["--version"],
    ],
)
def test_a_command_whose_stdout_is_closed_says_so_before_it_works(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    write(a=1)
    monkeypatch.setattr(sys, "stdout", None)
    done = shell(*arguments)
    assert (done.code, done.out, done.said) == (USAGE_ERROR, "", [CLOSED])


def test_a_result_that_goes_into_a_file_needs_no_stdout(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a=1)
    monkeypatch.setattr(sys, "stdout", None)
    assert shell("rank", "a dog", "a.png", "--output", "result.txt").code == DONE
    assert "a.png" in Path("result.txt").read_text()


def test_queries_from_a_closed_stdin_are_a_mistake_in_the_call(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a=1)
    monkeypatch.setattr(sys, "stdin", None)
    done = shell("rank", "--queries", "-", "a.png")
    assert (done.code, done.out, len(done.said)) == (USAGE_ERROR, "", 1)
    assert done.said[0].startswith("stdin is closed")
    assert shell("rank", "a dog", "a.png").code == DONE


@pytest.fixture
def closed_pipe() -> Iterator[int]:
    """The end for writing of a pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Prepare the streams of this process as if it had been started with these targets of stdout and stderr."""
    with ExitStack() as stack:

        def opened(target: Target) -> TextIO | None:
            if target is None:
                return None
            # Without a buffer, closing writes nothing more.
            raw = stack.enter_context(open(target, "wb", buffering=0, closefd=not isinstance(target, int)))
            return io.TextIOWrapper(raw, encoding="utf-8", write_through=True)

        def start_with(out: Target, err: Target) -> None:
            monkeypatch.setattr(sys, "stdout", opened(out))
            monkeypatch.setattr(sys, "stderr", opened(err))
            stack.enter_context(streams.prepared())

        yield start_with


@needs_full
@pytest.mark.parametrize("arguments", [["rank", "a dog", "a.png"], ["--help"], ["rank", "--help"], ["--version"]])
def test_output_that_cannot_be_written_fails_with_one_sentence(
    shell: Shell, start: Start, arguments: list[str]
) -> None:
    write(a=1)
    start(FULL, Path("said.txt"))
    code = main(arguments, open_reranker=shell.open_reranker)
    said = [line for line in Path("said.txt").read_text().splitlines() if "pictures/s" not in line and line.strip()]
    assert code == FAILED
    assert len(said) == 1
    assert said[0].endswith("could not be written: No space left on device.")
    sys.stdout.write("what is left when the program ends")
    sys.stdout.flush()


@pytest.mark.parametrize("arguments", [["rank", "a dog", "a.png"], ["--help"], ["--version"]])
def test_a_reader_who_leaves_early_is_no_error(
    shell: Shell, start: Start, closed_pipe: int, arguments: list[str]
) -> None:
    write(a=1)
    start(closed_pipe, closed_pipe)
    assert main(arguments, open_reranker=shell.open_reranker) == DONE
    sys.stdout.flush()


@needs_full
def test_what_is_said_to_nobody_stops_nothing(start: Start, tmp_path: Path, closed_pipe: int) -> None:
    for target in (FULL, closed_pipe, None):
        start(tmp_path / "result", target)
        say("a message")
        say("another")
        print_bytes("the result: 猫".encode())
        assert (tmp_path / "result").read_text(encoding="utf-8") == "the result: 猫"


def called(redirections: str, *arguments: str) -> subprocess.Popen:
    """The program with streams that a shell has closed."""
    script = f'exec "$0" "$@" {redirections}'
    return started(
        ["-c", "import os, sys; os.execvp('sh', ['sh', '-c', *sys.argv[1:]])", script, sys.executable], *arguments
    )


def test_the_program_ends_quietly_if_all_its_streams_are_closed() -> None:
    done = ended(called("<&- >&- 2>&-", "-m", "reranker", "rank", "a dog", "assets/gallery"))
    assert (done.code, done.out, done.err) == (USAGE_ERROR, "", "")


def test_no_file_takes_the_number_of_a_closed_stream() -> None:
    program = """
import os
from reranker.cli import streams
with streams.prepared():
    os._exit(os.open(".", os.O_RDONLY))
"""
    assert ended(called("<&- >&- 2>&-", "-c", program)).code > 2


@pytest.mark.extended
def test_the_program_ranks_with_a_closed_stderr() -> None:
    done = ended(called("2>&-", "-m", "reranker", "rank", "a black cat", "assets/gallery"))
    assert (done.code, done.err) == (DONE, "")
    assert len(done.out.splitlines()) == 25

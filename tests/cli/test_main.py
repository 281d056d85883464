"""Help, version, errors that are one sentence, the log, and Ctrl-C."""

import logging
import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

import reranker
from reranker import Query, Reranker, Settings
from reranker.cli.console import DONE, FAILED, INTERRUPTED, USAGE_ERROR
from reranker.cli.main import application, main
from reranker.core.errors import CheckpointBroken
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.shell import CommandResult, Shell, ended, scripted, started, write

COMMANDS = get_command(application()).commands


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


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    return path


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

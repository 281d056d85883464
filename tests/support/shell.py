"""The command line as tests call it: in this process with a scripted scorer, or as a program of its own."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from reranker import Reranker, Settings
from reranker.cli.main import main
from tests.support.paths import ROOT
from tests.support.scripted_scorer import ScriptedScorer

HUNG_AFTER_S = 600  # a busy machine needs minutes to import torch


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """The exit code and the output of a call."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict:
        return json.loads(self.out)

    @property
    def said(self) -> list[str]:
        """The lines on stderr without those of the progress."""
        return [line for line in self.err.splitlines() if line and "pictures/s" not in line]

    @property
    def paths(self) -> list[str]:
        return [row["path"] for row in self.result["results"]]


@dataclass(kw_only=True)
class Shell:
    """Calls `main` with a scripted scorer and keeps the settings that the reranker was opened with."""

    capture: pytest.CaptureFixture
    scorer: ScriptedScorer
    opened: Settings | None = None

    def __call__(self, *arguments: object) -> CommandResult:
        code = main([str(each) for each in arguments], open_reranker=self.open_reranker)
        out, err = self.capture.readouterr()
        return CommandResult(code=code, out=out.decode(), err=err.decode())

    def json(self, *arguments: object) -> CommandResult:
        return self("rank", "--format", "json", *arguments)

    def open_reranker(self, settings: Settings) -> Reranker:
        self.opened = settings
        return Reranker(settings=settings, scorer=self.scorer)


def write(**contents: float) -> None:
    """Write pictures into the current folder: write(a=1.5) makes a.png with log-odds of 1.5."""
    for name, content in contents.items():
        Path(f"{name}.png").write_bytes(str(content).encode())


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline="")))


SCRIPTED = """
import sys
from reranker import Reranker
from reranker.cli.main import main
from tests.support.scripted_scorer import ScriptedScorer
{judge}
sys.exit(main(sys.argv[1:], open_reranker=lambda settings: Reranker(settings=settings, scorer=ScriptedScorer(**given))))
"""


def started(command: list[str], *arguments: object, **options) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RERANKER_")}
    environment["RERANKER_MODEL"] = "toybox"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([sys.executable, *command, *map(str, arguments)], cwd=ROOT, env=environment, **streams)


def ended(process: subprocess.Popen) -> CommandResult:
    out, err = process.communicate(timeout=HUNG_AFTER_S)
    return CommandResult(code=process.returncode, out=(out or b"").decode(), err=err.decode())


def scripted(judge: str) -> list[str]:
    return ["-c", SCRIPTED.format(judge=judge)]

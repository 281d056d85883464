"""The program as an installed package: what belongs to it, and the command that shells complete."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from reranker.config.paths import ASSETS

ROOT = Path(__file__).parents[1]
PACKAGING = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def test_every_package_is_named() -> None:
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "reranker").rglob("__init__.py")}
    assets = {f"reranker.assets.{folder.name}" for folder in ASSETS.iterdir() if folder.is_dir()}
    assert set(PACKAGING["packages"]) == packages | assets


def test_every_file_that_is_no_module_is_named() -> None:
    others = [path for path in (ROOT / "reranker").rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}]
    named = {
        path
        for package, patterns in PACKAGING["package-data"].items()
        if "assets" not in package
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    assert set(others) == named


@pytest.mark.parametrize(
    ("words", "completed"),
    [("reranker wa", "watch"), ("reranker rank --sc", "--scoring"), ("reranker serve --ap", "--api-key")],
)
def test_a_shell_completes_commands_and_options(words: str, completed: str) -> None:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_RERANKER_COMPLETE": "complete_bash"}
    command = [sys.executable, "-c", "from reranker.__main__ import run; run()"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [completed]

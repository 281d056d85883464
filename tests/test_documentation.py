"""The documents name settings, files and packages that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from reranker.cli.main import application
from reranker.config.settings import PREFIX, Setting, all_settings
from tests.support.paths import ROOT

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PATH = re.compile(r"`((?:reranker|tests|docs|assets)/[\w./-]+|[\w/]+\.(?:py|js|jinja))`")
FILES_ROW = re.compile(r"^\| `(reranker/[\w/]+)` \| (.+) \|$", re.MULTILINE)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def option_names() -> dict[str, str]:
    """The option of `serve` for each setting."""
    command: Any = typer.main.get_command(application())
    return {str(option.name): option.opts[0] for option in command.commands["serve"].params}


def shown_default(default: Any) -> str:
    """A default as it is written into an environment variable; empty if there is none."""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return "" if default in ("", ()) else f"`{text}`"


def settings_row(setting: Setting, option: str) -> str:
    cells = (f"`{PREFIX}{setting.key.upper()}`", f"`{option}`", shown_default(setting.default), setting.help_text)
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def test_the_settings_are_documented() -> None:
    """If this fails, copy the expected rows into docs/settings.md."""
    options = option_names()
    rows = re.findall(rf"^\| `{PREFIX}.*$", read("docs/settings.md"), re.MULTILINE)
    assert rows == [settings_row(setting, options[setting.key]) for setting in all_settings()]


def test_the_architecture_names_every_package() -> None:
    text = read("docs/architecture.md")
    packages = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "reranker").rglob("*.py")}
    assert packages - {"reranker"} == {name for name, _ in FILES_ROW.findall(text)}


def test_files_that_the_architecture_names_exist() -> None:
    text = read("docs/architecture.md")
    in_rows = {f"{package}/{name}" for package, cells in FILES_ROW.findall(text) for name in PATH.findall(cells)}
    elsewhere = set(PATH.findall(FILES_ROW.sub("", text)))
    assert in_rows
    assert {name for name in in_rows | elsewhere if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []

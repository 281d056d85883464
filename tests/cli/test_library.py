"""`index` and `search`: a library on the command line."""

from pathlib import Path

import pytest

from reranker.cli.console import DONE, FAILED, USAGE_ERROR
from tests.support.dual_encoders import siglip_folder
from tests.support.numbered_pictures import number_in, numbered_gallery
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.shell import CommandResult, Shell


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return siglip_folder(tmp_path_factory.mktemp("siglip"), 1)


class LibraryShell:
    """Calls the commands of libraries with a tiny encoder."""

    def __init__(self, shell: Shell, encoder: Path) -> None:
        self._shell, self._options = shell, ("--encoder", encoder, "--library", "holidays")

    def index(self, *arguments: object) -> CommandResult:
        return self._shell("index", *arguments, *self._options)

    def search(self, *arguments: object) -> CommandResult:
        return self._shell("search", *arguments, *self._options)


@pytest.fixture
def commands(capfdbinary, tmp_path: Path, monkeypatch, encoder: Path) -> LibraryShell:
    monkeypatch.chdir(tmp_path)
    return LibraryShell(Shell(capture=capfdbinary, scorer=ScriptedScorer(judge=number_in)), encoder)


def test_what_was_indexed_is_found_best_first(commands: LibraryShell, tmp_path: Path) -> None:
    numbered_gallery(tmp_path / "pictures", *range(12))
    done = commands.index("pictures")
    assert (done.code, done.said[-1]) == (DONE, "12 encoded")
    found = commands.search("a cat", "--top-k", 3, "--format", "json")
    assert found.code == DONE
    assert [Path(row["path"]).name for row in found.result["results"]] == ["11.png", "10.png", "9.png"]
    (tmp_path / "pictures" / "11.png").unlink()
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    done = commands.index("pictures")
    assert (done.code, done.said[-1]) == (FAILED, "11 unchanged, 1 removed, 1 failed")
    assert "broken.png" in done.said[-2]
    assert "11.png" not in commands.search("a cat").out


def test_mistakes_are_one_sentence(commands: LibraryShell, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    done = commands.index("a.png")
    assert (done.code, done.said) == (USAGE_ERROR, ["“a.png” is not a folder."])
    done = commands.search("a cat")
    assert (done.code, done.said[-1].partition(";")[0]) == (USAGE_ERROR, "The library “holidays” has no pictures")
    assert commands.search(" ").code == USAGE_ERROR
    Path("empty").mkdir()
    assert commands.index("empty").said[-1] == "There are no pictures."

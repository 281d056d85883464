"""`index` and `search`: a library on the command line."""

from pathlib import Path

import pytest
from filelock import FileLock

from reranker.cli.console import DONE, FAILED, USAGE_ERROR
from reranker.config.paths import data_folder
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
def shell(capfdbinary, tmp_path: Path, monkeypatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return Shell(capture=capfdbinary, scorer=ScriptedScorer(judge=number_in))


@pytest.fixture
def commands(shell: Shell, encoder: Path) -> LibraryShell:
    return LibraryShell(shell, encoder)


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
    assert (done.code, done.said[-1].partition(";")[0]) == (USAGE_ERROR, "There is no library “holidays”")
    done = commands.index()
    assert (done.code, done.said[-1].partition(";")[0]) == (USAGE_ERROR, "The library “holidays” knows no folder")
    Path("empty").mkdir()
    assert commands.index("empty").said[-1] == "There are no pictures."
    done = commands.search("a cat")
    assert (done.code, done.said[-1].partition(";")[0]) == (USAGE_ERROR, "The library “holidays” has no pictures")
    for wrong, said in {
        (" ",): "The sentence",
        (): "Write a sentence",
        ("a cat", "--since", "yesterday"): "The filter “since” is “yesterday” but must be 2024 |",
        ("a cat", "--type", "doc"): "The filter “type” is “doc” but must be AVIF | BMP",
        ("a cat", "--like", "none.png"): "The example",
    }.items():
        done = commands.search(*wrong)
        assert (done.code, done.said[-1].startswith(said)) == (USAGE_ERROR, True), done.said
    with FileLock(data_folder() / "libraries" / "holidays" / "index.lock"):
        assert "Another program is changing" in commands.index("empty").said[-1]


def test_searches_are_filtered_steered_and_written_as_asked(commands: LibraryShell, tmp_path: Path) -> None:
    numbered_gallery(tmp_path / "pictures" / "a", 1, 2)
    numbered_gallery(tmp_path / "pictures" / "b", 3, 4)
    commands.index("pictures")

    def names(*arguments: object) -> list[str]:
        found = commands.search(*arguments, "--format", "json")
        return [Path(row["path"]).name for row in found.result["results"]]

    assert names("a cat") == ["4.png", "3.png", "2.png", "1.png"]
    assert names("a cat", "--in", "pictures/a") == ["2.png", "1.png"]
    assert names("a cat", "--type", "png", "--since", "2020", "--recall", 1, "--min-px", 1) == names(
        "a cat", "--no-rerank", "--recall", 1
    )
    found = commands.search("a cat", "--until", "1999")
    assert (found.code, found.said[-1]) == (USAGE_ERROR, "No picture of the library passes the filters.")
    table = commands.search("a cat", "--no-rerank", "--like", "pictures/a/1.png").out.splitlines()
    assert (table[0], table[1].split()[-1].endswith("a/1.png")) == ("rank  cosine  name", True)
    assert len(commands.search("a cat", "--no-rerank", "--top-k", 2).out.splitlines()) == 3
    csv = commands.search("a cat", "--no-rerank", "--format", "csv").out.splitlines()
    assert (csv[0].lstrip("\ufeff"), len(csv)) == ("rank,path,similarity,width,height,date,sha256", 5)
    assert commands.search("a cat", "--no-rerank", "--format", "zip").code == USAGE_ERROR
    several = commands.search("a cat", "a dog", "--format", "json").result["queries"]
    assert [each["query"] for each in several] == ["a cat", "a dog"]


def test_libraries_are_listed_checked_and_removed(commands: LibraryShell, shell: Shell, tmp_path: Path) -> None:
    assert shell("libraries").said == ["There are no libraries; make one with: python -m reranker index DIR"]
    numbered_gallery(tmp_path / "pictures", 1, 2)
    commands.index("pictures")
    assert "pictures  2 (2 different, 0 unreadable)" in shell("libraries").out
    assert shell("libraries", "holidays", "--check").code == DONE
    (tmp_path / "pictures" / "1.png").unlink()
    checked = shell("libraries", "holidays", "--check")
    assert (checked.code, checked.said[-1]) == (FAILED, "  1 files are gone; call `index`.")
    assert shell("libraries", "--remove").code == USAGE_ERROR
    assert shell("libraries", "holidays", "--remove").code == DONE
    assert shell("libraries", "holidays").said[-1].startswith("There is no library “holidays”")
    assert len(list((tmp_path / "pictures").iterdir())) == 1


def test_another_encoder_is_refused_and_taken_on_request(commands, shell: Shell, tmp_path: Path) -> None:
    numbered_gallery(tmp_path / "pictures", 1, 2)
    commands.index("pictures")
    other = siglip_folder(tmp_path / "other", 2)
    options = ("--library", "holidays", "--encoder", other)
    assert "was made with the encoder" in shell("index", *options).said[-1]
    assert shell("index", "--again", *options).said[-1] == "2 encoded"
    assert shell("search", "a cat", "--library", "holidays").code == DONE, "the encoder is that of the library"


@pytest.mark.extended
def test_the_backend_is_measured_or_remembered(shell: Shell, tmp_path: Path, encoder: Path) -> None:
    numbered_gallery(tmp_path / "pictures", 1, 2)
    done = shell("index", "pictures", "--encoder", encoder, "--backend", "auto")
    assert done.code == DONE
    assert any(line.startswith("Backend: ") and "torch" in line and "onnx" in line for line in done.said), done.said
    assert shell("search", "a cat").code == DONE, "vectors of both can be compared"
    assert shell("search", "a cat", "--backend", "onnx").code == DONE

"""Names of models, and which of them are on this machine."""

import json
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from huggingface_hub import constants

from reranker.core.errors import CheckpointMissing, CheckpointNotDownloaded
from reranker.models.hub import (
    DOWNLOADED_FILES,
    INDEX,
    LARGE_GPU_BYTES,
    REPOSITORIES,
    Choice,
    choose,
    folder_of,
    is_missing,
    repository_of,
)

LYCHEE = REPOSITORIES["lychee"]
LARGE, SMALL = LARGE_GPU_BYTES, LARGE_GPU_BYTES - 1  # bytes of a GPU
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_names_of_the_hub_and_folders_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert repository_of("lychee") == "vec-ai/lychee-rerank-mm"
    assert repository_of("somebody/finer-lychee") == "somebody/finer-lychee"
    assert [repository_of(name) for name in ("toybox", "no such folder", "/no/such", "a/b/c", "~/mine")] == [None] * 5
    (tmp_path / "somebody" / "finer-lychee").mkdir(parents=True)
    assert repository_of("somebody/finer-lychee") is None
    assert folder_of("somebody/finer-lychee") == Path("somebody/finer-lychee")


def test_what_is_not_here_says_whether_it_can_be_fetched() -> None:
    with pytest.raises(CheckpointNotDownloaded):
        folder_of("lychee")
    with pytest.raises(CheckpointMissing):
        folder_of("no such folder")
    assert [is_missing(name) for name in ("lychee", "no such folder", "toybox")] == [True, False, False]


@pytest.mark.parametrize("name", ["./models", "../models", "a/b--c", "x/y.git", "a/b/c", "/no/such", ".../x"])
def test_what_is_no_id_of_the_hub_is_a_folder(name: str) -> None:
    assert repository_of(name) is None
    with pytest.raises(CheckpointMissing):
        folder_of(name)


def in_the_cache(repository: str) -> Path:
    """A snapshot of a model as the hub's library leaves it."""
    stored = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    snapshot = stored / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (stored / "refs").mkdir()
    (stored / "refs" / "main").write_text(COMMIT)
    for name in ("config.json", "model-1.safetensors", "model-2.safetensors"):
        (snapshot / name).write_bytes(b"")
    places = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    (snapshot / INDEX).write_text(json.dumps({"weight_map": places}))
    return snapshot


@pytest.fixture
def lychee_is_here() -> Iterator[Path]:
    snapshot = in_the_cache(LYCHEE)
    yield snapshot
    shutil.rmtree(snapshot.parents[1])


def test_auto_is_lychee_only_with_a_gpu_and_its_files(lychee_is_here: Path) -> None:
    assert choose("auto", "", lambda: LARGE) == Choice(name="lychee", reason="GPU", best="lychee")
    assert choose("auto", "", lambda: 0) == Choice(name="toybox", reason="no GPU")
    assert folder_of("lychee") == lychee_is_here
    assert folder_of("lychee", COMMIT) == lychee_is_here
    with pytest.raises(CheckpointNotDownloaded):
        folder_of("lychee", "v2")


@pytest.mark.parametrize("gone", ["config.json", "model-2.safetensors"])
def test_a_model_that_is_here_in_part_is_not_here(lychee_is_here: Path, gone: str) -> None:
    (lychee_is_here / gone).unlink()
    assert is_missing("lychee")
    assert choose("auto", "", lambda: LARGE).reason == "not downloaded"


def test_auto_prefers_the_2b_on_a_gpu_that_is_too_small_for_lychee(lychee_is_here: Path) -> None:
    assert choose("auto", "", lambda: SMALL).name == "lychee"  # nothing smaller is here
    small = in_the_cache(REPOSITORIES["qwen3-vl-reranker-2b"])
    try:
        assert choose("auto", "", lambda: SMALL).name == "qwen3-vl-reranker-2b"
        assert choose("auto", "", lambda: LARGE).name == "lychee"
        shutil.rmtree(lychee_is_here)
        assert choose("auto", "", lambda: LARGE).name == "qwen3-vl-reranker-2b"
        lychee_is_here.mkdir()
    finally:
        shutil.rmtree(small.parents[1])


def test_an_index_that_cannot_be_read_is_no_model(lychee_is_here: Path) -> None:
    (lychee_is_here / INDEX).write_text("{}")
    assert is_missing("lychee")


def test_auto_without_the_files_is_the_toybox_and_says_why() -> None:
    for memory, best in ((LARGE, "lychee"), (SMALL, "qwen3-vl-reranker-2b")):
        assert choose("auto", "", lambda: memory) == Choice(name="toybox", reason="not downloaded", best=best)  # noqa: B023


def test_a_name_is_taken_at_its_word() -> None:
    def never() -> int:
        raise AssertionError("nobody asks for a card")

    assert choose("mine", "", never).name == "mine"
    assert choose("mine", "", never).reason == "named"


@pytest.mark.parametrize(
    "file",
    ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "merges.txt", "vocab.txt"],
)
def test_every_file_that_a_tokenizer_or_a_processor_reads_is_downloaded(file: str) -> None:
    assert any(fnmatch(file, pattern) for pattern in DOWNLOADED_FILES)
    assert not any(
        fnmatch(name, pattern) for name in ("pytorch_model.bin", "modeling.py") for pattern in DOWNLOADED_FILES
    )

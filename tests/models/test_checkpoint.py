"""The checkpoint that comes with the program, and the files of others."""

import json
import shutil
from pathlib import Path

import pytest

from reranker.core.errors import CheckpointBroken
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.hub import TOYBOX


def test_the_checkpoint_on_the_disk_is_small_bfloat16_and_plain(checkpoint, reference):
    assert sum(parameter.numel() for parameter in reference.parameters()) <= 8_000_000
    assert (TOYBOX / "model.safetensors").stat().st_size <= 16_000_000
    assert {file.suffix for file in TOYBOX.iterdir()} <= {".json", ".safetensors", ".jinja", ".md"}
    assert checkpoint.detail_levels == (25, 49, 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the toybox, whose files a test may change."""
    return Path(shutil.copytree(TOYBOX, tmp_path / "model"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"min_pixels": 3136, "max_pixels": 1003520}, (3136, 1003520)),
        ({"size": {"shortest_edge": 3136, "longest_edge": 1003520}}, (3136, 1003520)),
        ({"size": {"shortest_edge": 1, "longest_edge": 2}, "min_pixels": 3136, "max_pixels": 1003520}, (3136, 1003520)),
        ({"size": {"shortest_edge": 784, "longest_edge": None}}, (784, 1280 * 784)),
        ({}, (4 * 784, 1280 * 784)),
    ],
)
def test_the_pixel_range_is_read_in_both_spellings(folder, fields, expected):
    write_preprocessor(folder, fields)
    settings = CheckpointFiles("model", folder).patch_settings(14)
    assert (settings.min_pixels, settings.max_pixels) == expected


@pytest.mark.parametrize("fields", [{"min_pixels": 10, "max_pixels": 5}, {"min_pixels": -1}, {"max_pixels": "many"}])
def test_a_pixel_range_that_is_none_is_refused(folder, fields):
    write_preprocessor(folder, fields)
    with pytest.raises(CheckpointBroken, match=r"preprocessor_config\.json"):
        CheckpointFiles("model", folder).patch_settings(14)


def write_preprocessor(folder: Path, fields: dict[str, object]) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(fields), encoding="utf-8")

"""Checkpoints of Qwen3-VL in every layout that is published give the same scores; settings are those of the files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reranker import Candidate, Query
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.loading import Checkpoint, load_checkpoint
from reranker.models.occlusion import grid_of, occluded
from tests.support.paths import GALLERY
from tests.support.qwen3_vl import PREPROCESSOR, PROPORTIONS, qwen3_vl_folder, qwen3_vl_network

PICTURES = sorted(GALLERY.glob("*.png"))[:3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return qwen3_vl_folder(tmp_path_factory.mktemp("published"))


def log_odds(checkpoint: Checkpoint) -> list[float]:
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    images = [scorer.prepare(scorer.identify(Candidate(name="", source=path))) for path in PICTURES]
    return [score.log_odds for score in scorer.score(Query(text="a cat"), images, "run")]


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[float]:
    return log_odds(load_checkpoint(str(folder), "cpu", "fp32"))


def shards(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    qwen3_vl_network("2b").save_pretrained(folder, max_shard_size="150KB")
    assert len(list(folder.glob("*.safetensors"))) > 2


def nested_settings(folder: Path) -> None:
    """As version 5 of transformers writes them."""
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": PREPROCESSOR}))


def other_spelling(folder: Path) -> None:
    """Of the pixel range."""
    settings = {key: value for key, value in PREPROCESSOR.items() if key != "size"}
    settings |= {"min_pixels": 4 * 32 * 32, "max_pixels": 1280 * 32 * 32}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize("change", [shards, nested_settings, other_spelling])
def test_every_layout_gives_the_same_scores(
    tmp_path: Path, expected: list[float], change: Callable[[Path], None]
) -> None:
    change(qwen3_vl_folder(tmp_path))
    assert log_odds(load_checkpoint(str(tmp_path), "cpu", "fp32")) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("proportions", PROPORTIONS)
def test_weights_have_the_names_that_are_published(tmp_path: Path, proportions: str) -> None:
    """Qwen3-VL has had these names from the start, unlike Qwen2.5-VL; a tied output matrix is not in the file."""
    names = set(load_file(qwen3_vl_folder(tmp_path, proportions) / "model.safetensors"))
    assert any(name.startswith("model.language_model.layers.0.self_attn.q_norm") for name in names)
    assert any(name.startswith("model.visual.deepstack_merger_list.0") for name in names)
    assert ("lm_head.weight" in names) == (proportions == "8b")


def test_the_settings_are_those_of_the_official_code(folder: Path) -> None:
    checkpoint = load_checkpoint(str(folder), "cpu", "fp32")
    assert checkpoint.instruction == "Given a search query, retrieve relevant candidates that answer the query."
    settings = checkpoint.patch_settings
    assert (settings.token_px, settings.mean, settings.std) == (32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert (settings.min_pixels, settings.max_pixels) == (4 * 1024, 1280 * 1024)


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.3), ("int8", 0.3), ("nf4", 1.5)])
def test_other_precisions_give_similar_scores(
    folder: Path, expected: list[float], precision: str, tolerance: float
) -> None:
    assert log_odds(load_checkpoint(str(folder), "cpu", precision)) == pytest.approx(expected, abs=tolerance)


def test_the_cache_counts_what_deepstack_takes(folder: Path) -> None:
    checkpoint = load_checkpoint(str(folder), "cpu", "fp32")
    cache = FeatureCache(10**8)
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=cache)
    (image,) = scorer.encode([scorer.prepare(scorer.identify(Candidate(name="", source=PICTURES[0])))], "run")
    states, tokens, hidden = image.features.states.shape
    assert (states, tokens, hidden) == (3, image.visual_tokens, 64)
    capacity = scorer.cache_capacity
    assert capacity == 10**8 // (states * scorer.info.visual_tokens * hidden * 4)


def test_occluded_cells_lose_their_deepstack_features_too(folder: Path) -> None:
    checkpoint = load_checkpoint(str(folder), "cpu", "fp32")
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    (image,) = scorer.encode([scorer.prepare(scorer.identify(Candidate(name="", source=PICTURES[0])))], "run")
    features = image.features
    first, *_, last = occluded(features, *grid_of(features))
    mean = features.states.mean(dim=1)
    torch.testing.assert_close(first.states[:, 0], mean)
    torch.testing.assert_close(last.states[:, -1], mean)
    torch.testing.assert_close(first.states[:, -1], features.states[:, -1])

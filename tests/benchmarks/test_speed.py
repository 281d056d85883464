"""Measuring: every way scores the same pictures with the same weights, and the figures are what they are called."""

import copy
import json
import math
import sys
from pathlib import Path
from statistics import median

import pytest
import torch

from reranker.benchmarks.methods import METHODS, Bench, available_methods
from reranker.benchmarks.model_shapes import open_model, picture_tflop, random_model
from reranker.benchmarks.speed import Options, as_table, benchmark, process_peak_bytes, write_pictures
from reranker.cli.main import main
from reranker.core.errors import ModelShapeUnknown
from reranker.core.types import Scored
from reranker.engine.torch_thread import TorchThread

SMALL = Options(geometry="2x128", images=4, rounds=2, visual_tokens=16, own_processes=False)


@pytest.fixture(scope="module")
def measured() -> dict:
    return benchmark(SMALL)


@pytest.fixture
def result(measured: dict) -> dict:
    return copy.deepcopy(measured)


def test_every_way_has_every_figure(result: dict) -> None:
    assert list(result["ways"]) == list(available_methods())
    for figures in result["ways"].values():
        assert figures.pop("peak_bytes") is None
        assert figures.pop("nominal_peak_share") is None
        assert all(math.isfinite(number) for number in figures.values())
        assert figures["images_per_s"] > 0
        assert 0 <= figures["reader_wait_share"] <= 1
        assert 0 < figures["first_result_ms"] <= 1000 * 4 / figures["images_per_s"] * 10
    assert result["device"] == "CPU"
    assert (result["precision"], result["visual_tokens"], result["images"]) == ("fp32", 16, 4)
    json.dumps(result)


def test_the_table_has_a_line_a_way(result: dict) -> None:
    lines = as_table(result).splitlines()
    assert [line.split()[0] for line in lines[-len(result["ways"]) :]] == list(result["ways"])


def test_pairs_and_batches_and_ours_score_alike(tmp_path: Path) -> None:
    torch_thread = TorchThread()
    bench = Bench(torch_thread.run(lambda: open_model("toybox", "cpu", "fp32")), torch_thread, 49, 10**8)
    paths = write_pictures(tmp_path, 5)  # none so large that ours decodes it to a part of its size
    alone, padded = (
        torch_thread.run(lambda method=method: list(METHODS[method](bench, paths))) for method in ("pairwise", "padded")
    )
    ours = {one.position: one.score.log_odds for one in METHODS["ours"](bench, paths) if isinstance(one, Scored)}
    assert padded == pytest.approx(alone, abs=1e-4)
    assert [ours[number] for number in range(5)] == pytest.approx(alone, abs=1e-4)


@pytest.mark.competitor
def test_the_cross_encoder_of_sentence_transformers_scores_alike(tmp_path: Path) -> None:
    torch_thread = TorchThread()
    bench = Bench(torch_thread.run(lambda: open_model("toybox", "cpu", "fp32")), torch_thread, 49, 10**8)
    paths = write_pictures(tmp_path, 10)
    alone, theirs = (
        torch_thread.run(lambda method=method: list(METHODS[method](bench, paths)))
        for method in ("pairwise", "sentence_transformers")
    )
    assert theirs == pytest.approx(alone, abs=0.01)  # torchvision enlarges and reduces a little differently
    assert bench.watch.busy_s > 0


def test_without_sentence_transformers_its_way_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert "sentence_transformers" not in available_methods()
    assert main(["benchmark", "--ways", "ours,sentence_transformers"]) == 2
    said = capsys.readouterr().err
    assert "“sentence_transformers” cannot be gone here" in said
    assert "torchvision" in said


def test_what_ours_knows_is_what_the_tower_alone_says(tmp_path: Path) -> None:
    torch_thread = TorchThread()
    bench = Bench(torch_thread.run(lambda: open_model("toybox", "cpu", "fp32")), torch_thread, 49, 10**8)
    paths = write_pictures(tmp_path, 30)
    list(METHODS["ours"](bench, paths))
    known = {one.position: one.score for one in METHODS["ours_known"](bench, paths) if isinstance(one, Scored)}
    tower = torch_thread.run(lambda: list(METHODS["language_tower"](bench, paths)))
    assert all(score.cached for score in known.values())
    assert [known[number].log_odds for number in range(30)] == pytest.approx(tower, abs=1e-4)


@pytest.mark.parametrize(("visual_tokens", "tflop"), [(256, 6.0), (512, 10.8), (1024, 20.6), (1280, 25.6)])
def test_operations_a_picture_are_those_worked_out_by_hand_for_the_7b(visual_tokens: int, tflop: float) -> None:
    model = random_model("7b", torch.device("meta"), "bf16")
    assert picture_tflop(model, visual_tokens, 100) == pytest.approx(tflop, rel=0.02)


@pytest.mark.parametrize(("geometry", "count"), [("7b", 8_292_166_656), ("3b", 3_754_622_976)])
def test_the_published_shapes_have_the_published_parameters(geometry: str, count: int) -> None:
    model = random_model(geometry, torch.device("meta"), "bf16")
    assert sum(parameter.numel() for parameter in model.network.parameters()) == count


@pytest.mark.parametrize("geometry", ["0x512", "12x100", "3x64"])
def test_a_shape_that_cannot_be_made(geometry: str) -> None:
    with pytest.raises(ModelShapeUnknown):
        open_model(geometry, "cpu", "fp32")


def test_the_command_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "figures.json"
    choices = [
        "--geometry",
        "2x128",
        "--visual-tokens",
        "16",
        "--images",
        "2",
        "--rounds",
        "1",
        "--ways",
        "ours,pairwise",
    ]
    assert main(["benchmark", *choices, "--output", str(output)]) == 0
    methods = json.loads(output.read_text())["ways"]
    assert list(methods) == ["pairwise", "ours"]
    assert all(method["peak_bytes"] > 50e6 for method in methods.values()), "processes with torch in them"
    assert "ours" in capsys.readouterr().out


def test_a_way_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--ways", "ours,theirs"]) == 2
    assert "theirs" in capsys.readouterr().err


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pictures() -> None:
    few, many = (
        median(process_peak_bytes(Options(images=images, vision_memory_mb=1), "ours") for _ in range(3))
        for images in (50, 500)
    )
    assert many <= 1.05 * few

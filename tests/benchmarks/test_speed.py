"""Every method scores the same pictures with the same weights, and the results are plausible."""

import copy
import json
import math
import sys
from pathlib import Path
from statistics import median

import pytest
import torch

from reranker.benchmarks.methods import METHODS, TEXT, BenchmarkSetup, available_methods
from reranker.benchmarks.model_shapes import open_model, picture_tflop, random_model
from reranker.benchmarks.speed import Options, as_table, benchmark, mean_tflop, process_peak_bytes, write_pictures
from reranker.cli.main import main
from reranker.core.errors import ModelShapeUnknown
from reranker.core.types import Scored
from reranker.engine.torch_thread import TorchThread
from reranker.models.loading import Checkpoint
from reranker.models.scoring.prompts import LYCHEE, encode_prompt
from tests.support.pretended_memory import PretendedGpu, pretend_memory

SMALL = Options(shape="2x128", images=2, rounds=1, visual_tokens=16, separate_processes=False)


@pytest.fixture(scope="module")
def measured() -> dict:
    return benchmark(SMALL)


@pytest.fixture
def result(measured: dict) -> dict:
    return copy.deepcopy(measured)


def test_every_method_has_every_value(result: dict) -> None:
    assert list(result["ways"]) == list(available_methods())
    for values in result["ways"].values():
        assert values.pop("peak_bytes") is None
        assert values.pop("nominal_peak_share") is None
        assert all(math.isfinite(number) for number in values.values())
        assert values["images_per_s"] > 0
        assert 0 <= values["reader_wait_share"] <= 1
        assert 0 < values["first_result_ms"] <= 1000 * 2 / values["images_per_s"] * 10
    assert result["device"] == "CPU"
    assert (result["precision"], result["visual_tokens"], result["images"]) == ("fp32", 16, 2)
    json.dumps(result)


def test_the_table_has_a_line_for_each_method(result: dict) -> None:
    lines = as_table(result).splitlines()
    assert [line.split()[0] for line in lines[-len(result["ways"]) :]] == list(result["ways"])


def test_pairwise_padded_and_ours_have_equal_scores(tmp_path: Path) -> None:
    torch_thread = TorchThread()
    setup = BenchmarkSetup(torch_thread.run(lambda: open_model("toybox", "cpu", "fp32")), torch_thread, 49, 10**8)
    paths = write_pictures(tmp_path, 5)  # none is so large that ours decodes it at a reduced size
    alone, padded = (
        torch_thread.run(lambda method=method: list(METHODS[method](setup, paths))) for method in ("pairwise", "padded")
    )
    ours = {one.position: one.score.log_odds for one in METHODS["ours"](setup, paths) if isinstance(one, Scored)}
    assert padded == pytest.approx(alone, abs=1e-4)
    assert [ours[number] for number in range(5)] == pytest.approx(alone, abs=1e-4)


def test_a_later_pass_has_the_budget_of_the_first_and_runs_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial batch would count as time to the first result."""
    gpu = PretendedGpu(total=10**9)
    monkeypatch.setattr(Checkpoint, "gpus", pretend_memory(monkeypatch, gpu))
    torch_thread = TorchThread()
    model = torch_thread.run(lambda: open_model("toybox", "cpu", "fp32"))
    model.checkpoint.model.vision.embedding.register_forward_pre_hook(lambda *_: gpu.run(10**6))
    setup = BenchmarkSetup(model, torch_thread, 49, 10**8)
    assert len(gpu.runs) == 2
    setup.scorer.budget.record_out_of_memory(100)
    setup.new_scorer()
    assert len(gpu.runs) == 2
    assert setup.scorer.batch_tokens == 50


@pytest.mark.baseline
@pytest.mark.parametrize("name", ["toybox", "qwen3_vl:3x128"])
def test_sentence_transformers_has_almost_equal_scores(tmp_path: Path, name: str) -> None:
    torch_thread = TorchThread()
    setup = BenchmarkSetup(torch_thread.run(lambda: open_model(name, "cpu", "fp32")), torch_thread, 49, 10**8)
    paths = write_pictures(tmp_path, 10)
    alone, theirs = (
        torch_thread.run(lambda method=method: list(METHODS[method](setup, paths)))
        for method in ("pairwise", "sentence_transformers")
    )
    assert theirs == pytest.approx(alone, abs=0.01)  # torchvision resizes a little differently
    assert setup.watch.busy_s > 0


def test_a_method_that_cannot_be_run_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert "sentence_transformers" not in available_methods()
    assert main(["benchmark", "--ways", "ours,sentence_transformers"]) == 2
    err = capsys.readouterr().err
    assert "“sentence_transformers” cannot be run here" in err
    assert "torchvision" in err


def test_ours_known_and_the_language_tower_have_equal_scores(tmp_path: Path) -> None:
    torch_thread = TorchThread()
    setup = BenchmarkSetup(torch_thread.run(lambda: open_model("toybox", "cpu", "fp32")), torch_thread, 49, 10**8)
    paths = write_pictures(tmp_path, 8)
    list(METHODS["ours"](setup, paths))
    cached = {one.position: one.score for one in METHODS["ours_known"](setup, paths) if isinstance(one, Scored)}
    tower = torch_thread.run(lambda: list(METHODS["language_tower"](setup, paths)))
    assert all(score.cached for score in cached.values())
    assert [cached[number].log_odds for number in range(8)] == pytest.approx(tower, abs=1e-4)


@pytest.mark.parametrize(("visual_tokens", "tflop"), [(256, 6.0), (512, 10.8), (1024, 20.6), (1280, 25.6)])
def test_operations_a_picture_are_those_computed_by_hand_for_the_7b(visual_tokens: int, tflop: float) -> None:
    model = random_model("7b", torch.device("meta"), "bf16")
    assert picture_tflop(model, visual_tokens, 100) == pytest.approx(tflop, rel=0.02)


@pytest.mark.parametrize(("shape", "count"), [("7b", 8_292_166_656), ("3b", 3_754_622_976)])
def test_published_shapes_have_the_published_number_of_parameters(shape: str, count: int) -> None:
    model = random_model(shape, torch.device("meta"), "bf16")
    assert sum(parameter.numel() for parameter in model.network.parameters()) == count


@pytest.mark.parametrize("shape", ["0x512", "12x100", "3x64"])
def test_an_invalid_shape_is_an_error(shape: str) -> None:
    with pytest.raises(ModelShapeUnknown):
        open_model(shape, "cpu", "fp32")


@pytest.mark.extended
def test_the_command_writes_its_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "figures.json"
    options = [
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
    assert main(["benchmark", *options, "--output", str(output)]) == 0
    methods = json.loads(output.read_text())["ways"]
    assert list(methods) == ["pairwise", "ours"]
    assert all(method["peak_bytes"] > 50e6 for method in methods.values()), "processes with torch in them"
    assert "ours" in capsys.readouterr().out


def test_an_unknown_method_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--ways", "ours,theirs"]) == 2
    assert "theirs" in capsys.readouterr().err


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pictures() -> None:
    few, many = (
        median(process_peak_bytes(Options(images=images, feature_cache_mb=1), "ours") for _ in range(3))
        for images in (50, 500)
    )
    assert many <= 1.05 * few


def test_operations_count_the_visual_tokens_that_a_picture_has(tmp_path: Path) -> None:
    """At 1,280 visual tokens a picture of 640 x 480 pixels has 23 x 17 of them."""
    torch_thread = TorchThread()
    setup = BenchmarkSetup(
        torch_thread.run(lambda: random_model("2x128", torch.device("cpu"), "fp32")), torch_thread, 1280, 10**8
    )
    prompt = encode_prompt(setup.model.checkpoint.tokenizer, LYCHEE, TEXT)
    expected = picture_tflop(setup.model, 23 * 17, len(prompt.before) + len(prompt.after))
    assert mean_tflop(setup, write_pictures(tmp_path, 1)) == pytest.approx(expected)

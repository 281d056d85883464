"""Computed values are marked; measured ones come from a process that loaded the model."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from reranker.benchmarks import memory
from reranker.benchmarks.encoder_shapes import encoder_bytes, parameter_count
from reranker.benchmarks.memory import CAPS_GIB, as_table
from reranker.benchmarks.speed import Options
from reranker.cli.main import main
from reranker.core.errors import CheckpointMissing
from reranker.models.memory_plan import GIB


@pytest.fixture
def one_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PRECISIONS", ("nf4",))


@pytest.mark.extended
@pytest.mark.usefixtures("one_precision")
def test_the_command_lists_what_fits_and_measures_a_local_model(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture
) -> None:
    output = tmp_path / "memory.json"
    assert main(["memory", "--images", "2", "--device", "cpu", "--output", str(output)]) == 0
    result = json.loads(output.read_text())
    assert result["device"] == "CPU"
    assert [(fit["cap_gib"], fit["fits"]) for fit in result["fits"]] == [
        (cap, cap in {24, 16, 12, 8}) for cap in CAPS_GIB
    ]
    assert all(fit["computed"] and fit["peak_bytes"] is None for fit in result["fits"])
    labels = result["labels"]
    pairs = zip(labels["fits"], result["fits"], strict=True)
    assert all(pair["needed_bytes"] > alone["needed_bytes"] for pair, alone in pairs)
    assert labels["encoder_alone_bytes"] < 2 * GIB
    assert labels["measured"]["images_per_s"] > 0
    (measured,) = result["measured"]
    assert measured["precision"] == "nf4"
    assert measured["peak_bytes"] > 50e6, "a process with torch in it"
    assert measured["images_per_s"] > 0
    assert measured["first_result_ms"] > 0
    table = capsysbinary.readouterr().out.decode()
    assert table == as_table(result)
    assert table.count("~fits") == 4 + 3
    assert table.count("~no") == 1 + 2


def test_running_out_of_memory_is_a_result_and_other_errors_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(options: Options, **_: bool) -> None:
        raise raised

    monkeypatch.setattr(memory, "open_setup", fail)
    raised: Exception = MemoryError()
    memory_use = memory.measure_memory_use(Options(precision="fp32", images=2), None)
    assert (memory_use.precision, memory_use.peak_bytes) == ("fp32", None)
    raised = CheckpointMissing(name="x")
    with pytest.raises(CheckpointMissing):
        memory.measure_memory_use(Options(images=2), None)


def test_a_model_with_layers_in_host_memory_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = SimpleNamespace(model=SimpleNamespace(checkpoint=SimpleNamespace(load_warnings=("offloaded",))))
    monkeypatch.setattr(memory, "open_setup", lambda options, **_: setup)
    assert memory.measure_memory_use(Options(precision="bf16", images=2), None).peak_bytes is None


def test_the_table_says_if_a_model_does_not_fit() -> None:
    result = {
        "geometry": "7b",
        "device": "CPU",
        "fits": [],
        "labels": {
            "encoder": "siglip2",
            "encoder_alone_bytes": 1,
            "fits": [],
            "measured": {"peak_bytes": 1, "first_result_ms": 1.0, "images_per_s": 1.0},
        },
        "here": "mine",
        "images": 2,
        "measured": [{"precision": "fp32", "peak_bytes": None, "first_result_ms": None, "images_per_s": None}],
    }
    assert as_table(result).splitlines()[-1].split() == ["fp32", "does", "not", "fit"]


@pytest.mark.parametrize(
    ("encoder", "published"),
    [("siglip2", 375e6), ("siglip2-so400m", 1.14e9), ("git-rsclip", 652e6), ("chinese-clip", 188e6)],
)
def test_the_shapes_of_dual_encoders_have_the_published_number_of_parameters(encoder: str, published: float) -> None:
    assert parameter_count(encoder) == pytest.approx(published, rel=0.005)


@pytest.mark.parametrize("encoder", ["siglip2", "chinese-clip"])
def test_a_base_encoder_alone_takes_less_than_two_gibibytes(encoder: str) -> None:
    assert encoder_bytes(encoder, alone=True) < 2 * GIB


@pytest.mark.usefixtures("one_precision")
@pytest.mark.parametrize("option", ["--geometry", pytest.param("--here", marks=pytest.mark.extended)])
def test_a_missing_model_is_a_usage_error(option: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["memory", option, "no such folder"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("There is no folder “no such folder”")


def test_an_invalid_shape_is_a_usage_error() -> None:
    assert main(["memory", "--geometry", "12x100"]) == 2


def test_an_output_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    assert main(["memory", "--output", str(tmp_path)]) == 2

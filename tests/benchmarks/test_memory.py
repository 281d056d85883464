"""Computed values are marked; measured ones come from a process that loaded the model."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from reranker.benchmarks import memory
from reranker.benchmarks.memory import CAPS_GIB, as_table
from reranker.benchmarks.speed import Options
from reranker.cli.main import main
from reranker.core.errors import CheckpointMissing


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
    (measured,) = result["measured"]
    assert measured["precision"] == "nf4"
    assert measured["peak_bytes"] > 50e6, "a process with torch in it"
    assert measured["images_per_s"] > 0
    assert measured["first_result_ms"] > 0
    table = capsysbinary.readouterr().out.decode()
    assert table == as_table(result)
    assert table.count("~fits") == 4
    assert table.count("~no") == 1


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
        "here": "mine",
        "images": 2,
        "measured": [{"precision": "fp32", "peak_bytes": None, "first_result_ms": None, "images_per_s": None}],
    }
    assert as_table(result).splitlines()[-1].split() == ["fp32", "does", "not", "fit"]


@pytest.mark.usefixtures("one_precision")
@pytest.mark.parametrize("option", ["--geometry", pytest.param("--here", marks=pytest.mark.extended)])
def test_a_missing_model_is_a_usage_error(option: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["memory", option, "no such folder"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("There is no folder “no such folder”")


def test_an_invalid_shape_is_a_usage_error() -> None:
    assert main(["memory", "--geometry", "12x100"]) == 2


def test_an_output_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    assert main(["memory", "--output", str(tmp_path)]) == 2

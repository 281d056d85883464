"""Scores are those of transformers, today and in the golden file; a difference is seen."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from reranker.benchmarks.model_shapes import Model, open_model
from reranker.benchmarks.parity import (
    EXAMPLES,
    GOLDEN_TOLERANCE,
    QUERIES,
    SIZES,
    ParityReport,
    as_table,
    measure_parity,
    read_golden_file,
)
from reranker.cli.main import main
from tests.support.paths import ROOT

GOLDEN = ROOT / "assets" / "parity" / "toybox.json"


@pytest.fixture(scope="module")
def model() -> Model:
    return open_model("toybox", "cpu", "fp32", all_on_device=False)


@pytest.fixture(scope="module")
def report(model: Model) -> ParityReport:
    return measure_parity(model)


def test_scores_of_the_toybox_are_those_of_transformers(report: ParityReport) -> None:
    assert len(report.scores) == len(SIZES) * (len(QUERIES) + len(EXAMPLES))
    assert report.largest_difference <= report.tolerance == 1e-3
    assert report.difference_from(read_golden_file(GOLDEN)) <= GOLDEN_TOLERANCE


@pytest.mark.extended
def test_scores_at_other_details_are_those_of_transformers(model: Model) -> None:
    for visual_tokens in (25, 64, 256):
        assert measure_parity(model, visual_tokens).largest_difference <= 1e-3


@pytest.mark.extended
def test_a_difference_is_seen(model: Model, report: ParityReport) -> None:
    """The patch embedding of this program, which transformers does not run, is a little off."""
    hook = model.checkpoint.model.vision.embedding.register_forward_hook(lambda _module, _inputs, output: 1.01 * output)
    try:
        wrong = measure_parity(model)
    finally:
        hook.remove()
    assert wrong.largest_difference > wrong.tolerance
    assert wrong.difference_from(report) > wrong.tolerance


def test_a_score_that_is_no_number_differs_most(report: ParityReport) -> None:
    first, *others = report.scores
    broken = replace(report, scores=(*others, replace(first, ours=math.nan)))
    assert broken.largest_difference == math.inf


def test_a_golden_file_of_other_weights_is_not_compared(report: ParityReport) -> None:
    with pytest.raises(ValueError, match="other weights"):
        report.difference_from(replace(report, digest="another"))


def test_the_golden_file_keeps_every_score(report: ParityReport, tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    path.write_text(report.as_json(), encoding="utf-8")
    assert read_golden_file(path) == report


def test_the_table_has_a_line_for_each_score(report: ParityReport) -> None:
    header, *lines, last = as_table(report).splitlines()
    assert header.split() == ["picture", "transformers", "ours", "difference", "query"]
    assert [line.split()[0] for line in lines] == [f"{width}x{height}" for width, height in SIZES] * (
        len(QUERIES) + len(EXAMPLES)
    )
    assert last.startswith("Largest difference in fp32: ")


@pytest.mark.extended
def test_the_command_compares_and_writes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, written = tmp_path / "golden.json", tmp_path / "scores.json"
    changed = json.loads(GOLDEN.read_text(encoding="utf-8"))
    changed["scores"][0]["transformers"] += 1
    path.write_text(json.dumps(changed), encoding="utf-8")
    assert main(["parity", "toybox", "--golden", str(path), "--output", str(written)]) == 1
    assert read_golden_file(written).largest_difference < 1e-3
    assert capfd.readouterr().err == "The scores differ by more than rounding explains.\n"


@pytest.mark.extended
def test_the_command_succeeds_where_scores_agree(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["parity", "toybox", "--golden", str(GOLDEN)]) == 0
    assert "Largest difference from the golden file: " in capfd.readouterr().out


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"scores": [{}]}'])
def test_another_file_is_no_golden_file(content: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    assert main(["parity", "toybox", "--golden", str(path)]) == 2
    assert "is not a golden file of this command." in capfd.readouterr().err
    assert main(["parity", "toybox", "--golden", str(tmp_path / "none.json")]) == 2
    assert "No such file" in capfd.readouterr().err

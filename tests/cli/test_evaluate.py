"""`evaluate` on the command line: its options, messages and files, and how it resumes."""

import csv
import json
from pathlib import Path

import pytest

from reranker import Query
from reranker.cli.console import DONE, FAILED, INTERRUPTED, USAGE_ERROR
from reranker.cli.main import main
from reranker.evaluation.datasets.json_lines import as_line
from reranker.storage.calibrations import CalibrationStore
from tests.support.scripted_scorer import ScriptedScorer, number
from tests.support.shell import CommandResult, Shell, write


def labels(*rows: tuple[str, list[str], list[str]], to: str = "labels.jsonl") -> str:
    Path(to).write_text("".join(as_line(*row) for row in rows), encoding="utf-8")
    return to


@pytest.fixture
def dataset(shell: Shell) -> str:
    """Two sets of three pictures; in one of them the relevant picture is ranked first."""
    write(a=3, b=2, c=1)
    names = ["a.png", "b.png", "c.png"]
    return labels(("a house", names, ["a.png"]), ("一只猫", names, ["b.png"]))


def results(folder: str) -> list[dict]:
    return json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))


def test_a_table_goes_to_stdout(shell: Shell, dataset: str) -> None:
    done = shell("evaluate", dataset)
    assert done.code == DONE
    assert "labels.jsonl: 2 sets, 6 pictures to rank" in done.out
    assert "50.0 %" in done.out
    assert "en (1)" in done.out
    assert "zh (1)" in done.out
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "b.png", "c.png", "labels.jsonl"]


def test_output_folder_has_report_results_runs_and_scores(shell: Shell, dataset: str) -> None:
    shell("evaluate", dataset, "--output", "new/results")
    (row,) = results("new/results")
    assert (row["model"], row["precision"], row["scoring"]) == ("toybox", "fp32", "yes-no")
    assert (row["sets"], row["first"], row["within_3"], row["mrr"]) == (2, 0.5, 1.0, 0.75)
    written = {str(path.relative_to("new/results")) for path in Path("new/results").rglob("*") if path.is_file()}
    assert {"report.html", "results.csv", "results.json", "qrels.trec", "scores.jsonl"} <= written
    assert sum(name.startswith("runs/") for name in written) == 1
    with Path("new/results/results.csv").open(encoding="utf-8", newline="") as file:
        assert [float(line["first"]) for line in csv.DictReader(file)] == [0.5]


def test_both_scoring_methods_are_compared(shell: Shell, dataset: str) -> None:
    done = shell("evaluate", dataset, "--scoring", "yes-no,rating", "--output", "out")
    assert [row["scoring"] for row in results("out")] == ["yes-no", "rating"]
    assert "significant in" in done.out
    assert shell.opened is not None
    assert shell.opened.model.scoring == "rating"  # loads the language head that ratings need


def test_models_and_precisions_are_all_opened(shell: Shell, dataset: str) -> None:
    opened = []
    shell.open_reranker, really = (
        lambda settings: (opened.append((settings.model.name, settings.model.precision)), really(settings))[1],
        shell.open_reranker,
    )
    shell("evaluate", dataset, "--model", "toybox,lychee", "--precision", "fp32, bf16,fp32")
    assert list(dict.fromkeys(opened)) == [
        ("toybox", "fp32"),
        ("toybox", "bf16"),
        ("lychee", "fp32"),
        ("lychee", "bf16"),
    ]


def test_the_same_call_again_scores_nothing(shell: Shell, dataset: str) -> None:
    shell("evaluate", dataset, "--output", "out")
    first, shell.scorer = results("out"), ScriptedScorer(judge=number)
    done = shell("evaluate", dataset, "--output", "out")
    assert (done.code, shell.scorer.scored) == (DONE, [])
    assert results("out") == first


def test_an_interrupted_evaluation_is_resumed(shell: Shell) -> None:
    def interrupted(query: Query, content: bytes) -> float:
        if query.text == "stop":
            raise KeyboardInterrupt
        return number(query, content)

    write(a=3, b=2)
    names = ["a.png", "b.png"]
    dataset = labels(("go", names, names[:1]), ("stop", names, names[:1]))
    shell.scorer = ScriptedScorer(judge=interrupted)
    stopped = shell("evaluate", dataset, "--output", "out")
    assert (stopped.code, "Traceback" in stopped.err) == (INTERRUPTED, False)
    assert len(Path("out/scores.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    shell.scorer = ScriptedScorer(judge=number)
    assert shell("evaluate", dataset, "--output", "out").code == DONE
    assert results("out")[0]["first"] == 1.0
    assert len(shell.scorer.scored) == 2


# Mistakes in the call


def usage_error(done: CommandResult) -> str:
    assert done.code == USAGE_ERROR
    assert "Traceback" not in done.err
    return done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scoring", "maybe"], "--scoring “maybe” is not one of yes-no, rating"),
        (["--detail", "auto"], "--detail “auto” is not one of low, usual, high or a number of visual tokens"),
        (["--precision", "fp8"], "fp8"),
        (["--output", "a.png"], "a.png"),
    ],
)
def test_usage_errors_are_reported_before_anything_is_scored(shell: Shell, dataset: str, arguments, words) -> None:
    assert words in usage_error(shell("evaluate", dataset, *arguments))
    assert shell.scorer.scored == []


def test_every_fault_of_a_dataset_is_reported_with_file_and_line(shell: Shell) -> None:
    write(a=1)
    Path("labels.jsonl").write_text(
        as_line("a house", ["a.png", "gone.png"], ["a.png"]) + "{\n" + as_line("a cat", ["a.png", "b.png"], []),
        encoding="utf-8",
    )
    err = usage_error(shell("evaluate", "labels.jsonl"))
    assert all(f"line {number}" in err for number in (1, 2, 3))
    assert "gone.png" in err
    assert str(Path().resolve()) not in err


def test_output_inside_the_dataset_is_rejected(shell: Shell) -> None:
    for name in ("cats/a.png", "dogs/b.png"):
        Path("photos", name).parent.mkdir(parents=True)
        Path("photos", name).write_bytes(str(len(name)).encode() if "cats" in name else b"1")
    assert "is inside the dataset" in usage_error(shell("evaluate", "photos:2:2", "--output", "photos/figures"))
    assert shell("evaluate", "photos:2:2", "--output", "figures").code == DONE


@pytest.mark.parametrize("name", ["results.json", "scores.jsonl"])
def test_output_that_would_replace_the_dataset_is_rejected(shell: Shell, name: str) -> None:
    Path("labels").mkdir()
    Path("labels", name).write_text("precious", encoding="utf-8")
    Path("link").symlink_to("labels", target_is_directory=True)
    error = usage_error(shell("evaluate", f"labels/{name}:2:2", "--output", "link"))
    assert "would replace the dataset" in error
    assert Path("labels", name).read_text(encoding="utf-8") == "precious"
    assert not Path("photos/figures").exists()


def test_a_query_that_is_too_long_is_reported_with_its_set(shell: Shell) -> None:
    write(a=1, b=2)
    err = usage_error(shell("evaluate", labels(("x" * 1001, ["a.png", "b.png"], ["a.png"]))))
    assert "Set “1” of labels.jsonl" in err
    assert "1,001" in err


def test_control_characters_are_not_printed(shell: Shell) -> None:
    write(a=2, b=1)
    record = {"query": "x", "pictures": ["a.png", "b.png"], "relevant": ["a.png"], "kinds": {"b.png": "\x1b[31mred"}}
    Path("labels.jsonl").write_text(json.dumps(record), encoding="utf-8")
    out = shell("evaluate", "labels.jsonl").out
    assert "red" in out
    assert "\x1b" not in out


def test_a_missing_dataset_is_reported(shell: Shell) -> None:
    assert "nowhere" in usage_error(shell("evaluate", "nowhere"))


def test_a_missing_model_is_left_out(shell: Shell, dataset: str) -> None:
    """Use the real `Reranker` with a model of the hub that is not on this machine."""
    code = main(["evaluate", dataset, "--model", "nobody/nothing", "--precision", "fp32"])
    out, err = shell.capture.readouterr()
    done = CommandResult(code=code, out=out.decode(), err=err.decode())
    assert done.code == FAILED
    assert "nobody/nothing" in done.err
    assert "Traceback" not in done.err


# Calibration


def twelve_sets(shell: Shell) -> str:
    """Twelve sets, ten of them ranked right, with scores that are closer to 5 than they should be."""
    write(a=0.2, b=-0.2)
    names = ["a.png", "b.png"]
    rows = ((f"query {number}", names, ["b.png" if number in (4, 7) else "a.png"]) for number in range(12))
    return labels(*rows)


def test_a_calibration_is_stored_only_with_the_option(shell: Shell) -> None:
    dataset = twelve_sets(shell)
    shell("evaluate", dataset)
    assert CalibrationStore.for_user().get("scripted") is None
    done = shell("evaluate", dataset, "--calibrate")
    kept = CalibrationStore.for_user().get("scripted")
    assert kept is not None
    assert kept.temperature < 0.5
    assert "scores are shown with the temperature" in done.err
    shell("evaluate", dataset, "--uncalibrate")
    assert CalibrationStore.for_user().get("scripted") is None


def test_a_calibration_without_improvement_is_not_stored(shell: Shell) -> None:
    write(a=2, b=-2)
    pairs = [["a.png"], ["b.png"]]
    rows = ((f"query {number}", ["a.png", "b.png"], pairs[number % 2]) for number in range(12))
    done = shell("evaluate", labels(*rows), "--calibrate")
    assert "did not improve" in done.err
    assert CalibrationStore.for_user().get("scripted") is None


def test_too_few_sets_are_not_calibrated(shell: Shell, dataset: str) -> None:
    done = shell("evaluate", dataset, "--calibrate")
    assert done.code == DONE
    assert "too few sets" in done.err

"""`evaluate --labels` on the command line: its options, messages and files, and how it resumes."""

import csv
import json
from pathlib import Path

import pytest

from reranker import Query
from reranker.cli.console import DONE, FAILED, INTERRUPTED, USAGE_ERROR
from reranker.cli.main import main
from reranker.core.errors import PictureUnreadable
from reranker.core.types import Candidate, LabelCalibration
from reranker.storage.calibrations import CalibrationStore
from tests.support.scripted_scorer import ScriptedScorer, content_of
from tests.support.shell import CommandResult, Shell

ALL = ("--labels", "animals.jsonl", "--candidates", "0")


def judge(query: Query, content: bytes) -> float:
    """Return 2 for each label that a picture spells, such as b"dog cat", 0.2 for a doubtful one, and else -2."""
    words = content.decode().split()
    return 2.0 if query.text in words else 0.2 if f"{query.text}?" in words else -2.0


@pytest.fixture
def dataset(shell: Shell) -> str:
    """Four pictures: two right ones, one with a label too many, and one with nothing."""
    shell.scorer = ScriptedScorer(judge=judge)
    animals = {"en": "animals", "zh": "动物"}
    rows = [{"en": "dog", "zh": "狗", "group": animals}, {"en": "cat", "zh": "猫", "group": animals}, {"en": "car"}]
    Path("animals.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    contents = {"a.png": "dog", "b.png": "dog cat", "c.png": "cat car", "d.png": "nothing"}
    return labelled(contents, a=["dog"], b=["dog", "猫"], c=["cat"], d=[])


def labelled(contents: dict[str, str], to: str = "labels.jsonl", **labels: list[str]) -> str:
    """Write pictures, and a file that says which labels each of them has."""
    for name, content in contents.items():
        Path(name).write_bytes(content.encode())
    rows = [{"path": f"{name}.png", "labels": each} for name, each in labels.items()]
    rows[0]["absent"] = [name for name in ("dog", "cat", "car") if name not in rows[0]["labels"]]
    Path(to).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return to


def figures(folder: str) -> dict:
    return json.loads((Path(folder) / "labels.json").read_text(encoding="utf-8"))


def test_tables_go_to_stdout(shell: Shell, dataset: str) -> None:
    done = shell("evaluate", dataset, *ALL)
    assert done.code == DONE
    assert "labels.jsonl: 4 pictures; 3 labels of “animals.jsonl”, of which 2 occur; 12 pairs are known" in done.out
    assert "judged by toybox fp32 yes-no, all labels; labels count from 0.50" in done.out
    lines = {line.rsplit("  ", 1)[0].split("  ")[0]: line.split() for line in done.out.splitlines()}
    assert lines["micro precision"][2:4] == ["80.0", "%"]  # of five labels, one is wrong
    assert lines["micro recall"][2:4] == ["100.0", "%"]
    assert lines["nothing found where nothing is (1)"][6:8] == ["100.0", "%"]
    assert lines["animals"][1:4] == ["2", "100.0", "%"]
    assert "no group" in done.out
    assert not Path("labels.csv").exists()


def test_the_output_folder_has_all_figures(shell: Shell, dataset: str) -> None:
    done = shell("evaluate", dataset, *ALL, "--output", "new/results")
    assert "labels.json and labels.csv" in done.err
    found = figures("new/results")
    assert found["metrics"]["micro_f1"] == pytest.approx(2 * 0.8 / 1.8)
    assert found["metrics"]["intervals"]["micro_recall"] == [1.0, 1.0]
    # Of five confidences of 0.8808, four are right, and of seven of 0.1192 none is.
    assert found["metrics"]["calibration_error"] == pytest.approx((5 * 0.8808 - 4 + 7 * 0.1192) / 12, abs=1e-4)
    assert [group["group"] for group in found["groups"]] == ["animals", None]
    assert {name: found["judged_by"][name] for name in ("model", "encoder", "rerank", "candidates", "groups")} == {
        "model": "toybox",
        "encoder": None,
        "rerank": True,
        "candidates": None,
        "groups": [],
    }
    assert found["judged_by"]["versions"].keys() >= {"reranker", "torch"}
    assert (found["vocabulary"]["name"], found["vocabulary"]["labels"]) == ("animals.jsonl", 3)
    text = Path("new/results/labels.csv").read_text(encoding="utf-8-sig")
    rows = {row["label"]: row for row in csv.DictReader(text.splitlines())}
    assert (rows["cat"]["zh"], rows["cat"]["group"], rows["cat"]["f1"]) == ("猫", "animals", "1.0")
    assert (rows["car"]["precision"], rows["car"]["recall"]) == ("0.0", "")


def test_only_some_groups_are_judged(shell: Shell, dataset: str) -> None:
    done = shell("evaluate", dataset, *ALL, "--group", "动物", "--output", "out")
    assert [each["label"] for each in figures("out")["labels"]] == ["dog", "cat"]
    assert figures("out")["metrics"]["micro_f1"] == 1.0
    assert "left out: 1, namely “car”" in done.err


def test_the_same_call_again_scores_nothing(shell: Shell, dataset: str) -> None:
    shell("evaluate", dataset, *ALL, "--output", "out")
    first, shell.scorer = figures("out"), ScriptedScorer(judge=judge)
    assert shell("evaluate", dataset, *ALL, "--output", "out").code == DONE
    assert shell.scorer.batches == []
    assert figures("out") == first


def test_an_interrupted_evaluation_says_what_is_done_and_goes_on(shell: Shell, dataset: str) -> None:
    def interrupted(query: Query, content: bytes) -> float:
        if content == b"nothing":
            raise KeyboardInterrupt
        return judge(query, content)

    shell.scorer = ScriptedScorer(judge=interrupted)
    stopped = shell("evaluate", dataset, *ALL)
    assert (stopped.code, stopped.out, "Traceback" in stopped.err) == (INTERRUPTED, "", False)
    assert "3 of 4 pictures were judged; their scores are stored, so the same call goes on from there." in stopped.err
    shell.scorer = ScriptedScorer(judge=judge)
    assert shell("evaluate", dataset, *ALL).code == DONE
    assert [content for batch in shell.scorer.batches for content in batch] == [b"nothing"] * 3


def test_pictures_that_fail_are_listed_and_in_no_figure(shell: Shell, dataset: str) -> None:
    def read(candidate: Candidate) -> bytes:
        if candidate.name == "c.png":
            raise PictureUnreadable(name=candidate.name, reason="damaged")
        return content_of(candidate)

    shell.scorer = ScriptedScorer(judge=judge, read=read)
    done = shell("evaluate", dataset, *ALL, "--output", "out")
    assert done.code == DONE
    assert "3 pictures (1 failed)" in done.out
    assert "failed: c.png: " in done.out
    found = figures("out")
    assert (found["metrics"]["micro_f1"], found["metrics"]["pictures"], found["pictures"]) == (1.0, 3, 4)
    assert [each["path"] for each in found["failed"]] == ["c.png"]


def test_without_a_judged_picture_the_call_fails(shell: Shell, dataset: str) -> None:
    def read(candidate: Candidate) -> bytes:
        raise PictureUnreadable(name=candidate.name, reason="damaged")

    shell.scorer = ScriptedScorer(judge=judge, read=read)
    done = shell("evaluate", dataset, *ALL)
    assert (done.code, done.out) == (FAILED, "")
    assert "No picture could be judged." in done.err
    assert "d.png" in done.err


def test_categories_and_pictures_that_are_left_out_are_counted(shell: Shell, dataset: str) -> None:
    Path("coco.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "gone.png"}],
                "categories": [{"id": 1, "name": "dog"}, *({"id": n, "name": f"thing {n}"} for n in range(2, 9))],
                "annotations": [{"image_id": 1, "category_id": 1}],
            }
        ),
        encoding="utf-8",
    )
    done = shell("evaluate", "coco.json", *ALL)
    assert "left out: 7, namely “thing 2”, “thing 3”, “thing 4”, “thing 5”, “thing 6” and others." in done.err
    assert "not on this machine, and left out: 1." in done.err


def test_the_toybox_is_measured_by_its_own_models(shell: Shell) -> None:
    """Use the real models."""
    code = main(["evaluate", "toybox:4:5", "--labels", "toybox", "--candidates", "12", "--output", "out"])
    assert code == DONE
    assert "12 labels a picture, proposed by toybox-encoder" in shell.capture.readouterr()[0].decode()
    assert figures("out")["metrics"]["micro_f1"] > 0.7
    code = main(["evaluate", "toybox:4:5", "--labels", "toybox", "--no-rerank", "--output", "out"])
    assert code == DONE
    assert "judged by toybox-encoder alone" in shell.capture.readouterr()[0].decode()
    assert figures("out")["metrics"]["judged_pairs"] == 4 * 166
    assert figures("out")["judged_by"]["versions"].keys() == {"reranker"}


# Mistakes in the call


def usage_error(done: CommandResult) -> str:
    assert done.code == USAGE_ERROR
    assert "Traceback" not in done.err
    return done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "toybox,lychee"], "--model takes one value together with --labels"),
        (["--precision", "fp32,bf16"], "--precision takes one value together with --labels"),
        (["--scoring", "yes-no,rating"], "--scoring takes one value together with --labels"),
        (["--detail", "low,high"], "--detail takes one value together with --labels"),
        (["--detail", "lowest"], "lowest"),
        (["--group", "fruit"], "fruit"),
        (["--no-rerank"], "another one with rerank=False"),
        (["--no-rerank", "--candidates", "3", "--calibrate"], "leave out --no-rerank"),
        (["--output", "a.png"], "a.png"),
        (["--labels", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_usage_errors_are_reported_before_anything_is_scored(shell: Shell, dataset: str, arguments, words) -> None:
    assert words in usage_error(shell("evaluate", dataset, *ALL, *arguments))
    assert shell.scorer.batches == []


@pytest.mark.parametrize(
    "arguments", [["--group", "animals"], ["--encoder", "siglip2"], ["--candidates", "5"], ["--no-rerank"]]
)
def test_options_of_labels_are_refused_for_rankings(shell: Shell, dataset: str, arguments) -> None:
    assert f"{arguments[0]} is for labels; add --labels" in usage_error(shell("evaluate", dataset, *arguments))


def test_every_fault_of_a_dataset_is_reported_with_file_and_line(shell: Shell, dataset: str) -> None:
    Path("labels.jsonl").write_text(
        '{"path": "gone.png", "labels": ["dog"]}\n[]\n{"path": "a.png"}\n', encoding="utf-8"
    )
    err = usage_error(shell("evaluate", dataset, *ALL))
    assert all(f"“labels.jsonl”, line {number}" in err for number in (1, 2, 3))
    assert str(Path().resolve()) not in err


def test_output_that_would_replace_the_dataset_or_be_read_with_it_is_refused(shell: Shell, dataset: str) -> None:
    Path("labels.jsonl").rename("labels.json")
    assert "would replace the dataset" in usage_error(shell("evaluate", "labels.json", *ALL, "--output", "."))
    Path("photos/dog").mkdir(parents=True)
    Path("photos/dog/1.png").write_bytes(b"dog")
    assert "is inside the dataset" in usage_error(shell("evaluate", "photos", *ALL, "--output", "photos/figures"))


# Calibration


def doubtful(shell: Shell, pictures: int = 48) -> str:
    """Pictures with a dog in doubt, of which the calibration in use is not sure enough."""
    shell.scorer = ScriptedScorer(judge=judge).with_info(
        label_calibration=LabelCalibration(slope=1.0, intercept=0.0, threshold=0.7)
    )
    contents = {f"p{number}.png": f"dog? {number}" if number % 4 < 2 else f"{number}" for number in range(pictures)}
    labels = {name.removesuffix(".png"): ["dog"] if "dog" in content else [] for name, content in contents.items()}
    return labelled(contents, **labels)


def test_a_calibration_is_stored_only_with_the_option(shell: Shell, dataset: str) -> None:
    doubtful(shell)
    calibrations = CalibrationStore.for_user()
    assert shell("evaluate", dataset, *ALL).code == DONE
    assert calibrations.get_labels("scripted") is None
    done = shell("evaluate", dataset, *ALL, "--calibrate", "--output", "out")
    kept = calibrations.get_labels("scripted")
    assert kept is not None
    assert kept.slope > 1
    assert "Calibrated: confidences are sigmoid(" in done.err
    assert "micro F1 0.0 % before and 100.0 % after" in done.err
    assert figures("out")["fit"]["calibration"]["slope"] == kept.slope
    removed = shell("evaluate", dataset, *ALL, "--uncalibrate")
    assert "was removed" in removed.err
    assert calibrations.get_labels("scripted") is None


def test_a_calibration_without_improvement_is_not_stored(shell: Shell, dataset: str) -> None:
    """The confidences are right already: 0.5 where half of the pictures have the label."""
    contents = {f"p{number}.png": f"dog? {number}" for number in range(24)}
    labels = {f"p{number}": ["dog"] if number % 4 < 2 else [] for number in range(24)}
    shell.scorer = ScriptedScorer(judge=lambda query, content: 0.0 if query.text == "dog" else -700.0)
    done = shell("evaluate", labelled(contents, **labels), *ALL, "--calibrate")
    assert "Nothing was stored. In the 12 pictures that were held out, micro F1" in done.err
    assert CalibrationStore.for_user().get_labels("scripted") is None


def test_too_few_pictures_are_not_calibrated(shell: Shell, dataset: str) -> None:
    Path("labels.jsonl").write_text('{"path": "a.png", "labels": ["dog"], "absent": ["cat"]}\n', encoding="utf-8")
    done = shell("evaluate", dataset, *ALL, "--calibrate")
    assert done.code == DONE
    assert "Nothing was stored: each half of the pictures needs labels that are there" in done.err

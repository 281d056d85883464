"""`verify`: a saved result against the scores of now."""

import json
from pathlib import Path

import pytest

from reranker.cli.console import DONE, FAILED, USAGE_ERROR
from tests.support.scripted_scorer import ScriptedScorer, checksum, likeness
from tests.support.shell import Shell, write


def test_verify_lists_pictures_that_moved(shell: Shell) -> None:
    write(a=1, b=2, c="no number")
    Path("titles.csv").write_text("path,text\na.png,title\n")
    shell("rank", "a dog", ".", "gone.png", "--format", "json", "--output", "r.json", "--text", "titles.csv")
    same = shell("verify", "r.json")
    assert (same.code, same.out) == (DONE, "All 4 pictures have the same rank and score.\n")
    write(a=3.5)
    Path("gone.png").write_bytes(b"-1")
    moved = shell("verify", "r.json")
    assert moved.code == FAILED
    assert moved.out.splitlines() == [
        "3 of 4 pictures moved:",
        "#2 -> #1  log-odds +2.5000  a.png",
        "#1 -> #2  log-odds +0.0000  b.png",
        "failed then  gone.png",
    ]
    shell.scorer.with_info(fingerprint="other")
    assert "fingerprint differs" in shell("verify", "r.json").err


def test_verify_scores_by_the_example_again(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=likeness)
    write(a=1, b=2, like=2)
    shell("rank", "--like", "like.png", "a.png", "b.png", "--format", "json", "--output", "r.json")
    assert json.loads(Path("r.json").read_text())["example"] == "like.png"
    assert shell("verify", "r.json").out == "All 2 pictures have the same rank and score.\n"
    write(like=1)
    assert shell("verify", "r.json").code == FAILED
    Path("like.png").unlink()
    assert shell("verify", "r.json").said == [
        "The example picture cannot be used: “like.png” was not found or is not a file; check that it was not moved or "
        "deleted, then add it again."
    ]


def test_verify_uses_the_settings_of_the_result_and_no_stored_scores(shell: Shell) -> None:
    write(a=1)
    shell("rank", "a dog", "a.png", "--format", "json", "--output", "r.json", "--model", "mine", "--detail", "high")
    shell("verify", "r.json")
    model = shell.opened.model
    assert (model.name, model.detail, model.precision) == ("mine", "high", "fp32")
    assert shell.opened.engine.score_store_mb == 0


def test_verify_excludes_what_the_result_did(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=checksum)
    write(a=1, b=2)
    shell("rank", "a dog", ".", "--not", "a cat", "--format", "json", "--output", "r.json")
    assert shell("verify", "r.json").code == DONE
    result = json.loads(Path("r.json").read_text(encoding="utf-8"))
    for exclude, code in (("another", FAILED), (None, FAILED), (5, USAGE_ERROR)):
        changed = {key: value for key, value in (result | {"exclude": exclude}).items() if value is not None}
        Path("r.json").write_text(json.dumps(changed), encoding="utf-8")
        assert shell("verify", "r.json").code == code


def test_verify_scores_near_ties_again_if_the_result_did(shell: Shell) -> None:
    write(a=1)
    shell("rank", "a dog", "a.png", "--format", "json", "--output", "r.json")
    result = json.loads(Path("r.json").read_text(encoding="utf-8"))
    for value, expected in ((True, True), (None, False)):
        result["judged_by"].pop("rescore_near_ties", None)
        if value is not None:
            result["judged_by"]["rescore_near_ties"] = value
        Path("r.json").write_text(json.dumps(result), encoding="utf-8")
        shell("verify", "r.json")
        assert shell.opened.engine.rescore_near_ties == expected


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"judged_by": {}}', "\udcff", "[" * 100_000])
def test_verify_rejects_files_that_are_not_results(shell: Shell, content: str) -> None:
    Path("r.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    done = shell("verify", "r.json")
    assert (done.code, len(done.said)) == (USAGE_ERROR, 1)
    assert shell("verify", "gone.json").code == USAGE_ERROR


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("path", chr(0xD83D), FAILED), ("path", chr(0xDCE9), FAILED), ("log_odds", 10**400, USAGE_ERROR)],
    ids=("no byte", "a byte", "infinite"),
)
def test_verify_reports_values_that_no_file_and_no_score_has(
    shell: Shell, field: str, value: object, code: int
) -> None:
    """Results of earlier versions have escapes such as \\udce9 in names."""
    write(a=1)
    shell("rank", "a dog", "a.png", "--format", "json", "--output", "r.json")
    result = json.loads(Path("r.json").read_text(encoding="utf-8"))
    result["results"][0][field] = value
    Path("r.json").write_text(json.dumps(result), encoding="utf-8")
    done = shell("verify", "r.json")
    assert done.code == code
    assert "unexpected" not in done.err

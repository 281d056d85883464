"""`rank`: what it ranks, warns of and refuses, and the program with the toybox."""

import math
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from reranker import Query, Settings
from reranker.cli.console import DONE, FAILED, INTERRUPTED, USAGE_ERROR
from reranker.core.errors import DeviceFailed
from reranker.i18n.error_messages import sentence
from tests.support.folders import close_folder
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.shell import Shell, ended, started, write

EMPTY_QUERY = "The sentence is empty; write what the pictures should show."


def test_top_k_keeps_the_best_and_every_failure(shell: Shell) -> None:
    write(a=1, b=3, c=2)
    done = shell.json("a dog", "gone.png", "a.png", "b.png", "c.png", "--top-k", 2)
    assert done.paths == ["b.png", "c.png", "gone.png"]


def test_one_picture_is_enough(shell: Shell) -> None:
    write(a=1)
    assert shell.json("a dog", "a.png").paths == ["a.png"]


def test_exit_code_is_1_and_the_result_has_reasons_if_nothing_could_be_ranked(shell: Shell) -> None:
    done = shell.json("a dog", "gone.png", "lost.png")
    assert done.code == FAILED
    assert [row["status"] for row in done.result["results"]] == ["failed", "failed"]
    assert done.said == ["No picture could be scored; the result has the reason for each."]


def test_a_gpu_that_failed_is_one_sentence_and_no_result(shell: Shell) -> None:
    def judge(query: Query, content: bytes) -> float:
        raise DeviceFailed

    write(a=1, b=2)
    shell.scorer = ScriptedScorer(judge=judge)
    done = shell.json("a dog", "a.png", "b.png")
    assert (done.code, done.out, done.said) == (USAGE_ERROR, "", [sentence(DeviceFailed(), "en")])


def test_the_model_comes_from_the_option_then_the_environment_then_is_chosen(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(a=1)
    monkeypatch.delenv("RERANKER_MODEL")
    done = shell.json("a dog", "a.png")
    assert done.result["model"] == "toybox"
    assert "knows drawings, not photographs" in done.said[0]
    monkeypatch.setenv("RERANKER_MODEL", "~/other")
    monkeypatch.setenv("RERANKER_BATCH_TOKENS", "3")
    assert shell.json("a dog", "a.png").result["model"] == "~/other"
    assert shell.json("a dog", "a.png", "--model", "mine").result["model"] == "mine"
    assert shell.opened == Settings.of(model="mine", batch_tokens=3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["", "a.png"], EMPTY_QUERY),
        (["  ", "a.png"], EMPTY_QUERY),
        (["", "empty"], EMPTY_QUERY),
        (["x" * 1001, "a.png"], "The sentence has 1,001 characters; the limit is 1,000: shorten it."),
        (["a dog"], "Missing argument 'PATH'."),
        ([], "Missing argument 'QUERY'."),
        (["a dog", "empty"], "The folder “empty” has no pictures; add --recursive to search its subfolders, too."),
        (["a dog", "a.png", "empty", "--recursive"], "The folder “empty” and its subfolders have no pictures."),
        (["a dog", "closed"], "The folder “closed” cannot be opened; check its permissions."),
        (["a dog", "a.png", "--output", "empty"], None),
        (["a dog", "a.png", "--output", "gone/a.json"], None),
        (["a dog", "a.png", "--top-k", "0"], None),
        (["a dog", "a.png", "--top-k", "-3"], None),
        (["a dog", "a.png", "--top-k", "few"], None),
        (["a dog", "a.png", "--format", "xml"], None),
        (["a dog", "a.png", "--colour"], None),
    ],
)
def test_usage_errors_are_one_sentence_and_nothing_is_read(
    arguments: list[str], sentence: str | None, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(a=1)
    for name in ["empty", "closed"]:
        Path(name).mkdir()
    close_folder(monkeypatch, "closed")
    done = shell("rank", *arguments)
    assert (done.code, done.out) == (USAGE_ERROR, "")
    assert len(done.err.splitlines()) == 1
    assert sentence in {None, done.err.strip()}
    assert shell.scorer.read_names == []


def test_an_unsuitable_precision_is_reported(shell: Shell) -> None:
    write(a=math.nan, b=math.inf)
    done = shell("rank", "a dog", "a.png", "b.png")
    assert done.code == FAILED
    assert done.said[-1].startswith("No picture got a finite score even in fp32")


def test_a_ranking_without_relevant_pictures_is_reported(shell: Shell) -> None:
    write(a=-1, b=-2)
    shell.scorer.with_info(relevance_threshold=5.0)
    assert "No picture matches: none scores 5 of 10 or more." in shell("rank", "a dog", "a.png", "b.png").said
    write(a=1)
    assert "No picture matches: none scores 5 of 10 or more." not in shell("rank", "a dog", "a.png", "b.png").said


def test_load_warnings_are_reported(shell: Shell) -> None:
    write(a=1)
    shell.scorer.with_info(load_warnings=("offloaded",))
    done = shell("rank", "a dog", "a.png")
    assert any("does not fit on the GPU" in line for line in done.said)


def test_an_invalid_setting_is_reported_by_its_name(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKER_PORT", "here")
    done = shell("rank", "a dog", "a.png")
    assert (done.code, done.out) == (USAGE_ERROR, "")
    assert done.said == [
        "The setting “port” is “here” but must be a whole number from 1 to 65,535; correct it and start again."
    ]


def test_an_interrupt_says_so_and_leaves_no_result(shell: Shell) -> None:
    def interrupt(query: Query, content: bytes) -> float:
        raise KeyboardInterrupt

    write(a=1)
    shell.scorer = ScriptedScorer(judge=interrupt)
    done = shell.json("a dog", "a.png", "--output", "a.json")
    assert (done.code, done.out, done.said) == (INTERRUPTED, "", ["Stopped."])
    assert not Path("a.json").exists()


def encoded(picture: Image.Image, kind: str) -> bytes:
    data = BytesIO()
    picture.save(data, kind)
    return data.getvalue()


@pytest.fixture
def mixed_folder(tmp_path: Path) -> Path:
    """Three good pictures and five that are broken in different ways, some of which make decoders print warnings."""
    noise = Image.effect_noise((240, 300), 90).convert("RGB")
    jpeg, tiff, png = (encoded(noise, kind) for kind in ("JPEG", "TIFF", "PNG"))
    files = {
        "good 2.jpg": jpeg,
        "good 10.tif": tiff,
        "海边/好.png": encoded(noise.rotate(90, expand=True), "PNG"),
        "bomb.png": png[:16] + bytes([0, 9, 0, 0, 0, 9, 0, 0]) + png[24:],
        "empty.png": b"",
        "fake.png": b"<html>not a picture</html>",
        "torn.jpg": jpeg[: len(jpeg) // 2],
        "torn.tif": tiff[:-300],
        "notes.txt": b"no picture, and not named like one",
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.mark.extended
def test_the_program_ranks_a_mixed_folder_with_the_toybox(mixed_folder: Path) -> None:
    done = ended(started(["-m", "reranker"], "rank", "海边 a dog", mixed_folder, "--recursive", "--format", "json"))
    assert (done.code, done.said) == (DONE, ["No picture matches: none scores 5 of 10 or more."])
    assert "8/8" in done.err
    assert done.result["model"] == "toybox"
    assert len(done.result["fingerprint"]) == 32
    scored = [row for row in done.result["results"] if row["status"] == "scored"]
    failed = [row for row in done.result["results"] if row["status"] == "failed"]
    assert {Path(row["path"]).name for row in scored} == {"good 2.jpg", "good 10.tif", "好.png"}
    assert [row["rank"] for row in scored] == [1, 2, 3]
    assert [row["log_odds"] for row in scored] == sorted((row["log_odds"] for row in scored), reverse=True)
    assert all(0 <= row["score"] <= 10 and row["error"] is None for row in scored)
    assert [Path(row["path"]).name for row in failed] == ["bomb.png", "empty.png", "fake.png", "torn.jpg", "torn.tif"]
    assert all(f"“{Path(row['path']).name}”" in row["error"] for row in failed)
    assert all(row["rank"] is row["score"] is row["log_odds"] is None for row in failed)

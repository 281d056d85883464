"""`rank` with several queries, with a threshold, and with copies of the best pictures."""

import json
import sys
import zipfile
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from reranker import Query
from reranker.cli.console import DONE, FAILED, INTERRUPTED, USAGE_ERROR
from reranker.export.rows import COLUMNS
from reranker.pipelines.exclusion import combined_log_odds
from tests.support.scripted_scorer import ScriptedScorer, checksum
from tests.support.shell import CommandResult, Shell, read_csv, write

QUERIES = ["a dog", "海边的房子", "=1+1"]


def rank_queries(shell: Shell, *arguments: object, queries: list[str] = QUERIES) -> CommandResult:
    Path("queries.txt").write_text("\n".join(queries), encoding="utf-8")
    return shell("rank", "--queries", "queries.txt", *arguments)


def negated(query: Query, content: bytes) -> float:
    """Return the number in a picture as its log-odds, negated for a query of more than one word."""
    return -float(content) if " " in query.text else float(content)


# The result


def test_json_has_the_object_that_each_query_gives_alone(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=checksum)
    write(a=1, b=2, c=3)
    done = rank_queries(shell, ".", "gone.png", "--top-k", 2, "--format", "json")
    alone = [shell.json(query, ".", "gone.png", "--top-k", 2).result for query in QUERIES]
    assert (done.code, done.result) == (DONE, {"queries": alone})


def test_csv_has_the_query_as_its_first_column(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=checksum)
    write(a=1, b=2)
    together = read_csv(rank_queries(shell, ".", "--format", "csv").out)
    assert tuple(together[0]) == ("query", "exclude", *COLUMNS)
    assert [row.pop("query") for row in together] == ["a dog"] * 2 + ["海边的房子"] * 2 + ["'=1+1"] * 2
    assert {row.pop("exclude") for row in together} == {""}
    alone = [read_csv(shell("rank", query, ".", "--format", "csv").out) for query in QUERIES]
    assert together == [row for each in alone for row in each]


def test_the_table_begins_with_the_best_picture_for_each_query(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=negated)
    write(a=9, b=0)
    assert rank_queries(shell, ".", queries=["a dog", "dog"]).out.splitlines() == [
        "query  score      best picture",
        "    1   5.0       a dog → b.png",
        "    2  10.0       dog → a.png",
        "",
        "1. a dog",
        "rank  score      picture",
        "   1   5.0       b.png",
        "   2   0.0       a.png",
        "",
        "2. dog",
        "rank  score      picture",
        "   1  10.0       a.png",
        "   2   5.0       b.png",
    ]


def test_a_query_without_pictures_above_the_threshold_has_no_best_picture(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=negated)
    write(a=9)
    done = rank_queries(shell, ".", "--threshold", 5, queries=["a dog", "dog"])
    assert done.out.splitlines()[1:3] == ["    1   -         a dog → none", "    2  10.0       dog → a.png"]
    assert (done.code, done.said) == (DONE, ["Query 1: Left out, since they score less than 5 of 10: 1 of 1 pictures."])


def test_the_progress_counts_every_picture_for_every_query(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reranker.cli.progress.LOG_INTERVAL_S", 0)
    write(a=1, b=2)
    done = rank_queries(shell, ".")
    assert "6/6 ·" in done.err
    assert "query 1 of 3 · a.png" in done.err
    assert "query 3 of 3 · b.png" in done.err


def test_messages_about_a_query_have_its_number(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=negated)
    shell.scorer.with_info(relevance_threshold=5.0)
    write(a=1)
    done = rank_queries(shell, ".", queries=["dog", "a dog"])
    assert (done.code, done.said) == (DONE, ["Query 2: No picture matches: none scores 5 of 10 or more."])


def test_exit_code_if_nothing_could_be_ranked_for_any_query(shell: Shell) -> None:
    assert rank_queries(shell, "gone.png").code == FAILED


def test_an_interrupt_leaves_no_result(shell: Shell) -> None:
    def interrupt(query: Query, content: bytes) -> float:
        if query.text == QUERIES[1]:
            raise KeyboardInterrupt
        return 1.0

    write(a=1)
    shell.scorer = ScriptedScorer(judge=interrupt)
    done = rank_queries(shell, ".", "--output", "a.txt", "--copy-top", "best")
    assert (done.code, done.out, done.said) == (INTERRUPTED, "", ["Stopped."])
    assert not Path("a.txt").exists()
    assert not Path("best").exists()


def test_what_must_not_be_there_counts_for_every_query(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=checksum)
    write(a=1, b=2, c=3)
    together = rank_queries(shell, ".", "--not", " 一只猫 ", "--format", "json").result["queries"]
    alone = [shell.json(query, ".", "--not", "一只猫").result for query in QUERIES]
    assert together == alone
    assert {each["exclude"] for each in together} == {"一只猫"}
    scores = {row["path"]: row["log_odds"] for row in alone[0]["results"]}
    plain = {row["path"]: row["log_odds"] for row in shell.json(QUERIES[0], ".").result["results"]}
    excluded = {row["path"]: row["log_odds"] for row in shell.json("一只猫", ".").result["results"]}
    assert scores == {path: combined_log_odds(plain[path], excluded[path]) for path in plain}


def test_a_text_that_is_too_long_to_be_excluded_is_refused_before_scoring(shell: Shell) -> None:
    write(a=1)
    done = shell("rank", "a dog", ".", "--not", "x" * 1001)
    assert (done.code, done.out) == (USAGE_ERROR, "")
    assert done.said == ["The sentence has 1,001 characters; the limit is 1,000: shorten it."]
    assert shell.scorer.read_names == []


# The file


@pytest.mark.parametrize(
    "data", ["a dog\n海边\n", "\ufeffa dog\n海边", "\n  \na dog\r\n\r\n海边\r\n", "  a dog \t\n\n\n海边\n\n"]
)
def test_a_file_has_one_query_a_line(shell: Shell, data: str) -> None:
    write(a=1)
    Path("queries.txt").write_bytes(data.encode())
    done = shell("rank", "--queries", "queries.txt", "a.png", "--format", "json")
    assert [each["query"] for each in done.result["queries"]] == ["a dog", "海边"]


def test_queries_are_read_from_stdin(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a=1)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO("a dog\n海边\n".encode())))
    done = shell("rank", "--queries", "-", "a.png", "--format", "json")
    assert [each["query"] for each in done.result["queries"]] == ["a dog", "海边"]


@pytest.mark.parametrize(
    ("data", "arguments", "sentence"),
    [
        (None, ["a.png"], "The queries in the file “queries.txt” cannot be read: No such file or directory."),
        ("\n \n", ["a.png"], "There is no query in the file “queries.txt”; write one a line."),
        ("caf\udce9", ["a.png"], "The queries in the file “queries.txt” are not UTF-8 text; save them as UTF-8."),
        (
            "a dog\n\n" + "x" * 1001,
            ["a.png"],
            "Line 3 of the file “queries.txt” has 1,001 characters; the limit is 1,000: shorten it.",
        ),
        ("a dog", [], "Missing argument 'PATH'."),
        (
            "a dog",
            ["a cat", "a.png"],
            "“a cat” is not a picture or folder; with --queries, omit QUERY.",
        ),
        (
            "a dog",
            ["a.png", "--format", "html"],
            "The format html holds one ranking; with --queries, choose table, json, csv or zip.",
        ),
    ],
)
def test_usage_errors_are_one_sentence_and_nothing_is_read(
    shell: Shell, data: str | None, arguments: list[str], sentence: str
) -> None:
    write(a=1)
    if data is not None:
        Path("queries.txt").write_bytes(data.encode("utf-8", "surrogateescape"))
    done = shell("rank", "--queries", "queries.txt", *arguments)
    assert (done.code, done.out, done.err) == (USAGE_ERROR, "", f"{sentence}\n")
    assert shell.scorer.read_names == []


def test_a_long_query_beside_the_file_of_queries_is_reported(shell: Shell) -> None:
    write(a=1)
    assert "omit QUERY" in rank_queries(shell, "a very long sentence " * 40, "a.png").err


# Verifying a result


def test_a_result_of_several_queries_is_verified(shell: Shell) -> None:
    write(a=1, b=2)
    rank_queries(shell, ".", "--format", "json", "--output", "r.json", queries=["a dog", "a cat"])
    same = shell("verify", "r.json")
    assert (same.code, same.out) == (DONE, "All 4 pictures of 2 queries have the same rank and score.\n")
    content = json.loads(Path("r.json").read_text())
    content["queries"][1]["results"][0]["log_odds"] = 1.5
    Path("r.json").write_text(json.dumps(content))
    moved = shell("verify", "r.json")
    assert moved.code == FAILED
    assert moved.out.splitlines() == [
        "1 of 4 pictures of 2 queries moved:",
        "query 2  #1 -> #1  log-odds +0.5000  b.png",
    ]


# Thresholds


def test_pictures_below_the_threshold_are_left_out_and_counted(shell: Shell) -> None:
    write(a=-1, b=0, c=2, d=-3)
    done = shell.json("a dog", ".", "gone.png", "--threshold", 5)
    assert (done.code, done.paths) == (DONE, ["c.png", "b.png", "gone.png"])
    assert done.said == ["Left out, since they score less than 5 of 10: 2 of 4 pictures."]


def test_exit_code_is_0_if_all_pictures_are_below_the_threshold(shell: Shell) -> None:
    write(a=-1, b=0)
    done = shell.json("a dog", ".", "--threshold", 9.5)
    assert (done.code, done.paths) == (DONE, [])
    assert done.said == ["Left out, since they score less than 9.5 of 10: 2 of 2 pictures."]


@pytest.mark.parametrize("score", ["-1", "11", "high"])
def test_a_threshold_is_a_score(shell: Shell, score: str) -> None:
    write(a=1)
    done = shell("rank", "a dog", "a.png", "--threshold", score)
    assert (done.code, len(done.said)) == (USAGE_ERROR, 1)


# Copies


def copies(folder: str) -> dict[str, bytes]:
    """The bytes of all files by their paths in the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def test_copies_have_the_names_and_the_bytes_of_the_archive(shell: Shell) -> None:
    Path("in/deep").mkdir(parents=True)
    for name, content in {"海 边.png": b"1", "a.png": b"2", "deep/b.png": b"2.0001", "c.png": b"0"}.items():
        Path("in", name).write_bytes(content)
    arguments = ["rank", "a dog", "in", "--recursive", "--top-k", 3]
    done = shell(*arguments, "--copy-top", "out/best")
    assert done.said == ["Pictures copied into “out/best”: 3."]
    shell(*arguments, "--format", "zip", "--output", "best.zip")
    archive = zipfile.ZipFile("best.zip")
    assert copies("out/best") == {name: archive.read(name) for name in archive.namelist()}
    assert len(archive.namelist()) == 3


def test_ten_pictures_are_copied_by_default(shell: Shell) -> None:
    write(**{f"n{number}": number for number in range(12)})
    Path("best").mkdir()
    done = shell.json("a dog", ".", "--copy-top", "best")
    assert (len(done.paths), len(copies("best"))) == (12, 10)
    assert [name.rpartition("_")[2] for name in sorted(copies("best"))] == [f"n{rank}.png" for rank in range(11, 1, -1)]


def test_only_pictures_of_the_result_are_copied(shell: Shell) -> None:
    write(a=1, b=-1)
    shell("rank", "a dog", ".", "--threshold", 5, "--copy-top", "best")
    assert list(copies("best")) == ["01_7.3_a.png"]


def test_each_query_has_a_folder_of_its_own(shell: Shell) -> None:
    shell.scorer = ScriptedScorer(judge=negated)
    write(a=1, b=2)
    rank_queries(shell, ".", "--top-k", 1, "--copy-top", "best", queries=["cats/dogs", "../a dog", "..."])
    assert copies("best") == {
        "01_cats_dogs/01_8.8_b.png": b"2",
        "02__a dog/01_2.7_a.png": b"1",
        "03_query/01_8.8_b.png": b"2",
    }


def test_the_archive_of_several_queries_has_the_files_of_the_copies(shell: Shell) -> None:
    write(a=1, b=2)
    template = ["--name-template", "{stem} {query} {rank}"]
    rank_queries(shell, ".", "--copy-top", "best", *template, queries=["a dog", "a cat"])
    rank_queries(shell, ".", "--format", "zip", "--output", "all.zip", *template, queries=["a dog", "a cat"])
    archive = zipfile.ZipFile("all.zip")
    assert {name: archive.read(name) for name in archive.namelist()} == copies("best")
    folders = {"01_a dog": "a dog", "02_a cat": "a cat"}
    assert set(archive.namelist()) == {
        f"{folder}/{stem} {query} {rank}.png"
        for folder, query in folders.items()
        for stem, rank in (("a", "02"), ("b", "01"))
    }


@pytest.mark.parametrize(
    ("template", "part"),
    [("", "“”; write a text with fields"), ("{rnk}", "“{rnk}”, has a field that is not known"), ("{", "counterpart")],
)
def test_a_template_that_makes_no_names_is_refused_before_scoring(shell: Shell, template: str, part: str) -> None:
    write(a=1)
    done = shell("rank", "a dog", ".", "--copy-top", "best", "--name-template", template)
    assert (done.code, done.out, len(done.said)) == (USAGE_ERROR, "", 1)
    assert part in done.err
    assert shell.scorer.read_names == []


def test_a_folder_that_is_not_empty_is_rejected_before_scoring(shell: Shell) -> None:
    write(a=1)
    Path("best").mkdir()
    Path("best/.old").write_bytes(b"old")
    done = shell("rank", "a dog", "a.png", "--copy-top", "best")
    assert (done.code, done.out) == (USAGE_ERROR, "")
    assert done.said == ["The folder “best” for the copies is not empty; empty it, or name a new one."]
    assert shell.scorer.read_names == []
    assert copies("best") == {".old": b"old"}


def test_a_file_is_rejected_as_the_folder_for_copies(shell: Shell) -> None:
    write(a=1)
    done = shell("rank", "a dog", "a.png", "--copy-top", "a.png")
    assert (done.code, done.said) == (USAGE_ERROR, ["Pictures cannot be copied into “a.png”: Not a directory."])
    assert Path("a.png").read_bytes() == b"1"


def test_files_created_during_the_run_are_not_overwritten(shell: Shell) -> None:
    def judge(query: Query, content: bytes) -> float:
        Path("best").mkdir()
        Path("best/01_7.3_a.png").write_bytes(b"another's")
        return 1.0

    write(a=1)
    shell.scorer = ScriptedScorer(judge=judge)
    done = shell("rank", "a dog", "a.png", "--copy-top", "best")
    assert (done.code, done.said) == (FAILED, ["The pictures could not be copied into “best”: File exists."])
    assert copies("best") == {"01_7.3_a.png": b"another's"}


def test_a_picture_deleted_during_the_run_is_reported_and_the_others_are_copied(shell: Shell) -> None:
    def judge(query: Query, content: bytes) -> float:
        if content == b"2":  # read by now, and the copies are made later
            Path("a.png").unlink()
        return float(content)

    write(a=2, b=1)
    shell.scorer = ScriptedScorer(judge=judge)
    done = shell("rank", "a dog", ".", "--copy-top", "best")
    assert done.code == DONE
    assert list(copies("best")) == ["02_7.3_b.png"]
    assert done.said[0].startswith("“a.png” was not found")
    assert done.said[1] == "Pictures copied into “best”: 1."

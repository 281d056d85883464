"""Rows, JSON and CSV of a ranking, on values written by hand and on generated names."""

import csv
import json
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import PictureMissing, PictureUnreadable
from reranker.core.scores import shown_score
from reranker.core.text import is_visible
from reranker.export.rows import COLUMNS, Row, as_csv, as_json, rankings_as_csv, rankings_as_json, rows
from tests.support.rankings import failed, ranking, scored

properties = settings(deadline=None, max_examples=100, database=None)
names = st.text(min_size=1, max_size=30)
FORMULAS = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\n@x", "＝1", "＋1", "－1", "＠x"),
    *("\ufeff=1", "\u200b+1", "\x00-1", "\t1", "\r", "\ufeffcat", "\u2060"),
]


def read_csv(text: str) -> list[dict[str, str]]:
    header, *lines = read_lines(text)
    return [dict(zip(header, line, strict=True)) for line in lines]


def read_lines(text: str) -> list[list[str]]:
    return list(csv.reader(StringIO(without_mark(text), newline="")))


def without_mark(text: str) -> str:
    """Return CSV without the byte order mark that each file has."""
    assert text[0] == "\ufeff"
    return text[1:]


def test_ranks_count_from_one_and_failed_pictures_have_none() -> None:
    assert rows(ranking(scored("a.png", 0.0), scored("b.png", -1.5), failed(PictureMissing(name="c.png")))) == [
        Row(
            rank=1,
            path="a.png",
            status="scored",
            score=5.0,
            log_odds=0.0,
            words=None,
            text=None,
            error=None,
            sha256=None,
        ),
        Row(
            rank=2,
            path="b.png",
            status="scored",
            score=shown_score(-1.5),
            log_odds=-1.5,
            words=None,
            text=None,
            error=None,
            sha256=None,
        ),
        Row(
            rank=None,
            path="c.png",
            status="failed",
            score=None,
            log_odds=None,
            words=None,
            text=None,
            error="“c.png” was not found or is not a file; check that it was not moved or deleted, then add it again.",
            sha256=None,
        ),
    ]


def test_a_part_of_a_ranking_has_the_ranks_that_are_given_in_every_file() -> None:
    part = ranking(scored("c.png", -1.0), scored("a.png", 2.0), failed(PictureMissing(name="d.png")))
    assert [(row.rank, row.path) for row in rows(part, ranks=[7, 2])] == [(7, "c.png"), (2, "a.png"), (None, "d.png")]
    content = json.loads(as_json(part, judged_by={"model": "m"}, ranks=[7, 2]))
    assert [row["rank"] for row in content["results"]] == [7, 2, None]
    assert [row["rank"] for row in read_csv(as_csv(part, ranks=[7, 2]))] == ["7", "2", ""]
    together = json.loads(rankings_as_json([part, part], judged_by={"model": "m"}, ranks=[None, [7, 2]]))
    assert [[row["rank"] for row in each["results"]] for each in together["queries"]] == [[1, 2, None], [7, 2, None]]
    lines = read_csv(rankings_as_csv([part, part], ranks=[[7, 2], None]))
    assert [line["rank"] for line in lines] == ["7", "2", "", "1", "2", ""]
    with pytest.raises(ValueError, match="zip"):
        rows(part, ranks=[1])


def test_scores_are_shown_at_the_temperature_of_the_ranking() -> None:
    (row,) = rows(ranking(scored("a.png", 3.0), temperature=2.5))
    assert row.score == shown_score(3.0, 2.5)
    assert row.log_odds == 3.0


def test_errors_are_in_the_language_of_the_reader() -> None:
    broken = ranking(failed(PictureUnreadable(name="海.png", reason="empty")))
    assert rows(broken, "zh")[0].error == "“海.png”是空文件；请重新导出或下载。"
    assert "是空文件" in as_json(broken, judged_by={"model": "toybox"}, language="zh")
    assert "是空文件" in as_csv(broken, language="zh")


def test_a_row_has_the_hash_of_the_file_where_it_is_known() -> None:
    results = (
        replace(scored("a.png", 0.5), content_hash="0a" * 32),
        replace(failed(PictureUnreadable(name="b.png", reason="damaged")), content_hash="0b" * 32),
        failed(PictureMissing(name="c.png")),
    )
    content = json.loads(as_json(ranking(*results), judged_by={"model": "toybox"}))
    assert [row["sha256"] for row in content["results"]] == ["0a" * 32, "0b" * 32, None]
    assert [row["sha256"] for row in read_csv(as_csv(ranking(*results)))] == ["0a" * 32, "0b" * 32, ""]


def test_json_is_one_object_with_these_keys_in_this_order() -> None:
    text = as_json(ranking(scored("a.png", 0.25), failed(PictureMissing(name="b.png"))), judged_by={"model": "toybox"})
    content = json.loads(text)
    assert list(content) == ["query", "exclude", "example", "model", "fingerprint", "judged_by", "results"]
    assert (content["query"], content["model"], content["fingerprint"]) == ("红裙子 red dress", "toybox", "f1")
    assert [tuple(result) for result in content["results"]] == [COLUMNS, COLUMNS]
    assert text.endswith("}\n")
    assert "红裙子" in text


def test_csv_has_a_header_and_a_line_for_each_picture() -> None:
    assert without_mark(as_csv(ranking(scored("a.png", 0.0), scored("b, c.png", -0.5)))).split("\r\n") == [
        "rank,path,status,score,log_odds,words,text,error,sha256",
        "1,a.png,scored,5.0,0.0,,,,",
        f'2,"b, c.png",scored,{shown_score(-0.5)},-0.5,,,,',
        "",
    ]


@properties
@given(st.lists(st.tuples(names, st.lists(names, max_size=3)), max_size=3))
def test_a_file_of_several_rankings_has_what_the_file_of_each_has(cases: list[tuple[str, list[str]]]) -> None:
    rankings = [ranking(*(scored(name, 0.5) for name in pictures), query=query) for query, pictures in cases]
    judged_by = {"model": "toybox"}
    together = json.loads(rankings_as_json(rankings, judged_by=judged_by))
    assert together == {"queries": [json.loads(as_json(each, judged_by=judged_by)) for each in rankings]}
    lines = read_lines(rankings_as_csv(rankings))
    assert lines[0] == ["query", "exclude", *COLUMNS]
    alone = [line for each in rankings for line in read_lines(as_csv(each))[1:]]
    assert [line[2:] for line in lines[1:]] == alone
    queries = [query for query, pictures in cases for _ in pictures]
    assert [line[0].removeprefix("'") for line in lines[1:]] == [query.removeprefix("'") for query in queries]


def test_every_file_of_several_says_what_was_excluded() -> None:
    both = [ranking(scored("a.png", 0.0), query="a dog", exclude="a cat"), ranking(scored("a.png", 0.0), query="a dog")]
    content = json.loads(rankings_as_json(both, judged_by={"model": "toybox"}))
    assert [(each["query"], each["exclude"]) for each in content["queries"]] == [("a dog", "a cat"), ("a dog", "")]
    assert [(row["query"], row["exclude"]) for row in read_csv(rankings_as_csv(both))] == [
        ("a dog", "a cat"),
        ("a dog", ""),
    ]


@pytest.mark.parametrize("query", FORMULAS)
def test_a_query_that_would_be_a_formula_is_marked_as_text(query: str) -> None:
    (row,) = read_csv(rankings_as_csv([ranking(scored("a.png", 0.0), query=query)]))
    assert row["query"] == f"'{query}"


def test_an_empty_ranking_has_no_rows() -> None:
    assert json.loads(as_json(ranking(), judged_by={"model": "toybox"}))["results"] == []
    assert read_csv(as_csv(ranking())) == []


@pytest.mark.parametrize("name", FORMULAS)
def test_a_name_that_would_be_a_formula_is_marked_as_text(name: str) -> None:
    (row,) = read_csv(as_csv(ranking(scored(name, -2.0))))
    assert row["path"] == f"'{name}"
    assert row["log_odds"] == "-2.0"


@pytest.mark.parametrize("name", FORMULAS)
def test_json_does_not_mark_formulas(name: str) -> None:
    content = json.loads(as_json(ranking(scored(name, 0.0), query=name), judged_by={"model": name}))
    assert {content["query"], content["model"], content["results"][0]["path"]} == {name}


@properties
@given(names, st.floats(-50, 50))
def test_json_keeps_every_name_and_every_digit(name: str, log_odds: float) -> None:
    (result,) = json.loads(as_json(ranking(scored(name, log_odds)), judged_by={"model": "toybox"}))["results"]
    assert result == {
        "rank": 1,
        "path": name,
        "status": "scored",
        "score": shown_score(log_odds),
        "log_odds": log_odds,
        "words": None,
        "text": None,
        "error": None,
        "sha256": None,
    }


@properties
@given(names, st.floats(-50, 50))
def test_csv_keeps_every_name_and_every_digit(name: str, log_odds: float) -> None:
    (row,) = read_csv(as_csv(ranking(scored(name, log_odds))))
    assert row["path"] in {name, f"'{name}"}
    assert not "".join(filter(is_visible, row["path"])).startswith(("=", "+", "-", "@"))
    assert (float(row["score"]), float(row["log_odds"])) == (shown_score(log_odds), log_odds)


def test_json_refuses_what_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json(ranking(scored("a.png", float("nan"))), judged_by={"model": "toybox"})

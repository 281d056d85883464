"""`rank --like`: an example instead of a sentence, or beside it."""

from pathlib import Path

import pytest

from reranker import Query
from reranker.cli.console import DONE, USAGE_ERROR
from tests.support.scripted_scorer import ScriptedScorer, likeness
from tests.support.shell import Shell, write


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """The command line in a folder with four pictures, of which one is the example."""
    shell.scorer = ScriptedScorer(judge=likeness)
    Path("cats").mkdir()
    write(like=4)
    for name, number in {"a": 1, "b": 9, "c": 5}.items():
        Path("cats", f"{name}.png").write_text(str(number))
    return shell


def names(result: dict) -> list[str]:
    return [Path(row["path"]).stem for row in result["results"]]


def test_without_a_sentence_every_argument_is_a_path(shell: Shell) -> None:
    for paths in (["cats"], ["cats/a.png", "cats"], ["gone.png", "cats"]):
        done = shell("rank", "--like", "like.png", *paths, "--format", "json")
        assert done.code == DONE
        assert (done.result["query"], done.result["example"]) == ("", "like.png")
        assert names(done.result)[:3] == ["c", "a", "b"]


def test_a_sentence_stands_before_the_paths(shell: Shell) -> None:
    result = shell("rank", "a cat", "cats", "--like", "like.png", "--format", "json").result
    assert (result["query"], result["example"]) == ("a cat", "like.png")
    assert names(result) == ["c", "a", "b"]


def test_each_of_several_sentences_is_beside_the_example(shell: Shell) -> None:
    asked: list[Query] = []

    def judge(query: Query, content: bytes) -> float:
        asked.append(query)
        return likeness(query, content)

    shell.scorer = ScriptedScorer(judge=judge)
    Path("queries.txt").write_text("a cat\n一只狗\n", encoding="utf-8")
    done = shell("rank", "--queries", "queries.txt", "--like", "like.png", "cats", "--format", "json")
    assert [(each["query"], each["example"]) for each in done.result["queries"]] == [
        ("a cat", "like.png"),
        ("一只狗", "like.png"),
    ]
    assert {query.text for query in asked} == {"a cat", "一只狗"}


def test_a_result_without_an_example_says_so(shell: Shell) -> None:
    shell.scorer = ScriptedScorer()
    assert shell("rank", "a cat", "cats", "--format", "json").result["example"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cats", "--like", "gone.png"], "The example picture cannot be used: “gone.png” was not found"),
        (["cats", "--like", "cats"], "The example picture cannot be used: “cats” was not found or is not a file"),
        (["--like", "like.png"], "Missing argument 'PATH'."),
        (["a cat", "--like", "like.png"], "Missing argument 'PATH'."),
        (["cats", "--like", "like.png", "--output", "like.png"], "The result would replace “like.png”"),
    ],
)
def test_mistakes_are_told_before_the_model_is_loaded(shell: Shell, arguments: list[str], said: str) -> None:
    done = shell("rank", *arguments)
    assert done.code == USAGE_ERROR
    assert said in done.err
    assert shell.scorer.read_names == []


def test_an_example_that_cannot_be_decoded_ends_the_command_with_one_sentence(shell: Shell) -> None:
    write(like="no number")

    def read(candidate):
        if candidate.name == "like.png":
            raise ValueError
        return candidate.source.read_bytes()

    shell.scorer = ScriptedScorer(read=read)
    done = shell("rank", "cats", "--like", "like.png")
    assert done.code == USAGE_ERROR
    assert done.out == ""
    assert done.said[-1].startswith("The example picture cannot be used: The model failed on “like.png”")


def test_a_contact_sheet_is_headed_by_the_example(shell: Shell) -> None:
    assert "<h1>Pictures like like.png</h1>" in shell("rank", "cats", "--like", "like.png", "--format", "html").out
    both = shell("rank", "a <cat>", "cats", "--like", "like.png", "--format", "html").out
    assert "<h1>a &lt;cat&gt; · like like.png</h1>" in both

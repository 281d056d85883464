"""`watch`: pictures that arrive in a folder, and the ranking so far. No test waits for a clock."""

import os
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import pytest

from reranker import Query, Reranker, Settings
from reranker.cli.console import DONE, FAILED, USAGE_ERROR
from reranker.cli.watch import arrivals, rank_arrivals
from tests.support.scripted_scorer import ScriptedScorer, number
from tests.support.shell import CommandResult, Shell, ended, scripted, started

Step = Callable[[], object]


def nothing() -> None:
    """A step in which the other program writes nothing."""


def waiting(*steps: Step) -> Callable[..., None]:
    """Return a function to call instead of waiting: it runs the next step, and presses Ctrl-C after the last."""
    left = iter(steps)

    def wait(*_: float) -> None:
        step = next(left, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    return wait


def put(name: str, content: object, at: int = 1) -> None:
    """Write a file into the current folder. at: the time of its last change, in seconds."""
    Path(name).write_text(str(content))
    os.utime(name, (at, at))


# What has arrived


def arrived_names(*steps: Step) -> list[list[str]]:
    """Return the names of the pictures that arrived in the current folder, check by check."""
    looks = []
    with suppress(KeyboardInterrupt):
        for paths in arrivals(Path(), waiting(*steps)):
            looks.append([path.name for path in paths])
    return looks


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_picture_arrives_if_it_is_unchanged_in_two_checks() -> None:
    put("here.png", 1)
    assert arrived_names() == []
    assert arrived_names(nothing) == [["here.png"]]
    assert arrived_names(partial(put, "new.png", 1), nothing, nothing, nothing) == [["here.png"], ["new.png"]]


def test_a_growing_file_does_not_arrive() -> None:
    growing = [partial(put, "a.png", "1" * length) for length in range(1, 5)]
    assert arrived_names(*growing) == []
    assert arrived_names(*growing, nothing) == [["a.png"]]


def test_a_file_that_is_overwritten_with_the_same_size_does_not_arrive() -> None:
    changing = [partial(put, "a.png", at, at) for at in range(1, 5)]
    assert arrived_names(*changing) == []
    assert arrived_names(*changing, nothing) == [["a.png"]]


def test_a_changed_file_arrives_again() -> None:
    assert arrived_names(partial(put, "a.png", 1), nothing, partial(put, "a.png", 22), nothing) == [
        ["a.png"],
        ["a.png"],
    ]


def test_another_file_of_the_same_size_and_time_arrives() -> None:
    put("a.png", 1)
    put("b.part", 2)
    assert arrived_names(nothing, lambda: Path("b.part").rename("a.png"), nothing) == [["a.png"], ["a.png"]]


def test_pictures_of_one_check_arrive_in_natural_order() -> None:
    for name in ["img10.png", "IMG2.png", "img1.png"]:
        put(name, 1)
    assert arrived_names(nothing) == [["img1.png", "IMG2.png", "img10.png"]]


def test_only_visible_pictures_arrive() -> None:
    Path("folder.png").mkdir()
    for name in ["a.png", ".b.png", "c.txt", "d.png.part", "folder.png/e.png"]:
        put(name, 1)
    Path("f.png").symlink_to("gone.png")
    assert arrived_names(nothing) == [["a.png"]]


def test_a_link_to_a_picture_of_the_folder_is_no_second_picture(tmp_path: Path) -> None:
    folder = tmp_path / "renders"
    folder.mkdir()
    (tmp_path / "elsewhere.png").write_bytes(b"1")
    (folder / "a.png").write_bytes(b"1")
    (folder / "link.png").symlink_to("a.png")
    (folder / "outside.png").symlink_to(tmp_path / "elsewhere.png")
    (folder / "loop.png").symlink_to("loop.png")
    found = next(arrivals(folder, lambda: None))
    assert [path.name for path in found] == ["a.png", "outside.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is text")
def test_two_names_that_look_equal_are_two_pictures(tmp_path: Path) -> None:
    names = [os.fsdecode(name) for name in (b"\xe8.png", b"\xe9.png")]
    for name in names:
        (tmp_path / name).write_bytes(name.encode(errors="surrogateescape"))
    reranker = Reranker("toybox", scorer=ScriptedScorer())
    ranking = rank_arrivals(reranker, "a cat", arriving(names))
    assert [scored.candidate.name for scored in ranking.scored] == ["\ufffd.png"] * 2


def test_a_renamed_file_arrives() -> None:
    put("a.part", 1)
    assert arrived_names(nothing, lambda: Path("a.part").rename("a.png"), nothing) == [["a.png"]]


def test_pictures_do_not_arrive_again_when_the_folder_reappears() -> None:
    Path("in").mkdir()
    put("in/a.png", 1)
    away = [nothing, lambda: Path("in").rename("out"), nothing, lambda: Path("out").rename("in"), nothing, nothing]
    looks = []
    with suppress(KeyboardInterrupt):
        looks += arrivals(Path("in"), waiting(*away))
    assert looks == [[Path("in/a.png")]]


@pytest.mark.parametrize("seed", range(20))
def test_every_file_arrives_complete_in_any_order_of_writes(seed: int) -> None:
    random, now, changed, arrived = Random(seed), 0, {}, {}

    def write() -> None:
        nonlocal now
        now += 1
        for name in random.sample("abcd", random.randrange(3)):
            put(f"{name}.png", now, now)
            changed[f"{name}.png"] = now

    def rest() -> None:
        nonlocal now
        now += 1

    with suppress(KeyboardInterrupt):
        for paths in arrivals(Path(), waiting(*[write] * 12, rest)):
            assert all(changed[path.name] < now for path in paths)
            arrived |= {path.name: path.read_text() for path in paths}
    assert arrived == {name: str(when) for name, when in changed.items()}


# The ranking so far


def reranker(scorer: ScriptedScorer) -> Reranker:
    return Reranker(settings=Settings.of(model="toybox", score_store_mb=0), scorer=scorer)


def arriving(*looks: Sequence[str]) -> Iterator[list[Path]]:
    """Yield the paths of each batch, then press Ctrl-C."""
    for names in looks:
        yield [Path(name) for name in names]
    raise KeyboardInterrupt


def test_each_picture_has_a_line_with_its_rank_so_far(capsys: pytest.CaptureFixture) -> None:
    for name, content in {"a.png": 1, "b.png": 3, "c.png": 2, "d.png": "no number"}.items():
        put(name, content)
    rank_arrivals(reranker(ScriptedScorer(judge=number)), "a dog", arriving(["a.png"], ["b.png"], ["d.png"], ["c.png"]))
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(maxsplit=4) for line in err.splitlines()[1:] if "failed" not in line] == [
        ["#1", "of", "1", "7.3", "a.png"],
        ["#1", "of", "2", "9.5", "b.png"],
        ["#2", "of", "3", "8.8", "c.png"],
    ]
    (failed,) = [line for line in err.splitlines() if "failed" in line]
    assert "“d.png”" in failed


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_arrival_does_not_change_the_ranking(seed: int) -> None:
    names = [f"{number}.png" for number in range(9)]
    for name in names:
        put(name, "none" if name == "4.png" else name[0])
    order = Random(seed).sample(names, len(names))
    looks = [order[start : start + seed + 1] for start in range(0, len(order), seed + 1)]
    scorer = reranker(ScriptedScorer(judge=number))
    came = rank_arrivals(scorer, "a dog", arriving(*looks))
    whole = scorer.rank("a dog", [Path(name) for name in order])
    assert [one.score for one in came.scored] == [one.score for one in whole.scored]
    assert [one.candidate.name for one in came.scored] == [one.candidate.name for one in whole.scored]
    assert [one.candidate.name for one in came.failed] == ["4.png"]
    assert (came.query, came.fingerprint, came.temperature) == (whole.query, whole.fingerprint, whole.temperature)


def test_a_picture_that_arrives_again_replaces_its_score() -> None:
    def looks() -> Iterator[list[Path]]:
        for content in ("none", "3", "1"):
            put("a.png", content)
            put("b.png", "2")
            yield [Path("a.png"), Path("b.png")]
        raise KeyboardInterrupt

    ranking = rank_arrivals(reranker(ScriptedScorer(judge=number)), "a dog", looks())
    assert [(one.candidate.name, one.score.log_odds) for one in ranking.scored] == [("b.png", 2.0), ("a.png", 1.0)]
    assert ranking.failed == ()


def test_a_picture_that_fails_later_loses_its_rank(capsys: pytest.CaptureFixture) -> None:
    def looks() -> Iterator[list[Path]]:
        put("a.png", 3)
        yield [Path("a.png")]
        put("a.png", "none")
        yield [Path("a.png")]
        put("b.png", 2)
        yield [Path("b.png")]
        raise KeyboardInterrupt

    ranking = rank_arrivals(reranker(ScriptedScorer(judge=number)), "a dog", looks())
    assert capsys.readouterr().err.splitlines()[-1].split() == ["#1", "of", "1", "8.8", "b.png"]
    assert [one.candidate.name for one in ranking.scored] == ["b.png"]
    assert [one.candidate.name for one in ranking.failed] == ["a.png"]


def test_ctrl_c_during_scoring_keeps_the_earlier_pictures() -> None:
    def judge(query: Query, content: bytes) -> float:
        if content == b"9":
            raise KeyboardInterrupt
        return number(query, content)

    put("a.png", 1)
    put("b.png", 9)
    ranking = rank_arrivals(reranker(ScriptedScorer(judge=judge)), "a dog", arriving(["a.png"], ["b.png"], ["a.png"]))
    assert [one.candidate.name for one in ranking.scored] == ["a.png"]


# The command


def watch(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, *arguments: object, steps: Sequence[Step] = (nothing,)
) -> CommandResult:
    monkeypatch.setattr("reranker.cli.watch.sleep", waiting(*steps))
    return shell("watch", *arguments)


def test_formats_are_those_of_rank(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in {"a.png": 1, "b.png": 3, "c.png": 2, "d.png": "none"}.items():
        put(name, content)
    for form in ("table", "json", "csv"):
        watched = watch(shell, monkeypatch, ".", "a dog", "--not", "a cat", "--format", form, "--top-k", 2)
        ranked = shell("rank", "a dog", ".", "--not", "a cat", "--format", form, "--top-k", 2)
        assert (watched.code, watched.out) == (DONE, ranked.out)
    watch(shell, monkeypatch, ".", "a dog", "--format", "zip", "--top-k", 2, "--output", "best.zip")
    assert zipfile.ZipFile("best.zip").namelist() == ["01_9.5_b.png", "02_8.8_c.png"]


def test_the_interval_between_checks(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr("reranker.cli.watch.sleep", wait)
    shell("watch", ".", "a dog", "--interval", 2.5)
    shell("watch", ".", "a dog")
    assert waited == [2.5, 1.0]


def test_exit_code_is_1_if_no_picture_arrived(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    done = watch(shell, monkeypatch, ".", "a dog")
    assert (done.code, done.said[-1]) == (FAILED, "No picture arrived, so there is nothing to rank.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gone", "a dog"], "“gone” cannot be watched: No such file or directory; name a folder that can be read."),
        (["a.png", "a dog"], "“a.png” cannot be watched: Not a directory; name a folder that can be read."),
        ([".", " "], "The sentence is empty; write what the pictures should show."),
        (["."], "Missing argument 'QUERY'."),
        ([".", "a dog", "--interval", "0"], None),
        ([".", "a dog", "--output", "."], None),
        ([".", "a dog", "--output", "a.png"], None),
        (
            [".", "a dog", "--output", "new.png"],
            "The result would be one of the pictures that are watched, “new.png”; name another file.",
        ),
    ],
)
def test_usage_errors_are_one_sentence_and_nothing_is_watched(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str | None
) -> None:
    put("a.png", 1)
    done = watch(shell, monkeypatch, *arguments)
    assert (done.code, done.out, len(done.err.splitlines())) == (USAGE_ERROR, "", 1)
    assert sentence in {None, done.err.strip()}
    assert shell.scorer.read_names == []


@pytest.mark.extended
def test_the_program_ranks_arrivals_and_writes_the_ranking_at_the_end(tmp_path: Path) -> None:
    given = "from tests.support.scripted_scorer import number\ngiven = {'judge': number}"
    process = started(scripted(given), "watch", tmp_path, "a dog", "--interval", 0.1, "--format", "json")
    assert process.stderr.readline().startswith(b"Watching")
    put(str(tmp_path / "a.png"), 1)
    assert process.stderr.readline().split() == [b"#1", b"of", b"1", b"7.3", b"a.png"]
    put(str(tmp_path / "b.png"), 2)
    assert process.stderr.readline().split() == [b"#1", b"of", b"2", b"8.8", b"b.png"]
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert (done.code, done.said) == (DONE, [])
    assert [Path(path).name for path in done.paths] == ["b.png", "a.png"]

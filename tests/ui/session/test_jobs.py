"""Runs of a session: their results, their progress, how they end, and what is left of them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reranker import Query, Reranker, Settings
from reranker.core.errors import CheckpointMissing, DeviceFailed
from reranker.i18n.error_messages import sentence
from reranker.ui.session.jobs import RankingPart, RankJob
from reranker.ui.session.records import Picture, RankingHeader
from reranker.ui.session.sessions import Sessions
from tests.support.numbered_pictures import number_in, numbered_picture
from tests.support.paced_scorer import PacedScorer
from tests.support.page_session import PageSession, is_ended, names_by_score
from tests.support.scripted_scorer import ScriptedScorer, until


def both(error: Exception) -> dict[str, str]:
    return {language: sentence(error, language) for language in ("en", "zh")}


def test_a_ranking_has_the_scores_of_all_pictures(session: PageSession) -> None:
    ids = session.add(-1.5, 2.5, 0.5)
    (ranking,) = session.rank("  a cat ")
    assert {row[0]: row[1] for row in ranking["scored"]} == dict(zip(ids, (-1.5, 2.5, 0.5), strict=True))
    assert names_by_score(ranking) == ["2.5.png", "0.5.png", "-1.5.png"]
    summary = session.state()["rankings"][ranking["id"]]
    assert (summary["query"], summary["state"], summary["error"]) == ("a cat", "done", None)
    assert (summary["total"], summary["scored"], summary["failed"]) == (3, 3, 0)
    assert summary["best"] == [ids[1], ids[2], ids[0]]
    assert (summary["model"], summary["precision"]) == ("toybox", "fp32")


def test_a_run_is_told_step_by_step_and_every_result_once(open_page) -> None:
    paced = PacedScorer()
    session = open_page(paced.scorer)
    ids = session.add(*range(6))
    with session.watched() as first:
        (ranking,) = session.start("a cat")
        first.wait(lambda state: state["job"] is not None and ranking in state["rankings"])
        paced.allow(2)
        first.wait(lambda state: len(state["results"].get(ranking, ())) == 2)
        with session.watched() as late:
            known = {row[0] for row in session.ranking(ranking)["scored"]}
            assert len(known) == 2
            assert late.state["job"]["total"] == 6
            paced.allow(4)
            for watcher in (first, late):
                watcher.wait(lambda state: state["job"] is None and is_ended(state, ranking))
        told = [row[0] for row in first.state["results"][ranking]]
        told_late = [row[0] for row in late.state["results"][ranking]]
    assert sorted(told) == sorted(ids)
    assert sorted([*known, *told_late]) == sorted(ids)
    done = [change["job"]["done"] for change in first.changes if change.get("job")]
    assert done == sorted(done)


def test_a_run_goes_on_while_nobody_watches(open_page) -> None:
    paced = PacedScorer()
    session = open_page(paced.scorer)
    session.add(1, 2)
    with session.watched() as watcher:
        (ranking,) = session.start("a cat")
        watcher.wait(lambda state: state["job"] is not None)
    paced.allow(2)
    until(lambda: session.ranking(ranking)["state"] == "done")
    assert session.state()["job"] is None


def test_several_sentences_are_one_run_with_a_ranking_each(session: PageSession) -> None:
    session.add(1, 2)
    rankings = session.rank("a cat", "  ", "一只狗", "a cat ", "")
    assert [ranking["query"] for ranking in rankings] == ["a cat", "一只狗"]
    assert len({ranking["run"] for ranking in rankings}) == 1
    assert [names_by_score(ranking) for ranking in rankings] == [["2.png", "1.png"]] * 2
    assert session.rank("a cat")[0]["run"] != rankings[0]["run"]


def test_two_hundred_sentences_are_ranked(session: PageSession) -> None:
    session.add(1, 2)
    with session.watched() as watcher:
        ids = session.start(*map(str, range(200)))
        state = watcher.wait(lambda state: state["job"] is None and all(is_ended(state, id_) for id_ in ids))
    rankings = [state["rankings"][id_] for id_ in ids]
    assert [ranking["query"] for ranking in rankings] == list(map(str, range(200)))
    assert {(ranking["state"], ranking["scored"]) for ranking in rankings} == {("done", 2)}
    assert names_by_score(session.ranking(ids[-1])) == ["2.png", "1.png"]


def test_a_part_of_the_pictures_is_ranked(session: PageSession) -> None:
    ids = session.add(1, 2, 3)
    (ranking,) = session.rank("a cat", pictures=[ids[2], ids[0], ids[2], "unknown"])
    assert (ranking["total"], names_by_score(ranking)) == (2, ["3.png", "1.png"])


def test_stopping_keeps_what_was_scored_and_the_rest_can_be_scored_later(open_page) -> None:
    paced = PacedScorer()
    session = open_page(paced.scorer.with_info(relevance_threshold=9.9))
    session.add(1, 2, 3)
    with session.watched() as watcher:
        (ranking,) = session.start("a cat")
        assert paced.entered.wait(20)
        assert session.post("stop").status_code == 204
        watcher.wait(lambda state: state["job"] and state["job"]["stopping"])
        paced.allow()
        watcher.wait(lambda state: is_ended(state, ranking) and state["job"] is None)
        states = [change["ranking"] for change in watcher.changes if "ranking" in change]
    stopped = session.ranking(ranking)
    assert (stopped["state"], len(stopped["scored"]), len(stopped["failed"])) == ("stopped", 1, 2)
    assert {row[2] for row in stopped["failed"]} == {1}
    assert not any(summary["none_fits"] for summary in states), "nobody knows what was not scored"
    assert "done" not in {summary["state"] for summary in states}
    paced.allow(2)
    assert session.post("retry", {"ranking": ranking}).status_code == 202
    until(lambda: session.ranking(ranking)["state"] == "done")
    ended = session.ranking(ranking)
    assert (len(ended["scored"]), ended["failed"], ended["none_fits"]) == (3, [], True)


@pytest.mark.parametrize(("threshold", "none_fits"), [(9.9, True), (9.0, False), (None, False)])
def test_where_no_picture_fits_the_ranking_says_so(open_page, threshold: float | None, none_fits: bool) -> None:
    session = open_page(ScriptedScorer(judge=number_in).with_info(relevance_threshold=threshold))
    session.add(2, 2.5)  # the best has 9.2
    (ranking,) = session.rank("a cat")
    assert (ranking["none_fits"], ranking["threshold"]) == (none_fits, threshold)


def test_a_picture_that_fails_says_why_in_both_languages_and_costs_only_itself(session: PageSession) -> None:
    ids = session.add(1, "no number", 2)
    (ranking,) = session.rank("a cat")
    assert names_by_score(ranking) == ["2.png", "1.png"]
    ((failed, texts, _, name),) = ranking["failed"]
    assert (failed, name, ranking["state"]) == (ids[1], "no number.png", "done")
    assert "no number.png" in texts["en"]
    assert "no number.png" in texts["zh"]
    assert texts["en"] != texts["zh"]


def test_a_run_that_is_retried_keeps_its_scores_and_its_place(open_page) -> None:
    failing = {b"broken"}

    def judge(query: Query, content: bytes) -> float:
        if failing and number_in(query, content) == 2:
            raise RuntimeError("for a moment")
        return number_in(query, content)

    session = open_page(ScriptedScorer(judge=judge, batch_tokens=1))
    session.add(1, 2, 3)
    (first,) = session.rank("a cat")
    assert [row[2:] for row in first["failed"]] == [[1, "2.png"]]
    session.rank("a dog")
    failing.clear()
    session.post("retry", {"ranking": first["id"]})
    until(lambda: session.ranking(first["id"])["failed"] == [])
    again = session.ranking(first["id"])
    assert names_by_score(again) == ["3.png", "2.png", "1.png"]
    assert (again["query"], again["created"], again["total"]) == ("a cat", first["created"], 3)
    answer = session.post("retry", {"ranking": first["id"]})
    assert answer.status_code == 400


def test_an_error_that_nobody_foresaw_ends_the_run_with_a_sentence(open_page, caplog) -> None:
    scorer = ScriptedScorer(judge=number_in)
    scorer.batch_tokens = "eight"
    session = open_page(scorer)
    session.add(1, 2)
    (ranking,) = session.rank("a cat")
    assert ranking["state"] == "failed"
    assert ranking["error"]["en"].startswith("An unexpected error occurred")
    assert [row[2] for row in ranking["failed"]] == [1, 1]
    assert "TypeError" in caplog.text
    assert session.state()["job"] is None


def test_a_gpu_that_failed_ends_the_run_with_a_sentence(open_page) -> None:
    def judge(query: Query, content: bytes) -> float:
        raise DeviceFailed

    session = open_page(ScriptedScorer(judge=judge))
    session.add(1, 2)
    (ranking,) = session.rank("a cat", "a dog")[:1]
    assert (ranking["state"], ranking["error"]) == ("failed", both(DeviceFailed()))


def test_a_model_that_cannot_be_loaded_ends_the_run_without_its_folder(open_page) -> None:
    session = open_page(reranker=Reranker("/nowhere/secret/lychee-rerank-mm"))
    session.add(1, 2)
    (ranking,) = session.rank("a cat")
    assert ranking["state"] == "failed"
    assert "lychee-rerank-mm" in ranking["error"]["zh"]
    assert "secret" not in str(session.state())


def test_a_picture_whose_file_is_gone_says_so(session: PageSession) -> None:
    ids = session.add(1, 2, 3)
    session.post("remove", {"pictures": ids[:1]})
    session.post("restore")
    assert len(session.rank("a cat")[0]["scored"]) == 3
    session.post("remove", {"pictures": ids[:1]})
    session.post("remove", {"pictures": ids[1:2]})  # now the first file is gone
    assert session.post("rank", {"queries": ["a cat"]}).status_code == 400, "one picture is too few"
    assert len(session.state()["pictures"]) == 1


def test_what_was_scored_before_is_told_to_be_from_the_cache(open_page) -> None:
    session = open_page(score_store_mb=10)
    session.add(1, 2)
    assert session.rank("a cat")[0]["reused"] == 0
    (again,) = session.rank("a cat")
    assert (again["reused"], [row[6] for row in again["scored"]]) == (2, [1, 1])


def test_the_memory_of_the_gpu_is_told(open_page) -> None:
    paced = PacedScorer()
    paced.scorer.device_memory = (3 * 2**29, 24 * 2**30)
    session = open_page(paced.scorer)
    session.add(1, 2)
    with session.watched() as watcher:
        session.start("a cat")
        watcher.wait(lambda state: state["job"] and state["job"]["memory"] == "1.5/24.0 GiB")
        paced.allow(2)
        watcher.wait(lambda state: state["job"] is None)


# Without a server


class Told:
    """A reranker whose streams do one of the steps before each event."""

    def __init__(self, reranker: Reranker, steps: Sequence[Callable[[], object]]) -> None:
        self._reranker, self._steps = reranker, steps
        self.queue_position: int | None = None
        self.coarse_count: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reranker, name)

    def rank_each_stream(self, *arguments: Any, **options: Any) -> Any:
        stream, steps = self._reranker.rank_each_stream(*arguments, **options), self._steps

        class Stream:
            queue_position, coarse_count = self.queue_position, self.coarse_count

            def __iter__(self) -> Any:
                for item, step in zip(stream, steps, strict=False):
                    step()
                    yield item

            def close(self) -> None:
                stream.close()

        return Stream()


def job_views(tmp_path: Path, total: int, seconds_a_picture: float, seen_after: range) -> list[dict[str, Any]]:
    """What is told of a run in which each picture takes so long, after these numbers of pictures."""
    now, told = [0.0], []
    reranker = Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(model="toybox", score_store_mb=0))
    reranker.load()
    session = Sessions(reranker, tmp_path / "sessions").create("")
    (file := tmp_path / "a.png").write_bytes(numbered_picture(1, (2, 2)))
    pictures = [Picture(id=str(position), name="a.png", path=file) for position in range(total)]
    session.add(pictures)
    session.watch(told.append)

    def jobs() -> list[dict[str, Any]]:
        return [change["job"] for change in list(told) if change.get("job")]

    def step(done: int) -> None:
        if done in seen_after:
            until(lambda: jobs()[-1]["done"] == done)
        now[0] += seconds_a_picture

    steps = [partial(step, done) for done in range(total + 1)]
    parts = [RankingPart(header=a_header(total), pictures=pictures)]
    RankJob(session, Told(reranker, steps), parts, clock=lambda: now[0]).start()
    until(lambda: not session.is_running)
    return [view for view in jobs() if view["done"] in seen_after]


def a_header(total: int) -> RankingHeader:
    return RankingHeader(
        id="r",
        query=Query(text="a"),
        created_s=0,
        run="",
        total=total,
        judged_by={},
        fingerprint="",
        temperature=1,
        threshold=None,
    )


@pytest.mark.parametrize(
    ("total", "seconds_a_picture", "first_with_time"), [(100, 1.0, 5), (400, 0.25, 20), (400, 2.0, 5), (40, 0.1, 2)]
)
def test_time_left_is_told_after_a_twentieth_or_ten_seconds(
    tmp_path: Path, total: int, seconds_a_picture: float, first_with_time: int
) -> None:
    views = job_views(tmp_path, total, seconds_a_picture, range(first_with_time - 1, first_with_time + 2))
    told = {view["done"] for view in views if view["left_s"] is not None}
    assert told == {first_with_time, first_with_time + 1}
    for view in views:
        if view["left_s"] is not None:
            assert view["left_s"] == pytest.approx((total - view["done"]) * seconds_a_picture)


def test_who_waits_is_told_how_many_go_first_and_what_is_provisional(tmp_path: Path) -> None:
    reranker = Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(model="toybox", score_store_mb=0))
    session = Sessions(reranker, tmp_path / "sessions").create("")
    (file := tmp_path / "a.png").write_bytes(numbered_picture(1, (2, 2)))
    pictures = [Picture(id=str(position), name="a.png", path=file) for position in range(2)]
    session.add(pictures)
    views: list[dict[str, Any]] = []
    session.watch(lambda change: views.append(change["job"]) if change.get("job") else None)
    told = Told(reranker, [lambda: until(lambda: any(view["place"] == 2 for view in views))] * 3)
    told.queue_position, told.coarse_count = 2, 7
    RankJob(session, told, [RankingPart(header=a_header(2), pictures=pictures)]).start()
    until(lambda: not session.is_running)
    assert {view["coarse"] for view in views if view["place"] == 2} == {7}
    assert (views[0]["place"], views[0]["coarse"], views[0]["left_s"]) == (None, None, None)


def test_errors_of_the_model_are_shown_by_the_page(tmp_path) -> None:
    class Missing(Reranker):
        def load(self) -> Any:
            raise CheckpointMissing(name="x", missing="config.json")

    reranker = Missing(settings=Settings.of(model="toybox"))
    session = Sessions(reranker, tmp_path).create("")
    pictures = [Picture(id=str(number), name="a", path=tmp_path / "a") for number in range(2)]
    session.add(pictures)
    RankJob(session, reranker, [RankingPart(header=a_header(2), pictures=pictures)]).start()
    until(lambda: not session.is_running)
    assert session.summary("r")["error"] == both(CheckpointMissing(name="x", missing="config.json"))

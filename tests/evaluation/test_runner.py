"""Every set is judged by every combination, once, in the same batches; what was stopped goes on."""

import json
from functools import partial

import pytest

from reranker import Reranker
from reranker.config.settings import Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import CheckpointMissing, PictureUnreadable, QueryTooLong
from reranker.evaluation.datasets.labelled import Dataset, LabelledPicture, LabelledSet
from reranker.evaluation.results import Evaluation
from reranker.evaluation.results_log import ResultsLog
from reranker.evaluation.runner import LeftOut, ModelRun, Progress, evaluate_stream
from tests.support.labelled import numbered_dataset
from tests.support.scripted_scorer import ScriptedScorer, number

RIGHT_FIRST = [[3.0, 1.0, 0.0], [2.0, -1.0, -2.0], [5.0, 4.0, 3.0]]
NUMBERS = numbered_dataset(RIGHT_FIRST)


def plan_of(scorer: ScriptedScorer, **settings) -> ModelRun:
    reranker = Reranker("toybox", settings=Settings.of(**settings), scorer=scorer)
    return ModelRun(open=lambda: reranker, scorings=("yes-no",), details=("usual",))


def evaluated(dataset: Dataset, *plans: ModelRun, results_log: ResultsLog | None = None) -> Evaluation:
    *_, last = evaluate_stream(dataset, plans, results_log=results_log)
    return last


def toybox_plan(precision: str = "fp32", scorings=("yes-no",), details=("usual",)) -> ModelRun:
    settings = Settings.of(model="toybox", precision=precision, scoring=scorings[-1], score_store_mb=0)
    return ModelRun(open=partial(Reranker, settings=settings), scorings=scorings, details=details)


def test_scores_are_those_of_the_pictures_in_their_order():
    evaluation = evaluated(NUMBERS, plan_of(ScriptedScorer(judge=number)))
    (one,) = evaluation.evaluated
    assert [list(judged.log_odds) for judged in one.judged] == RIGHT_FIRST
    assert (one.figures.first, one.figures.sets, one.figures.pictures) == (1.0, 3, 9)
    assert one.configuration.label == "toybox fp32 yes-no 2"
    assert evaluation.comparisons == ()


@pytest.mark.parametrize("batch_tokens", [1, 2, 4, 100])
def test_no_batch_holds_pictures_of_two_sets_or_more_than_fit(batch_tokens):
    scorer = ScriptedScorer(judge=number, batch_tokens=batch_tokens)
    evaluated(NUMBERS, plan_of(scorer, detail="usual"))
    rows = [[repr(value).encode() for value in row] for row in RIGHT_FIRST]
    assert sorted(scorer.scored) == sorted(picture for row in rows for picture in row)
    assert all(any(set(batch) <= set(row) for row in rows) for batch in scorer.batches)
    assert max(map(len, scorer.batches)) <= max(1, batch_tokens // 2)  # a picture is said to take two tokens


def test_the_batches_are_the_same_each_time():
    batches = []
    for _ in range(3):
        scorer = ScriptedScorer(judge=number)
        evaluated(NUMBERS, plan_of(scorer, reader_threads=4))
        batches.append(scorer.batches)
    assert batches[0] == batches[1] == batches[2]


def test_a_picture_that_cannot_be_read_costs_itself(tmp_path):
    broken = LabelledPicture(name="gone.png", source=tmp_path / "gone.png", gain=0, grade=0)
    sets = tuple(
        LabelledSet(id=one.id, query=one.query, language="en", pictures=(*one.pictures, broken)) for one in NUMBERS.sets
    )
    (one,) = evaluated(Dataset(name="broken", sets=sets), plan_of(ScriptedScorer(judge=number))).evaluated
    assert [judged.log_odds[3] for judged in one.judged] == [None] * 3
    assert all("gone.png" in judged.errors[3] for judged in one.judged)
    assert all(str(tmp_path) not in judged.errors[3] for judged in one.judged)
    assert (one.figures.failures, one.figures.first) == (3, 1.0)


def test_one_that_fails_on_the_device_is_found_among_the_others():
    def judge(query, content):
        if content == b"1.0":
            raise PictureUnreadable(name="", reason="damaged")
        return number(query, content)

    (one,) = evaluated(NUMBERS, plan_of(ScriptedScorer(judge=judge, batch_tokens=100))).evaluated
    assert [judged.log_odds.count(None) for judged in one.judged] == [1, 0, 0]


def test_looking_that_fails_is_tried_again_with_the_judging():
    class Blind(ScriptedScorer):
        def encode(self, query, prepared):
            raise MemoryError

    (one,) = evaluated(NUMBERS, plan_of(Blind(judge=number))).evaluated
    assert [list(judged.log_odds) for judged in one.judged] == RIGHT_FIRST


def test_progress_ends_where_the_work_does():
    events = list(evaluate_stream(NUMBERS, [plan_of(ScriptedScorer(judge=number)) for _ in range(2)]))
    progress = [event for event in events if isinstance(event, Progress)]
    assert [one.done for one in progress] == sorted(one.done for one in progress)
    assert (progress[-1].done, progress[-1].total) == (18, 18)
    assert progress[-1].left_s == 0
    assert isinstance(events[-1], Evaluation)


def test_what_was_stopped_goes_on_without_judging_anything_twice(tmp_path):
    cancellation, first = Cancellation(), ScriptedScorer(judge=number, batch_tokens=100)
    for event in evaluate_stream(
        NUMBERS, [plan_of(first)], cancellation=cancellation, results_log=ResultsLog(tmp_path / "scores.jsonl")
    ):
        assert isinstance(event, Progress)
        cancellation.cancel()
    assert len(first.scored) < 9
    second = ScriptedScorer(judge=number, batch_tokens=100)
    (one,) = evaluated(NUMBERS, plan_of(second), results_log=ResultsLog(tmp_path / "scores.jsonl")).evaluated
    assert sorted(first.scored + second.scored) == sorted(repr(v).encode() for row in RIGHT_FIRST for v in row)
    assert [list(judged.log_odds) for judged in one.judged] == RIGHT_FIRST
    third = ScriptedScorer(judge=number)
    assert evaluated(NUMBERS, plan_of(third), results_log=ResultsLog(tmp_path / "scores.jsonl")).evaluated == (one,)
    assert third.scored == []


def test_a_stop_in_the_middle_of_a_set_leaves_nothing_of_it(tmp_path):
    cancellation, path = Cancellation(), tmp_path / "scores.jsonl"

    def judge(query, content):
        if content == b"-2.0":
            cancellation.cancel()
            raise RuntimeError  # so that the rest of the batch waits for another turn, which never comes
        return number(query, content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=100)
    events = list(evaluate_stream(NUMBERS, [plan_of(scorer)], cancellation=cancellation, results_log=ResultsLog(path)))
    assert not any(isinstance(event, Evaluation) for event in events)
    assert [json.loads(line)["id"] for line in path.read_bytes().splitlines()] == ["set-0"]
    (one,) = evaluated(NUMBERS, plan_of(ScriptedScorer(judge=number)), results_log=ResultsLog(path)).evaluated
    assert (one.figures.failures, one.figures.first) == (0, 1.0)


def test_a_line_that_was_cut_off_is_judged_again(tmp_path):
    path = tmp_path / "scores.jsonl"
    whole = evaluated(NUMBERS, plan_of(ScriptedScorer(judge=number)), results_log=ResultsLog(path))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    scorer = ScriptedScorer(judge=number)
    again = evaluated(NUMBERS, plan_of(scorer), results_log=ResultsLog(path))
    assert [judged.log_odds for judged in again.evaluated[0].judged] == [
        judged.log_odds for judged in whole.evaluated[0].judged
    ]
    assert len(scorer.scored) == 3
    assert sum(_is_json(line) for line in path.read_bytes().splitlines()) == 3


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def test_another_scorer_another_query_or_another_picture_is_judged_anew(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"1.0")

    def dataset(query: str = "a") -> Dataset:
        pictures = tuple(
            LabelledPicture(name=name, source=source, gain=gain, grade=gain)
            for name, source, gain in (("picture.png", path, 1), ("other.png", b"0.5", 0))
        )
        return Dataset(name="d", sets=(LabelledSet(id="1", query=query, language="en", pictures=pictures),))

    def judged(query: str = "a", fingerprint: str = "f") -> int:
        scorer = ScriptedScorer(judge=number, fingerprint=fingerprint)
        evaluated(dataset(query), plan_of(scorer), results_log=ResultsLog(tmp_path / "scores.jsonl"))
        return len(scorer.scored)

    assert [judged(), judged(), judged("b"), judged("b", "g"), judged("b", "g")] == [2, 0, 2, 2, 0]
    path.write_bytes(b"2.25")
    assert judged("b", "g") == 2


def test_what_failed_is_tried_again(tmp_path):
    def fails(query, content):
        raise MemoryError

    (first,) = evaluated(
        NUMBERS, plan_of(ScriptedScorer(judge=fails)), results_log=ResultsLog(tmp_path / "s.jsonl")
    ).evaluated
    assert first.figures.failures == 9
    for _ in range(2):
        again = ScriptedScorer(judge=number)
        (one,) = evaluated(NUMBERS, plan_of(again), results_log=ResultsLog(tmp_path / "s.jsonl")).evaluated
        assert (one.figures.failures, one.figures.first) == (0, 1.0)
    assert again.scored == []


def test_what_is_known_counts_as_done(tmp_path):
    evaluated(NUMBERS, plan_of(ScriptedScorer(judge=number)), results_log=ResultsLog(tmp_path / "s.jsonl"))
    progress, evaluation = evaluate_stream(
        NUMBERS, [plan_of(ScriptedScorer(judge=number))], results_log=ResultsLog(tmp_path / "s.jsonl")
    )
    assert (progress.done, progress.total) == (9, 9)
    assert isinstance(evaluation, Evaluation)


def test_a_ledger_that_cannot_be_written_is_told_at_once(tmp_path):
    with pytest.raises(OSError, match="directory"):
        ResultsLog(tmp_path)


def test_models_of_one_name_are_told_apart():
    plans = [plan_of(ScriptedScorer(judge=number, fingerprint=name)) for name in ("first", "second")]
    labels = [one.configuration.label for one in evaluated(NUMBERS, *plans).evaluated]
    assert labels == ["toybox (first) fp32 yes-no 2", "toybox (second) fp32 yes-no 2"]


def test_a_detail_by_two_names_is_judged_once():
    scorer = ScriptedScorer(judge=number)
    reranker = Reranker("toybox", scorer=scorer)
    plan = ModelRun(open=lambda: reranker, scorings=("yes-no",), details=("usual", "2"))
    *_, progress, evaluation = evaluate_stream(NUMBERS, [plan])
    assert (progress.done, progress.total, len(scorer.scored)) == (9, 9, 9)
    assert len(evaluation.evaluated) == 1


def test_a_model_that_cannot_be_loaded_is_left_out():
    def missing() -> Reranker:
        raise CheckpointMissing(name="nowhere")

    plans = [ModelRun(open=missing, scorings=("yes-no",), details=("usual",)), plan_of(ScriptedScorer(judge=number))]
    events = list(evaluate_stream(NUMBERS, plans))
    assert isinstance(events[0], LeftOut)
    assert events[0].error.name == "nowhere"
    assert events[1].total == 9
    assert isinstance(events[-1], Evaluation)
    assert [type(event) for event in evaluate_stream(NUMBERS, plans[:1])] == [LeftOut]


def test_a_query_that_is_too_long_is_told_before_anything_is_judged():
    scorer = ScriptedScorer(judge=number)
    with pytest.raises(QueryTooLong):
        evaluated(NUMBERS, plan_of(scorer, max_query_length=3))
    assert scorer.scored == []


def test_another_run_on_the_same_device_gets_its_turn():
    scorer = ScriptedScorer(judge=number, batch_tokens=2)
    reranker = Reranker("toybox", scorer=scorer)
    stream = evaluate_stream(NUMBERS, [ModelRun(open=lambda: reranker, scorings=("yes-no",), details=("usual",))])
    next(stream)
    assert reranker.rank("b", [b"7.0"]).scored[0].score.log_odds == 7.0
    *_, last = stream
    assert isinstance(last, Evaluation)


# The real model


@pytest.fixture(scope="module")
def drawn(drawings) -> Dataset:
    return Dataset(name="drawn", sets=tuple(_drawn_set(f"s{number}", drawings) for number in range(2)))


def _drawn_set(set_id: str, drawings) -> LabelledSet:
    pictures = tuple(
        LabelledPicture(name=path.name, source=path, gain=int("cat" in path.name), grade=0) for path in drawings
    )
    return LabelledSet(id=set_id, query="a black cat", language="en", pictures=pictures)


def test_both_ways_of_asking_share_one_look(drawn):
    both = evaluated(drawn, toybox_plan(scorings=("yes-no", "rating"))).evaluated
    assert [one.configuration.scoring for one in both] == ["yes-no", "rating"]
    assert [judged.looked_ms for judged in both[0].judged] == [judged.looked_ms for judged in both[1].judged]
    for shared in both:
        (alone,) = evaluated(drawn, toybox_plan(scorings=(shared.configuration.scoring,))).evaluated
        for one, other in zip(shared.judged, alone.judged, strict=True):
            assert one.log_odds == pytest.approx(other.log_odds, abs=1e-3)


def test_pictures_of_an_earlier_set_are_not_looked_at_again(drawn, monkeypatch):
    looks = []
    from reranker.engine import cross_encoder  # noqa: PLC0415 - torch

    encode_images = cross_encoder.encode_images
    monkeypatch.setattr(
        cross_encoder,
        "look",
        lambda vision, pieces, device: looks.extend(pieces) or encode_images(vision, pieces, device),
    )
    evaluated(drawn, toybox_plan())
    assert len(looks) == len(drawn.sets[0].pictures)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_twice_is_the_same_to_the_last_bit(drawn, precision):
    first, second = (evaluated(drawn, toybox_plan(precision)).evaluated[0] for _ in range(2))
    assert [one.log_odds for one in first.judged] == [one.log_odds for one in second.judged]


def test_every_combination_is_there_once_and_each_pair_compared(drawn):
    plans = [toybox_plan(precision, ("yes-no", "rating"), ("low", "usual")) for precision in ("fp32", "bf16")]
    evaluation = evaluated(drawn, *plans)
    assert [one.configuration.label for one in evaluation.evaluated] == [
        f"toybox {precision} {way} {tokens}"
        for precision in ("fp32", "bf16")
        for tokens in (25, 49)
        for way in ("yes-no", "rating")
    ]
    assert len(evaluation.comparisons) == 28
    assert all(one.figures.first == 1.0 for one in evaluation.evaluated)

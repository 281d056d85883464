"""Every configuration scores every set once, in the same batches; a stopped evaluation is resumed."""

import json
from dataclasses import replace
from functools import partial

import pytest

from reranker import Reranker
from reranker.config.settings import Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import CheckpointMissing, DeviceFailed, PictureUnreadable, QueryTooLong
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet
from reranker.evaluation.results import Evaluation
from reranker.evaluation.results_log import ResultsLog
from reranker.evaluation.runner import ModelRun, Progress, SkippedRun, evaluate_stream
from reranker.i18n.error_messages import sentence
from tests.support.labelled_sets import numbered_dataset
from tests.support.scripted_scorer import ScriptedScorer, number

RELEVANT_FIRST = [[3.0, 1.0, 0.0], [2.0, -1.0, -2.0], [5.0, 4.0, 3.0]]
NUMBERS = numbered_dataset(RELEVANT_FIRST)


def run_of(scorer: ScriptedScorer, **settings) -> ModelRun:
    reranker = Reranker("toybox", settings=Settings.of(**settings), scorer=scorer)
    return ModelRun(open=lambda: reranker, scorings=("yes-no",), details=("usual",))


def evaluate(dataset: Dataset, *runs: ModelRun, results_log: ResultsLog | None = None) -> Evaluation:
    *_, last = evaluate_stream(dataset, runs, results_log=results_log)
    return last


def toybox_run(precision: str = "fp32", scorings=("yes-no",), details=("usual",)) -> ModelRun:
    settings = Settings.of(model="toybox", precision=precision, scoring=scorings[-1], score_store_mb=0)
    return ModelRun(open=partial(Reranker, settings=settings), scorings=scorings, details=details)


def test_scores_are_in_the_order_of_the_pictures():
    evaluation = evaluate(NUMBERS, run_of(ScriptedScorer(judge=number)))
    (result,) = evaluation.results
    assert [list(scored.log_odds) for scored in result.scored_sets] == RELEVANT_FIRST
    assert (result.metrics.hit_at_1, result.metrics.sets, result.metrics.pictures) == (1.0, 3, 9)
    assert result.configuration.label == "toybox fp32 yes-no 2"
    assert evaluation.comparisons == ()


@pytest.mark.parametrize("batch_tokens", [1, 2, 4, 100])
def test_batches_have_pictures_of_one_set_within_the_token_limit(batch_tokens):
    scorer = ScriptedScorer(judge=number, batch_tokens=batch_tokens)
    evaluate(NUMBERS, run_of(scorer, detail="usual"))
    rows = [[repr(value).encode() for value in row] for row in RELEVANT_FIRST]
    assert sorted(scorer.scored) == sorted(picture for row in rows for picture in row)
    assert all(any(set(batch) <= set(row) for row in rows) for batch in scorer.batches)
    assert max(map(len, scorer.batches)) == min(batch_tokens, 3)  # a picture takes one token


def test_pictures_are_encoded_together_up_to_the_limit_by_the_tokens_that_each_takes(tmp_path):
    class Large(ScriptedScorer):
        def prepare(self, picture):
            image = super().prepare(picture)
            return replace(image, tokens=1 + round(float(image.content)))

        def encode(self, batch, run_id):
            encoded.append([image.content for image in batch])
            return super().encode(batch, run_id)

    encoded = []
    gone = LabelledPicture(name="gone.png", source=tmp_path / "gone.png", gain=0, grade=0)
    one = numbered_dataset([[3.0, 1.0, 2.0, 0.0, 0.9]]).sets[0]
    pictures = (*one.pictures[:2], gone, *one.pictures[2:])
    dataset = Dataset(name="large", sets=(replace(one, pictures=pictures),))
    (result,) = evaluate(dataset, run_of(Large(judge=number, batch_tokens=6))).results
    assert encoded == [[b"3.0", b"1.0"], [b"2.0", b"0.0", b"0.9"]]
    assert list(result.scored_sets[0].log_odds) == [3.0, 1.0, None, 2.0, 0.0, 0.9]


@pytest.mark.parametrize("where", ["encode", "judge"])
def test_a_device_that_fails_ends_the_evaluation_and_keeps_what_is_complete(where, tmp_path):
    class Failing(ScriptedScorer):
        def encode(self, batch, run_id):
            if where == "encode" and batch[0].content == b"2.0":
                raise DeviceFailed
            return super().encode(batch, run_id)

    def judge(query, content):
        if where == "judge" and content == b"2.0":
            raise DeviceFailed
        return number(query, content)

    path = tmp_path / "scores.jsonl"
    with pytest.raises(DeviceFailed):
        evaluate(NUMBERS, run_of(Failing(judge=judge, batch_tokens=100)), results_log=ResultsLog(path))
    assert [json.loads(line)["id"] for line in path.read_bytes().splitlines()] == ["set-0"]


def test_the_batches_are_the_same_each_time():
    batches = []
    for _ in range(3):
        scorer = ScriptedScorer(judge=number)
        evaluate(NUMBERS, run_of(scorer, reader_threads=4))
        batches.append(scorer.batches)
    assert batches[0] == batches[1] == batches[2]


def test_a_picture_that_cannot_be_read_is_the_only_failure(tmp_path):
    broken = LabelledPicture(name="gone.png", source=tmp_path / "gone.png", gain=0, grade=0)
    sets = tuple(
        LabelledSet(id=one.id, query=one.query, language="en", pictures=(*one.pictures, broken)) for one in NUMBERS.sets
    )
    (one,) = evaluate(Dataset(name="broken", sets=sets), run_of(ScriptedScorer(judge=number))).results
    assert [scored.log_odds[3] for scored in one.scored_sets] == [None] * 3
    assert all("gone.png" in scored.errors[3] for scored in one.scored_sets)
    assert all(str(tmp_path) not in scored.errors[3] for scored in one.scored_sets)
    assert (one.metrics.failures, one.metrics.hit_at_1) == (3, 1.0)


def test_a_picture_that_fails_on_the_device_is_the_only_failure_of_its_batch():
    def judge(query, content):
        if content == b"1.0":
            raise PictureUnreadable(name="", reason="damaged")
        return number(query, content)

    (one,) = evaluate(NUMBERS, run_of(ScriptedScorer(judge=judge, batch_tokens=100))).results
    assert [scored.log_odds.count(None) for scored in one.scored_sets] == [1, 0, 0]


def test_pictures_that_could_not_be_encoded_are_scored_one_by_one():
    class EncodingFails(ScriptedScorer):
        def encode(self, query, prepared):
            raise MemoryError

    (one,) = evaluate(NUMBERS, run_of(EncodingFails(judge=number))).results
    assert [list(scored.log_odds) for scored in one.scored_sets] == RELEVANT_FIRST


def test_progress_ends_at_the_total():
    events = list(evaluate_stream(NUMBERS, [run_of(ScriptedScorer(judge=number)) for _ in range(2)]))
    progress = [event for event in events if isinstance(event, Progress)]
    assert [one.done for one in progress] == sorted(one.done for one in progress)
    assert (progress[-1].done, progress[-1].total) == (18, 18)
    assert progress[-1].left_s == 0
    assert isinstance(events[-1], Evaluation)


def test_a_stopped_evaluation_is_resumed_and_scores_nothing_twice(tmp_path):
    cancellation, first = Cancellation(), ScriptedScorer(judge=number, batch_tokens=100)
    for event in evaluate_stream(
        NUMBERS, [run_of(first)], cancellation=cancellation, results_log=ResultsLog(tmp_path / "scores.jsonl")
    ):
        assert isinstance(event, Progress)
        cancellation.cancel()
    assert len(first.scored) < 9
    second = ScriptedScorer(judge=number, batch_tokens=100)
    (one,) = evaluate(NUMBERS, run_of(second), results_log=ResultsLog(tmp_path / "scores.jsonl")).results
    assert sorted(first.scored + second.scored) == sorted(repr(v).encode() for row in RELEVANT_FIRST for v in row)
    assert [list(scored.log_odds) for scored in one.scored_sets] == RELEVANT_FIRST
    third = ScriptedScorer(judge=number)
    assert evaluate(NUMBERS, run_of(third), results_log=ResultsLog(tmp_path / "scores.jsonl")).results == (one,)
    assert third.scored == []


class Noisy(ScriptedScorer):
    """A scorer whose scores depend on how many it has scored before, as rounding does on the batch."""

    def _score(self, log_odds, image):
        return super()._score(log_odds + 1e-6 * len(self.scored), image)


@pytest.mark.parametrize("batch_tokens", [1, 2, 100])
def test_equal_pictures_get_one_score_for_a_query_in_all_its_sets(batch_tokens, tmp_path):
    one, other = numbered_dataset([[3.0, 1.0, 3.0, 0.0], [1.0, 3.0, 2.0]]).sets
    other = replace(other, query=one.query)
    third = replace(one, id="third", query="something else")
    dataset = Dataset(name="repeated", sets=(one, third, other))
    scorer = Noisy(judge=number, batch_tokens=batch_tokens)
    (result,) = evaluate(dataset, run_of(scorer), results_log=ResultsLog(tmp_path / "all.jsonl")).results
    first, elsewhere, last = (scored.log_odds for scored in result.scored_sets)
    assert (first[0], first[1]) == (last[1], last[0])
    assert first[0] == first[2]
    assert elsewhere[0] == elsewhere[2] != first[0]
    assert len(scorer.scored) == 7

    lines = (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "part.jsonl").write_text("".join(lines[:2]), encoding="utf-8")
    again = Noisy(judge=number, batch_tokens=batch_tokens)
    (resumed,) = evaluate(dataset, run_of(again), results_log=ResultsLog(tmp_path / "part.jsonl")).results
    scores = [scored.log_odds for scored in resumed.scored_sets]
    assert scores[0][:2] == scores[2][1::-1], "sets of one query share their scores"
    assert len(again.scored) == 4


@pytest.mark.parametrize("labelled", [0, 1])
def test_which_of_two_equal_pictures_is_labelled_does_not_matter(labelled):
    dataset = numbered_dataset([[3.0, 3.0, 1.0]], relevant=labelled)
    (result,) = evaluate(dataset, run_of(Noisy(judge=number, batch_tokens=1))).results
    assert result.metrics.hit_at_1 == 0, "a tie counts against the relevant picture"


def test_a_set_that_is_stopped_half_way_is_not_logged(tmp_path):
    cancellation, path = Cancellation(), tmp_path / "scores.jsonl"

    def judge(query, content):
        if content == b"-2.0":
            cancellation.cancel()
            raise RuntimeError  # the rest of the batch then waits for the device, and is cancelled
        return number(query, content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=100)
    events = list(evaluate_stream(NUMBERS, [run_of(scorer)], cancellation=cancellation, results_log=ResultsLog(path)))
    assert not any(isinstance(event, Evaluation) for event in events)
    assert [json.loads(line)["id"] for line in path.read_bytes().splitlines()] == ["set-0"]
    (one,) = evaluate(NUMBERS, run_of(ScriptedScorer(judge=number)), results_log=ResultsLog(path)).results
    assert (one.metrics.failures, one.metrics.hit_at_1) == (0, 1.0)


def test_a_set_with_an_incomplete_line_is_scored_again(tmp_path):
    path = tmp_path / "scores.jsonl"
    first = evaluate(NUMBERS, run_of(ScriptedScorer(judge=number)), results_log=ResultsLog(path))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    scorer = ScriptedScorer(judge=number)
    again = evaluate(NUMBERS, run_of(scorer), results_log=ResultsLog(path))
    assert [scored.log_odds for scored in again.results[0].scored_sets] == [
        scored.log_odds for scored in first.results[0].scored_sets
    ]
    assert len(scorer.scored) == 3
    assert sum(_is_json(line) for line in path.read_bytes().splitlines()) == 3


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def test_a_change_of_scorer_query_or_picture_is_scored_again(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"1.0")

    def dataset(query: str = "a") -> Dataset:
        pictures = tuple(
            LabelledPicture(name=name, source=source, gain=gain, grade=gain)
            for name, source, gain in (("picture.png", path, 1), ("other.png", b"0.5", 0))
        )
        return Dataset(name="d", sets=(LabelledSet(id="1", query=query, language="en", pictures=pictures),))

    def scored_count(query: str = "a", fingerprint: str = "f") -> int:
        scorer = ScriptedScorer(judge=number, fingerprint=fingerprint)
        evaluate(dataset(query), run_of(scorer), results_log=ResultsLog(tmp_path / "scores.jsonl"))
        return len(scorer.scored)

    assert [scored_count(), scored_count(), scored_count("b"), scored_count("b", "g"), scored_count("b", "g")] == [
        2,
        0,
        2,
        2,
        0,
    ]
    path.write_bytes(b"2.25")
    assert scored_count("b", "g") == 2


@pytest.mark.extended
def test_sets_with_failures_are_scored_again(tmp_path):
    def fails(query, content):
        raise MemoryError

    (first,) = evaluate(
        NUMBERS, run_of(ScriptedScorer(judge=fails)), results_log=ResultsLog(tmp_path / "s.jsonl")
    ).results
    assert first.metrics.failures == 9
    for _ in range(2):
        again = ScriptedScorer(judge=number)
        (one,) = evaluate(NUMBERS, run_of(again), results_log=ResultsLog(tmp_path / "s.jsonl")).results
        assert (one.metrics.failures, one.metrics.hit_at_1) == (0, 1.0)
    assert again.scored == []


@pytest.mark.extended
def test_logged_sets_count_as_done(tmp_path):
    evaluate(NUMBERS, run_of(ScriptedScorer(judge=number)), results_log=ResultsLog(tmp_path / "s.jsonl"))
    progress, evaluation = evaluate_stream(
        NUMBERS, [run_of(ScriptedScorer(judge=number))], results_log=ResultsLog(tmp_path / "s.jsonl")
    )
    assert (progress.done, progress.total) == (9, 9)
    assert isinstance(evaluation, Evaluation)


def test_a_log_that_cannot_be_written_is_an_error_at_once(tmp_path):
    with pytest.raises(OSError, match="directory"):
        ResultsLog(tmp_path)


def test_models_with_the_same_name_get_their_fingerprint():
    runs = [run_of(ScriptedScorer(judge=number, fingerprint=name)) for name in ("first", "second")]
    labels = [one.configuration.label for one in evaluate(NUMBERS, *runs).results]
    assert labels == ["toybox (first) fp32 yes-no 2", "toybox (second) fp32 yes-no 2"]


def test_a_detail_with_two_names_is_evaluated_once():
    scorer = ScriptedScorer(judge=number)
    reranker = Reranker("toybox", scorer=scorer)
    run = ModelRun(open=lambda: reranker, scorings=("yes-no",), details=("usual", "2"))
    *_, progress, evaluation = evaluate_stream(NUMBERS, [run])
    assert (progress.done, progress.total, len(scorer.scored)) == (9, 9, 9)
    assert len(evaluation.results) == 1


def test_a_run_whose_model_cannot_be_loaded_is_skipped():
    def missing() -> Reranker:
        raise CheckpointMissing(name="nowhere")

    runs = [ModelRun(open=missing, scorings=("yes-no",), details=("usual",)), run_of(ScriptedScorer(judge=number))]
    events = list(evaluate_stream(NUMBERS, runs))
    assert isinstance(events[0], SkippedRun)
    assert events[0].error.name == "nowhere"
    assert events[1].total == 9
    assert isinstance(events[-1], Evaluation)
    assert [type(event) for event in evaluate_stream(NUMBERS, runs[:1])] == [SkippedRun]


def test_a_run_whose_model_has_no_room_for_a_detail_is_skipped(toybox):
    run = ModelRun(open=lambda: toybox, scorings=("yes-no",), details=("usual", "3073"))
    events = list(evaluate_stream(NUMBERS, [run]))
    assert [type(event) for event in events] == [SkippedRun]
    assert "3,072" in sentence(events[0].error, "en")


def test_a_query_that_is_too_long_is_an_error_before_anything_is_scored():
    scorer = ScriptedScorer(judge=number)
    with pytest.raises(QueryTooLong):
        evaluate(NUMBERS, run_of(scorer, max_query_length=3))
    assert scorer.scored == []


def test_a_ranking_on_the_same_device_gets_its_turn():
    scorer = ScriptedScorer(judge=number, batch_tokens=2)
    reranker = Reranker("toybox", scorer=scorer)
    stream = evaluate_stream(NUMBERS, [ModelRun(open=lambda: reranker, scorings=("yes-no",), details=("usual",))])
    next(stream)
    assert reranker.rank("b", [b"7.0"]).scored[0].score.log_odds == 7.0
    *_, last = stream
    assert isinstance(last, Evaluation)


def test_the_size_of_a_batch_is_read_only_while_no_other_run_has_the_device():
    class Watched(ScriptedScorer):
        @property
        def batch_tokens(self):
            held.append(len(reranker.device_queue.holders))
            return 2

        @batch_tokens.setter
        def batch_tokens(self, tokens):
            """Ignore what the constructor sets."""

    held = []
    reranker = Reranker("toybox", scorer=Watched(judge=number))
    evaluate(NUMBERS, ModelRun(open=lambda: reranker, scorings=("yes-no",), details=("usual",)))
    assert set(held) == {1}


# The real model


@pytest.fixture(scope="module")
def drawn(drawings) -> Dataset:
    return Dataset(name="drawn", sets=tuple(_drawn_set(f"s{number}", drawings) for number in range(2)))


def _drawn_set(set_id: str, drawings) -> LabelledSet:
    pictures = tuple(
        LabelledPicture(name=path.name, source=path, gain=int("cat" in path.name), grade=0) for path in drawings
    )
    query = {"s0": "a black cat", "s1": "a cat"}[set_id]
    return LabelledSet(id=set_id, query=query, language="en", pictures=pictures)


def test_both_scoring_methods_share_the_encoding(drawn):
    both = evaluate(drawn, toybox_run(scorings=("yes-no", "rating"))).results
    assert [one.configuration.scoring for one in both] == ["yes-no", "rating"]
    assert [scored.encode_ms for scored in both[0].scored_sets] == [scored.encode_ms for scored in both[1].scored_sets]
    for shared in both:
        (alone,) = evaluate(drawn, toybox_run(scorings=(shared.configuration.scoring,))).results
        for one, other in zip(shared.scored_sets, alone.scored_sets, strict=True):
            assert one.log_odds == pytest.approx(other.log_odds, abs=1e-3)


def test_pictures_of_an_earlier_set_are_not_encoded_again(drawn, monkeypatch):
    encoded = []
    from reranker.models.qwen2_5_vl import model  # noqa: PLC0415 - loads torch

    encode_images = model.encode_images
    monkeypatch.setattr(
        model,
        "encode_images",
        lambda tower, patches, device: encoded.extend(patches) or encode_images(tower, patches, device),
    )
    evaluate(drawn, toybox_run())
    assert len(encoded) == len(drawn.sets[0].pictures)


@pytest.mark.extended
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.extended)])
def test_two_evaluations_have_bitwise_equal_scores(drawn, precision):
    first, second = (evaluate(drawn, toybox_run(precision)).results[0] for _ in range(2))
    assert [one.log_odds for one in first.scored_sets] == [one.log_odds for one in second.scored_sets]


@pytest.mark.extended
def test_every_configuration_is_evaluated_once_and_each_pair_compared(drawn):
    runs = [toybox_run(precision, ("yes-no", "rating"), ("low", "usual")) for precision in ("fp32", "bf16")]
    evaluation = evaluate(drawn, *runs)
    assert [one.configuration.label for one in evaluation.results] == [
        f"toybox {precision} {scoring} {tokens}"
        for precision in ("fp32", "bf16")
        for tokens in (25, 49)
        for scoring in ("yes-no", "rating")
    ]
    assert len(evaluation.comparisons) == 28
    assert all(one.metrics.hit_at_1 == 1.0 for one in evaluation.results)

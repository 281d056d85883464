"""Metrics of labels against numbers by hand, naive implementations and known cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reranker.core.types import LabelCalibration
from reranker.evaluation.label_metrics import (
    ResampledMetrics,
    average_precision,
    average_precisions,
    best_threshold,
    calibration_error,
    f1_of,
)
from reranker.evaluation.label_results import METRICS, LabelMetrics, LabelScores
from reranker.vocabulary.label_files import vocabulary_of
from reranker.vocabulary.labels import Label, Name, Vocabulary
from tests.support.label_datasets import ANIMALS, VEHICLES

NAMES = ("dog", "cat", "car")
NOTHING = float("nan")
HALF = LabelCalibration(slope=1.0, intercept=0.0, threshold=0.5)


def scores_of(confidences: object, present: object, absent: object = None, threshold: float = 0.5) -> LabelScores:
    """Return scores whose labels are chosen from a threshold; absent is what is not present if it is None."""
    values, known = np.array(confidences, float), np.array(present, bool)
    return LabelScores(
        confidences=values,
        chosen=np.nan_to_num(values) >= threshold,
        present=known,
        absent=~known if absent is None else np.array(absent, bool),
    )


def metrics_of(scores: LabelScores) -> LabelMetrics:
    return ResampledMetrics(scores, vocabulary_of(NAMES[: scores.present.shape[1]])).overall()


def values_of(scores: LabelScores) -> dict[str, float]:
    return {name: estimate.value for name, estimate in metrics_of(scores).values.items()}


# By hand: three pictures and three labels.
#             dog             cat             car
CONFIDENCES = [[0.9, 0.2, NOTHING], [0.6, 0.7, 0.1], [0.4, NOTHING, 0.8]]
PRESENT = [[1, 0, 0], [0, 1, 0], [1, 1, 0]]


def test_precision_recall_and_f1_by_hand() -> None:
    values = values_of(scores_of(CONFIDENCES, PRESENT))
    # Chosen are dog of the first two, cat of the second, car of the third; two of these four are right, of four.
    assert (values["micro_precision"], values["micro_recall"], values["micro_f1"]) == (0.5, 0.5, 0.5)
    # Dogs: 1 of 2 chosen are right, 1 of 2 are found. Cats: 1 of 1, 1 of 2. No picture has a car.
    assert values["macro_precision"] == pytest.approx((0.5 + 1) / 2)
    assert values["macro_recall"] == pytest.approx(0.5)
    assert values["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 2)


def test_average_precision_by_hand() -> None:
    # Dogs are first and third: (1/1 + 2/3) / 2. Cats: first, and last since nobody judged it: (1/1 + 2/3) / 2.
    assert values_of(scores_of(CONFIDENCES, PRESENT))["mean_average_precision"] == pytest.approx(5 / 6)


def test_counts_by_hand() -> None:
    metrics = metrics_of(scores_of(CONFIDENCES, PRESENT))
    assert (metrics.pictures, metrics.without, metrics.labels, metrics.pairs, metrics.judged_pairs) == (3, 0, 2, 9, 7)
    assert "none_recognised" not in metrics.values


def test_figures_of_a_label_by_hand() -> None:
    calibration = LabelCalibration(slope=1.0, intercept=0.0, threshold=0.5, thresholds=(("car", 0.9),))
    metrics = ResampledMetrics(scores_of(CONFIDENCES, PRESENT), vocabulary_of(NAMES))
    dog, cat, car = metrics.by_label(calibration)
    assert (dog.label.key, dog.present, dog.absent, dog.precision, dog.recall, dog.f1) == ("dog", 2, 1, 0.5, 0.5, 0.5)
    assert dog.average_precision == pytest.approx(5 / 6)
    assert dog.best_threshold == pytest.approx(0.2)  # all three: F1 is 0.8; below is 0
    assert cat.best_threshold == pytest.approx(0.45)
    assert (car.precision, car.recall, car.f1, car.average_precision, car.best_threshold) == (0, None, None, None, None)
    assert (dog.threshold, car.threshold) == (0.5, 0.9)


def test_pairs_of_which_nothing_is_known_count_nowhere() -> None:
    known = scores_of(CONFIDENCES, PRESENT)
    absent = [[*(1 - each for each in row), 0] for row in PRESENT]
    more = scores_of([[*row, 0.99] for row in CONFIDENCES], [[*row, 0] for row in PRESENT], absent)
    vocabulary = vocabulary_of([*NAMES, "bus"])
    assert ResampledMetrics(more, vocabulary).overall() == metrics_of(known)
    assert len(ResampledMetrics(more, vocabulary).by_label(HALF)) == 3


def test_pictures_without_labels_are_right_if_they_got_none() -> None:
    scores = scores_of([[0.9, 0.1], [0.1, 0.1], [NOTHING, 0.7], [0.3, 0.2]], [[1, 0], [0, 0], [0, 0], [0, 0]])
    metrics = metrics_of(scores)
    assert metrics.without == 3
    assert metrics.values["none_recognised"].value == pytest.approx(2 / 3)


def test_groups_have_the_metrics_of_their_labels_alone() -> None:
    labels = [Label(name=Name(en=name), group=VEHICLES if name == "car" else ANIMALS) for name in NAMES]
    vocabulary = Vocabulary(name="test", labels=(*labels, Label(name=Name(en="sea"))))
    none = np.zeros((3, 1), bool)
    scores = scores_of(
        [[*row, 0.9] for row in CONFIDENCES],
        np.append(PRESENT, none, 1),
        np.append(1 - np.array(PRESENT), none, 1),
    )
    groups = ResampledMetrics(scores, vocabulary).by_group()
    assert list(groups) == [ANIMALS, VEHICLES]  # nothing is known of the label without a group
    assert groups[ANIMALS] == metrics_of(scores_of(scores.confidences[:, :2], scores.present[:, :2]))
    assert groups[VEHICLES].without == 3
    assert groups[VEHICLES].values["none_recognised"].value == pytest.approx(2 / 3)
    assert groups[VEHICLES].values.keys() == {"micro_precision", "micro_f1", "calibration_error", "none_recognised"}


def test_a_vocabulary_without_groups_has_no_metrics_by_group() -> None:
    assert ResampledMetrics(scores_of(CONFIDENCES, PRESENT), vocabulary_of(NAMES)).by_group() == {}


# Average precision

PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=30)


def naive_average_precision(pairs: list[tuple[float, bool]]) -> float:
    """Rank by confidence, wrong ones first in a tie, and average the precision at each right one."""
    ranked = sorted(pairs, key=lambda pair: (-pair[0], pair[1]))
    hits = [rank for rank, (_, is_present) in enumerate(ranked, start=1) if is_present]
    return sum(number / rank for number, rank in enumerate(hits, start=1)) / len(hits)


@given(PAIRS)
def test_average_precision_equals_a_naive_implementation(pairs) -> None:
    confidences, present = np.array([each for each, _ in pairs]), np.array([each for _, each in pairs])
    if present.all() or not present.any():
        assert np.isnan(average_precision(confidences, present))
    else:
        assert average_precision(confidences, present) == pytest.approx(naive_average_precision(pairs))


@given(PAIRS, st.randoms())
def test_average_precision_depends_on_neither_order_nor_scale(pairs, random) -> None:
    shuffled = random.sample(pairs, len(pairs))
    values = [
        average_precision(np.array([scale(each) for each, _ in some]), np.array([each for _, each in some]))
        for some, scale in ((pairs, lambda each: each), (shuffled, lambda each: each**3 / 2))
    ]
    assert values[0] == pytest.approx(values[1], nan_ok=True)


@given(PAIRS, st.lists(st.integers(1, 3), min_size=30, max_size=30))
def test_pictures_that_are_drawn_several_times_count_as_often(pairs, counts) -> None:
    """With distinct confidences, since copies of one picture do not push each other down."""
    distinct = [(confidence + 0.001 * row, present) for row, (confidence, present) in enumerate(pairs)]
    drawn = dict(zip(distinct, counts, strict=False))
    ranked = sorted(drawn, key=lambda pair: -pair[0])
    if len({present for _, present in ranked}) == 2:
        total = hits = summed = 0
        for pair in ranked:
            total, hits = total + drawn[pair], hits + pair[1] * drawn[pair]
            summed += pair[1] * drawn[pair] * hits / total
        confidences, present = np.array([each for each, _ in ranked]), np.array([each for _, each in ranked])
        weights = np.array([[drawn[pair]] for pair in ranked], np.uint8)
        assert average_precisions(confidences, present, ~present, weights)[0] == pytest.approx(summed / hits)


# F1 and thresholds


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_f1_comes_from_counts(right: int, wrong: int, missed: int, rest: int) -> None:
    chosen = np.array([1] * (right + wrong) + [0] * (missed + rest), bool)
    present = np.array([1] * right + [0] * wrong + [1] * missed + [0] * rest, bool)
    f1 = f1_of(chosen, present, np.ones(len(chosen), bool))
    if right:
        precision, recall = right / (right + wrong), right / (right + missed)
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
    else:
        assert np.isnan(f1) if not wrong + missed else f1 == 0


@given(PAIRS, st.integers(0, 5))
def test_no_threshold_is_better_than_the_best_one(pairs, missed) -> None:
    confidences, present = np.array([each for each, _ in pairs]), np.array([each for _, each in pairs])

    def f1_at(threshold: float) -> float:
        chosen = confidences >= threshold
        return 2 * (chosen & present).sum() / (chosen.sum() + present.sum() + missed)

    found = best_threshold(confidences, present, missed)
    if found is None:
        assert not (present & (confidences > 0)).any()
    else:
        threshold, f1 = found
        assert 0 < threshold < 1 or confidences.max() == threshold
        assert f1_at(threshold) == pytest.approx(f1)
        assert f1 >= max(f1_at(each) for each in (*confidences[confidences > 0], 0.05)) - 1e-12


def test_a_threshold_lies_in_the_middle_of_the_widest_gap() -> None:
    confidences, present = np.array([0.9, 0.8, 0.3, 0.1]), np.array([1, 1, 0, 0], bool)
    assert best_threshold(confidences, present) == (pytest.approx(0.55), 1.0)


# Calibration error


@pytest.mark.parametrize(("confidence", "share"), [(0.9, 0.2), (0.3, 0.7), (1.0, 0.0), (0.5, 0.5)])
def test_the_error_of_a_constant_is_the_gap_to_the_share(confidence: float, share: float) -> None:
    present = np.arange(100) < 100 * share
    assert calibration_error(np.full(100, confidence), present) == pytest.approx(abs(confidence - share))


def test_confidences_that_are_right_have_nearly_no_error() -> None:
    rng = np.random.default_rng(4)
    confidences = rng.uniform(0, 1, 200_000)
    assert calibration_error(confidences, rng.uniform(0, 1, 200_000) < confidences) < 0.006
    assert calibration_error(confidences, rng.uniform(0, 1, 200_000) < confidences**2) > 0.1


@given(PAIRS)
def test_the_error_equals_a_naive_implementation(pairs) -> None:
    bins = [[pair for pair in pairs if min(int(pair[0] * 15), 14) == number] for number in range(15)]
    gaps = [abs(sum(each for each, _ in inside) - sum(each for _, each in inside)) for inside in bins]
    confidences, present = np.array([each for each, _ in pairs]), np.array([each for _, each in pairs])
    assert calibration_error(confidences, present) == pytest.approx(sum(gaps) / len(pairs))
    scores = scores_of(confidences[:, None], present[:, None])
    assert values_of(scores)["calibration_error"] == pytest.approx(sum(gaps) / len(pairs))


def test_there_is_no_error_of_nothing() -> None:
    assert np.isnan(calibration_error(np.array([]), np.array([], bool)))


# Intervals and all metrics


@given(
    arrays.arrays(float, (6, 3), elements=st.sampled_from([NOTHING, 0.0, 0.3, 0.5, 0.8, 1.0])),
    arrays.arrays(np.int8, (6, 3), elements=st.integers(-1, 1)),
)
def test_metrics_are_shares_inside_their_intervals(confidences, truth) -> None:
    metrics = metrics_of(scores_of(confidences, truth == 1, truth == 0))
    assert set(metrics.values) <= set(METRICS)
    for estimate in metrics.values.values():
        assert 0 <= estimate.interval.low <= estimate.interval.high <= 1
        assert 0 <= estimate.value <= 1


@given(st.permutations(range(3)), st.permutations(range(3)))
def test_the_order_of_pictures_and_labels_does_not_matter(rows, columns) -> None:
    confidences, present = np.array(CONFIDENCES)[rows][:, columns], np.array(PRESENT)[rows][:, columns]
    assert values_of(scores_of(confidences, present)) == pytest.approx(values_of(scores_of(CONFIDENCES, PRESENT)))


def test_the_interval_of_a_share_is_that_of_the_bootstrap() -> None:
    """80 of 100 pictures are recognised; the interval is near the binomial one."""
    found = np.array([[0.9]] * 80 + [[0.1]] * 20)
    recall = metrics_of(scores_of(found, np.ones((100, 1)))).values["micro_recall"]
    half = 1.96 * (0.8 * 0.2 / 100) ** 0.5
    assert recall.value == 0.8
    assert (recall.interval.low, recall.interval.high) == (
        pytest.approx(0.8 - half, abs=0.02),
        pytest.approx(0.8 + half, abs=0.02),
    )


def test_labels_that_are_all_right_have_the_best_metrics() -> None:
    present = np.random.default_rng(0).random((40, 3)) < 0.3
    values = metrics_of(scores_of(present.astype(float), present)).values
    best = dict.fromkeys(METRICS, 1.0) | {"calibration_error": 0.0}
    assert {name: each.value for name, each in values.items()} == best
    assert {each.interval.low for name, each in values.items() if name != "calibration_error"} == {1.0}

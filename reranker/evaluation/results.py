"""The results of an evaluation: scores, metrics, comparisons and calibrations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reranker.core.types import Scoring
from reranker.evaluation.datasets.types import Dataset

COMPARED_METRICS: Final = ("hit_at_1", "mrr", "ndcg_at_10")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A model with its precision, scoring method and detail. visual_tokens: the maximum for a picture."""

    model: str
    precision: str
    scoring: Scoring
    visual_tokens: int

    @property
    def label(self) -> str:
        """The text for tables and file names, such as `toybox bf16 yes-no 49`."""
        return f"{self.model} {self.precision} {self.scoring} {self.visual_tokens}"


@dataclass(frozen=True, kw_only=True)
class ScoredSet:
    """The scores of one labelled set by one configuration.

    log_odds: of each picture, in the order of the set; None if scoring failed. errors: an English sentence for each
    picture that failed, by index.
    encode_ms: time to encode the pictures, which all scoring methods share; score_ms: time to score them. Both are
    times on the device, without reading the files.
    peak_bytes: peak memory of the GPU, or of the process if there is no GPU; None if unknown.
    """

    id: str
    log_odds: tuple[float | None, ...]
    errors: Mapping[int, str]
    encode_ms: float
    score_ms: float
    peak_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A 95 % confidence interval, by bootstrap."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share in [0, 1] of `count` cases."""

    value: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Metrics of one configuration on a dataset.

    hit_at_1, hit_at_3, mrr, ndcg_at_10, recall_at_5, recall_at_10: means over the sets in [0, 1], as in trec_eval. Ties
        count as if the irrelevant picture came first; a picture that failed is not in the ranking.
    intervals: of the mean, by the name of one of these.
    score_std: standard deviation of the scores (0 to 10) within a set, mean over the sets.
    separation: mean log-odds of the relevant minus those of the irrelevant pictures, divided by the standard deviation
        within the set; mean over the sets.
    ties: pairs of a relevant and an irrelevant picture with equal scores. failures: pictures that could not be scored.
    spearman: rank correlation of score and grade over `spearman_pairs` pictures; None without graded labels.
    languages: hit_at_1 by the language of the query.
    kinds: share of pairs in which the relevant picture scores higher, by the kind of the irrelevant one.
    temperature: T in the score, 10 * sigmoid(log-odds / T).
    """

    sets: int
    pictures: int
    hit_at_1: float
    hit_at_3: float
    mrr: float
    ndcg_at_10: float
    recall_at_5: float
    recall_at_10: float
    intervals: Mapping[str, Interval]
    score_std: float
    separation: float
    ties: int
    failures: int
    spearman: float | None
    spearman_pairs: int
    ms_a_picture: float
    peak_bytes: int | None
    languages: Mapping[str, Share]
    kinds: Mapping[str, Share]
    temperature: float


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """The pictures whose probability lies between `low` and `high`.

    mean_predicted: their mean probability. fraction_relevant: how many of them are relevant. Both are weighted, so that
    all relevant pictures together weigh as much as all irrelevant ones. count: the number of pictures.
    """

    low: float
    high: float
    mean_predicted: float
    fraction_relevant: float
    count: int


@dataclass(frozen=True, kw_only=True)
class CalibrationFit:
    """A temperature and a relevance threshold, fitted on one half of the sets and tested on the other half.

    temperature: T in the score, 10 * sigmoid(log-odds / T). relevance_threshold: the score from which a picture counts
        as relevant.
    loss_before, loss_after: mean negative log-likelihood in nats on the tested half, with the T in use and this T.
    relevant_above_threshold, irrelevant_above_threshold: shares of the relevant and of the irrelevant pictures of the
        tested half with a score above the threshold.
    bins_before, bins_after: reliability on the tested half, with the T in use and this T.
    sets: the number of sets in both halves.
    """

    temperature: float
    relevance_threshold: float
    loss_before: float
    loss_after: float
    relevant_above_threshold: float
    irrelevant_above_threshold: float
    bins_before: tuple[ReliabilityBin, ...]
    bins_after: tuple[ReliabilityBin, ...]
    sets: int


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """The result of one configuration. scored_sets: in the order of the dataset.

    fingerprint, calibration_key: those of its `Scorer`. fit: None if the dataset is too small.
    """

    configuration: Configuration
    fingerprint: str
    calibration_key: str
    metrics: Metrics
    scored_sets: tuple[ScoredSet, ...]
    fit: CalibrationFit | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A metric of the second configuration minus that of the first.

    p: of the paired randomization test, with Holm correction for the number of comparisons. is_significant: p < 0.05.
    """

    value: float
    interval: Interval
    p: float
    is_significant: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two configurations on the same sets. differences: by the names in `COMPARED_METRICS`.

    kendall_tau: between the two rankings of a set, mean over the sets. changed_first: the number of sets whose first
    pictures differ.
    """

    first: Configuration
    second: Configuration
    differences: Mapping[str, Difference]
    kendall_tau: float
    changed_first: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The results of all configurations on one dataset, and a comparison of each pair of them."""

    dataset: Dataset
    results: tuple[EvaluationResult, ...]
    comparisons: tuple[Comparison, ...]

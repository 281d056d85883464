"""What an evaluation finds: scores, figures, comparisons and fits, ready to be written and shown."""

from collections.abc import Mapping
from dataclasses import dataclass

from reranker.core.types import Scoring
from reranker.evaluation.datasets.labelled import Dataset


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One way to judge a dataset. visual_tokens: of a picture at most."""

    model: str
    precision: str
    scoring: Scoring
    visual_tokens: int

    @property
    def label(self) -> str:
        """For tables and names of files: `toybox bf16 yes-no 49`."""
        return f"{self.model} {self.precision} {self.scoring} {self.visual_tokens}"


@dataclass(frozen=True, kw_only=True)
class JudgedSet:
    """What one combination said of one labelled set.

    log_odds: of each picture, in the set's order; None where it could not be judged. errors: one English sentence for
    each of those, by its index. looked_ms: what looking at the pictures took, which serves all ways to ask; asked_ms:
    what asking took; both at the device, reading beside it not counted. peak_bytes: of the card where there is one,
    else of the process; None where nobody knows.
    """

    id: str
    log_odds: tuple[float | None, ...]
    errors: Mapping[int, str]
    looked_ms: float
    asked_ms: float
    peak_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A bootstrap interval that holds the true value in 95 of 100 cases."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Share:
    """How often something held: `value` in [0, 1] of `count` cases."""

    value: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How well one combination ranks a dataset.

    first, within_3, mrr, ndcg_at_10, recall_at_5, recall_at_10: means over the sets, in [0, 1], as trec_eval has them;
        a tie counts as if the wrong picture came first, and a picture that failed is not found.
    intervals: by the name of one of these.
    score_std: standard deviation of the scores of 10 within a set, mean over the sets.
    separation: mean log-odds of the right minus that of the wrong pictures, over the standard deviation within the set;
        mean over the sets.
    ties: pairs of a right and a wrong picture with one score. failures: pictures that could not be judged.
    spearman: rank correlation of score and grade over `spearman_pairs` pictures; None where there are no grades.
    languages: sets whose first place is right, by the language of the query.
    kinds: pairs of a right and a wrong picture the right way round, by what the wrong one differs in.
    temperature: T of the score of 10.
    """

    sets: int
    pictures: int
    first: float
    within_3: float
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
class Bin:
    """Pictures whose probability lies between two edges: what was said on average, and how often it was right.

    Right and wrong pictures weigh the same in all. count: pictures.
    """

    low: float
    high: float
    said: float
    right: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A temperature and a line of "fits", found on one half of the sets and tested on the other.

    temperature: T of 10 * sigmoid(log-odds / T). fits: the score of 10 from which a picture is called right.
    loss_before, loss_after: mean negative log-likelihood (nats) on the half that was not fitted, at the T in use and at
        this one.
    right_over, wrong_over: there, the share of right and of wrong pictures with a score over the line.
    before, after: reliability there, likewise. sets: fitted and tested together.
    """

    temperature: float
    relevance_threshold: float
    loss_before: float
    loss_after: float
    right_over: float
    wrong_over: float
    before: tuple[Bin, ...]
    after: tuple[Bin, ...]
    sets: int


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """One combination's part of an evaluation; sets in the dataset's order.

    fingerprint, calibrated_as: of its `Scorer`. fit: None where the dataset is too small for one.
    """

    configuration: Configuration
    fingerprint: str
    calibration_key: str
    figures: Figures
    judged: tuple[JudgedSet, ...]
    fit: Fit | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A figure of the second combination minus that of the first.

    p: of the paired randomization test, corrected for the number of comparisons (Holm). is_real: below 0.05.
    """

    value: float
    interval: Interval
    p: float
    is_real: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two combinations on the same sets; differences by figure: first, mrr, ndcg_at_10.

    kendall_tau: of the two orders of a set, mean over the sets. changed_first: sets whose first picture is another.
    """

    first: Configuration
    second: Configuration
    differences: Mapping[str, Difference]
    kendall_tau: float
    changed_first: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All combinations on one dataset, and each pair of them compared."""

    dataset: Dataset
    evaluated: tuple[Evaluated, ...]
    comparisons: tuple[Comparison, ...]

"""What there is to say of rankings as a whole, and the exit code that they mean."""

from collections.abc import Iterator, Sequence

from reranker.cli.console import DONE, FAILED, say
from reranker.core.scores import at_least, none_fits
from reranker.core.types import Ranking
from reranker.i18n.error_messages import sentence
from reranker.pipelines.rerank import unfit_precision


def told(rankings: Sequence[Ranking], line: float | None, threshold: float = 0.0) -> int:
    """Says it, of several rankings with the number of each, and returns the exit code.

    line: the score from which a picture fits. threshold: the score below which pictures are left out of the result.
    """
    for number, ranking in enumerate(rankings, start=1):
        for remark in _load_warnings(ranking, line, threshold):
            say(remark if len(rankings) == 1 else f"Query {number}: {remark}")
    return DONE if any(ranking.scored for ranking in rankings) else FAILED


def _load_warnings(ranking: Ranking, line: float | None, threshold: float) -> Iterator[str]:
    if not ranking.scored:
        unfit = unfit_precision(ranking)
        yield sentence(unfit, "en") if unfit else _why_nothing(ranking)
    if none_fits([one.score.log_odds for one in ranking.scored], ranking.temperature, line):
        yield f"Nothing here fits: no picture has {line:g} of 10."
    if left_out := len(ranking.scored) - len(at_least(ranking, threshold).scored):
        yield f"Left out with less than {threshold:g} of 10: {left_out} of {len(ranking.scored)} pictures."


def _why_nothing(ranking: Ranking) -> str:
    if ranking.failed:
        return "Nothing could be ranked; the result names the reason for each picture."
    return "No picture came, so there is nothing to rank."

"""What the page shows of a ranking: its cards, more of one of them, and why some were not judged.

Knows neither gradio nor torch; `page` puts it into components.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from reranker.core.errors import PictureSkipped
from reranker.core.scores import score_texts, shown_score
from reranker.core.types import Failed, Ranking, Score, Scored
from reranker.export.rows import rows
from reranker.i18n.error_messages import Language, sentence
from reranker.i18n.page_texts import phrase
from reranker.ui.uploads import Admission

_Placed = TypeVar("_Placed", bound=Scored | Failed)


@dataclass(frozen=True, kw_only=True)
class Card:
    """One picture of a ranking.

    rank: from 1. value: the score, 0 to 10. score_text: the same as text, with as many decimals as tell it apart.
    source: the file, and score: all that was said of it; None where the ranking was opened from a file.
    """

    rank: int
    name: str
    value: float
    score_text: str
    source: Path | None = None
    score: Score | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class RankingView:
    """What is shown of a ranking, the best while it runs and all once it ended; every deck differs from all others.

    note: what people should know of it besides. ranking: all of it, and judged_by: as `Reranker.judged_by` has it; None
    while it runs, and where it was opened from a file.
    """

    query: str = ""
    cards: tuple[Card, ...] = ()
    failed: tuple[Failed, ...] = ()
    note: str = ""
    ranking: Ranking | None = None
    judged_by: Mapping[str, Any] | None = None
    ended: bool = False


def cards(scored: Sequence[Scored], temperature: float) -> tuple[Card, ...]:
    """The cards of scored pictures, best first."""
    values = [shown_score(event.score.log_odds, temperature) for event in scored]
    told = zip(scored, values, score_texts(values), strict=True)
    return tuple(_card(rank, event, value, score) for rank, (event, value, score) in enumerate(told, 1))


def _card(rank: int, event: Scored, value: float, score: str) -> Card:
    source = event.candidate.source
    return Card(
        rank=rank,
        name=event.candidate.name,
        value=value,
        score_text=score,
        source=source if isinstance(source, Path) else None,
        score=event.score,
    )


def facts(card: Card, size: tuple[int, int] | None, language: Language) -> list[list[str]]:
    """What is known of a card's picture: rows of a word and a value. size: pixels, None where it cannot be told."""
    rows = [[phrase("picture_score", language), card.score_text]]
    if size is not None:
        rows.append([phrase("picture_size", language), f"{size[0]:,} × {size[1]:,}"])
    if (said := card.score) is not None:
        rows += [
            [phrase("picture_log_odds", language), f"{said.log_odds:+.4f}"],
            [phrase("picture_visual_tokens", language), f"{said.visual_tokens}"],
            [phrase("picture_batch", language), _batch_text(said, language)],
        ]
    return rows


def _batch_text(said: Score, language: Language) -> str:
    if not said.latency_ms:
        return phrase("picture_stored", language)
    return phrase("picture_cached" if said.cached else "picture_fresh", language, ms=f"{said.latency_ms:.0f}")


def reasons(failed: Sequence[Failed], language: Language) -> dict[str, Any]:
    """The failures with a sentence each, and the names of those that a stop left out."""
    errors = [failure.error for failure in failed]
    skipped = [error.name for error in errors if isinstance(error, PictureSkipped)]
    sentences = [sentence(error, language) for error in errors if not isinstance(error, PictureSkipped)]
    return {
        "title": f"{phrase('failures', language)} ({len(sentences)})",
        "sentences": sentences,
        "skipped_title": f"{phrase('skipped', language)} ({len(skipped)})",
        "skipped": skipped,
        "retry": phrase("retry", language),
    }


def placed(event: _Placed, admission: Admission) -> _Placed:
    """An event of the admitted candidates, under its position among all that were given."""
    return replace(event, position=admission.positions[event.position])


def completed(ranking: Ranking, admission: Admission) -> Ranking:
    """A ranking of the admitted candidates, with those that were refused."""
    failed = [*admission.refused, *(placed(failure, admission) for failure in ranking.failed)]
    return replace(
        ranking,
        scored=tuple(placed(event, admission) for event in ranking.scored),
        failed=tuple(sorted(failed, key=lambda failure: failure.position)),
    )


def answer(ranking: Ranking, judged_by: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """A ranking as programs are answered: as the command line's JSON has it, with names in the place of paths."""
    results = [asdict(row) for row in rows(ranking, language)]
    return {
        "query": ranking.query.text,
        "model": judged_by["model"],
        "fingerprint": ranking.fingerprint,
        "judged_by": judged_by,
        "results": [{"name" if key == "path" else key: value for key, value in row.items()} for row in results],
    }

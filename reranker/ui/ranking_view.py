"""Prepare a ranking for the page: the cards, the details of one picture, and the failures.

Imports neither Gradio nor torch.
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
from reranker.ui.uploads import CheckedPictures

_Event = TypeVar("_Event", bound=Scored | Failed)


@dataclass(frozen=True, kw_only=True)
class Card:
    """One picture of a ranking.

    rank: from 1. value: the score, 0 to 10. score_text: the same as text, with as many decimals as distinguish it from
    its neighbours. source, score: None if the ranking was opened from a file.
    """

    rank: int
    name: str
    value: float
    score_text: str
    source: Path | None = None
    score: Score | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class RankingView:
    """The part of a ranking that the page shows: the best pictures during the run, and all of them at its end.

    Views compare by identity. note: a remark for people, or empty. ranking, judged_by (see `Reranker.judged_by`): None
    during the run, and if the ranking was opened from a file.
    """

    query: str = ""
    cards: tuple[Card, ...] = ()
    failed: tuple[Failed, ...] = ()
    note: str = ""
    ranking: Ranking | None = None
    judged_by: Mapping[str, Any] | None = None
    ended: bool = False


def make_cards(scored: Sequence[Scored], temperature: float) -> tuple[Card, ...]:
    """Return the cards of scored pictures in their order, most relevant first."""
    values = [shown_score(event.score.log_odds, temperature) for event in scored]
    cards = zip(scored, values, score_texts(values), strict=True)
    return tuple(_card(rank, event, value, text) for rank, (event, value, text) in enumerate(cards, 1))


def _card(rank: int, event: Scored, value: float, score_text: str) -> Card:
    source = event.candidate.source
    return Card(
        rank=rank,
        name=event.candidate.name,
        value=value,
        score_text=score_text,
        source=source if isinstance(source, Path) else None,
        score=event.score,
    )


def picture_details(card: Card, size: tuple[int, int] | None, language: Language) -> list[list[str]]:
    """Return the details of a card's picture as rows of a name and a value.

    size: width and height in pixels, or None if unknown.
    """
    rows = [[phrase("picture_score", language), card.score_text]]
    if size is not None:
        rows.append([phrase("picture_size", language), f"{size[0]:,} × {size[1]:,}"])
    if (score := card.score) is not None:
        rows += [
            [phrase("picture_log_odds", language), f"{score.log_odds:+.4f}"],
            [phrase("picture_visual_tokens", language), f"{score.visual_tokens}"],
            [phrase("picture_batch", language), _batch_text(score, language)],
        ]
    return rows


def _batch_text(score: Score, language: Language) -> str:
    if not score.latency_ms:
        return phrase("picture_stored", language)
    return phrase("picture_cached" if score.cached else "picture_fresh", language, ms=f"{score.latency_ms:.0f}")


def failure_lists(failed: Sequence[Failed], language: Language) -> dict[str, Any]:
    """Return the value of the component with the failures.

    Each failure has a sentence, except the pictures that were skipped because the run was stopped: they have a name.
    """
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


def with_original_position(event: _Event, checked: CheckedPictures) -> _Event:
    """Return an event with its position among all pictures that were given, including the refused ones."""
    return replace(event, position=checked.positions[event.position])


def with_refused(ranking: Ranking, checked: CheckedPictures) -> Ranking:
    """Return a ranking of the allowed pictures with the refused ones among its failures."""
    failed = [*checked.refused, *(with_original_position(failure, checked) for failure in ranking.failed)]
    return replace(
        ranking,
        scored=tuple(with_original_position(event, checked) for event in ranking.scored),
        failed=tuple(sorted(failed, key=lambda failure: failure.position)),
    )


def api_response(ranking: Ranking, judged_by: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """Return a ranking as the JSON of the command line has it, but with names instead of paths."""
    results = [asdict(row) for row in rows(ranking, language)]
    return {
        "query": ranking.query.text,
        "example": ranking.query.example_name,
        "model": judged_by["model"],
        "fingerprint": ranking.fingerprint,
        "judged_by": judged_by,
        "results": [{"name" if key == "path" else key: value for key, value in row.items()} for row in results],
    }

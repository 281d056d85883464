"""Handlers of the events of one picture of a ranking: its details, why it has its score, and a rating in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from reranker.api import Reranker
from reranker.core.errors import PictureError
from reranker.core.scores import score_texts, shown_score
from reranker.core.types import Candidate, Explanation
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase, phrases
from reranker.images.decoding_pool import shared_pool
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes
from reranker.server.status import trouble
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.history import History
from reranker.ui.ranking_view import Card, RankingView, picture_details
from reranker.ui.sessions import BrowserSessions


class ExplainHandlers:
    """Return values of the panel with the chosen picture, for `picture_panel.js`."""

    def __init__(self, reranker: Reranker, thumbnails: ThumbnailStore, sessions: BrowserSessions) -> None:
        self._reranker, self._thumbnails, self._sessions = reranker, thumbnails, sessions

    def choose(self, history: History, event: gr.EventData, request: gr.Request) -> Any:
        """Show the details of the picture whose card was clicked."""
        click = dict(event._data)
        if click.get("action") != "choose":
            return gr.skip()
        _, card = self._find(history, click)
        if card is None or card.source is None:
            return None
        language = self._sessions.language(request)
        return {
            "tab": click["tab"],
            "run": history.run,
            "name": card.name,
            "title": f"#{card.rank} · {card.name}",
            "src": str(self._thumbnails.get(card.source)),
            "rows": picture_details(card, _size_px(card.source, self._reranker.limits), language),
            "words": card.score.generated_text if card.score else None,
            "labels": phrases("why_", language),
        }

    def explain(self, history: History, panel: object, event: gr.EventData, request: gr.Request) -> Iterator[Any]:
        """Add to the panel why the picture has its score, or the rating that the model writes."""
        click, language = dict(event._data), self._sessions.language(request)
        ranking_view, card = self._find(history, click)
        if card is None or card.source is None or not isinstance(panel, dict) or panel.get("run") != history.run:
            yield gr.skip()
            return
        yield panel | {"trouble": phrase("explaining", language), "busy": True}
        added: dict[str, Any]
        try:
            if click.get("action") == "why":
                explanation = self._reranker.explain(ranking_view.query, card.source)
                added = {"why": _explanation_value(explanation, language)}
            else:
                added = {"words": self._reranker.generate_rating(ranking_view.query, card.source).text or "…"}
        except Exception as error:
            added = {"trouble": trouble(error, language).text}
        yield panel | {"trouble": None, "busy": False} | added

    def _find(self, history: History, click: dict[str, Any]) -> tuple[RankingView, Card | None]:
        """Return the ranking and the card of a click. Found by its picture, since ranks change during a run."""
        tab, src = click.get("tab"), click.get("src")
        if not (isinstance(tab, int) and 0 <= tab < len(history.ranking_views)):
            return RankingView(), None
        ranking_view = history.ranking_views[tab]
        thumbnails = ((card, card.source and str(self._thumbnails.path(card.source))) for card in ranking_view.cards)
        matches = (card for card, thumbnail in thumbnails if thumbnail is not None and thumbnail == src)
        return ranking_view, next(matches, None)


def _explanation_value(explanation: Explanation, language: Language) -> dict[str, Any]:
    values = [shown_score(part.score.log_odds, explanation.temperature) for part in explanation.parts]
    best_first = sorted(values, reverse=True)
    texts = dict(zip(best_first, score_texts(best_first), strict=True))
    drops = explanation.where.drops
    largest = max(drop for row in drops for drop in row)
    return {
        "parts": [
            {"text": part.text, "value": value, "score": texts[value]}
            for part, value in zip(explanation.parts, values, strict=True)
        ],
        "where": {
            "drops": drops,
            "label": phrase("why_where" if largest > 0 else "why_nowhere", language, most=f"{largest:.1f}"),
        },
    }


def _size_px(picture: Path, limits: Limits) -> tuple[int, int] | None:
    """Return width and height of a picture that was scored, or None if it was deleted."""
    candidate = Candidate.of(picture)
    try:
        return shared_pool().size(read_bytes(candidate, limits), candidate.name, limits)
    except PictureError:
        return None

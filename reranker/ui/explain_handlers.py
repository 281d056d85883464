"""What is asked of one picture of a ranking: what is known of it, why it has its score, and the model's own words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from reranker.api import Reranker
from reranker.core.scores import score_texts, shown_score
from reranker.core.types import Explanation, GeneratedRating
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase, phrases
from reranker.server.status import trouble
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.history import History
from reranker.ui.ranking_view import Card, RankingView, facts
from reranker.ui.sessions import Visitors


class ExplainHandlers:
    """Gives values of the panel about the chosen picture."""

    def __init__(self, reranker: Reranker, thumbnails: ThumbnailStore, visitors: Visitors) -> None:
        self._reranker, self._thumbnails, self._visitors = reranker, thumbnails, visitors

    def choose(self, history: History, event: gr.EventData, request: gr.Request) -> Any:
        """What is known of the chosen one."""
        pressed = dict(event._data)
        if pressed.get("action") != "choose":
            return gr.skip()
        _, card = self._chosen(history, pressed)
        if card is None or card.source is None:
            return None
        language = self._visitors.language(request)
        return {
            "tab": pressed["tab"],
            "run": history.run,
            "name": card.name,
            "title": f"#{card.rank} · {card.name}",
            "src": str(self._thumbnails.get(card.source)),
            "rows": facts(card, _size(card.source), language),
            "words": card.score.generated_text if card.score else None,
            "labels": phrases("why_", language),
        }

    def ask(self, history: History, panel: object, event: gr.EventData, request: gr.Request) -> Iterator[Any]:
        """Why the chosen one has its score, or the model's own words, added to the panel as it is."""
        pressed, language = dict(event._data), self._visitors.language(request)
        ranking_view, card = self._chosen(history, pressed)
        if card is None or card.source is None or not isinstance(panel, dict) or panel.get("run") != history.run:
            yield gr.skip()
            return
        yield panel | {"trouble": phrase("explaining", language), "busy": True}
        added: dict[str, Any]
        try:
            if pressed.get("action") == "why":
                explanation = self._reranker.explain(ranking_view.query, card.source)
                added = {"why": _why(explanation, language)}
            else:
                added = {"words": _said(self._reranker.generate_rating(ranking_view.query, card.source))}
        except Exception as error:
            added = {"trouble": trouble(error, language).text}
        yield panel | {"trouble": None, "busy": False} | added

    def _chosen(self, history: History, pressed: dict[str, Any]) -> tuple[RankingView, Card | None]:
        """The deck and the card that a press means, by its picture: places change while a run goes on."""
        tab, src = pressed.get("tab"), pressed.get("src")
        if not (isinstance(tab, int) and 0 <= tab < len(history.ranking_views)):
            return RankingView(), None
        ranking_view = history.ranking_views[tab]
        places = ((card, card.source and str(self._thumbnails.path(card.source))) for card in ranking_view.cards)
        return ranking_view, next((card for card, place in places if place is not None and place == src), None)


def _why(explanation: Explanation, language: Language) -> dict[str, Any]:
    values = [shown_score(part.score.log_odds, explanation.temperature) for part in explanation.parts]
    texts = dict(zip(sorted(values, reverse=True), score_texts(sorted(values, reverse=True)), strict=True))
    drops = explanation.where.drops
    most = max(fall for row in drops for fall in row)
    return {
        "parts": [
            {"text": part.text, "value": value, "score": texts[value]}
            for part, value in zip(explanation.parts, values, strict=True)
        ],
        "where": {
            "falls": drops,
            "label": phrase("why_where" if most > 0 else "why_nowhere", language, most=f"{most:.1f}"),
        },
    }


def _said(words: GeneratedRating) -> str:
    return words.text or "…"


def _size(picture: Path) -> tuple[int, int] | None:
    """Of a picture that was judged, so it is one; None where it was deleted since."""
    try:
        with Image.open(picture) as opened:
            return opened.size
    except OSError:
        return None

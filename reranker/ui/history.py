"""The rankings of one tab of a browser: those that it shows, and earlier ones."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from reranker.core.errors import ResultUnreadable
from reranker.core.scores import score_texts
from reranker.ui.ranking_view import Card, RankingView

MAX_EARLIER: Final = 12


@dataclass(frozen=True, kw_only=True)
class History:
    """The rankings of a tab. Every change returns a new one.

    run: increases with each new set of rankings, so that the page can tell them from an update.
    ranking_views: shown now, one for each query. earlier: finished ones, the latest first, including those shown.
    compared: two that are shown side by side. serial: differs for each instance, as Gradio compares states by hash.
    """

    run: int = 0
    ranking_views: tuple[RankingView, ...] = ()
    earlier: tuple[RankingView, ...] = ()
    compared: tuple[RankingView, RankingView] | None = None
    serial: int = field(init=False, default_factory=count().__next__)

    def start_run(self, query_count: int) -> "History":
        """Show an empty ranking for each query."""
        return replace(self, run=self.run + 1, ranking_views=(RankingView(),) * query_count, compared=None)

    def update(self, index: int, ranking_view: RankingView) -> "History":
        """Replace the ranking of one query. A finished one also becomes the latest of the earlier ones."""
        ranking_views = (*self.ranking_views[:index], ranking_view, *self.ranking_views[index + 1 :])
        if not ranking_view.ended or not ranking_view.cards:
            return replace(self, ranking_views=ranking_views)
        others = (other for other in self.earlier if _visible_content(other) != _visible_content(ranking_view))
        return replace(self, ranking_views=ranking_views, earlier=(ranking_view, *others)[:MAX_EARLIER])

    def show_earlier(self, index: int) -> "History":
        """Show one of the earlier rankings alone. An index that does not exist changes nothing."""
        if not 0 <= index < len(self.earlier):
            return self
        return replace(self, run=self.run + 1, ranking_views=(self.earlier[index],), compared=None)

    def add(self, ranking_view: RankingView) -> "History":
        """Show a finished ranking alone."""
        return self.start_run(1).update(0, ranking_view)

    def compare(self, index: int, tab: int) -> "History":
        """Show an earlier ranking next to a shown one. An index or tab that does not exist changes nothing."""
        if not (0 <= index < len(self.earlier) and 0 <= tab < len(self.ranking_views)):
            return self
        return replace(self, compared=(self.earlier[index], self.ranking_views[tab]))

    def close_comparison(self) -> "History":
        """Show the rankings again instead of the comparison."""
        return replace(self, compared=None)


def _visible_content(ranking_view: RankingView) -> object:
    """Return the parts of a ranking that people see. Of two rankings with equal parts, only the newer one is kept."""
    return ranking_view.query, ranking_view.note, tuple((card.name, card.score_text) for card in ranking_view.cards)


def read_saved_ranking(content: bytes, name: str) -> RankingView:
    """Return the ranking in a JSON file that `export.rows.as_json` has written.

    name: of the file, for the error. Raises `ResultUnreadable`.
    """
    try:
        saved = json.loads(content)
        rows = [row for row in saved["results"] if row["status"] == "scored"]
        values = [_score(row["score"]) for row in rows]
        names = [re.split(r"[\\/]", str(row["path"]))[-1] for row in rows]  # the command line writes paths
        query, judged_by = str(saved["query"]), saved["judged_by"]
        note = f"{judged_by['model']} · {judged_by['precision']}"
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        raise ResultUnreadable(name=name) from None
    cards = tuple(
        Card(rank=rank, name=card_name, value=value, score_text=text)
        for rank, (card_name, value, text) in enumerate(zip(names, values, score_texts(values), strict=True), 1)
    )
    return RankingView(query=query, cards=cards, note=note, ended=True)


def _score(value: Any) -> float:
    """Raises `ValueError` if the value is not a score from 0 to 10."""
    score = float(value)
    if not 0 <= score <= 10:
        raise ValueError
    return score


def rankings_value(history: History, thumbnail_of: Callable[[Path], Path], labels: dict[str, str]) -> dict[str, Any]:
    """Return the value of the component that shows the rankings, for `rankings.js`."""
    compared = history.compared and [_ranking_value(view, thumbnail_of) for view in history.compared]
    return {
        "run": history.run,
        "rankings": [_ranking_value(view, thumbnail_of) for view in history.ranking_views],
        "compared": compared,
        "earlier": [{"query": view.query, "title": f"{view.query} {view.note}".strip()} for view in history.earlier],
        "labels": labels,
    }


def _ranking_value(ranking_view: RankingView, thumbnail_of: Callable[[Path], Path]) -> dict[str, Any]:
    keys = _unique_keys([card.name for card in ranking_view.cards])
    return {
        "query": ranking_view.query,
        "note": ranking_view.note,
        "ended": ranking_view.ended,
        "cards": [
            {
                "rank": card.rank,
                "name": card.name,
                "score": card.score_text,
                "value": card.value,
                "key": key,
                "src": None if card.source is None else str(thumbnail_of(card.source)),
            }
            for card, key in zip(ranking_view.cards, keys, strict=True)
        ],
    }


def _unique_keys(names: list[str]) -> list[str]:
    """Return keys that identify the same picture in two rankings: the names, numbered since they may be equal."""
    counts: dict[str, int] = {}
    keys = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        keys.append(f"{name} {counts[name]}")
    return keys

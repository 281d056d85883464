"""The rankings of one tab of a browser: those that it shows, and earlier ones."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from reranker.core.errors import ResultUnreadable
from reranker.core.scores import score_texts
from reranker.core.text import well_formed
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

    def add(self, ranking_views: Sequence[RankingView]) -> "History":
        """Show finished rankings alone."""
        history = self.start_run(len(ranking_views))
        for index, ranking_view in enumerate(ranking_views):
            history = history.update(index, ranking_view)
        return history

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


def read_saved_rankings(content: bytes, name: str) -> list[RankingView]:
    """Return the rankings, at least one, in a JSON file that `export.rows` has written: of one query, or of several.

    name: of the file, for the error. Raises `ResultUnreadable`.
    """
    try:
        saved = json.loads(content)
        ranking_views = [_saved_ranking(each) for each in saved.get("queries", [saved])]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise ResultUnreadable(name=name) from None
    if not ranking_views:
        raise ResultUnreadable(name=name)
    return ranking_views


def _saved_ranking(saved: dict[str, Any]) -> RankingView:
    """Raises an error of Python if the fields are others."""
    rows = [row for row in saved["results"] if row["status"] == "scored"]
    values = [_score(row["score"]) for row in rows]
    paths = [well_formed(str(row["path"])) for row in rows]
    names = [re.split(r"[\\/]", path)[-1] for path in paths]  # the command line writes paths
    query, judged_by = well_formed(str(saved["query"])), saved["judged_by"]
    note = well_formed(f"{judged_by['model']} · {judged_by['precision']}")
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

"""What one tab of a browser has asked: the rankings that it shows, and those from before."""

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

KEPT: Final = 12  # rankings


@dataclass(frozen=True, kw_only=True)
class History:
    """Every change is a new one, which differs from all others by its serial number: Gradio tells states by hash.

    run: counts what was shown, so that a new ranking is told from a longer one. decks: shown now, one for each query.
    earlier: those that ended, the latest first, the shown ones among them. compared: two that are shown side by side.
    """

    run: int = 0
    ranking_views: tuple[RankingView, ...] = ()
    earlier: tuple[RankingView, ...] = ()
    compared: tuple[RankingView, RankingView] | None = None
    serial: int = field(init=False, default_factory=count().__next__)

    def begun(self, queries: int) -> "History":
        """For a run of so many queries."""
        return replace(self, run=self.run + 1, ranking_views=(RankingView(),) * queries, compared=None)

    def moved(self, number: int, ranking_view: RankingView) -> "History":
        """With a new deck of the query at `number`."""
        ranking_views = (*self.ranking_views[:number], ranking_view, *self.ranking_views[number + 1 :])
        if not ranking_view.ended or not ranking_view.cards:
            return replace(self, ranking_views=ranking_views)
        others = (one for one in self.earlier if _told(one) != _told(ranking_view))
        return replace(self, ranking_views=ranking_views, earlier=(ranking_view, *others)[:KEPT])

    def opened(self, index: int) -> "History":
        """With an earlier one shown alone."""
        if not 0 <= index < len(self.earlier):
            return self
        return replace(self, run=self.run + 1, ranking_views=(self.earlier[index],), compared=None)

    def closed(self) -> "History":
        """Without a comparison."""
        return replace(self, compared=None)

    def added(self, ranking_view: RankingView) -> "History":
        """With a ranking from a file, shown."""
        return self.begun(1).moved(0, ranking_view)

    def beside(self, index: int, tab: int) -> "History":
        """With an earlier one beside one of the shown ones."""
        if not (0 <= index < len(self.earlier) and 0 <= tab < len(self.ranking_views)):
            return self
        return replace(self, compared=(self.earlier[index], self.ranking_views[tab]))


def _told(ranking_view: RankingView) -> object:
    """What makes two rankings the same to people: an older one of these gives way."""
    return ranking_view.query, ranking_view.note, tuple((card.name, card.score_text) for card in ranking_view.cards)


def saved_ranking_view(text: bytes, name: str) -> RankingView:
    """The ranking of a JSON file, as `export.as_json` writes it. Raises `ResultUnreadable`."""
    try:
        whole = json.loads(text)
        rows = [row for row in whole["results"] if row["status"] == "scored"]
        values = [_score(row["score"]) for row in rows]
        names = [re.split(r"[\\/]", str(row["path"]))[-1] for row in rows]  # the command line has paths, the page names
        query, judged_by = str(whole["query"]), whole["judged_by"]
        note = f"{judged_by['model']} · {judged_by['precision']}"
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        raise ResultUnreadable(name=name) from None
    told = enumerate(zip(names, values, score_texts(values), strict=True), 1)
    cards = tuple(Card(rank=rank, name=each, value=value, score_text=score) for rank, (each, value, score) in told)
    return RankingView(query=query, cards=cards, note=note, ended=True)


def _score(value: Any) -> float:
    score = float(value)
    if not 0 <= score <= 10:
        raise ValueError
    return score


def board(history: History, thumbnail_of: Callable[[Path], Path], labels: dict[str, str]) -> dict[str, Any]:
    """The value of the component that shows it all."""
    return {
        "run": history.run,
        "decks": [_shown(ranking_view, thumbnail_of) for ranking_view in history.ranking_views],
        "compared": [_shown(ranking_view, thumbnail_of) for ranking_view in history.compared]
        if history.compared
        else None,
        "earlier": [
            {"query": ranking_view.query, "title": f"{ranking_view.query} {ranking_view.note}".strip()}
            for ranking_view in history.earlier
        ],
        "labels": labels,
    }


def _shown(ranking_view: RankingView, thumbnail_of: Callable[[Path], Path]) -> dict[str, Any]:
    keys = _keys([card.name for card in ranking_view.cards])
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


def _keys(names: list[str]) -> list[str]:
    """By which a picture is known in two rankings: its name, numbered where others have the same."""
    seen: dict[str, int] = {}
    keys = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        keys.append(f"{name} {seen[name]}")
    return keys

"""What one tab of a browser has asked: the rankings that it shows, and those from before."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from reranker.errors import ResultUnreadable
from reranker.scores import score_texts
from reranker.web.results import Card, Deck

KEPT: Final = 12  # rankings


@dataclass(frozen=True, kw_only=True)
class Book:
    """Every change is a new one, which differs from all others by its serial number: Gradio tells states by hash.

    run: counts what was shown, so that a new ranking is told from a longer one. decks: shown now, one for each query.
    earlier: those that ended, the latest first, the shown ones among them. compared: two that are shown side by side.
    """

    run: int = 0
    decks: tuple[Deck, ...] = ()
    earlier: tuple[Deck, ...] = ()
    compared: tuple[Deck, Deck] | None = None
    serial: int = field(init=False, default_factory=count().__next__)

    def begun(self, queries: int) -> "Book":
        """For a run of so many queries."""
        return replace(self, run=self.run + 1, decks=(Deck(),) * queries, compared=None)

    def moved(self, number: int, deck: Deck) -> "Book":
        """With a new deck of the query at `number`."""
        decks = (*self.decks[:number], deck, *self.decks[number + 1 :])
        if not deck.ended or not deck.cards:
            return replace(self, decks=decks)
        others = (one for one in self.earlier if _told(one) != _told(deck))
        return replace(self, decks=decks, earlier=(deck, *others)[:KEPT])

    def opened(self, index: int) -> "Book":
        """With an earlier one shown alone."""
        if not 0 <= index < len(self.earlier):
            return self
        return replace(self, run=self.run + 1, decks=(self.earlier[index],), compared=None)

    def closed(self) -> "Book":
        """Without a comparison."""
        return replace(self, compared=None)

    def added(self, deck: Deck) -> "Book":
        """With a ranking from a file, shown."""
        return self.begun(1).moved(0, deck)

    def beside(self, index: int, tab: int) -> "Book":
        """With an earlier one beside one of the shown ones."""
        if not (0 <= index < len(self.earlier) and 0 <= tab < len(self.decks)):
            return self
        return replace(self, compared=(self.earlier[index], self.decks[tab]))


def _told(deck: Deck) -> object:
    """What makes two rankings the same to people: an older one of these gives way."""
    return deck.query, deck.note, tuple((card.name, card.score) for card in deck.cards)


def saved_deck(text: bytes, name: str) -> Deck:
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
    cards = tuple(Card(rank=rank, name=each, value=value, score=score) for rank, (each, value, score) in told)
    return Deck(query=query, cards=cards, note=note, ended=True)


def _score(value: Any) -> float:
    score = float(value)
    if not 0 <= score <= 10:
        raise ValueError
    return score


def board(book: Book, thumbnail_of: Callable[[Path], Path], labels: dict[str, str]) -> dict[str, Any]:
    """The value of the component that shows it all."""
    return {
        "run": book.run,
        "decks": [_shown(deck, thumbnail_of) for deck in book.decks],
        "compared": [_shown(deck, thumbnail_of) for deck in book.compared] if book.compared else None,
        "earlier": [{"query": deck.query, "title": f"{deck.query} {deck.note}".strip()} for deck in book.earlier],
        "labels": labels,
    }


def _shown(deck: Deck, thumbnail_of: Callable[[Path], Path]) -> dict[str, Any]:
    keys = _keys([card.name for card in deck.cards])
    return {
        "query": deck.query,
        "note": deck.note,
        "ended": deck.ended,
        "cards": [
            {
                "rank": card.rank,
                "name": card.name,
                "score": card.score,
                "value": card.value,
                "key": key,
                "src": None if card.source is None else str(thumbnail_of(card.source)),
            }
            for card, key in zip(deck.cards, keys, strict=True)
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

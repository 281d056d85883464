"""What the page shows of a run: the status line, the cards of the ranking, thumbnails, and why some were not judged.

Knows neither gradio nor torch: `watch` turns a run into `View`s, and `page` puts them into components.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, TypeVar

from PIL import Image, ImageDraw

from reranker.errors import PictureError, PictureSkipped
from reranker.export import rows
from reranker.images import Limits, decode, read_bytes
from reranker.ranking import ordered
from reranker.scores import memory_text, none_fits, score_texts, shown_score
from reranker.sentences import Language, sentence
from reranker.types import Candidate, Failed, Ranking, Scored
from reranker.web.status import Status
from reranker.web.uploads import Admission, Uploads
from reranker.web.wording import phrase

MAX_THUMBNAIL_PX: Final = 512
DECK_INTERVAL_S: Final = 0.5
HEARTBEAT_S: Final = 0.5  # how soon a place in the line is told, and a closed tab noticed, while nothing is judged
CARDS_WHILE_RUNNING: Final = 12
MAX_BACKLOG: Final = 16  # events that wait to be shown; where there are more, not each is shown by itself

Event = Scored | Failed | Ranking
_Placed = TypeVar("_Placed", bound=Scored | Failed)


@dataclass(frozen=True, kw_only=True)
class Card:
    """One picture of the ranking; `rank` counts from 1, `score` is text with as many decimals as tell it apart."""

    rank: int
    name: str
    score: str
    log_odds: float
    visual_tokens: int
    words: str | None
    source: Path

    @property
    def caption(self) -> str:
        return f"{'★ ' if self.rank == 1 else ''}#{self.rank} · {self.score} · {self.name}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Deck:
    """What is shown of a ranking, the best while it runs and all once it ended; every deck differs from all others."""

    cards: tuple[Card, ...] = ()
    failed: tuple[Failed, ...] = ()
    ranking: Ranking | None = None

    @property
    def ended(self) -> bool:
        """Whether the run did; then the whole ranking is here."""
        return self.ranking is not None


@dataclass(frozen=True, kw_only=True)
class View:
    """The status line, and a deck where there is a new one."""

    status: Status
    deck: Deck | None = None


class Stream(Protocol):
    """A `reranker.ranking.RankStream`, as far as it is needed here."""

    @property
    def place(self) -> int | None: ...
    @property
    def glimpsed(self) -> int | None: ...
    def __iter__(self) -> Iterator[Event]: ...
    def close(self) -> None: ...


class Thumbnails:
    """Small pictures to show in place of the originals, which may be of many megapixels or unknown to browsers."""

    def __init__(self, uploads: Uploads, limits: Limits, threads: int) -> None:
        self._uploads, self._limits, self._threads = uploads, limits, threads

    def of_all(self, pictures: Sequence[Path]) -> list[Path]:
        """Of each, made several at a time."""
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self.of, pictures))

    def of(self, picture: Path) -> Path:
        """A JPEG of at most `MAX_THUMBNAIL_PX` a side, made once; a grey cross for what cannot be read."""
        thumbnail = self._uploads.thumbnail(picture)
        if not thumbnail.exists():
            thumbnail.parent.mkdir(parents=True, exist_ok=True)
            _save(self._drawn(picture), thumbnail)
        return thumbnail

    def _drawn(self, picture: Path) -> Image.Image:
        try:
            shown = decode(read_bytes(Candidate.of(picture), self._limits), picture.name, self._limits)
        except PictureError:
            return _cross()
        shown.thumbnail((MAX_THUMBNAIL_PX, MAX_THUMBNAIL_PX), reducing_gap=2.0)
        return shown


def _save(picture: Image.Image, target: Path) -> None:
    """Whole or not at all: another thread may be asked for the same thumbnail."""
    handle, name = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        picture.save(file, "JPEG", quality=85)
    Path(name).replace(target)


def _cross() -> Image.Image:
    picture = Image.new("RGB", (240, 240), (236, 238, 241))
    pen = ImageDraw.Draw(picture)
    for start, end in (((90, 90), (150, 150)), ((90, 150), (150, 90))):
        pen.line((start, end), fill=(150, 156, 166), width=8)
    return picture


def cards(scored: Sequence[Scored], temperature: float) -> tuple[Card, ...]:
    """The cards of scored pictures, best first."""
    scores = score_texts([shown_score(event.judgement.log_odds, temperature) for event in scored])
    return tuple(_card(rank, event, score) for rank, (event, score) in enumerate(zip(scored, scores, strict=True), 1))


def _card(rank: int, event: Scored, score: str) -> Card:
    name, source, judgement = event.candidate.name, event.candidate.source, event.judgement
    assert isinstance(source, Path)  # as `Uploads` lets nothing else in
    return Card(
        rank=rank,
        name=name,
        score=score,
        log_odds=judgement.log_odds,
        visual_tokens=judgement.visual_tokens,
        words=judgement.words,
        source=source,
    )


def details(card: Card, language: Language) -> dict[str, Any]:
    """What choosing a card shows: a title and rows of a word and a value."""
    rows = [
        [phrase("chosen_score", language), card.score],
        [phrase("chosen_log_odds", language), f"{card.log_odds:+.4f}"],
        [phrase("chosen_visual_tokens", language), f"{card.visual_tokens}"],
    ]
    if card.words is not None:
        rows.append([phrase("chosen_words", language), card.words])
    return {"title": f"#{card.rank} · {card.name}", "rows": rows}


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
    }


def progress_text(done: int, total: int, name: str, elapsed_s: float, language: Language) -> str:
    """`12/50 · dog_park_03.jpg · 6.2 pictures/s · 7 s left`; the rate from the second picture on."""
    parts = [phrase("progress", language, done=done, total=total, name=name)]
    if done > 1 and elapsed_s > 0:
        rate = done / elapsed_s
        parts.append(phrase("rate", language, rate=f"{rate:.1f}" if rate < 100 else f"{rate:.0f}"))
        if done < total:
            parts.append(_left_text((total - done) / rate, language))
    return " · ".join(parts)


def _left_text(seconds: float, language: Language) -> str:
    if seconds < 100:
        return phrase("seconds_left", language, seconds=max(1, round(seconds)))
    return phrase("minutes_left", language, minutes=round(seconds / 60))


def end_status(scored: int, failed: Sequence[Failed], elapsed_s: float, language: Language) -> Status:
    """How a run ended."""
    total = scored + len(failed)
    if any(isinstance(failure.error, PictureSkipped) for failure in failed):
        return Status(text=phrase("stopped", language, done=scored, total=total), tone="done")
    if not scored:
        return Status(text=phrase("none_judged", language), tone="trouble")
    parts = [phrase("ranked", language, count=scored)]
    if failed:
        parts.append(phrase("not_judged", language, count=len(failed)))
    parts.append(phrase("took", language, seconds=f"{elapsed_s:.1f}"))
    return Status(text=" · ".join(parts), tone="done")


def watch(
    stream: Stream,
    admission: Admission,
    *,
    temperature: float,
    language: Language,
    clock: Callable[[], float] = time.monotonic,
    card_memory: Callable[[], tuple[int, int] | None] = lambda: None,
    fits: float | None = None,
) -> Iterator[View]:
    """Views of a run of the admitted candidates: the status with every picture, a deck now and then, all at the end.

    card_memory: bytes in use on the card, and in all, for the status. fits: as `Scorer.fits`.

    Closing it ends the run before its next batch.
    """
    run = _Run(admission, temperature, language, clock, card_memory, fits)
    inbox = _listen(stream)
    try:
        yield run.begun()
        while (item := _next(inbox)) is not None:
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, _Silence):
                yield run.silent(stream.place, stream.glimpsed)
            elif isinstance(item, Ranking):
                yield run.ended(item)
            elif run.note(item) or inbox.qsize() < MAX_BACKLOG:
                yield run.moved()
    finally:
        stream.close()


class _Silence:
    """Nothing happened for `HEARTBEAT_S`."""


_Inbox = SimpleQueue[Event | BaseException | None]


def _listen(stream: Stream) -> _Inbox:
    """What the stream gives, read in a thread of its own, and None at its end."""
    inbox: _Inbox = SimpleQueue()

    def read() -> None:
        try:
            for item in stream:
                inbox.put(item)
        except BaseException as error:  # raised again where the run is watched
            inbox.put(error)
        finally:
            inbox.put(None)

    threading.Thread(target=read, name="reranker-page", daemon=True).start()
    return inbox


def _next(inbox: _Inbox) -> Event | BaseException | _Silence | None:
    try:
        return inbox.get(timeout=HEARTBEAT_S)
    except Empty:
        return _Silence()


class _Run:
    """What is known of a run so far."""

    def __init__(
        self,
        admission: Admission,
        temperature: float,
        language: Language,
        clock: Callable[[], float],
        card_memory: Callable[[], tuple[int, int] | None],
        fits: float | None,
    ) -> None:
        self._admission, self._total = admission, admission.total
        self._events: list[Scored | Failed] = list(admission.refused)
        self._temperature, self._language, self._clock = temperature, language, clock
        self._card_memory, self._fits = card_memory, fits
        self._began = self._clock()
        self._deck_due = self._began
        self._status = self._counted("reading")

    def begun(self) -> View:
        return View(status=self._status, deck=Deck())

    def note(self, event: Scored | Failed) -> bool:
        """Keep an event; True where a deck is due."""
        self._events.append(placed(event, self._admission))
        return self._clock() >= self._deck_due

    def moved(self) -> View:
        """After a picture."""
        name = self._events[-1].candidate.name
        text = progress_text(len(self._events), self._total, name, self._clock() - self._began, self._language)
        if (memory := self._card_memory()) is not None:
            text = f"{text} · {memory_text(*memory)}"
        self._status = Status(text=text, tone="busy", percent=self._percent)
        return View(status=self._status, deck=self._best_so_far())

    def silent(self, place: int | None, glimpsed: int | None) -> View:
        """After a while without one: why, or what is only provisional."""
        if place:
            return View(status=self._counted("waiting", count=place))
        none_judged = len(self._events) == len(self._admission.refused)
        return View(status=self._counted("glimpsed", count=glimpsed) if glimpsed and none_judged else self._status)

    def ended(self, ranking: Ranking) -> View:
        scored, failed = ordered(self._events)
        status = end_status(len(scored), failed, self._clock() - self._began, self._language)
        if none_fits([one.judgement.log_odds for one in scored], self._temperature, self._fits):
            line = f"{self._fits:g}"
            status = replace(status, text=phrase("none_fits", self._language, line=line, ended=status.text))
        whole = completed(ranking, self._admission)
        return View(status=status, deck=Deck(cards=cards(scored, self._temperature), failed=failed, ranking=whole))

    def _best_so_far(self) -> Deck | None:
        """At most once in `DECK_INTERVAL_S`, and only the best: a gallery costs 0.65 ms for each card."""
        now = self._clock()
        if now < self._deck_due:
            return None
        self._deck_due = now + DECK_INTERVAL_S
        return Deck(cards=cards(ordered(self._events, CARDS_WHILE_RUNNING)[0], self._temperature))

    def _counted(self, key: str, **values: object) -> Status:
        text = phrase(key, self._language, done=len(self._events), total=self._total, **values)
        return Status(text=text, tone="busy", percent=self._percent)

    @property
    def _percent(self) -> int:
        return 100 * len(self._events) // max(1, self._total)


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

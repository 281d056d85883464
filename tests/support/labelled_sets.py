"""Labelled sets made of numbers, for tests of metrics and evaluations."""

from collections.abc import Sequence

from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet
from reranker.evaluation.results import ScoredSet


def labelled_set(
    gains: Sequence[int],
    *,
    set_id: str = "1",
    language: str = "en",
    grades: Sequence[float] | None = None,
    kinds: Sequence[str] = (),
    sources: Sequence[bytes] = (),
) -> LabelledSet:
    """Make a set of pictures with these gains. The bytes of a picture are its name unless `sources` is given."""
    pictures = tuple(
        LabelledPicture(
            name=f"{set_id}-{index}.png",
            source=sources[index] if sources else f"{set_id}-{index}".encode(),
            gain=gain,
            grade=grades[index] if grades else gain,
            kind=kinds[index] if kinds else "",
        )
        for index, gain in enumerate(gains)
    )
    return LabelledSet(id=set_id, query=f"query {set_id}", language=language, pictures=pictures)


def scored_set(log_odds: Sequence[float | None], *, set_id: str = "1", ms: float = 1.0) -> ScoredSet:
    """Make the scores of a set; None is a picture that failed."""
    errors = {index: "It failed." for index, value in enumerate(log_odds) if value is None}
    return ScoredSet(
        id=set_id, log_odds=tuple(log_odds), errors=errors, encode_ms=ms, score_ms=ms, peak_bytes=1_000_000
    )


def numbered_dataset(log_odds: Sequence[Sequence[float]], relevant: int = 0) -> Dataset:
    """Make a set for each row: pictures whose bytes are their log-odds, as `scripted_scorer.number` scores them."""
    sets = tuple(
        labelled_set(
            [int(index == relevant) for index in range(len(row))],
            set_id=f"set-{number}",
            sources=[repr(value).encode() for value in row],
        )
        for number, row in enumerate(log_odds)
    )
    return Dataset(name="numbers", sets=sets)

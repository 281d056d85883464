"""Labelled sets made of numbers, for tests of what is measured."""

from collections.abc import Sequence

from reranker.evaluation.datasets.labelled import Dataset, LabelledPicture, LabelledSet
from reranker.evaluation.results import JudgedSet


def labelled_set(
    gains: Sequence[int],
    *,
    set_id: str = "1",
    language: str = "en",
    grades: Sequence[float] | None = None,
    kinds: Sequence[str] = (),
    sources: Sequence[bytes] = (),
) -> LabelledSet:
    """Pictures of these gains; each one's bytes are those of its name unless `sources` has them."""
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


def judged_set(log_odds: Sequence[float | None], *, set_id: str = "1", ms: float = 1.0) -> JudgedSet:
    """What failed has None, and a reason."""
    errors = {index: "It failed." for index, odds in enumerate(log_odds) if odds is None}
    return JudgedSet(
        id=set_id, log_odds=tuple(log_odds), errors=errors, looked_ms=ms, asked_ms=ms, peak_bytes=1_000_000
    )


def numbered_dataset(odds: Sequence[Sequence[float]], right: int = 0) -> Dataset:
    """A set for each row: pictures whose bytes are their log-odds, as `scripted.number` judges them."""
    sets = tuple(
        labelled_set(
            [int(index == right) for index in range(len(row))],
            set_id=f"set-{number}",
            sources=[repr(value).encode() for value in row],
        )
        for number, row in enumerate(odds)
    )
    return Dataset(name="numbers", sets=sets)

"""Datasets drawn from picture captions: a caption is the query, its picture is relevant, and other pictures are not.

Pictures are searched as in `picture_finder`. Nothing is downloaded. Pictures that are missing are left out with their
captions, since many people have only a part of a dataset. A caption may also describe other pictures; only pictures
with the same caption are never candidates for each other's query.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from reranker.evaluation.datasets.caption_files import Caption, read_captions
from reranker.evaluation.datasets.faults import Faults
from reranker.evaluation.datasets.picture_finder import EXAMPLE_FOLDERS, PictureFinder
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet, Sampling, language_of


@dataclass(frozen=True, kw_only=True)
class _CaptionedPicture:
    """A picture on the disk with all of its captions."""

    name: str
    source: Path
    captions: list[str]


def read_caption_sets(file: Path, name: str, sampling: Sampling) -> Dataset | None:
    """Draw sets from a file of captions. Returns None if the file has no format of captions. Raises `DatasetInvalid`.

    Each set has the picture of its caption and irrelevant ones, up to the number of candidates. One caption of each
    picture is drawn, then a second one of each, and so on until there are enough sets or no captions are left.
    """
    faults = Faults(name)
    captions = read_captions(file, faults)
    if captions is None:
        return None
    pictures = _captioned_pictures(captions, PictureFinder(file.parent))
    if not len(faults) and captions and not pictures:
        faults.add(file, None, "pictures elsewhere", EXAMPLE_FOLDERS)
    elif not len(faults) and len(pictures) == 1:
        faults.add(file, None, "too few pictures", "1")
    sets = [] if len(faults) else list(islice(_draw_sets(pictures, sampling), sampling.sets))
    return faults.dataset(file, sets)


def _captioned_pictures(captions: Sequence[Caption], finder: PictureFinder) -> list[_CaptionedPicture]:
    """Return the pictures that exist, in the order of the file."""
    sources: dict[tuple[str, ...], Path | None] = {}
    pictures: dict[Path, _CaptionedPicture] = {}
    for caption in captions:
        if caption.paths not in sources:
            sources[caption.paths] = finder.find(caption.paths)
        source = sources[caption.paths]
        if source is not None:
            new = _CaptionedPicture(name=caption.paths[0], source=source, captions=[])
            pictures.setdefault(source, new).captions.append(caption.text)
    return list(pictures.values())


def _draw_sets(pictures: Sequence[_CaptionedPicture], sampling: Sampling) -> Iterator[LabelledSet]:
    rng = Random(sampling.seed)
    indices_by_caption: dict[str, set[int]] = {}
    for index, picture in enumerate(pictures):
        for caption in picture.captions:
            indices_by_caption.setdefault(caption, set()).add(index)
    for index, number in _draw_captions(pictures, rng):
        described = indices_by_caption[pictures[index].captions[number]]
        others = _draw_irrelevant(described, len(pictures), sampling.candidates - 1, rng)
        if others:
            yield _labelled_set(pictures, index, number, rng.sample([index, *others], len(others) + 1))


def _draw_captions(pictures: Sequence[_CaptionedPicture], rng: Random) -> Iterator[tuple[int, int]]:
    """Yield every caption once as (index of the picture, index of its caption), one of each picture in each round."""
    order = rng.sample(range(len(pictures)), len(pictures))
    numbers = {index: _shuffled(len(pictures[index].captions), rng) for index in order}
    for round_ in range(max(map(len, numbers.values()), default=0)):
        yield from ((index, numbers[index][round_]) for index in order if round_ < len(numbers[index]))


def _shuffled(count: int, rng: Random) -> list[int]:
    return rng.sample(range(count), count)


def _draw_irrelevant(described: set[int], picture_count: int, wanted: int, rng: Random) -> list[int]:
    """Draw indices of pictures that the caption does not describe, as many as wanted if there are enough."""
    drawn = rng.sample(range(picture_count), min(picture_count, wanted + len(described)))
    return [index for index in drawn if index not in described][:wanted]


def _labelled_set(
    pictures: Sequence[_CaptionedPicture], relevant: int, number: int, indices: Sequence[int]
) -> LabelledSet:
    """relevant: the index of the relevant picture. number: the index of its caption. indices: of all candidates."""
    query = pictures[relevant].captions[number]
    candidates = tuple(_labelled_picture(pictures[index], int(index == relevant)) for index in indices)
    return LabelledSet(
        id=f"{pictures[relevant].name}#{number}", query=query, language=language_of(query), pictures=candidates
    )


def _labelled_picture(picture: _CaptionedPicture, gain: int) -> LabelledPicture:
    return LabelledPicture(name=picture.name, source=picture.source, gain=gain, grade=float(gain))

"""Sets drawn from captions of pictures: a caption asks for its picture, and others stand beside it.

Pictures are looked for beside the file and in folders there, named as the usual sets name them, and in such folders
beside the file's own, as COCO has `annotations/` beside `val2017/`; nothing is fetched. Those that are not on the disk
are left out with their captions, as people have only a part of such a set. What a caption says may be true of another
picture, too: only pictures with the very same caption are kept from standing beside each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from reranker.evaluation.datasets.caption_files import Caption, read_captions
from reranker.evaluation.datasets.labelled import Dataset, LabelledPicture, LabelledSet, language_of
from reranker.evaluation.datasets.reading import Faults, is_folder
from reranker.evaluation.datasets.sampling import Sampling
from reranker.images.formats import is_picture

_FOLDERS: Final = (
    "images",
    "Images",
    "flickr30k-images",
    "flickr30k_images",
    "Flicker8k_Dataset",
    "val2017",
    "train2017",
    "val2014",
    "train2014",
)
_EXAMPLES: Final = "images, flickr30k-images, val2017"


@dataclass(frozen=True, kw_only=True)
class _Pictured:
    """A picture on the disk and all that is written of it."""

    name: str
    source: Path
    texts: list[str]


def read_caption_sets(file: Path, name: str, sampling: Sampling) -> Dataset | None:
    """So many sets, as long as there are captions: one of each picture, then a second of each, and so on, all drawn.

    A set has its caption's picture and wrong ones, drawn, as many as asked for or as there are. None where the file is
    of no form of captions. Raises `DatasetInvalid`.
    """
    faults = Faults(name)
    captions = read_captions(file, faults)
    if captions is None:
        return None
    pictured = _pictured(captions, _Places(file.parent))
    if not len(faults) and captions and not pictured:
        faults.add(file, None, "pictures elsewhere", _EXAMPLES)
    elif not len(faults) and len(pictured) == 1:
        faults.add(file, None, "too few pictures", "1")
    sets = [] if len(faults) else list(islice(_drawn_sets(pictured, sampling), sampling.sets))
    return faults.dataset(file, sets)


class _Places:
    """Where the pictures of a file may be; each folder is looked into once."""

    def __init__(self, base: Path) -> None:
        near = [base, *(base / name for name in _FOLDERS), *(base / ".." / name for name in _FOLDERS)]
        self._folders = [folder for folder in near if is_folder(folder)]
        self._files: dict[Path, Mapping[str, Path]] = {}

    def find(self, paths: Sequence[str]) -> Path | None:
        """The first of the paths that leads to a picture from one of the folders, its extension said or not."""
        for whole in (folder / path for folder in self._folders for path in paths):
            if whole.parent not in self._files:
                self._files[whole.parent] = _pictures_in(whole.parent)
            if found := self._files[whole.parent].get(whole.name):
                return found
        return None


def _pictures_in(folder: Path) -> Mapping[str, Path]:
    """By name, and by what is left of it without its extension where no picture has that for a name."""
    try:
        files = sorted(each for each in folder.iterdir() if is_picture(each.name))
    except (OSError, ValueError):  # ValueError: a name that no folder can have
        return {}
    return {file.stem: file for file in reversed(files)} | {file.name: file for file in files}


def _pictured(captions: Sequence[Caption], places: _Places) -> list[_Pictured]:
    """The pictures that are there, in the order of the file."""
    found: dict[tuple[str, ...], Path | None] = {}
    pictured: dict[Path, _Pictured] = {}
    for caption in captions:
        if caption.paths not in found:
            found[caption.paths] = places.find(caption.paths)
        source = found[caption.paths]
        if source is not None:
            own = pictured.setdefault(source, _Pictured(name=caption.paths[0], source=source, texts=[]))
            own.texts.append(caption.text)
    return list(pictured.values())


def _drawn_sets(pictured: Sequence[_Pictured], sampling: Sampling) -> Iterator[LabelledSet]:
    rng = Random(sampling.seed)
    described: dict[str, set[int]] = {}
    for place, one in enumerate(pictured):
        for text in one.texts:
            described.setdefault(text, set()).add(place)
    for place, number in _drawn_captions(pictured, rng):
        query = pictured[place].texts[number]
        others = _drawn_others(described[query], len(pictured), sampling.candidates - 1, rng)
        if others:
            yield _set_of(pictured, place, number, rng.sample([place, *others], len(others) + 1))


def _drawn_captions(pictured: Sequence[_Pictured], rng: Random) -> Iterator[tuple[int, int]]:
    """Every caption once, by the places of its picture and of its text; one of each picture before any second."""
    order = rng.sample(range(len(pictured)), len(pictured))
    own = {place: rng.sample(range(len(pictured[place].texts)), len(pictured[place].texts)) for place in order}
    for turn in range(max(map(len, own.values()), default=0)):
        yield from ((place, own[place][turn]) for place in order if turn < len(own[place]))


def _drawn_others(described: set[int], count: int, wanted: int, rng: Random) -> list[int]:
    """So many of the pictures that the caption does not describe, or all."""
    drawn = rng.sample(range(count), min(count, wanted + len(described)))
    return [place for place in drawn if place not in described][:wanted]


def _set_of(pictured: Sequence[_Pictured], right: int, number: int, places: Sequence[int]) -> LabelledSet:
    query = pictured[right].texts[number]
    pictures = (_picture(pictured[place], int(place == right)) for place in places)
    return LabelledSet(
        id=f"{pictured[right].name}#{number}", query=query, language=language_of(query), pictures=tuple(pictures)
    )


def _picture(one: _Pictured, gain: int) -> LabelledPicture:
    return LabelledPicture(name=one.name, source=one.source, gain=gain, grade=float(gain))

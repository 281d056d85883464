"""A folder with one sub-folder a query: its name is the query, its pictures are right for it.

The pictures of the other sub-folders are wrong for it. Pictures with the same bytes are one, by the name that comes
first, and right wherever one of them is. Passed over: what is hidden, pictures beside the sub-folders, folders in them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from reranker.evaluation.datasets.labelled import Dataset, LabelledPicture, LabelledSet, language_of
from reranker.evaluation.datasets.reading import Faults, is_text, listed
from reranker.evaluation.datasets.sampling import Sampling
from reranker.images.formats import is_picture
from reranker.images.hashing import content_hash


def read_folders(folder: Path, name: str, sampling: Sampling | None) -> Dataset | None:
    """A set for each sub-folder, with all pictures of all of them; None where no sub-folder has pictures.

    sampling: so many of the sub-folders, drawn; in each set one right picture, one wrong one, and the rest drawn from
    all that are left. Whatever is drawn stays in natural order. Raises `DatasetInvalid`.
    """
    faults = Faults(name)
    found = {sub: listed(sub, _is_picture_file, faults) for sub in listed(folder, _is_shown_folder, faults) or ()}
    files = {sub: those for sub, those in found.items() if those is not None}
    if not any(files.values()) and not len(faults):
        return None
    _check_names(files, faults)
    firsts = _firsts_of_copies([file for those in files.values() for file in those], faults)
    pictures = list(dict.fromkeys(firsts.values()))
    right = {sub: {firsts[file] for file in those if file in firsts} for sub, those in files.items()}
    for sub, own in right.items():
        if own and len(own) == len(pictures):
            faults.add(sub, None, "only right pictures")
    return faults.dataset(folder, [] if len(faults) else list(_sets(right, pictures, sampling)))


def _is_shown_folder(path: Path) -> bool:
    return not path.name.startswith(".") and path.is_dir()


def _is_picture_file(path: Path) -> bool:
    return is_picture(path.name) and path.is_file()


def _check_names(files: Mapping[Path, Sequence[Path]], faults: Faults) -> None:
    for sub, those in files.items():
        if not is_text(sub.name):
            faults.add(sub, None, "not UTF-8")
        elif not sub.name.strip():
            faults.add(sub, None, "empty query")
        if not those:
            faults.add(sub, None, "no pictures")


def _firsts_of_copies(files: Sequence[Path], faults: Faults) -> dict[Path, Path]:
    """Of each file the first with the same bytes, in the order of the files; without those that cannot be read."""
    found: dict[Path, Path] = {}
    first: dict[str, Path] = {}
    sizes = _sizes(files, faults)
    shared = {size for size, count in Counter(sizes.values()).items() if count > 1}
    for file, size in sizes.items():
        try:
            found[file] = first.setdefault(content_hash(file.read_bytes()), file) if size in shared else file
        except OSError:
            faults.add(file, None, "no access")
    return found


def _sizes(files: Sequence[Path], faults: Faults) -> dict[Path, int]:
    sizes = {}
    for file in files:
        try:
            sizes[file] = file.stat().st_size
        except OSError:
            faults.add(file, None, "no access")
    return sizes


def _sets(
    right: Mapping[Path, set[Path]], pictures: Sequence[Path], sampling: Sampling | None
) -> Iterator[LabelledSet]:
    """Pictures are shared by the sets, as there may be millions of places."""
    labelled = {gain: [_picture(file, gain) for file in pictures] for gain in (0, 1)}
    rng = Random(sampling.seed if sampling else 0)
    for sub in _drawn_queries(list(right), sampling, rng):
        places = [place for place, file in enumerate(pictures) if file in right[sub]]
        chosen = _drawn_places(places, len(pictures), sampling, rng)
        own = set(places)
        yield LabelledSet(
            id=sub.name,
            query=sub.name,
            language=language_of(sub.name),
            pictures=tuple(labelled[place in own][place] for place in chosen),
        )


def _picture(file: Path, gain: int) -> LabelledPicture:
    return LabelledPicture(name=f"{file.parent.name}/{file.name}", source=file, gain=gain, grade=float(gain))


def _drawn_queries(subs: Sequence[Path], sampling: Sampling | None, rng: Random) -> Sequence[Path]:
    if sampling is None or sampling.sets >= len(subs):
        return subs
    return [subs[place] for place in sorted(rng.sample(range(len(subs)), sampling.sets))]


def _drawn_places(right: Sequence[int], count: int, sampling: Sampling | None, rng: Random) -> Sequence[int]:
    if sampling is None or sampling.candidates >= count:
        return range(count)
    wrong = sorted(set(range(count)) - set(right))
    sure = [rng.choice(right), rng.choice(wrong)]
    rest = [place for place in range(count) if place not in sure]
    return sorted([*sure, *rng.sample(rest, sampling.candidates - 2)])

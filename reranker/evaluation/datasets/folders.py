"""Datasets of a folder with one sub-folder for each query: its name is the query, its pictures are relevant.

The pictures of the other sub-folders are irrelevant. Files with the same bytes are one picture, named after the first
one, and relevant for the query of each sub-folder that has it. Hidden entries, pictures next to the sub-folders, and
folders inside the sub-folders are ignored.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from reranker.core.faults import FaultList
from reranker.core.text import is_blank
from reranker.evaluation.datasets.faults import Faults, is_text
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet, Sampling, language_of
from reranker.images.formats import is_picture
from reranker.images.hashing import content_hash
from reranker.storage.text_files import list_folder


def read_folders(folder: Path, name: str, sampling: Sampling | None) -> Dataset | None:
    """Return a set for each sub-folder, with the pictures of all of them; None if no sub-folder has pictures.

    sampling: draw this many sub-folders, and in each set a relevant picture, an irrelevant one, and the rest from all
    others. What is drawn stays in natural order. Raises `DatasetInvalid`.
    """
    faults = Faults(name)
    listings = {sub: list_folder(sub, is_picture_file, faults) for sub in sub_folders(folder, faults)}
    files_by_folder = {sub: files for sub, files in listings.items() if files is not None}
    if not any(files_by_folder.values()) and not len(faults):
        return None
    _check_folders(files_by_folder, faults)
    firsts = originals([file for files in files_by_folder.values() for file in files], faults)
    pictures = list(dict.fromkeys(firsts.values()))
    relevant = {sub: {firsts[file] for file in files if file in firsts} for sub, files in files_by_folder.items()}
    for sub, own in relevant.items():
        if own and len(own) == len(pictures):
            faults.add(sub, None, "only relevant pictures")
    return faults.dataset(folder, [] if len(faults) else list(_sets(relevant, pictures, sampling)))


def sub_folders(folder: Path, faults: FaultList) -> list[Path]:
    """Return the folders in a folder that are not hidden, in natural order."""
    return list_folder(folder, lambda path: not path.name.startswith(".") and path.is_dir(), faults) or []


def is_picture_file(path: Path) -> bool:
    """Return whether a path is that of a picture that is not hidden."""
    return is_picture(path.name) and path.is_file()


def _check_folders(files_by_folder: Mapping[Path, Sequence[Path]], faults: Faults) -> None:
    for sub, files in files_by_folder.items():
        if not is_text(sub.name):
            faults.add(sub, None, "not UTF-8")
        elif is_blank(sub.name):
            faults.add(sub, None, "empty query")
        if not files:
            faults.add(sub, None, "no pictures")


def originals(files: Sequence[Path], faults: FaultList) -> dict[Path, Path]:
    """Map each file that can be read to the first file with the same bytes. Only files of the same size are read."""
    firsts: dict[Path, Path] = {}
    first_by_hash: dict[str, Path] = {}
    sizes = _sizes(files, faults)
    shared_sizes = {size for size, count in Counter(sizes.values()).items() if count > 1}
    for file, size in sizes.items():
        try:
            is_shared = size in shared_sizes
            firsts[file] = first_by_hash.setdefault(content_hash(file.read_bytes()), file) if is_shared else file
        except OSError:
            faults.add(file, None, "no access")
    return firsts


def _sizes(files: Sequence[Path], faults: FaultList) -> dict[Path, int]:
    sizes = {}
    for file in files:
        try:
            sizes[file] = file.stat().st_size
        except OSError:
            faults.add(file, None, "no access")
    return sizes


def _sets(
    relevant: Mapping[Path, set[Path]], pictures: Sequence[Path], sampling: Sampling | None
) -> Iterator[LabelledSet]:
    """Yield a set for each sub-folder. The sets share their pictures, since together they may have millions."""
    labelled = {gain: [_labelled_picture(file, gain) for file in pictures] for gain in (0, 1)}
    rng = Random(sampling.seed if sampling else 0)
    for sub in _draw_queries(list(relevant), sampling, rng):
        own = [index for index, file in enumerate(pictures) if file in relevant[sub]]
        chosen = _draw_candidates(own, len(pictures), sampling, rng)
        own_set = set(own)
        yield LabelledSet(
            id=sub.name,
            query=sub.name,
            language=language_of(sub.name),
            pictures=tuple(labelled[index in own_set][index] for index in chosen),
        )


def _labelled_picture(file: Path, gain: int) -> LabelledPicture:
    return LabelledPicture(name=f"{file.parent.name}/{file.name}", source=file, gain=gain, grade=float(gain))


def _draw_queries(sub_folders: Sequence[Path], sampling: Sampling | None, rng: Random) -> Sequence[Path]:
    if sampling is None or sampling.sets >= len(sub_folders):
        return sub_folders
    return [sub_folders[index] for index in sorted(rng.sample(range(len(sub_folders)), sampling.sets))]


def _draw_candidates(
    relevant: Sequence[int], picture_count: int, sampling: Sampling | None, rng: Random
) -> Sequence[int]:
    """Draw the indices of a set's pictures, at least one relevant and one irrelevant one."""
    if sampling is None or sampling.candidates >= picture_count:
        return range(picture_count)
    irrelevant = sorted(set(range(picture_count)) - set(relevant))
    required = [rng.choice(relevant), rng.choice(irrelevant)]
    rest = [index for index in range(picture_count) if index not in required]
    return sorted([*required, *rng.sample(rest, sampling.candidates - 2)])

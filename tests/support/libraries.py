"""Libraries of numbered pictures over a tiny dual encoder, and labels for them."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import numpy as np

from reranker import Reranker
from reranker.core.types import Query
from reranker.library import Library
from reranker.storage.catalogue import Catalogue
from reranker.vocabulary.labels import Label, Name, Vocabulary
from tests.support.dual_encoders import siglip_folder
from tests.support.numbered_pictures import number_in, numbered_gallery
from tests.support.scripted_scorer import ScriptedScorer

AT_LEAST = Vocabulary(
    name="at least",
    labels=(
        Label(name=Name(en="3", zh="三")),
        Label(name=Name(en="6", zh="六"), parent="3"),
        Label(name=Name(en="9", zh="九"), synonyms=("nine",), parent="6"),
    ),
)


def at_least(query: Query, content: bytes) -> float:
    """Return the number of the picture less that of the label, so that pictures from it on have the label."""
    return number_in(query, content) - float(query.text) + 0.5


def numbered_library(parent: Path, *numbers: object, name: str = "holidays", folder: str = "pictures") -> Path:
    """Make a library of pictures that are named by their numbers, and return its folder."""
    pictures = numbered_gallery(parent / folder, *numbers)
    return indexed(parent / name, [pictures], parent / "encoder")


def indexed(library: Path, folders: Iterable[Path], encoder: Path) -> Path:
    """Index folders with an encoder, which is made if it is missing."""
    made = str(encoder if encoder.exists() else siglip_folder(encoder, 1))
    with closing(Library(library, encoder=made, reranker=Reranker(scorer=ScriptedScorer()))) as opened:
        list(opened.index(folders))
    return library


def labelled(library: Path) -> Path:
    """Label the pictures of a library with `AT_LEAST`, as `at_least` says."""
    with closing(Library(library, reranker=Reranker(scorer=ScriptedScorer(judge=at_least)))) as opened:
        list(opened.tag(AT_LEAST))
    return library


def vectors_of(folder: Path) -> dict[Path, np.ndarray]:
    """The vectors of a library by the paths of its files."""
    with closing(Catalogue(folder)) as catalogue:
        vectors, is_searched = catalogue.searchable()
        assert is_searched is None, "no vector is left of a picture that is not there"
        files = catalogue.files(range(len(vectors)))
        return {file.path: vectors[row] for row, each in files.items() for file in each}

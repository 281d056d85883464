"""Libraries of numbered pictures over a tiny dual encoder."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from reranker import Reranker
from reranker.library import Library
from tests.support.dual_encoders import siglip_folder
from tests.support.numbered_pictures import numbered_gallery
from tests.support.scripted_scorer import ScriptedScorer


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

"""A folder to label, and the label page over it."""

from pathlib import Path

from reranker import Reranker
from reranker.images.limits import Limits
from reranker.labelling.handlers import Labelling
from reranker.labelling.label_file import LOCK_TIMEOUT_S, LabelFile, LabelledQuery
from reranker.storage.thumbnail_store import HashedThumbnailPaths, ThumbnailStore
from tests.support.scripted_scorer import ScriptedScorer, number

NAMES = ("a.png", "b.png", "sub/c.png", "d.png")


def numbered_folder(folder: Path) -> Path:
    """Write four pictures that contain their own log-odds, the third the best."""
    for name, log_odds in zip(NAMES, (-1.5, 0.5, 2.5, 1.5), strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(log_odds))
    return folder


def marked(folder: Path, query: str, *right: str) -> LabelledQuery:
    pictures = tuple(folder / name for name in NAMES)
    return LabelledQuery(query=query, pictures=pictures, relevant=tuple(folder / name for name in right))


def labelling(folder: Path, reranker: Reranker | None = None, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Labelling:
    thumbnails = folder.parent / "thumbnails"
    return Labelling(
        folder=folder,
        pictures=[folder / name for name in NAMES],
        file=LabelFile(folder / "labels.jsonl", lock_timeout_s),
        reranker=reranker or Reranker(scorer=ScriptedScorer(judge=number)),
        thumbnails=ThumbnailStore(HashedThumbnailPaths(thumbnails), Limits()),
    )

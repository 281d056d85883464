"""What two stages cost against one: a library of drawn scenes, searched by captions and scored as a whole.

The library is searched in both ways for each caption, one after the other, so that both meet the same machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reranker.api import Reranker
from reranker.config.settings import Settings
from reranker.library import Library
from reranker.toybox.captions import LANGUAGES, write_caption
from reranker.toybox.drawing import draw_scene
from reranker.toybox.encoder_training import caption_request, described_scene
from reranker.toybox.scene_table import SceneTable

SEED: Final = 88_002  # of scenes that training does not see


@dataclass(frozen=True, kw_only=True)
class SearchReport:
    """Shares in [0, 1] of captions whose first picture fits all that is asked; medians of seconds a caption.

    recalled: share whose first picture fits before it is reranked. index_s: to index the library.
    """

    scenes: int
    captions: int
    recall: int
    scored_whole: float
    searched: float
    recalled: float
    whole_s: float
    search_s: float
    recall_s: float
    index_s: float


def measure_search(
    folder: Path, *, scenes: int, captions: int, recall: int, report: Callable[[str], None]
) -> SearchReport:
    """Draw scenes into a folder, index them, and search them by captions, each language a third.

    Pictures are encoded by both models before times are taken, and no score is stored. report: takes lines of progress.
    """
    rng = Random(SEED)
    described = [described_scene(rng) for _ in range(scenes)]
    paths = [folder / "scenes" / f"{number:06}.png" for number in range(scenes)]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path, each in zip(paths, described, strict=True):
        if not path.exists():
            draw_scene(each.scene).save(path)
    report(f"{scenes} scenes are drawn")
    settings = Settings.of(model="toybox", score_store_mb=0)
    reranker = Reranker(settings=settings)
    library = Library(folder / "library", reranker=reranker)
    started = perf_counter()
    for _ in library.index([paths[0].parent]):
        pass
    index_s = perf_counter() - started
    report(f"indexed in {index_s:.1f} s")
    reranker.rank("a cat", paths)  # every picture is in the feature cache
    library.search("a cat", recall=recall)
    table, position = SceneTable([each.scene for each in described]), {path: row for row, path in enumerate(paths)}
    firsts: list[list[bool]] = []
    times_s: list[list[float]] = []
    while len(firsts) < captions:
        language = LANGUAGES[len(firsts) % len(LANGUAGES)]
        request = caption_request(rng.choice(described), rng)
        fits = table.matches(request) == 1
        if not fits.any():  # in rare cases, a scene does not fulfil its own request
            continue
        text = write_caption(request, language, rng).text
        first, times = _both_ways(library, reranker, text, paths, recall)
        firsts.append([bool(fits[position[path]]) for path in first])
        times_s.append(times)
        if len(firsts) % 10 == 0:
            report(_summary(np.array(firsts), np.array(times_s)))
    whole, searched, recalled = np.mean(firsts, axis=0)
    whole_s, search_s, recall_s = np.median(times_s, axis=0)
    return SearchReport(
        scenes=scenes,
        captions=captions,
        recall=recall,
        scored_whole=float(whole),
        searched=float(searched),
        recalled=float(recalled),
        whole_s=float(whole_s),
        search_s=float(search_s),
        recall_s=float(recall_s),
        index_s=index_s,
    )


def _both_ways(
    library: Library, reranker: Reranker, text: str, paths: list[Path], recall: int
) -> tuple[list[Path], list[float]]:
    """Return the first picture when all are scored, when some are, and when none is, and the seconds of each."""
    started = perf_counter()
    recalled = library.recall(text, recall)
    recall_s = perf_counter() - started
    found = library.search(text, recall=recall)
    search_s = perf_counter() - started - recall_s
    started = perf_counter()
    whole = reranker.rank(text, paths, top_k=1)
    whole_s = perf_counter() - started
    first = whole.scored[0].candidate.source
    assert isinstance(first, Path)
    return [first, found.ordered[0][0].path, recalled[0].path], [whole_s, search_s, recall_s]


def _summary(firsts: NDArray[np.bool_], times_s: NDArray[np.float64]) -> str:
    whole, searched, recalled = firsts.mean(axis=0)
    whole_s, search_s, recall_s = np.median(times_s, axis=0)
    return (
        f"{len(firsts)} captions: the first fits in {whole:.1%} of all scored, {searched:.1%} of two stages, "
        f"{recalled:.1%} of recall alone; {whole_s:.2f} s, {search_s:.2f} s, {recall_s * 1000:.1f} ms"
    )

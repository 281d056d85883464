"""Show a run on stderr: the model, how it was loaded, and how far the run is."""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import typer
from tqdm import tqdm

from reranker.api import Reranker
from reranker.cli.console import printable, say, silence_transformers
from reranker.core.scores import memory_text
from reranker.core.types import Candidate, Query, Ranking, ScorerInfo
from reranker.i18n.error_messages import load_warning_text

RANKING_BAR: Final = "{bar:20} {n_fmt}/{total_fmt} · {rate_noinv_fmt} · {remaining} left {desc}"
TERMINAL_INTERVAL_S, LOG_INTERVAL_S = 0.1, 10.0

WHY_THE_TOYBOX: Final = {
    "no GPU": "Using the toybox, which knows drawings, not photographs: lychee needs a CUDA GPU, and there is none.",
    "not downloaded": "Using the toybox, which knows drawings, not photographs: the files of {model} are not on this "
    "machine; download them with: python -m reranker download {model}",
}


def announce(reranker: Reranker) -> None:
    """Write which model is about to be loaded, which takes a while, if the user did not name it."""
    if reranker.choice.name == "toybox" and reranker.choice.reason != "named":
        say(WHY_THE_TOYBOX[reranker.choice.reason].format(model=reranker.choice.best))
    if sys.stderr.isatty():
        typer.echo("Loading the model ...\r", err=True, nl=False)
    silence_transformers()


def report_load_warnings(info: ScorerInfo) -> None:
    """Write the load warnings of a model."""
    for warning in info.load_warnings:
        say(load_warning_text(warning, "en"))


def progress_bar(total: int, bar_format: str, **options: Any) -> tqdm:
    """Return a bar on stderr that is redrawn on a terminal and writes a line now and then into a log."""
    return tqdm(total=total, bar_format=bar_format, mininterval=interval_s(), miniters=1, dynamic_ncols=True, **options)


def interval_s() -> float:
    """Return the seconds between two updates: short on a terminal, which is redrawn, long in a log, which grows."""
    return TERMINAL_INTERVAL_S if sys.stderr.isatty() else LOG_INTERVAL_S


def rank_with_progress(
    reranker: Reranker, queries: Sequence[Query], candidates: Sequence[Candidate], top_k: int | None
) -> list[Ranking]:
    """Return the ranking for each query, with the progress on stderr."""
    announce(reranker)
    rankings = []
    with closing(reranker.rank_each_stream(queries, candidates, top_k=top_k)) as stream:
        report_load_warnings(reranker.info)
        with progress_bar(len(queries) * len(candidates), RANKING_BAR, unit=" pictures") as bar:
            if reranker.settings.model.detail == "auto":
                bar.set_description_str("· first pass at low detail")
            for number, item in stream:
                if isinstance(item, Ranking):
                    rankings.append(item)
                else:
                    place = f"· query {number + 1} of {len(queries)} " if len(queries) > 1 else ""
                    bar.set_description_str(place + _description(reranker, item.candidate), refresh=False)
                    bar.update()
            bar.set_description_str("", refresh=False)
    return rankings


def _description(reranker: Reranker, candidate: Candidate) -> str:
    memory, workers = reranker.load().device_memory, len(reranker.workers)
    parts = (f"{workers} workers" if workers else "", memory_text(*memory) if memory else "")
    return "".join(f"· {part} " for part in (*parts, printable(Path(candidate.name).name)) if part).rstrip()

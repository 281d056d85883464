"""What is seen on stderr while pictures are judged: how the model was loaded, and how far the run is."""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import typer
from tqdm import tqdm

from reranker.api import Reranker
from reranker.cli.console import printable, redrawn_every_s, say, silence_transformers
from reranker.core.protocols import LocalModel
from reranker.core.scores import memory_text
from reranker.core.types import Candidate, Ranking
from reranker.i18n.error_messages import load_warning_text

BAR: Final = "{bar:20} {n_fmt}/{total_fmt} · {rate_noinv_fmt} · {remaining} left {desc}"

WHY_THE_TOYBOX: Final = {
    "no card": "Judged by the toybox, which knows drawings and not photographs: there is no CUDA card for lychee.",
    "not downloaded": "Judged by the toybox, which knows drawings and not photographs: lychee is not on this machine; "
    "fetch it by: python -m reranker download lychee",
}


def announce(reranker: Reranker) -> None:
    """Before the model is loaded, which takes a while: that it is, and which one, where nobody asked for it."""
    if reranker.choice.name == "toybox" and reranker.choice.reason != "asked":
        say(WHY_THE_TOYBOX[reranker.choice.reason])
    if sys.stderr.isatty():
        typer.echo("Loading the model ...\r", err=True, nl=False)
    silence_transformers()


def tell_remarks(scorer: LocalModel[Any]) -> None:
    """How the model had to be loaded."""
    for remark in scorer.info.load_warnings:
        say(load_warning_text(remark, "en"))


def watched(
    reranker: Reranker, queries: Sequence[str], candidates: Sequence[Candidate], top_k: int | None
) -> list[Ranking]:
    """The ranking of each query, with the progress on stderr: redrawn on a terminal, a line now and then in a log."""
    announce(reranker)
    rankings = []
    with closing(reranker.rank_each_stream(queries, candidates, top_k=top_k)) as stream:
        scorer = reranker.load()
        tell_remarks(scorer)
        with _bar(len(queries) * len(candidates)) as bar:
            if reranker.settings.model.detail == "auto":
                bar.set_description_str("· a rough look at all of them first")
            for number, item in stream:
                if isinstance(item, Ranking):
                    rankings.append(item)
                else:
                    place = f"· query {number + 1} of {len(queries)} " if len(queries) > 1 else ""
                    bar.set_description_str(place + _at_work(scorer, item.candidate), refresh=False)
                    bar.update()
            bar.set_description_str("", refresh=False)
    return rankings


def _bar(total: int) -> tqdm:
    return tqdm(
        total=total,
        unit=" pictures",
        bar_format=BAR,
        mininterval=redrawn_every_s(),
        miniters=1,
        dynamic_ncols=True,
    )


def _at_work(scorer: LocalModel[Any], candidate: Candidate) -> str:
    memory, name = scorer.device_memory, printable(Path(candidate.name).name)
    return f"· {memory_text(*memory)} · {name}" if memory else f"· {name}"

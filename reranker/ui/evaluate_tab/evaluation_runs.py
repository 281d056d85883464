"""Evaluate scoring methods on the labelled queries of a session, in the background."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import TooManyRequests
from reranker.core.types import Scoring
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet, language_of
from reranker.evaluation.results import Configuration, Evaluation
from reranker.evaluation.runner import ModelRun, Progress, SkippedRun, evaluate_stream
from reranker.i18n.page_texts import LANGUAGES, phrase
from reranker.ui.background_progress import poll_progress
from reranker.ui.evaluate_tab.results_view import method_name
from reranker.ui.session.labelled_queries import Evaluated, Labelled, PictureIndex
from reranker.ui.session.records import Picture, Text
from reranker.ui.session.session import Session
from reranker.ui.session.sessions import Sessions
from reranker.ui.session.statuses import Said, joined, said, text_of, trouble

DATASET_NAME: Final = "page"  # in the CSV
REPORT_INTERVAL_S: Final = 0.1

Say = Callable[[Said], None]


class EvaluationRuns:
    """Starts evaluations, which go on until they end or are stopped, whether a browser is connected or not.

    What is labelled during an evaluation is not part of it.
    """

    def __init__(self, reranker: Reranker, sessions: Sessions) -> None:
        self._reranker, self._sessions = reranker, sessions

    def start(self, session: Session, scorings: Sequence[Scoring], details: Sequence[str]) -> Said | None:
        """Evaluate the usable labelled queries of a session by all methods. Nothing is started if a run is on.

        Returns why nothing can be evaluated, or None.
        """
        queries, pictures = usable_queries(session), session.pictures
        if not queries:
            return said(text_of("no_usable_sets" if session.labelled.latest_first else "no_sets"), "trouble")
        if not (scorings and details):
            return said(text_of("no_method"), "trouble")
        if self._sessions.running_count >= (max_count := self._reranker.settings.limits.max_waiting):
            return trouble(TooManyRequests(max_count=max_count))
        plan = ModelRun(open=lambda: self._reranker, scorings=tuple(scorings), details=tuple(details))
        total = len(scorings) * len(details) * sum(len(labelled.pictures) for labelled in queries)
        first = said(text_of("reading", done=0, total=total), "busy", 0)
        session.evaluation.start(lambda stop, say: self._evaluate(plan, queries, pictures, stop, say), first)
        return None

    def _evaluate(
        self,
        plan: ModelRun,
        queries: Sequence[Labelled],
        pictures: Mapping[str, Picture],
        stop: Cancellation,
        say: Say,
    ) -> Evaluated | None:
        """Raises the errors of the model and of `evaluate_stream`."""
        if not self._reranker.is_loaded:
            for share in poll_progress(self._reranker.load, lambda: self._reranker.loaded_share):
                say(said(text_of("loading"), "busy", int(100 * share)))
        started_s = time.monotonic()
        evaluation = self._stream(plan, _dataset(queries, pictures), stop, say)
        if evaluation is None:
            say(said(text_of("not_evaluated"), "idle"))
            return None
        seconds = f"{time.monotonic() - started_s:.1f}"
        say(said(text_of("evaluated", count=len(queries), seconds=seconds), "done"))
        return Evaluated(evaluation=evaluation, queries=queries)

    def _stream(self, plan: ModelRun, dataset: Dataset, stop: Cancellation, say: Say) -> Evaluation | None:
        """Return the evaluation, or None if it was stopped."""
        evaluation, report_due_s = None, 0.0
        with closing(evaluate_stream(dataset, [plan], cancellation=stop)) as stream:
            for item in stream:
                if isinstance(item, SkippedRun):
                    raise item.error
                if isinstance(item, Evaluation):
                    evaluation = item
                elif time.monotonic() >= report_due_s:
                    report_due_s = time.monotonic() + REPORT_INTERVAL_S
                    say(self._progress(item, stop))
        return evaluation

    def _progress(self, progress: Progress, stop: Cancellation) -> Said:
        if stop.cancelled:
            return stopping()
        text = self._progress_text(progress.configuration, progress.done, progress.total)
        if progress.left_s is not None and progress.done < progress.total:
            text = joined(text, _remaining_text(progress.left_s), separator=" · ")
        return said(text, "busy", 100 * progress.done // max(1, progress.total))

    def _progress_text(self, configuration: Configuration, done: int, total: int) -> Text:
        texts: Text = {}
        for language in LANGUAGES:
            name = method_name(configuration, self._reranker.info.detail_levels, language)
            texts[language] = phrase("progress", language, done=done, total=total, name=name)
        return texts


def stopping() -> Said:
    """Return what is said between stopping and the end."""
    return said(text_of("stopping"), "busy")


def usable_queries(session: Session) -> list[Labelled]:
    """Return the labelled queries that can be evaluated with the pictures of a session, the oldest first."""
    present = session.labelled.present(PictureIndex(session.pictures))
    return [labelled for labelled in reversed(present) if not labelled.problem]


def _remaining_text(seconds: float) -> Text:
    """Return `7 s left`, at least 1; from 100 s on in minutes."""
    if seconds < 100:
        return text_of("seconds_left", seconds=max(1, round(seconds)))
    return text_of("minutes_left", minutes=round(seconds / 60))


def _dataset(queries: Sequence[Labelled], pictures: Mapping[str, Picture]) -> Dataset:
    """Return the labelled queries as a dataset, in which pictures with equal names are numbered."""
    names: dict[str, str] = {}
    for id_ in dict.fromkeys(id_ for labelled in queries for id_ in labelled.pictures):
        name = Path(pictures[id_].name)
        same_name = sum(pictures[other].name == name.name for other in names)
        names[id_] = f"{name.stem} ({same_name + 1}){name.suffix}" if same_name else name.name
    sets = (_labelled_set(str(number), labelled, names, pictures) for number, labelled in enumerate(queries, start=1))
    return Dataset(name=DATASET_NAME, sets=tuple(sets))


def _labelled_set(
    set_id: str, labelled: Labelled, names: Mapping[str, str], pictures: Mapping[str, Picture]
) -> LabelledSet:
    relevant = set(labelled.relevant)
    items = (
        LabelledPicture(
            name=names[id_], source=pictures[id_].path, gain=int(id_ in relevant), grade=float(id_ in relevant)
        )
        for id_ in labelled.pictures
    )
    return LabelledSet(id=set_id, query=labelled.query, language=language_of(labelled.query), pictures=tuple(items))

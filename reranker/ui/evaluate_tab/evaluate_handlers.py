"""Handlers of the events that evaluate scoring methods on the labelled queries of the tab “Evaluate”."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import gradio as gr

from reranker.api import Reranker
from reranker.config.settings import DETAILS, is_token_count
from reranker.core.cancellation import Cancellation
from reranker.core.types import Scoring
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet, language_of
from reranker.evaluation.output_files import as_csv
from reranker.evaluation.results import Evaluation
from reranker.evaluation.runner import ModelRun, Progress, SkippedRun, evaluate_stream
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase
from reranker.labelling.label_file import LabelledQuery
from reranker.server.status import Status, trouble
from reranker.ui.background_progress import iterate_items, poll_progress
from reranker.ui.downloads import Downloads
from reranker.ui.error_toasts import errors_as_sentences
from reranker.ui.evaluate_tab.label_handlers import (
    LabelHandlers,
    LabelledQueries,
    TranslatedStatus,
    translated_status,
)
from reranker.ui.evaluate_tab.results_view import evaluation_value, method_name
from reranker.ui.tabs import BrowserTabs

STATUS_INTERVAL_S: Final = 0.1
DATASET_NAME: Final = "page"  # in the CSV

_Choice = TypeVar("_Choice", bound=str)
_Item = Progress | SkippedRun | Evaluation


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluateState:
    """The last complete evaluation of one tab of a browser, and the last status."""

    evaluation: Evaluation | None = None
    status: TranslatedStatus | None = None


class EvaluateHandlers:
    """Handle the events of evaluations.

    scorings, details: what people can choose from. defaults: those that the settings choose.
    """

    def __init__(
        self,
        reranker: Reranker,
        downloads: Downloads,
        tabs: BrowserTabs,
        label_handlers: LabelHandlers,
    ) -> None:
        self._reranker, self._downloads, self._tabs = reranker, downloads, tabs
        self._label_handlers = label_handlers
        detail = reranker.settings.model.detail
        self.scorings: tuple[Scoring, ...] = get_args(Scoring)
        self.details = (*DETAILS[:3], detail) if is_token_count(detail) else DETAILS[:3]
        self.defaults = {reranker.settings.model.scoring, "usual" if detail == "auto" else detail}

    def evaluate(
        self,
        session: object,
        labelled_queries: LabelledQueries,
        state: EvaluateState,
        request: gr.Request,
        *checked: object,
    ) -> Iterator[list[Any]]:
        """Evaluate the chosen methods on the labelled queries, and show the progress.

        Yields values of the status, the state, and the buttons to evaluate and to stop. checked: whether each of
        `scorings`, and then each of `details`, is chosen. What is labelled during the run is not part of it.
        """
        stop = self._tabs.start_run(request)
        try:
            plan, usable = self._plan(checked), self._label_handlers.usable(session, labelled_queries, request)
            if problem := _problem(plan, usable, labelled_queries):
                yield self._end(state, translated_status("trouble", problem), request)
            else:
                yield from self._run(plan, usable, stop, state, request)
        except Exception as error:
            yield self._end(state, partial(trouble, error), request)
        finally:
            stop.cancel()
            self._tabs.end_run(stop, request)

    def _plan(self, checked: Sequence[object]) -> ModelRun:
        return ModelRun(
            open=lambda: self._reranker,
            scorings=_chosen(self.scorings, checked),
            details=_chosen(self.details, checked[len(self.scorings) :]),
        )

    def _run(
        self,
        plan: ModelRun,
        usable: Sequence[LabelledQuery],
        stop: Cancellation,
        state: EvaluateState,
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        """Raises `CheckpointError`."""
        language = self._tabs.language(request)
        if not self._reranker.is_loaded:
            for share in poll_progress(self._reranker.load, lambda: self._reranker.loaded_share):
                loading = Status(text=phrase("loading", language), tone="busy", percent=int(100 * share))
                yield _run_outputs(loading, None)
        total = len(plan.scorings) * len(plan.details) * sum(len(labelled.pictures) for labelled in usable)
        reading = phrase("reading", language, done=0, total=total)
        yield _run_outputs(Status(text=reading, tone="busy", percent=0), None)
        started, status_due, evaluation = time.monotonic(), 0.0, None
        for item in iterate_items(partial(_evaluate, _dataset(usable), plan, stop)):
            if isinstance(item, SkippedRun):
                raise item.error
            if isinstance(item, Evaluation):
                evaluation = item
            elif time.monotonic() >= status_due:
                status_due = time.monotonic() + STATUS_INTERVAL_S
                yield _run_outputs(self._progress(item, stop, request), None)
        if evaluation is None:
            yield self._end(state, translated_status("idle", "not_evaluated"), request)
            return
        seconds = f"{time.monotonic() - started:.1f}"
        status = translated_status("done", "evaluated", count=len(usable), seconds=seconds)
        yield self._end(replace(state, evaluation=evaluation), status, request)

    def _progress(self, progress: Progress, stop: Cancellation, request: gr.Request) -> Status:
        language = self._tabs.language(request)
        if stop.cancelled:
            return Status(text=phrase("stopping", language), tone="busy")
        name = method_name(progress.configuration, self._reranker.info.detail_levels, language)
        parts = [phrase("progress", language, done=progress.done, total=progress.total, name=name)]
        if progress.left_s is not None and progress.done < progress.total:
            parts.append(_remaining_text(progress.left_s, language))
        return Status(text=" · ".join(parts), tone="busy", percent=100 * progress.done // max(1, progress.total))

    def _end(self, state: EvaluateState, status: TranslatedStatus, request: gr.Request) -> list[Any]:
        return _run_outputs(status(self._tabs.language(request)), replace(state, status=status))

    def stop(self, request: gr.Request) -> Any:
        """Stop the evaluation of this tab after its current batch, and return the status. There are no results."""
        if not self._tabs.stop_runs(request):
            return gr.skip()
        return Status(text=phrase("stopping", self._tabs.language(request)), tone="busy").value

    def draw(self, session: object, state: EvaluateState, request: gr.Request) -> list[Any]:
        """Return values of the status, of the component with the results, and of the button that downloads them.

        During a run the status is unchanged, since the run itself writes it.
        """
        language = self._tabs.language(request)
        status = None if self._tabs.is_running(request) else state.status
        status_value = gr.skip() if status is None else status(language).value
        if state.evaluation is None:
            return [status_value, None, gr.update(visible=False)]
        detail_levels = self._reranker.info.detail_levels
        addresses = self._label_handlers.thumbnails(session, request)
        results = evaluation_value(state.evaluation, detail_levels, addresses.get, language)
        return [status_value, results, gr.update(visible=True)]

    def download(self, state: EvaluateState, request: gr.Request) -> Any:
        """Write the metrics to a CSV file, for a button that the browser then clicks."""
        if state.evaluation is None:
            return gr.update(value=None)
        text, session = as_csv(state.evaluation), request.session_hash or ""
        with errors_as_sentences(self._tabs.language(request)):
            file = self._downloads.write_text("evaluation.csv", text, session)
        return gr.update(value=str(file))


def _run_outputs(status: Status, state: EvaluateState | None) -> list[Any]:
    """Return values of the status, the state, and the buttons to start and to stop.

    state: None if it has not changed.
    """
    is_running = status.tone == "busy"
    return [
        status.value,
        gr.skip() if state is None else state,
        gr.update(interactive=not is_running),
        gr.update(interactive=is_running),
    ]


def _remaining_text(seconds: float, language: Language) -> str:
    """Return `7 s left`, at least 1; from 100 s on in minutes."""
    if seconds < 100:
        return phrase("seconds_left", language, seconds=max(1, round(seconds)))
    return phrase("minutes_left", language, minutes=round(seconds / 60))


def _problem(plan: ModelRun, usable: Sequence[LabelledQuery], labelled_queries: LabelledQueries) -> str | None:
    """Return the key of the phrase that says why nothing can be evaluated, or None if something can."""
    if not usable:
        return "no_usable_sets" if labelled_queries.queries else "no_sets"
    return None if plan.scorings and plan.details else "no_method"


def _chosen(options: Sequence[_Choice], checked: Sequence[object]) -> tuple[_Choice, ...]:
    return tuple(option for option, is_checked in zip(options, checked, strict=False) if is_checked is True)


def _evaluate(dataset: Dataset, plan: ModelRun, stop: Cancellation, send: Callable[[_Item], None]) -> None:
    with closing(evaluate_stream(dataset, [plan], cancellation=stop)) as stream:
        for item in stream:
            send(item)


def _dataset(labelled_queries: Sequence[LabelledQuery]) -> Dataset:
    """Return the labelled queries as a dataset, in which pictures with equal names are numbered."""
    names: dict[Path, str] = {}
    for picture in dict.fromkeys(picture for labelled in labelled_queries for picture in labelled.pictures):
        same_name = sum(other.name == picture.name for other in names)
        names[picture] = f"{picture.stem} ({same_name + 1}){picture.suffix}" if same_name else picture.name
    sets = (_labelled_set(str(number), labelled, names) for number, labelled in enumerate(labelled_queries, start=1))
    return Dataset(name=DATASET_NAME, sets=tuple(sets))


def _labelled_set(set_id: str, labelled: LabelledQuery, names: dict[Path, str]) -> LabelledSet:
    relevant = set(labelled.relevant)
    pictures = (
        LabelledPicture(
            name=names[picture], source=picture, gain=int(picture in relevant), grade=float(picture in relevant)
        )
        for picture in labelled.pictures
    )
    return LabelledSet(id=set_id, query=labelled.query, language=language_of(labelled.query), pictures=tuple(pictures))

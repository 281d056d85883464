"""Handlers of the events that evaluate scoring methods on the labelled queries of the tab “Evaluate”."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar, get_args

import gradio as gr
from starlette.concurrency import run_in_threadpool

from reranker.api import Reranker
from reranker.config.settings import DETAILS, is_token_count
from reranker.core.errors import SessionUnknown
from reranker.core.types import Scoring
from reranker.evaluation.output_files import as_csv
from reranker.ui.evaluate_tab.evaluation_runs import EvaluationRuns, stopping
from reranker.ui.evaluate_tab.values import QUIET, Shown, VisibleSession, grid_value, queries_value, results_value
from reranker.ui.session.labels_file import EVALUATION_FILE
from reranker.ui.session.session import Session
from reranker.ui.session.statuses import said, size_text, text_of, trouble

_Choice = TypeVar("_Choice", bound=str)


class EvaluateHandlers:
    """Handle the events. The values that they return are those of `Shown`.

    scorings, details: what people can choose from. defaults: those that the settings choose.
    """

    def __init__(self, reranker: Reranker, sessions: VisibleSession, runs: EvaluationRuns) -> None:
        self._reranker, self._sessions, self._runs = reranker, sessions, runs
        detail = reranker.settings.model.detail
        self.scorings: tuple[Scoring, ...] = get_args(Scoring)
        self.details = (*DETAILS[:3], detail) if is_token_count(detail) else DETAILS[:3]
        self.defaults = {reranker.settings.model.scoring, "usual" if detail == "auto" else detail}

    def draw(self, session: object, request: gr.Request) -> list[Any]:
        """Show a session that was opened or has changed, without the messages of earlier actions."""
        found = self._found(session, request)
        is_running = found is not None and found.evaluation.is_running
        return Shown(
            grid=grid_value(found),
            queries=queries_value(found),
            evaluation=results_value(found, self._reranker),
            evaluation_said=found.evaluation.said if found is not None and is_running else QUIET,
            is_running=is_running,
        ).outputs

    def _found(self, session: object, request: gr.Request) -> Session | None:
        try:
            return self._sessions.find(session, request)
        except SessionUnknown:
            return None

    async def evaluate(self, session: object, request: gr.Request, *checked: object) -> AsyncIterator[list[Any]]:
        """Evaluate the chosen methods on the labelled queries of a session, and show the progress.

        If an evaluation is running, its progress is shown instead. checked: whether each of `scorings`, and then each
        of `details`, is chosen.
        """
        scorings = _chosen(self.scorings, checked)
        details = _chosen(self.details, checked[len(self.scorings) :])
        try:
            found = await run_in_threadpool(self._sessions.find, session, request)
            problem = await run_in_threadpool(self._runs.start, found, scorings, details)
        except Exception as error:
            problem = trouble(error)
        if problem is None:
            async for values in self._progress(found, is_first=True):
                yield values
        else:
            yield Shown(evaluation_said=problem).outputs

    async def follow(self, session: object, request: gr.Request) -> AsyncIterator[list[Any]]:
        """Show the progress of the evaluation that is running, if there is one."""
        found = await run_in_threadpool(self._found, session, request)
        if found is not None and found.evaluation.is_running:
            async for values in self._progress(found):
                yield values
        else:
            yield Shown(labels_said=None, evaluation_said=None).outputs

    async def _progress(self, session: Session, *, is_first: bool = False) -> AsyncIterator[list[Any]]:
        """Yield the messages of an evaluation, and at its end the results. is_first: whether it was just started."""
        if is_first:
            yield Shown(evaluation_said=session.evaluation.said, is_running=True).outputs
        async for message in session.evaluation.follow():
            yield Shown(labels_said=None, evaluation_said=message, is_running=True).outputs
        results = await run_in_threadpool(results_value, session, self._reranker)
        last = Shown(labels_said=None, evaluation_said=session.evaluation.said, evaluation=results, is_running=False)
        yield last.outputs

    def stop(self, session: object, request: gr.Request) -> list[Any]:
        """Stop the evaluation of a session after its current batch. There are no results."""
        found = self._found(session, request)
        is_stopped = found is not None and found.evaluation.stop()
        return Shown(evaluation_said=stopping() if is_stopped else None).outputs

    def tell_download(self, session: object, request: gr.Request) -> list[Any]:
        """Say that the metrics were saved; the browser has asked for the file itself."""
        found = self._found(session, request)
        if found is None or found.evaluation.result is None:
            return Shown().outputs
        size = size_text(len(as_csv(found.evaluation.result.evaluation).encode()))
        message = said(text_of("file_downloaded", name=EVALUATION_FILE, size=size), "done")
        return self._sessions.shown(found, Shown(evaluation_said=message))


def _chosen(options: Sequence[_Choice], checked: Sequence[object]) -> tuple[_Choice, ...]:
    return tuple(option for option, is_checked in zip(options, checked, strict=False) if is_checked is True)

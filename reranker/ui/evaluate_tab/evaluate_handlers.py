"""The tab “Evaluate” at work: the labelled sets are judged in each chosen way, and what comes of it is shown."""

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
from reranker.evaluation.datasets.labelled import Dataset, LabelledPicture, LabelledSet, language_of
from reranker.evaluation.output_files import as_csv
from reranker.evaluation.results import Evaluation
from reranker.evaluation.runner import LeftOut, ModelRun, Progress, evaluate_stream
from reranker.i18n.page_texts import phrase
from reranker.labelling.labelled_query import LabelledQuery
from reranker.server.status import Status, trouble
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.background_progress import told_by
from reranker.ui.downloads import BYTE_ORDER_MARK, Downloads
from reranker.ui.evaluate_tab.label_handlers import MarkedSets, Marking, Telling, telling
from reranker.ui.evaluate_tab.results_view import evaluation_board, way_name
from reranker.ui.model_status import ModelStatus
from reranker.ui.rank_handlers import outputs
from reranker.ui.run_progress import left_text
from reranker.ui.sessions import Visitors
from reranker.ui.uploads import Uploads

STATUS_EVERY_S: Final = 0.1
DATASET_NAME: Final = "page"  # in the CSV

_Way = TypeVar("_Way", bound=str)
_Item = Progress | LeftOut | Evaluation


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationState:
    """What one tab of a browser has of evaluations: the last that came to its end, and what was said last."""

    evaluation: Evaluation | None = None
    said: Telling | None = None


class Evaluating:
    """Each method serves one event, for all visitors.

    scorings, details: what may be chosen; own: what the settings say.
    """

    def __init__(
        self, reranker: Reranker, uploads: Uploads, thumbnails: ThumbnailStore, visitors: Visitors, marking: Marking
    ) -> None:
        self._reranker, self._thumbnails, self._visitors, self._marking = reranker, thumbnails, visitors, marking
        self._model_status = ModelStatus(reranker, visitors)
        self._downloads = Downloads(folder=uploads.folder / "takeaway", limits=reranker.limits)
        chosen = reranker.settings.model.detail
        self.scorings: tuple[Scoring, ...] = get_args(Scoring)
        self.details = (*DETAILS[:3], chosen) if is_token_count(chosen) else DETAILS[:3]
        self.own = {reranker.settings.model.scoring, "usual" if chosen == "auto" else chosen}

    def evaluate(
        self, items: object, sets: MarkedSets, state: EvaluationState, request: gr.Request, *checked: object
    ) -> Iterator[list[Any]]:
        """A run over all labelled sets: what is shown as it goes on, and at its end.

        Values of the status, the state, and the buttons to evaluate and to stop. checked: whether each of `scorings`
        and then each of `details` is chosen. What is labelled meanwhile is not in it.
        """
        stop = self._visitors.begin(request, "evaluation")
        try:
            plan, usable = self._plan(checked), self._marking.usable(items, sets)
            if mistake := _mistake(plan, usable, sets):
                yield self._ended(state, telling("trouble", mistake), request)
            else:
                yield from self._run(plan, usable, stop, state, request)
        except Exception as error:
            yield self._ended(state, partial(trouble, error), request)
        finally:
            stop.cancel()
            self._visitors.end(stop, request, "evaluation")

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
        state: EvaluationState,
        request: gr.Request,
    ) -> Iterator[list[Any]]:
        """Raises `CheckpointError`."""
        language = self._visitors.language(request)
        for loading in self._model_status.loading(language):
            yield outputs(loading, None)
        total = len(plan.scorings) * len(plan.details) * sum(len(one.pictures) for one in usable)
        reading = phrase("reading", language, done=0, total=total)
        yield outputs(Status(text=reading, tone="busy", percent=0), None)
        began, due, found = time.monotonic(), 0.0, None
        for item in told_by(partial(_judge, _dataset(usable), plan, stop)):
            if isinstance(item, LeftOut):
                raise item.error
            if isinstance(item, Evaluation):
                found = item
            elif time.monotonic() >= due:
                due = time.monotonic() + STATUS_EVERY_S
                yield outputs(self._progress(item, stop, request), None)
        seconds = f"{time.monotonic() - began:.1f}"
        said = telling("done", "evaluated", count=len(usable), seconds=seconds)
        yield self._ended(
            replace(state, evaluation=found or state.evaluation),
            said if found else telling("idle", "not_evaluated"),
            request,
        )

    def _progress(self, progress: Progress, stop: Cancellation, request: gr.Request) -> Status:
        language = self._visitors.language(request)
        if stop.cancelled:
            return Status(text=phrase("stopping", language), tone="busy")
        way = way_name(progress.configuration, self._reranker.load().info.detail_levels, language)
        parts = [phrase("progress", language, done=progress.done, total=progress.total, name=way)]
        if progress.left_s is not None and progress.done < progress.total:
            parts.append(left_text(progress.left_s, language))
        return Status(text=" · ".join(parts), tone="busy", percent=100 * progress.done // max(1, progress.total))

    def _ended(self, state: EvaluationState, said: Telling, request: gr.Request) -> list[Any]:
        return outputs(said(self._visitors.language(request)), replace(state, said=said))

    def stop(self, request: gr.Request) -> Any:
        """Ends this visitor's run after the batch at work; nothing comes of it."""
        if not self._visitors.stop(request, "evaluation"):
            return gr.skip()
        return Status(text=phrase("stopping", self._visitors.language(request)), tone="busy").value

    def draw(self, state: EvaluationState, request: gr.Request) -> list[Any]:
        """Values of the status, of the component that shows what came of it, and of the button to take it away."""
        language = self._visitors.language(request)
        said = None if self._visitors.is_running(request, "evaluation") else state.said  # else the run speaks
        status = gr.skip() if said is None else said(language).value
        if state.evaluation is None:
            return [status, None, gr.update(visible=False)]
        details = self._reranker.info.detail_levels
        board = evaluation_board(state.evaluation, details, self._thumbnails.get, language)
        return [status, board, gr.update(visible=True)]

    def take(self, state: EvaluationState, request: gr.Request) -> Any:
        """The figures as CSV, for the button that the browser then presses."""
        if state.evaluation is None:
            return gr.update(value=None)
        file = self._downloads.place("evaluation.csv")
        file.write_text(BYTE_ORDER_MARK + as_csv(state.evaluation), encoding="utf-8", errors="backslashreplace")
        self._visitors.bring([file], request)
        return gr.update(value=str(file))


def _mistake(plan: ModelRun, usable: Sequence[LabelledQuery], sets: MarkedSets) -> str | None:
    """Which phrase says why there is nothing to judge yet; None where there is."""
    if not usable:
        return "no_usable_sets" if sets.sets else "no_sets"
    return None if plan.scorings and plan.details else "no_method"


def _chosen(options: Sequence[_Way], checked: Sequence[object]) -> tuple[_Way, ...]:
    return tuple(option for option, is_checked in zip(options, checked, strict=False) if is_checked is True)


def _judge(dataset: Dataset, plan: ModelRun, stop: Cancellation, tell: Callable[[_Item], None]) -> None:
    with closing(evaluate_stream(dataset, [plan], cancellation=stop)) as stream:
        for item in stream:
            tell(item)


def _dataset(sets: Sequence[LabelledQuery]) -> Dataset:
    """Pictures of one name are numbered, as names are unique in a set."""
    names: dict[Path, str] = {}
    for picture in dict.fromkeys(picture for one in sets for picture in one.pictures):
        alike = sum(other.name == picture.name for other in names)
        names[picture] = f"{picture.stem} ({alike + 1}){picture.suffix}" if alike else picture.name
    labelled = (_labelled(str(number), one, names) for number, one in enumerate(sets, start=1))
    return Dataset(name=DATASET_NAME, sets=tuple(labelled))


def _labelled(set_id: str, marked: LabelledQuery, names: dict[Path, str]) -> LabelledSet:
    right = set(marked.relevant)
    pictures = (
        LabelledPicture(name=names[one], source=one, gain=int(one in right), grade=float(one in right))
        for one in marked.pictures
    )
    return LabelledSet(id=set_id, query=marked.query, language=language_of(marked.query), pictures=tuple(pictures))

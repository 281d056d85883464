"""The layout of the tab “Evaluate”: a grid to label queries, the labelled queries, methods to compare, and results."""

from collections.abc import Callable
from typing import Any, Final

import gradio as gr

from reranker.ui.components import EVALUATION, LABEL_GRID, LABELLED_QUERIES, STATUS, label, scripted
from reranker.ui.evaluate_tab.evaluate_handlers import EvaluateHandlers, EvaluateState
from reranker.ui.evaluate_tab.label_handlers import LabelHandlers, LabelledQueries

_SESSION: Final = "document.querySelector('.reranker-app')?.dataset.session ?? ''"
# The scripts of the tab “Rank” know the session and the sentence; the sentence is copied only if none was written.
_COPY_QUERY: Final = "labelled => labelled || (document.querySelector('.reranker-app')?.dataset.query ?? '')"
_ADD_SESSION: Final = f"(session, ...others) => [{_SESSION}, ...others]"
_CLICK_ADD: Final = "() => document.querySelector('#label-grid button.add').click()"
_CLICK_FILE: Final = "() => document.querySelector('#evaluation-file').click()"
_PRIVATE: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
_UNQUEUED: Final[dict[str, Any]] = {"queue": False, **_PRIVATE}
_NAMED_METHODS: Final = frozenset({"yes-no", "rating", "low", "usual", "high"})  # another one is a token count


class EvaluateTab:
    """The components of the tab, created inside it. At first, the methods that the settings name are chosen."""

    def __init__(self, handlers: EvaluateHandlers) -> None:
        gr.Markdown(label("evaluate_lead"), elem_id="evaluate-lead")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                self.query = gr.Textbox(
                    label=label("marked_query"), placeholder=label("query_hint"), max_lines=1, elem_id="label-query"
                )
                self.label_status = scripted(STATUS, "status.js", elem_id="label-status")
                self.grid = scripted(LABEL_GRID, "label_grid.js", "evaluate_grid.js", elem_id="label-grid")
            with gr.Column(scale=2, min_width=320):
                self.query_list = scripted(
                    LABELLED_QUERIES, "label_grid.js", "labelled_queries.js", elem_id="labelled-queries"
                )
                self.methods = [*_checkboxes("scorings", handlers.scorings, handlers.defaults)]
                self.methods += _checkboxes("details", handlers.details, handlers.defaults)
                with gr.Row():
                    self.evaluate = gr.Button(label("evaluate"), variant="primary", scale=3, elem_id="evaluate")
                    self.stop = gr.Button(
                        label("stop"), interactive=False, scale=1, min_width=80, elem_id="stop-evaluation"
                    )
                self.status = scripted(STATUS, "status.js", elem_id="evaluation-status")
        self.evaluation = scripted(EVALUATION, "evaluation.js", elem_id="evaluation")
        self.csv = gr.Button(label("evaluation_csv"), size="sm", visible=False, elem_id="download-evaluation")
        self.file = gr.DownloadButton(elem_id="evaluation-file")  # the style sheet hides it, `_CLICK_FILE` clicks it
        self.session = gr.Textbox(visible="hidden")  # `_ADD_SESSION` reads it from the page
        self.labelled_queries, self.state = gr.State(LabelledQueries()), gr.State(EvaluateState())
        self.results = [self.status, self.evaluation, self.csv]  # outputs of `EvaluateHandlers.draw`

    def redraw_labels_after(self, event: Callable[..., Any], handlers: LabelHandlers) -> None:
        """Draw the grid and the list again after an event that changes the pictures or the language."""
        outputs = [self.label_status, self.grid, self.query_list]
        inputs = [self.session, self.labelled_queries]
        event(handlers.draw, inputs, outputs, js=_ADD_SESSION, preprocess=False, **_UNQUEUED)

    def redraw_results_after(self, event: Callable[..., Any], handlers: EvaluateHandlers) -> None:
        """Draw the results again after an event that ends an evaluation or changes the language."""
        event(handlers.draw, [self.session, self.state], self.results, js=_ADD_SESSION, **_UNQUEUED)


def _checkboxes(title: str, options: tuple[str, ...], defaults: set[str]) -> list[gr.Checkbox]:
    gr.Markdown(label(title), elem_classes="methods-title")
    with gr.Row(elem_classes="methods"):
        return [
            gr.Checkbox(
                option in defaults,
                label=label(option if option in _NAMED_METHODS else "own_detail"),
                container=False,
                min_width=100,
                elem_id=f"method-{option}",
            )
            for option in options
        ]


def connect_evaluate_tab(
    evaluate_tab: EvaluateTab,
    tab: gr.Tab,
    label_handlers: LabelHandlers,
    evaluate_handlers: EvaluateHandlers,
    **queue: Any,
) -> None:
    """Connect the events of the tab. queue: options of an evaluation."""
    parts = evaluate_tab
    labelled = [parts.label_status, parts.labelled_queries, parts.grid, parts.query_list, parts.query]
    tab.select(None, parts.query, parts.query, js=_COPY_QUERY, **_UNQUEUED)
    parts.query.submit(None, js=_CLICK_ADD, **_UNQUEUED)
    add, change = [parts.session, parts.query, parts.labelled_queries], [parts.session, parts.labelled_queries]
    with_session: dict[str, Any] = {"js": _ADD_SESSION, "preprocess": False}
    parts.grid.click(label_handlers.add, add, labelled, **with_session, **_UNQUEUED)
    parts.query_list.click(label_handlers.change, change, labelled, **with_session, **_UNQUEUED)
    evaluated = parts.evaluate.click(
        evaluate_handlers.evaluate,
        [parts.session, parts.labelled_queries, parts.state, *parts.methods],
        [parts.status, parts.state, parts.evaluate, parts.stop],
        trigger_mode="once",
        **with_session,
        **_PRIVATE,
        **queue,
    )
    parts.redraw_results_after(evaluated.then, evaluate_handlers)
    parts.stop.click(evaluate_handlers.stop, None, parts.status, **_UNQUEUED)
    download = parts.csv.click(evaluate_handlers.download, parts.state, parts.file, **_UNQUEUED)
    download.success(None, js=_CLICK_FILE)

"""The layout of the tab “Evaluate”: a grid to label queries, the labelled queries, methods to compare, and results."""

from collections.abc import Callable
from typing import Any, Final

import gradio as gr

from reranker.ui.components import EVALUATION, LABEL_GRID, LABELLED_QUERIES, STATUS, label, scripted
from reranker.ui.evaluate_tab.evaluate_handlers import EvaluateHandlers
from reranker.ui.evaluate_tab.label_handlers import LabelHandlers

# Right after a reload only the address knows the session.
_SESSION: Final = (
    "document.querySelector('.reranker-app')?.dataset.session"
    " || new URLSearchParams(location.hash.slice(1)).get('session') || ''"
)
# The scripts of the tab “Rank” know the session and the sentence; the sentence is copied only if none was written.
_COPY_QUERY: Final = "labelled => labelled || (document.querySelector('.reranker-app')?.dataset.query ?? '')"
_ADD_SESSION: Final = f"(session, ...others) => [{_SESSION}, ...others]"
_CLICK_ADD: Final = "() => document.querySelector('#label-grid button.add').click()"
_PRIVATE: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
_UNQUEUED: Final[dict[str, Any]] = {"queue": False, **_PRIVATE}
_FOLLOWING: Final[dict[str, Any]] = {"concurrency_limit": None, **_PRIVATE}  # these only wait
_WITH_SESSION: Final[dict[str, Any]] = {"js": _ADD_SESSION, "preprocess": False}
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
                self.label_status = scripted(STATUS, "session_elements.js", "status.js", elem_id="label-status")
                self.grid = scripted(
                    LABEL_GRID, "session_elements.js", "label_grid.js", "evaluate_grid.js", elem_id="label-grid"
                )
            with gr.Column(scale=2, min_width=320):
                self.query_list = scripted(
                    LABELLED_QUERIES,
                    "session_elements.js",
                    "label_grid.js",
                    "labelled_queries.js",
                    elem_id="labelled-queries",
                )
                self.methods = [*_checkboxes("scorings", handlers.scorings, handlers.defaults)]
                self.methods += _checkboxes("details", handlers.details, handlers.defaults)
                with gr.Row():
                    self.evaluate = gr.Button(label("evaluate"), variant="primary", scale=3, elem_id="evaluate")
                    self.stop = gr.Button(
                        label("stop"), interactive=False, scale=1, min_width=80, elem_id="stop-evaluation"
                    )
                self.status = scripted(STATUS, "session_elements.js", "status.js", elem_id="evaluation-status")
        self.evaluation = scripted(EVALUATION, "session_elements.js", "evaluation.js", elem_id="evaluation")
        self.session = gr.Textbox(visible="hidden")  # `_ADD_SESSION` reads it from the page

    @property
    def outputs(self) -> list[Any]:
        """The components whose values a `Shown` has."""
        labels = [self.label_status, self.grid, self.query_list, self.query]
        return [*labels, self.status, self.evaluation, self.evaluate, self.stop]


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
    parts: EvaluateTab, tab: gr.Tab, label_handlers: LabelHandlers, evaluate_handlers: EvaluateHandlers
) -> None:
    """Connect the events of the tab."""
    session, asked = [parts.session], [parts.session, parts.query]

    def connect(event: Callable[..., Any], handler: Callable[..., Any], inputs: list[Any], **options: Any) -> Any:
        return event(handler, inputs, parts.outputs, **_WITH_SESSION, **(options or _UNQUEUED))

    tab.select(None, parts.query, parts.query, js=_COPY_QUERY, **_UNQUEUED)
    selected = connect(tab.select, evaluate_handlers.draw, session)
    connect(selected.then, evaluate_handlers.follow, session, **_FOLLOWING)
    connect(parts.grid.input, evaluate_handlers.draw, session)
    parts.query.submit(None, js=_CLICK_ADD, **_UNQUEUED)
    connect(parts.grid.click, label_handlers.add, asked)
    connect(parts.grid.submit, label_handlers.order, asked, **_FOLLOWING)
    connect(parts.grid.stop, label_handlers.stop_ordering, session)
    connect(parts.query_list.click, label_handlers.change, session)
    connect(parts.query_list.upload, label_handlers.open_file, session)
    evaluated = [parts.session, *parts.methods]
    connect(parts.evaluate.click, evaluate_handlers.evaluate, evaluated, trigger_mode="once", **_FOLLOWING)
    connect(parts.stop.click, evaluate_handlers.stop, session)
    connect(parts.evaluation.click, evaluate_handlers.tell_download, session)

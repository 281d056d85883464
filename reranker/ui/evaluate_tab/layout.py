"""The tab “Evaluate”, laid out: a board to mark pictures on, the set that comes of it, ways to compare, and a table."""

from typing import Any, Final

import gradio as gr

from reranker.ui.component_labels import label
from reranker.ui.components import EVALUATION, MARKS, SETS, STATUS, scripted
from reranker.ui.evaluate_tab.evaluate_handlers import Evaluating, EvaluationState
from reranker.ui.evaluate_tab.label_handlers import MarkedSets, Marking

# Who has written there already keeps it.
_PREFILL: Final = "(asked, own) => own || asked.split('\\n')[0]"
_ADD: Final = "() => document.querySelector('#marks button.add').click()"
_TAKE: Final = "() => document.querySelector('#evaluation-file').click()"
_QUIET: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
_QUICK: Final[dict[str, Any]] = {"queue": False, **_QUIET}
_NAMED: Final = frozenset({"yes-no", "rating", "low", "usual", "high"})  # of the ways; else it is a number


class EvaluateTab:
    """To be made where the tab is laid out; the settings' own way is chosen there from the beginning."""

    def __init__(self, evaluating: Evaluating) -> None:
        gr.Markdown(label("evaluate_lead"), elem_id="evaluate-lead")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                self.query = gr.Textbox(
                    label=label("marked_query"), placeholder=label("query_hint"), max_lines=1, elem_id="marked-query"
                )
                self.said = scripted(STATUS, "status", elem_id="marking-status")
                self.marks = scripted(MARKS, "marking", "marks", elem_id="marks")
            with gr.Column(scale=2, min_width=320):
                self.list = scripted(SETS, "marking", "sets", elem_id="sets")
                self.ways = [*_boxes("scorings", evaluating.scorings, evaluating.own)]
                self.ways += _boxes("details", evaluating.details, evaluating.own)
                with gr.Row():
                    self.evaluate = gr.Button(label("evaluate"), variant="primary", scale=3, elem_id="evaluate")
                    self.stop = gr.Button(
                        label("stop"), interactive=False, scale=1, min_width=80, elem_id="stop-evaluation"
                    )
                self.status = scripted(STATUS, "status", elem_id="evaluation-status")
        self.board = scripted(EVALUATION, "evaluation", elem_id="evaluation")
        self.csv = gr.Button(label("evaluation_csv"), size="sm", visible=False, elem_id="take-evaluation")
        self.file = gr.DownloadButton(elem_id="evaluation-file")  # hidden by the style sheet, pressed by `_TAKE`
        self.sets, self.state = gr.State(MarkedSets()), gr.State(EvaluationState())
        self.drawn = [self.status, self.board, self.csv]  # by `Evaluating.draw`
        self.followed = [self.said, self.marks, self.list]  # by `Marking.follow`


def _boxes(title: str, options: tuple[str, ...], own: set[str]) -> list[gr.Checkbox]:
    """A check box for each."""
    gr.Markdown(label(title), elem_classes="ways-title")
    with gr.Row(elem_classes="ways"):
        return [
            gr.Checkbox(
                option in own,
                label=label(option if option in _NAMED else "own_detail"),
                container=False,
                min_width=100,
                elem_id=f"way-{option}",
            )
            for option in options
        ]


def wire_evaluate_tab(
    shown: EvaluateTab,
    tab: gr.Tab,
    query: gr.Textbox,
    pictures: gr.Gallery,
    marking: Marking,
    evaluating: Evaluating,
    **run: Any,
) -> None:
    """query, pictures: of the other tab. run: the place of an evaluation in the page's queue."""
    marked = [shown.said, shown.sets, shown.marks, shown.list, shown.query]
    tab.select(None, [query, shown.query], shown.query, js=_PREFILL, **_QUICK)
    shown.query.submit(None, js=_ADD, **_QUICK)
    shown.marks.click(marking.add, [shown.query, pictures, shown.sets], marked, preprocess=False, **_QUICK)
    shown.list.click(marking.press, [pictures, shown.sets], marked, preprocess=False, **_QUICK)
    shown.evaluate.click(
        evaluating.evaluate,
        [pictures, shown.sets, shown.state, *shown.ways],
        [shown.status, shown.state, shown.evaluate, shown.stop],
        preprocess=False,
        trigger_mode="once",
        **_QUIET,
        **run,
    ).then(evaluating.draw, shown.state, shown.drawn, **_QUICK)
    shown.stop.click(evaluating.stop, None, shown.status, **_QUICK)
    shown.csv.click(evaluating.take, shown.state, shown.file, **_QUICK).then(None, js=_TAKE)

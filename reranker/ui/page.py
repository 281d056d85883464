"""The Gradio page: a shell around the scripts in `static/page`, and the endpoints `/rank` and `/rank_stream`.

    services = PageServices.of(Reranker("toybox"))
    build_page(services).launch(**launch_settings(services))

The scripts draw the tabs “Rank”, “Library” and “Labels” and talk to the routes of `session`. The tab “Evaluate” is made
of Gradio's components.
"""

from typing import Any, Final

import gradio as gr

from reranker.i18n.page_texts import TITLE
from reranker.ui.api_endpoints import add_api_endpoints
from reranker.ui.components import APP, HEADER, LABELS_TAB, LIBRARY, LabelTexts, label, scripted
from reranker.ui.evaluate_tab.evaluate_handlers import EvaluateHandlers
from reranker.ui.evaluate_tab.evaluation_runs import EvaluationRuns
from reranker.ui.evaluate_tab.label_handlers import LabelHandlers
from reranker.ui.evaluate_tab.layout import EvaluateTab, connect_evaluate_tab
from reranker.ui.evaluate_tab.values import VisibleSession
from reranker.ui.services import PageServices
from reranker.ui.upload_sweeper import UploadSweeper

MAX_RUNS: Final = 8  # at the same time; they share the device batch by batch, and more wait in Gradio's queue
CACHE_CHECK_INTERVAL_S: Final = 3_600
CACHE_AGE_S: Final = 10 * 365 * 86_400  # `UploadSweeper` is earlier; Gradio clears at the end
_PRIVATE: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
_UNQUEUED: Final[dict[str, Any]] = {"queue": False, **_PRIVATE}


def build_page(services: PageServices) -> gr.Blocks:
    """Build the page. Launch it with the settings of `launch.launch_settings`."""
    reranker, visible = services.reranker, VisibleSession(services.sessions)
    label_handlers = LabelHandlers(reranker, visible)
    runs = EvaluationRuns(reranker, services.sessions)
    evaluate_handlers = EvaluateHandlers(reranker, visible, runs)
    page = gr.Blocks(
        title=TITLE,
        analytics_enabled=False,
        delete_cache=(CACHE_CHECK_INTERVAL_S, CACHE_AGE_S),
        fill_width=True,
    )
    with page:
        header = scripted(HEADER, "header.js", elem_id="header")
        with gr.Tabs():
            with gr.Tab(label("rank")):
                scripted(APP, "app.js", elem_id="app")
            if services.libraries:
                with gr.Tab(label("library_tab")):
                    scripted(LIBRARY, "library.js", elem_id="library")
            with gr.Tab(label("labels_tab")):
                scripted(LABELS_TAB, "picture_labels.js", elem_id="labels")
            with gr.Tab(label("evaluate_tab"), render_children=True) as tab:
                evaluate_tab = EvaluateTab(evaluate_handlers)
        connect_evaluate_tab(evaluate_tab, tab, label_handlers, evaluate_handlers)
        labels = LabelTexts(page)
        page.load(labels.load, None, labels.components, **_UNQUEUED)
        header.click(labels.change_language, None, labels.components, **_UNQUEUED)
        page.load(UploadSweeper(services.uploads).sweep_if_due, None, None, concurrency_limit=None, **_PRIVATE)
        add_api_endpoints(
            services.uploads, services.libraries, services.taggers, concurrency_limit=MAX_RUNS, concurrency_id="rank"
        )
    # api_open: whether requests may skip the queue.
    page.queue(max_size=reranker.settings.limits.max_waiting, api_open=False)
    return page

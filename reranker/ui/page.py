"""The Gradio page: add pictures, write a sentence, and see the ranking grow; programs use the endpoint `/rank`.

    reranker = Reranker("toybox")
    build_page(reranker).launch(**launch_settings(reranker))

This module has the layout and connects its events to handlers: `upload_handlers`, `rank_handlers`, `explain_handlers`,
`model_status` and `evaluate_tab`. `uploads` decides which files they open.
"""

from pathlib import Path
from typing import Any, Final

import gradio as gr
from gradio.events import Dependency

from reranker.api import Reranker
from reranker.config.paths import ASSETS
from reranker.i18n.page_texts import LANGUAGES, TITLE
from reranker.images.formats import PICTURE_SUFFIXES
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.api_endpoints import add_api_endpoints
from reranker.ui.components import (
    FAILURES,
    NAMES,
    PICTURE_PANEL,
    RANKINGS,
    STATUS,
    LabelTexts,
    label,
    scripted,
)
from reranker.ui.downloads import FORMATS
from reranker.ui.evaluate_tab.evaluate_handlers import EvaluateHandlers
from reranker.ui.evaluate_tab.label_handlers import LabelHandlers
from reranker.ui.evaluate_tab.layout import EvaluateTab, connect_evaluate_tab
from reranker.ui.explain_handlers import ExplainHandlers
from reranker.ui.history import History
from reranker.ui.model_status import ModelStatus
from reranker.ui.rank_handlers import RankHandlers
from reranker.ui.sessions import BrowserSessions
from reranker.ui.upload_handlers import UploadHandlers
from reranker.ui.uploads import Uploads

SAMPLES: Final = ASSETS / "gallery"
MAX_RUNS: Final = 8  # at the same time; they share the device batch by batch, and more wait in Gradio's queue
CACHE_CHECK_INTERVAL_S: Final = 3_600
CACHE_AGE_S: Final = 10 * 365 * 86_400  # `UploadSweeper` is earlier, and spares open tabs; Gradio clears at the end
# Gradio accepts "image" from the clipboard; but not every system regards all the other formats as images.
FILE_TYPES: Final = ["image", *sorted(PICTURE_SUFFIXES)]

_CLICK_FILE: Final = "() => document.querySelector('#file').click()"
_ADD_TAB: Final = (
    "(history, count, tab) => [history, count, Number(document.querySelector('#ranking .rankings').dataset.tab)]"
)
_ZIP_COUNT: Final = 10  # pictures in a ZIP file, if nobody changes it
_PRIVATE: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
_UNQUEUED: Final[dict[str, Any]] = {"queue": False, **_PRIVATE}


def build_page(reranker: Reranker, samples: Path = SAMPLES) -> gr.Blocks:
    """Build the page of a reranker. Launch it with the settings of `launch.launch_settings`.

    samples: a folder of pictures for the button that adds them, with the example sentences in `queries.json`.
    """
    uploads, sessions = Uploads.from_gradio(reranker.settings.server.galleries), BrowserSessions()
    thumbnails = ThumbnailStore(uploads, reranker.limits, reranker.settings.engine.prefetch_threads)
    upload_handlers = UploadHandlers(reranker, uploads, thumbnails, sessions, samples)
    rank_handlers = RankHandlers(reranker, uploads, thumbnails, sessions)
    label_handlers = LabelHandlers(reranker, uploads, thumbnails, sessions)
    evaluate_handlers = EvaluateHandlers(reranker, uploads, thumbnails, sessions, label_handlers)
    page = gr.Blocks(
        title=TITLE,
        analytics_enabled=False,
        delete_cache=(CACHE_CHECK_INTERVAL_S, CACHE_AGE_S),
        fill_width=True,
    )
    with page:
        header = _Header()
        with gr.Tabs():
            with gr.Tab(label("rank")), gr.Row(equal_height=False):
                with gr.Column(scale=2, min_width=320):
                    inputs = _Inputs(upload_handlers, uploads.galleries.names)
                with gr.Column(scale=3, min_width=320, elem_id="results"):
                    results = _Results()
            with gr.Tab(label("evaluate_tab"), render_children=True) as tab:
                evaluate_tab = EvaluateTab(evaluate_handlers)
        uploaded = _connect_pictures(upload_handlers, inputs, results)
        _connect_ranking(rank_handlers, inputs, results)
        _connect_explanations(ExplainHandlers(reranker, thumbnails, sessions), results)
        model_status = ModelStatus(reranker, sessions)
        _connect_visit(page, model_status, upload_handlers, header, results)
        queue: dict[str, Any] = {"concurrency_limit": MAX_RUNS, "concurrency_id": "rank"}
        connect_evaluate_tab(
            evaluate_tab, tab, inputs.query, inputs.pictures, label_handlers, evaluate_handlers, **queue
        )
        switched = _connect_language(
            LabelTexts(page, sessions), model_status, upload_handlers, rank_handlers, (header, inputs, results)
        )
        for event in (tab.select, uploaded.then, switched.then):
            evaluate_tab.redraw_labels_after(event, label_handlers, inputs.pictures)
        switched.then(evaluate_handlers.draw, evaluate_tab.state, evaluate_tab.results, **_UNQUEUED)
        add_api_endpoints(reranker, uploads, **queue)
    # api_open: whether requests may skip the queue.
    page.queue(max_size=reranker.settings.limits.max_waiting, api_open=False)
    return page


class _Header:
    """The top of the page: title, text about the model, the button that downloads a model, and the language."""

    def __init__(self) -> None:
        with gr.Row(elem_id="head"):
            with gr.Column(scale=5, min_width=240):
                gr.Markdown(label("heading"), elem_id="title")
                gr.Markdown(label("lead"), elem_id="lead")
            self.language = gr.Radio(
                [(name, code) for code, name in LANGUAGES.items()],
                show_label=False,
                container=False,
                scale=0,
                min_width=190,
                elem_id="language",
            )
        self.about = gr.Markdown(elem_id="about", visible=False)
        self.download = gr.Button(size="sm", elem_id="download", visible=False)


class _Inputs:
    """The left side: the query and the pictures."""

    def __init__(self, upload_handlers: UploadHandlers, galleries: list[str]) -> None:
        self.query = gr.Textbox(
            label=label("query"), placeholder=label("query_hint"), lines=1, max_lines=8, elem_id="query"
        )
        with gr.Accordion(label("help"), open=False, elem_id="help"):
            gr.Markdown(label("help_text"))
        if upload_handlers.queries:
            examples = [[query] for query in upload_handlers.queries]
            gr.Examples(examples, self.query, label=label("examples"), elem_id="examples")
        with gr.Row():
            self.rank = gr.Button(label("rank"), variant="primary", scale=3, elem_id="rank")
            self.stop = gr.Button(label("stop"), interactive=False, scale=1, min_width=80, elem_id="stop")
        self.pictures = _pictures_gallery()
        with gr.Row():
            self.folder = gr.UploadButton(
                label("folder"), file_count="directory", size="sm", min_width=120, elem_id="folder"
            )
            self.samples = gr.Button(
                label("samples"), size="sm", min_width=140, visible=bool(upload_handlers.samples), elem_id="samples"
            )
            self.clear = gr.Button(label("clear"), size="sm", min_width=100, elem_id="clear")
        with gr.Row(visible=bool(galleries), elem_id="galleries"):
            first = galleries[0] if galleries else None
            self.gallery = gr.Dropdown(
                galleries, value=first, label=label("gallery"), scale=3, min_width=160, elem_id="gallery"
            )
            self.add_gallery = gr.Button(label("add_gallery"), size="sm", scale=1, min_width=100, elem_id="add-gallery")
        self.names = scripted(NAMES, "names.js", elem_id="names")


def _pictures_gallery() -> gr.Gallery:
    return gr.Gallery(
        label=label("pictures"),
        file_types=FILE_TYPES,
        sources=["upload", "clipboard"],
        interactive=True,
        columns=4,
        height=300,
        object_fit="cover",
        fit_columns=False,
        allow_preview=False,
        buttons=[],
        elem_id="pictures",
    )


class _Results:
    """The right side: the status and the rankings."""

    def __init__(self) -> None:
        self.status = scripted(STATUS, "status.js", elem_id="status")
        self.rankings = scripted(RANKINGS, "rankings.js", elem_id="ranking")
        self.panel = scripted(PICTURE_PANEL, "picture_panel.js", elem_id="chosen")
        with gr.Row(visible=False, equal_height=False, elem_id="downloads") as self.downloads:
            self.formats = {
                format_: gr.Button(label(format_), size="sm", min_width=90, elem_id=f"download-{format_}")
                for format_ in FORMATS
            }
            self.zip_count = gr.Number(
                _ZIP_COUNT, label=label("best"), minimum=1, precision=0, min_width=110, scale=0, elem_id="best"
            )
        self.file = gr.DownloadButton(elem_id="file")  # the style sheet hides it, `_CLICK_FILE` clicks it
        self.failures = scripted(FAILURES, "failures.js", elem_id="failures")
        self.saved = gr.UploadButton(
            label("open_saved"), file_types=[".json"], size="sm", variant="secondary", elem_id="open-saved"
        )
        self.tab = gr.Number(0, visible="hidden")  # of the rankings; `_ADD_TAB` reads it from the page
        self.history = gr.State(History())
        self.drawn = [self.rankings, self.failures, self.downloads, self.panel]  # outputs of `RankHandlers.draw`


def _connect_pictures(handlers: UploadHandlers, inputs: _Inputs, results: _Results) -> Dependency:
    """Connect the events that change the pictures.

    The pictures are not preprocessed, because Gradio would refuse all of them if one has another type. Returns the
    event that can also happen while another tab is open, since pictures can be pasted anywhere.
    """
    pictures, shown = inputs.pictures, [inputs.pictures, inputs.names]
    shown_and_status = [*shown, results.status]
    slow: dict[str, Any] = {
        "preprocess": False,
        "concurrency_limit": MAX_RUNS,
        "api_visibility": "private",
    }
    quick: dict[str, Any] = {"preprocess": False, **_UNQUEUED}
    uploaded = pictures.upload(handlers.upload, pictures, shown_and_status, **slow)
    inputs.folder.upload(handlers.add_folder, [pictures, inputs.folder], shown_and_status, **slow)
    inputs.add_gallery.click(handlers.add_gallery, [pictures, inputs.gallery], shown_and_status, **slow)
    inputs.samples.click(handlers.add_samples, pictures, shown_and_status, **quick)
    pictures.change(handlers.list_names, pictures, inputs.names, **quick)
    inputs.names.click(handlers.remove, pictures, shown, **quick)
    inputs.clear.click(handlers.clear, None, shown, **quick)
    return uploaded


def _connect_ranking(handlers: RankHandlers, inputs: _Inputs, results: _Results) -> None:
    gr.on(
        [inputs.rank.click, inputs.query.submit, results.failures.click],
        handlers.rank,
        [inputs.query, inputs.pictures, results.history],
        [results.status, results.history, inputs.rank, inputs.stop],
        preprocess=False,
        trigger_mode="once",
        concurrency_limit=MAX_RUNS,
        concurrency_id="rank",
        api_name="watch",
        **_PRIVATE,
    )
    inputs.stop.click(handlers.stop, None, results.status, **_UNQUEUED)
    results.history.change(handlers.draw, results.history, results.drawn, **_UNQUEUED)
    queued: dict[str, Any] = {"concurrency_limit": None, **_PRIVATE}  # unqueued, Gradio misses that the state changed
    results.rankings.click(
        handlers.change_view, results.history, [results.history, results.panel], trigger_mode="multiple", **queued
    )
    results.saved.upload(
        handlers.open_saved,
        [results.history, results.saved],
        [results.status, results.history],
        preprocess=False,
        **queued,
    )
    for format_, button in results.formats.items():
        download = [results.history, results.zip_count, results.tab]
        button.click(handlers.download_handler(format_), download, results.file, js=_ADD_TAB, **_UNQUEUED).success(
            None, js=_CLICK_FILE
        )


def _connect_explanations(handlers: ExplainHandlers, results: _Results) -> None:
    explaining = results.panel.click(
        handlers.explain,
        [results.history, results.panel],
        results.panel,
        preprocess=False,
        concurrency_limit=MAX_RUNS,
        concurrency_id="rank",
        **_PRIVATE,
    )
    options: dict[str, Any] = {"cancels": explaining, "trigger_mode": "multiple", **_UNQUEUED}
    results.rankings.click(handlers.choose, results.history, results.panel, **options)


def _connect_visit(
    page: gr.Blocks, model_status: ModelStatus, upload_handlers: UploadHandlers, header: _Header, results: _Results
) -> None:
    """Connect the opening and the closing of the page, and the download of a model."""
    outputs = [results.status, header.about, header.download]
    page.load(model_status.show, None, outputs, concurrency_limit=None, **_PRIVATE)
    header.download.click(model_status.download, None, outputs, concurrency_limit=1, trigger_mode="once", **_PRIVATE)
    page.load(upload_handlers.sweep, None, None, concurrency_limit=None, **_PRIVATE)
    page.unload(upload_handlers.close_session)


def _connect_language(
    labels: LabelTexts,
    model_status: ModelStatus,
    upload_handlers: UploadHandlers,
    rank_handlers: RankHandlers,
    parts: tuple[_Header, _Inputs, _Results],
) -> Dependency:
    """Connect the switch of languages, which translates all texts on the page. Returns its event."""
    header, inputs, results = parts
    labels.page.load(labels.load, None, [header.language, *labels.components], **_UNQUEUED)
    switched = header.language.input(labels.change_language, header.language, labels.components, **_UNQUEUED)
    outputs = [results.status, header.about, header.download]
    switched.then(model_status.translate, results.history, outputs, concurrency_limit=None, **_PRIVATE)
    switched.then(rank_handlers.draw, results.history, results.drawn, **_UNQUEUED)
    switched.then(upload_handlers.list_names, inputs.pictures, inputs.names, preprocess=False, **_UNQUEUED)
    return switched

"""The page: pictures and a sentence go in, a ranking comes out while one watches; for programs the same, at `/rank`.

    reranker = Reranker("toybox")
    build_page(reranker).launch(**launch_settings(reranker))

What happens on it is in `desk`, `runs` and `inquiries`, what it shows in `board.js` and `results`, which files it opens
in `uploads`, its words in `wording`; how it is launched in `serving`.
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
from reranker.ui.api_endpoints import offer_to_programs
from reranker.ui.component_labels import Labels, label
from reranker.ui.components import BOARD, CHOSEN, NAMES, REASONS, STATUS, scripted
from reranker.ui.downloads import FORMATS
from reranker.ui.evaluate_tab.evaluate_handlers import Evaluating
from reranker.ui.evaluate_tab.label_handlers import Marking
from reranker.ui.evaluate_tab.layout import EvaluateTab, wire_evaluate_tab
from reranker.ui.explain_handlers import ExplainHandlers
from reranker.ui.history import History
from reranker.ui.model_status import ModelStatus
from reranker.ui.rank_handlers import RankHandlers
from reranker.ui.sessions import Visitors
from reranker.ui.upload_handlers import UploadHandlers
from reranker.ui.uploads import Uploads

SAMPLES: Final = ASSETS / "gallery"
RUNS_AT_ONCE: Final = 8  # they share the device batch by batch; more wait in the queue
CACHE_CHECKED_EVERY_S: Final = 3_600
CACHE_AGE_S: Final = 86_400
# Gradio accepts "image" from the clipboard; but not every system regards all the other formats as images.
FILE_TYPES: Final = ["image", *sorted(PICTURE_SUFFIXES)]

_TAKE: Final = "() => document.querySelector('#file').click()"
_WITH_TAB: Final = "(book, best, tab) => [book, best, Number(document.querySelector('#ranking .board').dataset.tab)]"
_BEST: Final = 10  # pictures in a ZIP, unless told otherwise
_QUIET: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
_QUICK: Final[dict[str, Any]] = {"queue": False, **_QUIET}


def build_page(reranker: Reranker, samples: Path = SAMPLES) -> gr.Blocks:
    """The page over a `Reranker`, to be launched with `serving.launch_settings`.

    samples: a folder of pictures for the button that adds them, and of the sentences to try in its `queries.json`.
    """
    uploads, visitors = Uploads.here(reranker.settings.server.galleries), Visitors()
    thumbnails = ThumbnailStore(uploads, reranker.limits, reranker.settings.engine.prefetch_threads)
    uploads_ = UploadHandlers(reranker, uploads, thumbnails, visitors, samples)
    runs = RankHandlers(reranker, uploads, thumbnails, visitors)
    marking = Marking(reranker, uploads, thumbnails, visitors)
    evaluating = Evaluating(reranker, uploads, thumbnails, visitors, marking)
    page = gr.Blocks(
        title=TITLE,
        analytics_enabled=False,
        delete_cache=(CACHE_CHECKED_EVERY_S, CACHE_AGE_S),
        fill_width=True,
    )
    with page:
        head = _Head()
        with gr.Tabs():
            with gr.Tab(label("rank")), gr.Row(equal_height=False):
                with gr.Column(scale=2, min_width=320):
                    asked = _Asked(uploads_, uploads.galleries.names)
                with gr.Column(scale=3, min_width=320, elem_id="results"):
                    shown = _Shown()
            with gr.Tab(label("evaluate_tab"), render_children=True) as tab:
                beside = EvaluateTab(evaluating)
        taken = _wire_pictures(uploads_, asked, shown)
        _wire_runs(runs, asked, shown)
        _wire_inquiries(ExplainHandlers(reranker, thumbnails, visitors), shown)
        reception = ModelStatus(reranker, visitors)
        _wire_visit(page, reception, uploads_, head, shown)
        in_queue: dict[str, Any] = {"concurrency_limit": RUNS_AT_ONCE, "concurrency_id": "rank"}
        wire_evaluate_tab(beside, tab, asked.query, asked.pictures, marking, evaluating, **in_queue)
        chosen = _wire_language(Labels(page, visitors), reception, uploads_, runs, (head, asked, shown))
        for changed in (tab.select, taken.then, chosen.then):
            changed(marking.follow, [asked.pictures, beside.sets], beside.followed, preprocess=False, **_QUICK)
        chosen.then(evaluating.draw, beside.state, beside.drawn, **_QUICK)
        offer_to_programs(reranker, uploads, **in_queue)
    page.queue(max_size=reranker.settings.limits.max_waiting)
    return page


class _Head:
    """The top: what this is, what is said about the model, the button that fetches a better one, and the language."""

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


class _Asked:
    """The left side: what is asked for, and of which pictures."""

    def __init__(self, uploads_: UploadHandlers, galleries: list[str]) -> None:
        self.query = gr.Textbox(
            label=label("query"), placeholder=label("query_hint"), lines=1, max_lines=8, elem_id="query"
        )
        with gr.Accordion(label("help"), open=False, elem_id="help"):
            gr.Markdown(label("help_text"))
        if uploads_.queries:
            gr.Examples(
                [[query] for query in uploads_.queries], self.query, label=label("examples"), elem_id="examples"
            )
        with gr.Row():
            self.rank = gr.Button(label("rank"), variant="primary", scale=3, elem_id="rank")
            self.stop = gr.Button(label("stop"), interactive=False, scale=1, min_width=80, elem_id="stop")
        self.pictures = _pictures_gallery()
        with gr.Row():
            self.folder = gr.UploadButton(
                label("folder"), file_count="directory", size="sm", min_width=120, elem_id="folder"
            )
            self.samples = gr.Button(
                label("samples"), size="sm", min_width=140, visible=bool(uploads_.samples), elem_id="samples"
            )
            self.clear = gr.Button(label("clear"), size="sm", min_width=100, elem_id="clear")
        with gr.Row(visible=bool(galleries), elem_id="galleries"):
            first = galleries[0] if galleries else None
            self.gallery = gr.Dropdown(
                galleries, value=first, label=label("gallery"), scale=3, min_width=160, elem_id="gallery"
            )
            self.add_gallery = gr.Button(label("add_gallery"), size="sm", scale=1, min_width=100, elem_id="add-gallery")
        self.names = scripted(NAMES, "names", elem_id="names")


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


class _Shown:
    """The right side: how far it is, and the rankings."""

    def __init__(self) -> None:
        self.status = scripted(STATUS, "status", elem_id="status")
        self.ranking = scripted(BOARD, "board", elem_id="ranking")
        self.chosen = scripted(CHOSEN, "chosen", elem_id="chosen")
        with gr.Row(visible=False, equal_height=False, elem_id="takeaway") as self.takeaway:
            self.formats = {
                format_: gr.Button(label(format_), size="sm", min_width=90, elem_id=f"take-{format_}")
                for format_ in FORMATS
            }
            self.best = gr.Number(
                _BEST, label=label("best"), minimum=1, precision=0, min_width=110, scale=0, elem_id="best"
            )
        self.file = gr.DownloadButton(elem_id="file")  # hidden by the style sheet, pressed by `_TAKE`
        self.reasons = scripted(REASONS, "reasons", elem_id="reasons")
        self.saved = gr.UploadButton(
            label("open_saved"), file_types=[".json"], size="sm", variant="secondary", elem_id="open-saved"
        )
        self.tab = gr.Number(0, visible="hidden")  # of the board, which `_WITH_TAB` asks for it
        self.history = gr.State(History())
        self.drawn = [self.ranking, self.reasons, self.takeaway, self.chosen]  # by `Runs.draw`


def _wire_pictures(uploads_: UploadHandlers, asked: _Asked, shown: _Shown) -> Dependency:
    """Whatever changes the pictures. They come unprocessed: Gradio would refuse them all for one of another type.

    Returns what can happen while another tab is open, too: pictures are pasted anywhere.
    """
    pictures, both = asked.pictures, [asked.pictures, asked.names]
    more = [*both, shown.status]
    slow: dict[str, Any] = {
        "preprocess": False,
        "concurrency_limit": RUNS_AT_ONCE,
        "api_visibility": "private",
    }
    quick: dict[str, Any] = {"preprocess": False, **_QUICK}
    taken = pictures.upload(uploads_.take, pictures, more, **slow)
    asked.folder.upload(uploads_.take_folder, [pictures, asked.folder], more, **slow)
    asked.add_gallery.click(uploads_.add_gallery, [pictures, asked.gallery], more, **slow)
    asked.samples.click(uploads_.add_samples, pictures, more, **quick)
    pictures.change(uploads_.list_names, pictures, asked.names, **quick)
    asked.names.click(uploads_.remove, pictures, both, **quick)
    asked.clear.click(uploads_.clear, None, both, **quick)
    return taken


def _wire_runs(runs: RankHandlers, asked: _Asked, shown: _Shown) -> None:
    gr.on(
        [asked.rank.click, asked.query.submit, shown.reasons.click],
        runs.rank,
        [asked.query, asked.pictures, shown.history],
        [shown.status, shown.history, asked.rank, asked.stop],
        preprocess=False,
        trigger_mode="once",
        concurrency_limit=RUNS_AT_ONCE,
        concurrency_id="rank",
        api_name="watch",
        **_QUIET,
    )
    asked.stop.click(runs.stop, None, shown.status, **_QUICK)
    shown.history.change(runs.draw, shown.history, shown.drawn, **_QUICK)
    queued: dict[str, Any] = {"concurrency_limit": None, **_QUIET}  # or Gradio would not notice that the book changed
    shown.ranking.click(runs.press, shown.history, [shown.history, shown.chosen], trigger_mode="multiple", **queued)
    shown.saved.upload(
        runs.open_saved, [shown.history, shown.saved], [shown.status, shown.history], preprocess=False, **queued
    )
    for format_, button in shown.formats.items():
        inputs = [shown.history, shown.best, shown.tab]
        button.click(runs.taker(format_), inputs, shown.file, js=_WITH_TAB, **_QUICK).then(None, js=_TAKE)


def _wire_inquiries(inquiries: ExplainHandlers, shown: _Shown) -> None:
    asking = shown.chosen.click(
        inquiries.ask,
        [shown.history, shown.chosen],
        shown.chosen,
        preprocess=False,
        concurrency_limit=RUNS_AT_ONCE,
        concurrency_id="rank",
        **_QUIET,
    )
    choose: dict[str, Any] = {"cancels": asking, "trigger_mode": "multiple", **_QUICK}
    shown.ranking.click(inquiries.choose, shown.history, shown.chosen, **choose)


def _wire_visit(page: gr.Blocks, reception: ModelStatus, uploads_: UploadHandlers, head: _Head, shown: _Shown) -> None:
    greeted = [shown.status, head.about, head.download]
    page.load(reception.greet, None, greeted, concurrency_limit=None, **_QUIET)
    head.download.click(reception.download, None, greeted, concurrency_limit=1, trigger_mode="once", **_QUIET)
    page.unload(uploads_.leave)


def _wire_language(
    labels: Labels,
    reception: ModelStatus,
    uploads_: UploadHandlers,
    runs: RankHandlers,
    parts: tuple[_Head, _Asked, _Shown],
) -> Dependency:
    """The switch, and all that was said before it was pressed; what else is to follow it follows what this returns."""
    head, asked, shown = parts
    labels.page.load(labels.begin, None, [head.language, *labels.components], **_QUICK)
    chosen = head.language.input(labels.choose, head.language, labels.components, **_QUICK)
    greeted = [shown.status, head.about, head.download]
    chosen.then(reception.greet_again, shown.history, greeted, concurrency_limit=None, **_QUIET)
    chosen.then(runs.draw, shown.history, shown.drawn, **_QUICK)
    chosen.then(uploads_.list_names, asked.pictures, asked.names, preprocess=False, **_QUICK)
    return chosen

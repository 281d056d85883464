"""The page: pictures and a sentence go in, a ranking comes out while one watches; for programs the same, at `/rank`.

    page = build_page(Reranker("toybox"))
    page.launch(**launch_settings(Settings()))

What happens on it is in `desk`, what it shows in `results`, which files it opens in `uploads`, its words in `wording`.
"""

from pathlib import Path
from typing import Any, Final

import gradio as gr
from gradio.blocks import Block
from gradio.events import api
from gradio.i18n import I18nData
from gradio.utils import get_upload_folder

from reranker.reranker import Reranker
from reranker.sentences import Language
from reranker.settings import MEGABYTE, Settings
from reranker.web.desk import Desk
from reranker.web.results import Deck
from reranker.web.takeaway import FORMATS
from reranker.web.uploads import Gate, Uploads
from reranker.web.wording import LABELS, TITLE

SAMPLES: Final = Path(__file__).parents[2] / "assets" / "gallery"
RUNS_AT_ONCE: Final = 8  # they share the device batch by batch; more wait in the queue
UPLOAD_MARGIN: Final = 4  # Gradio turns all files of an upload away for one beyond its limit; ours costs only that one
CACHE_CHECKED_EVERY_S: Final = 3_600
CACHE_AGE_S: Final = 86_400
FILE_TYPES: Final = [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"]

_FONTS: Final = ("system-ui", "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")
_LOCALES: Final[dict[Language, tuple[str, ...]]] = {"en": ("en",), "zh": ("zh-CN", "zh-TW")}  # as Gradio knows them

# Handlebars templates: what is put into them is escaped.
_STATUS: Final = """
<div class="status {{value.tone}}" role="status"><p>{{value.text}}</p>
{{#if value.bar}}<div class="bar"><div style="width: {{value.percent}}%"></div></div>{{/if}}</div>
"""
_NAMES: Final = """
{{#if value.items}}<div class="names"><p>{{value.title}}</p><ul>{{#each value.items}}
<li><span title="{{this.name}}">{{this.name}}</span>
<button type="button" data-index="{{@index}}" aria-label="{{this.remove}}" title="{{this.remove}}">×</button></li>
{{/each}}</ul></div>{{/if}}
"""
_NAMES_SCRIPT: Final = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-index]');
  if (button) trigger('click', {index: Number(button.dataset.index)});
});
"""
_CHOSEN: Final = """
{{#if value.title}}<div class="chosen"><p>{{value.title}}</p><dl>{{#each value.rows}}
<div><dt>{{this.[0]}}</dt><dd>{{this.[1]}}</dd></div>{{/each}}</dl></div>{{/if}}
"""
_REASONS: Final = """
{{#if value.sentences}}<div class="reasons"><p>{{value.title}}</p>
<ul>{{#each value.sentences}}<li>{{this}}</li>{{/each}}</ul></div>{{/if}}
{{#if value.skipped}}<div class="reasons skipped"><p>{{value.skipped_title}}</p>
<ul>{{#each value.skipped}}<li>{{this}}</li>{{/each}}</ul></div>{{/if}}
"""


_TAKE: Final = "() => document.querySelector('#file').click()"
_BEST: Final = 10  # pictures in a ZIP, unless told otherwise


def launch_settings(settings: Settings) -> dict[str, Any]:
    """What the page needs of `Blocks.launch`: nothing is recorded, nothing leaks, no other server is asked."""
    default = Settings()
    return {
        # None leaves it to where the program runs: Spaces say it in variables of Gradio's own.
        "server_name": None if settings.host == default.host else settings.host,
        "server_port": None if settings.port == default.port else settings.port,
        "share": settings.share,
        "root_path": settings.root_path or None,
        "max_file_size": UPLOAD_MARGIN * settings.max_picture_mb * MEGABYTE,
        "app_kwargs": {"middleware": [(Gate, (), {"uploads": _uploads()})]},
        "show_error": False,
        "run_history": False,
        "enable_monitoring": False,
        "mcp_server": False,
        "pwa": False,
        "ssr_mode": False,
        "footer_links": [],
        "i18n": _translations(),
        "theme": gr.themes.Default(primary_hue="teal", neutral_hue="slate", font=_FONTS, font_mono="monospace"),
        "css_paths": Path(__file__).with_name("page.css"),
    }


def build_page(reranker: Reranker, samples: Path = SAMPLES) -> gr.Blocks:
    """The page over a `Reranker`, to be launched with `launch_settings`.

    samples: a folder of pictures for the button that adds them, and of the sentences to try in its `queries.json`.
    """
    desk = Desk(reranker, _uploads(), samples)
    page = gr.Blocks(
        title=TITLE,
        analytics_enabled=False,
        delete_cache=(CACHE_CHECKED_EVERY_S, CACHE_AGE_S),
        fill_width=True,
    )
    with page:
        about, download = _lay_head()
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=320):
                asked = _Asked(desk)
            with gr.Column(scale=3, min_width=320):
                shown = _Shown()
        _wire_pictures(desk, asked, shown)
        _wire_run(desk, asked, shown)
        _wire_visit(page, desk, [shown.status, about, download])
        _wire_programs(desk)
    page.queue(max_size=reranker.settings.max_waiting)
    return page


def _uploads() -> Uploads:
    return Uploads(Path(get_upload_folder()))


def _label(name: str) -> I18nData:
    """One of `LABELS`, which the browser translates."""
    key = f"reranker.{name}"
    assert key in LABELS
    return I18nData(key)


def _translations() -> gr.I18n:
    texts = {language: {key: text[language] for key, text in LABELS.items()} for language in _LOCALES}
    return gr.I18n(**{locale: texts[language] for language, locales in _LOCALES.items() for locale in locales})


def _lay_head() -> tuple[gr.Markdown, gr.Button]:
    """Returns what is said about the model, and the button that fetches a better one; both show when there is need."""
    gr.Markdown(_label("heading"), elem_id="title")
    gr.Markdown(_label("lead"), elem_id="lead")
    about = gr.Markdown(elem_id="about", visible=False)
    return about, gr.Button(size="sm", elem_id="download", visible=False)


class _Asked:
    """The left side: what is asked for, and of which pictures."""

    def __init__(self, desk: Desk) -> None:
        self.query = gr.Textbox(
            label=_label("query"), placeholder=_label("query_hint"), lines=1, max_lines=5, elem_id="query"
        )
        if desk.queries:
            gr.Examples([[query] for query in desk.queries], self.query, label=_label("examples"), elem_id="examples")
        with gr.Row():
            self.rank = gr.Button(_label("rank"), variant="primary", scale=3, elem_id="rank")
            self.stop = gr.Button(_label("stop"), interactive=False, scale=1, min_width=80, elem_id="stop")
        self.pictures = _pictures_gallery()
        with gr.Row():
            self.samples = gr.Button(
                _label("samples"), size="sm", min_width=140, visible=bool(desk.samples), elem_id="samples"
            )
            self.clear = gr.Button(_label("clear"), size="sm", min_width=100, elem_id="clear")
        self.names = gr.HTML(html_template=_NAMES, js_on_load=_NAMES_SCRIPT, apply_default_css=False, elem_id="names")


def _pictures_gallery() -> gr.Gallery:
    return gr.Gallery(
        label=_label("pictures"),
        file_types=FILE_TYPES,
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
    """The right side: how far it is, and the ranking."""

    def __init__(self) -> None:
        self.status = gr.HTML(html_template=_STATUS, js_on_load=None, apply_default_css=False, elem_id="status")
        self.ranking = gr.Gallery(
            label=_label("ranking"),
            interactive=False,
            columns=3,
            height=640,
            object_fit="contain",
            fit_columns=False,
            buttons=["fullscreen"],
            elem_id="ranking",
        )
        self.chosen = gr.HTML(html_template=_CHOSEN, js_on_load=None, apply_default_css=False, elem_id="chosen")
        with gr.Row(visible=False, equal_height=False, elem_id="takeaway") as self.takeaway:
            self.formats = {
                format_: gr.Button(_label(format_), size="sm", min_width=90, elem_id=f"take-{format_}")
                for format_ in FORMATS
            }
            self.best = gr.Number(
                _BEST, label=_label("best"), minimum=1, precision=0, min_width=110, scale=0, elem_id="best"
            )
        self.file = gr.DownloadButton(elem_id="file")  # hidden by the style sheet, pressed by `_TAKE`
        self.reasons = gr.HTML(html_template=_REASONS, js_on_load=None, apply_default_css=False, elem_id="reasons")
        self.deck = gr.State(Deck())


def _wire_pictures(desk: Desk, asked: _Asked, shown: _Shown) -> None:
    """Whatever changes the pictures. They come unprocessed: Gradio would refuse them all for one of another type."""
    pictures, both = asked.pictures, [asked.pictures, asked.names]
    how: dict[str, Any] = {"preprocess": False, "api_visibility": "private"}
    quick = how | {"queue": False, "show_progress": "hidden"}
    pictures.upload(desk.take, pictures, [*both, shown.status], concurrency_limit=RUNS_AT_ONCE, **how)
    pictures.change(desk.list_names, pictures, asked.names, **quick)
    asked.names.click(desk.remove, pictures, both, **quick)
    asked.samples.click(desk.add_samples, pictures, both, **quick)
    asked.clear.click(desk.clear, None, both, **quick)


def _wire_run(desk: Desk, asked: _Asked, shown: _Shown) -> None:
    """The run itself yields no gallery: to leave one as it is costs Gradio 4 ms, and would with every picture."""
    gr.on(
        [asked.rank.click, asked.query.submit],
        desk.rank,
        [asked.query, asked.pictures],
        [shown.status, shown.deck, asked.rank, asked.stop],
        preprocess=False,
        show_progress="hidden",
        trigger_mode="once",
        concurrency_limit=RUNS_AT_ONCE,
        concurrency_id="rank",
        api_name="watch",
        api_visibility="private",
    )
    how: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    shown.deck.change(desk.draw, shown.deck, [shown.ranking, shown.reasons, shown.chosen], **how)
    shown.deck.change(desk.offer, shown.deck, shown.takeaway, **how)
    for format_, button in shown.formats.items():
        made = button.click(desk.taker(format_), [shown.deck, shown.best], shown.file, **how)
        made.then(None, js=_TAKE)
    shown.ranking.select(desk.choose, shown.deck, shown.chosen, **how)
    asked.stop.click(desk.stop, None, shown.status, **how)


def _wire_visit(page: gr.Blocks, desk: Desk, greeted: list[Any]) -> None:
    """greeted: the status, what is said about the model, and the button that fetches a better one."""
    how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    page.load(desk.reception.greet, None, greeted, concurrency_limit=None, **how)
    greeted[-1].click(desk.reception.download, None, greeted, concurrency_limit=1, trigger_mode="once", **how)
    labelled = _labelled(page)

    def relabel(request: gr.Request) -> list[Any]:
        return desk.relabel(list(labelled.values()), request)

    page.load(relabel, None, list(labelled), queue=False, **how)
    page.unload(desk.leave)


def _labelled(page: gr.Blocks) -> dict[Block, dict[str, str]]:
    """The components that show labels: under which properties, and which ones."""
    labels = {
        block: {name: value.key for name, value in block.constructor_args.items() if isinstance(value, I18nData)}
        for block in page.blocks.values()
    }
    return {block: keys for block, keys in labels.items() if keys}


def _wire_programs(desk: Desk) -> None:
    def rank(
        query: str,
        pictures: list[gr.FileData],
        request: gr.Request,
        top_k: int | None = None,
        texts: list[str] | None = None,
    ) -> dict[str, Any]:
        """Rank uploaded pictures by how well each fits a sentence in Chinese, English or both.

        Args:
            query: the sentence.
            pictures: uploaded files.
            top_k: how many of the scored pictures to answer, all where null.
            texts: what is judged with each picture, such as a product's title; as many as pictures, or null.

        Returns:
            query, model, fingerprint, and results: rank, name, status, score (0 to 10), log_odds, words and error
            of each.
        """
        return desk.answer(query, pictures, top_k, texts, request)

    api(rank, api_name="rank", concurrency_limit=RUNS_AT_ONCE, concurrency_id="rank")

"""Components with scripts of their own, and labels in the language that a person has chosen.

Scripts create all elements. Gradio evaluates HTML templates as JavaScript template strings, so that a `$` or a
backslash in somebody's sentence would be code.
"""

from pathlib import Path
from typing import Any, Final

import gradio as gr
from gradio.blocks import Block
from gradio.i18n import I18nData

from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import LABELS, LANGUAGES, is_translated_by_browser, language_of
from reranker.server.static_files import StaticFiles

STATIC: Final = StaticFiles(Path(__file__).with_name("static"))

HEADER: Final = '<div class="reranker reranker-header"></div>'
APP: Final = '<div class="reranker reranker-app"></div>'
LABELS_TAB: Final = '<div class="reranker reranker-labels"></div>'
LIBRARY: Final = '<div class="reranker reranker-library"></div>'
STATUS: Final = '<div class="status"></div>'
LABEL_GRID: Final = '<div class="label-grid-parent"></div>'
LABELLED_QUERIES: Final = '<div class="labelled-queries"></div>'
EVALUATION: Final = '<div class="evaluation"></div>'


def scripted(template: str, *scripts: str, **options: Any) -> gr.HTML:
    """Return a component that scripts draw, by their file names. options: of `gr.HTML`."""
    return gr.HTML(html_template=template, js_on_load=STATIC.script(*scripts), apply_default_css=False, **options)


def label(name: str) -> Any:
    """Return one of `LABELS`, which the browser translates: an `I18nData`, which not all types of Gradio's allow."""
    key = f"reranker.{name}"
    assert key in LABELS
    return I18nData(key)


class LabelTexts:
    """Put the labels of a page's components into a language that the browser would not choose."""

    def __init__(self, page: gr.Blocks) -> None:
        labelled = {
            block: {name: value.key for name, value in block.constructor_args.items() if isinstance(value, I18nData)}
            for block in page.blocks.values()
        }
        self._keys: dict[Block, dict[str, str]] = {block: keys for block, keys in labelled.items() if keys}

    @property
    def components(self) -> list[Any]:
        """The components with labels, in the order of the values that the methods return."""
        return list(self._keys)

    def load(self, request: gr.Request) -> list[Any]:
        """Return the labels of a page that was just opened, perhaps with `?lang=zh` in its address."""
        accepted = request.headers.get("accept-language")
        language = _language(request.query_params.get("lang"))
        if language is None and is_translated_by_browser(accepted):
            return [gr.skip() for _ in self._keys]
        return self._translated(language or language_of(accepted))

    def change_language(self, event: gr.EventData) -> list[Any]:
        """Return the labels in the language that was chosen in the header."""
        language = _language(event._data.get("language"))
        return [gr.skip() for _ in self._keys] if language is None else self._translated(language)

    def _translated(self, language: Language) -> list[Any]:
        texts = ({name: LABELS[key][language] for name, key in keys.items()} for keys in self._keys.values())
        return [gr.update(**dict[str, Any](each)) for each in texts]


def _language(value: object) -> Language | None:
    return next((code for code in LANGUAGES if code == value), None)

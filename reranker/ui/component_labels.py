"""The labels of the page's components, in the language of who looks at it."""

from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.i18n import I18nData

from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import LABELS, LANGUAGES, is_translated_by_browser
from reranker.ui.sessions import Visitors


def label(name: str) -> Any:
    """One of `LABELS`, which the browser translates; an `I18nData`, which not all of Gradio's types know of."""
    key = f"reranker.{name}"
    assert key in LABELS
    return I18nData(key)


class Labels:
    """Puts the labels of a page's components into a language that the browser would not choose."""

    def __init__(self, page: gr.Blocks, visitors: Visitors) -> None:
        labelled = {
            block: {name: value.key for name, value in block.constructor_args.items() if isinstance(value, I18nData)}
            for block in page.blocks.values()
        }
        self._keys: dict[Block, dict[str, str]] = {block: keys for block, keys in labelled.items() if keys}
        self.page, self._visitors = page, visitors

    @property
    def components(self) -> list[Any]:
        """Those that have some, in the order of the values that the methods give."""
        return list(self._keys)

    def begin(self, request: gr.Request) -> list[Any]:
        """For a page that was just opened, which may have `?lang=zh` in its address: the language, and the labels."""
        asked = request.query_params.get("lang")
        if asked in LANGUAGES:
            self._visitors.choose(asked, request)
        language = self._visitors.language(request)
        done_by_browser = asked not in LANGUAGES and is_translated_by_browser(request.headers.get("accept-language"))
        labels = [gr.skip() for _ in self._keys] if done_by_browser else self._in(language)
        return [language, *labels]

    def choose(self, language: Language, request: gr.Request) -> list[Any]:
        """The switch was pressed."""
        self._visitors.choose(language, request)
        return self._in(language)

    def _in(self, language: Language) -> list[Any]:
        texts = ({name: LABELS[key][language] for name, key in keys.items()} for keys in self._keys.values())
        return [gr.update(**dict[str, Any](each)) for each in texts]

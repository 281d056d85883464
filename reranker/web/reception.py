"""What a visitor is told of the model: that it loads, which it is and what it knows, and how to get a better one."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import gradio as gr

from reranker.model.hub import GIGABYTES
from reranker.reranker import Reranker
from reranker.sentences import Language, remark_sentence
from reranker.settings import Settings
from reranker.web.progress import reports_of, shares_of
from reranker.web.status import Status, trouble
from reranker.web.wording import language_of, phrase

MIN_PICTURES: Final = 2


class Reception:
    """Gives values for the status, for what is said about the model, and for the button that fetches another."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker, self._loaded = reranker, threading.Event()

    @property
    def model(self) -> str:
        """The name of the one at work."""
        return Path(self._reranker.choice.name).name

    def loading(self, language: Language) -> Iterator[Status]:
        """How far the model is loaded, until it is; it is loaded once, whoever asks first. Raises as loading does."""
        if self._loaded.is_set():
            return
        yield Status(text=phrase("loading", language), tone="busy", percent=0)
        for share in shares_of(self._reranker.load, lambda: self._reranker.loaded_share):
            yield Status(text=phrase("loading", language), tone="busy", percent=int(100 * share))
        self._loaded.set()

    def greet(self, request: gr.Request) -> Iterator[list[Any]]:
        """For a page that was just opened: while the model loads, and once it is there."""
        language = _language(request)
        try:
            for loading in self.loading(language):
                yield [loading.value, gr.skip(), gr.skip()]
            status = Status(text=self._ready_text(language))
        except Exception as error:
            status = trouble(error, language)
        yield [status.value, self._about(language), self._button(language)]

    def download(self, request: gr.Request) -> Iterator[list[Any]]:
        """Fetch the model that is wanted, telling how far it is; then all is as for a page that was just opened."""
        language, model = _language(request), self._reranker.downloadable
        if model is None or not self._is_private:
            return
        try:
            for done, total in reports_of(self._reranker.download):
                yield [_downloading(model, done, total, language).value, gr.skip(), gr.update(interactive=False)]
        except Exception as error:
            yield [trouble(error, language).value, gr.skip(), gr.update(interactive=True)]
            return
        self._loaded.clear()
        yield from self.greet(request)

    def _ready_text(self, language: Language) -> str:
        ready = phrase("ready", language, model=self.model, min_count=MIN_PICTURES)
        return " ".join([ready, *(remark_sentence(one, language) for one in self._reranker.load().remarks)])

    def _about(self, language: Language) -> Any:
        """What the toybox knows, and why it is the one at work; nothing about any other."""
        choice = self._reranker.choice
        text = f"{phrase('toybox', language)} {phrase(choice.reason, language)}" if choice.name == "toybox" else ""
        return gr.update(value=text, visible=bool(text))

    def _button(self, language: Language) -> Any:
        """To fetch the model that is wanted and not here: for who sits at this machine, not for guests."""
        model = self._reranker.downloadable if self._is_private else None
        if model is None:
            return gr.update(visible=False)
        size = GIGABYTES.get(model)
        text = phrase("download_sized" if size else "download", language, model=model, size=size)
        return gr.update(value=text, visible=True, interactive=True)

    @property
    def _is_private(self) -> bool:
        return self._reranker.settings.host == Settings().host and not self._reranker.settings.share


def _downloading(model: str, done: int, total: int, language: Language) -> Status:
    gigabytes = {"done": f"{done / 1e9:.2f}", "total": f"{total / 1e9:.2f}"}
    text = phrase("downloading", language, model=model, **gigabytes)
    return Status(text=text, tone="busy", percent=100 * done // max(1, total))


def _language(request: gr.Request) -> Language:
    return language_of(request.headers.get("accept-language"))

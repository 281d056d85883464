"""What a visitor is told of the model: that it loads, which it is and what it knows, and how to get a better one."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import gradio as gr

from reranker.api import Reranker
from reranker.i18n.error_messages import Language, load_warning_text
from reranker.i18n.page_texts import phrase
from reranker.models.hub import GIGABYTES
from reranker.server.security import LOOPBACK_HOSTS
from reranker.server.status import Status, trouble
from reranker.ui.background_progress import reports_of, shares_of
from reranker.ui.history import History
from reranker.ui.sessions import Visitors

MIN_PICTURES: Final = 2
FORWARDED: Final = {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"}


class ModelStatus:
    """Gives values for the status, for what is said about the model, and for the button that fetches another."""

    def __init__(self, reranker: Reranker, visitors: Visitors) -> None:
        self._reranker, self._visitors = reranker, visitors

    def loading(self, language: Language) -> Iterator[Status]:
        """How far the model is loaded, until it is; it is loaded once, whoever asks first. Raises as loading does."""
        if self._reranker.is_loaded:
            return
        yield Status(text=phrase("loading", language), tone="busy", percent=0)
        for share in shares_of(self._reranker.load, lambda: self._reranker.loaded_share):
            yield Status(text=phrase("loading", language), tone="busy", percent=int(100 * share))

    def greet(self, request: gr.Request) -> Iterator[list[Any]]:
        """For a page that was just opened: while the model loads, and once it is there."""
        language = self._visitors.language(request)
        try:
            for loading in self.loading(language):
                yield [loading.value, gr.skip(), gr.skip()]
            status = Status(text=self._ready_text(language))
        except Exception as error:
            status = trouble(error, language)
        yield [status.value, self._about(language), self._button(language, request)]

    def greet_again(self, history: History, request: gr.Request) -> Iterator[list[Any]]:
        """In another language; how the last run ended stays."""
        for status, *others in self.greet(request):
            yield [gr.skip() if history.ranking_views else status, *others]

    def download(self, request: gr.Request) -> Iterator[list[Any]]:
        """Fetch the model that is wanted, telling how far it is; then all is as for a page that was just opened."""
        language, model = self._visitors.language(request), self._offered(request)
        if model is None:
            return
        try:
            for done, total in reports_of(self._reranker.download):
                yield [_downloading(model, done, total, language).value, gr.skip(), gr.update(interactive=False)]
        except Exception as error:
            yield [trouble(error, language).value, gr.skip(), gr.update(interactive=True)]
            return
        yield from self.greet(request)

    def _ready_text(self, language: Language) -> str:
        ready = phrase("ready", language, model=self._reranker.model_name, min_count=MIN_PICTURES)
        return " ".join(
            [ready, *(load_warning_text(one, language) for one in self._reranker.load().info.load_warnings)]
        )

    def _about(self, language: Language) -> Any:
        """What the toybox knows, and why it is the one at work; nothing about any other."""
        choice = self._reranker.choice
        text = f"{phrase('toybox', language)} {phrase(choice.reason, language)}" if choice.name == "toybox" else ""
        return gr.update(value=text, visible=bool(text))

    def _button(self, language: Language, request: gr.Request) -> Any:
        """To fetch the model that is wanted and not here."""
        model = self._offered(request)
        if model is None:
            return gr.update(visible=False)
        size = GIGABYTES.get(model)
        text = phrase("download_sized" if size else "download", language, model=model, size=size)
        return gr.update(value=text, visible=True, interactive=True)

    def _offered(self, request: gr.Request) -> str | None:
        """The model to fetch, for who sits at this machine; guests do not fill its disk."""
        return self._reranker.downloadable if is_from_here(request) else None


def judged_by(reranker: Reranker) -> dict[str, Any]:
    """As `Reranker.judged_by`, with the model by its name."""
    return reranker.judged_by() | {"model": reranker.model_name}


def _downloading(model: str, done: int, total: int, language: Language) -> Status:
    gigabytes = {"done": f"{done / 1e9:.2f}", "total": f"{total / 1e9:.2f}"}
    text = phrase("downloading", language, model=model, **gigabytes)
    return Status(text=text, tone="busy", percent=100 * done // max(1, total))


def is_from_here(request: gr.Request) -> bool:
    """Whether a browser of this machine asks for a page of this machine: not by a proxy, and not by a share link."""
    asked = urlsplit(f"//{request.headers.get('host', '')}").hostname
    asking = request.client.host if request.client else ""
    return asked in LOOPBACK_HOSTS and asking in LOOPBACK_HOSTS and not FORWARDED & set(request.headers)

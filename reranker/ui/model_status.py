"""Show the state of the model: loading, ready or missing; what the toybox can do; a button that downloads a model."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import gradio as gr

from reranker.api import Reranker
from reranker.i18n.error_messages import Language, load_warning_text
from reranker.i18n.page_texts import phrase
from reranker.models.hub import GIGABYTES
from reranker.server.security import LOOPBACK_HOSTS, is_local_only
from reranker.server.status import Status, trouble
from reranker.ui.background_progress import iterate_progress, poll_progress
from reranker.ui.history import History
from reranker.ui.sessions import BrowserSessions

MIN_PICTURES: Final = 2
FORWARDING_HEADERS: Final = {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"}


class ModelStatus:
    """Return values of the status, of the text about the model, and of the button that downloads a model."""

    def __init__(self, reranker: Reranker, sessions: BrowserSessions) -> None:
        self._reranker, self._sessions = reranker, sessions

    def load(self, language: Language) -> Iterator[Status]:
        """Yield the progress of loading until the model is loaded. Raises `CheckpointError`."""
        if self._reranker.is_loaded:
            return
        yield Status(text=phrase("loading", language), tone="busy", percent=0)
        for share in poll_progress(self._reranker.load, lambda: self._reranker.loaded_share):
            yield Status(text=phrase("loading", language), tone="busy", percent=int(100 * share))

    def show(self, request: gr.Request) -> Iterator[list[Any]]:
        """Show the model on a page that was just opened, while it loads and when it is ready."""
        language = self._sessions.language(request)
        try:
            for loading in self.load(language):
                yield [loading.value, gr.skip(), gr.skip()]
            status = Status(text=self._ready_text(language))
        except Exception as error:
            status = trouble(error, language)
        yield [status.value, self._about(language), self._download_button(language, request)]

    def translate(self, history: History, request: gr.Request) -> Iterator[list[Any]]:
        """Show the model in another language, but keep the status of the last run."""
        for status, *others in self.show(request):
            yield [gr.skip() if history.ranking_views else status, *others]

    def download(self, request: gr.Request) -> Iterator[list[Any]]:
        """Download the model that is missing and show the progress, then the model."""
        language, model = self._sessions.language(request), self._downloadable(request)
        if model is None:
            return
        try:
            for done, total in iterate_progress(self._reranker.download):
                yield [_download_status(model, done, total, language).value, gr.skip(), gr.update(interactive=False)]
        except Exception as error:
            yield [trouble(error, language).value, gr.skip(), gr.update(interactive=True)]
            return
        yield from self.show(request)

    def _ready_text(self, language: Language) -> str:
        ready = phrase("ready", language, model=self._reranker.model_name, min_count=MIN_PICTURES)
        warnings = (load_warning_text(warning, language) for warning in self._reranker.info.load_warnings)
        return " ".join([ready, *warnings])

    def _about(self, language: Language) -> Any:
        """Say what the toybox can do and why it is used. Empty for any other model."""
        choice = self._reranker.choice
        text = f"{phrase('toybox', language)} {phrase(choice.reason, language)}" if choice.name == "toybox" else ""
        return gr.update(value=text, visible=bool(text))

    def _download_button(self, language: Language, request: gr.Request) -> Any:
        model = self._downloadable(request)
        if model is None:
            return gr.update(visible=False)
        size = GIGABYTES.get(model)
        text = phrase("download_sized" if size else "download", language, model=model, size=size)
        return gr.update(value=text, visible=True, interactive=True)

    def _downloadable(self, request: gr.Request) -> str | None:
        """Return the model that this browser may download: only a browser on this machine may fill its disk."""
        is_here = is_local_only(self._reranker.settings.server) and is_local_request(request)
        return self._reranker.downloadable if is_here else None


def judged_by(reranker: Reranker) -> dict[str, Any]:
    """Return `Reranker.judged_by` with the model's display name, which reveals no path."""
    return reranker.judged_by() | {"model": reranker.model_name}


def _download_status(model: str, done_bytes: int, total_bytes: int, language: Language) -> Status:
    gigabytes = {"done": f"{done_bytes / 1e9:.2f}", "total": f"{total_bytes / 1e9:.2f}"}
    text = phrase("downloading", language, model=model, **gigabytes)
    return Status(text=text, tone="busy", percent=100 * done_bytes // max(1, total_bytes))


def is_local_request(request: gr.Request) -> bool:
    """Return whether a browser on this machine has sent a request, as far as its headers tell.

    A proxy or a tunnel may pass on any Host header, so `is_local_only` must hold, too.
    """
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    client = request.client.host if request.client else ""
    return host in LOOPBACK_HOSTS and client in LOOPBACK_HOSTS and not FORWARDING_HEADERS & set(request.headers)

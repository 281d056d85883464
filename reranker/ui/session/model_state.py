"""What the page says about the model: loading, ready or missing; what the toybox can do; the download of a model."""

import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request

from reranker.api import Reranker
from reranker.config.settings import ServerSettings
from reranker.core.errors import RerankerError
from reranker.i18n.error_messages import load_warning_text
from reranker.i18n.page_texts import LANGUAGES, phrase
from reranker.models.hub import GIGABYTES
from reranker.server.error_responses import log_unexpected
from reranker.server.security import LOOPBACK_HOSTS, is_local_only
from reranker.ui.session.records import Text, sentences

FORWARDING_HEADERS: Final = {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"}
_TOYBOX: Final = "toybox"


def judged_by(reranker: Reranker) -> dict[str, Any]:
    """Return `Reranker.judged_by` with the model's display name, which reveals no path."""
    return reranker.judged_by() | {"model": reranker.model_name}


class ModelState:
    """The state of the model for browsers, and its download. Thread-safe."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker, self._lock = reranker, threading.Lock()
        self._error: RerankerError | None = None
        self._downloaded: tuple[int, int] | None = None  # bytes that are here, and in all, while it downloads

    @property
    def is_settled(self) -> bool:
        """Whether the view stays as it is until somebody does something."""
        return self._downloaded is None and (self._reranker.is_loaded or self._error is not None)

    def load(self) -> None:
        """Load the model. An error is shown, not raised."""
        try:
            self._reranker.load()
            self._error = None
        except RerankerError as error:
            self._error = error
        except Exception as error:
            log_unexpected(error, "the model of the page")
            self._error = RerankerError()

    def view(self, *, may_download: bool) -> dict[str, Any]:
        """Return what the browser shows. may_download: whether this browser may fill the disk of the server."""
        if (downloaded := self._downloaded) is not None:
            return self._view("downloading", downloaded[0] / max(1, downloaded[1]), {})
        download = self._download(may_download)
        if self._reranker.is_loaded:
            return self._view("ready", 1, self._text(), download)
        if self._error is not None:
            return self._view("failed", 0, sentences(self._error), download)
        return self._view("loading", self._reranker.loaded_share, {}, download)

    def start_download(self) -> None:
        """Download the model that is missing, and load it; nothing if that is being done."""
        with self._lock:
            if self._downloaded is not None or self._reranker.downloadable is None:
                return
            self._downloaded = (0, 1)
        threading.Thread(target=self._run_download, name="reranker-download", daemon=True).start()

    def _run_download(self) -> None:
        try:
            self._reranker.download(self._note_downloaded)
            self._error = None
        except RerankerError as error:
            self._error = error
        except Exception as error:
            log_unexpected(error, "a download of a model")
            self._error = RerankerError()
        finally:
            self._downloaded = None
        if self._error is None:
            self.load()

    def _note_downloaded(self, done: int, total: int) -> None:
        self._downloaded = done, total

    def _view(self, state: str, share: float, text: Text, download: Mapping[str, Any] | None = None) -> dict[str, Any]:
        is_known = state == "ready"
        return {
            "state": state,
            "share": share,
            "name": self._reranker.model_name if is_known else "",
            "demo": is_known and self._reranker.choice.name == _TOYBOX,
            "takes_example": is_known and self._reranker.info.takes_example,
            "text": text,
            "download": download,
        }

    def _text(self) -> Text:
        """Return why the demo model is used, and what is special about how the model was loaded."""
        choice, warnings = self._reranker.choice, self._reranker.info.load_warnings
        return {
            language: " ".join(
                [
                    *([phrase(choice.reason, language, model=choice.best)] if choice.name == _TOYBOX else []),
                    *(load_warning_text(warning, language) for warning in warnings),
                ]
            )
            for language in LANGUAGES
        }

    def _download(self, may_download: bool) -> dict[str, Any] | None:
        name = self._reranker.downloadable if may_download else None
        return None if name is None else {"name": name, "gigabytes": GIGABYTES.get(name)}


def may_download(request: Request, server: ServerSettings) -> bool:
    """Return whether a browser on this machine has sent a request, as far as its headers tell.

    Only such a browser may fill the disk of this machine. A proxy or a tunnel may pass on any Host header, so
    `is_local_only` must hold, too.
    """
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    client = request.client.host if request.client else ""
    is_here = host in LOOPBACK_HOSTS and client in LOOPBACK_HOSTS and not FORWARDING_HEADERS & set(request.headers)
    return is_local_only(server) and is_here

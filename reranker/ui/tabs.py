"""State of the open tabs of browsers that Gradio's components need: the language, and the evaluation that runs."""

import threading
from collections import OrderedDict
from typing import Any, Final

import gradio as gr

from reranker.core.cancellation import Cancellation
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import language_of

MAX_TABS: Final = 10_000


class BrowserTabs:
    """All open tabs, by Gradio's session hash, which each tab has; safe for several threads.

    Nothing is stored in the browser, since a page in a frame of another site may not be allowed to.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._languages: OrderedDict[str, Language] = OrderedDict()
        self._stops: dict[str, set[Cancellation]] = {}

    def language(self, request: gr.Request) -> Language:
        """Return the language that was chosen in a tab, or else the one that its browser prefers."""
        with self._lock:
            chosen = self._languages.get(_tab(request))
        return chosen or language_of(request.headers.get("accept-language"))

    def set_language(self, language: Language, request: gr.Request) -> None:
        """Choose the language of a tab."""
        with self._lock:
            self._languages[_tab(request)] = language
            _drop_oldest(self._languages)

    def start_run(self, request: gr.Request) -> Cancellation:
        """Register a run of a tab. Returns the cancellation that `stop_runs` sets."""
        stop = Cancellation()
        with self._lock:
            self._stops.setdefault(_tab(request), set()).add(stop)
        return stop

    def end_run(self, stop: Cancellation, request: gr.Request) -> None:
        """Remove a run that has ended. stop: what `start_run` has returned."""
        key = _tab(request)
        with self._lock:
            self._stops[key].discard(stop)
            if not self._stops[key]:
                del self._stops[key]

    def stop_runs(self, request: gr.Request) -> bool:
        """Stop all runs in a tab. Returns whether there was one."""
        with self._lock:
            stops = self._stops.get(_tab(request), set())
            for stop in stops:
                stop.cancel()
            return bool(stops)

    def is_running(self, request: gr.Request) -> bool:
        """Return whether a tab has a run."""
        with self._lock:
            return bool(self._stops.get(_tab(request)))

    def close(self, request: gr.Request) -> None:
        """Stop the runs of a tab that was closed."""
        self.stop_runs(request)
        with self._lock:
            self._languages.pop(_tab(request), None)


def _drop_oldest(entries: OrderedDict[str, Any]) -> None:
    if len(entries) > MAX_TABS:
        entries.popitem(last=False)


def _tab(request: gr.Request) -> str:
    return request.session_hash or ""

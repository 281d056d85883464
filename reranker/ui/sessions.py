"""State of the open tabs of browsers: the language of each, the files that it has uploaded, and its runs."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, get_args

import gradio as gr

from reranker.core.cancellation import Cancellation
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import language_of

MAX_SESSIONS: Final = 10_000

RunKind = Literal["ranking", "evaluation"]


class BrowserSessions:
    """The sessions of all open tabs, by Gradio's session hash, which each tab has; safe for several threads.

    Nothing is stored in the browser, since a page in a frame of another site may not be allowed to.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._languages: OrderedDict[str, Language] = OrderedDict()
        self._stops: dict[tuple[str, RunKind], set[Cancellation]] = {}
        self._files: OrderedDict[str, set[Path]] = OrderedDict()
        self._closed: OrderedDict[str, None] = OrderedDict()

    def language(self, request: gr.Request) -> Language:
        """Return the language that was chosen in a tab, or else the one that its browser prefers."""
        with self._lock:
            chosen = self._languages.get(_session(request))
        return chosen or language_of(request.headers.get("accept-language"))

    def set_language(self, language: Language, request: gr.Request) -> None:
        """Choose the language of a tab."""
        with self._lock:
            self._languages[_session(request)] = language
            _drop_oldest(self._languages)

    def start_run(self, request: gr.Request, kind: RunKind = "ranking") -> Cancellation:
        """Register a run of a tab. Returns the cancellation that `stop_runs` sets."""
        stop = Cancellation()
        with self._lock:
            self._stops.setdefault((_session(request), kind), set()).add(stop)
        return stop

    def end_run(self, stop: Cancellation, request: gr.Request, kind: RunKind = "ranking") -> None:
        """Remove a run that has ended. stop: what `start_run` has returned."""
        key = _session(request), kind
        with self._lock:
            self._stops[key].discard(stop)
            if not self._stops[key]:
                del self._stops[key]

    def stop_runs(self, request: gr.Request, kind: RunKind = "ranking") -> bool:
        """Stop all runs of a kind in a tab. Returns whether there was one."""
        with self._lock:
            stops = self._stops.get((_session(request), kind), set())
            for stop in stops:
                stop.cancel()
            return bool(stops)

    def is_running(self, request: gr.Request, kind: RunKind = "ranking") -> bool:
        """Return whether a tab has a run of a kind."""
        with self._lock:
            return bool(self._stops.get((_session(request), kind)))

    def add_files(self, files: Iterable[Path], request: gr.Request) -> None:
        """Register files that a tab has uploaded or that were made for it. Ignored if the tab is closed already."""
        with self._lock:
            if _session(request) not in self._closed:
                self._files.setdefault(_session(request), set()).update(files)
                _drop_oldest(self._files)

    def files(self) -> set[Path]:
        """Return the files of all open tabs."""
        with self._lock:
            return set().union(*self._files.values())

    def close(self, request: gr.Request) -> set[Path]:
        """Stop the runs of a tab that was closed, and return its files that no other tab has.

        Gradio stores equal files of two tabs as one file.
        """
        for kind in get_args(RunKind):
            self.stop_runs(request, kind)
        with self._lock:
            self._languages.pop(_session(request), None)
            self._closed[_session(request)] = None
            _drop_oldest(self._closed)
            files = self._files.pop(_session(request), set())
            return files.difference(*self._files.values())


def _drop_oldest(entries: OrderedDict[str, Any]) -> None:
    if len(entries) > MAX_SESSIONS:
        entries.popitem(last=False)


def _session(request: gr.Request) -> str:
    return request.session_hash or ""

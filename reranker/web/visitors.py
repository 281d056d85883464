"""Who is at the page: the language of each tab of a browser, its pictures, and the runs that it may stop."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import gradio as gr

from reranker.sentences import Language
from reranker.web.wording import language_of

MOST_REMEMBERED: Final = 10_000


class Visitors:
    """Known by the session that each tab has; nothing is kept in the browser, where storage may be denied."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._languages: OrderedDict[str, Language] = OrderedDict()
        self._stops: dict[str, set[threading.Event]] = {}
        self._brought: dict[str, set[Path]] = {}

    def language(self, request: gr.Request) -> Language:
        """The one that was chosen there, else what the browser asks for."""
        with self._lock:
            chosen = self._languages.get(_session(request))
        return chosen or language_of(request.headers.get("accept-language"))

    def choose(self, language: Language, request: gr.Request) -> None:
        """From now on this tab is spoken to in `language`."""
        with self._lock:
            self._languages[_session(request)] = language
            if len(self._languages) > MOST_REMEMBERED:
                self._languages.popitem(last=False)

    def begin(self, request: gr.Request) -> threading.Event:
        """A run, which `stop` ends."""
        stop = threading.Event()
        with self._lock:
            self._stops.setdefault(_session(request), set()).add(stop)
        return stop

    def end(self, stop: threading.Event, request: gr.Request) -> None:
        """The run is over."""
        session = _session(request)
        with self._lock:
            self._stops[session].discard(stop)
            if not self._stops[session]:
                del self._stops[session]

    def stop(self, request: gr.Request) -> bool:
        """End all runs of this tab; True where there was one."""
        with self._lock:
            stops = self._stops.get(_session(request), set())
            for stop in stops:
                stop.set()
            return bool(stops)

    def bring(self, pictures: Iterable[Path], request: gr.Request) -> None:
        """These are on the page of this tab."""
        with self._lock:
            self._brought.setdefault(_session(request), set()).update(pictures)

    def leave(self, request: gr.Request) -> set[Path]:
        """The tab was closed; returns the pictures that nobody else has. Equal ones of two visitors are one file."""
        self.stop(request)
        with self._lock:
            self._languages.pop(_session(request), None)
            left = self._brought.pop(_session(request), set())
            return left.difference(*self._brought.values())


def _session(request: gr.Request) -> str:
    return request.session_hash or ""

"""Handlers of the events that change the pictures on the page: uploads, folders, galleries, samples and removals.

Pictures come as the browser sends them; other programs may send anything. `Uploads` decides which are opened.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from reranker.api import Reranker
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase
from reranker.images.formats import is_picture
from reranker.images.natural_order import natural_key
from reranker.server.status import Status
from reranker.storage.atomic_write import write_atomically
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.sessions import BrowserSessions
from reranker.ui.upload_sweeper import UploadSweeper
from reranker.ui.uploads import Uploads


class UploadHandlers:
    """Handle the events of the pictures. Methods return values of the gallery, the list of names and the status.

    samples: a folder of pictures with the example sentences in `queries.json`.
    """

    def __init__(
        self, reranker: Reranker, uploads: Uploads, thumbnails: ThumbnailStore, sessions: BrowserSessions, samples: Path
    ) -> None:
        self._uploads, self._thumbnails, self._sessions = uploads, thumbnails, sessions
        self._sweeper = UploadSweeper(uploads, sessions)
        self._max_pictures = reranker.settings.limits.max_pictures
        self.samples = sorted(path for path in samples.glob("*") if is_picture(path.name))
        self.queries = _read_queries(samples / "queries.json")

    def upload(self, items: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """Show thumbnails after an upload, and at most the allowed number of pictures."""
        return self._limited(as_list(items), request)

    def add_folder(self, items: object, files: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """Add the pictures of an uploaded folder in natural order."""
        self._sessions.add_files(self._uploads.check(as_list(files)).paths, request)
        pictures = [file for file in as_list(files) if isinstance(file, dict) and is_picture(_original_name(file))]
        ordered = sorted(pictures, key=lambda file: natural_key(Path(_original_name(file))))
        return self._limited([*as_list(items), *ordered], request)

    def add_gallery(self, items: object, name: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """Add the pictures of a gallery of the server, except those that are there already."""
        present = as_list(items)
        present_paths = set(self._uploads.check(present).paths)
        pictures = self._uploads.galleries.pictures(str(name), self._max_pictures + 1)
        new = [path for path in pictures if path not in present_paths]
        thumbnails = self._thumbnails.get_all(new[: max(0, self._max_pictures + 1 - len(present))])
        return self._limited([*present, *map(str, thumbnails)], request)

    def add_samples(self, items: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """Add the sample gallery, except pictures that are there already."""
        present = as_list(items)
        present_paths = self._uploads.check(present).paths
        new = [str(path) for path in map(self._copied_sample, self.samples) if path not in present_paths]
        return self._limited([*present, *new], request)

    def _copied_sample(self, sample: Path) -> Path:
        """Copy a sample to the upload folder if it is not there yet, so that only one folder has to be opened."""
        target = self._uploads.samples / sample.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(sample.read_bytes(), target)
        return target

    def remove(self, items: object, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """Remove the picture whose button in the list of names was clicked."""
        remaining = [item for position, item in enumerate(as_list(items)) if position != event.index]
        return self._gallery_and_names(remaining, self._sessions.language(request))

    def close_session(self, request: gr.Request) -> None:
        """Stop the runs of a tab that was closed, and delete the files that only this tab had."""
        for file in self._sessions.close(request):
            self._uploads.delete(file)
        self.sweep()

    def sweep(self) -> None:
        """Remove what nobody needs any more, unless that was done a short time ago."""
        self._sweeper.sweep_if_due()

    def clear(self) -> tuple[Any, Any]:
        """Remove all pictures."""
        return [], None

    def list_names(self, items: object, request: gr.Request) -> Any:
        """Return the list of names after the browser itself has removed a picture."""
        return _names_value(self._uploads.check(as_list(items)).paths, self._sessions.language(request))

    def _limited(self, items: Sequence[object], request: gr.Request) -> tuple[Any, Any, Any]:
        """Show at most the allowed number of pictures, and say so if there are more."""
        language = self._sessions.language(request)
        status: Any = gr.skip()
        if len(items) > self._max_pictures:
            text = phrase("kept_first", language, max_count=self._max_pictures, count=len(items))
            status = Status(text=text, tone="trouble").value
        self._sessions.add_files(self._uploads.check(items).paths, request)
        return *self._gallery_and_names(items[: self._max_pictures], language), status

    def _gallery_and_names(self, items: Sequence[object], language: Language) -> tuple[Any, Any]:
        pictures = self._uploads.check(items).paths
        thumbnails = self._thumbnails.get_all(pictures)
        gallery = [(str(thumbnail), picture.name) for thumbnail, picture in zip(thumbnails, pictures, strict=True)]
        return gallery, _names_value(pictures, language)


def as_list(items: object) -> list[Any]:
    """Return a list that a client has sent, or an empty one if it has sent something else."""
    return items if isinstance(items, list) else []


def _original_name(file: dict[str, Any]) -> str:
    return str(file.get("orig_name") or file.get("path") or "")


def _read_queries(path: Path) -> list[str]:
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def _names_value(pictures: Sequence[Path], language: Language) -> dict[str, Any]:
    """Return the value of the list of names, for `names.js`."""
    items = [{"name": path.name, "remove": phrase("remove", language, name=path.name)} for path in pictures]
    return {"title": phrase("names", language, count=len(items)), "items": items}

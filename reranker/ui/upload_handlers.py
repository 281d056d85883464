"""The pictures on the page: each method serves one event of it, for all visitors; whose it is, the request says.

Pictures come as the browser sends them, or whoever calls in its place; `Uploads` decides which are opened.
"""

import json
import shutil
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
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.sessions import Visitors
from reranker.ui.uploads import Uploads


class UploadHandlers:
    """Takes pictures in, and gives values of the gallery that shows them, the list of their names, and the status.

    samples: a folder of pictures, and the sentences to try on them in its `queries.json`.
    """

    def __init__(
        self, reranker: Reranker, uploads: Uploads, thumbnails: ThumbnailStore, visitors: Visitors, samples: Path
    ) -> None:
        self._uploads, self._thumbnails, self._visitors = uploads, thumbnails, visitors
        self._most = reranker.settings.limits.max_pictures
        self.samples = sorted(path for path in samples.glob("*") if is_picture(path.name))
        self.queries = _queries(samples / "queries.json")

    def take(self, items: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """After an upload: no more pictures than are allowed, each with a thumbnail in its place."""
        return self._kept(listed(items), request)

    def take_folder(self, items: object, files: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """After a folder was chosen: its pictures behind what is there, in the order in which people count."""
        self._visitors.bring(self._uploads.admission(listed(files)).pictures, request)
        pictures = [one for one in listed(files) if isinstance(one, dict) and is_picture(_name(one))]
        ordered = sorted(pictures, key=lambda one: natural_key(Path(_name(one))))
        return self._kept([*listed(items), *ordered], request)

    def add_gallery(self, items: object, name: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """The pictures of a folder of the server, behind what is there; one that is there already is not repeated."""
        given = listed(items)
        there = set(self._uploads.admission(given).pictures)
        found = self._uploads.galleries.pictures(str(name), self._most + 1)
        added = [path for path in found if path not in there]
        shown = self._thumbnails.get_all(added[: max(0, self._most + 1 - len(given))])
        return self._kept([*given, *map(str, shown)], request)

    def add_samples(self, items: object, request: gr.Request) -> tuple[Any, Any, Any]:
        """The sample gallery, behind what is there; a picture of it that is there already is not repeated."""
        given = listed(items)
        there = self._uploads.admission(given).pictures
        added = [str(path) for path in map(self._uploaded, self.samples) if path not in there]
        return self._kept([*given, *added], request)

    def _uploaded(self, sample: Path) -> Path:
        """A sample as if it had been uploaded, so that pictures come from one folder only."""
        target = self._uploads.samples / sample.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sample, target)
        return target

    def remove(self, items: object, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """All but the one whose button in the list of names was pressed."""
        left = [item for position, item in enumerate(listed(items)) if position != event.index]
        return self._pictures(left, self._visitors.language(request))

    def leave(self, request: gr.Request) -> None:
        """A tab was closed: its run ends, and what it alone had uploaded is deleted."""
        for picture in self._visitors.leave(request):
            self._uploads.delete(picture)

    def clear(self) -> tuple[Any, Any]:
        """No pictures."""
        return [], None

    def list_names(self, items: object, request: gr.Request) -> Any:
        """The list of names, after the browser itself removed a picture."""
        return _names(self._uploads.admission(listed(items)).pictures, self._visitors.language(request))

    def _kept(self, given: Sequence[object], request: gr.Request) -> tuple[Any, Any, Any]:
        language = self._visitors.language(request)
        status: Any = gr.skip()
        if len(given) > self._most:
            text = phrase("kept_first", language, max_count=self._most, count=len(given))
            status = Status(text=text, tone="trouble").value
        self._visitors.bring(self._uploads.admission(given).pictures, request)
        return *self._pictures(given[: self._most], language), status

    def _pictures(self, items: Sequence[object], language: Language) -> tuple[Any, Any]:
        """Values of the gallery of pictures, and of the list of their names."""
        pictures = self._uploads.admission(items).pictures
        thumbnails = self._thumbnails.get_all(pictures)
        shown = [(str(thumbnail), picture.name) for thumbnail, picture in zip(thumbnails, pictures, strict=True)]
        return shown, _names(pictures, language)


def listed(items: object) -> list[Any]:
    """What came where a list is meant."""
    return items if isinstance(items, list) else []


def _name(file: dict[str, Any]) -> str:
    return str(file.get("orig_name") or file.get("path") or "")


def _queries(path: Path) -> list[str]:
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def _names(pictures: Sequence[Path], language: Language) -> dict[str, Any]:
    rows = [{"name": path.name, "remove": phrase("remove", language, name=path.name)} for path in pictures]
    return {"title": phrase("names", language, count=len(rows)), "items": rows}

"""The handlers of the tab “Evaluate”, called as Gradio calls them."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from reranker import Reranker
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.evaluate_tab.evaluate_handlers import EvaluateHandlers, EvaluateState
from reranker.ui.evaluate_tab.label_handlers import LabelHandlers, LabelledQueries
from reranker.ui.sessions import BrowserSessions
from reranker.ui.uploads import Uploads
from tests.support.visitor import visitor

# Checkboxes: yes-no, rating, low, usual, high.
ONE_METHOD, TWO_METHODS = (True, False, False, True, False), (True, True, False, True, False)


@dataclass(frozen=True, kw_only=True)
class EvaluateTab:
    """The parts of the tab that answer its events."""

    uploads: Uploads
    sessions: BrowserSessions
    label_handlers: LabelHandlers
    evaluate_handlers: EvaluateHandlers


def evaluate_tab(reranker: Reranker, folder: Path) -> EvaluateTab:
    uploads, sessions = Uploads(folder), BrowserSessions()
    thumbnails = ThumbnailStore(uploads, reranker.limits, 2)
    label_handlers = LabelHandlers(reranker, uploads, thumbnails, sessions)
    evaluate_handlers = EvaluateHandlers(reranker, uploads, thumbnails, sessions, label_handlers)
    return EvaluateTab(
        uploads=uploads, sessions=sessions, label_handlers=label_handlers, evaluate_handlers=evaluate_handlers
    )


def picture_key(tab: EvaluateTab, path: str) -> str:
    """The address by which the browser knows a picture."""
    return str(tab.uploads.thumbnail(Path(path)))


def pressed(**data: object) -> SimpleNamespace:
    return SimpleNamespace(_data=data)


def added(
    tab: EvaluateTab, query: object, items: list, *right: str, sets: LabelledQueries | None = None, who=None
) -> list:
    marks = pressed(action="add", relevant=[picture_key(tab, path) for path in right])
    return tab.label_handlers.add(query, items, sets or LabelledQueries(), marks, who or visitor())


def evaluated(
    tab: EvaluateTab, items: list, sets: LabelledQueries, *checked: bool, state: EvaluateState | None = None
) -> list[list]:
    """Run an evaluation and return all that it shows."""
    return list(tab.evaluate_handlers.evaluate(items, sets, state or EvaluateState(), visitor(), *checked))

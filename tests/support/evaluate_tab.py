"""The handlers of the tab “Evaluate”, called as Gradio calls them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from reranker import Reranker
from reranker.ui.downloads import Downloads
from reranker.ui.evaluate_tab.evaluate_handlers import EvaluateHandlers, EvaluateState
from reranker.ui.evaluate_tab.label_handlers import LabelHandlers, LabelledQueries
from reranker.ui.session.records import Picture
from reranker.ui.session.session import Session
from reranker.ui.session.sessions import Sessions
from reranker.ui.tabs import BrowserTabs
from reranker.ui.uploads import Uploads
from tests.support.visitor import visitor

# Checkboxes: yes-no, rating, low, usual, high.
ONE_METHOD, TWO_METHODS = (True, False, False, True, False), (True, True, False, True, False)


@dataclass(frozen=True, kw_only=True)
class EvaluateTab:
    """The parts of the tab that answer its events, and the session that the tab shows."""

    uploads: Uploads
    tabs: BrowserTabs
    session: Session
    label_handlers: LabelHandlers
    evaluate_handlers: EvaluateHandlers

    def show(self, paths: Sequence[str]) -> str:
        """Leave exactly these pictures in the session, and return its id. The id of a picture is its path's."""
        ids = [picture_id(path) for path in paths]
        self.session.remove([id_ for id_ in self.session.pictures if id_ not in ids])
        missing = [path for path in paths if picture_id(path) not in self.session.pictures]
        self.session.add([Picture(id=picture_id(path), name=Path(path).name, path=Path(path)) for path in missing])
        return self.session.id


def picture_id(path: str) -> str:
    return path.replace("/", "-")


def evaluate_tab(reranker: Reranker, folder: Path) -> EvaluateTab:
    uploads, tabs = Uploads(folder), BrowserTabs()
    sessions = Sessions(reranker, folder / "sessions")
    label_handlers = LabelHandlers(reranker, sessions, tabs)
    evaluate_handlers = EvaluateHandlers(reranker, Downloads.of(uploads, reranker), tabs, label_handlers)
    return EvaluateTab(
        uploads=uploads,
        tabs=tabs,
        session=sessions.create(""),
        label_handlers=label_handlers,
        evaluate_handlers=evaluate_handlers,
    )


def picture_key(tab: EvaluateTab, path: str) -> str:
    """The address by which the browser knows a picture."""
    return f"sessions/{tab.session.id}/pictures/{picture_id(path)}/thumbnail"


def pressed(**data: object) -> SimpleNamespace:
    return SimpleNamespace(_data=data)


def added(
    tab: EvaluateTab, query: object, items: list, *right: str, sets: LabelledQueries | None = None, who=None
) -> list:
    marks = pressed(action="add", relevant=[picture_key(tab, path) for path in right])
    return tab.label_handlers.add(tab.show(items), query, sets or LabelledQueries(), marks, who or visitor())


def evaluated(
    tab: EvaluateTab, items: list, sets: LabelledQueries, *checked: bool, state: EvaluateState | None = None
) -> list[list]:
    """Run an evaluation and return all that it shows."""
    session = tab.show(items)
    return list(tab.evaluate_handlers.evaluate(session, sets, state or EvaluateState(), visitor(), *checked))

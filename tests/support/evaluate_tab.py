"""The handlers of the tab “Evaluate”, called as Gradio calls them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reranker import Reranker, Settings
from reranker.core.errors import CheckpointNotDownloaded
from reranker.ui.evaluate_tab.evaluate_handlers import EvaluateHandlers
from reranker.ui.evaluate_tab.evaluation_runs import EvaluationRuns
from reranker.ui.evaluate_tab.label_handlers import LabelHandlers
from reranker.ui.evaluate_tab.values import VisibleSession
from reranker.ui.session.records import Picture
from reranker.ui.session.session import Session
from reranker.ui.session.sessions import Sessions
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.visitor import visitor

# Checkboxes: yes-no, rating, low, usual, high.
ONE_METHOD, TWO_METHODS = (True, False, False, True, False), (True, True, False, True, False)
OUTPUTS = ("labels_said", "grid", "queries", "query", "evaluation_said", "evaluation", "start", "stop")

Values = dict[str, Any]


def shown(outputs: list[Any]) -> Values:
    """The components that an event changes, by name."""
    named = dict(zip(OUTPUTS, outputs, strict=True))
    return {name: value for name, value in named.items() if value != {"__type__": "update"}}


async def _collected(stream: AsyncIterator[list[Any]]) -> list[Values]:
    return [shown(outputs) async for outputs in stream]


@dataclass(frozen=True, kw_only=True)
class EvaluateTab:
    """The parts of the tab that answer its events, and the session that the tab shows."""

    session: Session
    label_handlers: LabelHandlers
    evaluate_handlers: EvaluateHandlers

    @classmethod
    def of(cls, scorer: ScriptedScorer | Reranker, folder: Path) -> "EvaluateTab":
        settings = Settings.of(model="toybox", score_store_mb=0)
        reranker = scorer if isinstance(scorer, Reranker) else Reranker(scorer=scorer, settings=settings)
        sessions = Sessions(reranker, folder / "sessions")
        visible = VisibleSession(sessions)
        return cls(
            session=sessions.create(""),
            label_handlers=LabelHandlers(reranker, visible),
            evaluate_handlers=EvaluateHandlers(reranker, visible, EvaluationRuns(reranker, sessions)),
        )

    def show(self, paths: Sequence[str]) -> None:
        """Leave exactly these pictures in the session. The id of a picture is its path's."""
        ids = [picture_id(path) for path in paths]
        self.session.remove([id_ for id_ in self.session.pictures if id_ not in ids])
        missing = [path for path in paths if picture_id(path) not in self.session.pictures]
        self.session.add([Picture(id=picture_id(path), name=Path(path).name, path=Path(path)) for path in missing])

    def draw(self) -> Values:
        """What a browser shows that opens the tab."""
        return shown(self.evaluate_handlers.draw(self.session.id, visitor()))

    def add(self, query: object, *relevant: str) -> Values:
        """Add a sentence with the marked pictures."""
        marks = pressed(relevant=[picture_id(path) for path in relevant])
        return shown(self.label_handlers.add(self.session.id, query, marks, visitor()))

    def change(self, **data: object) -> Values:
        """Press something in the list of sentences."""
        return shown(self.label_handlers.change(self.session.id, pressed(**data), visitor()))

    def open_file(self, **data: object) -> Values:
        """Open a file of labelled sentences."""
        return shown(self.label_handlers.open_file(self.session.id, pressed(**data), visitor()))

    def order(self, query: str) -> list[Values]:
        """Let the model order the grid, and return all that it shows."""
        return asyncio.run(_collected(self.label_handlers.order(self.session.id, query, visitor())))

    def evaluate(self, *checked: object) -> list[Values]:
        """Run an evaluation, and return all that it shows."""
        return asyncio.run(_collected(self.evaluate_handlers.evaluate(self.session.id, visitor(), *checked)))

    def follow(self) -> list[Values]:
        """Return all that a second browser shows of an evaluation."""
        return asyncio.run(_collected(self.evaluate_handlers.follow(self.session.id, visitor())))

    def stop(self) -> Values:
        return shown(self.evaluate_handlers.stop(self.session.id, visitor()))


class Missing(Reranker):
    """A model whose files are not there."""

    def load(self):
        raise CheckpointNotDownloaded(name="lychee")


def picture_id(path: str) -> str:
    return path.replace("/", "-")


def pressed(**data: object) -> SimpleNamespace:
    return SimpleNamespace(_data=data)


def text(said: Values) -> str:
    """A message in English."""
    return said["text"]["en"]

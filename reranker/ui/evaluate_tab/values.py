"""What the tab “Evaluate” shows, as values of its components, in every language of the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final

import gradio as gr

from reranker.api import Reranker
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import LANGUAGES, phrase, phrases
from reranker.labelling.handlers import labelled_query_value
from reranker.ui.evaluate_tab.evaluation_runs import usable_queries
from reranker.ui.evaluate_tab.results_view import evaluation_value
from reranker.ui.session.labelled_queries import Labelled, PictureIndex
from reranker.ui.session.session import Session
from reranker.ui.session.sessions import Sessions
from reranker.ui.session.statuses import Said, said

QUIET: Final = said(dict.fromkeys(LANGUAGES, ""), "idle")
_serials: Final = count(1)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Values of the components; None leaves one as it is.

    labels_said, evaluation_said: messages under the sentence and under the button that evaluates; each action clears
    that of the one before. is_running: whether an evaluation is.
    """

    labels_said: Said | None = QUIET
    grid: dict[str, Any] | None = None
    queries: dict[str, Any] | None = None
    query: str | None = None
    evaluation_said: Said | None = QUIET
    evaluation: dict[str, Any] | None = None
    is_running: bool | None = None

    @property
    def outputs(self) -> list[Any]:
        """The values in the order of `EvaluateTab.outputs`."""
        labels_said, evaluation_said = (
            None if message is None else message.value for message in (self.labels_said, self.evaluation_said)
        )
        values = [labels_said, self.grid, self.queries, self.query, evaluation_said, self.evaluation]
        buttons = [None, None] if self.is_running is None else [not self.is_running, self.is_running]
        return [
            *(gr.skip() if value is None else value for value in values),
            *(gr.skip() if value is None else gr.update(interactive=value) for value in buttons),
        ]


class VisibleSession:
    """Finds the session that a tab of a browser shows."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def find(self, session: object, request: gr.Request) -> Session:
        """Return a session by its id. Raises `SessionUnknown`."""
        return self._sessions.find(session if isinstance(session, str) else "", request.username or "")

    def shown(self, session: Session | None, shown: Shown) -> list[Any]:
        """Return values of the components. An evaluation that runs writes its message itself."""
        is_running = session is not None and session.evaluation.is_running
        return (replace(shown, evaluation_said=None) if is_running else shown).outputs


def grid_value(
    session: Session | None,
    *,
    relevant: Sequence[str] | None = None,
    order: Sequence[str] | None = None,
    is_ordering: bool = False,
) -> dict[str, Any]:
    """Return the value of the grid.

    relevant: the pictures that it marks; None keeps the marks. order: the ids of all pictures, most relevant first;
    None keeps the order, unless other pictures are marked.
    """
    pictures = [] if session is None else list(session.pictures.values())
    return {
        "session": None if session is None else session.id,
        "pictures": [[picture.id, picture.name] for picture in pictures],
        "labels": {language: phrases("mark_", language) | phrases("likely_", language) for language in LANGUAGES},
        "relevant": relevant,
        "order": order,
        "is_ordering": is_ordering,
        "serial": next(_serials),
    }


def queries_value(session: Session | None) -> dict[str, Any]:
    """Return the value of the list of labelled queries."""
    present = [] if session is None else session.labelled.present(PictureIndex(session.pictures))
    return {
        "session": None if session is None else session.id,
        "queries": {language: [_list_item(each, language) for each in present] for language in LANGUAGES},
        "labels": {language: phrases("sets_", language) for language in LANGUAGES},
    }


def _list_item(labelled: Labelled, language: Language) -> dict[str, Any]:
    note = phrase("set_left_out", language) if labelled.problem else ""
    return {**labelled_query_value(labelled, language), "note": note}


def results_value(session: Session | None, reranker: Reranker) -> dict[str, Any]:
    """Return the value of the component with the results of the last complete evaluation, if there is one."""
    evaluated = None if session is None else session.evaluation.result
    if session is None or evaluated is None:
        return {}
    ids = {picture.path: id_ for id_, picture in session.pictures.items()}
    detail_levels = reranker.info.detail_levels
    is_outdated = usable_queries(session) != evaluated.queries
    values: Mapping[str, Any] = {
        language: evaluation_value(evaluated.evaluation, detail_levels, ids.get, language)
        | {"outdated": phrase("evaluation_outdated", language) if is_outdated else ""}
        for language in LANGUAGES
    }
    return {"session": session.id, **values}

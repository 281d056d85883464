"""The handlers of a page, called as Gradio calls them."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from reranker import Reranker, Settings
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.explain_handlers import ExplainHandlers
from reranker.ui.galleries import Galleries
from reranker.ui.history import History
from reranker.ui.model_status import ModelStatus
from reranker.ui.page import SAMPLES
from reranker.ui.rank_handlers import RankHandlers
from reranker.ui.sessions import BrowserSessions
from reranker.ui.upload_handlers import UploadHandlers
from reranker.ui.uploads import Uploads
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.visitor import visitor


@dataclass(frozen=True, kw_only=True)
class PageHandlers:
    """The parts of a page that answer its events."""

    uploads: Uploads
    upload_handlers: UploadHandlers
    rank_handlers: RankHandlers
    model_status: ModelStatus
    explain_handlers: ExplainHandlers


def page_handlers(reranker: Reranker, folder: Path) -> PageHandlers:
    uploads, sessions = Uploads(folder, Galleries(reranker.settings.server.galleries)), BrowserSessions()
    thumbnails = ThumbnailStore(uploads, reranker.limits, 2)
    return PageHandlers(
        uploads=uploads,
        upload_handlers=UploadHandlers(reranker, uploads, thumbnails, sessions, SAMPLES),
        rank_handlers=RankHandlers(reranker, uploads, thumbnails, sessions),
        model_status=ModelStatus(reranker, sessions),
        explain_handlers=ExplainHandlers(reranker, thumbnails, sessions),
    )


def scripted_page(scorer: ScriptedScorer, folder: Path, **settings: object) -> PageHandlers:
    return page_handlers(Reranker(scorer=scorer, settings=Settings.of(model="toybox", **settings)), folder)


def pressed(action: str, **place: object) -> SimpleNamespace:
    """The event of a click in the ranking."""
    return SimpleNamespace(_data={"action": action, **place})


def card_source(page: PageHandlers, history: History, place: int) -> str:
    """The address by which the browser knows the picture of a card of the first ranking."""
    return page.rank_handlers.draw(history, visitor())[0]["rankings"][0]["cards"][place]["src"]


def history_after(
    page: PageHandlers, query: str, items: list, history: History | None = None, language: str = "en"
) -> History:
    """Rank the pictures and return the history with the new ranking."""
    *_, (_, history, *_) = page.rank_handlers.rank(query, items, history or History(), visitor(language))
    return history

"""The page that the tests of sessions talk to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from reranker import Reranker, Settings
from tests.support.http_server import serving_page, serving_sessions
from tests.support.numbered_pictures import number_in
from tests.support.page_session import PageSession
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer

OpenPage = Callable[..., PageSession]


def prepared(reranker: Reranker) -> Reranker:
    """Import what is needed to choose a model, for which no request has to wait then."""
    assert reranker.model_name
    return reranker


@pytest.fixture
def open_page() -> Iterator[OpenPage]:
    """Serve sessions over a scripted scorer with these settings, or over a reranker, and return a new session."""
    with ExitStack() as stack:

        def open_(
            scorer: ScriptedScorer | None = None, *, reranker: Reranker | None = None, **settings: object
        ) -> PageSession:
            chosen = Settings.of(**{"model": "toybox", "score_store_mb": 0, **settings})
            scripted = Reranker(scorer=scorer or ScriptedScorer(judge=number_in), settings=chosen)
            url = stack.enter_context(serving_sessions(prepared(reranker or scripted)))
            return PageSession.create(stack.enter_context(httpx.Client(base_url=url, timeout=PATIENCE_S)))

        yield open_


@pytest.fixture(scope="session")
def shared_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one page for all tests, each of which makes a session of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        settings = Settings.of(model="toybox", score_store_mb=0)
        with serving_page(prepared(Reranker(scorer=ScriptedScorer(judge=number_in), settings=settings))) as url:
            patch.undo()
            with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
                yield client


@pytest.fixture
def session(shared_client: httpx.Client) -> PageSession:
    """A new session."""
    return PageSession.create(shared_client)

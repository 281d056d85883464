"""The page that the tests of the tab “Labels” talk to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.support.labelling_session import warmth
from tests.support.page_session import PageSession, opened
from tests.support.scripted_scorer import ScriptedScorer

OpenTab = Callable[..., PageSession]


@pytest.fixture
def open_tab() -> Iterator[OpenTab]:
    """Serve sessions without any dual encoder, and return a session."""
    with ExitStack() as stack:

        def open_(scorer: ScriptedScorer | None = None, **settings: object) -> PageSession:
            chosen = scorer or ScriptedScorer(judge=warmth)
            return PageSession.create(stack.enter_context(opened(chosen, **{"model": "lychee", **settings})))

        yield open_


@pytest.fixture(scope="session")
def tab_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one page for all tests, each of which makes a session of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        with opened(ScriptedScorer(judge=warmth), model="lychee") as client:
            patch.undo()
            yield client


@pytest.fixture
def tab(tab_client: httpx.Client) -> PageSession:
    """A session with a warm picture, a cold one, and one that is neither."""
    session = PageSession.create(tab_client)
    session.add(2, -2, 0.1)
    return session

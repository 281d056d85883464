"""The HTTP API as a server without the page."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from reranker import Reranker
from reranker.server.http_api import api_application
from tests.conftest import Serve
from tests.support.http_server import serving


@pytest.fixture
def serve_api() -> Iterator[Serve]:
    """Serves the API over a reranker, and returns its address."""
    with ExitStack() as stack:
        yield lambda reranker: stack.enter_context(serving(api_application(reranker)))


@pytest.fixture(scope="session")
def api_url(toybox: Reranker) -> Iterator[str]:
    """The API over the embedded model, which is loaded already."""
    toybox.load()
    with serving(api_application(toybox)) as url:
        yield url


@pytest.fixture(params=["serve_api", "serve"], ids=["alone", "with the page"])
def serve_both(request: pytest.FixtureRequest) -> Serve:
    """Serves the API alone in one run of the test, and next to the page in another."""
    return request.getfixturevalue(request.param)

"""The HTTP API as a server without the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reranker import Reranker
from reranker.server.http_api import api_application
from tests.support.document_forms import data_uri
from tests.support.http_server import serving


@pytest.fixture(scope="session")
def api_url(toybox: Reranker) -> Iterator[str]:
    """The API over the embedded model, which is loaded already."""
    toybox.load()
    with serving(api_application(toybox)) as url:
        yield url


@pytest.fixture(scope="session")
def pictures(drawings: list[Path]) -> list[str]:
    """A red house, a blue car, a black cat, a yellow ball, as data URIs."""
    return [data_uri(path.read_bytes()) for path in drawings]

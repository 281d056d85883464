"""The HTTP API as a server without the page."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reranker import Reranker
from reranker.images.limits import Limits
from reranker.server.http_api import api_application
from tests.support.document_forms import data_uri
from tests.support.http_server import serving

if TYPE_CHECKING:
    from reranker.models.loading import Checkpoint


@pytest.fixture(scope="session")
def api_url(toybox: Reranker) -> Iterator[str]:
    """The API over the embedded model, which is loaded already."""
    toybox.load()
    with serving(api_application(toybox)) as url:
        yield url


@pytest.fixture(scope="session")
def example_api_url(checkpoint: "Checkpoint") -> Iterator[str]:
    """The API over the embedded model as if it knew queries with a picture, which it was not trained with."""
    from reranker.engine.cross_encoder import CrossEncoder  # noqa: PLC0415 - loads torch
    from reranker.engine.feature_cache import FeatureCache  # noqa: PLC0415

    scorer = CrossEncoder(replace(checkpoint, takes_example=True), limits=Limits(), cache=FeatureCache(10**8))
    with serving(api_application(Reranker(scorer=scorer))) as url:
        yield url


@pytest.fixture(scope="session")
def pictures(drawings: list[Path]) -> list[str]:
    """A red house, a blue car, a black cat, a yellow ball, as data URIs."""
    return [data_uri(path.read_bytes()) for path in drawings]

"""The uploads and the handlers that the tests of the tab start from."""

import pytest

from reranker import Reranker, Settings
from tests.support.evaluate_tab import EvaluateTab, evaluate_tab
from tests.support.scripted_scorer import ScriptedScorer, number

VALUES = ("-1.5", "2.5", "0.5", "1.5")


@pytest.fixture
def numbers(upload_folder) -> list[str]:
    """Uploaded files that hold their own log-odds; two of them have one name."""
    paths = [upload_folder / str(place) / name for place, name in enumerate(("a.png", "b.png", "a.png", "猫.png"))]
    for path, value in zip(paths, VALUES, strict=True):
        path.parent.mkdir()
        path.write_text(value)
    return [str(path) for path in paths]


@pytest.fixture
def tab(upload_folder) -> EvaluateTab:
    scorer = ScriptedScorer(judge=number)
    return evaluate_tab(Reranker(scorer=scorer, settings=Settings.of(model="toybox", score_store_mb=0)), upload_folder)

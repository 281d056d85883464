"""The pictures and the handlers that the tests of the tab start from."""

from pathlib import Path

import pytest

from tests.support.evaluate_tab import EvaluateTab
from tests.support.scripted_scorer import ScriptedScorer, number

VALUES = ("-1.5", "2.5", "0.5", "1.5")


@pytest.fixture
def numbers(tmp_path: Path) -> list[str]:
    """Files that hold their own log-odds; two of them have one name."""
    paths = [tmp_path / str(place) / name for place, name in enumerate(("a.png", "b.png", "a.png", "猫.png"))]
    for path, value in zip(paths, VALUES, strict=True):
        path.parent.mkdir()
        path.write_text(value)
    return [str(path) for path in paths]


@pytest.fixture
def tab(tmp_path: Path, numbers: list[str]) -> EvaluateTab:
    """A tab that shows the four pictures."""
    opened = EvaluateTab.of(ScriptedScorer(judge=number), tmp_path)
    opened.show(numbers)
    return opened

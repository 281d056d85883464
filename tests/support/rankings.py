"""Rankings written by hand."""

from pathlib import Path

from reranker.core.errors import PictureError
from reranker.core.types import Candidate, Failed, Query, Ranking, Score, Scored


def scored(name: str, log_odds: float, source: Path | bytes = b"", position: int = 0) -> Scored:
    score = Score(log_odds=log_odds, visual_tokens=1, latency_ms=1.0)
    return Scored(position=position, candidate=Candidate(name=name, source=source), score=score)


def failed(error: PictureError, position: int = 0) -> Failed:
    return Failed(position=position, candidate=Candidate(name=error.name, source=b""), error=error)


def ranking(
    *results: Scored | Failed, temperature: float = 1.0, query: str = "红裙子 red dress", exclude: str = ""
) -> Ranking:
    return Ranking(
        query=Query(text=query, exclude=exclude),
        fingerprint="f1",
        temperature=temperature,
        scored=tuple(result for result in results if isinstance(result, Scored)),
        failed=tuple(result for result in results if isinstance(result, Failed)),
    )

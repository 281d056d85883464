"""Results of single pictures, for tests of how they are shown."""

from pathlib import Path

from reranker import Candidate, Failed, Score, Scored


def scored(position: int, log_odds: float, name: str = "a.png", visual_tokens: int = 49) -> Scored:
    score = Score(log_odds=log_odds, visual_tokens=visual_tokens, latency_ms=1)
    return Scored(position=position, candidate=Candidate(name=name, source=Path(name)), score=score)


def failed(position: int, error: Exception) -> Failed:
    return Failed(position=position, candidate=Candidate(name=error.name, source=Path(error.name)), error=error)

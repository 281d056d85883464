"""Ranks pictures by how well each fits a sentence, with a Qwen2.5-VL cross-encoder, on this machine.

Importing this loads neither torch nor gradio.
"""

from reranker.api import Reranker
from reranker.config.settings import Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import RerankerError
from reranker.core.types import Candidate, Explanation, Failed, GeneratedRating, Query, Ranking, Score, Scored
from reranker.version import __version__

__all__ = [
    "Cancellation",
    "Candidate",
    "Explanation",
    "Failed",
    "GeneratedRating",
    "Query",
    "Ranking",
    "Reranker",
    "RerankerError",
    "Score",
    "Scored",
    "Settings",
    "__version__",
]

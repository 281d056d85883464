"""Ranks pictures by how well each fits a sentence, with a Qwen2.5-VL cross-encoder, on this machine.

Importing this loads neither torch nor gradio.
"""

from reranker.errors import RerankerError
from reranker.reranker import Reranker
from reranker.settings import Settings
from reranker.types import Candidate, Explanation, Failed, Judgement, Query, Ranking, Scored, Words
from reranker.version import __version__

__all__ = [
    "Candidate",
    "Explanation",
    "Failed",
    "Judgement",
    "Query",
    "Ranking",
    "Reranker",
    "RerankerError",
    "Scored",
    "Settings",
    "Words",
    "__version__",
]

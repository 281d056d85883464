"""Ranks pictures by how well each fits a sentence, with a Qwen2.5-VL cross-encoder, on this machine.

Importing this loads neither torch nor gradio. It sets environment variables for torch that nobody has set.
"""

from reranker.api import Reranker
from reranker.config import torch_environment
from reranker.config.settings import Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import RerankerError
from reranker.core.types import Candidate, Explanation, Failed, GeneratedRating, Query, Ranking, Score, Scored
from reranker.version import __version__

torch_environment.prepare()  # here, since every way into the program passes here before torch is imported

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

"""Create scoring methods by their names."""

from reranker.core.types import Scoring
from reranker.models.loading import Checkpoint
from reranker.models.scoring.method import ScoringMethod
from reranker.models.scoring.prompts import INSTRUCTIONS
from reranker.models.scoring.rating import Rating
from reranker.models.scoring.yes_no import YesNo


def make_scoring_method(checkpoint: Checkpoint, scoring: Scoring, instruction: str) -> ScoringMethod:
    """Create the scoring method that the settings name.

    instruction: a name of `INSTRUCTIONS`, a sentence, or empty for that of the checkpoint. Ratings ignore it.
    """
    if scoring == "rating":
        return Rating(checkpoint)
    return YesNo(checkpoint, INSTRUCTIONS.get(instruction, instruction) or checkpoint.instruction)

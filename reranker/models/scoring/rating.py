"""Score by the expected rating: the mean of all answers of the form "Score: X.X", weighted by their probabilities.

The answers are 0.0 to 9.9 and 10.0. Their first digits follow the prompt, and each first digit is followed by a point
and a decimal, so ten short branches after the image give the probabilities of all of them in one packed pass. Nothing
is generated, and no answer is preferred: the score is a continuous function of the model's logits, as with G-Eval
(arXiv 2303.16634), which weights ratings by their probabilities too.
"""

from collections.abc import Sequence
from typing import Final, cast

import torch
from torch.nn.functional import log_softmax

from reranker.core.errors import CheckpointUnsupported
from reranker.models.architecture import ImageSequence, PrefixKV
from reranker.models.layers.transfer import to_device
from reranker.models.loading import Checkpoint
from reranker.models.scoring.method import Document, Example, ScoredDocument
from reranker.models.scoring.prompt_cache import PromptCache
from reranker.models.scoring.prompts import RATING_ANSWER, RATING_FORM, SuffixLength

DIGITS: Final = "0123456789"
POINT: Final = len(DIGITS)  # index of the point in the logits, after the digits
HIGHEST: Final = 10.0
RATINGS: Final = (*(tenths / 10 for tenths in range(100)), HIGHEST)
# Half of the difference between two ratings. The log-odds treat 0 and 10 as this far from the ends of the scale: one
# decimal cannot tell more, and the logit of the ends would be infinite.
HALF_STEP: Final = 0.05


class Rating:
    """A `ScoringMethod` for models that were not trained to say yes or no.

    Raises `CheckpointUnsupported` if the tokenizer does not write a rating digit by digit.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._model, self._prompts = checkpoint.model, PromptCache(checkpoint, RATING_ANSWER, "")
        ids = _token_ids(checkpoint)
        self._branches = tuple((digit, ids[POINT]) for digit in ids[:POINT])
        self._output = checkpoint.output_weight[ids].detach().float().to(checkpoint.device)  # (11, hidden)

    @property
    def identity(self) -> tuple[str, ...]:
        """The prompt and its version."""
        return RATING_ANSWER.version, RATING_ANSWER.template

    @property
    def temperature(self) -> float:
        """The temperature of the displayed score: 1, which displays the rating itself."""
        return 1.0

    def query_tokens(self, query: str, example: Example | None = None) -> int:
        """Return the tokens before an image, with those of the example."""
        return self._prompts.query_tokens(query, example)

    @property
    def text_length(self) -> SuffixLength:
        """Counts the tokens after an image with a text, whatever the query, and those of the branches."""
        return self._prompts.suffix_length(branches=sum(map(len, self._branches)))

    def run(self, query: str, documents: Sequence[Document], example: Example | None = None) -> torch.Tensor:
        """Return log-odds and the index of the most probable rating, (documents, 2), by one packed pass."""
        return self._numbers(self._prompts.prefix(query, example), self._prompts.sequences(documents))

    def run_each(self, queries: Sequence[str], documents: Sequence[Document]) -> torch.Tensor:
        """Return the same with a query of its own for each document, by one packed pass."""
        prefix, before = self._prompts.shared_prefix(queries)
        return self._numbers(prefix, self._prompts.sequences(documents, before))

    def _numbers(self, prefix: PrefixKV, sequences: Sequence[ImageSequence]) -> torch.Tensor:
        states = self._model.last_hidden(prefix, sequences, self._branches)
        probabilities = rating_probabilities(states.float() @ self._output.T)
        return torch.stack((rating_log_odds(probabilities), probabilities.argmax(dim=1).float()), dim=1)

    def read(self, numbers: torch.Tensor) -> list[ScoredDocument]:
        """Return the log-odds as scores, with the most probable answer."""
        return [
            ScoredDocument(log_odds=log_odds, generated_text=RATING_FORM.format(RATINGS[int(index)]))
            for log_odds, index in numbers.tolist()
        ]


def _token_ids(checkpoint: Checkpoint) -> list[int]:
    """Return the ids of the digits and of the point, which must be tokens of their own within an answer."""
    tokenizer = checkpoint.tokenizer
    start = tokenizer.encode(RATING_FORM.partition("{")[0], add_special_tokens=False)
    ids = cast(list[int], tokenizer.convert_tokens_to_ids([*DIGITS, "."]))
    for rating, digits in ((2.7, (2, POINT, 7)), (HIGHEST, (1, 0, POINT, 0))):
        expected = [*start, *(ids[digit] for digit in digits)]
        if tokenizer.encode(RATING_FORM.format(rating), add_special_tokens=False) != expected:
            raise CheckpointUnsupported(name=checkpoint.name, reason="its tokenizer does not write numbers by digits")
    return ids


def rating_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Return the probabilities of `RATINGS`, (images, 101), float32, which add up to 1.

    They are those of the model, given that its answer has the form: the next token is one of the tokens that continue
    some rating.

    logits: of the ten digits and the point, float32 (images, 21, 11): before the first digit; then for each first digit
        after it, and after the point that follows it.
    """
    first = log_softmax(logits[:, 0, :POINT], dim=1)  # (images, 10)
    after_digit, after_point = logits[:, 1:].unflatten(1, (len(DIGITS), 2)).unbind(2)  # (images, 10, 11) each
    decimals = log_softmax(after_point[..., :POINT], dim=2)  # (images, 10, 10)
    after_one = after_digit[:, 1]
    point_or_zero = log_softmax(torch.stack((after_one[:, POINT], after_one[:, 0]), dim=1), dim=1)  # (images, 2)
    tenths = first[:, :, None] + decimals
    below_ten = torch.cat((tenths[:, :1], tenths[:, 1:2] + point_or_zero[:, :1, None], tenths[:, 2:]), dim=1)
    ten = first[:, 1:2] + point_or_zero[:, 1:]
    return torch.cat((below_ten.flatten(1), ten), dim=1).exp()


def rating_log_odds(probabilities: torch.Tensor) -> torch.Tensor:
    """Return the logit of the expected rating's place on the scale, (images,), within +-log(10.05 / 0.05) = 5.3.

    Both distances from the ends are sums of positive terms, so that they are exact to the precision of the terms.

    probabilities: of `RATINGS`, (images, 101).
    """
    ratings = to_device(torch.tensor(RATINGS, dtype=probabilities.dtype), probabilities.device)
    above, below = probabilities @ ratings, probabilities @ (HIGHEST - ratings)
    return ((above + HALF_STEP) / (below + HALF_STEP)).log()

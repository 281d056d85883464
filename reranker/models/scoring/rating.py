"""Score by a rating that the model generates, for several images at once, and by the expectation over its digits.

Sequences are padded on the left, and run with the attention, cache and masks of transformers. Most of the time is spent
on the images; only a few tokens are generated after them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch.nn.functional import linear, pad
from transformers import DynamicCache

from reranker.models.architecture import ImageFeatures
from reranker.models.loading import Checkpoint
from reranker.models.scoring.method import Document, ScoredDocument
from reranker.models.scoring.prompts import RATING, EncodedPrompt, encode_prompt
from reranker.models.scoring.rating_parser import read_rating

MAX_NEW_TOKENS: Final = 12
DIGITS: Final = "0123456789"
END: Final = "<|im_end|>"
MEAN_DECIMALS: Final = 0.45  # mean of .0 to .9, for first digits whose decimals were not computed
MIN_PROBABILITY: Final = 0.001  # of a "1", from which it matters whether a "0" follows
RATING_MARGIN: Final = 1e-9  # distance from 0 and 10: at the ends log-odds would be infinite
SAME_RATING: Final = 0.01


@dataclass(frozen=True, kw_only=True)
class DigitRating:
    """A rating by its digits, 0 to 10.

    written: the generated rating. expected: the mean over the first digits, weighted by their probabilities; "10" is
        separate from the other ratings that begin with "1". The decimals after the generated first digit are weighted
        by their probabilities, too.
    """

    written: float
    expected: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The generated text; `rating` if it has a rating by its digits."""

    text: str
    rating: DigitRating | None


class Rating:
    """A `ScoringMethod` that generates "Score: X.X", for models that were not trained to say yes or no.

    The score is the expected rating, which does not tie; if the digits have another form it is the rating in the text.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._tokenizer, self._generator = checkpoint.tokenizer, RatingGenerator(checkpoint)

    @property
    def identity(self) -> tuple[str, ...]:
        """The prompt and its version."""
        return RATING.version, RATING.template

    @property
    def temperature(self) -> float:
        """The temperature of the displayed score: 1, which displays the rating itself."""
        return 1.0

    def text_tokens(self, text: str) -> int:
        """Return the tokens after an image with this text, whatever the query, and those to generate."""
        return len(encode_prompt(self._tokenizer, RATING, "", text=text).after) + MAX_NEW_TOKENS

    def score(self, query: str, documents: Sequence[Document]) -> list[ScoredDocument]:
        """Generate a rating for each document; NaN if its text has none."""
        prompts = [encode_prompt(self._tokenizer, RATING, query, text=document.text) for document in documents]
        answers = self._generator.generate([document.image for document in documents], prompts)
        return [ScoredDocument(log_odds=_log_odds(answer), generated_text=answer.text) for answer in answers]


def _log_odds(answer: Answer) -> float:
    """Return logit(rating / 10), of the expected rating if text and digits agree on the rating that was written."""
    parsed, digits = read_rating(answer.text), answer.rating
    if parsed is None:
        return math.nan
    rating = digits.expected if digits is not None and abs(digits.written - parsed) < SAME_RATING else parsed
    share = min(max(rating, RATING_MARGIN), 10 - RATING_MARGIN) / 10
    return math.log(share / (1 - share))


@dataclass
class _Sequence:
    """Generated token ids, and for each position the probabilities of the ten digits there."""

    ids: list[int]
    digits: list[list[float]]
    ended: bool = False


class _Batch:
    """Sequences that grow by one token at a time, padded on the left.

    states: hidden states at the last positions, (sequences, hidden).
    """

    def __init__(self, language: Any, sequences: Sequence[torch.Tensor], positions: Sequence[torch.Tensor]) -> None:
        """Run the language tower once.

        sequences: (tokens, hidden) each. positions: (3, tokens) each, as `VisionLanguageModel.positions` returns them.
        """
        self._language, self._cache = language, DynamicCache(config=language.config)
        longest = max(map(len, sequences))
        states = torch.stack([pad(sequence, (0, 0, longest - len(sequence), 0)) for sequence in sequences])
        padded = torch.stack([pad(each, (longest - each.shape[1], 0)) for each in positions], dim=1).to(states.device)
        mask = [torch.arange(longest) >= longest - len(sequence) for sequence in sequences]
        self._mask = torch.stack(mask).to(states.device)
        self._next = padded.amax(dim=(0, 2)) + 1
        self.states = self._run(states, padded)

    def append(self, tokens: torch.Tensor) -> None:
        """Append one token to each sequence; tokens: embeddings (sequences, hidden)."""
        self._mask = pad(self._mask, (0, 1), value=True)
        positions = self._next.expand(3, -1)[..., None]
        self._next = self._next + 1
        self.states = self._run(tokens[:, None], positions)

    def _run(self, states: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        output = self._language(
            inputs_embeds=states,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        )
        return cast(torch.Tensor, output.last_hidden_state[:, -1])


class RatingGenerator:
    """Generates answers greedily, with the most probable token at each position."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._model, self._tokenizer = checkpoint.model, checkpoint.tokenizer
        self._output = checkpoint.output_weight
        self._ends = {self._tokenizer.convert_tokens_to_ids(END), self._tokenizer.eos_token_id}
        self._digits = [self._tokenizer.convert_tokens_to_ids(digit) for digit in DIGITS]
        self._point = self._tokenizer.convert_tokens_to_ids(".")

    def generate(self, images: Sequence[ImageFeatures], prompts: Sequence[EncodedPrompt]) -> list[Answer]:
        """Return one answer per image and its prompt."""
        sequences = [_Sequence(ids=[], digits=[]) for _ in images]
        batch = self._start(images, [(*prompt.before,) for prompt in prompts], [prompt.after for prompt in prompts])
        for _ in range(MAX_NEW_TOKENS):
            chosen, digits = self._next(batch)
            for sequence, token, probabilities in zip(sequences, chosen, digits, strict=True):
                self._append(sequence, token, probabilities)
            if all(sequence.ended for sequence in sequences):
                break
            batch.append(self._model.embed(chosen))
        tens = self._ten_probabilities(images, prompts, sequences)
        return [
            Answer(text=str(self._tokenizer.decode(sequence.ids)).strip(), rating=self._rating(sequence, ten))
            for sequence, ten in zip(sequences, tens, strict=True)
        ]

    def _start(
        self, images: Sequence[ImageFeatures], before: Sequence[tuple[int, ...]], after: Sequence[tuple[int, ...]]
    ) -> _Batch:
        sequences, positions = [], []
        for image, first, last in zip(images, before, after, strict=True):
            texts = self._model.embed(first), self._model.embed(last)
            sequences.append(torch.cat((texts[0], image.tokens.to(texts[0]), texts[1])))
            positions.append(self._model.positions(len(first), image, len(last)))
        return _Batch(self._model.language, sequences, positions)

    def _next(self, batch: _Batch) -> tuple[list[int], list[list[float]]]:
        """Return the most probable token of each sequence, and the probabilities of the digits, in float32."""
        states = batch.states.to(self._output)
        logits = linear(states, self._output).float()
        exact = linear(states.float(), self._output[self._digits].float())
        probabilities = (exact - logits.logsumexp(dim=-1, keepdim=True)).exp()
        return logits.argmax(dim=-1).tolist(), probabilities.tolist()

    def _append(self, sequence: _Sequence, token: int, probabilities: list[float]) -> None:
        sequence.ended = sequence.ended or token in self._ends
        if not sequence.ended:
            sequence.ids.append(token)
        if len(sequence.digits) <= len(sequence.ids):  # also for the position after the last token
            sequence.digits.append(probabilities)

    def _first_digit(self, sequence: _Sequence) -> int | None:
        """Return the position of the first digit, or None."""
        return next((position for position, token in enumerate(sequence.ids) if token in self._digits), None)

    def _ten_probabilities(
        self, images: Sequence[ImageFeatures], prompts: Sequence[EncodedPrompt], sequences: Sequence[_Sequence]
    ) -> list[float]:
        """Return for each sequence the probability of a "0" after a "1" as its first digit; 0 if "1" is improbable.

        If the model generated another digit, it is run again with a "1" after the same text.
        """
        tens, again = [0.0] * len(sequences), []
        for number, sequence in enumerate(sequences):
            position = self._first_digit(sequence)
            if position is None:
                continue
            if sequence.ids[position] == self._digits[1]:
                has_next = position + 1 < len(sequence.digits)
                tens[number] = sequence.digits[position + 1][0] if has_next else 0.0
            elif sequence.digits[position][1] > MIN_PROBABILITY:
                again.append((number, (*prompts[number].after, *sequence.ids[:position], self._digits[1])))
        if again:
            numbers, after = zip(*again, strict=True)
            batch = self._start([images[n] for n in numbers], [prompts[n].before for n in numbers], after)
            for number, probabilities in zip(numbers, self._next(batch)[1], strict=True):
                tens[number] = probabilities[0]
        return tens

    def _rating(self, sequence: _Sequence, ten: float) -> DigitRating | None:
        """Return the rating by its digits; None if they are not "D", "D.D" or "10"."""
        position = self._first_digit(sequence)
        if position is None:
            return None
        digit, rest = self._digits.index(sequence.ids[position]), [*sequence.ids[position + 1 :], None, None]
        following, decimal = rest[0], rest[1]
        decimals = MEAN_DECIMALS
        written = float(digit)
        if following == self._point and decimal in self._digits:
            written += self._digits.index(decimal) / 10
            decimals = _mean(sequence.digits[position + 2]) / 10
        elif digit == 1 and following == self._digits[0] and decimal not in self._digits:
            written = 10.0
        elif following in self._digits:
            return None
        return DigitRating(written=written, expected=expected_rating(sequence.digits[position], ten, digit, decimals))


def expected_rating(first: Sequence[float], ten: float, written: int, decimals: float) -> float:
    """Return the mean of the ratings 0 to 10.

    first: probabilities (10,) of the first digit, which need not add up to 1. ten: probability of a "0" after a "1".
    written, decimals: a first digit, and the mean of the decimals after it (0 to 0.9).
    """
    ratings = [digit + (decimals if digit == written else MEAN_DECIMALS) for digit in range(len(DIGITS))]
    ratings[1] = 10 * ten + ratings[1] * (1 - ten)
    return sum(rating * share for rating, share in zip(ratings, first, strict=True)) / sum(first)


def _mean(digits: Sequence[float]) -> float:
    return sum(digit * share for digit, share in enumerate(digits)) / sum(digits)

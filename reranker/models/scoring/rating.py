"""A rating in the model's own words, of several pictures at once; and what its digits say besides.

Padded at the left, with transformers' own attention, cache and masks: what takes time here is the language tower over
the pictures, and then a few tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch.nn.functional import linear, pad
from transformers import DynamicCache

from reranker.models.loading import Checkpoint
from reranker.models.qwen2_5_vl.language import embedded, rope_positions
from reranker.models.qwen2_5_vl.vision import ImageFeatures
from reranker.models.scoring.prompts import EncodedPrompt

MOST_TOKENS: Final = 12
DIGITS: Final = "0123456789"
END: Final = "<|im_end|>"
DECIMALS_UNSEEN: Final = 0.45  # mean of .0 to .9, for digits behind which the model was not followed
WORTH_FOLLOWING: Final = 0.001  # probability of a "1", from which it matters whether a "0" comes behind it


@dataclass(frozen=True, kw_only=True)
class DigitRating:
    """A rating by its digits, 0 to 10: the one that was written, and the one that is to be expected.

    The expected one weighs each first digit by its probability, "10" apart from the other ratings that begin with "1",
    and the decimals that follow the digit that was written by theirs.
    """

    written: float
    expected: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model wrote; `rating` where that has a rating by its digits."""

    words: str
    rating: DigitRating | None


@dataclass
class _Written:
    """An answer as it grows: ids of its tokens, and for each the probabilities of the ten digits in its place."""

    ids: list[int]
    digits: list[list[float]]
    ended: bool = False


class _Batch:
    """Sequences that grow by a token at a time, padded at the left; `states` (sequences, hidden) at their ends."""

    def __init__(self, language: Any, sequences: Sequence[torch.Tensor], positions: Sequence[torch.Tensor]) -> None:
        """sequences: (tokens, hidden) of each. positions: (3, tokens) of each, as `rope_positions` has them."""
        self._language, self._cache = language, DynamicCache(config=language.config)
        longest = max(map(len, sequences))
        states = torch.stack([pad(one, (0, 0, longest - len(one), 0)) for one in sequences])
        places = torch.stack([pad(one, (longest - one.shape[1], 0)) for one in positions], dim=1).to(states.device)
        self._mask = torch.stack([torch.arange(longest) >= longest - len(one) for one in sequences]).to(states.device)
        self._next = places.amax(dim=(0, 2)) + 1
        self.states = self._run(states, places)

    def grow(self, tokens: torch.Tensor) -> None:
        """By one token each, (sequences, hidden)."""
        self._mask = pad(self._mask, (0, 1), value=True)
        places = self._next.expand(3, -1)[..., None]
        self._next = self._next + 1
        self.states = self._run(tokens[:, None], places)

    def _run(self, states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        output = self._language(
            inputs_embeds=states,
            attention_mask=self._mask,
            position_ids=places,
            past_key_values=self._cache,
            use_cache=True,
        )
        return cast(torch.Tensor, output.last_hidden_state[:, -1])


class Generator:
    """Writes answers, at each place the likeliest token."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._language, self._tokenizer = checkpoint.language, checkpoint.tokenizer
        self._output = checkpoint.output_weight
        self._ends = {self._tokenizer.convert_tokens_to_ids(END), self._tokenizer.eos_token_id}
        self._digits = [self._tokenizer.convert_tokens_to_ids(digit) for digit in DIGITS]
        self._point = self._tokenizer.convert_tokens_to_ids(".")

    def answers(self, pictures: Sequence[ImageFeatures], prompts: Sequence[EncodedPrompt]) -> list[Answer]:
        """One for each picture and its prompt."""
        written = [_Written(ids=[], digits=[]) for _ in pictures]
        batch = self._read(pictures, [(*prompt.before,) for prompt in prompts], [prompt.after for prompt in prompts])
        for _ in range(MOST_TOKENS):
            chosen, digits = self._next(batch)
            for one, token, probabilities in zip(written, chosen, digits, strict=True):
                self._write(one, token, probabilities)
            if all(one.ended for one in written):
                break
            batch.grow(embedded(self._language, chosen))
        tens = self._tens(pictures, prompts, written)
        return [
            Answer(words=str(self._tokenizer.decode(one.ids)).strip(), rating=self._rating(one, ten))
            for one, ten in zip(written, tens, strict=True)
        ]

    def _read(
        self, pictures: Sequence[ImageFeatures], before: Sequence[tuple[int, ...]], after: Sequence[tuple[int, ...]]
    ) -> _Batch:
        sequences, positions = [], []
        for picture, first, last in zip(pictures, before, after, strict=True):
            texts = embedded(self._language, first), embedded(self._language, last)
            sequences.append(torch.cat((texts[0], picture.tokens.to(texts[0]), texts[1])))
            positions.append(rope_positions(len(first), picture.rows, picture.columns, len(last)))
        return _Batch(self._language, sequences, positions)

    def _next(self, batch: _Batch) -> tuple[list[int], list[list[float]]]:
        """The likeliest token of each sequence, and the probabilities of the digits; in float32."""
        states = batch.states.to(self._output)
        logits = linear(states, self._output).float()
        exact = linear(states.float(), self._output[self._digits].float())
        probabilities = (exact - logits.logsumexp(dim=-1, keepdim=True)).exp()
        return logits.argmax(dim=-1).tolist(), probabilities.tolist()

    def _write(self, one: _Written, token: int, probabilities: list[float]) -> None:
        one.ended = one.ended or token in self._ends
        if not one.ended:
            one.ids.append(token)
        if len(one.digits) <= len(one.ids):  # also of the place behind the last token
            one.digits.append(probabilities)

    def _first_digit(self, one: _Written) -> int | None:
        return next((place for place, token in enumerate(one.ids) if token in self._digits), None)

    def _tens(
        self, pictures: Sequence[ImageFeatures], prompts: Sequence[EncodedPrompt], written: Sequence[_Written]
    ) -> list[float]:
        """Of each, the probability of a "0" behind a "1" in the place of the first digit; 0 where no "1" is likely.

        Where the model wrote another digit it is followed behind a "1", with what it wrote before.
        """
        tens, asked = [0.0] * len(written), []
        for number, one in enumerate(written):
            place = self._first_digit(one)
            if place is None:
                continue
            if one.ids[place] == self._digits[1]:
                tens[number] = one.digits[place + 1][0] if place + 1 < len(one.digits) else 0.0
            elif one.digits[place][1] > WORTH_FOLLOWING:
                asked.append((number, (*prompts[number].after, *one.ids[:place], self._digits[1])))
        if asked:
            numbers, after = zip(*asked, strict=True)
            batch = self._read([pictures[n] for n in numbers], [prompts[n].before for n in numbers], after)
            for number, probabilities in zip(numbers, self._next(batch)[1], strict=True):
                tens[number] = probabilities[0]
        return tens

    def _rating(self, one: _Written, ten: float) -> DigitRating | None:
        """None where the digits that were written are not "D", "D.D" or "10"."""
        place = self._first_digit(one)
        if place is None:
            return None
        digit, rest = self._digits.index(one.ids[place]), [*one.ids[place + 1 :], None, None]
        behind, decimal = rest[0], rest[1]
        decimals = DECIMALS_UNSEEN
        written = float(digit)
        if behind == self._point and decimal in self._digits:
            written += self._digits.index(decimal) / 10
            decimals = _mean(one.digits[place + 2]) / 10
        elif digit == 1 and behind == self._digits[0] and decimal not in self._digits:
            written = 10.0
        elif behind in self._digits:
            return None
        return DigitRating(written=written, expected=expected_rating(one.digits[place], ten, digit, decimals))


def expected_rating(first: Sequence[float], ten: float, written: int, decimals: float) -> float:
    """The mean of ratings 0 to 10.

    first: probabilities (10,) of the first digit, which need not add up to 1. ten: that of a "0" behind a "1".
    written, decimals: a first digit, and the mean of the decimals behind it (0 to 0.9).
    """
    ratings = [digit + (decimals if digit == written else DECIMALS_UNSEEN) for digit in range(len(DIGITS))]
    ratings[1] = 10 * ten + ratings[1] * (1 - ten)
    return sum(rating * share for rating, share in zip(ratings, first, strict=True)) / sum(first)


def _mean(digits: Sequence[float]) -> float:
    return sum(digit * share for digit, share in enumerate(digits)) / sum(digits)

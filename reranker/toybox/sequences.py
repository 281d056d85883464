"""Padded batches of prompts and pictures for training; the common prefix of all prompts runs once in each step."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedTokenizerFast
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextModel

from reranker.models.layers.multimodal_positions import rope_positions
from reranker.models.scoring.prompts import EncodedPrompt, Layout, encode_prompt
from reranker.toybox.differentiable_attention import MATRIX_ATTENTION, causal_mask

NO_ANSWER = -100  # the label that torch's cross_entropy ignores


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prompt and a picture.

    tokens: visual tokens, (rows * columns, hidden). answer: token ids to generate after the prompt, or empty.
    """

    prompt: EncodedPrompt
    tokens: torch.Tensor
    rows: int
    columns: int
    answer: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PairBatch:
    """B pairs, padded at the right to L positions, without the common prefix.

    ids: int64 (B, L). positions: int64 (3, B, L), for rotary embeddings. image: bool (B, L), whether a position is a
    visual token. first_image, last: int64 (B,), indices into L of the first visual token and of the last token of the
    prompt, whose state is the answer. answers: int64 (B, longest answer), `NO_ANSWER` after the end. visual: the visual
    tokens of all pairs, (image positions, hidden).
    """

    ids: torch.Tensor
    positions: torch.Tensor
    image: torch.Tensor
    first_image: torch.Tensor
    last: torch.Tensor
    answers: torch.Tensor
    visual: torch.Tensor

    def to(self, device: str) -> "PairBatch":
        """A copy on a device."""
        return PairBatch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


class PromptPrefix:
    """The tokens at the start of every prompt of a layout."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, layout: Layout) -> None:
        self.tokenizer, self.layout = tokenizer, layout
        first, second = (encode_prompt(tokenizer, layout, query).before for query in ("a", "红"))
        length = next(i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
        self.ids = first[:length]

    def encode(self, query: str) -> EncodedPrompt:
        """The prompt of a query, without the prefix."""
        prompt = encode_prompt(self.tokenizer, self.layout, query)
        return EncodedPrompt(before=prompt.before[len(self.ids) :], after=prompt.after)

    def cache(self, language: Qwen2_5_VLTextModel, copies: int) -> DynamicCache:
        """Keys and values of the prefix, computed once and shared by `copies` pairs; gradients flow through them."""
        embedded = language.embed_tokens(torch.tensor([self.ids], device=language.embed_tokens.weight.device))
        mask = causal_mask(len(self.ids), 0, embedded.device)
        single = language(
            inputs_embeds=embedded, attention_mask={"full_attention": mask}, use_cache=True
        ).past_key_values
        shared = DynamicCache()
        for index, layer in enumerate(single.layers):
            keys, values = (tensor.expand(copies, -1, -1, -1) for tensor in (layer.keys, layer.values))
            shared.update(keys, values, index)
        return shared


def collate(pairs: Sequence[Pair], start: int, image_id: int) -> PairBatch:
    """Pad the pairs. start: the length of the prefix. image_id: the token id of a visual token."""
    width = max(_length(pair) for pair in pairs)
    ids = torch.zeros(len(pairs), width, dtype=torch.long)
    positions = torch.zeros(3, len(pairs), width, dtype=torch.long)
    first_image = torch.tensor([len(pair.prompt.before) for pair in pairs])
    last = torch.tensor([_length(pair) - len(pair.answer) - 1 for pair in pairs])
    for row, pair in enumerate(pairs):
        count = pair.rows * pair.columns
        line = [*pair.prompt.before, *([image_id] * count), *pair.prompt.after, *pair.answer]
        ids[row, : len(line)] = torch.tensor(line)
        positions[:, row, : len(line)] = start + rope_positions(
            len(pair.prompt.before), pair.rows, pair.columns, len(pair.prompt.after) + len(pair.answer)
        )
    image = ids == image_id
    longest = max(len(pair.answer) for pair in pairs)
    answers = [[*pair.answer, *[NO_ANSWER] * (longest - len(pair.answer))] for pair in pairs]
    return PairBatch(
        ids=ids,
        positions=positions,
        image=image,
        first_image=first_image,
        last=last,
        answers=torch.tensor(answers, dtype=torch.long),
        visual=torch.cat([pair.tokens for pair in pairs]),
    )


def _length(pair: Pair) -> int:
    return len(pair.prompt.before) + pair.rows * pair.columns + len(pair.prompt.after) + len(pair.answer)


def hidden_states(language: Qwen2_5_VLTextModel, prefix: PromptPrefix, batch: PairBatch) -> tuple[torch.Tensor, ...]:
    """The states after the embedding and after each layer, the last one normalised: (B, L, hidden) each.

    Sets the attention function of the language tower.
    """
    language.config._attn_implementation = MATRIX_ATTENTION
    embedded = language.embed_tokens(batch.ids)
    embedded = embedded.masked_scatter(batch.image[..., None], batch.visual.to(embedded.dtype))
    width, start = batch.ids.shape[1], len(prefix.ids)
    output = language(
        inputs_embeds=embedded,
        position_ids=batch.positions,
        attention_mask={"full_attention": causal_mask(width, start, embedded.device)},
        past_key_values=prefix.cache(language, len(batch.ids)),
        use_cache=True,
        output_hidden_states=True,
    )
    states: tuple[torch.Tensor, ...] = output.hidden_states
    return (*states[:-1], output.last_hidden_state)

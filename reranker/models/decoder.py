"""Run the language tower of a vision-language model over a prompt and packed images.

The tower is one of the Qwen family: RMS norms, grouped heads that may be normed themselves, a gated FFN with SiLU. The
prompt before the image, with the example of the query, is the same for all images, so it runs once per query
(`prefill`). The last layer runs only for the tail of each sequence, because no other state of it is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import torch
from torch.nn.functional import silu

from reranker.models.architecture import ImageFeatures, ImageSequence, PrefixKV
from reranker.models.device_map import device_of_layer
from reranker.models.layers.attention import PackedSequences, attend
from reranker.models.layers.multimodal_positions import rope_positions
from reranker.models.layers.rms_norm import rms_norm
from reranker.models.layers.rotary import Rotation
from reranker.models.layers.transfer import to_device


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A language tower of transformers, with `layers`, `norm` and `embed_tokens`.

    rotation: returns the rotation for positions (3, tokens), in a precision.
    """

    language: Any
    rotation: Callable[[torch.Tensor, torch.dtype], Rotation]


def prefill(
    decoder: Decoder,
    ids: Sequence[int],
    example: ImageFeatures | None = None,
    ids_after: Sequence[int] = (),
) -> PrefixKV:
    """Run the tokens of the prompt before the image.

    ids: of the text, up to the example if there is one. ids_after: of the text after the example.
    """
    language = decoder.language
    hidden, positions = embed(language, ids), torch.arange(len(ids)).expand(3, -1)
    injection = None
    if example is not None:
        tokens = to_device(example.tokens, hidden.device)
        hidden = torch.cat((hidden, tokens, embed(language, ids_after)))
        positions = rope_positions(len(ids), example.rows, example.columns, len(ids_after))
        injection = _Injection.of([(len(ids), example)], hidden.device)
    rotation = decoder.rotation(to_device(positions, hidden.device), hidden.dtype)
    sequences = PackedSequences(lengths=(len(hidden),), device=hidden.device)
    keys_and_values = []
    for number, layer in enumerate(language.layers):
        hidden, rotation, sequences = _to_device(device_of_layer(language, layer), hidden, rotation, sequences)
        query, key, value = _project(layer, hidden, rotation)
        keys_and_values.append((key, value))
        attended = attend(query, key, value, sequences, scale=layer.self_attn.scaling, causal=True)
        hidden = _injected(_finish_layer(layer, hidden, attended), injection, number)
    return PrefixKV(layers=tuple(keys_and_values), next_position=int(positions.max()) + 1)


@dataclass(frozen=True, kw_only=True)
class _Injection:
    """Features that are added to states after the first layers, at the positions of images.

    rows: of the packed states, (visual tokens of all images,). features: for each of these layers, (visual tokens,
    hidden).
    """

    rows: torch.Tensor
    features: torch.Tensor

    @classmethod
    def of(cls, images: Sequence[tuple[int, ImageFeatures]], device: torch.device) -> "_Injection | None":
        """Make it of images with the first of their rows; None if they have no such features."""
        if not images or not len(images[0][1].deepstack):
            return None
        rows = torch.cat([torch.arange(first, first + len(image.tokens)) for first, image in images])
        features = torch.cat([to_device(image.deepstack, device) for _, image in images], dim=1)
        return cls(rows=to_device(rows, device), features=features)


def _injected(hidden: torch.Tensor, injection: _Injection | None, layer: int) -> torch.Tensor:
    """Add the features of a layer, by its number from 0, to the states that it has computed. Changes them."""
    if injection is None or layer >= len(injection.features):
        return hidden
    rows, features = injection.rows.to(hidden.device), injection.features[layer].to(hidden.device)
    return hidden.index_add_(0, rows, features)


def embed(language: Any, ids: Sequence[int]) -> torch.Tensor:
    """Return the embeddings of tokens, (tokens, hidden), on the device of the first layer."""
    table = language.embed_tokens
    states: torch.Tensor = table(torch.tensor(ids, device=table.weight.device))
    return to_device(states, language.norm.weight.device)


def last_hidden(
    decoder: Decoder,
    prefix: PrefixKV,
    sequences: Sequence[ImageSequence],
    branches: Sequence[tuple[int, ...]] = (),
) -> torch.Tensor:
    """Return normed hidden states, (sequences, 1 + tokens of all branches, hidden).

    For each sequence they are the state at the last position, then those of the branches.

    sequences: may differ in their texts and in their number of visual tokens.
    branches: ids of alternative continuations, the same for all sequences.
    """
    language = decoder.language
    hidden = _embed_sequences(language, sequences, branches)
    branch_lengths = tuple(map(len, branches))
    positions = [_positions_after(prefix, each, branch_lengths) for each in sequences]
    starts = accumulate((each.shape[1] for each in positions), initial=0)
    images = [(start + len(each.before), each.image) for start, each in zip(starts, sequences, strict=False)]
    injection = _Injection.of(images, hidden.device)
    packed = PackedSequences(
        lengths=tuple(each.shape[1] for each in positions),
        prefix_tokens=prefix.tokens,
        branches=branch_lengths,
        device=hidden.device,
    )
    rotation = decoder.rotation(to_device(torch.cat(positions, dim=1), hidden.device), hidden.dtype)
    *layers, (last_layer, last_layer_prefix) = zip(language.layers, prefix.layers, strict=True)
    for number, (layer, layer_prefix) in enumerate(layers):
        hidden, rotation, packed = _to_device(device_of_layer(language, layer), hidden, rotation, packed)
        query, key, value = _project(layer, hidden, rotation)
        scale = layer.self_attn.scaling
        attended = attend(query, key, value, packed, scale=scale, causal=True, prefix=layer_prefix)
        hidden = _injected(_finish_layer(layer, hidden, attended), injection, number)
    hidden, rotation, packed = _to_device(device_of_layer(language, last_layer), hidden, rotation, packed)
    states = _run_last_layer(last_layer, last_layer_prefix, hidden, rotation, packed)
    normed: torch.Tensor = language.norm(states.unflatten(0, (len(sequences), -1)))
    return normed


def _embed_sequences(
    language: Any, sequences: Sequence[ImageSequence], branches: Sequence[tuple[int, ...]]
) -> torch.Tensor:
    """Return the states of all sequences, each followed by the branches, (tokens, hidden)."""
    texts = dict.fromkeys((*branches, *(ids for each in sequences for ids in (each.before, each.after) if ids)))
    embedded = {ids: embed(language, ids) for ids in texts}
    device = language.norm.weight.device
    images = {id(each.image): each.image.tokens for each in sequences}  # each once, whatever share it
    on_device = {key: to_device(tokens, device) for key, tokens in images.items()}
    parts: list[torch.Tensor] = []
    for each in sequences:
        parts += [embedded[each.before]] if each.before else []
        parts += [on_device[id(each.image)], embedded[each.after], *(embedded[ids] for ids in branches)]
    return torch.cat(parts)


def _positions_after(prefix: PrefixKV, sequence: ImageSequence, branch_lengths: Sequence[int]) -> torch.Tensor:
    """Return the rotary positions (3, tokens) of a sequence and its branches, which all start after it."""
    start, image = prefix.next_position, sequence.image
    before = start + len(sequence.before)
    trunk = rope_positions(before, image.rows, image.columns, len(sequence.after))[:, start:]
    branches = [trunk[:, -1:] + 1 + torch.arange(length) for length in branch_lengths]
    return torch.cat((trunk, *branches), dim=1)


def _to_device(
    device: torch.device, hidden: torch.Tensor, rotation: Rotation, sequences: PackedSequences
) -> tuple[torch.Tensor, Rotation, PackedSequences]:
    """Move the inputs of a layer to its device."""
    if hidden.device == device:
        return hidden, rotation, sequences
    return hidden.to(device), rotation.to(device), replace(sequences, device=device)


def _project(layer: Any, hidden: torch.Tensor, rotation: Rotation) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the rotated query and key, and the value, (tokens, heads, head_dim) each."""
    normed, attention = rms_norm(layer.input_layernorm, hidden), layer.self_attn
    query = rotation.rotate(_query(attention, normed))
    return query, rotation.rotate(_key(attention, normed)), _heads(attention, attention.v_proj(normed))


def _query(attention: Any, normed: torch.Tensor) -> torch.Tensor:
    return _normed_heads(attention, attention.q_proj(normed), "q_norm")


def _key(attention: Any, normed: torch.Tensor) -> torch.Tensor:
    return _normed_heads(attention, attention.k_proj(normed), "k_norm")


def _normed_heads(attention: Any, projected: torch.Tensor, norm: str) -> torch.Tensor:
    """Split projected states into heads, and norm each head if the tower does so."""
    heads = _heads(attention, projected)
    return rms_norm(getattr(attention, norm), heads) if hasattr(attention, norm) else heads


def _heads(attention: Any, projected: torch.Tensor) -> torch.Tensor:
    head_dim: int = attention.head_dim
    split: torch.Tensor = projected.unflatten(-1, (-1, head_dim))
    return split


def _finish_layer(layer: Any, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
    """Run the part of a layer after attention, with residuals. SiLU runs in place.

    hidden: the input of the layer, (tokens, hidden). attended: (tokens, heads, head_dim). Returns (tokens, hidden).
    """
    hidden = hidden + layer.self_attn.o_proj(attended.flatten(1))
    normed = rms_norm(layer.post_attention_layernorm, hidden)
    gated = silu(layer.mlp.gate_proj(normed), inplace=True).mul_(layer.mlp.up_proj(normed))
    output: torch.Tensor = layer.mlp.down_proj(gated).add_(hidden)
    return output


def _run_last_layer(
    layer: Any,
    prefix: tuple[torch.Tensor, torch.Tensor],
    hidden: torch.Tensor,
    rotation: Rotation,
    sequences: PackedSequences,
) -> torch.Tensor:
    """Run the last layer for the tail of each sequence, (sequences * tail, hidden).

    Keys and values are still computed for all tokens, because the tail attends to them.
    """
    tail = sequences.tail_tokens
    normed, tail_rotation = rms_norm(layer.input_layernorm, hidden), rotation.select(tail)
    attention = layer.self_attn
    query = tail_rotation.rotate(_query(attention, normed[tail]))
    key, value = rotation.rotate(_key(attention, normed)), _heads(attention, attention.v_proj(normed))
    scale = attention.scaling
    attended = attend(query, key, value, sequences, scale=scale, causal=True, prefix=prefix, tail_only=True)
    return _finish_layer(layer, hidden[tail], attended)

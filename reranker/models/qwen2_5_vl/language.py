"""Run the language tower of Qwen2.5-VL over a prompt and packed images.

The prompt before the image, with the example of the query, is the same for all images, so it runs once per query
(`prefill`). The last layer runs only for the tail of each sequence, because no other state of it is used.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch.nn.functional import silu
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLDecoderLayer, Qwen2_5_VLTextModel

from reranker.models.architecture import ImageFeatures, ImageSequence, PrefixKV
from reranker.models.device_map import device_of_layer
from reranker.models.layers.attention import PackedSequences, attend
from reranker.models.layers.rms_norm import rms_norm
from reranker.models.layers.rotary import Rotation
from reranker.models.layers.transfer import to_device
from reranker.models.qwen2_5_vl.positions import language_rotation, rope_positions


def prefill(
    language: Qwen2_5_VLTextModel,
    ids: Sequence[int],
    example: ImageFeatures | None = None,
    ids_after: Sequence[int] = (),
) -> PrefixKV:
    """Run the tokens of the prompt before the image.

    ids: of the text, up to the example if there is one. ids_after: of the text after the example.
    """
    hidden, positions = embed(language, ids), torch.arange(len(ids)).expand(3, -1)
    if example is not None:
        tokens = to_device(example.tokens, hidden.device)
        hidden = torch.cat((hidden, tokens, embed(language, ids_after)))
        positions = rope_positions(len(ids), example.rows, example.columns, len(ids_after))
    rotation = language_rotation(language, to_device(positions, hidden.device), hidden.dtype)
    sequences = PackedSequences(lengths=(len(hidden),), device=hidden.device)
    keys_and_values = []
    for layer in _layers(language):
        hidden, rotation, sequences = _to_device(device_of_layer(language, layer), hidden, rotation, sequences)
        query, key, value = _project(layer, hidden, rotation)
        keys_and_values.append((key, value))
        attended = attend(query, key, value, sequences, scale=layer.self_attn.scaling, causal=True)
        hidden = _finish_layer(layer, hidden, attended)
    return PrefixKV(layers=tuple(keys_and_values), next_position=int(positions.max()) + 1)


def _layers(language: Qwen2_5_VLTextModel) -> list[Qwen2_5_VLDecoderLayer]:
    """Return the layers, in the order of the forward pass."""
    return list(cast(Iterable[Qwen2_5_VLDecoderLayer], language.layers))


def embed(language: Qwen2_5_VLTextModel, ids: Sequence[int]) -> torch.Tensor:
    """Return the embeddings of tokens, (tokens, hidden), on the device of the first layer."""
    table = language.embed_tokens
    states: torch.Tensor = table(torch.tensor(ids, device=table.weight.device))
    return to_device(states, language.norm.weight.device)


def last_hidden(
    language: Qwen2_5_VLTextModel,
    prefix: PrefixKV,
    sequences: Sequence[ImageSequence],
    branches: Sequence[tuple[int, ...]] = (),
) -> torch.Tensor:
    """Return normed hidden states, (sequences, 1 + tokens of all branches, hidden).

    For each sequence they are the state at the last position, then those of the branches.

    sequences: may differ in their texts and in their number of visual tokens.
    branches: ids of alternative continuations, the same for all sequences.
    """
    hidden = _embed_sequences(language, sequences, branches)
    branch_lengths = tuple(map(len, branches))
    positions = [_positions_after(prefix, each, branch_lengths) for each in sequences]
    packed = PackedSequences(
        lengths=tuple(each.shape[1] for each in positions),
        prefix_tokens=prefix.tokens,
        branches=branch_lengths,
        device=hidden.device,
    )
    rotation = language_rotation(language, to_device(torch.cat(positions, dim=1), hidden.device), hidden.dtype)
    *layers, (last_layer, last_layer_prefix) = zip(_layers(language), prefix.layers, strict=True)
    for layer, layer_prefix in layers:
        hidden, rotation, packed = _to_device(device_of_layer(language, layer), hidden, rotation, packed)
        query, key, value = _project(layer, hidden, rotation)
        scale = layer.self_attn.scaling
        attended = attend(query, key, value, packed, scale=scale, causal=True, prefix=layer_prefix)
        hidden = _finish_layer(layer, hidden, attended)
    hidden, rotation, packed = _to_device(device_of_layer(language, last_layer), hidden, rotation, packed)
    states = _run_last_layer(last_layer, last_layer_prefix, hidden, rotation, packed)
    normed: torch.Tensor = language.norm(states.unflatten(0, (len(sequences), -1)))
    return normed


def _embed_sequences(
    language: Qwen2_5_VLTextModel, sequences: Sequence[ImageSequence], branches: Sequence[tuple[int, ...]]
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


def _project(
    layer: Qwen2_5_VLDecoderLayer, hidden: torch.Tensor, rotation: Rotation
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the rotated query and key, and the value, (tokens, heads, head_dim) each."""
    normed = rms_norm(layer.input_layernorm, hidden)
    query, key, value = (
        project(normed).unflatten(-1, (-1, layer.self_attn.head_dim))
        for project in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj)
    )
    return rotation.rotate(query), rotation.rotate(key), value


def _finish_layer(layer: Qwen2_5_VLDecoderLayer, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
    """Run the part of a layer after attention, with residuals. SiLU, the activation of Qwen2.5-VL, runs in place.

    hidden: the input of the layer, (tokens, hidden). attended: (tokens, heads, head_dim). Returns (tokens, hidden).
    """
    hidden = hidden + layer.self_attn.o_proj(attended.flatten(1))
    normed = rms_norm(layer.post_attention_layernorm, hidden)
    gated = silu(layer.mlp.gate_proj(normed), inplace=True).mul_(layer.mlp.up_proj(normed))
    output: torch.Tensor = layer.mlp.down_proj(gated).add_(hidden)
    return output


def _run_last_layer(
    layer: Qwen2_5_VLDecoderLayer,
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
    heads = (-1, attention.head_dim)
    query = tail_rotation.rotate(attention.q_proj(normed[tail]).unflatten(-1, heads))
    key = rotation.rotate(attention.k_proj(normed).unflatten(-1, heads))
    value = attention.v_proj(normed).unflatten(-1, heads)
    scale = attention.scaling
    attended = attend(query, key, value, sequences, scale=scale, causal=True, prefix=prefix, tail_only=True)
    return _finish_layer(layer, hidden[tail], attended)

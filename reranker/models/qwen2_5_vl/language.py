"""Visual tokens and a prompt -> log-odds: positions, the language tower over packed pictures, the two-row head.

What every picture of a query has in common, the prompt up to the picture, is read once a query (`read_beginning`); the
last layer is computed for the last tokens alone, since nothing else is read off it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch.nn.functional import silu
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLDecoderLayer, Qwen2_5_VLTextModel

from reranker.models.architecture import ImageFeatures, PrefixKV
from reranker.models.device_map import home_of
from reranker.models.layers.attention import Spans, attend
from reranker.models.layers.rotary import Rotation
from reranker.models.qwen2_5_vl.positions import language_rotation, rope_positions


def prefill(language: Qwen2_5_VLTextModel, ids: Sequence[int]) -> PrefixKV:
    """Run the tokens that stand before the picture."""
    hidden = embed(language, ids)
    rotation = language_rotation(language, torch.arange(len(ids), device=hidden.device).expand(3, -1), hidden.dtype)
    spans = Spans(lengths=(len(ids),), device=hidden.device)
    kept = []
    for layer in _layers(language):
        hidden, rotation, spans = _at(home_of(language, layer), hidden, rotation, spans)
        query, key, value = _projected(layer, hidden, rotation)
        kept.append((key, value))
        attended = attend(query, key, value, spans, scale=layer.self_attn.scaling, causal=True)
        hidden = _after_attention(layer, hidden, attended)
    return PrefixKV(layers=tuple(kept))


def _layers(language: Qwen2_5_VLTextModel) -> list[Qwen2_5_VLDecoderLayer]:
    """Return the layers in the order of the pass."""
    return list(cast(Iterable[Qwen2_5_VLDecoderLayer], language.layers))


def embed(language: Qwen2_5_VLTextModel, ids: Sequence[int]) -> torch.Tensor:
    """(tokens, hidden), where the layers are."""
    table = language.embed_tokens
    states: torch.Tensor = table(torch.tensor(ids, device=table.weight.device))
    return states.to(language.norm.weight.device, non_blocking=True)


def last_hidden(
    language: Qwen2_5_VLTextModel,
    prefix: PrefixKV,
    pictures: Sequence[ImageFeatures],
    after: Sequence[tuple[int, ...]],
) -> torch.Tensor:
    """The language tower's normed state at the last position, (pictures, hidden).

    after: of each picture, ids of the tokens behind it, one at least. Pictures may differ in their number of visual
    tokens, and in what stands behind them.
    """
    tails = {ids: embed(language, ids) for ids in dict.fromkeys(after)}
    pairs = [(picture, tails[ids]) for picture, ids in zip(pictures, after, strict=True)]
    hidden = torch.cat([part for picture, tail in pairs for part in (picture.tokens.to(tail, non_blocking=True), tail)])
    spans = Spans(
        lengths=tuple(len(picture.tokens) + len(tail) for picture, tail in pairs),
        before=prefix.tokens,
        device=hidden.device,
    )
    positions = [
        rope_positions(prefix.tokens, picture.rows, picture.columns, len(tail))[:, prefix.tokens :]
        for picture, tail in pairs
    ]
    rotation = language_rotation(language, torch.cat(positions, dim=1).to(hidden.device), hidden.dtype)
    *layers, (last, last_before) = zip(_layers(language), prefix.layers, strict=True)
    for layer, before in layers:
        hidden, rotation, spans = _at(home_of(language, layer), hidden, rotation, spans)
        query, key, value = _projected(layer, hidden, rotation)
        scale = layer.self_attn.scaling
        attended = attend(query, key, value, spans, scale=scale, causal=True, before=before)
        hidden = _after_attention(layer, hidden, attended)
    hidden, rotation, spans = _at(home_of(language, last), hidden, rotation, spans)
    states: torch.Tensor = language.norm(_last_layer(last, last_before, hidden, rotation, spans))
    return states


def _at(
    device: torch.device, hidden: torch.Tensor, rotation: Rotation, spans: Spans
) -> tuple[torch.Tensor, Rotation, Spans]:
    """What goes through the layers, on the device of the next one."""
    if hidden.device == device:
        return hidden, rotation, spans
    return hidden.to(device), rotation.to(device), replace(spans, device=device)


def _projected(
    layer: Qwen2_5_VLDecoderLayer, hidden: torch.Tensor, rotation: Rotation
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query, key and value, (tokens, heads, head_dim) each."""
    normed = layer.input_layernorm(hidden)
    query, key, value = (
        project(normed).unflatten(-1, (-1, layer.self_attn.head_dim))
        for project in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj)
    )
    return rotation.turn(query), rotation.turn(key), value


def _after_attention(layer: Qwen2_5_VLDecoderLayer, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
    """The rest of a layer: (tokens, heads, head_dim) -> (tokens, hidden). SiLU as in all of Qwen2.5-VL, in place."""
    hidden = hidden + layer.self_attn.o_proj(attended.flatten(1))
    normed = layer.post_attention_layernorm(hidden)
    gated = silu(layer.mlp.gate_proj(normed), inplace=True).mul_(layer.mlp.up_proj(normed))
    output: torch.Tensor = layer.mlp.down_proj(gated).add_(hidden)
    return output


def _last_layer(
    layer: Qwen2_5_VLDecoderLayer,
    before: tuple[torch.Tensor, torch.Tensor],
    hidden: torch.Tensor,
    rotation: Rotation,
    spans: Spans,
) -> torch.Tensor:
    """Of each sequence's last token alone, (sequences, hidden): it sees all others, which need not see anything."""
    normed, at_last = layer.input_layernorm(hidden), rotation.at(spans.last)
    attention = layer.self_attn
    heads = (-1, attention.head_dim)
    query = at_last.turn(attention.q_proj(normed[spans.last]).unflatten(-1, heads))
    key = rotation.turn(attention.k_proj(normed).unflatten(-1, heads))
    value = attention.v_proj(normed).unflatten(-1, heads)
    attended = attend(query, key, value, spans, scale=attention.scaling, causal=True, before=before, last_only=True)
    return _after_attention(layer, hidden[spans.last], attended)

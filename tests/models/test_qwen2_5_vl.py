"""The model's rooms against transformers' own whole forward, on the embedded checkpoint."""

from io import BytesIO
from itertools import pairwise
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from reranker import Candidate, Query
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.hub import TOYBOX
from reranker.models.layers import attention
from reranker.models.layers.attention import PackedSequences, attend
from reranker.models.layers.yes_no_head import YesNoHead
from reranker.models.loading import load_checkpoint
from reranker.models.patchify import Patches, fitted_size, patchify
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL
from reranker.models.qwen2_5_vl.positions import rope_positions
from reranker.models.scoring.prompts import IMAGE_PAD, LYCHEE
from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import random_scene

QUERIES = ("a woman in a red dress", "一只 black cat 在窗台上", "三只黄色的球, no people")


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("toybox", "cpu", "fp32")


@pytest.fixture(scope="module")
def scorer(checkpoint):
    return CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(10**8))


@pytest.fixture(scope="module")
def reference():
    return Qwen2_5_VLForConditionalGeneration.from_pretrained(TOYBOX, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def pictures():
    rng = Random(5)
    return [draw_scene(random_scene(rng)) for _ in range(6)]


def png(picture):
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def processed(picture, tokens=49):
    pixels = tokens * 28 * 28
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": pixels, "longest_edge": pixels})
    return processor(images=[picture], return_tensors="pt")


def reference_log_odds(reference, checkpoint, picture, text):
    """transformers' own way: image processor, input_ids, pixel_values, position ids by itself, the complete head."""
    features = processed(picture)
    count = int(features["image_grid_thw"].prod()) // 4
    prompt = LYCHEE.fill(text).replace(IMAGE_PAD, IMAGE_PAD * count)
    ids = torch.tensor([checkpoint.tokenizer.encode(prompt, add_special_tokens=False)])
    kinds = (ids == reference.config.image_token_id).int()
    with torch.inference_mode():
        logits = reference(input_ids=ids, mm_token_type_ids=kinds, **features).logits[0, -1]
    yes, no = checkpoint.tokenizer.convert_tokens_to_ids(["yes", "no"])
    return float(logits[yes] - logits[no])


def test_log_odds_are_those_of_the_whole_forward(scorer, reference, checkpoint, pictures):
    candidates = [Candidate(name=str(i), source=png(picture)) for i, picture in enumerate(pictures)]
    prepared = [scorer.prepare(scorer.identify(candidate)) for candidate in candidates]
    for text in QUERIES:
        judged = scorer.score(Query(text=text), prepared, "run")
        for index, picture in enumerate(pictures):
            expected = reference_log_odds(reference, checkpoint, picture, text)
            assert judged[index].log_odds == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("tokens", [25, 49, 64, 256])
def test_patches_are_those_of_the_image_processor(pictures, tokens):
    settings = QWEN2_5_VL.patch_settings
    mean, std = (np.repeat(values, 14 * 14) for values in (settings.mean, settings.std))
    for picture in pictures:
        ours = patchify(picture, tokens, settings)
        theirs = processed(picture, tokens)
        assert theirs["image_grid_thw"].tolist() == [[1, ours.grid_h, ours.grid_w]]
        both_frames = theirs["pixel_values"].numpy().reshape(-1, 3, 2, 14 * 14)
        values = ((ours.values / 255 - mean) / std).reshape(-1, 3, 14 * 14)
        assert np.abs(both_frames - values[:, :, None]).max() < 1e-5


@pytest.mark.parametrize(("width", "height"), [(1, 1), (28, 28), (196, 196), (3000, 20), (20, 3000), (641, 357)])
def test_the_size_is_that_of_smart_resize(width, height):
    assert processed(Image.new("RGB", (width, height)))["image_grid_thw"].tolist() == [
        [1, *(side // 14 for side in reversed(fitted_size(width, height, 49, QWEN2_5_VL.patch_settings)))]
    ]


def test_visual_tokens_are_those_of_transformers(checkpoint, reference):
    rng, settings = np.random.default_rng(0), QWEN2_5_VL.patch_settings
    shapes = [(14, 14), (10, 18), (2, 40), (30, 2), (2, 2), (26, 8)]
    pictures = [
        Patches(values=rng.integers(0, 256, (h * w, 588), dtype=np.uint8), grid_h=h, grid_w=w) for h, w in shapes
    ]
    with torch.inference_mode():
        seen = checkpoint.model.encode_images(pictures)
    mean, std = (np.repeat(values, 14 * 14) for values in (settings.mean, settings.std))
    for picture, ours in zip(pictures, seen, strict=True):
        values = torch.from_numpy((picture.values / 255 - mean) / std).float().unflatten(1, (3, 1, 196))
        both_frames = values.expand(-1, -1, 2, -1).flatten(1)
        grid = torch.tensor([[1, picture.grid_h, picture.grid_w]])
        with torch.inference_mode():
            expected = reference.model.visual(both_frames, grid_thw=grid).pooler_output
        assert torch.allclose(ours.tokens, expected, atol=2e-5)
        assert (ours.rows, ours.columns) == (picture.grid_h // 2, picture.grid_w // 2)


@pytest.mark.parametrize(("rows", "columns"), [(7, 7), (5, 9), (1, 40), (40, 1)])
def test_positions_are_those_of_transformers(reference, rows, columns):
    pad = reference.config.image_token_id
    ids = torch.tensor([[20] * 11 + [pad] * (rows * columns) + [21] * 6])
    expected, _ = reference.model.get_rope_index(
        ids, mm_token_type_ids=(ids == pad).int(), image_grid_thw=torch.tensor([[1, 2 * rows, 2 * columns]])
    )
    assert torch.equal(rope_positions(11, rows, columns, 6), expected[:, 0])


def one_by_one(query, key, value, scale, causal):
    """Softmax attention of one sequence by its formula; causal from the ends of both."""
    key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
    products = scale * torch.einsum("qhd,khd->hqk", query, key)
    if causal:
        hidden = torch.ones(products.shape[1:], dtype=torch.bool).triu(len(key) - len(query) + 1)
        products = products.masked_fill(hidden, -torch.inf)
    return torch.einsum("hqk,khd->qhd", products.softmax(dim=-1), value)


def kernel_by_its_description(query, key, value, limits, seen_limits, longest, longest_seen, *, scale, **options):
    """What torch's variable-length kernel is documented to compute, one sequence after the other."""
    assert limits.dtype == seen_limits.dtype == torch.int32
    assert (longest, longest_seen) == (limits.diff().max(), seen_limits.diff().max())
    assert options["num_splits"] == 1
    assert options.get("enable_gqa", False) == (query.shape[1] != key.shape[1])
    causal = {(-1, 0): True, (-1, -1): False}[options["window_size"]]
    pieces = zip(pairwise(limits.tolist()), pairwise(seen_limits.tolist()), strict=True)
    return torch.cat([one_by_one(query[a:b], key[c:d], value[c:d], scale, causal) for (a, b), (c, d) in pieces])


@pytest.fixture(params=["by kernel", "by length"])
def way(request, monkeypatch):
    """Both ways of packed attention, the kernel played by its description."""
    if request.param == "by kernel":
        monkeypatch.setattr(attention, "has_kernel", lambda _: True)
        monkeypatch.setattr(attention, "varlen_attn", kernel_by_its_description)
        attention._kernel_parameters.cache_clear()
        monkeypatch.setattr(attention, "_kernel_parameters", lambda: {"num_splits", "enable_gqa"})


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("lengths", [(4, 1, 5, 4, 4), (3, 3, 3), (7,)])
@pytest.mark.parametrize("before", [0, 6])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("last_only", [True, False])
def test_packed_attention_is_that_of_each_sequence_alone(lengths, before, causal, last_only):
    torch.manual_seed(0)
    sequences = PackedSequences(lengths=lengths, prefix_tokens=before, device=torch.device("cpu"))
    query = torch.randn(sum(lengths), 4, 8)
    key, value = torch.randn(2, sum(lengths), 2, 8)
    shared = tuple(torch.randn(2, before, 2, 8)) if before else None
    asked = query[sequences.last_tokens] if last_only else query
    output = attend(asked, key, value, sequences, scale=0.3, causal=causal, prefix=shared, last_only=last_only)
    expected = []
    for q, k, v in zip(*(part.split(lengths) for part in (query, key, value)), strict=True):
        seen = [torch.cat(parts) for parts in zip(shared, (k, v), strict=True)] if shared else [k, v]
        alone = one_by_one(q, *seen, 0.3, causal)
        expected.append(alone[-1:] if last_only else alone)
    assert torch.allclose(output, torch.cat(expected), atol=1e-6)


@pytest.mark.usefixtures("way")
def test_both_ways_of_packing_score_alike(scorer, checkpoint, pictures):
    candidates = [Candidate(name=str(i), source=png(picture)) for i, picture in enumerate(pictures)]
    packed = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    judged = packed.score(
        Query(text=QUERIES[1]), [packed.prepare(packed.identify(candidate)) for candidate in candidates], "run"
    )
    for index, candidate in enumerate(candidates):
        alone = scorer.score(Query(text=QUERIES[1]), [scorer.prepare(scorer.identify(candidate))], "run")
        assert judged[index].log_odds == pytest.approx(alone[0].log_odds, abs=1e-4)


def test_the_head_is_the_difference_of_two_rows():
    weight = torch.tensor([[1.0, 2.0], [0.5, -1.0], [9.0, 9.0]])
    assert YesNoHead.of(weight, 0, 1).log_odds(torch.tensor([[2.0, 3.0]])).tolist() == [0.5 * 2 + 3.0 * 3]


def test_the_fingerprint_follows_what_a_score_depends_on(checkpoint):
    def fingerprint(**choices):
        return CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), **choices).info.fingerprint

    assert fingerprint() == fingerprint(batch_tokens=3) != fingerprint(visual_tokens=25)


def test_more_detail_means_more_visual_tokens(checkpoint, pictures):
    candidate = Candidate(name="one", source=png(pictures[0]))
    counts = []
    for tokens in (25, 49, 64):
        one = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), visual_tokens=tokens)
        counts.append(one.prepare(one.identify(candidate)).visual_tokens)
    assert counts == sorted(counts)
    assert len(set(counts)) == 3


def test_the_checkpoint_on_the_disk_is_small_bfloat16_and_plain(checkpoint, reference):
    assert sum(parameter.numel() for parameter in reference.parameters()) <= 8_000_000
    assert (TOYBOX / "model.safetensors").stat().st_size <= 16_000_000
    assert {file.suffix for file in TOYBOX.iterdir()} <= {".json", ".safetensors", ".jinja", ".md"}
    assert checkpoint.detail_levels == (25, 49, 64)

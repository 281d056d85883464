"""Qwen3-VL against transformers' own forward pass and image processor, on tiny random checkpoints of both sizes."""

import re
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from reranker import Candidate, Query, Reranker
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.loading import load_checkpoint
from reranker.models.scoring.prompts import IMAGE_PAD, LYCHEE
from tests.support.qwen3_vl import PROPORTIONS, qwen3_vl_folder

properties = settings(deadline=None, max_examples=12, database=None)
SIZES = [(64, 64), (32, 32), (320, 200), (200, 420), (33, 300), (700, 90)]
TEXTS = ("a woman in a red dress", "一只 black cat 在窗台上")


@pytest.fixture(scope="module", params=PROPORTIONS)
def folder(request, tmp_path_factory):
    return qwen3_vl_folder(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def checkpoint(folder):
    return load_checkpoint(str(folder), "cpu", "fp32")


@pytest.fixture(scope="module")
def reference(folder):
    return Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def picture(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """A picture of large coloured areas: noise alone would look alike everywhere."""
    rng = np.random.default_rng((*size, seed))
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def scorer_of(checkpoint, cache: int = 10**8) -> CrossEncoder:
    return CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(cache))


def prepared(scorer: CrossEncoder, images, texts=()) -> list:
    texts = texts or [""] * len(images)
    candidates = [Candidate(name="", source=png(image), text=text) for image, text in zip(images, texts, strict=True)]
    return [scorer.prepare(scorer.identify(candidate)) for candidate in candidates]


def expected_log_odds(reference, checkpoint, image, query, text="", example=None) -> float:
    """transformers' own way: image processor, ids, pixels, position ids by itself, the complete head."""
    images = [each for each in (example, image) if each is not None]
    processor = Qwen2VLImageProcessorPil(
        patch_size=16,
        size={"shortest_edge": 4 * 32 * 32, "longest_edge": 512 * 32 * 32},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    features = processor(images=images, return_tensors="pt")
    counts = iter(features["image_grid_thw"].prod(dim=1) // 4)
    prompt = LYCHEE.fill(query, instruction=checkpoint.instruction, text=text, has_example=example is not None)
    prompt = re.sub(re.escape(IMAGE_PAD), lambda pad: pad[0] * int(next(counts)), prompt)
    ids = torch.tensor([checkpoint.tokenizer.encode(prompt, add_special_tokens=False)])
    kinds = (ids == reference.config.image_token_id).int()
    with torch.inference_mode():
        logits = reference(input_ids=ids, mm_token_type_ids=kinds, **features).logits[0, -1]
    yes, no = checkpoint.tokenizer.convert_tokens_to_ids(["yes", "no"])
    return float(logits[yes] - logits[no])


@pytest.mark.parametrize("query", TEXTS)
def test_log_odds_are_those_of_the_whole_forward(reference, checkpoint, query) -> None:
    scorer, images = scorer_of(checkpoint), [picture(size) for size in SIZES]
    expected = [expected_log_odds(reference, checkpoint, image, query) for image in images]
    scores = scorer.score(Query(text=query), prepared(scorer, images), "run")
    assert [score.log_odds for score in scores] == pytest.approx(expected, abs=1e-4)
    assert max(expected) - min(expected) > 0.05, "otherwise this test proves little"


def test_texts_beside_pictures_count_as_in_the_whole_forward(reference, checkpoint) -> None:
    scorer, images, texts = scorer_of(checkpoint), [picture(size) for size in SIZES[:3]], ["", "a title", "标题"]
    expected = [
        expected_log_odds(reference, checkpoint, image, TEXTS[0], text)
        for image, text in zip(images, texts, strict=True)
    ]
    scores = scorer.score(Query(text=TEXTS[0]), prepared(scorer, images, texts), "run")
    assert [score.log_odds for score in scores] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("text", ["", TEXTS[1]])
def test_log_odds_for_an_example_are_those_of_the_whole_forward_over_both_pictures(reference, checkpoint, text) -> None:
    scorer, images = scorer_of(checkpoint), [picture(size) for size in SIZES[:4]]
    example = picture((150, 260), seed=1)
    query = Reranker(scorer=scorer).query(text, example=png(example))
    expected = [expected_log_odds(reference, checkpoint, image, text, example=example) for image in images]
    scores = scorer.score(query, prepared(scorer, images), "run", scorer.prepare(query.example))
    assert [score.log_odds for score in scores] == pytest.approx(expected, abs=1e-4)


@properties
@given(st.lists(st.sampled_from(SIZES), min_size=1, max_size=6), st.sampled_from(TEXTS), st.booleans())
def test_company_order_and_the_cache_do_not_matter(checkpoint, sizes, text, cached) -> None:
    scorer, query = scorer_of(checkpoint), Query(text=text)
    images = [picture(size, seed) for seed, size in enumerate(sizes)]
    if cached:
        scorer.score(query, prepared(scorer, images), "before")
    together = scorer.score(query, prepared(scorer, images), "run")
    assert all(score.cached == cached for score in together)
    for image, score in zip(images, together, strict=True):
        fresh = scorer_of(checkpoint, cache=0)
        (alone,) = fresh.score(query, prepared(fresh, [image]), "run")
        assert score.log_odds == pytest.approx(alone.log_odds, abs=1e-4)


@pytest.mark.usefixtures("attention_backend")
def test_both_attention_backends_give_equal_scores(checkpoint) -> None:
    scorer, images = scorer_of(checkpoint), [picture(size) for size in SIZES]
    together = scorer.score(Query(text=TEXTS[0]), prepared(scorer, images), "run")
    for image, score in zip(images, together, strict=True):
        (alone,) = scorer.score(Query(text=TEXTS[0]), prepared(scorer, [image]), "run")
        assert score.log_odds == pytest.approx(alone.log_odds, abs=1e-4)


def test_several_queries_in_one_batch_score_as_alone(checkpoint) -> None:
    scorer = scorer_of(checkpoint)
    images = prepared(scorer, [picture(size) for size in SIZES[:3]])
    pairs = [(Query(text=text), image) for image in images for text in ("a cat", "猫", ":)")]
    for (query, image), score in zip(pairs, scorer.launch_pairs(pairs, "run")(), strict=True):
        (alone,) = scorer.score(query, [image], "run")
        assert score.log_odds == pytest.approx(alone.log_odds, abs=1e-4)


def test_features_and_states_are_those_of_the_vision_tower(reference, checkpoint) -> None:
    scorer, images = scorer_of(checkpoint), [picture(size) for size in SIZES]
    encoded = scorer.encode(prepared(scorer, images), "run")
    for image, result in zip(images, encoded, strict=True):
        patches = prepared(scorer_of(checkpoint), [image])[0].patches
        values = torch.from_numpy(patches.values).float().unflatten(1, (3, 1, -1)).expand(-1, -1, 2, -1)
        pixels = ((values / 255 - 0.5) / 0.5).flatten(1)
        grid = torch.tensor([[1, patches.grid_h, patches.grid_w]])
        with torch.inference_mode():
            output = reference.model.visual(pixels, grid_thw=grid)
        expected = torch.stack([output.pooler_output, *output.deepstack_features])
        torch.testing.assert_close(result.features.states, expected, atol=1e-4, rtol=1e-4)
        assert len(result.features.deepstack) == len(reference.model.visual.deepstack_merger_list)

"""Training of the dual encoder: its loss, and what a short training writes."""

from random import Random

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from reranker.models.dual_encoders.encoder import load_encoder
from reranker.models.hub import TOYBOX
from reranker.toybox import encoder_training
from reranker.toybox.encoder_evaluation import measure_recall
from reranker.toybox.encoder_model import MAX_TEXT_TOKENS, create_encoder, token_ids, write_encoder
from reranker.toybox.encoder_training import EncoderTraining, described_scene, normalized, pixels_of, retrieval_loss

SCALE, BIAS = torch.tensor(3.0), torch.tensor(-5.0)


def test_the_loss_is_least_if_what_fits_is_near_and_all_that_fits_counts() -> None:
    images = torch.eye(6)
    matches = torch.tensor([[1.0, 1.0, 0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
    both, one_alone = images[0] + images[1], images[0]
    last = images[5]

    def loss(*texts: torch.Tensor) -> float:
        return retrieval_loss(torch.stack(texts), images, matches, SCALE, BIAS).item()

    assert loss(both, last) < loss(one_alone, last) < loss(images[2], last) < loss(images[3], last)
    assert loss(both, last) < loss(last, both)
    assert loss(5 * both, last / 3) == pytest.approx(loss(both, last)), "lengths do not matter"


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory):
    torch.manual_seed(4)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(TOYBOX)  # the same, and to train it takes seconds
    model = create_encoder(tokenizer)
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(model, tokenizer, folder)
    return model, tokenizer, folder


def test_what_is_written_gives_the_vectors_of_the_model_in_training(untrained) -> None:
    model, tokenizer, folder = untrained
    model.half().float()  # as the weights are written
    encoder = load_encoder(str(folder), "cpu", "fp32")
    rng = Random(3)
    pixels = np.stack([pixels_of(described_scene(rng).scene) for _ in range(3)])
    texts = ["一只黑猫", "a red car left of a house", "word " * 60]
    with torch.no_grad():
        images = model.vision_model(normalized(torch.from_numpy(pixels))).pooler_output
        ids = token_ids(tokenizer, texts)
        assert ids.shape == (3, MAX_TEXT_TOKENS)
        expected = model.text_model(input_ids=ids[:2]).pooler_output
    np.testing.assert_allclose(encoder.encode_images(pixels), torch.nn.functional.normalize(images, dim=1), atol=1e-4)
    np.testing.assert_allclose(
        encoder.encode_texts(texts)[:2], torch.nn.functional.normalize(expected, dim=1), atol=1e-4
    )


def test_the_model_has_less_than_five_million_parameters(untrained) -> None:
    assert sum(parameter.numel() for parameter in untrained[0].parameters()) <= 5_000_000


def test_recall_of_a_model_that_knows_nothing_is_near_chance(untrained) -> None:
    report = measure_recall(load_encoder(str(untrained[2]), "cpu"), scenes=250, captions=30, rare=10)
    assert (report.scenes, report.rare_captions) == (250, 10)
    assert 0.6 < report.recall < 0.95  # the first 200 of 250
    assert report.rare_within[1] <= report.rare_within[10] <= report.rare_within[100] <= 1


@pytest.mark.extended
def test_the_embedded_encoder_finds_what_fits() -> None:
    """The bars of its model card hold among 5,000 scenes; here there are fewer, which is easier."""
    report = measure_recall(load_encoder("toybox-encoder", "cpu"), scenes=1200, captions=150, rare=60)
    assert report.rare_within[20] >= 0.95
    assert report.rare_within[100] >= 0.99
    assert min(report.recall_by_language.values()) >= 0.93


@pytest.mark.extended
def test_a_short_training_writes_an_encoder(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(encoder_training, "SCENES", 200)
    EncoderTraining(tmp_path, minutes=0.15, device="cpu").run()
    encoder = load_encoder(str(tmp_path), "cpu")
    (one, other) = encoder.encode_texts(["a red car", "蓝色的船"])
    assert 1 - one @ other > 0.01

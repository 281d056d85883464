"""Vectors are those of transformers with the same checkpoint, and what would give others is refused."""

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, ChineseCLIPModel, SiglipModel
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from reranker.core.errors import CheckpointBroken, CheckpointError, CheckpointMissing, CheckpointUnsupported
from reranker.images.decoding import open_picture
from reranker.images.limits import Limits
from reranker.models import memory_plan
from reranker.models.dual_encoders import encoder as encoder_module
from reranker.models.dual_encoders.encoder import load_encoder
from reranker.models.dual_encoders.siglip import canonical
from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import random_scene
from tests.support.dual_encoders import IMAGE_PX, TEXT_TOKENS, chinese_clip_folder, siglip_folder, write

TEXTS = ["cat", "A Cat, and a 红色 cat!", "", "x" * 100]
MAKERS = {
    "siglip": lambda folder: siglip_folder(folder, 1),
    "siglip2": lambda folder: siglip_folder(folder, 2),
    "chinese-clip": chinese_clip_folder,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in MAKERS.items()}


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(3)
    sizes = ((64, 48), (20, 90), (IMAGE_PX, IMAGE_PX))
    return [Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)) for width, height in sizes]


def resized(picture: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(picture.resize((IMAGE_PX, IMAGE_PX), Image.Resampling.BICUBIC))


def unit(features: torch.Tensor) -> np.ndarray[Any, Any]:
    return torch.nn.functional.normalize(features, dim=1).detach().numpy()


@pytest.mark.parametrize(
    ("name", "network_class", "processor_class"),
    [
        ("siglip", SiglipModel, SiglipImageProcessorPil),
        ("siglip2", SiglipModel, SiglipImageProcessorPil),
        ("chinese-clip", ChineseCLIPModel, ChineseCLIPImageProcessorPil),
    ],
)
def test_pictures_have_the_vectors_of_transformers(folders, pictures, name, network_class, processor_class) -> None:
    processor = processor_class.from_pretrained(folders[name])
    network = network_class.from_pretrained(folders[name])
    inputs = processor(images=pictures, return_tensors="pt")
    expected = unit(network.get_image_features(**inputs).pooler_output)
    encoder = load_encoder(str(folders[name]), "cpu", "fp32")
    vectors = encoder.encode_images([resized(picture) for picture in pictures])
    assert vectors.shape == (3, encoder.info.dimensions)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.01


def padded(ids: list[int], end: int, pad: int) -> list[int]:
    cut = [*ids[: TEXT_TOKENS - 1], end]
    return cut + [pad] * (TEXT_TOKENS - len(cut))


@pytest.mark.parametrize(("name", "end", "pad"), [("siglip", 1, 1), ("siglip2", 1, 0)])
def test_texts_of_siglip_have_the_vectors_of_transformers(folders, name: str, end: int, pad: int) -> None:
    """Padded to the full length, ended, without a beginning, in lower case; of version 1 without punctuation."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - read as it is, without what transformers adds

    tokenizer = Tokenizer.from_file(str(folders[name] / "tokenizer.json"))
    normal = [canonical(text) if name == "siglip" else text.lower() for text in TEXTS]
    rows = [padded(tokenizer.encode(text, add_special_tokens=False).ids, end, pad) for text in normal]
    network = SiglipModel.from_pretrained(folders[name])
    expected = unit(network.get_text_features(input_ids=torch.tensor(rows)).pooler_output)
    vectors = load_encoder(str(folders[name]), "cpu", "fp32").encode_texts(TEXTS)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    short = [row[: row.index(end) + 1] for row in rows[:1]]
    unpadded = unit(network.get_text_features(input_ids=torch.tensor(short)).pooler_output)
    assert np.abs(vectors[:1] - unpadded).max() > 0.01, "the padding matters"


@pytest.mark.parametrize("name", ["siglip", "siglip2"])
def test_probabilities_of_siglip_are_those_of_transformers(folders, name: str) -> None:
    """Each text by itself: sigmoid(scale * cosine + bias)."""
    network = SiglipModel.from_pretrained(folders[name])
    pixels, tokens = torch.randn(3, 3, IMAGE_PX, IMAGE_PX), torch.randint(2, 20, (2, TEXT_TOKENS))
    expected = network(input_ids=tokens, pixel_values=pixels).logits_per_image.sigmoid()
    images = unit(network.get_image_features(pixel_values=pixels).pooler_output)
    texts = unit(network.get_text_features(input_ids=tokens).pooler_output)
    encoder = load_encoder(str(folders[name]), "cpu", "fp32")
    assert encoder.judges_alone
    np.testing.assert_allclose(encoder.probabilities(images @ texts.T), expected.detach().numpy(), atol=1e-5)


def test_probabilities_of_chinese_clip_are_those_of_transformers(folders) -> None:
    """The texts share the probability of a picture: softmax(scale * cosine)."""
    network = ChineseCLIPModel.from_pretrained(folders["chinese-clip"])
    pixels, tokens = torch.randn(3, 3, IMAGE_PX, IMAGE_PX), torch.randint(5, 20, (4, 6))
    expected = network(input_ids=tokens, pixel_values=pixels).logits_per_image.softmax(dim=1)
    images = unit(network.get_image_features(pixel_values=pixels).pooler_output)
    texts = unit(network.get_text_features(input_ids=tokens).pooler_output)
    encoder = load_encoder(str(folders["chinese-clip"]), "cpu", "fp32")
    assert not encoder.judges_alone
    np.testing.assert_allclose(encoder.probabilities(images @ texts.T), expected.detach().numpy(), atol=1e-5)


def test_canonical_texts() -> None:
    assert canonical("  A Cat, isn't\tit?\n“红色” ") == "a cat isnt it “红色”"


def test_texts_of_chinese_clip_have_the_vectors_of_transformers(folders) -> None:
    network = ChineseCLIPModel.from_pretrained(folders["chinese-clip"])
    tokenizer = AutoTokenizer.from_pretrained(folders["chinese-clip"])
    texts = ['a "红" cat', "猫", "", "a " * 100]
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=52, return_tensors="pt")
    assert inputs["input_ids"].shape == (4, 52)
    expected = unit(network.get_text_features(**inputs).pooler_output)
    encoder = load_encoder(str(folders["chinese-clip"]), "cpu", "fp32")
    vectors = encoder.encode_texts(["A “红” Cat", *texts[1:]])
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(["猫"]), vectors[1:2], atol=1e-5, err_msg="company does not matter")


@pytest.mark.parametrize("name", MAKERS)
def test_vectors_have_unit_length_in_every_precision_and_are_alike(folders, pictures, name: str) -> None:
    batch = [resized(picture) for picture in pictures]
    exact = load_encoder(str(folders[name]), "cpu", "fp32")
    for precision in ("bf16", "fp16"):
        encoder = load_encoder(str(folders[name]), "cpu", precision)  # type: ignore[arg-type]
        for vectors, exactly in (
            (encoder.encode_images(batch), exact.encode_images(batch)),
            (encoder.encode_texts(TEXTS), exact.encode_texts(TEXTS)),
        ):
            np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
            assert (vectors * exactly).sum(1).min() > 0.99
        assert encoder.info.fingerprint == exact.info.fingerprint


def test_other_weights_or_settings_have_another_fingerprint(folders, tmp_path: Path) -> None:
    fingerprints = {load_encoder(str(folder), "cpu").info.fingerprint for folder in folders.values()}
    changed = siglip_folder(tmp_path, 1)
    change(changed, "preprocessor_config.json", image_mean=[0.4, 0.5, 0.5])
    assert len(fingerprints | {load_encoder(str(changed), "cpu").info.fingerprint}) == 4


def test_squares_of_other_pixels_give_another_fingerprint(folders, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_encoder(str(folders["siglip"]), "cpu").info.fingerprint
    monkeypatch.setattr(encoder_module, "SQUARE_VERSION", "square-0")
    assert load_encoder(str(folders["siglip"]), "cpu").info.fingerprint != before


@pytest.mark.parametrize(("multiplies", "precision"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_that_multiplies_bf16_encodes_in_it(folders, monkeypatch, multiplies: bool, precision: str) -> None:
    monkeypatch.setattr(memory_plan, "multiplies_bf16", lambda: multiplies)
    assert load_encoder(str(folders["siglip"]), "cpu").info.precision == precision


def test_what_makes_encoding_quicker_hardly_changes_vectors() -> None:
    """Of drawn scenes as JPEG files: of a part of the pixels, and in BF16, against the slow way."""
    random = Random(3)
    files = [jpeg(draw_scene(replace(random_scene(random), width_px=640, height_px=480))) for _ in range(12)]
    size = (224, 224)
    exact, quick = load_encoder("toybox-encoder", "cpu", "fp32"), load_encoder("toybox-encoder", "cpu", "bf16")
    slow = [open_picture(data, "a", Limits()).decode().resized(size) for data in files]
    squares = [open_picture(data, "a", Limits(), 224**2, for_square=True).decode().resized(size) for data in files]
    slow_vectors = exact.encode_images([np.asarray(each) for each in slow])
    for encoder in (exact, quick):
        vectors = encoder.encode_images([np.asarray(each) for each in squares])
        assert (vectors * slow_vectors).sum(1).min() > 0.998


def jpeg(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def change(folder: Path, file: str, **values: object) -> None:
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    write(folder, file, {**content, **values})


def raised(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_encoder(str(folder), "cpu")
    return caught.value


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"size": {"height": 64, "width": 64}}, "size"),
        ({"size": {"shortest_edge": IMAGE_PX}}, "size"),
        ({"size": 31}, "size"),
        ({"do_center_crop": True}, "do_center_crop"),
        ({"resample": 2}, "resample"),
        ({"do_normalize": False}, "do_normalize"),
        ({"image_std": [0.5, 0.5, 0]}, "image_std"),
    ],
)
@pytest.mark.parametrize("name", ["siglip", "chinese-clip"])
def test_an_image_processor_that_this_program_does_not_have_is_refused(tmp_path, name, values, what) -> None:
    folder = MAKERS[name](tmp_path)
    change(folder, "preprocessor_config.json", **values)
    error = raised(folder)
    assert what in (error.reason if isinstance(error, CheckpointUnsupported) else vars(error)["field"])


def test_transformers_would_crop_what_does_not_say(tmp_path: Path) -> None:
    folder = chinese_clip_folder(tmp_path)
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    del settings["do_center_crop"]
    write(folder, "preprocessor_config.json", settings)
    assert "do_center_crop" in str(vars(raised(folder))["reason"])


@pytest.mark.parametrize("file", ["tokenizer.json", "config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_file_that_is_missing_or_broken_is_named(tmp_path: Path, file: str) -> None:
    folder = siglip_folder(tmp_path, 2)
    (folder / file).write_bytes(b"{")
    assert isinstance(raised(folder), CheckpointBroken)
    (folder / file).unlink()
    assert isinstance(raised(folder), CheckpointMissing)


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    folder = siglip_folder(tmp_path, 2)
    write(folder, "tokenizer_config.json", {"tokenizer_class": "GemmaTokenizer", "pad_token": "<pad>"})
    assert "eos_token" in str(vars(raised(folder))["reason"])


def test_rerankers_and_dual_encoders_are_told_apart() -> None:
    error = raised(Path("assets/toybox"))
    assert isinstance(error, CheckpointUnsupported)
    assert error.reason == "its architecture is 'qwen2_5_vl', not 'siglip' or 'chinese_clip'"


def test_a_text_is_put_into_the_template(folders) -> None:
    plain = load_encoder(str(folders["siglip"]), "cpu")
    templated = load_encoder(str(folders["siglip"]), "cpu", template="a picture of {}")
    np.testing.assert_array_equal(templated.encode_texts(["a {} cat"]), plain.encode_texts(["a picture of a {} cat"]))
    assert templated.info.fingerprint != plain.info.fingerprint


def test_loading_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    load_encoder("toybox-encoder", "cpu")
    assert caplog.records == []

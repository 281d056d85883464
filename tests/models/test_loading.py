"""Checkpoints on the disk: the layouts in which they come, and each way in which they can be broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
)
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import rename_source_key

from reranker.benchmarks.model_shapes import random_model
from reranker.core.errors import (
    CheckpointBroken,
    CheckpointError,
    CheckpointMissing,
    CheckpointUnsupported,
    CheckpointWeightsInvalid,
)
from reranker.core.types import Candidate, Query
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.i18n.error_messages import Language, sentence
from reranker.images.limits import Limits
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.hub import INDEX, TOYBOX
from reranker.models.loading import load_checkpoint
from tests.support.paths import GALLERY

SHARDS = 4
TOKENS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
NOT_OF_THEN = {"model_type", "rope_parameters", "dtype", "layer_types"}

Names = Callable[[str], str]


def write_shards(folder: Path, names: Names = str) -> None:
    """The toybox's weights in four files and an index, under other names."""
    weights = load_file(TOYBOX / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    places = {}
    for number in range(SHARDS):
        file = f"model-{number + 1:05}-of-{SHARDS:05}.safetensors"
        part = {names(name): weights[name] for name in sorted(weights)[number::SHARDS]}
        save_file(part, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(part, file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))


def then(folder: Path) -> Path:
    """The toybox as files were laid out before transformers 5, in the manner of lychee-rerank-mm.

    A flat config.json with `rope_scaling`, `model.*` and `visual.*` beside `lm_head`, four shards with an index,
    chat_template.json, limits of pixels.
    """
    write_shards(folder)
    config = json.loads((TOYBOX / "config.json").read_text())
    text = config["text_config"]
    flat = {name: value for name, value in text.items() if name not in NOT_OF_THEN}
    device_queue = text["rope_parameters"]
    flat |= {
        "architectures": config["architectures"],
        "model_type": "qwen2_5_vl",
        "rope_theta": device_queue["rope_theta"],
        "rope_scaling": {"type": "mrope", "mrope_section": device_queue["mrope_section"]},
        "torch_dtype": "bfloat16",
        "transformers_version": "4.49.0",
        "vision_config": {name: value for name, value in config["vision_config"].items() if name not in NOT_OF_THEN},
    }
    flat |= {name: config[name] for name in TOKENS}
    (folder / "config.json").write_text(json.dumps(flat))
    pixels = json.loads((TOYBOX / "preprocessor_config.json").read_text())
    size = pixels.pop("size")
    pixels |= {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))
    template = {"chat_template": (TOYBOX / "chat_template.jinja").read_text()}
    (folder / "chat_template.json").write_text(json.dumps(template))
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "reranker.json"):
        shutil.copy(TOYBOX / name, folder)
    return folder


def now(folder: Path) -> Path:
    """The toybox with weights named as transformers 5 names its modules, in shards."""

    def named(name: str) -> str:
        if name.startswith("visual."):
            return f"model.{name}"
        return name.replace("model.", "model.language_model.", 1) if name.startswith("model.") else name

    write_shards(folder, named)
    for path in TOYBOX.iterdir():
        if path.suffix in {".json", ".jinja"}:
            shutil.copy(path, folder)
    return folder


class PictureProcessor(ProcessorMixin):
    """A processor without videos, for which transformers needs torchvision."""

    def __init__(
        self,
        image_processor: Qwen2VLImageProcessorPil | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        chat_template: str | None = None,
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)


def saved(folder: Path) -> Path:
    """The toybox as transformers 5 saves a network and its processor: there is no preprocessor_config.json."""
    network = Qwen2_5_VLForConditionalGeneration.from_pretrained(TOYBOX)
    network.save_pretrained(folder, max_shard_size="5MB")
    tokenizer = AutoTokenizer.from_pretrained(TOYBOX)
    processor = PictureProcessor(Qwen2VLImageProcessorPil.from_pretrained(TOYBOX), tokenizer, tokenizer.chat_template)
    processor.save_pretrained(folder)
    shutil.copy(TOYBOX / "reranker.json", folder)
    assert not (folder / "preprocessor_config.json").exists()
    return folder


def log_odds(model: str) -> list[float]:
    checkpoint = load_checkpoint(model, "cpu", "fp32")
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    pictures = sorted(GALLERY.glob("*.png"))[:4]
    prepared = [scorer.prepare(scorer.identify(Candidate.of(picture))) for picture in pictures]
    judged = scorer.score(Query(text="a red boat"), prepared, "run")
    return [judged[number].log_odds for number in range(len(pictures))]


@pytest.mark.parametrize("layout", [then, now, saved])
def test_all_layouts_of_files_give_the_scores_of_one_file(layout: Callable[[Path], Path], tmp_path: Path) -> None:
    assert log_odds(str(layout(tmp_path))) == pytest.approx(log_odds("toybox"), abs=1e-4)


@pytest.mark.extended
@pytest.mark.parametrize(
    ("geometry", "parameters", "on_the_disk"),
    [("7b", 8_292_166_656, 16_584_333_312), ("3b", 3_754_622_976, 7_509_245_952)],
)
def test_every_weight_of_the_published_models_has_its_place(geometry: str, parameters: int, on_the_disk: int) -> None:
    """Counts as published; names of then, written down here, find their places by transformers' own renaming."""
    network = random_model(geometry, torch.device("meta"), "bf16").network
    weights = dict(network.named_parameters())
    assert sum(weight.numel() for weight in weights.values()) == parameters
    assert sum(weight.nbytes for weight in weights.values()) == on_the_disk
    renamings = get_model_conversion_mapping(network)
    found = {
        rename_source_key(name, renamings, [], network.base_model_prefix, network.state_dict())[0]
        for name in names_of_then(layers={"7b": 28, "3b": 36}[geometry], tied=geometry == "3b")
    }
    assert found == set(weights)


def names_of_then(*, layers: int, tied: bool) -> list[str]:
    """In a file of lychee-rerank-mm or Qwen2.5-VL, as published."""
    both = ["weight", "bias"]
    block = ["norm1.weight", "norm2.weight", *(f"attn.{part}.{one}" for part in ("qkv", "proj") for one in both)]
    block += [f"mlp.{part}_proj.{one}" for part in ("gate", "up", "down") for one in both]
    layer = ["input_layernorm.weight", "post_attention_layernorm.weight", "self_attn.o_proj.weight"]
    layer += [f"self_attn.{part}_proj.{one}" for part in "qkv" for one in both]
    layer += [f"mlp.{part}_proj.weight" for part in ("gate", "up", "down")]
    names = [f"visual.blocks.{number}.{name}" for number in range(32) for name in block]
    names += [f"model.layers.{number}.{name}" for number in range(layers) for name in layer]
    names += ["visual.patch_embed.proj.weight", "visual.merger.ln_q.weight"]
    names += [f"visual.merger.mlp.{number}.{one}" for number in (0, 2) for one in both]
    return [*names, "model.embed_tokens.weight", "model.norm.weight", *([] if tied else ["lm_head.weight"])]


def test_loading_tells_how_far_it_is_and_draws_nothing(capsys: pytest.CaptureFixture) -> None:
    told: list[tuple[int, int]] = []
    load_checkpoint("toybox", "cpu", "fp32", report=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == list(range(told[0][1]))
    assert len(told) > 100
    assert capsys.readouterr().err == ""


# Broken ones


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(CheckpointMissing):
        load_checkpoint("no such model")


def test_a_folder_without_weights(tmp_path: Path) -> None:
    shutil.copytree(TOYBOX, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointMissing, match="safetensors"):
        load_checkpoint(str(tmp_path))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "preprocessor_config.json", "reranker.json"])
def test_a_file_that_is_not_json_is_named(tmp_path: Path, name: str) -> None:
    (then(tmp_path) / name).write_text("{")
    error = refused(tmp_path)
    assert isinstance(error, CheckpointBroken)
    assert error.file == name


def refused(folder: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(str(folder), "cpu")
    return caught.value


def second_shard(folder: Path) -> Path:
    return folder / f"model-00002-of-{SHARDS:05}.safetensors"


@pytest.mark.parametrize("share", [0.0, 0.00001, 0.5, 0.999])
def test_a_shard_that_ends_too_early_is_named(tmp_path: Path, share: float) -> None:
    shard = second_shard(then(tmp_path))
    data = shard.read_bytes()
    shard.write_bytes(data[: int(len(data) * share)])
    error = refused(tmp_path)
    assert isinstance(error, CheckpointBroken)
    assert (error.file, error.reason) == (shard.name, "truncated")
    assert shard.name in sentence(error, "en")
    assert str(tmp_path) not in sentence(error, "en")


def test_a_shard_that_is_not_there_is_named(tmp_path: Path) -> None:
    second_shard(then(tmp_path)).unlink()
    error = refused(tmp_path)
    assert isinstance(error, CheckpointMissing)
    assert error.missing == second_shard(tmp_path).name


@pytest.mark.parametrize("header", [b"{", b"[]", b'{"a": {}}', b'{"a": {"data_offsets": 3}}', b'{"a": 3}'])
def test_a_shard_that_is_something_else_is_named(tmp_path: Path, header: bytes) -> None:
    second_shard(then(tmp_path)).write_bytes(len(header).to_bytes(8, "little") + header + bytes(100))
    error = refused(tmp_path)
    assert isinstance(error, CheckpointBroken)
    assert error.file == second_shard(tmp_path).name


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Rewrite the shards with other weights."""
    for shard in folder.glob("*.safetensors"):
        weights = load_file(shard)
        change(weights)
        save_file(weights, shard, metadata={"format": "pt"})


def remove(part: str) -> Callable[[dict[str, torch.Tensor]], object]:
    """Remove the weights with this in their names."""
    return lambda weights: [weights.pop(name) for name in list(weights) if part in name]


def cut(part: str) -> Callable[[dict[str, torch.Tensor]], object]:
    """Cut the last column off."""
    return lambda weights: weights.update({n: w[..., :-1].contiguous() for n, w in weights.items() if part in n})


@pytest.mark.parametrize(
    ("change", "fault", "more"),
    [
        (remove("layers.2.mlp.up_proj.weight"), ("missing", "layers.2.mlp.up_proj.weight", "", "512 × 192"), 0),
        (remove("mlp.up_proj.weight"), ("missing", "blocks.0.mlp.up_proj.weight", "", "448 × 160"), 11),
        (cut("layers.1.mlp.up_proj.weight"), ("shape", "layers.1.mlp.up_proj.weight", "512 × 191", "512 × 192"), 0),
        (cut("layernorm.weight"), ("shape", "layers.0.input_layernorm.weight", "191", "192"), 11),
    ],
)
def test_weights_that_do_not_fit_are_named_and_not_made_up(
    tmp_path: Path,
    change: Callable[[dict[str, torch.Tensor]], object],
    fault: tuple[str, str, str, str],
    more: int,
) -> None:
    """transformers would fill them in with random ones and go on."""
    change_weights(then(tmp_path), change)
    error = refused(tmp_path)
    assert isinstance(error, CheckpointWeightsInvalid)
    reason, weight, found, expected = fault
    assert error.weight.endswith(weight)
    assert (error.reason, error.found, error.expected, error.more) == (reason, found, expected, more)
    for language in get_args(Language):
        words = sentence(error, language)
        assert weight in words
        assert expected in words
        assert found in words
        assert ("11" in words) == (more > 0)


@pytest.mark.parametrize("index", ["[]", "{}", '{"weight_map": []}'])
def test_an_index_that_says_nothing_is_named(tmp_path: Path, index: str) -> None:
    (then(tmp_path) / INDEX).write_text(index)
    error = refused(tmp_path)
    assert isinstance(error, CheckpointBroken)
    assert error.file == INDEX


def test_another_architecture_is_said(tmp_path: Path) -> None:
    config = json.loads((then(tmp_path) / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "llava"}))
    error = refused(tmp_path)
    assert isinstance(error, CheckpointUnsupported)
    assert "llava" in sentence(error, "en")


def test_a_tokenizer_without_yes_and_no_is_said(tmp_path: Path) -> None:
    tokenizer = json.loads((then(tmp_path) / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["yes-removed"] = vocabulary.pop("yes")
    tokenizer["model"]["merges"] = [merge for merge in tokenizer["model"]["merges"] if "".join(merge) != "yes"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    error = refused(tmp_path)
    assert isinstance(error, CheckpointUnsupported)
    assert "'yes'" in sentence(error, "en")


def test_the_digest_is_of_the_weights_alone_and_read_off_the_hubs_cache(tmp_path: Path) -> None:
    plain = CheckpointFiles("toybox", TOYBOX).digest
    copied, linked, blobs = tmp_path / "copied", tmp_path / "linked", tmp_path / "blobs"
    shutil.copytree(TOYBOX, copied)
    (copied / "README.md").write_text("other words")
    assert CheckpointFiles("other name", copied).digest == plain
    shutil.copytree(TOYBOX, linked)
    blobs.mkdir()
    blob = blobs / ("0" * 64)
    shutil.move(linked / "model.safetensors", blob)
    (linked / "model.safetensors").symlink_to(blob)
    assert CheckpointFiles("toybox", linked).digest != plain, "the name of the blob is believed"

"""The checkpoint that comes with the program, and the files of others."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import Qwen2VLImageProcessorPil

from reranker.core.errors import CheckpointBroken, CheckpointError, CheckpointMissing, CheckpointUnsupported
from reranker.i18n.error_messages import Language, sentence
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.hub import INDEX, TOYBOX

WRITTEN = json.loads((TOYBOX / "preprocessor_config.json").read_text())
CONFIG = json.loads((TOYBOX / "config.json").read_text())


def test_the_checkpoint_on_the_disk_is_small_bfloat16_and_plain(checkpoint, reference):
    assert sum(parameter.numel() for parameter in reference.parameters()) <= 8_000_000
    assert (TOYBOX / "model.safetensors").stat().st_size <= 16_000_000
    assert {file.suffix for file in TOYBOX.iterdir()} <= {".json", ".safetensors", ".jinja", ".md"}
    assert checkpoint.detail_levels == (25, 49, 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the toybox, whose files a test may change."""
    return Path(shutil.copytree(TOYBOX, tmp_path / "model"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"min_pixels": 3136, "max_pixels": 1003520}, (3136, 1003520)),
        ({"size": {"shortest_edge": 3136, "longest_edge": 1003520}}, (3136, 1003520)),
        ({"size": {"shortest_edge": 1, "longest_edge": 2}, "min_pixels": 3136, "max_pixels": 1003520}, (3136, 1003520)),
        ({"size": {"shortest_edge": 784, "longest_edge": None}}, (784, 1280 * 784)),
        ({}, (4 * 784, 1280 * 784)),
    ],
)
def test_the_pixel_range_is_read_in_both_spellings(folder, fields, expected):
    write_preprocessor(folder, fields)
    read = CheckpointFiles("model", folder).patch_settings
    assert (read.min_pixels, read.max_pixels) == expected


def write_preprocessor(folder: Path, fields: object) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(fields), encoding="utf-8")


def write_processor(folder: Path, fields: object) -> None:
    """The only file of transformers 5: the settings are a field of it."""
    (folder / "preprocessor_config.json").unlink(missing_ok=True)
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": fields}), encoding="utf-8")


@pytest.mark.parametrize("fields", [WRITTEN, {**WRITTEN, "image_mean": [0.5, 0.4, 0.3]}, {}])
def test_both_files_say_the_same(folder, fields):
    write_preprocessor(folder, fields)
    earlier = CheckpointFiles("model", folder).patch_settings
    write_processor(folder, fields)
    assert CheckpointFiles("model", folder).patch_settings == earlier


BOTH = [
    ({"image_processor": {**WRITTEN, "image_mean": [0.1, 0.2, 0.3]}}, (0.1, 0.2, 0.3)),
    ({"image_processor": None}, (0.5, 0.5, 0.5)),
    ({"processor_class": "Qwen2_5_VLProcessor"}, (0.5, 0.5, 0.5)),  # of transformers 4
]


@pytest.mark.parametrize(("processor", "mean"), BOTH)
def test_of_both_files_the_one_is_read_that_transformers_reads(folder, processor, mean):
    write_preprocessor(folder, {**WRITTEN, "image_mean": [0.5, 0.5, 0.5]})
    (folder / "processor_config.json").write_text(json.dumps(processor))
    assert CheckpointFiles("model", folder).patch_settings.mean == mean
    assert tuple(Qwen2VLImageProcessorPil.from_pretrained(folder).image_mean) == mean


def test_without_either_file_both_are_named(folder):
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text("{}")
    with pytest.raises(CheckpointMissing) as caught:
        _ = CheckpointFiles("model", folder).patch_settings
    for language in get_args(Language):
        assert "preprocessor_config.json" in sentence(caught.value, language)
        assert " processor_config.json" in sentence(caught.value, language)


WRONG = [
    ("min_pixels", {"min_pixels": 10, "max_pixels": 5}),
    ("min_pixels", {"min_pixels": -1}),
    ("max_pixels", {"max_pixels": "many"}),
    ("size", {"size": 3}),
    ("size.longest_edge", {"size": {"longest_edge": [1]}}),
    ("image_mean", {"image_mean": 0.5}),
    ("image_mean", {"image_mean": "123"}),
    ("image_mean", {"image_mean": [0.5, 0.5]}),
    ("image_mean", {"image_mean": [0.5, float("nan"), 0.5]}),
    ("image_std", {"image_std": [0.5, 0, 0.5]}),
    ("image_std", {"image_std": [True, True, True]}),
    ("patch_size", {"patch_size": 16}),
    ("patch_size", {"patch_size": [14, 14]}),
    ("merge_size", {"merge_size": "2"}),
    ("merge_size", {"merge_size": 1}),
    ("temporal_patch_size", {"temporal_patch_size": 1}),
    ("temporal_patch_size", {"temporal_patch_size": 2.0}),
]


@pytest.mark.parametrize("write", [write_preprocessor, write_processor])
@pytest.mark.parametrize(("field", "fields"), WRONG)
def test_a_wrong_field_of_the_preprocessing_is_named(folder, write, field, fields):
    write(folder, fields)
    with pytest.raises(CheckpointBroken) as caught:
        _ = CheckpointFiles("model", folder).patch_settings
    for language in get_args(Language):
        words = sentence(caught.value, language)
        assert f"“{field.replace('min', 'max') if len(fields) == 2 else field}”" in words
        assert f"“{write.__name__.removeprefix('write_')}_config.json”" in words


@pytest.mark.parametrize(
    "fields", [{"do_resize": False}, {"do_normalize": "no"}, {"resample": 2}, {"rescale_factor": 1.0}]
)
def test_preprocessing_that_this_program_does_not_do_is_refused(folder, fields):
    write_preprocessor(folder, fields)
    with pytest.raises(CheckpointUnsupported) as caught:
        _ = CheckpointFiles("model", folder).patch_settings
    assert next(iter(fields)) in sentence(caught.value, "en")


def test_a_checkpoint_knows_examples_unless_it_says_that_it_does_not(folder):
    assert not CheckpointFiles("model", folder).takes_example
    for content, expected in (({"takes_example": True}, True), ({}, True)):
        (folder / "reranker.json").write_text(json.dumps(content))
        assert CheckpointFiles("model", folder).takes_example == expected
    (folder / "reranker.json").unlink()
    assert CheckpointFiles("model", folder).takes_example
    (folder / "reranker.json").write_text('{"takes_example": "no"}')
    with pytest.raises(CheckpointBroken) as caught:
        _ = CheckpointFiles("model", folder).takes_example
    assert "“takes_example” must be true or false" in sentence(caught.value, "en")


def test_a_level_of_detail_beyond_the_context_is_what_there_is_room_for(folder):
    text = {**CONFIG["text_config"], "max_position_embeddings": 1100}
    (folder / "config.json").write_text(json.dumps({**CONFIG, "text_config": text}))
    (folder / "reranker.json").write_text(json.dumps({"details": [256, 512, 1280]}))
    assert CheckpointFiles("model", folder).detail_levels == (256, 512, 550)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def changed(fields):
    """Some of these fields with other values, or something else than an object."""
    return st.dictionaries(st.sampled_from(sorted(fields)), ANYTHING, max_size=3) | ANYTHING


OPTIONAL = ["min_pixels", "max_pixels", "resample", "rescale_factor", *WRITTEN]
FILES = {
    "preprocessor_config.json": changed(OPTIONAL),
    "processor_config.json": st.fixed_dictionaries({"image_processor": changed(OPTIONAL)}) | ANYTHING,
    "reranker.json": changed(["details", "fits", "instruction", "labels", "takes_example", "temperature"]),
    INDEX: st.fixed_dictionaries({"weight_map": st.dictionaries(st.text(max_size=3), ANYTHING, max_size=2) | ANYTHING}),
}


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    return shutil.copytree(TOYBOX, tmp_path_factory.mktemp("fuzzed") / "model")


def read_all(folder, *, counts=False):
    """Read what loading reads, without the weights. Returns the error, or None.

    counts: also count the weights of the network, which needs only config.json, and some time.
    """
    try:
        files = CheckpointFiles("model", folder)
        read = files.patch_settings, files.detail_levels, files.temperature, files.relevance_threshold
        assert read[0] == replace(read[0], patch_px=14, merge=2)
        assert files.instruction.encode()
        assert files.max_tokens > 0
        assert files.takes_example in (True, False)
        assert files.label_calibration is None or files.label_calibration.is_valid
        assert not counts or files.weight_counts.layers > 0
    except CheckpointError as error:
        return error
    return None


@settings(max_examples=100, deadline=None)
@example(("reranker.json", {"temperature": "warm"}))
@example((INDEX, {"weight_map": {"a": "../" * 9 + "x.safetensors"}}))
@example((INDEX, {"weight_map": {"a": "x" * 300 + ".safetensors"}}))
@given(st.sampled_from(sorted(FILES)).flatmap(lambda name: st.tuples(st.just(name), FILES[name])))
def test_a_file_of_any_content_is_read_or_refused_in_a_sentence(shared_folder, file):
    name, content = file
    path = shared_folder / name
    before = path.read_bytes() if path.exists() else None
    try:
        path.write_text(json.dumps(content), encoding="utf-8")
        refused = read_all(shared_folder)
    finally:
        path.unlink() if before is None else path.write_bytes(before)
    if refused is not None:
        assert sentence(refused, "en").endswith(".")
        assert sentence(refused, "zh").endswith("。")


@settings(max_examples=25, deadline=None)
@example("model_type", [])
@example("text_config", {"max_position_embeddings": -1})
@example("vision_config", {"patch_size": [14, 14]})
@given(st.sampled_from(["model_type", "text_config", "vision_config", "image_token_id"]), ANYTHING)
def test_a_configuration_of_any_content_is_read_or_refused_in_a_sentence(shared_folder, field, value):
    path = shared_folder / "config.json"
    merged = {**CONFIG[field], **value} if isinstance(value, dict) and isinstance(CONFIG[field], dict) else value
    try:
        path.write_text(json.dumps({**CONFIG, field: merged}), encoding="utf-8")
        refused = read_all(shared_folder, counts=True)
    finally:
        path.write_text(json.dumps(CONFIG))
    assert refused is None or "config.json" in sentence(refused, "en") or "architecture" in sentence(refused, "en")

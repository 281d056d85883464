"""ONNX Runtime gives the vectors of torch, or is refused with a figure; files are written and compared once."""

import dataclasses
import json
import logging
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reranker.config.paths import cache_folder
from reranker.core.errors import BackendFailed, BackendRefused
from reranker.models.dual_encoders.agreement import LEAST_COSINE, LEAST_RECALL, Agreement, drawn_pictures
from reranker.models.dual_encoders.encoder import Encoder, load_encoder
from tests.support.dual_encoders import IMAGE_PX, chinese_clip_folder, siglip_folder
from tests.support.paths import ROOT

TEXTS = ["cat", "", "A Cat, and a 红色 cat!", "猫", "x" * 100]
PICTURES = list(drawn_pictures(32, IMAGE_PX))


class Exported:
    """A tiny checkpoint, and a cache folder with its export."""

    def __init__(self, checkpoint: Path, cache: Path) -> None:
        self.checkpoint, self.cache = checkpoint, cache
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(cache))
            self.fingerprint = load_encoder(str(checkpoint), "cpu", backend="onnx").info.fingerprint

    def load(self, **options: Any) -> Encoder:
        return load_encoder(str(self.checkpoint), "cpu", **{"precision": "fp32"} | options)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(siglip_folder(tmp_path_factory.mktemp("siglip"), 1), tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def chinese_clip(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(chinese_clip_folder(tmp_path_factory.mktemp("chinese_clip")), tmp_path_factory.mktemp("cache"))


@pytest.fixture(params=["siglip", pytest.param("chinese_clip", marks=pytest.mark.extended)])
def exported(request: pytest.FixtureRequest) -> Exported:
    """A checkpoint whose export is in the cache folder of this test."""
    found: Exported = request.getfixturevalue(request.param)
    shutil.copytree(found.cache / "reranker", cache_folder())
    return found


def files(exported: Exported, precision: str = "fp32") -> Path:
    """The folder of the exported files of a checkpoint."""
    (folder,) = (cache_folder() / "onnx" / exported.fingerprint).glob(f"{precision}-*")
    return folder


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def agreement(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "agreement-cpu.json").read_text(encoding="utf-8"))
    return content


def export_other_weights(exported: Exported) -> None:
    """Put the tower of texts in the place of that of other weights: the first layer's are exchanged."""
    import onnx  # noqa: PLC0415 - of an extra

    model = onnx.load(files(exported) / "texts.onnx")
    for weights in model.graph.initializer:
        array = onnx.numpy_helper.to_array(weights)
        if array.dtype == np.float32 and array.ndim == 2:
            weights.CopyFrom(onnx.numpy_helper.from_array(array[::-1].copy(), weights.name))
    (files(exported) / "texts.onnx.data").unlink()
    onnx.save(model, files(exported) / "texts.onnx")


# Vectors


@pytest.mark.parametrize("count", [1, 3, 32])
def test_vectors_are_those_of_torch_in_every_batch(exported: Exported, count: int) -> None:
    onnx, torch = exported.load(backend="onnx"), exported.load()
    np.testing.assert_allclose(onnx.encode_images(PICTURES[:count]), torch.encode_images(PICTURES[:count]), atol=1e-4)
    texts = (TEXTS * 7)[:count]
    np.testing.assert_allclose(onnx.encode_texts(texts), torch.encode_texts(texts), atol=1e-4)


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_every_length_have_the_vectors_of_torch(exported: Exported, text: str) -> None:
    vectors = exported.load(backend="onnx").encode_texts([text])
    np.testing.assert_allclose(vectors, exported.load().encode_texts([text]), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_vectors_can_be_compared_with_those_of_torch(exported: Exported) -> None:
    info = exported.load(backend="onnx").info
    assert (info.backend, info.precision) == ("onnx", "fp32")
    assert info == dataclasses.replace(exported.load().info, backend="onnx")


# Written and compared once


def test_the_second_call_uses_what_the_first_has_written_and_measured(exported: Exported) -> None:
    before = times(files(exported))
    exported.load(backend="onnx")
    assert times(files(exported)) == before
    assert agreement(files(exported))["cosine"] > 0.9999


def test_another_onnx_runtime_compares_again(exported: Exported) -> None:
    path = files(exported) / "agreement-cpu.json"
    former = agreement(files(exported))
    path.write_text(json.dumps({**former, "about": {**former["about"], "onnxruntime": "1.0"}, "cosine": 0.5}))
    exported.load(backend="onnx")
    assert agreement(files(exported)) == former


def test_the_export_of_other_weights_is_refused_with_its_cosine(exported: Exported) -> None:
    export_other_weights(exported)
    with pytest.raises(BackendRefused) as caught:
        exported.load(backend="onnx")
    assert caught.value.reason == "cosine"
    assert caught.value.found < caught.value.least == 0.999
    assert agreement(files(exported))["cosine"] == caught.value.found


@pytest.mark.extended
@pytest.mark.parametrize(
    ("exported", "file"), [("siglip", "pictures.onnx"), ("chinese_clip", "texts.onnx.data")], indirect=["exported"]
)
def test_an_export_that_was_cut_off_is_made_again(exported: Exported, file: str) -> None:
    data = (files(exported) / file).read_bytes()
    (files(exported) / file).write_bytes(data[: len(data) // 2])
    exported.load(backend="onnx")
    assert len((files(exported) / file).read_bytes()) == len(data)


@pytest.mark.extended
@pytest.mark.parametrize("exported", ["siglip"], indirect=True)
def test_what_a_killed_export_leaves_does_not_count_and_is_removed(exported: Exported) -> None:
    left = files(exported).parent / ".unfinished-x"
    files(exported).rename(left)
    exported.load(backend="onnx")
    assert files(exported).is_dir()
    assert not left.exists()


def test_a_cache_folder_that_cannot_be_written_is_named_as_the_reason(exported: Exported) -> None:
    shutil.rmtree(cache_folder())
    cache_folder().write_bytes(b"")
    with pytest.raises(BackendFailed) as caught:
        exported.load(backend="onnx")
    assert caught.value.reason == "disk"


def test_another_precision_than_fp32_is_left_to_torch(exported: Exported) -> None:
    with pytest.raises(BackendFailed) as caught:
        exported.load(backend="onnx", precision="bf16")
    assert caught.value.reason == "precision"
    encoder = exported.load(backend="auto", precision="bf16")
    assert (encoder.info.backend, encoder.info.precision) == ("torch", "bf16")


# The faster one


def test_auto_measures_both_once_and_takes_the_faster(exported: Exported) -> None:
    encoder = exported.load(backend="auto")
    assert encoder.choice is not None
    rates = encoder.choice.pictures_per_s
    assert set(rates) == {"torch", "onnx"}
    assert encoder.info.backend == encoder.choice.backend == max(rates, key=lambda backend: rates[backend])
    assert exported.load(backend="auto").choice == encoder.choice, "what was measured would differ"


def test_auto_does_as_it_has_measured_before(exported: Exported) -> None:
    exported.load(backend="auto")
    (path,) = (cache_folder() / "backends").iterdir()
    stored = json.loads(path.read_text(encoding="utf-8"))
    for backend in ("torch", "onnx"):
        path.write_text(json.dumps({**stored, "backend": backend, "pictures_per_s": {backend: 7.0}}))
        encoder = exported.load(backend="auto")
        assert encoder.info.backend == backend
        assert encoder.choice is not None
        assert encoder.choice.pictures_per_s == {backend: 7.0}


def test_auto_takes_torch_and_tells_why_if_onnx_runtime_is_refused(
    exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    export_other_weights(exported)
    with caplog.at_level(logging.WARNING):
        choices = [exported.load(backend="auto").choice for _ in range(2)]
    for choice in choices:
        assert choice is not None
        assert choice.backend == "torch"
        assert isinstance(choice.refusal, BackendRefused)
        assert choice.refusal.found < choice.refusal.least
    assert "BackendRefused" in caplog.text


# Weights in int8


def test_int8_is_accepted_or_refused_by_its_figures(exported: Exported) -> None:
    refusal = None
    try:
        exported.load(backend="onnx-int8")
    except BackendRefused as error:
        refusal = error
    figures = agreement(files(exported, "int8"))
    if refusal is None:
        assert figures["cosine"] >= LEAST_COSINE["onnx-int8"]
        assert figures["recall"] >= LEAST_RECALL["onnx-int8"]
    else:
        assert figures[refusal.reason] == refusal.found < refusal.least


@pytest.mark.extended
@pytest.mark.parametrize("exported", ["siglip"], indirect=True)
def test_int8_is_made_of_an_export_that_is_made_first(exported: Exported) -> None:
    former = times(files(exported))
    shutil.rmtree(files(exported))
    with suppress(BackendRefused):
        exported.load(backend="onnx-int8")
    assert times(files(exported)).keys() == former.keys() - {"agreement-cpu.json"}
    assert {"pictures.onnx", "texts.onnx"} <= times(files(exported, "int8")).keys()


def test_exact_products_in_the_place_of_int8_are_accepted_with_another_fingerprint(exported: Exported) -> None:
    folder = files(exported)
    shutil.copytree(folder, folder.with_name(folder.name.replace("fp32", "int8")))
    info = exported.load(backend="onnx-int8").info
    assert (info.backend, info.precision) == ("onnx-int8", "int8")
    assert info.fingerprint != exported.fingerprint
    figures = agreement(files(exported, "int8"))
    assert figures["cosine"] > 0.9999
    assert figures["recall"] > 0.99


@pytest.mark.parametrize(
    ("backend", "agreement", "reason"),
    [
        ("onnx", Agreement(cosine=0.999), None),
        ("onnx", Agreement(cosine=0.9989), "cosine"),
        ("onnx-int8", Agreement(cosine=0.99, recall=0.99), None),
        ("onnx-int8", Agreement(cosine=0.9899), "cosine"),
        ("onnx-int8", Agreement(cosine=0.9999, recall=0.9899), "recall"),
    ],
)
def test_what_is_accepted(backend: str, agreement: Agreement, reason: str | None) -> None:
    if reason is None:
        agreement.require("a model", backend)
        return
    with pytest.raises(BackendRefused) as caught:
        agreement.require("a model", backend)
    assert caught.value.reason == reason
    assert caught.value.least in (LEAST_COSINE[backend], LEAST_RECALL.get(backend))


# Privacy


def test_onnx_runtime_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    """It would write an id of this machine, and a database of what to send, when it is imported."""
    code = "from reranker.models.dual_encoders.onnx_runtime import onnx_runtime\nonnx_runtime()"
    hidden = {"ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI", "GITHUB_ACTIONS"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True)
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name] == []

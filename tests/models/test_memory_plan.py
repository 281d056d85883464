"""The memory plan: what fits where, and that a network judges alike wherever its parts live and in every precision."""

import pytest
import torch

from reranker.benchmarks.random_configs import architecture_of, config_of
from reranker.core.errors import ModelOutOfMemory, QuantizationMissing
from reranker.core.types import Candidate, Query, Scoring
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models import loading as checkpoints
from reranker.models import memory_plan as placement
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.device_map import distribute_layers, layers_of
from reranker.models.hub import TOYBOX
from reranker.models.loading import Checkpoint, load_checkpoint, load_network, make_checkpoint_from_files
from reranker.models.memory_plan import (
    GIB,
    WeightCounts,
    choose_device,
    choose_precision,
    fitting_precision,
    is_device_failure,
    is_out_of_memory,
)
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL
from tests.support.fake_gpus import pretended_gpus
from tests.support.paths import GALLERY

CPU = torch.device("cpu")
PICTURES = sorted(GALLERY.glob("*.png"))[:6]
TOYBOX_COUNTS = CheckpointFiles("toybox", TOYBOX).weight_counts


def log_odds(checkpoint: Checkpoint, query: str = "a red boat", scoring: Scoring = "yes-no") -> list[float]:
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), scoring=scoring)
    prepared = [scorer.prepare(scorer.identify(Candidate.of(picture))) for picture in PICTURES]
    judged = scorer.score(Query(text=query), prepared, "run")
    return [judged[index].log_odds for index in range(len(PICTURES))]


@pytest.fixture(scope="module")
def plain() -> list[float]:
    return log_odds(load_checkpoint("toybox", "cpu", "fp32"))


# What fits


def test_a_gpu_has_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, torch raises an error when it is asked for the share of the memory that a process may use."""
    assert [choose_device(device) for device in ("auto", "cpu")] == [CPU, CPU]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [choose_device(device) for device in ("auto", "cuda", "cpu")] == [torch.device("cuda", 0)] * 2 + [CPU]


@pytest.mark.parametrize(
    ("geometry", "vision", "layers", "embedding", "output"),
    [
        ("7b", 676_550_144, 6_525_621_760, 544_997_376, 544_997_376),
        ("3b", 668_684_288, 3_754_622_976 - 668_684_288 - 311_164_928, 311_164_928, 0),
        ("2b", 406_957_056, 2_127_532_032 - 406_957_056 - 311_164_928, 311_164_928, 0),
        ("8b", 576_388_336, 6_946_075_648, 622_329_856, 622_329_856),
    ],
)
def test_the_parts_of_the_published_models(
    geometry: str, vision: int, layers: int, embedding: int, output: int
) -> None:
    counts = WeightCounts.from_config(architecture_of(geometry), config_of(geometry))
    assert (counts.vision, counts.layers) == (vision, layers)
    assert (counts.embedding, counts.output) == (embedding, output)


@pytest.mark.parametrize(
    ("gib", "precision"), [(24, "bf16"), (16, "bf16"), (12, "nf4"), (10, "nf4"), (8, "nf4"), (7, None)]
)
def test_what_the_7b_is_loaded_in_on_gpus_of_each_size(gib: int, precision: str | None) -> None:
    assert fitting_precision(WeightCounts.from_config(QWEN2_5_VL, config_of("7b")), gib * GIB, "bf16") == precision


def test_generation_by_transformers_takes_the_embedding_and_the_output_matrix_too() -> None:
    counts = WeightCounts.from_config(QWEN2_5_VL, config_of("7b"))
    assert counts.bytes_on_gpu("bf16", all_on_device=True) - counts.bytes_on_gpu("bf16") == 2 * 2 * 544_997_376
    assert fitting_precision(counts, 16 * GIB, "bf16", all_on_device=True) == "nf4"


def test_the_3b_in_bf16_fits_where_its_weights_a_batch_and_cuda_do() -> None:
    counts = WeightCounts.from_config(QWEN2_5_VL, config_of("3b"))
    assert counts.bytes_on_gpu("bf16") == 2 * (3_754_622_976 - 311_164_928)
    assert fitting_precision(counts, 8 * GIB + GIB // 2, "bf16") == "bf16"


def test_two_small_gpus_hold_whole_what_one_would_hold_quantized() -> None:
    counts = WeightCounts.from_config(QWEN2_5_VL, config_of("7b"))
    assert fitting_precision(counts, 12 * GIB, "bf16", other_gpu_bytes=6 * GIB) == "bf16"
    assert fitting_precision(counts, 12 * GIB, "bf16", other_gpu_bytes=1 * GIB) == "nf4"
    assert (
        fitting_precision(counts, 1 * GIB, "bf16", other_gpu_bytes=99 * GIB) is None
    )  # what is no layer is on the first


def test_a_machine_without_a_gpu_takes_half_the_bytes_for_large_weights_where_it_has_the_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = WeightCounts.from_config(QWEN2_5_VL, config_of("3b"))
    assert choose_precision("auto", CPU, TOYBOX_COUNTS) == "fp32"
    assert choose_precision("fp16", CPU, large) == "fp16"
    for multiplies, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(placement, "multiplies_bf16", lambda answer=multiplies: answer)
        assert choose_precision("auto", CPU, large) == precision


def test_int8_is_never_chosen_although_it_can_be_asked_for() -> None:
    counts = WeightCounts.from_config(QWEN2_5_VL, config_of("7b"))
    chosen = {fitting_precision(counts, gib * GIB / 4, "bf16") for gib in range(4 * 32)}
    assert chosen == {"bf16", "nf4", None}
    assert choose_precision("int8", CPU, counts) == "int8"


# What its errors say


def test_what_the_cpu_says_without_memory_counts_as_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    ],
    ids=str,
)
def test_out_of_memory_has_many_names(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_device_failure(error)


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"),
        RuntimeError("CUDA driver error: unknown error"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ],
    ids=str,
)
def test_any_other_error_of_a_gpu_is_its_failure(error: Exception) -> None:
    assert is_device_failure(error)
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("CUDA error"), OSError()], ids=repr)
def test_other_errors_are_neither(error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert not is_device_failure(error)


# That it judges alike


@pytest.mark.parametrize(("precision", "within"), [("bf16", 0.1), ("fp16", 0.02), ("int8", 0.2), ("nf4", 0.5)])
def test_every_precision_judges_nearly_alike(plain: list[float], precision: str, within: float) -> None:
    checkpoint = load_checkpoint("toybox", "cpu", precision)
    assert checkpoint.precision == precision
    odds = log_odds(checkpoint)
    assert odds == pytest.approx(plain, abs=within)
    assert odds != plain
    assert max(range(len(odds)), key=odds.__getitem__) == max(range(len(plain)), key=plain.__getitem__)


def test_what_is_quantized_are_the_layers_alone() -> None:
    checkpoint = load_checkpoint("toybox", "cpu", "nf4")
    assert checkpoint.model.language.layers[0].mlp.up_proj.weight.dtype == torch.uint8
    assert checkpoint.model.vision.network.blocks[0].mlp.up_proj.weight.dtype.is_floating_point
    assert checkpoint.model.language.embed_tokens.weight.dtype.is_floating_point
    assert checkpoint.head.direction.dtype == torch.float32


def test_ratings_are_alike_with_layers_in_host_memory() -> None:
    files = CheckpointFiles("toybox", TOYBOX)
    network = load_network(files, CPU, "fp32")
    distribute_layers(network.model.language_model, [(CPU, 0)])
    brought, here = make_checkpoint_from_files(network, files, CPU, "fp32"), load_checkpoint("toybox", "cpu", "fp32")
    assert log_odds(brought, scoring="rating") == pytest.approx(log_odds(here, scoring="rating"), abs=1e-3)


@pytest.mark.parametrize("kept", [0, 1, 4, 6])
def test_layers_stay_in_host_memory_from_where_the_room_ends(plain: list[float], kept: int) -> None:
    files = CheckpointFiles("toybox", TOYBOX)
    network = load_network(files, CPU, "fp32")
    layers = layers_of(network.model.language_model)
    each = sum(weight.nbytes for weight in layers[0].parameters())
    distribute_layers(network.model.language_model, [(CPU, (kept + 0.5) * each)])
    where = [layer.mlp.up_proj.weight.device.type for layer in layers]
    assert where == ["cpu"] * kept + ["meta"] * (len(layers) - kept)
    checkpoint = make_checkpoint_from_files(network, files, CPU, "fp32")
    assert checkpoint.load_warnings == (("offloaded",) if kept < len(layers) else ())
    assert log_odds(checkpoint) == pytest.approx(plain, abs=1e-4)


@pytest.mark.extended
@pytest.mark.parametrize(
    ("scoring", "first", "second"),
    [
        ("yes-no", 3, 99),
        ("rating", 2, 2),
        *(
            pytest.param(*case, marks=pytest.mark.extended)
            for case in [
                ("yes-no", 0, 99),
                ("yes-no", 2, 2),
                ("yes-no", 0, 0),
                ("rating", 3, 99),
                ("rating", 0, 99),
                ("rating", 0, 0),
            ]
        ),
    ],
)
def test_a_model_spread_over_two_gpus_scores_alike(
    plain: list[float], first: int, second: int, scoring: Scoring
) -> None:
    """The GPUs are pretended: what is on one refuses to meet what is on the other, as on real ones."""
    here = plain if scoring == "yes-no" else log_odds(load_checkpoint("toybox", "cpu", "fp32"), scoring=scoring)
    files = CheckpointFiles("toybox", TOYBOX)
    network = load_network(files, CPU, "fp32")
    with pretended_gpus() as gpus:
        language = network.model.language_model
        each = sum(weight.nbytes for weight in layers_of(language)[0].parameters())
        for part in (network.model.visual, language.norm, language.rotary_emb):
            part.to(gpus[0])
        capacities = [(kept + 0.5) * each for kept in (first, second)]
        distribute_layers(language, list(zip(gpus, capacities, strict=True)))
        checkpoint = make_checkpoint_from_files(network, files, gpus[0], "fp32")
        assert checkpoint.gpus == (gpus if second else gpus[:1])
        assert checkpoint.load_warnings == (("split",) if second == 99 else ("offloaded",))
        scores = log_odds(checkpoint, scoring=scoring)
    assert scores == pytest.approx(here, abs=1e-3)


def test_running_out_of_memory_while_loading_is_no_broken_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(checkpoints, "place_on_devices", fail)
    raised: Exception = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(ModelOutOfMemory, match="fp16"):
        load_checkpoint("toybox", "cpu", "fp16")
    raised = ImportError("bitsandbytes")
    with pytest.raises(QuantizationMissing, match="int8"):
        load_checkpoint("toybox", "cpu", "int8")

"""The memory plan: what fits where, and that a network judges alike wherever its parts live and in every precision."""

from pathlib import Path

import pytest
import torch

from reranker.errors import CheckpointUnsupported, ModelOutOfMemory
from reranker.images import Limits
from reranker.measure.geometries import config_of
from reranker.model import checkpoints, placement
from reranker.model.checkpoint_files import CheckpointFiles
from reranker.model.checkpoints import Checkpoint, load_checkpoint, load_network, with_its_files
from reranker.model.cross_encoder import CrossEncoder
from reranker.model.hub import TOYBOX
from reranker.model.opinions import Rating
from reranker.model.placement import GIB, Sizes, choose_precision, fitting, keep_or_bring
from reranker.model.vision_memory import VisionMemory
from reranker.types import Candidate, Query

CPU = torch.device("cpu")
PICTURES = sorted((Path(__file__).parents[1] / "assets" / "gallery").glob("*.png"))[:6]
TOYBOX_SIZES = CheckpointFiles("toybox", TOYBOX).sizes


def log_odds(checkpoint: Checkpoint, query: str = "a red boat", **asks) -> list[float]:
    scorer = CrossEncoder(checkpoint, limits=Limits(), memory=VisionMemory(0), **asks)
    prepared = [scorer.prepare(Candidate.of(picture)) for picture in PICTURES]
    judged = dict(scorer.score(Query(text=query), prepared))
    return [judged[index].log_odds for index in range(len(PICTURES))]


@pytest.fixture(scope="module")
def plain() -> list[float]:
    return log_odds(load_checkpoint("toybox", "cpu", "fp32"))


# What fits


@pytest.mark.parametrize(
    ("geometry", "vision", "layers", "embedding", "output"),
    [
        ("7b", 676_550_144, 6_525_621_760, 544_997_376, 544_997_376),
        ("3b", 668_684_288, 3_754_622_976 - 668_684_288 - 311_164_928, 311_164_928, 0),
    ],
)
def test_the_parts_of_the_published_models(
    geometry: str, vision: int, layers: int, embedding: int, output: int
) -> None:
    sizes = Sizes.described(config_of(geometry))
    assert (sizes.vision, sizes.layers) == (vision, layers)
    assert (sizes.embedding, sizes.output) == (embedding, output)


@pytest.mark.parametrize(
    ("gib", "precision"), [(24, "bf16"), (16, "bf16"), (12, "int8"), (10, "int8"), (9, "nf4"), (8, "nf4"), (7, None)]
)
def test_what_the_7b_is_loaded_in_on_cards_of_each_size(gib: int, precision: str | None) -> None:
    assert fitting(Sizes.described(config_of("7b")), gib * GIB, "bf16") == precision


def test_writing_words_takes_the_output_matrix_too() -> None:
    sizes = Sizes.described(config_of("7b"))
    assert sizes.bytes_on_card("bf16", writes=True) - sizes.bytes_on_card("bf16") == 2 * 544_997_376
    assert fitting(sizes, 16 * GIB, "bf16", writes=True) == "int8"


def test_the_3b_in_bf16_fits_where_its_weights_a_batch_and_cuda_do() -> None:
    sizes = Sizes.described(config_of("3b"))
    assert sizes.bytes_on_card("bf16") == 2 * (3_754_622_976 - 311_164_928)
    assert fitting(sizes, 8 * GIB + GIB // 2, "bf16") == "bf16"


def test_a_machine_without_a_card_takes_half_the_bytes_for_large_weights_where_it_has_the_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = Sizes.described(config_of("3b"))
    assert choose_precision("auto", CPU, TOYBOX_SIZES) == "fp32"
    assert choose_precision("fp16", CPU, large) == "fp16"
    for multiplies, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(placement, "_multiplies_bf16", lambda answer=multiplies: answer)
        assert choose_precision("auto", CPU, large) == precision


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
    assert checkpoint.language.layers[0].mlp.up_proj.weight.dtype == torch.uint8
    assert checkpoint.vision.network.blocks[0].mlp.up_proj.weight.dtype.is_floating_point
    assert checkpoint.language.embed_tokens.weight.dtype.is_floating_point
    assert checkpoint.head.direction.dtype == torch.float32


def test_ratings_are_alike_with_layers_in_host_memory() -> None:
    files = CheckpointFiles("toybox", TOYBOX)
    network = load_network(files, CPU, "fp32")
    keep_or_bring(network.model.language_model.layers, CPU, 0)
    brought, here = with_its_files(network, files, CPU, "fp32"), load_checkpoint("toybox", "cpu", "fp32")
    assert log_odds(brought, asks=Rating(brought)) == pytest.approx(log_odds(here, asks=Rating(here)), abs=1e-3)


@pytest.mark.parametrize("kept", [0, 1, 4, 6])
def test_layers_stay_in_host_memory_from_where_the_room_ends(plain: list[float], kept: int) -> None:
    files = CheckpointFiles("toybox", TOYBOX)
    network = load_network(files, CPU, "fp32")
    layers = network.model.language_model.layers
    each = sum(weight.nbytes for weight in layers[0].parameters())
    keep_or_bring(layers, CPU, (kept + 0.5) * each)
    where = [layer.mlp.up_proj.weight.device.type for layer in layers]
    assert where == ["cpu"] * kept + ["meta"] * (len(layers) - kept)
    checkpoint = with_its_files(network, files, CPU, "fp32")
    assert checkpoint.remarks == (("offloaded",) if kept < len(layers) else ())
    assert log_odds(checkpoint) == pytest.approx(plain, abs=1e-5)


def test_running_out_of_memory_while_loading_is_no_broken_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(checkpoints, "place", fail)
    raised: Exception = torch.OutOfMemoryError("CUDA out of memory")
    with pytest.raises(ModelOutOfMemory, match="fp16"):
        load_checkpoint("toybox", "cpu", "fp16")
    raised = ImportError("bitsandbytes")
    with pytest.raises(CheckpointUnsupported, match="int8"):
        load_checkpoint("toybox", "cpu", "int8")

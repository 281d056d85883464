"""Measure how fast a dual encoder encodes picture files, in paired rounds: this program's pipeline against loops.

articles                the loop of articles: pictures opened one by one, batches of eight, the cache emptied
sentence_transformers   its `SentenceTransformer.encode`, if it is installed
ours                    the indexing of a library, with hashes and a catalogue; in onnx and onnx-int8, on ONNX Runtime
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from reranker.benchmarks.sentence_transformers_baseline import sentence_transformer
from reranker.benchmarks.speed import product_tflops, write_pictures
from reranker.images.decoding_pool import shared_pool
from reranker.images.limits import Limits
from reranker.models.dual_encoders.encoder import Encoder, load_encoder
from reranker.models.hub import folder_of
from reranker.pipelines.indexing import EncodingHere, Indexer, find_changes
from reranker.storage.catalogue import Catalogue, EncoderRecord

ARTICLE_BATCH: Final = 8
BATCH: Final = 32
_Method = Callable[[Sequence[Path]], None]


def benchmark(model: str, images: int, rounds: int, report: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Return pictures a second of each method: the medians of rounds, and the ratio to the first in the same round.

    model: a name or folder of a dual encoder. images: JPEG files, which are made, in mixed sizes.
    """
    methods = _methods(model)
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), images)
        rates: dict[str, list[float]] = {name: [] for name in methods}
        for round_ in range(-1, rounds):
            report("warming up" if round_ < 0 else f"round {round_ + 1} of {rounds}")
            for name, method in methods.items():
                chosen = paths[:BATCH] if round_ < 0 else paths
                started = perf_counter()
                method(chosen)
                if round_ >= 0:
                    rates[name].append(len(chosen) / (perf_counter() - started))
    reference = rates["articles"]
    gflop = picture_gflop(model)
    return {
        "model": model,
        "images": images,
        "rounds": rounds,
        "gflop_a_picture": gflop,
        "product_gflops": product_tflops(torch.device("cpu"), torch.float32) * 1000,
        "methods": {
            name: {
                "pictures_per_s": statistics.median(each),
                "times_articles": statistics.median(rate / base for rate, base in zip(each, reference, strict=True)),
                "gflops": statistics.median(each) * gflop,
            }
            for name, each in rates.items()
        },
    }


def _methods(model: str) -> dict[str, _Method]:
    methods: dict[str, _Method] = {"articles": _articles(model)}
    if find_spec("sentence_transformers"):
        methods["sentence_transformers"] = _sentence_transformers(model)
    methods["ours"] = _ours(load_encoder(model, "cpu"))
    methods["ours in onnx"] = _ours(load_encoder(model, "cpu", backend="onnx"))
    methods["ours in onnx-int8"] = _ours(load_encoder(model, "cpu", backend="onnx-int8"))
    return methods


def _articles(model: str) -> _Method:
    from transformers import AutoImageProcessor, AutoModel  # noqa: PLC0415 - slow to import

    folder = folder_of(model)
    network = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)

    def encode(paths: Sequence[Path]) -> None:
        for start in range(0, len(paths), ARTICLE_BATCH):
            pictures = [Image.open(path).convert("RGB") for path in paths[start : start + ARTICLE_BATCH]]
            with torch.no_grad():
                features = network.get_image_features(**processor(images=pictures, return_tensors="pt"))
                torch.nn.functional.normalize(features.pooler_output, dim=1).numpy()
            torch.cuda.empty_cache()

    return encode


def _sentence_transformers(model: str) -> _Method:
    encoder = sentence_transformer(folder_of(model))

    def encode(paths: Sequence[Path]) -> None:
        encoder.encode([Image.open(path) for path in paths], batch_size=BATCH, show_progress_bar=False)

    return encode


def _ours(encoder: Encoder) -> _Method:
    info = encoder.info
    record = EncoderRecord(
        fingerprint=info.fingerprint, model=info.model, backend=info.backend, dimensions=info.dimensions
    )

    def encode(paths: Sequence[Path]) -> None:
        with TemporaryDirectory() as folder:
            catalogue = Catalogue(Path(folder), record)
            changes = find_changes([paths[0].parent], {})
            wanted = {str(path.resolve()) for path in paths}
            chosen = {path: stamp for path, stamp in changes.changed.items() if path in wanted}
            indexer = Indexer(catalogue, info.image_px, EncodingHere(encoder), Limits(), shared_pool())
            *_, last = indexer.run(replace(changes, changed=chosen))
            catalogue.close()
            assert (last.encoded, last.failed) == (len(paths), 0)

    return encode


def picture_gflop(model: str) -> float:
    """Return the operations of the vision tower for a picture, in 10^9, a multiplication and an addition being two."""
    from transformers import AutoModel  # noqa: PLC0415

    network = AutoModel.from_pretrained(folder_of(model), local_files_only=True).eval()
    px = network.config.vision_config.image_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.get_image_features(pixel_values=torch.zeros(1, 3, px, px))
    return float(counter.get_total_flops()) / 1e9


def as_table(result: dict[str, Any]) -> str:
    """Return the result as a table for a terminal."""
    lines = [
        "{model}, {images} pictures, {gflop_a_picture:.3g} GFLOP a picture; a large product runs at "
        "{product_gflops:.0f} GFLOP/s".format_map(result),
        "",
        f"{'method':24}{'pictures/s':>11}{'times articles':>16}{'of the product':>16}",
    ]
    for name, method in result["methods"].items():
        share = method["gflops"] / result["product_gflops"]
        lines.append(f"{name:24}{method['pictures_per_s']:>11.1f}{method['times_articles']:>16.2f}{share:>16.0%}")
    return "\n".join(lines) + "\n"

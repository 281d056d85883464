"""The checks of a CUDA GPU, in the order in which they explain each other. They take less than ten minutes."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from typing import Final

from reranker.benchmarks.doctor.attention import check_attention
from reranker.benchmarks.doctor.checks import Figures, Finding, NotChecked
from reranker.benchmarks.doctor.cpu_checks import Check
from reranker.benchmarks.doctor.gpu_memory import limited_memory, measure_memory, measure_recovery, score_all
from reranker.benchmarks.doctor.kernel_profile import summarize, trace_batches
from reranker.benchmarks.doctor.scores import (
    SIZES,
    Agreement,
    drawn_pictures,
    judge,
    measure_agreement,
    measure_company,
    prepared,
)
from reranker.benchmarks.doctor.speeds import measure_speeds
from reranker.benchmarks.doctor.towers import measure_towers
from reranker.benchmarks.doctor.workbench import SCORINGS, Workbench
from reranker.benchmarks.model_shapes import Model
from reranker.benchmarks.parity import QUERIES
from reranker.benchmarks.speed import product_tflops
from reranker.config.settings import LimitSettings, Precision
from reranker.models.memory_plan import DTYPES, GIB

LARGE_PICTURE: Final = (1600, 1200)  # pixels; larger than any usual detail
LONG_TEXT: Final = (" ".join(QUERIES) * 100)[: LimitSettings().max_query_length]
METHODS: Final = ("pairwise", "padded", "ours", "ours_known")
IMAGES: Final = 16  # of the benchmark
FEW: Final = 4  # pictures that transformers encodes, window by window
BATCH: Final = 8  # pictures of a profile
CACHE_BYTES: Final = GIB
# Relative difference of two networks in BF16 that round in different places. On a CPU it was 0.008 to 0.012 with 12 and
# with 28 layers; a window or a position at the wrong place gives about 1.
TOWER_TOLERANCE: Final = 0.05
# Log-odds. On a CPU the toybox in BF16 differed by at most 0.1 from float32; other kernels round in other places.
BF16_TOLERANCE: Final = 0.5
# Log-odds of the toybox. On a CPU the differences were at most 0.1 in int8 and 2 in nf4; they are as large as the
# scores themselves, 9, if a layer is quantized wrongly.
QUANTIZED_TOLERANCE: Final = {"int8": 0.5, "nf4": 5.0}


def attention(bench: Workbench) -> Finding:
    """Compare the variable-length kernel with the formula."""
    return bench.run(partial(check_attention, bench.device, DTYPES[bench.precision]))


def scores(bench: Workbench) -> Finding:
    """Compare the toybox on the GPU with the toybox in float32 on the CPU."""
    return _agreement_with_cpu(bench, bench.toybox_on_device, BF16_TOLERANCE)


def _agreement_with_cpu(bench: Workbench, toybox: Model, allowed: float) -> Finding:
    agreements: dict[str, Agreement] = {}
    for scoring in SCORINGS:
        scorers = bench.scorer(toybox, scoring), bench.scorer(bench.toybox, scoring)
        agreements[scoring] = bench.run(partial(measure_agreement, *scorers, drawn_pictures()))
    precision = toybox.checkpoint.precision
    return judge(f"Scores in {precision} differ from those in fp32 on the CPU", agreements, allowed)


def towers(bench: Workbench) -> Finding:
    """Compare both towers of the large model with transformers' own forward pass."""
    scorer, pictures = bench.scorer(bench.large), drawn_pictures(FEW, (LARGE_PICTURE, *SIZES))
    differences = bench.run(partial(measure_towers, bench.large, scorer, pictures))
    return Finding(
        passed=differences.vision <= TOWER_TOLERANCE and differences.language <= TOWER_TOLERANCE,
        sentence=f"With random weights of the shape {bench.shape}, visual tokens differ from those of transformers by "
        f"{differences.vision:.1%} of their length, and last hidden states by {differences.language:.1%}; "
        f"{TOWER_TOLERANCE:.0%} is allowed.",
        figures=asdict(differences),
    )


def matrix_product(bench: Workbench) -> Finding:
    """Measure the rate of a large matrix product."""
    rate = bench.run(partial(product_tflops, bench.device, DTYPES[bench.precision]))
    return Finding(
        passed=True,
        sentence=f"A large matrix product runs at {rate:.0f} TFLOP/s in {bench.precision}.",
        figures={"tflops": rate},
    )


def batch_memory(bench: Workbench) -> Finding:
    """Measure the peak memory of full batches of the large model, without texts and with the longest ones."""
    scorer = bench.scorer(bench.large)
    tokens, pictures = scorer.batch_tokens, drawn_pictures(sizes=(LARGE_PICTURE,))
    uses = []
    for text in ("", LONG_TEXT):
        images = prepared(scorer, [replace(picture, text=text) for picture in pictures])
        uses.append(measure_memory(bench.device, partial(score_all, bench, scorer, images)))
    plain, long = uses
    return Finding(
        passed=plain.fits and long.fits,
        sentence=f"Batches of {tokens} tokens take {plain.peak_bytes / GIB:.2f} GiB without texts and "
        f"{long.peak_bytes / GIB:.2f} with long ones; {plain.free_bytes / GIB:.1f} were free. "
        f"The GPU ran out of memory {plain.ran_out + long.ran_out} times.",
        figures={"batch_tokens": tokens, **_prefixed(without_texts=asdict(plain), with_texts=asdict(long))},
    )


def _prefixed(**groups: Figures) -> Figures:
    return {f"{group}_{name}": value for group, figures in groups.items() for name, value in figures.items()}


def profile(bench: Workbench) -> Finding:
    """Profile a batch of new pictures and one with cached features, on the large model."""
    scorer = bench.scorer(bench.large, cache_bytes=CACHE_BYTES)
    traces = bench.run(partial(trace_batches, scorer, drawn_pictures(BATCH, (LARGE_PICTURE,))))
    new, cached = map(summarize, traces)
    if new is None or cached is None:
        raise NotChecked("The profiler of torch saw no kernel; it may need the permission to read GPU counters.")
    return Finding(
        passed=True,
        sentence=f"A batch of {BATCH} new pictures: {new.text}. With cached features: {cached.text}.",
        figures=_prefixed(new=asdict(new), cached=asdict(cached)),
    )


def speed(bench: Workbench) -> Finding:
    """Compare this program with other methods on the large model."""
    measured = measure_speeds(bench, bench.large, METHODS, IMAGES)
    speeds = measured.images_per_s
    return Finding(
        passed=speeds["ours"] > max(speeds["pairwise"], speeds["padded"]) and speeds["ours_known"] > speeds["ours"],
        sentence=f"A model of the shape {bench.shape} scores {speeds['ours']:.1f} pictures a second, "
        f"{measured.product_share:.0%} of the rate of a matrix product; pair by pair it is {speeds['pairwise']:.1f}, "
        f"padded {speeds['padded']:.1f}, with cached features {speeds['ours_known']:.1f}.",
        figures={"product_share": measured.product_share, **_prefixed(images_per_s=speeds)},
    )


def company(bench: Workbench) -> Finding:
    """Score pictures alone and in batches, with the toybox."""
    return _company_of(bench, bench.toybox_on_device)


def large_company(bench: Workbench) -> Finding:
    """Score pictures alone and in batches, with the large model."""
    return _company_of(bench, bench.large)


def _company_of(bench: Workbench, model: Model) -> Finding:
    agreements: dict[str, Agreement] = {
        scoring: bench.run(partial(measure_company, bench.scorer(model, scoring), drawn_pictures()))
        for scoring in SCORINGS
    }
    claim = f"In batches and in another order, scores of {model.name} in {bench.precision} move"
    return judge(claim, agreements, BF16_TOLERANCE)


def out_of_memory(bench: Workbench) -> Finding:
    """Let the GPU run out of memory, and see all pictures scored by smaller batches, which grow again."""
    scorer = bench.scorer(bench.large)
    images = prepared(scorer, drawn_pictures(sizes=(LARGE_PICTURE,)))
    peak = measure_memory(bench.device, partial(score_all, bench, scorer, images)).peak_bytes
    recovery = measure_recovery(bench, scorer, images, limited_memory(bench.device, peak // 2))
    return Finding(passed=recovery.complete, sentence=recovery.text, figures=asdict(recovery))


def quantized(bench: Workbench, precision: Precision) -> Finding:
    """Compare the toybox in int8 or nf4 with the toybox in float32 on the CPU."""
    if find_spec("bitsandbytes") is None:
        raise NotChecked(f"{precision} needs the package bitsandbytes: pip install 'picture-reranker[quant]'")
    return _agreement_with_cpu(bench, bench.toybox_in(precision), QUANTIZED_TOLERANCE[precision])


GPU_CHECKS: Final[Mapping[str, Check]] = {
    "GPU attention": attention,
    "GPU scores": scores,
    "GPU towers": towers,
    "GPU matrix product": matrix_product,
    "GPU batch memory": batch_memory,
    "GPU profile": profile,
    "GPU speed": speed,
    "GPU company": company,
    "GPU company, 7b": large_company,
    "GPU out of memory": out_of_memory,
    "GPU int8": partial(quantized, precision="int8"),
    "GPU nf4": partial(quantized, precision="nf4"),
}

"""The checks of a CUDA GPU, in the order in which they explain each other. They take less than ten minutes."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from typing import Final

from reranker.benchmarks.doctor.attention import check_attention
from reranker.benchmarks.doctor.checks import Figures, Finding, NotChecked
from reranker.benchmarks.doctor.context import SCORINGS, CheckContext
from reranker.benchmarks.doctor.cpu_checks import Check, batch_agreements
from reranker.benchmarks.doctor.gpu_memory import limited_memory, measure_memory, measure_recovery, score_all
from reranker.benchmarks.doctor.kernel_profile import summarize, trace_batches
from reranker.benchmarks.doctor.scores import (
    SIZES,
    Agreement,
    agreement_finding,
    drawn_pictures,
    measure_agreement,
    prepared,
)
from reranker.benchmarks.doctor.speeds import measure_speeds
from reranker.benchmarks.doctor.towers import measure_towers
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


def attention(context: CheckContext) -> Finding:
    """Compare the variable-length kernel with the formula."""
    return context.run(partial(check_attention, context.device, DTYPES[context.precision]))


def scores(context: CheckContext) -> Finding:
    """Compare the toybox on the GPU with the toybox in float32 on the CPU."""
    return _agreement_with_cpu(context, context.toybox_on_device, BF16_TOLERANCE)


def _agreement_with_cpu(context: CheckContext, toybox: Model, allowed: float) -> Finding:
    agreements: dict[str, Agreement] = {}
    for scoring in SCORINGS:
        scorers = context.scorer(toybox, scoring), context.scorer(context.toybox, scoring)
        agreements[scoring] = context.run(partial(measure_agreement, *scorers, drawn_pictures()))
    precision = toybox.checkpoint.precision
    return agreement_finding(f"Scores in {precision} differ from those in fp32 on the CPU", agreements, allowed)


def towers(context: CheckContext) -> Finding:
    """Compare both towers of the large model with transformers' own forward pass."""
    scorer, pictures = context.scorer(context.large), drawn_pictures(FEW, (LARGE_PICTURE, *SIZES))
    differences = context.run(partial(measure_towers, context.large, scorer, pictures))
    return Finding(
        passed=differences.vision <= TOWER_TOLERANCE and differences.language <= TOWER_TOLERANCE,
        sentence=f"With random weights of the shape {context.shape}, visual tokens differ from those of transformers "
        f"by {differences.vision:.1%} of their length, and last hidden states by {differences.language:.1%}; "
        f"{TOWER_TOLERANCE:.0%} is allowed.",
        figures=asdict(differences),
    )


def matrix_product(context: CheckContext) -> Finding:
    """Measure the rate of a large matrix product."""
    rate = context.run(partial(product_tflops, context.device, DTYPES[context.precision]))
    return Finding(
        passed=True,
        sentence=f"A large matrix product runs at {rate:.0f} TFLOP/s in {context.precision}.",
        figures={"tflops": rate},
    )


def batch_memory(context: CheckContext) -> Finding:
    """Measure the peak memory of full batches of the large model, without texts and with the longest ones."""
    scorer = context.scorer(context.large)
    tokens, pictures = scorer.batch_tokens, drawn_pictures(sizes=(LARGE_PICTURE,))
    uses = []
    for text in ("", LONG_TEXT):
        images = prepared(scorer, [replace(picture, text=text) for picture in pictures])
        uses.append(measure_memory(context.device, partial(score_all, context, scorer, images)))
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


def profile(context: CheckContext) -> Finding:
    """Profile a batch of new pictures and one with cached features, on the large model."""
    scorer = context.scorer(context.large, cache_bytes=CACHE_BYTES)
    traces = context.run(partial(trace_batches, scorer, drawn_pictures(BATCH, (LARGE_PICTURE,))))
    new, cached = map(summarize, traces)
    if new is None or cached is None:
        raise NotChecked("The profiler of torch saw no kernel; it may need the permission to read GPU counters.")
    return Finding(
        passed=True,
        sentence=f"A batch of {BATCH} new pictures: {new.text}. With cached features: {cached.text}.",
        figures=_prefixed(new=asdict(new), cached=asdict(cached)),
    )


def speed(context: CheckContext) -> Finding:
    """Compare this program with other methods on the large model."""
    measured = measure_speeds(context, context.large, METHODS, IMAGES)
    speeds = measured.images_per_s
    return Finding(
        passed=speeds["ours"] > max(speeds["pairwise"], speeds["padded"]) and speeds["ours_known"] > speeds["ours"],
        sentence=f"A model of the shape {context.shape} scores {speeds['ours']:.1f} pictures a second, "
        f"{measured.product_share:.0%} of the rate of a matrix product; pair by pair it is {speeds['pairwise']:.1f}, "
        f"padded {speeds['padded']:.1f}, with cached features {speeds['ours_known']:.1f}.",
        figures={"product_share": measured.product_share, **_prefixed(images_per_s=speeds)},
    )


def batch_invariance(context: CheckContext) -> Finding:
    """Score pictures alone and in batches, with the toybox."""
    return _batch_invariance_of(context, context.toybox_on_device)


def large_batch_invariance(context: CheckContext) -> Finding:
    """Score pictures alone and in batches, with the large model."""
    return _batch_invariance_of(context, context.large)


def _batch_invariance_of(context: CheckContext, model: Model) -> Finding:
    claim = f"In batches and in another order, scores of {model.name} in {context.precision} move"
    return agreement_finding(claim, batch_agreements(context, model), BF16_TOLERANCE)


def out_of_memory(context: CheckContext) -> Finding:
    """Let the GPU run out of memory, and see all pictures scored by smaller batches, which grow again."""
    scorer = context.scorer(context.large)
    images = prepared(scorer, drawn_pictures(sizes=(LARGE_PICTURE,)))
    peak = measure_memory(context.device, partial(score_all, context, scorer, images)).peak_bytes
    recovery = measure_recovery(context, scorer, images, limited_memory(context.device, peak // 2))
    return Finding(passed=recovery.complete, sentence=recovery.text, figures=asdict(recovery))


def quantized(context: CheckContext, precision: Precision) -> Finding:
    """Compare the toybox in int8 or nf4 with the toybox in float32 on the CPU."""
    if find_spec("bitsandbytes") is None:
        raise NotChecked(f"{precision} needs the package bitsandbytes: pip install 'picture-reranker[quant]'")
    return _agreement_with_cpu(context, context.toybox_in(precision), QUANTIZED_TOLERANCE[precision])


GPU_CHECKS: Final[Mapping[str, Check]] = {
    "GPU attention": attention,
    "GPU scores": scores,
    "GPU towers": towers,
    "GPU matrix product": matrix_product,
    "GPU batch memory": batch_memory,
    "GPU profile": profile,
    "GPU speed": speed,
    "GPU batch invariance": batch_invariance,
    "GPU batch invariance, 7b": large_batch_invariance,
    "GPU out of memory": out_of_memory,
    "GPU int8": partial(quantized, precision="int8"),
    "GPU nf4": partial(quantized, precision="nf4"),
}

"""The checks that every machine can make, on its CPU."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import torch

from reranker.benchmarks.doctor.attention import check_attention
from reranker.benchmarks.doctor.checks import Finding
from reranker.benchmarks.doctor.context import SCORINGS, CheckContext
from reranker.benchmarks.doctor.scores import Agreement, agreement_finding, drawn_pictures, measure_batch_invariance
from reranker.benchmarks.doctor.speeds import measure_speeds
from reranker.benchmarks.doctor.towers import measure_towers
from reranker.benchmarks.model_shapes import Model, random_model
from reranker.benchmarks.parity import GOLDEN_TOLERANCE, measure_parity, read_golden_file
from reranker.benchmarks.speed import product_tflops
from reranker.config.paths import ASSETS
from reranker.config.settings import Settings
from reranker.core.errors import SettingInvalid
from reranker.i18n.error_messages import sentence
from reranker.models.memory_plan import DTYPES, multiplies_bf16
from reranker.models.registry import ARCHITECTURES

CPU: Final = torch.device("cpu")
GOLDEN_FILE: Final = ASSETS / "parity" / "toybox.json"
BATCH_TOLERANCE: Final = 1e-4  # log-odds in float32, as docs/architecture.md promises
IMAGES: Final = 24
SMALL_SHAPE: Final = "2x128"
TOWER_SIZES: Final = ((300, 220), (120, 400))  # width and height
TOWER_TOLERANCE: Final = 1e-5  # in float32

Check = Callable[[CheckContext], Finding]


def settings(_context: CheckContext) -> Finding:
    """Read the settings of the environment."""
    try:
        Settings.from_environment()
    except SettingInvalid as error:
        return Finding(passed=False, sentence=sentence(error, "en"))
    return Finding(passed=True, sentence="The settings in the environment (RERANKER_...) are valid.")


def attention(context: CheckContext) -> Finding:
    """Compare attention with its formula, in float32."""
    return context.run(partial(check_attention, CPU, torch.float32))


def parity(context: CheckContext) -> Finding:
    """Compare scores of the toybox with those of transformers, today's and those in the golden file."""
    report = context.run(partial(measure_parity, context.toybox))
    today, golden = report.largest_difference, report.difference_from(read_golden_file(GOLDEN_FILE))
    return Finding(
        passed=today <= report.tolerance and golden <= GOLDEN_TOLERANCE,
        sentence=f"Scores of the toybox differ by at most {today:.1e} log-odds from those of transformers "
        f"({report.tolerance:g} is allowed), and by {golden:.1e} from the golden file ({GOLDEN_TOLERANCE:g}).",
        figures={"from_transformers": today, "from_golden_file": golden},
    )


def towers(context: CheckContext) -> Finding:
    """Compare both towers of each architecture, in a small shape with random weights, with those of transformers."""
    largest: dict[str, float] = {}
    for model_type in ARCHITECTURES:
        model = context.run(partial(random_model, f"{model_type}:{SMALL_SHAPE}", CPU, "fp32"))
        differences = context.run(
            partial(measure_towers, model, context.scorer(model), drawn_pictures(sizes=TOWER_SIZES)[: len(TOWER_SIZES)])
        )
        largest[model_type] = max(differences.vision, differences.language)
    shown = ", ".join(f"{model_type} {value:.1e}" for model_type, value in largest.items())
    return Finding(
        passed=all(value <= TOWER_TOLERANCE for value in largest.values()),
        sentence=f"Both towers of each architecture differ from those of transformers by at most, relative to their "
        f"length: {shown} ({TOWER_TOLERANCE:g} is allowed).",
        figures=largest,
    )


def batch_invariance(context: CheckContext) -> Finding:
    """Score pictures with the toybox alone and in batches, in both scoring methods."""
    claim = "In batches and in another order, scores move"
    return agreement_finding(claim, batch_agreements(context, context.toybox), BATCH_TOLERANCE)


def batch_agreements(context: CheckContext, model: Model) -> dict[str, Agreement]:
    """Compare scores in batches with those of pictures alone, for each scoring method."""
    return {
        scoring: context.run(partial(measure_batch_invariance, context.scorer(model, scoring), drawn_pictures()))
        for scoring in SCORINGS
    }


def matrix_product(context: CheckContext) -> Finding:
    """Measure the rate of a large matrix product in the precisions that the CPU multiplies."""
    precisions = ("fp32", "bf16") if multiplies_bf16() else ("fp32",)
    tflops = {precision: context.run(partial(product_tflops, CPU, DTYPES[precision])) for precision in precisions}
    rates = " and ".join(f"{rate:.2f} TFLOP/s in {precision}" for precision, rate in tflops.items())
    return Finding(
        passed=True,
        sentence=f"A large matrix product runs at {rates}, on {torch.get_num_threads()} threads.",
        figures={f"{precision}_tflops": rate for precision, rate in tflops.items()},
    )


def speed(context: CheckContext) -> Finding:
    """Measure how fast the toybox scores new pictures, and those whose features are cached."""
    speeds = measure_speeds(context, context.toybox, ("ours", "ours_known"), IMAGES).images_per_s
    new, known = speeds["ours"], speeds["ours_known"]
    return Finding(
        passed=known > new,
        sentence=f"The toybox scores {new:.0f} new pictures a second, and {known:.0f} that it has encoded before.",
        figures={"new_images_per_s": new, "cached_images_per_s": known},
    )


CPU_CHECKS: Final[Mapping[str, Check]] = {
    "settings": settings,
    "attention": attention,
    "parity": parity,
    "towers": towers,
    "batch invariance": batch_invariance,
    "matrix product": matrix_product,
    "speed": speed,
}

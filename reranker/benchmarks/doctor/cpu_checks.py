"""The checks that every machine can make, on its CPU."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import torch

from reranker.benchmarks.doctor.attention import check_attention
from reranker.benchmarks.doctor.checks import Finding
from reranker.benchmarks.doctor.scores import Agreement, drawn_pictures, judge, measure_company
from reranker.benchmarks.doctor.speeds import measure_speeds
from reranker.benchmarks.doctor.workbench import SCORINGS, Workbench
from reranker.benchmarks.parity import GOLDEN_TOLERANCE, measure_parity, read_golden_file
from reranker.benchmarks.speed import product_tflops
from reranker.config.paths import ASSETS
from reranker.config.settings import Settings
from reranker.core.errors import SettingInvalid
from reranker.i18n.error_messages import sentence
from reranker.models.memory_plan import DTYPES, multiplies_bf16

CPU: Final = torch.device("cpu")
GOLDEN_FILE: Final = ASSETS / "parity" / "toybox.json"
COMPANY_TOLERANCE: Final = 1e-4  # log-odds in float32, as docs/architecture.md promises
IMAGES: Final = 24

Check = Callable[[Workbench], Finding]


def settings(_bench: Workbench) -> Finding:
    """Read the settings of the environment."""
    try:
        Settings.from_environment()
    except SettingInvalid as error:
        return Finding(passed=False, sentence=sentence(error, "en"))
    return Finding(passed=True, sentence="The settings in the environment (RERANKER_...) are valid.")


def attention(bench: Workbench) -> Finding:
    """Compare attention with its formula, in float32."""
    return bench.run(partial(check_attention, CPU, torch.float32))


def parity(bench: Workbench) -> Finding:
    """Compare scores of the toybox with those of transformers, today's and those in the golden file."""
    report = bench.run(partial(measure_parity, bench.toybox))
    today, golden = report.largest_difference, report.difference_from(read_golden_file(GOLDEN_FILE))
    return Finding(
        passed=today <= report.tolerance and golden <= GOLDEN_TOLERANCE,
        sentence=f"Scores of the toybox differ by at most {today:.1e} log-odds from those of transformers "
        f"({report.tolerance:g} is allowed), and by {golden:.1e} from the golden file ({GOLDEN_TOLERANCE:g}).",
        figures={"from_transformers": today, "from_golden_file": golden},
    )


def company(bench: Workbench) -> Finding:
    """Score pictures with the toybox alone and in batches, in both scoring methods."""
    agreements: dict[str, Agreement] = {
        scoring: bench.run(partial(measure_company, bench.scorer(bench.toybox, scoring), drawn_pictures()))
        for scoring in SCORINGS
    }
    return judge("In batches and in another order, scores move", agreements, COMPANY_TOLERANCE)


def matrix_product(bench: Workbench) -> Finding:
    """Measure the rate of a large matrix product in the precisions that the CPU multiplies."""
    precisions = ("fp32", "bf16") if multiplies_bf16() else ("fp32",)
    tflops = {precision: bench.run(partial(product_tflops, CPU, DTYPES[precision])) for precision in precisions}
    rates = " and ".join(f"{rate:.2f} TFLOP/s in {precision}" for precision, rate in tflops.items())
    return Finding(
        passed=True,
        sentence=f"A large matrix product runs at {rates}, on {torch.get_num_threads()} threads.",
        figures={f"{precision}_tflops": rate for precision, rate in tflops.items()},
    )


def speed(bench: Workbench) -> Finding:
    """Measure how fast the toybox scores new pictures, and those whose features are cached."""
    speeds = measure_speeds(bench, bench.toybox, ("ours", "ours_known"), IMAGES).images_per_s
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
    "company": company,
    "matrix product": matrix_product,
    "speed": speed,
}

"""Write the facts and the results of checks, as lines for people and as JSON."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from reranker.benchmarks.doctor.checks import CheckResult, Figures
from reranker.benchmarks.doctor.facts import Facts, Gpu
from reranker.models.memory_plan import GIB
from reranker.version import __version__


def facts_table(facts: Facts) -> str:
    """Return a line for each fact."""
    return "".join(f"{name:20}{value}\n" for name, value in _fact_lines(facts))


def _fact_lines(facts: Facts) -> list[tuple[str, str]]:
    cpu, multiplies = facts.cpu, "multiplies" if facts.cpu.multiplies_bf16 else "does not multiply"
    return [
        *((name, installed or "not installed") for name, installed in facts.versions.items()),
        ("system", facts.system),
        ("CPU", f"{cpu.name}, {cpu.cores} cores; torch uses {cpu.threads} threads and {cpu.capability}"),
        ("", f"{multiplies} BF16"),
        *(("GPU", _gpu_text(gpu)) for gpu in facts.gpus or ()),
        *(() if facts.gpus else [("GPU", "none that torch can use")]),
        ("CUDA of torch", facts.cuda or "none: this torch is built for the CPU alone"),
        ("GPU driver", facts.driver or "none found (nvidia-smi)"),
        ("memory", _memory_text(facts.memory_bytes)),
        *((name, f"{each.path}, {_gib(each.free_bytes)} free") for name, each in facts.folders.items()),
        *((f"model {name}", state) for name, state in facts.models.items()),
    ]


def _gpu_text(gpu: Gpu) -> str:
    free = "unknown" if gpu.free_bytes is None else _gib(gpu.free_bytes)
    return (
        f"{gpu.name}, compute capability {gpu.compute_capability}, {gpu.multiprocessors} multiprocessors, "
        f"{_gib(gpu.total_bytes)}, {free} free"
    )


def _memory_text(memory_bytes: tuple[int, int] | None) -> str:
    if memory_bytes is None:
        return "unknown"
    total, available = map(_gib, memory_bytes)
    return f"{total}, {available} free"


def _gib(byte_count: int) -> str:
    return f"{byte_count / GIB:.1f} GiB"


def result_line(result: CheckResult) -> str:
    """Return a line about one check."""
    return f"{result.status:12}{result.name:20}{result.seconds:6.1f} s  {result.sentence}\n"


def counts(results: Sequence[CheckResult]) -> dict[str, int]:
    """Return how many checks passed, failed and were not made."""
    of_status = Counter(result.status for result in results)
    return {status: of_status[status] for status in ("passed", "failed", "not checked")}


def summary_line(results: Sequence[CheckResult]) -> str:
    """Return the last line: how many checks passed, failed and were not made."""
    return ", ".join(f"{count} {status}" for status, count in counts(results).items()) + "\n"


def as_json(facts: Facts, results: Sequence[CheckResult]) -> str:
    """Return everything as JSON. A figure that is no finite number is null."""
    content: dict[str, Any] = {
        "version": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "facts": asdict(facts),
        "checks": [asdict(result) | {"figures": _finite(result.figures)} for result in results],
        "summary": counts(results),
    }
    return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _finite(figures: Figures) -> Figures:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in figures.items()
    }

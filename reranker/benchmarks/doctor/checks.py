"""What a check of this machine finds, and how it is run so that an error is a finding, too."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

_log = logging.getLogger(__name__)

Status = Literal["passed", "failed", "not checked"]
Figures = Mapping[str, float | int | bool | str | None]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check has found. sentence: for people. figures: by name, with the unit in the name."""

    passed: bool
    sentence: str
    figures: Figures = field(default_factory=dict)


class NotChecked(Exception):
    """A check that cannot be made on this machine. The message is one sentence that says why."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of one check. The field names are those of the JSON output."""

    name: str
    status: Status
    sentence: str
    figures: Figures
    seconds: float


def run_check(name: str, check: Callable[[], Finding]) -> CheckResult:
    """Run a check. An error is a failure that names its class; the log has the traceback."""
    start = time.perf_counter()
    status, finding = _outcome(name, check)
    return CheckResult(
        name=name,
        status=status,
        sentence=finding.sentence,
        figures=finding.figures,
        seconds=time.perf_counter() - start,
    )


def _outcome(name: str, check: Callable[[], Finding]) -> tuple[Status, Finding]:
    try:
        finding = check()
    except NotChecked as reason:
        return "not checked", Finding(passed=False, sentence=str(reason))
    except Exception as error:
        _log.exception("The check “%s” ended with an error", name)
        sentence = f"The check ended with an error of the class {type(error).__name__}."
        return "failed", Finding(passed=False, sentence=sentence)
    return "passed" if finding.passed else "failed", finding

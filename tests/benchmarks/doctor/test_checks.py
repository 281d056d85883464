"""A check passes, fails, or is not made; an error is a failure."""

import logging

import pytest

from reranker.benchmarks.doctor.checks import Finding, NotChecked, run_check


@pytest.mark.parametrize(("passed", "status"), [(True, "passed"), (False, "failed")])
def test_a_finding_is_a_result(passed: bool, status: str) -> None:
    result = run_check("sums", lambda: Finding(passed=passed, sentence="One and one is two.", figures={"sum": 2}))
    assert (result.name, result.status, result.sentence) == ("sums", status, "One and one is two.")
    assert result.figures == {"sum": 2}
    assert result.seconds >= 0


def test_what_is_missing_is_no_failure() -> None:
    def check() -> Finding:
        raise NotChecked("There is no abacus.")

    result = run_check("sums", check)
    assert (result.status, result.sentence) == ("not checked", "There is no abacus.")


def test_an_error_is_a_failure_that_names_its_class_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        result = run_check("sums", lambda: Finding(passed=1 / 0 > 0, sentence=""))
    assert result.status == "failed"
    assert result.sentence == "The check ended with an error of the class ZeroDivisionError."
    assert "ZeroDivisionError: division by zero" in caplog.text

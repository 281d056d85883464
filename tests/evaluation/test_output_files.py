"""The files of an evaluation: other programs read the same metrics and rankings from them."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import ir_measures
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ir_measures import RR

from reranker.engine.batching import float32
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet
from reranker.evaluation.output_files import as_csv, as_json, as_qrels, as_trec_run, write_all
from reranker.evaluation.results import Evaluation, Share
from reranker.images.limits import Limits
from tests.support.evaluations import FIT, METRICS, comparison, configuration, evaluation, evaluation_result, png
from tests.support.labelled_sets import labelled_set, scored_set

properties = settings(deadline=None, max_examples=200, database=None)
SETS = (labelled_set([1, 0, 0], set_id="a"), labelled_set([0, 1], set_id="b"))
SCORED = (scored_set([2.5, -1.0, None], set_id="a"), scored_set([0.5, 0.25], set_id="b"))


def two_configurations() -> Evaluation:
    """Return an evaluation of two configurations; the second has no fit, one more kind and no languages."""
    kinds = {"relation": Share(value=0.5, count=2), **METRICS.kinds}
    second = evaluation_result(
        SCORED, "int8", fit=None, kinds=kinds, languages={}, spearman=None, peak_bytes=None, hit_at_1=0.1
    )
    ps = {"hit_at_1": 0.5, "mrr": 0.03125, "ndcg_at_10": 0.0625}
    comparisons = [comparison(configuration("fp32"), configuration("int8"), ps)]
    return evaluation(SETS, evaluation_result(SCORED), second, comparisons=comparisons)


def csv_lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text.removeprefix("\ufeff"), newline="")))


# JSON


def test_json_has_all_digits_of_all_metrics() -> None:
    first, second = json.loads(as_json(two_configurations()))
    assert (first["model"], first["precision"], first["scoring"], first["visual_tokens"]) == (
        "toybox",
        "fp32",
        "yes-no",
        49,
    )
    assert first["first"] == 2 / 3
    assert first["intervals"]["mrr"] == [0.25, 0.9999]
    assert first["kinds"]["colour"] == {"value": 0.96, "count": 50}
    assert first["dataset"] == "a dataset"
    assert (first["fingerprint"], second["fingerprint"]) == ("of fp32", "of int8")
    assert second["spearman"] is None
    assert second["peak_bytes"] is None


def test_json_has_the_calibration_if_there_is_one() -> None:
    first, second = json.loads(as_json(two_configurations()))
    assert first["fit"] == {
        "temperature": 1.62,
        "fits": 5.8,
        "loss_before": 0.412,
        "loss_after": 0.371,
        "right_over": 0.931,
        "wrong_over": 0.082,
        "sets": 60,
    }
    assert second["fit"] is None


def test_a_comparison_is_in_the_object_of_its_second_configuration() -> None:
    first, second = json.loads(as_json(two_configurations()))
    assert first["compared"] == []
    (compared,) = second["compared"]
    assert compared["with"] == configuration("fp32").label
    assert compared["differences"]["mrr"]["p"] == 0.03125
    assert compared["differences"]["mrr"]["is_real"] is True
    assert compared["differences"]["first"]["interval"] == [-0.09375, 0.03125]
    assert (compared["kendall_tau"], compared["changed_first"]) == (0.875, 1)


def test_a_metric_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        as_json(evaluation(SETS, evaluation_result(SCORED, separation=math.nan)))


def test_files_do_not_depend_on_the_order_of_kinds() -> None:
    reversed_kinds = dict(reversed(METRICS.kinds.items()))
    one, other = (
        evaluation(SETS, evaluation_result(SCORED)),
        evaluation(SETS, evaluation_result(SCORED, kinds=reversed_kinds)),
    )
    assert as_json(one) == as_json(other)
    assert as_csv(one) == as_csv(other)


# CSV


def test_csv_has_a_line_for_each_configuration_with_the_metrics_of_json() -> None:
    for line, result in zip(
        csv_lines(as_csv(two_configurations())), json.loads(as_json(two_configurations())), strict=True
    ):
        assert line["precision"] == result["precision"]
        for name in ("first", "mrr", "score_std", "ties", "ms_a_picture", "temperature"):
            assert float(line[name]) == result[name]
        assert [float(line["first_low"]), float(line["first_high"])] == result["intervals"]["first"]
        assert float(line["pairs_colour"]) == result["kinds"]["colour"]["value"]


def test_csv_lines_have_the_same_columns_and_unknown_values_are_empty() -> None:
    first, second = csv_lines(as_csv(two_configurations()))
    assert list(first) == list(second)
    assert None not in first  # no line is longer than the header
    assert first["pairs_relation"] == ""
    assert second["pairs_relation"] == "0.5"
    assert (first["first_zh"], second["first_zh"]) == ("0.5", "")
    assert (second["spearman"], second["peak_bytes"], second["fit_temperature"]) == ("", "", "")
    assert float(first["fit_temperature"]) == FIT.temperature


@pytest.mark.parametrize("formula", ["=1+1", "+A1", "@cmd", " =1", "＝1", "-2"])
def test_no_name_is_a_formula_in_a_spreadsheet(formula: str) -> None:
    (line,) = csv_lines(as_csv(evaluation(SETS, evaluation_result(SCORED, model=formula))))
    assert line["model"] == f"'{formula}"


# TREC


def reciprocal_rank(gains: Sequence[int], odds: Sequence[float | None]) -> float:
    """Compare scores in float32; of equal ones, irrelevant pictures come first."""
    found = [(-float32(value), gains[index] > 0) for index, value in enumerate(odds) if value is not None]
    places = [place for place, (_, is_relevant) in enumerate(sorted(found), start=1) if is_relevant]
    return 1 / places[0] if places else 0.0


def trec_value(sets: Sequence[LabelledSet], odds: Sequence[Sequence[float | None]]) -> dict[str, float]:
    """Return the reciprocal rank that trec_eval computes from the files, by set."""
    dataset = Dataset(name="d", sets=tuple(sets))
    scored = [scored_set(row, set_id=one.id) for one, row in zip(sets, odds, strict=True)]
    qrels = list(ir_measures.read_trec_qrels(StringIO(as_qrels(dataset))))
    run = list(ir_measures.read_trec_run(StringIO(as_trec_run(evaluation_result(scored), dataset))))
    return {each.query_id: each.value for each in ir_measures.iter_calc([RR], qrels, run)}


def named_set(names: Sequence[str], relevant: int, set_id: str = "q") -> LabelledSet:
    pictures = tuple(
        LabelledPicture(name=name, source=b"", gain=int(index == relevant), grade=float(index == relevant))
        for index, name in enumerate(names)
    )
    return LabelledSet(id=set_id, query="q", language="en", pictures=pictures)


NAMES = st.text(st.characters(exclude_categories=()), min_size=1, max_size=6)
ODDS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1.0 + 2**-40, 1.0 + 2**-23, -1.0, 1e-45, -1e-45, 1e-38, 5e-40, 3e38]),
    st.floats(-30, 30, width=32),
    st.none(),
)


@properties
@given(st.data())
def test_trec_eval_computes_the_same_metrics_from_a_run(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, min_size=1, max_size=9, unique=True))
    odds = data.draw(st.lists(ODDS, min_size=len(names), max_size=len(names)))
    labelled = named_set(names, data.draw(st.integers(0, len(names) - 1)), data.draw(NAMES))
    gains = [picture.gain for picture in labelled.pictures]
    assert list(trec_value([labelled], [odds]).values()) == pytest.approx([reciprocal_rank(gains, odds)])


@pytest.mark.parametrize("relevant", range(6))
def test_of_ties_at_zero_the_relevant_picture_is_last(relevant: int) -> None:
    labelled = named_set([f"{number}" for number in range(6)], relevant)
    assert list(trec_value([labelled], [[0.0, -0.0] * 3]).values()) == pytest.approx([1 / 6])


def run_lines(labelled: LabelledSet, odds: Sequence[float | None]) -> list[list[str]]:
    dataset = Dataset(name="d", sets=(labelled,))
    text = as_trec_run(evaluation_result([scored_set(odds, set_id=labelled.id)]), dataset)
    return [line.split(" ") for line in text.splitlines()]


def test_lowered_scores_are_normal_numbers_since_some_processors_treat_others_as_zero() -> None:
    scores = [float(line[4]) for line in run_lines(named_set(["a", "b", "c"], 0), [0.0, 0.0, 0.0])]
    assert scores[0] == 0.0
    assert all(-1e-37 < score <= -(2.0**-126) for score in scores[1:])


def test_a_run_has_ranks_scores_and_a_tag_but_no_failed_pictures() -> None:
    lines = run_lines(named_set(["a.png", "b.png", "c.png"], 0), [-1.5, None, 2.25])
    assert lines == [
        ["q", "Q0", "c.png", "1", "2.25", "toybox_fp32_yes-no_49"],
        ["q", "Q0", "a.png", "2", "-1.5", "toybox_fp32_yes-no_49"],
    ]


@properties
@given(st.lists(ODDS, min_size=2, max_size=9))
@example([1.0, 1.0, 1.0, 1.0 - 2**-24])
def test_scores_fall_strictly_and_only_ties_change_them(odds: list[float | None]) -> None:
    lines = run_lines(named_set([str(index) for index in range(len(odds))], 0), odds)
    written = {int(line[2]): float(line[4]) for line in lines}
    assert [float32(score) for score in written.values()] == list(written.values())
    assert all(before > after for before, after in zip(written.values(), [*written.values()][1:], strict=False))
    values = [float32(value) for value in odds if value is not None]
    if min((abs(a - b) for i, a in enumerate(values) for b in values[:i]), default=1) > 1e-4:
        assert written == {index: float32(value) for index, value in enumerate(odds) if value is not None}


@properties
@given(st.lists(NAMES, min_size=2, max_size=9, unique=True))
@example(
    ["a b", "a%20b", "a\u3000b", "a\u00a0b", "a\tb", "a\nb", "a\u2028b", "%", "\udcff", "\udcfe", "\ufffd", "\x00"]
)
def test_ids_are_single_words_and_stay_different(names: list[str]) -> None:
    lines = run_lines(named_set(names, 0), [0.0] * len(names))
    assert len({line[2] for line in lines}) == len(names)
    assert all(len(" ".join(line).split()) == 6 for line in lines)


def test_ids_that_are_words_are_not_changed() -> None:
    names = ["val2017/000001.jpg", "海边的房子.png", "été-(2).webp"]
    assert [line[2] for line in run_lines(named_set(names, 0), [3.0, 2.0, 1.0])] == names


def test_qrels_have_all_pictures_with_their_gains() -> None:
    dataset = Dataset(name="d", sets=(labelled_set([3, 0], set_id="x y"), labelled_set([0, 1], set_id="z")))
    assert as_qrels(dataset).splitlines() == [
        "x%20y 0 x%20y-0.png 3",
        "x%20y 0 x%20y-1.png 0",
        "z 0 z-0.png 0",
        "z 0 z-1.png 1",
    ]


# In a folder


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_all_files_are_written_into_a_new_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "figures"
    write_all(two_configurations(), folder, Limits())
    runs = {"runs/toybox_fp32_yes-no_49.trec", "runs/toybox_int8_yes-no_49.trec"}
    assert files_in(folder) == {"results.json", "results.csv", "report.html", "qrels.trec", *runs}
    assert json.loads((folder / "results.json").read_text(encoding="utf-8")) == json.loads(
        as_json(two_configurations())
    )
    assert (folder / "results.csv").read_bytes() == as_csv(two_configurations()).encode()
    assert (folder / "qrels.trec").read_text(encoding="utf-8") == as_qrels(two_configurations().dataset)


def test_models_with_similar_names_have_separate_runs_inside_the_folder(tmp_path: Path) -> None:
    models = ["a/b", "a b", "a_b", "a%2Fb", "..\\b", "../b", "a:b", "模型"]
    write_all(evaluation(SETS, *(evaluation_result(SCORED, model=model) for model in models)), tmp_path, Limits())
    assert len(list((tmp_path / "runs").glob("*.trec"))) == len(models)
    assert len(files_in(tmp_path)) == 4 + len(models)


def test_names_that_are_not_text_can_be_written(tmp_path: Path) -> None:
    odd = replace(named_set(["\udcff", "b"], 0, "\udcfd"), query="\udcfe")
    write_all(evaluation([odd], evaluation_result([scored_set([1.0, 0.0])])), tmp_path, Limits())
    for name in files_in(tmp_path):
        (tmp_path / name).read_text(encoding="utf-8")


def test_an_earlier_evaluation_is_replaced(tmp_path: Path) -> None:
    write_all(two_configurations(), tmp_path, Limits())
    other = evaluation(SETS, evaluation_result(SCORED, hit_at_1=0.123))
    write_all(other, tmp_path, Limits())
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))[0]["first"] == 0.123


def test_no_file_is_changed_if_one_cannot_be_made(tmp_path: Path) -> None:
    write_all(two_configurations(), tmp_path, Limits())
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_all(evaluation(SETS, evaluation_result(SCORED, separation=math.inf)), tmp_path, Limits())
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before


def test_no_temporary_file_is_left_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_all(two_configurations(), tmp_path, Limits())
    assert not list(tmp_path.rglob("*.part"))


def test_the_report_in_the_folder_has_its_pictures(tmp_path: Path) -> None:
    shown = labelled_set([1, 0, 0], set_id="a", sources=[png("red"), png("green"), png("blue")])
    write_all(evaluation([shown, SETS[1]], evaluation_result(SCORED)), tmp_path, Limits())
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count('<img src="data:image/jpeg;base64,') == 3

"""Downloads of labels: those that the tab shows, with what people have corrected."""

import csv
import json
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.core.types import LabelCalibration
from reranker.pipelines.tag import TagOptions, chosen_labels
from reranker.ui.labels_tab.label_exports import final_labels
from reranker.ui.labels_tab.label_records import (
    Correction,
    Outcome,
    TaggingHeader,
    read_correction,
    read_header,
    read_outcome,
    stored_correction,
    stored_header,
    stored_outcome,
)
from reranker.vocabulary.labels import Label, Name, Vocabulary, with_implied
from tests.support.labelling_session import correct, exported, label, names
from tests.support.page_session import PageSession

LABELS = Vocabulary(
    name="labels",
    labels=(
        Label(name=Name(en="animal", zh="动物")),
        Label(name=Name(en="cat", zh="猫"), parent="animal", synonyms=("kitty",)),
        Label(name=Name(zh="狗"), parent="animal", group=Name(en="pets")),
        Label(name=Name(en="tree"), group=Name(en="plants", zh="植物")),
    ),
)
HEADER = TaggingHeader(
    id="run",
    choice="own",
    source=LABELS.digest,
    groups=("pets",),
    vocabulary=LABELS,
    calibration=LabelCalibration(slope=2.0, intercept=0.5, threshold=0.4, thresholds=(("tree", 0.9),)),
)
KEYS = [each.key for each in LABELS]
confidences = st.dictionaries(st.sampled_from(KEYS), st.floats(0, 1)).map(lambda found: with_implied(LABELS, found))
states = st.dictionaries(st.sampled_from([*KEYS, "mine", "我的"]), st.sampled_from(["added", "confirmed", "absent"]))
corrections = st.builds(
    lambda found, is_checked: Correction(
        states=found,
        names={key: LABELS.by_key[key].name if key in LABELS.by_key else Name(en=key) for key in found},
        is_checked=is_checked,
    ),
    states,
    st.booleans(),
)
options = st.builds(
    lambda threshold, top_k: TagOptions(threshold=threshold, top_k=top_k),
    st.none() | st.floats(0, 1),
    st.none() | st.integers(1, 5),
)


@given(confidences, corrections, options)
def test_what_people_say_counts_more_than_the_model(found, correction: Correction, chosen: TagOptions) -> None:
    labels = final_labels(HEADER, Outcome(confidences=found), correction, chosen)
    keys = [each.label.key for each in labels]
    present = {key for key, state in correction.states.items() if state != "absent"}
    assert len(set(keys)) == len(keys)
    assert set(keys) >= present
    assert not {key for key, state in correction.states.items() if state == "absent"} & set(keys)
    assert chosen.top_k is None or len(keys) <= max(chosen.top_k, len(present))
    shares = [each.confidence for each in labels]
    assert shares == sorted(shares, reverse=True)


@given(confidences, options)
def test_a_removed_label_takes_with_it_what_implies_it(found, chosen: TagOptions) -> None:
    correction = Correction(states={"animal": "absent"}, names={"animal": LABELS.by_key["animal"].name})
    labels = final_labels(HEADER, Outcome(confidences=found), correction, chosen)
    assert {each.label.key for each in labels} <= {"tree"}
    added = Correction(states={**correction.states, "cat": "added"}, names=correction.names | {"cat": Name(en="cat")})
    assert "cat" in {each.label.key for each in final_labels(HEADER, Outcome(confidences=found), added, chosen)}


@given(confidences, options)
def test_without_corrections_the_labels_are_those_of_the_run(found, chosen: TagOptions) -> None:
    expected = chosen_labels(LABELS, found, HEADER.calibration, chosen)
    assert final_labels(HEADER, Outcome(confidences=found), Correction(), chosen) == expected


@given(confidences, corrections)
def test_what_is_stored_is_read_again(found, correction: Correction) -> None:
    assert read_header(stored_header(HEADER)) == HEADER
    assert read_outcome(stored_outcome(Outcome(confidences=found))) == Outcome(confidences=found)
    assert read_correction(stored_correction(correction)) == correction


def rows(session: PageSession, **options: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in exported(session, "jsonl", **options).splitlines()]


def test_all_formats_say_the_same(tab: PageSession) -> None:
    label(tab)
    lines = rows(tab)
    assert json.loads(exported(tab, "json"))["results"] == lines
    table = list(csv.DictReader(StringIO(exported(tab, "csv").removeprefix("\ufeff"))))
    expected = [(line["path"], each["label"]) for line in lines for each in line["labels"]]
    assert [(row["path"].lstrip("'"), row["label"]) for row in table] == expected
    assert [line["path"] for line in lines] == ["2.png", "-2.png", "0.1.png"]


def test_only_what_is_shown_is_exported_in_its_order(tab: PageSession) -> None:
    label(tab)
    first, second, _ = tab.state()["pictures"]
    assert list(names(tab, pictures=[second, "unknown", first, second])) == ["-2.png", "2.png"]
    assert names(tab, threshold=0.6)["0.1.png"] == []
    assert [len(found) for found in names(tab, threshold=0, most=2).values()] == [2, 2, 2]


def test_labelled_pictures_have_what_people_said_and_nothing_else(tab: PageSession) -> None:
    label(tab)
    first, second, third = tab.state()["pictures"]
    assert exported(tab, "corrected") == ""
    correct(tab, first, warm="absent", mine="added")
    correct(tab, second, checked=True, cold="confirmed")
    correct(tab, third, checked=True)
    assert [json.loads(line) for line in exported(tab, "corrected").splitlines()] == [
        {"path": "2.png", "labels": ["mine"], "absent": ["warm"]},
        {"path": "-2.png", "labels": ["cold"], "absent": []},
        {"path": "0.1.png", "labels": [], "absent": []},
    ]


def test_a_picture_that_failed_is_exported_with_its_reason(open_tab) -> None:
    session = open_tab()
    session.add("no number")
    label(session)
    ((line),) = rows(session)
    assert line["labels"] == []
    assert "no number.png" in line["error"]
    (picture,) = session.state()["pictures"]
    correct(session, picture, cat="added")
    ((line),) = rows(session)
    assert ([each["label"] for each in line["labels"]], line["error"]) == (["cat"], None)


@pytest.mark.parametrize(
    "body",
    [
        {"format": "html"},
        {"format": None},
        {"format": "json", "language": "fr"},
        {"format": "json", "threshold": 2},
        {"format": "json", "threshold": True},
        {"format": "json", "most": 0},
        {"format": "json", "pictures": "all"},
    ],
)
def test_a_mistake_in_asking_is_a_bad_request(tab: PageSession, body: dict[str, object]) -> None:
    assert tab.post("picture-labels/exports", {"pictures": [], **body}).status_code == 400


def test_only_files_that_were_made_are_served(tab: PageSession) -> None:
    exported(tab, "json")
    assert tab.get(f"exports/{'0' * 32}/labels.json").status_code == 404

"""`POST /v1/tag` over a real server with the built-in models: labels, reasons, and what is refused."""

from pathlib import Path

import httpx
import pytest

from tests.support.document_forms import data_uri
from tests.support.scripted_scorer import PATIENCE_S


@pytest.fixture
def ask(api_url: str):
    return lambda **body: httpx.post(f"{api_url}v1/tag", json=body, timeout=PATIENCE_S)


def labels(answer: httpx.Response) -> list[list[str]]:
    assert answer.status_code == 200, answer.text
    return [[each["label"] for each in row["labels"]] for row in answer.json()["results"]]


@pytest.mark.parametrize(
    ("lang", "expected"), [("en", ["black cat", "cat"]), ("zh", ["黑色的猫", "猫"]), ("both", ["black cat / 黑色的猫"])]
)
def test_pictures_get_labels_in_a_language(ask, pictures: list[str], lang: str, expected: list[str]) -> None:
    house, car, cat, ball = labels(ask(documents=pictures, lang=lang))
    assert set(cat) >= set(expected)
    assert not set(house + car + ball) & set(expected)


def test_the_response_says_who_has_judged(ask, pictures: list[str]) -> None:
    answer = ask(documents=pictures[:1], labels=["house", "汽车"]).json()
    assert (answer["model"], answer["encoder"], answer["vocabulary"]) == ("toybox", "toybox-encoder", "labels")
    (row,) = answer["results"]
    assert (row["index"], row["error"]) == (0, None)
    (label,) = row["labels"]
    assert (label["label"], label["group"]) == ("house", None)
    assert 0.5 < label["confidence"] <= 1
    alone = ask(documents=pictures[:1], rerank=False, threshold=0.0, top_k=3).json()
    assert alone["model"] is None
    assert len(alone["results"][0]["labels"]) == 3


def test_a_document_that_is_no_picture_costs_itself_only(ask, pictures: list[str]) -> None:
    answer = ask(documents=[pictures[2], data_uri(b"no picture")], labels=["cat"])
    assert labels(answer) == [["cat"], []]
    assert "not a picture" in answer.json()["results"][1]["error"]
    refused = ask(documents=[data_uri(b"no picture")], labels=["cat"])
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"labels": "/etc/passwd"}, "auto | general | aerial | toybox"),
        ({"labels": "labels.jsonl"}, "auto | general | aerial | toybox"),
        ({"labels": []}, "no labels"),
        ({"labels": ["cat", "CAT"]}, "used twice"),
        ({"labels": ["x" * 300]}, "300 characters"),
        ({"labels": ["cat", "\u200b"]}, "no name that can be seen"),
        ({"labels": [f"thing {number}" for number in range(1001)]}, "1,000 at most"),
        ({"labels": [1]}, "labels"),
        ({"lang": "fr"}, "lang"),
        ({"threshold": 2}, "threshold"),
        ({"groups": ["fruit"]}, "things / 物体"),
        ({"candidates": 0}, "candidates"),
    ],
)
def test_a_wrong_request_is_a_sentence(ask, pictures: list[str], wrong: dict[str, object], words: str) -> None:
    answer = ask(documents=pictures[:1], **wrong)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["detail"]


def test_no_file_of_the_server_is_read(ask, pictures: list[str], tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("secret")
    answer = ask(documents=pictures[:1], labels=str(file))
    assert answer.status_code == 400
    assert "secret" not in answer.text

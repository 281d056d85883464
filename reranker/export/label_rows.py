"""The labels of pictures as objects, JSON, JSON Lines and CSV. All interfaces write the same fields."""

import json
from collections.abc import Iterable
from typing import Any, Final

from reranker.core.types import Failed
from reranker.export.rows import csv_text
from reranker.i18n.error_messages import Language, sentence
from reranker.pipelines.tag import Tagged
from reranker.vocabulary.labels import LabelLanguage

COLUMNS: Final = ("path", "label", "confidence", "group", "error")


def label_object(result: Tagged | Failed, label_language: LabelLanguage, language: Language = "en") -> dict[str, Any]:
    """Return an object with the name of a picture, its labels, and its error; the labels of a failed one are none.

    language: of the error.
    """
    if isinstance(result, Failed):
        return {"path": result.candidate.name, "labels": [], "error": sentence(result.error, language)}
    labels = [
        {
            "label": each.label.name.written(label_language),
            "confidence": each.confidence,
            "group": each.label.group.written(label_language) if each.label.group else None,
        }
        for each in result.labels
    ]
    return {"path": result.candidate.name, "labels": labels, "error": None}


def labels_as_json(objects: Iterable[dict[str, Any]]) -> str:
    """Return a JSON object whose `results` are the objects of `label_object`."""
    return json.dumps({"results": list(objects)}, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def labels_as_json_lines(objects: Iterable[dict[str, Any]]) -> str:
    """Return a line for each object of `label_object`."""
    return "".join(json.dumps(each, ensure_ascii=False, allow_nan=False) + "\n" for each in objects)


def labels_as_csv(objects: Iterable[dict[str, Any]]) -> str:
    """Return CSV with a line for each label of a picture, and one for a picture without labels."""
    lines = (
        (each["path"], label.get("label"), label.get("confidence"), label.get("group"), each["error"])
        for each in objects
        for label in each["labels"] or [{}]
    )
    return csv_text(COLUMNS, lines)

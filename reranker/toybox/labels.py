"""The labels of the drawn world: its things, the colours of things, and its places; and which scenes have them."""

import json
from pathlib import Path
from typing import Any, Final

from reranker.toybox.captions import CHINESE_COLOURS, CHINESE_NAMES, CLOTHES, ENGLISH_NAMES
from reranker.toybox.scenes import COLOURS, PEOPLE, THINGS, Scene
from reranker.vocabulary.labels import LabelLanguage, language_of

LABELS_SEED: Final = 2_000_003  # of scenes whose labels are evaluated, which training does not see
THING_GROUP: Final = {"en": "things", "zh": "物体"}
COLOUR_GROUP: Final = {"en": "colours of things", "zh": "物体的颜色"}
PLACE_GROUP: Final = {"en": "places", "zh": "地点"}
# As they stand in captions: the toybox does not know “meadow” without an article, nor 沙漠 without 里.
PLACE_NAMES: Final = {
    "window sill": ("a window sill", "窗台上"),
    "grass": ("a meadow", "草地"),
    "sea": ("the sea", "海边"),
    "snow": ("snow", "雪地里"),
    "street at night": ("a street at night", "夜晚的街道上"),
    "desert": ("a desert", "沙漠里"),
}


def label_records(language: LabelLanguage = "both") -> list[dict[str, Any]]:
    """Return the labels as objects of a vocabulary file, with their names in both languages or in one."""
    records = _records()
    if language == "both":
        return records
    names = {record["en"]: record[language] for record in records}
    return [
        {
            language: record[language],
            "synonyms": [name for name in record.get("synonyms", ()) if language_of(name) == language],
            "group": record["group"],
            **({"parent": names[record["parent"]]} if "parent" in record else {}),
        }
        for record in records
    ]


def _records() -> list[dict[str, Any]]:
    records = [
        {
            "en": ENGLISH_NAMES[thing][0],
            "zh": CHINESE_NAMES[thing][0],
            "synonyms": [*ENGLISH_NAMES[thing][1:], *CHINESE_NAMES[thing][1:]],
            "group": THING_GROUP,
        }
        for thing in THINGS
    ]
    records += [
        {"en": coloured(thing, colour)[0], "zh": coloured(thing, colour)[1], "group": COLOUR_GROUP, "parent": thing}
        for thing in THINGS
        for colour in COLOURS
    ]
    records += [{"en": en, "zh": zh, "group": PLACE_GROUP} for en, zh in PLACE_NAMES.values()]
    return records


def coloured(thing: str, colour: str) -> tuple[str, str]:
    """Return the English and the Chinese name of a thing of a colour; people wear it."""
    en, zh = ENGLISH_NAMES[thing][0], CHINESE_NAMES[thing][0]
    if thing not in PEOPLE:
        return f"{colour} {en}", f"{CHINESE_COLOURS[colour]}色的{zh}"
    clothes = CLOTHES[thing]
    return f"{en} in a {colour} {clothes[0]}", f"穿{CHINESE_COLOURS[colour]}色{clothes[1]}的{zh}"


def labels_of(scene: Scene) -> set[str]:
    """Return the English names of the labels that a scene has."""
    labels = {PLACE_NAMES[scene.place][0]}
    for thing in scene.visible:
        labels |= {ENGLISH_NAMES[thing.thing][0], coloured(thing.thing, thing.colour)[0]}
    return labels


def write_labels(file: Path, language: LabelLanguage = "both") -> None:
    """Write the labels as a vocabulary file, with their names in both languages or in one."""
    file.write_text(labels_text(language), encoding="utf-8")


def labels_text(language: LabelLanguage = "both") -> str:
    """Return the labels as the content of a JSON Lines file."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in label_records(language))

"""Captions: requests as sentences in Chinese, in English and in both, with several wordings each."""

from dataclasses import dataclass
from random import Random

from reranker.toybox.matching import Request, RequestedThing
from reranker.toybox.scenes import PEOPLE

LANGUAGES = ("en", "zh", "mixed")

ENGLISH_NAMES = {
    "woman": ("woman", "lady"),
    "man": ("man",),
    "girl": ("girl", "little girl"),
    "dog": ("dog",),
    "cat": ("cat",),
    "bird": ("bird",),
    "fish": ("fish",),
    "house": ("house",),
    "tree": ("tree",),
    "flower": ("flower",),
    "car": ("car",),
    "fire truck": ("fire truck", "fire engine"),
    "boat": ("boat", "sailing boat"),
    "cup": ("cup", "mug"),
    "ball": ("ball",),
    "umbrella": ("umbrella",),
}
ENGLISH_PLURALS = {"woman": "women", "lady": "ladies", "man": "men", "fish": "fish"}
CHINESE_NAMES = {
    "woman": ("女人", "女士"),
    "man": ("男人",),
    "girl": ("女孩", "小女孩"),
    "dog": ("狗", "小狗"),
    "cat": ("猫", "小猫"),
    "bird": ("鸟", "小鸟"),
    "fish": ("鱼",),
    "house": ("房子",),
    "tree": ("树",),
    "flower": ("花",),
    "car": ("汽车", "车"),
    "fire truck": ("消防车",),
    "boat": ("船", "小船"),
    "cup": ("杯子",),
    "ball": ("球", "皮球"),
    "umbrella": ("伞", "雨伞"),
}
MEASURES = {
    "woman": "个", "man": "个", "girl": "个", "dog": "只", "cat": "只", "bird": "只", "fish": "条", "house": "座",
    "tree": "棵", "flower": "朵", "car": "辆", "fire truck": "辆", "boat": "艘", "cup": "个", "ball": "个",
    "umbrella": "把",
}  # fmt: skip
CHINESE_COLOURS = {
    "red": "红", "orange": "橙", "yellow": "黄", "green": "绿", "blue": "蓝", "purple": "紫", "pink": "粉",
    "white": "白", "black": "黑",
}  # fmt: skip
ENGLISH_NUMBERS = {1: ("one", "only one", "exactly one"), 2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4")}
CHINESE_NUMBERS = {1: ("只有一",), 2: ("两", "2"), 3: ("三", "3"), 4: ("四", "4")}
ENGLISH_PLACES = {
    "window sill": ("on the window sill", "on a windowsill", "by the window"),
    "grass": ("on the grass", "in a meadow"),
    "sea": ("by the sea", "at the seaside"),
    "snow": ("in the snow", "on the snow"),
    "street at night": ("on a street at night", "in the street at night"),
    "desert": ("in the desert",),
}
BARE_PLACES = {
    "window sill": "a window sill",
    "grass": "a meadow",
    "sea": "the sea",
    "snow": "snow",
    "street at night": "a street",
    "desert": "a desert",
}
CHINESE_PLACES = {
    "window sill": ("窗台上", "窗边"),
    "grass": ("草地上", "草地"),
    "sea": ("海边",),
    "snow": ("雪地里", "雪地上"),
    "street at night": ("夜晚的街道上", "夜晚的街上"),
    "desert": ("沙漠里", "沙漠中"),
}
ENGLISH_RELATIONS = {
    "left of": ("to the left of", "left of", "on the left of"),
    "right of": ("to the right of", "right of", "on the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
CHINESE_RELATIONS = {
    "left of": ("左边", "左侧"),
    "right of": ("右边", "右侧"),
    "above": ("上方", "上面"),
    "below": ("下方", "下面"),
}
CLOTHES = {"woman": ("dress", "裙子"), "girl": ("dress", "裙子"), "man": ("coat", "外套")}
ABSENT_GROUP_NAMES = {"people": ("people", "人")}


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A sentence for a request. language: en, zh or mixed."""

    text: str
    request: Request
    language: str


def write_caption(request: Request, language: str, rng: Random) -> Caption:
    """A random wording of a request. language: one of `LANGUAGES`."""
    text = {"en": _english, "zh": _chinese, "mixed": _mixed}[language](request, rng)
    return Caption(text=" ".join(text.split()), request=request, language=language)


def _english(request: Request, rng: Random) -> str:
    phrases = [english_phrase(requested, rng) for requested in request.things]
    place = rng.choice(ENGLISH_PLACES[request.place]) if request.place else ""
    absent = f"without {_english_absent(request.absent, rng)}" if request.absent else ""
    if not phrases:
        return f"{BARE_PLACES[request.place] if request.place else 'a picture'} {absent}"
    things = _english_things(phrases, request.relation, rng)
    separator = rng.choice((", ", " ")) if absent else ""
    if absent and rng.random() < 0.5:
        absent = absent.replace("without any", "no").replace("without", "no")
        separator = ", "
    frame = rng.choice(("{t} {p}", "{t} {p}", "{t} {p}", "a picture of {t} {p}", "there is {t} {p}", "{p}, {t}"))
    if not place or request.things[0].count:
        frame = "{t} {p}"
    return frame.format(t=things, p=place).strip() + separator + absent


def _english_things(phrases: list[str], relation: str | None, rng: Random) -> str:
    if relation:
        return f"{phrases[0]} {rng.choice(ENGLISH_RELATIONS[relation])} {phrases[1]}"
    return f" {rng.choice(('and', 'and', 'with'))} ".join(phrases)


def _english_absent(absent: str, rng: Random) -> str:
    plural = ABSENT_GROUP_NAMES[absent][0] if absent in ABSENT_GROUP_NAMES else _plural(ENGLISH_NAMES[absent][0])
    return f"{rng.choice(('any ', ''))}{plural}"


def _plural(name: str) -> str:
    return ENGLISH_PLURALS.get(name) or (name + "s" if not name.endswith("lady") else name[:-1] + "ies")


def english_phrase(requested: RequestedThing, rng: Random) -> str:
    """A thing with its attributes, such as "two red cars" or "a woman in a blue dress holding a ball"."""
    name = rng.choice(ENGLISH_NAMES[requested.thing])
    number = rng.choice(ENGLISH_NUMBERS[requested.count]) if requested.count else ""
    is_plural = bool(requested.count and requested.count > 1)
    noun = _plural(name) if is_plural else name
    if requested.thing not in PEOPLE:
        return _with_article(f"{requested.colour or ''} {noun}".strip(), number)
    return f"{_with_article(noun, number)} {_english_outfit(requested, is_plural, rng)}".strip()


def _with_article(noun: str, number: str) -> str:
    if number:
        return f"{number} {noun}"
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _english_outfit(requested: RequestedThing, is_plural: bool, rng: Random) -> str:
    worn = []
    if requested.colour:
        worn.append(_english_clothes(requested, is_plural, rng))
    if requested.straw_hat:
        worn.append(rng.choice(("wearing a straw hat", "in a straw hat", "with a straw hat")))
    if requested.held:
        held = _with_article(f"{requested.held_colour or ''} {requested.held}".strip(), "")
        worn.append(f"{rng.choice(('holding', 'with'))} {held}")
    return f" {rng.choice(('and', ''))} ".join(worn)


def _english_clothes(requested: RequestedThing, is_plural: bool, rng: Random) -> str:
    clothes = CLOTHES[requested.thing][0]
    if is_plural:
        plural = {"dress": "dresses", "coat": "coats"}[clothes]
        return rng.choice((f"in {requested.colour} {plural}", f"in {requested.colour}"))
    garment = _with_article(f"{requested.colour} {clothes}", "")
    return rng.choice((f"in {garment}", f"wearing {garment}", f"in {requested.colour}"))


def _chinese(request: Request, rng: Random) -> str:
    phrases = [chinese_phrase(requested, rng) for requested in request.things]
    return _chinese_sentence(request, phrases, rng)


def _chinese_sentence(request: Request, phrases: list[str], rng: Random) -> str:
    place = rng.choice(CHINESE_PLACES[request.place]) if request.place else ""
    absent = _chinese_absent(request.absent, rng) if request.absent else ""
    comma = rng.choice((",", "\uff0c"))
    if not phrases:
        return f"{absent}的{place or '图片'}" if absent and rng.random() < 0.5 else _joined(comma, place, absent)
    things = _chinese_things(phrases, request.relation, rng)
    frame = rng.choice(("{p}的{t}", "{p}有{t}", "{t}在{p}", "{p}{c}{t}")) if place else "{t}"
    return _joined(comma, frame.format(t=things, p=place, c=comma), absent)


def _joined(separator: str, *texts: str) -> str:
    return separator.join(text for text in texts if text)


def _chinese_things(phrases: list[str], relation: str | None, rng: Random) -> str:
    if relation:
        side = rng.choice(CHINESE_RELATIONS[relation])
        return f"{phrases[0]}在{phrases[1]}的{side}" if rng.random() < 0.7 else f"{phrases[1]}{side}有{phrases[0]}"
    return rng.choice(("和", "和", "与")).join(phrases)


def _chinese_absent(absent: str, rng: Random) -> str:
    name = ABSENT_GROUP_NAMES[absent][1] if absent in ABSENT_GROUP_NAMES else rng.choice(CHINESE_NAMES[absent])
    return f"{rng.choice(('没有', '没有', '不要有'))}{name}"


def chinese_phrase(requested: RequestedThing, rng: Random) -> str:
    """A thing with its attributes, such as 两辆红色的汽车 or 一个穿蓝裙子拿着球的女人."""
    name = rng.choice(CHINESE_NAMES[requested.thing])
    return _chinese_number(requested, rng) + _chinese_attributes(requested, rng) + name


def _chinese_number(requested: RequestedThing, rng: Random) -> str:
    if requested.count:
        return rng.choice(CHINESE_NUMBERS[requested.count]) + MEASURES[requested.thing]
    return rng.choice((f"一{MEASURES[requested.thing]}", ""))


def _chinese_attributes(requested: RequestedThing, rng: Random) -> str:
    if requested.thing not in PEOPLE:
        return _chinese_colour(requested.colour, rng)
    worn = []
    if requested.colour:
        worn.append("穿" + _chinese_colour(requested.colour, rng) + CLOTHES[requested.thing][1])
    if requested.straw_hat:
        worn.append(rng.choice(("戴草帽", "戴着草帽")))
    if requested.held:
        worn.append(
            rng.choice(("拿着", "拿")) + _chinese_colour(requested.held_colour, rng) + CHINESE_NAMES[requested.held][0]
        )
    return "、".join(worn) + "的" if worn else ""


def _chinese_colour(colour: str | None, rng: Random) -> str:
    return rng.choice(("{}色的", "{}色", "{}")).format(CHINESE_COLOURS[colour]) if colour else ""


def _mixed(request: Request, rng: Random) -> str:
    """A sentence in one language, with a thing or the place in the other."""
    if not request.things or ((request.place or request.absent) and rng.random() < 0.5):
        return _mixed_place(request, rng)
    is_bare = len(request.things) == 1 and not request.place
    if is_bare or rng.random() < 0.5:
        return _chinese_sentence(request, [_mixed_phrase(requested, rng) for requested in request.things], rng)
    phrases = [english_phrase(requested, rng) for requested in request.things]
    translated = rng.randrange(len(phrases))
    phrases[translated] = chinese_phrase(request.things[translated], rng)
    things = _english_things(phrases, request.relation, rng)
    place = rng.choice(ENGLISH_PLACES[request.place]) if request.place else ""
    absent = f", {_chinese_absent(request.absent, rng)}" if request.absent else ""
    return f"{things} {place}".strip() + absent


def _mixed_phrase(requested: RequestedThing, rng: Random) -> str:
    """A Chinese number and measure word before an English thing, such as 一只 black cat."""
    phrase = english_phrase(_uncounted(requested), rng)
    article, _, rest = phrase.partition(" ")
    assert article in {"a", "an"}
    return f"{_chinese_number(requested, rng)} {rest} "


def _uncounted(requested: RequestedThing) -> RequestedThing:
    return RequestedThing(**{**vars(requested), "count": None})


def _mixed_place(request: Request, rng: Random) -> str:
    """English things in a Chinese place, or Chinese things in an English place."""
    chinese_things = rng.random() < 0.5
    bare = Request(things=request.things, relation=request.relation)
    things = ""
    if request.things:
        things = (_chinese if chinese_things else _english)(bare, rng)
    where = request.place and (
        rng.choice(ENGLISH_PLACES[request.place])
        if chinese_things
        else "在" + rng.choice(CHINESE_PLACES[request.place])
    )
    absent = request.absent and (
        f"no {_english_absent(request.absent, rng).replace('any ', '')}"
        if chinese_things
        else _chinese_absent(request.absent, rng)
    )
    return ", ".join(part for part in (f"{things} {where or ''}".strip(), absent) if part)


def vocabulary() -> list[str]:
    """All words of the captions, from which the tokenizer learns its merges."""
    tables = (ENGLISH_NAMES, CHINESE_NAMES, ENGLISH_PLACES, CHINESE_PLACES, ENGLISH_RELATIONS, CHINESE_RELATIONS)
    words = [text for table in tables for texts in table.values() for text in texts]
    words += [text for numbers in (ENGLISH_NUMBERS, CHINESE_NUMBERS) for texts in numbers.values() for text in texts]
    words += [*MEASURES.values(), *CHINESE_COLOURS.values(), *BARE_PLACES.values()]
    words += [f"{colour}色" for colour in CHINESE_COLOURS.values()]
    words += [clothes for pair in CLOTHES.values() for clothes in pair]
    return [
        *words,
        "没有",
        "不要有",
        "草帽",
        "穿",
        "戴",
        "拿",
        "戴着",
        "拿着",
        "图片",
        "和",
        "与",
        "在",
        "有",
        "的",
        "一",
        "人",
    ]

"""Names of exported files: the template, and what every operating system takes."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import NameTemplateInvalid
from reranker.export.file_names import (
    FIELDS,
    MAX_FILE_NAME_BYTES,
    MAX_FOLDER_NAME_BYTES,
    MAX_NAME_BYTES,
    check_template,
    folder_names,
    member_names,
)
from tests.support.rankings import ranking, scored

properties = settings(deadline=None, max_examples=200, database=None)


def is_valid(template: str) -> bool:
    try:
        check_template(template)
    except NameTemplateInvalid:
        return False
    return True


def named(template: str, *names: str, **options) -> list[str]:
    return member_names(ranking(*(scored(name, 0.0) for name in names), query="a dog"), template=template, **options)


literals = st.text(max_size=5).map(lambda text: text.replace("{", "{{").replace("}", "}}"))
fields = st.sampled_from([f"{{{field}}}" for field in FIELDS])
templates = st.lists(fields | literals, min_size=1, max_size=8).map("".join).filter(is_valid)


def test_ranks_are_padded_to_equal_width() -> None:
    names = member_names(ranking(*(scored(f"{n}.png", 0.0) for n in range(120))))
    assert (names[0], names[119]) == ("001_5.0_0.png", "120_5.0_119.png")
    assert sorted(names) == names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("海 报.jpg", "海 报.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.png", "a.png"),
        ('a<b>:"|?*.png', "a_b______.png"),
        ("a\x00b\n.png", "a_b_.png"),
        ("gpj.\u202eexe", "gpj._exe"),
        ("...", "picture"),
        ("", "picture"),
        ("a\udcff.png", "a_.png"),
        ("dir/", "dir"),
        ("x" * 300 + ".jpeg", "x" * (MAX_NAME_BYTES - 5) + ".jpeg"),
        ("海" * 300 + ".jpeg", "海" * ((MAX_NAME_BYTES - 5) // 3) + ".jpeg"),
        ("a." + "海" * 300, "a." + "海" * ((MAX_NAME_BYTES - 2) // 3)),
    ],
)
def test_names_are_safe_on_any_system(name: str, safe: str) -> None:
    assert member_names(ranking(scored(name, 0.0))) == [f"01_5.0_{safe}"]


@properties
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_file_names_are_distinct_and_stay_in_their_folder(names: list[str]) -> None:
    file_names = member_names(ranking(*(scored(name, 0.0) for name in names)))
    assert len(set(file_names)) == len(names)
    for name in file_names:
        assert not re.search(r"[\\/\x00-\x1f]", name)
        assert len(name.encode()) <= MAX_NAME_BYTES + len("01_5.0_")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("a woman in a red dress", "01_a woman in a red dress"),
        ("海边的房子", "01_海边的房子"),
        ("cats/dogs: which?", "01_cats_dogs_ which_"),
        ("..", "01_query"),
        ("海" * 99, "01_" + "海" * (MAX_FOLDER_NAME_BYTES // 3)),
        ("a" * (MAX_FOLDER_NAME_BYTES - 1) + " b", "01_" + "a" * (MAX_FOLDER_NAME_BYTES - 1)),
    ],
)
def test_a_folder_is_named_after_its_query(query: str, name: str) -> None:
    assert folder_names([query]) == [name]


@properties
@given(st.lists(st.text(), max_size=5))
def test_folder_names_are_distinct_and_stay_in_their_folder(queries: list[str]) -> None:
    names = folder_names(queries)
    assert len(set(names)) == len(queries)
    assert not any(re.search(r"[\\/\x00-\x1f]", name) for name in names)
    assert all(len(name.encode()) <= MAX_FOLDER_NAME_BYTES + len("01_") for name in names)


# The template


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{rank}_{score}_{name}", "01_5.0_beach.JPG"),
        ("{stem}", "beach.JPG"),
        ("{name}", "beach.JPG"),
        ("{name} {rank}", "beach.JPG 01.JPG"),
        ("{stem}.png", "beach.png.JPG"),
        ("{stem}.jpg", "beach.JPG"),
        ("{query} {{{rank}}}", "a dog {01}.JPG"),
        ("{query}/{rank}", "a dog_01.JPG"),
        ("../{rank}. ", "_01.JPG"),
        ("photo", "photo.JPG"),
        ("...", "picture.JPG"),
        ("con", "_con.JPG"),
        ("图片{rank}", "图片01.JPG"),
    ],
)
def test_a_template_makes_the_name_and_the_extension_stays(template: str, name: str) -> None:
    assert named(template, "/home/me/beach.JPG") == [name]


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("", "empty"),
        (" \u200b", "empty"),
        ("x" * 201, "too long"),
        ("{rank", "braces"),
        ("rank}", "braces"),
        ("{rnk}", "field"),
        ("{}", "field"),
        ("{0}", "field"),
        ("{rank:03}", "field"),
        ("{name!r}", "field"),
        ("{name.__class__}", "field"),
        ("{name[0]}", "field"),
    ],
)
def test_a_template_with_anything_else_is_refused(template: str, reason: str) -> None:
    with pytest.raises(NameTemplateInvalid) as caught:
        named(template, "a.png")
    assert caught.value.reason == reason


def test_equal_names_are_numbered_also_if_they_differ_in_case_or_accents_only() -> None:
    assert named("{stem}", "a.png", "A.png", "a (2).png", "a.jpg", "a.png") == [
        *("a.png", "A (2).png", "a (2) (2).png", "a.jpg", "a (3).png")
    ]
    composed, decomposed = "\u00e9.png", "e\u0301.png"
    assert named("{name}", composed, decomposed)[1] == "e\u0301 (2).png"
    assert named("x", *["a.png"] * 3) == ["x.png", "x (2).png", "x (3).png"]


def test_the_ranks_of_a_part_are_those_that_are_given() -> None:
    assert named("{rank}", "a.png", "b.png", ranks=[205, 7]) == ["205.png", "007.png"]
    with pytest.raises(ValueError, match="zip"):
        named("{rank}", "a.png", "b.png", ranks=[1])


def test_two_scores_that_look_the_same_get_more_decimals_in_any_order() -> None:
    shown = ranking(scored("b.png", 0.5), scored("c.png", -2.0), scored("a.png", 0.501))
    assert member_names(shown, template="{score}") == ["6.22.png", "1.2.png", "6.23.png"]


@properties
@given(templates, st.lists(st.text(), min_size=1, max_size=6), st.text())
def test_names_of_any_template_are_distinct_safe_and_short(template: str, names: list[str], query: str) -> None:
    shown = ranking(*(scored(name, 0.0) for name in names), query=query)
    file_names = member_names(shown, template=template)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in file_names}) == len(names)
    for name in file_names:
        assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
        assert name.strip(" .") == name != ""
        assert len(name.encode()) <= MAX_FILE_NAME_BYTES
        assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name, re.IGNORECASE)


def test_a_long_name_keeps_its_extension_and_its_number() -> None:
    names = named("{name}{query}", *["海" * 90 + ".jpeg"] * 12)
    assert {name[-5:] for name in names} == {".jpeg"}
    assert len(set(names)) == 12
    assert names[11].endswith(" (12).jpeg")
    assert max(len(name.encode()) for name in names) <= MAX_FILE_NAME_BYTES

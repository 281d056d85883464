"""The contact sheet: a page that shows every picture, and runs nothing."""

from html.parser import HTMLParser
from io import BytesIO

import pytest
from PIL import Image

from reranker.core.errors import PictureMissing
from reranker.export.contact_sheet import as_html
from reranker.images.limits import Limits
from tests.support.rankings import failed, ranking, scored


def png(colour: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


class Sheet(HTMLParser):
    """The tags and the texts of an HTML page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_sheet_shows_scores_of_scored_pictures_and_errors_of_failed_ones() -> None:
    results = (scored("a.png", 2.0, png()), scored("b.png", -2.0, b"broken"), failed(PictureMissing(name="c.png")))
    sheet = Sheet(as_html(ranking(*results), model="toybox", limits=Limits()))
    assert [image["alt"] for image in sheet.all("img")] == ["a.png"]
    assert sheet.all("img")[0]["src"].startswith("data:image/jpeg;base64,")
    assert [meter["value"] for meter in sheet.all("meter")] == ["8.8080", "1.1920"]
    text = " ".join(sheet.texts)
    assert all(part in text for part in ("#1 · 8.8", "#2 · 1.2", "b.png", "“c.png” was not found", "toybox"))


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title><script>"])
def test_names_and_queries_cannot_add_scripts(evil: str) -> None:
    results = (scored(evil, 0.0, png()), failed(PictureMissing(name=evil)))
    sheet = Sheet(as_html(ranking(*results, query=evil), model=evil, limits=Limits()))
    assert sheet.all("script") == []
    assert len(sheet.all("img")) == 1
    assert all(not name.startswith("on") for _, attributes in sheet.tags for name in attributes)
    assert any("default-src 'none'" in str(meta.get("content")) for meta in sheet.all("meta"))


def test_a_part_of_a_ranking_has_the_ranks_that_are_given() -> None:
    shown = ranking(scored("b.png", -2.0, png()), scored("a.png", 2.0, png()))
    text = " ".join(Sheet(as_html(shown, model="toybox", limits=Limits(), ranks=[12, 4])).texts)
    assert text.index("#12 · 1.2") < text.index("#4 · 8.8")


def test_the_sheet_is_in_the_language_of_the_reader() -> None:
    text = as_html(ranking(scored("a.png", 0.0, png())), model="toybox", limits=Limits(), language="zh")
    assert "由 toybox 排序" in text
    assert 'lang="zh-CN"' in text


def test_a_name_that_is_not_utf_8_is_shown_with_a_replacement_character() -> None:
    sheet = Sheet(as_html(ranking(scored("a\udcff.png", 0.0, png())), model="m", limits=Limits()))
    assert " a\ufffd.png" in sheet.texts


def test_the_heading_says_what_was_excluded() -> None:
    shown = ranking(scored("a.png", 0.0, png()), query="a dog", exclude="<b>a {cat}</b>")
    english = Sheet(as_html(shown, model="m", limits=Limits()))
    assert english.texts.count("a dog · not: <b>a {cat}</b>") == 2, "title and heading"
    assert "a dog · 排除：<b>a {cat}</b>" in Sheet(as_html(shown, model="m", limits=Limits(), language="zh")).texts


def test_an_empty_ranking_gives_an_empty_sheet() -> None:
    assert Sheet(as_html(ranking(), model="m", limits=Limits())).all("img") == []

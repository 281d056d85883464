"""What is taken away of a ranking: pictures in order, and a contact sheet that opens anywhere."""

import os
import re
import zipfile
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reranker.core.errors import PictureMissing
from reranker.core.types import Candidate, Failed, Query, Ranking, Score, Scored
from reranker.export.archive import (
    MAX_FOLDER_NAME_BYTES,
    MAX_NAME_BYTES,
    folder_names,
    member_names,
    write_archive,
    write_folder,
)
from reranker.export.contact_sheet import as_html
from reranker.images.limits import Limits
from reranker.ui.downloads import Downloads

properties = settings(deadline=None, max_examples=200, database=None)


def png(colour: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


def scored(name: str, log_odds: float, source: Path | bytes = b"", position: int = 0) -> Scored:
    score = Score(log_odds=log_odds, visual_tokens=1, latency_ms=1.0)
    return Scored(position=position, candidate=Candidate(name=name, source=source), score=score)


def ranking(*of: Scored, failed: tuple[Failed, ...] = (), query: str = "红裙子 <b>red</b> dress") -> Ranking:
    return Ranking(query=Query(text=query), fingerprint="f", temperature=1.0, scored=of, failed=failed)


def archived(of: Ranking) -> tuple[zipfile.ZipFile, tuple[Failed, ...]]:
    file = BytesIO()
    gone = write_archive(of, file, Limits())
    return zipfile.ZipFile(file), gone


def test_pictures_come_in_order_with_their_own_bytes() -> None:
    contents = [png(colour) for colour in ("red", "green", "blue")]
    best = [scored(f"/home/me/{n}.png", 3.0 - n, data) for n, data in enumerate(contents)]
    archive, gone = archived(ranking(*best))
    assert gone == ()
    assert archive.namelist() == ["01_9.5_0.png", "02_8.8_1.png", "03_7.3_2.png"]
    assert [archive.read(name) for name in archive.namelist()] == contents
    assert archive.testzip() is None


def test_equal_rankings_are_equal_files() -> None:
    one, other = BytesIO(), BytesIO()
    for file in (one, other):
        write_archive(ranking(scored("a.png", 1.0, png())), file, Limits())
    assert one.getvalue() == other.getvalue()


def test_a_picture_that_is_gone_costs_only_itself(tmp_path: Path) -> None:
    archive, gone = archived(ranking(scored("gone.png", 2.0, tmp_path / "gone.png"), scored("a.png", 1.0, png())))
    assert archive.namelist() == ["02_7.3_a.png"]
    assert [type(one.error) for one in gone] == [PictureMissing]


def test_ranks_are_as_wide_as_the_last_one() -> None:
    names = member_names([scored(f"{n}.png", -n) for n in range(120)], ["5.0"] * 120)
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
    assert member_names([scored(name, 0.0)], ["5.0"]) == [f"01_5.0_{safe}"]


@properties
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_no_name_leads_out_of_the_folder_or_is_another(names: list[str]) -> None:
    made = member_names([scored(name, 0.0) for name in names], ["5.0"] * len(names))
    assert len(set(made)) == len(made)
    for name in made:
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
def test_no_folder_leads_out_of_its_folder_or_is_another(queries: list[str]) -> None:
    made = folder_names(queries)
    assert len(set(made)) == len(queries)
    assert not any(re.search(r"[\\/\x00-\x1f]", name) for name in made)
    assert all(len(name.encode()) <= MAX_FOLDER_NAME_BYTES + len("01_") for name in made)


def test_a_folder_holds_what_the_archive_does(tmp_path: Path) -> None:
    best = [
        scored("a.png", 2.0, png("red")),
        scored("gone.png", 1.0, tmp_path / "gone.png"),
        scored("b/c.png", 0, png()),
    ]
    gone = write_folder(ranking(*best), tmp_path / "of" / "copies", Limits())
    archive, gone_too = archived(ranking(*best))
    assert {path.name: path.read_bytes() for path in (tmp_path / "of" / "copies").iterdir()} == {
        name: archive.read(name) for name in archive.namelist()
    }
    assert [one.candidate for one in gone] == [one.candidate for one in gone_too] == [best[1].candidate]


def test_no_file_in_a_folder_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "01_8.8_a.png").write_bytes(b"another's")
    with pytest.raises(FileExistsError):
        write_folder(ranking(scored("a.png", 2.0, png())), tmp_path, Limits())
    assert (tmp_path / "01_8.8_a.png").read_bytes() == b"another's"


def test_files_that_were_taken_away_are_forgotten(tmp_path: Path) -> None:
    takeaway = Downloads(folder=tmp_path, limits=Limits())
    first, second = (takeaway.write(ranking(), "csv", {}, 1, "en") for _ in range(2))
    assert first.exists()
    os.utime(first.parent, (0, 0))
    takeaway.write(ranking(), "csv", {}, 1, "en")
    assert (first.exists(), second.exists()) == (False, True)


# The contact sheet


class Sheet(HTMLParser):
    """The tags and the words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_every_picture_is_on_the_sheet_with_its_score_and_failures_with_their_reasons() -> None:
    failed = (Failed(position=2, candidate=Candidate(name="c.png", source=b""), error=PictureMissing(name="c.png")),)
    sheet = Sheet(
        as_html(
            ranking(scored("a.png", 2.0, png()), scored("b.png", -2.0, b"broken"), failed=failed),
            model="toybox",
            limits=Limits(),
        )
    )
    assert [image["alt"] for image in sheet.all("img")] == ["a.png"]
    assert sheet.all("img")[0]["src"].startswith("data:image/jpeg;base64,")
    assert [meter["value"] for meter in sheet.all("meter")] == ["8.8080", "1.1920"]
    text = " ".join(sheet.words)
    assert all(word in text for word in ("#1 · 8.8", "#2 · 1.2", "b.png", "“c.png” was not found", "toybox"))


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title><script>"])
def test_nothing_on_the_sheet_runs(evil: str) -> None:
    error = PictureMissing(name=evil)
    failed = (Failed(position=1, candidate=Candidate(name=evil, source=b""), error=error),)
    sheet = Sheet(as_html(ranking(scored(evil, 0.0, png()), failed=failed, query=evil), model=evil, limits=Limits()))
    assert sheet.all("script") == []
    assert len(sheet.all("img")) == 1
    assert all(not name.startswith("on") for _, attributes in sheet.tags for name in attributes)
    assert any("default-src 'none'" in str(meta.get("content")) for meta in sheet.all("meta"))


def test_the_sheet_speaks_the_readers_language() -> None:
    text = as_html(ranking(scored("a.png", 0.0, png())), model="toybox", limits=Limits(), language="zh")
    assert "由 toybox 评判" in text
    assert 'lang="zh-CN"' in text


def test_a_name_that_is_no_text_is_shown_all_the_same() -> None:
    text = as_html(ranking(scored("a\udcff.png", 0.0, png())), model="m", limits=Limits())
    text.encode()


def test_an_empty_ranking_is_a_sheet_too() -> None:
    assert Sheet(as_html(ranking(), model="m", limits=Limits())).all("img") == []

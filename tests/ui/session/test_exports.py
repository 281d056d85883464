"""Files that people download: exactly the shown pictures, in the shown order."""

import csv
import json
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from reranker.config.paths import data_folder
from tests.support.numbered_pictures import numbered_gallery, numbered_picture
from tests.support.paced_scorer import PacedScorer
from tests.support.page_session import PageSession, opened

NAMES = ["3.png", "2.png", "1.png"]


@pytest.fixture
def ranked(session: PageSession) -> tuple[PageSession, str, list[str]]:
    """A session, its ranking, and the ids of the pictures, best first."""
    ids = session.add(1, 2, 3)
    (ranking,) = session.rank("a cat")
    return session, ranking["id"], ids[::-1]


def export(session: PageSession, format_: str, ranking: str, pictures: object = None) -> httpx.Response:
    chosen: dict[str, Any] = {"id": ranking} | ({} if pictures is None else {"pictures": pictures})
    return session.post("exports", {"format": format_, "rankings": [chosen]})


def fetched(session: PageSession, answer: httpx.Response) -> bytes:
    assert answer.status_code == 200, answer.text
    file = session.client.get(answer.json()["url"])
    assert file.status_code == 200
    assert file.headers["content-disposition"] == f'attachment; filename="{answer.json()["name"]}"'
    assert len(file.content) == answer.json()["bytes"]
    return file.content


def names_in(format_: str, content: bytes) -> list[str]:
    """The names of pictures in a file, in their order."""
    if format_ == "zip":
        with ZipFile(BytesIO(content)) as archive:
            return [name.split("_")[-1] for name in archive.namelist()]
    text = content.decode("utf-8-sig")
    if format_ == "json":
        return [row["path"] for row in json.loads(text)["results"] if row["status"] == "scored"]
    if format_ == "csv":
        return [row["path"] for row in csv.DictReader(StringIO(text, newline=""))]
    return sorted(NAMES, key=text.index) if all(name in text for name in NAMES) else [n for n in NAMES if n in text]


@pytest.mark.parametrize("format_", ["zip", "csv", "json", "html"])
def test_all_are_best_first(ranked: tuple[PageSession, str, list[str]], format_: str) -> None:
    session, ranking, _ = ranked
    assert names_in(format_, fetched(session, export(session, format_, ranking))) == NAMES


@pytest.mark.parametrize("format_", ["zip", "csv", "json"])
@pytest.mark.parametrize(("places", "names"), [([2, 0], ["1.png", "3.png"]), ([1], ["2.png"]), ([], [])])
def test_the_shown_ones_are_in_the_shown_order(
    ranked: tuple[PageSession, str, list[str]], format_: str, places: list[int], names: list[str]
) -> None:
    session, ranking, ids = ranked
    shown = [ids[place] for place in places]
    assert names_in(format_, fetched(session, export(session, format_, ranking, [*shown, *shown, "unknown"]))) == names


def test_a_zip_has_the_bytes_that_came(ranked: tuple[PageSession, str, list[str]]) -> None:
    session, ranking, _ = ranked
    with ZipFile(BytesIO(fetched(session, export(session, "zip", ranking)))) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [numbered_picture(n) for n in (3, 2, 1)]


def test_several_rankings_are_in_one_file(session: PageSession) -> None:
    session.add(1, 2)
    rankings = [{"id": ranking["id"]} for ranking in session.rank("a cat", "一只狗")]
    for format_ in ("json", "csv"):
        text = fetched(session, session.post("exports", {"format": format_, "rankings": rankings})).decode("utf-8-sig")
        assert "a cat" in text
        assert "一只狗" in json.loads(text)["queries"][1]["query"] if format_ == "json" else "一只狗" in text


def test_an_unfinished_ranking_is_exported_as_far_as_it_is(open_page) -> None:
    paced = PacedScorer()
    session = open_page(paced.scorer)
    session.add(1, 2, 3)
    with session.watched() as watcher:
        (ranking,) = session.start("a cat")
        paced.allow(2)
        watcher.wait(lambda state: len(state["results"].get(ranking, ())) == 2)
        assert len(names_in("zip", fetched(session, export(session, "zip", ranking)))) == 2
        paced.allow()
        watcher.wait(lambda state: state["job"] is None)


def test_an_export_takes_the_place_of_the_one_before(ranked: tuple[PageSession, str, list[str]]) -> None:
    session, ranking, ids = ranked
    first = export(session, "zip", ranking).json()["url"]
    second = export(session, "zip", ranking, ids[:1]).json()["url"]
    other = export(session, "csv", ranking).json()["url"]
    assert [session.client.get(url).status_code for url in (first, second, other)] == [404, 200, 200]


def test_a_restart_keeps_the_file() -> None:
    with opened() as client:
        session = PageSession.create(client)
        session.add(1, 2)
        url = export(session, "csv", session.rank("a cat")[0]["id"]).json()["url"]
    with opened() as client:
        assert client.get(url).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"format": "exe", "rankings": [{"id": "RID"}]},
        {"format": ["zip"], "rankings": [{"id": "RID"}]},
        {"rankings": [{"id": "RID"}]},
        {"format": "csv", "rankings": []},
        {"format": "csv", "rankings": {"id": "RID"}},
        {"format": "csv", "rankings": ["RID"]},
        {"format": "csv", "rankings": [{"id": 5}]},
        {"format": "csv", "rankings": [{"id": "RID", "pictures": "all"}]},
        {"format": "csv", "rankings": [{"id": "RID", "pictures": [["x"]]}]},
        {"format": "csv", "rankings": [{"id": "RID", "pictures": 5}]},
        {"format": "csv", "rankings": [{"id": "RID"}] * 201},
        {"format": "csv"},
    ],
    ids=str,
)
def test_a_mistake_in_asking_is_a_bad_request(ranked: tuple[PageSession, str, list[str]], body: dict) -> None:
    session, ranking, _ = ranked
    answer = session.post("exports", json.loads(json.dumps(body).replace("RID", ranking)))
    assert answer.status_code == 400, answer.text


def test_an_unknown_ranking_is_not_found(session: PageSession) -> None:
    assert export(session, "csv", "unknown").status_code == 404


def test_only_files_that_were_made_are_served(open_page) -> None:
    session = open_page()
    session.add(1, 2)
    url = export(session, "csv", session.rank("a cat")[0]["id"]).json()["url"]
    _, _, token, name = url.rsplit("/", 3)
    secret = data_folder() / "sessions" / session.id / "exports" / "secret.txt"
    secret.write_text("secret")
    other = PageSession.create(session.client)
    for path in (
        f"exports/{token}/ranking.zip",
        f"exports/{token}/..%2f..%2fsecret.txt",
        f"exports/..%2fexports/{name}",
        f"exports/{'0' * 32}/{name}",
        f"exports/{token.upper()}x/{name}",
        "exports/./secret.txt",
        "exports/%2e%2e/secret.txt",
    ):
        assert session.get(path).status_code == 404, path
    assert other.get(f"exports/{token}/{name}").status_code == 404


def test_a_picture_that_a_link_has_replaced_is_left_out(open_page, tmp_path: Path) -> None:
    session = open_page()
    session.add(1, 2, 3)
    (ranking,) = session.rank("a cat")
    (secret := tmp_path / "secret.png").write_bytes(b"secret")
    (picture,) = (data_folder() / "sessions" / session.id / "pictures").glob("*/2.png")
    picture.unlink()
    picture.symlink_to(secret)
    content = fetched(session, export(session, "zip", ranking["id"]))
    assert names_in("zip", content) == ["3.png", "1.png"]
    assert b"secret" not in content


def test_a_picture_that_is_gone_is_left_out(open_page, tmp_path: Path) -> None:
    gallery = numbered_gallery(tmp_path / "photos", 1, 2)
    session = open_page(galleries=(gallery,))
    session.post("galleries", {"name": "photos"})
    (ranking,) = session.rank("a cat")
    (gallery / "2.png").unlink()
    assert names_in("zip", fetched(session, export(session, "zip", ranking["id"]))) == ["1.png"]


def test_a_file_that_does_not_fit_is_not_begun(open_page, tmp_path: Path) -> None:
    gallery = numbered_gallery(tmp_path / "photos", 1, 2)
    with (gallery / "2.png").open("ab") as file:
        file.write(bytes(1_100_000))
    session = open_page(galleries=(gallery,), max_uploads_mb=1)
    session.post("galleries", {"name": "photos"})
    (ranking,) = session.rank("a cat")
    answer = export(session, "zip", ranking["id"])
    assert (answer.status_code, "no room" in answer.json()["detail"]) == (507, True)
    exports = data_folder() / "sessions" / session.id / "exports"
    assert not [path for path in exports.rglob("*") if path.is_file()]
    small = next(row[0] for row in ranking["scored"] if row[3] == "1.png")
    assert export(session, "zip", ranking["id"], [small]).status_code == 200

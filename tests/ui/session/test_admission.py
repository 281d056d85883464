"""The sample gallery, and the galleries of the server."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reranker.config.paths import data_folder
from reranker.ui.services import SAMPLES
from tests.support.numbered_pictures import numbered_gallery
from tests.support.page_session import PageSession, names_by_score

SAMPLE_COUNT = len(list(SAMPLES.glob("*.png")))


def names(session: PageSession) -> list[str]:
    return [picture["name"] for picture in session.state()["pictures"].values()]


def test_samples_come_after_what_is_there_and_only_once(session: PageSession) -> None:
    session.add(1)
    assert session.state()["samples"] == SAMPLE_COUNT
    assert session.post("samples").json()["added"] == SAMPLE_COUNT
    assert session.post("samples").json()["added"] == 0
    assert names(session) == ["1.png", *sorted(path.name for path in SAMPLES.glob("*.png"))]


def test_samples_that_are_asked_for_at_the_same_time_come_once(session: PageSession) -> None:
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda _: session.post("samples").json()["added"], range(4)))
    assert sorted(added) == [0, 0, 0, SAMPLE_COUNT]


def test_removing_a_sample_deletes_nothing_of_the_program(session: PageSession) -> None:
    session.post("samples")
    ids = list(session.state()["pictures"])
    for _ in range(2):
        session.post("remove", {"pictures": ids})
        session.post("samples")
        ids = list(session.state()["pictures"])
    session.delete()
    assert len(list(SAMPLES.glob("*.png"))) == SAMPLE_COUNT


def test_samples_beyond_the_limit_are_refused_together(open_page) -> None:
    session = open_page(max_pictures=5)
    answer = session.post("samples")
    assert (answer.status_code, names(session)) == (413, [])


def test_the_pictures_of_a_gallery_are_ranked_where_they_lie(open_page, tmp_path: Path) -> None:
    gallery = numbered_gallery(tmp_path / "名画", 1.5, -2)
    session = open_page(galleries=(gallery,))
    assert session.state()["galleries"] == ["名画"]
    assert session.post("galleries", {"name": "名画"}).json() == {"added": 2, "left_out": 0}
    assert session.post("galleries", {"name": "名画"}).json() == {"added": 0, "left_out": 0}
    assert names_by_score(session.rank("a cat")[0]) == ["1.5.png", "-2.png"]
    assert not list(data_folder().rglob("*.png"))
    ids = list(session.state()["pictures"])
    session.post("remove", {"pictures": ids})
    session.post("remove", {"pictures": []})
    session.delete()
    assert len(list(gallery.iterdir())) == 2


def test_what_there_is_no_room_for_is_counted(open_page, tmp_path: Path) -> None:
    gallery = numbered_gallery(tmp_path / "photos", 1, 2, 3, 4)
    session = open_page(galleries=(gallery,), max_pictures=3)
    session.add(9)
    assert session.post("galleries", {"name": "photos"}).json() == {"added": 2, "left_out": 2}
    assert names(session) == ["9.png", "1.png", "2.png"]


def test_what_becomes_readable_is_examined_again_by_the_next_run(open_page, tmp_path: Path) -> None:
    gallery = numbered_gallery(tmp_path / "photos", 1, 2)
    readable = (gallery / "1.png").read_bytes()
    (gallery / "1.png").write_bytes(readable[:20])
    session = open_page(galleries=(gallery,))
    with session.watched() as watcher:
        session.post("galleries", {"name": "photos"})
        state = watcher.wait(lambda state: any(picture["error"] for picture in state["pictures"].values()))
        assert "incomplete" in state["pictures"][next(iter(state["pictures"]))]["error"]["en"]
        (gallery / "1.png").write_bytes(readable)
        session.start("a cat")
        state = watcher.wait(lambda state: not any(picture["error"] for picture in state["pictures"].values()))
        assert all(picture["width"] for picture in state["pictures"].values())


@pytest.mark.parametrize("name", ["nothing", "", "../photos", "/etc", "photos/..", "photos\0"])
def test_only_the_galleries_of_the_settings_are_opened(open_page, tmp_path: Path, name: str) -> None:
    session = open_page(galleries=(numbered_gallery(tmp_path / "photos", 1),))
    answer = session.post("galleries", {"name": name})
    assert (answer.status_code, names(session)) == (404, [])


def test_a_gallery_shows_no_uploads_of_other_people(open_page, monkeypatch, tmp_path: Path) -> None:
    """The data folder of the program may lie in a gallery."""
    monkeypatch.setenv("XDG_DATA_HOME", str(numbered_gallery(tmp_path / "photos", 1)))
    session = open_page(galleries=(tmp_path / "photos",))
    session.add(2)
    other = PageSession.create(session.client)
    assert other.post("galleries", {"name": "photos"}).json() == {"added": 1, "left_out": 0}
    assert names(other) == ["1.png"]

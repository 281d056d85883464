"""Files that are uploaded into a session: what is kept, under which name, and what is refused."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.config.paths import data_folder
from reranker.ui.session.uploads import MAX_NAME_LENGTH, shown_name
from tests.support.half_open import half_open
from tests.support.numbered_pictures import numbered_picture
from tests.support.page_session import PageSession
from tests.support.scripted_scorer import until

MEGABYTE = 1_000_000


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("sessions."))


def test_a_picture_is_kept_as_it_came_and_told_to_all(open_page) -> None:
    session, content = open_page(), numbered_picture(1, (30, 20))
    with session.watched() as watcher:
        answer = session.upload(content, "猫 🐈.png")
        picture = answer.json()["picture"]
        watcher.wait(lambda state: picture["id"] in state["pictures"])
        assert watcher.state["pictures"] == {picture["id"]: picture}
    assert (answer.status_code, answer.json()["same_as"]) == (201, None)
    assert (picture["name"], picture["width"], picture["height"]) == ("猫 🐈.png", 30, 20)
    assert (picture["bytes"], picture["error"]) == (len(content), None)
    (kept,) = data_folder().glob("sessions/*/pictures/*/*")
    assert (kept.name, kept.read_bytes()) == ("猫 🐈.png", content)
    assert not list(data_folder().glob("sessions/*/incoming/*"))
    thumbnail = session.get(f"pictures/{picture['id']}/thumbnail")
    assert (thumbnail.headers["content-type"], thumbnail.content[:2]) == ("image/jpeg", b"\xff\xd8")


def test_the_same_bytes_are_kept_once_under_the_first_name(open_page) -> None:
    session = open_page()
    first = session.upload(numbered_picture(1), "a.png").json()["picture"]
    again = session.upload(numbered_picture(1), "b.png")
    assert (again.status_code, again.json()) == (200, {"picture": first, "same_as": "a.png"})
    assert len(list(data_folder().glob("sessions/*/pictures/*"))) == 1
    other = PageSession.create(session.client)
    assert other.upload(numbered_picture(1), "b.png").status_code == 201, "sessions know nothing of each other"


def test_equal_files_that_come_at_the_same_time_are_kept_once(open_page) -> None:
    session = open_page()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: session.upload(numbered_picture(1), f"{number}.png"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["picture"]["id"] for answer in answers}) == 1
    assert len(session.state()["pictures"]) == 1
    assert len(files(data_folder())) == 2, "the picture and its thumbnail"


def test_files_that_come_at_the_same_time_are_no_more_than_allowed(open_page) -> None:
    session = open_page(max_pictures=3)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: session.upload(numbered_picture(number)), range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [413] * 5
    assert "Too many pictures" in next(answer for answer in answers if answer.is_error).json()["detail"]
    assert len(session.state()["pictures"]) == 3
    assert len(files(data_folder())) == 6
    assert session.upload(numbered_picture(0)).status_code in (200, 413), "what is there already needs no room"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture", "“x.png” is not a picture"),
        (b"", "“x.png” is an empty file"),
        (numbered_picture(1)[:60], "“x.png” is damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "“x.png” is not a picture"),
    ],
    ids=["text", "empty", "cut off", "svg"],
)
def test_what_is_no_picture_is_refused_by_its_name_and_not_kept(open_page, content: bytes, said: str) -> None:
    session = open_page()
    answer = session.upload(content, "x.png")
    assert (answer.status_code, answer.json()["detail"].startswith(said)) == (422, True), answer.text
    assert session.state()["pictures"] == {}
    assert files(data_folder()) == []


def test_a_refusal_is_in_the_language_that_was_chosen(session: PageSession) -> None:
    answer = session.client.post(f"sessions/{session.id}/pictures?name=x.png&lang=zh", content=b"no picture")
    assert "“x.png”" in answer.json()["detail"]
    assert answer.json()["detail"].endswith("。")


def test_a_file_that_is_too_large_is_refused_before_it_is_received(open_page) -> None:
    session = open_page(max_picture_mb=1)
    url = str(session.client.base_url)
    with half_open(url, f"/sessions/{session.id}/pictures?name=a.png", MEGABYTE + 1, b"") as connection:
        answer = connection.recv(10_000)
    assert b" 413 " in answer.partition(b"\r\n")[0]
    assert b"connection: close" in answer.lower()
    assert session.upload(numbered_picture(1)).status_code == 201


def test_a_length_that_is_none_is_refused(session: PageSession) -> None:
    def parts():
        yield numbered_picture(1)

    answer = session.client.post(f"sessions/{session.id}/pictures?name=a.png", content=parts())
    assert answer.status_code == 400


def test_a_full_server_says_so_and_takes_what_fits(open_page) -> None:
    session = open_page(max_uploads_mb=1)
    large = numbered_picture(1) + bytes(MEGABYTE)
    answer = session.upload(large)
    assert answer.status_code == 507
    assert "no room" in answer.json()["detail"]
    assert session.upload(numbered_picture(1)).status_code == 201


def test_an_upload_that_is_cut_off_leaves_nothing(open_page) -> None:
    session, start = open_page(), numbered_picture(1)
    path = f"/sessions/{session.id}/pictures?name=a.png"
    with half_open(str(session.client.base_url), path, len(start) + 100, start):
        until(lambda: list(data_folder().glob("sessions/*/incoming/*.part")))
    until(lambda: files(data_folder()) == [])
    assert session.state()["pictures"] == {}


def test_a_folder_of_the_name_stays_in_the_name_alone(open_page) -> None:
    session = open_page()
    names = {
        "../../../etc/passwd.png": "passwd.png",
        r"C:\photos\a.png": "a.png",
        "folder/b.png/": "b.png",
        "a\nb\x1b[31m\u202egnp.png": "a�b�[31m�gnp.png",
        "": "picture",
        "..": "..",
        "x" * 500 + ".png": ("x" * 500 + ".png")[-MAX_NAME_LENGTH:],
        "👨\u200d👩\u200d👧 <img src=x onerror=alert(1)>.png": "👨\u200d👩\u200d👧 <img src=x onerror=alert(1)>.png",
        "\udce9 \ud800.png".encode("utf-8", "replace").decode(): "? ?.png",
        "CON.png": "CON.png",
    }
    for number, (sent, shown) in enumerate(names.items()):
        answer = session.upload(numbered_picture(number), sent)
        assert (answer.status_code, answer.json()["picture"]["name"]) == (201, shown)
    folder = data_folder() / "sessions" / session.id
    assert {path.parents[2] for path in folder.glob("pictures/*/*")} == {folder}
    assert len(list(folder.glob("pictures/*/*"))) == len(names)
    assert len(session.rank("a cat")[0]["scored"]) == len(names)


@settings(max_examples=50)
@given(st.text() | st.text(alphabet=st.characters(codec=None, categories=["Cs", "Cc", "Cf", "Zl", "Lo"])))
def test_every_name_becomes_one_short_line(name: str) -> None:
    shown = shown_name(name)
    assert 0 < len(shown) <= MAX_NAME_LENGTH
    assert not set(shown) & set("/\\\0\n\r\u2028\u202e\ud800")
    shown.encode()
    assert shown_name(shown) == shown


def test_the_hash_is_that_of_the_bytes(open_page) -> None:
    """A saved ranking finds its pictures by it."""
    session, content = open_page(), numbered_picture(1)
    session.add(1, 2)
    (ranking,) = session.rank("a cat")
    rows = {
        "query": "a cat",
        "fingerprint": "f",
        "judged_by": {"model": "m", "precision": "p"},
        "results": [
            {"status": "scored", "path": "other.png", "score": 7.0, "log_odds": 1.0,
             "sha256": hashlib.sha256(content).hexdigest()}
        ],
    }  # fmt: skip
    (saved,) = session.post("saved?name=a.json", rows).json()["rankings"]
    assert session.ranking(saved)["scored"][0][0] == next(
        row[0] for row in ranking["scored"] if row[3] == "1.png"
    )


def test_a_session_that_is_forgotten_during_an_upload_takes_nothing(open_page) -> None:
    session, content = open_page(), numbered_picture(1)
    session.add(2)
    path = f"/sessions/{session.id}/pictures?name=a.png"
    with half_open(str(session.client.base_url), path, len(content), content[:50]) as connection:
        until(lambda: list(data_folder().glob("sessions/*/incoming/*.part")))
        assert session.delete().status_code == 204
        connection.sendall(content[50:])
        answer = connection.recv(10_000)
    assert b" 404 " in answer.partition(b"\r\n")[0]
    until(lambda: files(data_folder()) == [])
    assert httpx.get(f"{session.client.base_url}sessions/{session.id}").status_code == 404

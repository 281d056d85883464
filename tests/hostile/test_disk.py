"""What visitors leave on the disk: it has a limit, it is removed when nobody needs it, and nothing else is."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import disk_usage
from urllib.parse import urlsplit

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import UploadsFull
from reranker.ui.upload_quota import UploadQuota, shared_quota, used_bytes
from reranker.ui.upload_sweeper import UploadSweeper
from reranker.ui.uploads import Uploads
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, until

MINUTE_S, HOUR_S = 60, 3600
HASH = "0123456789abcdef" * 4


def written(path: Path, content: str = "1.5") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


# The sweeper of what programs upload


@pytest.fixture
def uploads(upload_folder: Path) -> Uploads:
    return Uploads(upload_folder)


@pytest.fixture
def sweeper(uploads: Uploads) -> UploadSweeper:
    return UploadSweeper(uploads)


@pytest.mark.parametrize(
    ("name", "max_age_s"),
    [
        ("downloads/tab/file/ranking.zip", 10 * MINUTE_S),
        ("downloads/tab/file/0123.part", 10 * MINUTE_S),
        ("tmpab12_xyz", HOUR_S),
        ("deep_links/abc/state.json", HOUR_S),
        (f"{HASH}/a.png", 24 * HOUR_S),
        (f"thumbnails/{HASH}/a.png.jpg", 24 * HOUR_S),
    ],
)
def test_what_nobody_has_is_removed_when_it_is_old(uploads, sweeper, name, max_age_s):
    file = written(uploads.folder / name)
    sweeper.sweep(time.time() + max_age_s - MINUTE_S)
    assert file.exists()
    sweeper.sweep(time.time() + max_age_s + MINUTE_S)
    assert list(uploads.folder.iterdir()) == []


def test_what_others_have_put_there_is_never_removed(uploads, sweeper):
    names = ["notes.txt", ".profile", "photos/a.png", "tmp/x", "tmp12345678/../lock", "ABCDEF/a.png"]
    files = [written(uploads.folder / name) for name in names if ".." not in name]
    empty = uploads.folder / "empty"
    empty.mkdir()
    sweeper.sweep(time.time() + 1000 * HOUR_S)
    assert all(path.exists() for path in (*files, empty))


def test_links_are_removed_and_never_followed(uploads, sweeper, tmp_path):
    secret = written(tmp_path / "elsewhere" / "secret.png")
    (uploads.folder / HASH).mkdir()
    links = [uploads.folder / HASH / "a.png", uploads.folder / HASH / "folder", uploads.folder / "downloads"]
    for link, target in zip(links, (secret, secret.parent, secret.parent), strict=True):
        link.symlink_to(target)
    (uploads.folder / "deep_links").symlink_to(uploads.folder / "deep_links")
    sweeper.sweep(time.time() + 1000 * HOUR_S)
    assert list(uploads.folder.iterdir()) == []
    assert secret.exists()


def test_a_sweep_that_is_due_runs_once(uploads, sweeper):
    old = written(uploads.folder / "tmpab12_xyz")
    os.utime(old, (0, 0))
    sweeper.sweep_if_due()
    assert old.exists(), "it was changed a moment ago, whatever its time says"
    sweeper.sweep(time.time() + 2 * HOUR_S)
    assert not old.exists()


def test_an_upload_that_is_broken_off_is_removed(serve, upload_folder):
    url = urlsplit(serve(Reranker(scorer=ScriptedScorer(), settings=Settings.of(model="toybox"))))
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + b"1" * 100_000
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {10 * len(body)}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head.encode() + body)
        until(lambda: used_bytes(upload_folder) >= 90_000)
    (left,) = upload_folder.iterdir()
    sweeper = UploadSweeper(Uploads(upload_folder))
    sweeper.sweep(time.time())
    assert left.exists(), "an upload may be slow"
    sweeper.sweep(time.time() + 2 * HOUR_S)
    assert list(upload_folder.iterdir()) == []


# The quota


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quota(tmp_path: Path, clock: Clock) -> UploadQuota:
    return UploadQuota(tmp_path / "files", 1000, clock, block_bytes=1)


def test_everything_in_the_folder_counts(quota, clock, tmp_path):
    for name in ("a.png", "thumbnails/a.png.jpg", "downloads/x/ranking.zip", "samples/s.png"):
        written(tmp_path / "files" / name, "x" * 200)
    (tmp_path / "files" / "link").symlink_to(written(tmp_path / "large", "x" * 5000))
    with quota.reserve(150):
        pass
    with pytest.raises(UploadsFull), quota.reserve(201):
        pass
    (tmp_path / "files" / "a.png").unlink()
    clock.now_s += 1
    with quota.reserve(201):
        pass


def test_many_small_files_take_a_block_each(clock, tmp_path):
    for number_ in range(50):
        written(tmp_path / "files" / str(number_) / "a.png", "x")
    quota = UploadQuota(tmp_path / "files", 50 * 2 * 4096 + 10, clock)
    with quota.reserve(10):
        pass
    with pytest.raises(UploadsFull), quota.reserve(11):
        pass


def test_what_arrives_counts_before_it_is_measured(quota):
    with quota.reserve() as reservation:
        for _ in range(10):
            reservation.count(100)
        with pytest.raises(UploadsFull):
            reservation.count(1)
    with pytest.raises(UploadsFull), quota.reserve(1):
        pass


def test_what_was_announced_and_did_not_arrive_is_given_back(quota):
    with quota.reserve(1000) as reservation:
        reservation.count(300)
        with pytest.raises(UploadsFull), quota.reserve(1):
            pass
    with quota.reserve(700) as reservation:
        reservation.count(700)
    with pytest.raises(UploadsFull), quota.reserve(1):
        pass


def test_more_than_was_announced_needs_room_too(quota):
    with quota.reserve(100) as reservation:
        reservation.count(1000)
        with pytest.raises(UploadsFull):
            reservation.count(1)


def test_an_upload_that_is_measured_while_it_arrives_counts_once(quota, clock, tmp_path):
    file = written(tmp_path / "files" / "tmp12345678", "")
    with quota.reserve(900) as reservation:
        for part in range(1, 10):
            reservation.count(100)
            file.write_text("x" * 100 * part)
            clock.now_s += 100
            with quota.reserve(100):
                pass
    with quota.reserve(100):
        pass


def test_what_others_write_is_noticed_after_a_while(quota, clock, tmp_path):
    with quota.reserve(100):
        pass
    written(tmp_path / "files" / "thumbnails" / "a.png.jpg", "x" * 950)
    clock.now_s += 60
    with pytest.raises(UploadsFull), quota.reserve(100):
        pass


def test_uploads_at_once_share_the_room(quota):
    start, reserved = threading.Barrier(8), threading.Barrier(9)

    def upload(_: int) -> bool:
        start.wait(PATIENCE_S)
        try:
            with quota.reserve(300) as reservation:
                reserved.wait(PATIENCE_S)
                for _ in range(300):
                    reservation.count(1)
        except UploadsFull:
            reserved.wait(PATIENCE_S)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        uploads = [pool.submit(upload, number_) for number_ in range(8)]
        reserved.wait(PATIENCE_S)
        assert sum(each.result(PATIENCE_S) for each in uploads) == 3
    with pytest.raises(UploadsFull), quota.reserve(101):
        pass


def test_some_space_of_the_disk_stays_free(tmp_path):
    quota = UploadQuota(tmp_path, 10**18)
    with quota.reserve(1000):
        pass
    with pytest.raises(UploadsFull), quota.reserve(disk_usage(tmp_path).free - 1_000_000):
        pass


def test_all_parts_of_a_program_share_one_quota(tmp_path):
    first, second = (shared_quota(tmp_path, 1000) for _ in range(2))
    with first.reserve(900), pytest.raises(UploadsFull), second.reserve(200):
        pass

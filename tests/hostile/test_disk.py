"""What visitors leave on the disk: it has a limit, it is removed when nobody needs it, and nothing else is."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import disk_usage
from urllib.parse import urlsplit
from zipfile import ZipFile

import gradio as gr
import pytest

from reranker import Reranker, Settings
from reranker.core.errors import UploadsFull
from reranker.ui.galleries import Galleries
from reranker.ui.sessions import BrowserSessions
from reranker.ui.upload_quota import UploadQuota, shared_quota, used_bytes
from reranker.ui.upload_sweeper import UploadSweeper
from reranker.ui.uploads import Uploads
from tests.support.page_handlers import history_after, scripted_page
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number, until
from tests.support.small_disk import full_beyond
from tests.support.visitor import visitor

MINUTE_S, HOUR_S = 60, 3600
HASH = "0123456789abcdef" * 4


def written(path: Path, content: str = "1.5") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


# The sweeper


@pytest.fixture
def uploads(upload_folder: Path, tmp_path: Path) -> Uploads:
    return Uploads(upload_folder, Galleries([written(tmp_path / "gallery" / "g.png").parent]))


@pytest.fixture
def sessions() -> BrowserSessions:
    return BrowserSessions()


@pytest.fixture
def sweeper(uploads: Uploads, sessions: BrowserSessions) -> UploadSweeper:
    return UploadSweeper(uploads, sessions)


@pytest.mark.parametrize(
    ("name", "max_age_s"),
    [
        ("downloads/tab/file/ranking.zip", 10 * MINUTE_S),
        ("downloads/tab/file/0123.part", 10 * MINUTE_S),
        ("tmpab12_xyz", HOUR_S),
        ("deep_links/abc/state.json", HOUR_S),
        (f"{HASH}/a.png", 24 * HOUR_S),
        (f"thumbnails/{HASH}/a.png.jpg", 24 * HOUR_S),
        ("thumbnails/galleries/gallery/g.png.jpg", 24 * HOUR_S),
    ],
)
def test_what_nobody_has_is_removed_when_it_is_old(uploads, sweeper, name, max_age_s):
    file = written(uploads.folder / name)
    sweeper.sweep(time.time() + max_age_s - MINUTE_S)
    assert file.exists()
    sweeper.sweep(time.time() + max_age_s + MINUTE_S)
    assert list(uploads.folder.iterdir()) == []


def test_what_an_open_tab_has_is_kept_with_its_thumbnails(uploads, sweeper, sessions):
    upload = written(uploads.folder / HASH / "a.png")
    other = written(uploads.folder / HASH / "b.png")
    in_gallery = uploads.galleries.pictures("gallery", 1)[0]
    download = written(uploads.folder / "downloads" / "tab" / "file" / "ranking.csv")
    thumbnails = [written(uploads.thumbnail(path)) for path in (upload, in_gallery)]
    sessions.add_files([upload, in_gallery, download, uploads.folder.parent / "elsewhere.png"], visitor(session="one"))
    sweeper.sweep(time.time() + 1000 * HOUR_S)
    assert all(path.exists() for path in (upload, in_gallery, download, *thumbnails))
    assert not other.exists()
    sessions.close(visitor(session="one"))
    sweeper.sweep(time.time() + 1000 * HOUR_S)
    assert list(uploads.folder.iterdir()) == []
    assert in_gallery.exists()


def test_samples_and_what_others_have_put_there_are_never_removed(uploads, sweeper):
    names = ["samples/a.png", "notes.txt", ".profile", "photos/a.png", "tmp/x", "tmp12345678/../lock", "ABCDEF/a.png"]
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


def test_a_visit_and_the_end_of_a_visit_sweep(upload_folder):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    folder = upload_folder / HASH
    folder.mkdir()
    page.upload_handlers.sweep()
    page.upload_handlers.close_session(visitor())
    assert folder.exists(), "it is new"


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
    sweeper = UploadSweeper(Uploads(upload_folder), BrowserSessions())
    sweeper.sweep(time.time())
    assert left.exists(), "an upload may be slow"
    sweeper.sweep(time.time() + 2 * HOUR_S)
    assert list(upload_folder.iterdir()) == []


def test_half_a_sample_is_never_taken_for_a_whole_one(upload_folder):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    with full_beyond(100), pytest.raises(OSError, match="too large"):
        page.upload_handlers.add_samples([], visitor())
    page.upload_handlers.add_samples([], visitor())
    for sample in page.upload_handlers.samples:
        assert (upload_folder / "samples" / sample.name).read_bytes() == sample.read_bytes()


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


# Downloads


@pytest.fixture
def ranked_page(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    return page, history_after(page, "a cat", numbers)


def test_pressing_zip_again_and_again_makes_one_file(ranked_page, upload_folder):
    page, history = ranked_page
    pressed = {page.rank_handlers.download_handler("zip")(history, 4, 0, visitor())["value"] for _ in range(8)}
    downloads = [path for path in (upload_folder / "downloads").rglob("*") if path.is_file()]
    assert list(map(str, downloads)) == list(pressed)


def test_a_full_server_says_so(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder, max_uploads_mb=1)
    history = history_after(page, "a cat", numbers)
    written(upload_folder / HASH / "large.png", "x" * 1_000_000)
    with pytest.raises(gr.Error, match="no room for more pictures"):
        page.rank_handlers.download_handler("zip")(history, 4, 0, visitor())


@pytest.mark.parametrize(
    "value", [True, -1, 0, 1e308, float("nan"), float("inf"), -float("inf"), 10**400, None, "1", [], {}], ids=repr
)
def test_what_is_no_count_and_no_tab_breaks_nothing(ranked_page, value):
    page, history = ranked_page
    handler = page.rank_handlers.download_handler("zip")
    assert handler(history, value, 0, visitor())["value"].endswith("ranking.zip")
    handler(history, 1, value, visitor())


def test_a_picture_that_a_link_has_replaced_is_left_out(ranked_page, numbers, tmp_path):
    page, history = ranked_page
    Path(numbers[1]).unlink()
    Path(numbers[1]).symlink_to(written(tmp_path / "secret.png", "secret"))
    file = page.rank_handlers.download_handler("zip")(history, 4, 0, visitor())["value"]
    with ZipFile(file) as archive:
        contents = {archive.read(name) for name in archive.namelist()}
    assert contents == {b"1.5", b"0.5", b"-1.5"}


def test_a_link_in_place_of_the_downloads_is_not_followed(ranked_page, upload_folder, tmp_path):
    page, history = ranked_page
    (tmp_path / "elsewhere").mkdir()
    (upload_folder / "downloads").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    file = page.rank_handlers.download_handler("csv")(history, 4, 0, visitor())["value"]
    assert Path(file).resolve().is_relative_to(upload_folder)
    assert list((tmp_path / "elsewhere").iterdir()) == []

"""The page without a browser: its words, what it opens, what it shows of a run, and what programs are answered."""

import asyncio
import json
import runpy
import string
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from reranker import Candidate, Failed, Judgement, Query, Ranking, Reranker, Scored, Settings
from reranker.errors import CheckpointMissing, PictureForbidden, PictureMissing, PictureSkipped, PictureUnreadable
from reranker.images import Limits
from reranker.sentences import Language
from reranker.web import wording
from reranker.web.desk import Desk
from reranker.web.page import FILE_TYPES, SAMPLES, launch_settings
from reranker.web.reception import is_from_here
from reranker.web.results import (
    CARDS_WHILE_RUNNING,
    MAX_THUMBNAIL_PX,
    Deck,
    Thumbnails,
    cards,
    details,
    end_status,
    progress_text,
    reasons,
    watch,
)
from reranker.web.uploads import MAX_BODY_BYTES, Admission, Gate, Uploads
from reranker.web.wording import language_of, phrase
from tests.scripted import PATIENCE_S, ScriptedScorer, number, until

LANGUAGES = get_args(Language)
ELSEWHERE = [
    "/etc/passwd",
    "../../etc/passwd",
    "http://127.0.0.1:1/picture.png",
    "https://example.org/picture.png",
    "file:///etc/passwd",
    "data:image/png;base64,iVBORw0KGgo=",
    "picture.png",
    "",
    "\0",
    "x" * 5000,
]


def scored(position: int, log_odds: float, name: str = "a.png", visual_tokens: int = 49) -> Scored:
    judgement = Judgement(order_key=log_odds, log_odds=log_odds, visual_tokens=visual_tokens, batch_ms=1)
    return Scored(position=position, candidate=Candidate(name=name, source=Path(name)), judgement=judgement)


def failed(position: int, error: Exception) -> Failed:
    return Failed(position=position, candidate=Candidate(name=error.name, source=Path(error.name)), error=error)


def visitor(language: str = "en", session: str = "a tab") -> SimpleNamespace:
    """As much of a `gr.Request` as is looked at."""
    headers = {"accept-language": language, "host": "127.0.0.1:7860"}
    return SimpleNamespace(headers=headers, session_hash=session, client=SimpleNamespace(host="127.0.0.1"))


@pytest.mark.parametrize(
    ("host", "client", "headers", "is_here"),
    [
        ("127.0.0.1:7860", "127.0.0.1", {}, True),
        ("localhost:7860", "::1", {}, True),
        ("[::1]:7860", "::1", {}, True),
        ("abc.gradio.live", "127.0.0.1", {}, False),
        ("127.0.0.1:7860", "192.168.1.7", {}, False),
        ("localhost", "127.0.0.1", {"x-forwarded-for": "192.168.1.7"}, False),
        ("localhost", "127.0.0.1", {"forwarded": "for=192.168.1.7"}, False),
        ("", "127.0.0.1", {}, False),
    ],
)
def test_guests_are_told_from_who_sits_at_the_machine(host, client, headers, is_here):
    request = SimpleNamespace(headers={"host": host, **headers}, client=SimpleNamespace(host=client))
    assert is_from_here(request) is is_here


# Words


@pytest.mark.parametrize("table", [wording.LABELS, wording.PHRASES], ids=["labels", "phrases"])
def test_every_word_is_there_in_both_languages(table):
    for texts in table.values():
        assert set(texts) == set(LANGUAGES)
        fields = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in texts.values()]
        assert fields[0] == fields[1]


def test_one_is_not_many():
    assert phrase("names", "en", count=1) == "1 picture"
    assert phrase("names", "en", count=2) == "2 pictures"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hant-HK", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("de-DE,de;q=0.9,zh;q=0.5,en;q=0.4", "zh"),
        ("de", "en"),
        ("en;q=0.1, zh", "zh"),
        ("zh;q=0, en;q=0.2", "en"),
        ("zh;q=much", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_asks_for(header, language):
    assert language_of(header) == language


# What is opened


@pytest.fixture
def uploads(upload_folder) -> Uploads:
    (upload_folder / "f00d").mkdir()
    (upload_folder / "f00d" / "a.png").write_bytes(b"1")
    return Uploads(upload_folder)


def test_an_uploaded_file_comes_in_however_it_is_sent(uploads):
    path = uploads.folder / "f00d" / "a.png"
    for item in (str(path), {"path": str(path)}, {"image": {"path": str(path)}}, {"video": {"path": str(path)}}):
        assert uploads.admit(item) == path


@pytest.mark.parametrize("text", ELSEWHERE, ids=lambda text: text[:30] or "empty")
def test_nothing_from_elsewhere_comes_in(uploads, text):
    with pytest.raises(PictureForbidden):
        uploads.admit(text)
    assert not uploads.admits({"path": text})


@pytest.mark.parametrize("item", [None, 7, [], {}, {"image": None}, {"path": 3}, {"url": "http://127.0.0.1/"}], ids=str)
def test_what_is_no_file_does_not_come_in(uploads, item):
    assert not uploads.admits(item)


def test_ways_out_of_the_folder_are_closed(uploads, tmp_path):
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"1")
    (uploads.folder / "link.png").symlink_to(outside)
    (uploads.folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    (uploads.folder / "loop").symlink_to(uploads.folder / "loop")
    (uploads.folder / "thumbnails").mkdir()
    ways = ("link.png", "linked/outside.png", "../outside.png", "f00d/../../outside.png", "loop", "loop/a.png")
    dead_ends = ("", ".", "f00d", "thumbnails", "thumbnails/f00d", "a" * 5000, "a\0.png", "\ud800.png")
    for path in (*ways, *dead_ends):
        with pytest.raises(PictureForbidden):
            uploads.admit(f"{uploads.folder}/{path}")
    with pytest.raises(PictureForbidden):
        uploads.admit(str(uploads.thumbnails / ".." / ".." / "outside.png.jpg"))
    assert uploads.admit(str(uploads.folder / "f00d" / ".." / "f00d" / "a.png")).name == "a.png"


def test_what_was_deleted_is_missing_and_not_forbidden(uploads):
    with pytest.raises(PictureMissing):
        uploads.admit(str(uploads.folder / "f00d" / "b.png"))


def test_a_long_address_is_not_repeated_whole(uploads):
    (refused,) = uploads.admission([f"data:image/png;base64,{'A' * 10_000}"]).refused
    assert len(refused.candidate.name) < 100


def test_who_may_not_come_in_costs_only_itself(uploads):
    good = str(uploads.folder / "f00d" / "a.png")
    admission = uploads.admission(["/etc/passwd", good, {"path": "http://127.0.0.1/"}, good])
    assert admission.positions == (1, 3)
    assert [candidate.name for candidate in admission.candidates] == ["a.png", "a.png"]
    assert [refusal.position for refusal in admission.refused] == [0, 2]
    assert admission.total == 4


# The gate before Gradio


def passed(uploads: Uploads, body: bytes, path: str = "/gradio_api/queue/join", parts: int = 1) -> bytes | int:
    """What of a request reaches Gradio, or the status that it is refused with."""
    size = len(body) // parts + 1
    pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    incoming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    incoming[-1]["more_body"] = False
    arrived, statuses = [], []

    async def receive():
        return incoming.pop(0)

    async def send(message):
        statuses.append(message.get("status"))

    async def gradio(_scope, receive, _send):
        arrived.append((await receive())["body"])

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    asyncio.run(Gate(gradio, uploads)(scope, receive, send))
    return arrived[0] if arrived else statuses[0]


def marked(path: object) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def test_the_gate_lets_uploaded_files_pass(uploads):
    content = {"data": ["红裙子", [{"image": marked(str(uploads.folder / "f00d" / "a.png")), "caption": None}], None]}
    assert json.loads(passed(uploads, json.dumps(content).encode(), parts=5)) == content


@pytest.mark.parametrize("text", ELSEWHERE, ids=lambda text: text[:30] or "empty")
def test_the_gate_takes_the_mark_off_files_from_elsewhere(uploads, text):
    body = json.dumps({"data": [marked(text), [{"image": marked(text)}]]}).encode()
    assert b"meta" not in passed(uploads, body)


def test_the_gate_is_not_deceived_by_a_key_that_is_there_twice(uploads):
    good = json.dumps(str(uploads.folder / "f00d" / "a.png"))
    body = f'{{"path": "/etc/passwd", "path": {good}, "meta": {{"_type": "gradio.FileData"}}}}'
    assert b"passwd" not in passed(uploads, body.encode())


@pytest.mark.parametrize("body", [b"", b"not json", b"[" * 100_000])
def test_the_gate_leaves_alone_what_is_not_json(uploads, body):
    assert passed(uploads, body) == body


def test_the_gate_does_not_read_without_end(uploads):
    assert passed(uploads, b" " * (MAX_BODY_BYTES + 1), parts=4) == 413


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/a.png",
        "/gradio_api/file= https://example.org/a.png",
        "/gradio_api/file=data:,a",
        "/gradio_api/file/http://example.org/a.png",
        "/rank/gradio_api/proxy=https://example.org/a.png",
    ],
)
def test_the_gate_fetches_nothing_for_anybody(uploads, path):
    assert passed(uploads, b"{}", path=path) == 403


@pytest.mark.parametrize("path", ["/gradio_api/file=/tmp/file/a.png", "/gradio_api/file=C:/a.png", "/assets/file/a.js"])
def test_the_gate_is_open_for_what_is_here(uploads, path):
    assert passed(uploads, b"{}", path=path) == b"{}"


# Thumbnails


@pytest.fixture
def thumbnails(uploads) -> Thumbnails:
    return Thumbnails(uploads, Limits(), threads=2)


@pytest.mark.parametrize(("size", "shown"), [((2000, 1000), (512, 256)), ((30, 40), (30, 40))])
def test_thumbnails_are_small_and_never_enlarged(uploads, thumbnails, size, shown):
    path = uploads.folder / "f00d" / "large.tiff"
    Image.new("RGBA", size, (0, 0, 0, 0)).save(path)
    thumbnail = thumbnails.of(path)
    with Image.open(thumbnail) as picture:
        assert (picture.size, picture.format, picture.getpixel((0, 0))) == (shown, "JPEG", (255, 255, 255))
    assert max(shown) <= MAX_THUMBNAIL_PX
    assert uploads.admit(str(thumbnail)) == path


def test_a_thumbnail_is_made_once(uploads, thumbnails):
    path = uploads.folder / "f00d" / "a.png"
    Image.new("RGB", (9, 9)).save(path)
    first, second = thumbnails.of_all([path, path])
    made = first.stat().st_mtime_ns
    assert first == second == thumbnails.of(path)
    assert first.stat().st_mtime_ns == made
    assert [file.name for file in first.parent.iterdir()] == ["a.png.jpg"]


def test_what_cannot_be_read_has_a_thumbnail_too(uploads, thumbnails):
    with Image.open(thumbnails.of(uploads.folder / "f00d" / "a.png")) as picture:
        assert picture.format == "JPEG"


# What is shown


def test_captions_tell_the_first_and_tell_neighbours_apart():
    shown = cards([scored(0, 3.0, "b.png"), scored(1, 0.001, "c.png"), scored(2, 0.0, "d.png")], 1.0)
    assert [card.caption for card in shown] == ["★ #1 · 9.5 · b.png", "#2 · 5.002 · c.png", "#3 · 5.000 · d.png"]


def test_the_score_is_calibrated():
    (card,) = cards([scored(0, 2.0)], temperature=2.0)
    assert card.score == "7.3"


def test_a_chosen_card_tells_its_numbers():
    (card,) = cards([scored(0, -1.25, "猫.png", visual_tokens=64)], 1.0)
    assert details(card, "zh") == {
        "title": "#1 · 猫.png",
        "rows": [["得分（0–10）", "2.2"], ["对数几率", "-1.2500"], ["视觉 token 数", "64"]],
    }


@pytest.mark.parametrize(
    ("done", "elapsed_s", "language", "text"),
    [
        (12, 12 / 6.2, "en", "12/50 · dog_park_03.jpg · 6.2 pictures/s · 6 s left"),
        (12, 12 / 6.2, "zh", "12/50 · dog_park_03.jpg · 6.2 张/秒 · 剩余 6 秒"),
        (1, 5.0, "en", "1/50 · dog_park_03.jpg"),
        (2, 0.0, "en", "2/50 · dog_park_03.jpg"),
        (2, 20.0, "en", "2/50 · dog_park_03.jpg · 0.1 pictures/s · 8 min left"),
        (49, 0.1, "en", "49/50 · dog_park_03.jpg · 490 pictures/s · 1 s left"),
        (50, 10.0, "en", "50/50 · dog_park_03.jpg · 5.0 pictures/s"),
    ],
)
def test_the_status_line(done, elapsed_s, language, text):
    assert progress_text(done, 50, "dog_park_03.jpg", elapsed_s, language) == text


def test_how_a_run_ended():
    broken, skipped = (
        failed(1, PictureUnreadable(name="b.png", reason="truncated")),
        failed(2, PictureSkipped(name="c.png")),
    )
    assert end_status(24, [], 3.04, "en").text == "24 pictures ranked · 3.0 s"
    assert end_status(1, [broken], 3.04, "zh").text == "已排序 1 张图片 · 1 张未评判 · 用时 3.0 秒"
    assert end_status(1, [broken, skipped], 3.04, "en").text == "Stopped · 1 of 3 pictures ranked"
    assert end_status(0, [broken], 3.04, "en").tone == "trouble"


def test_failures_have_reasons_and_what_was_stopped_only_names():
    shown = reasons(
        [failed(0, PictureUnreadable(name="b.png", reason="empty")), failed(1, PictureSkipped(name="c.png"))], "en"
    )
    assert shown["title"] == "Not judged (1)"
    assert shown["sentences"] == ["“b.png” is an empty file; export or download it again."]
    assert shown["skipped"] == ["c.png"]


# A run, watched


class Told:
    """A stream that gives what it is told to give, and remembers that it was closed."""

    def __init__(self, *items: object) -> None:
        self.items, self.closed, self.place, self.glimpsed = items, threading.Event(), None, None

    def __iter__(self) -> Iterator[object]:
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            if callable(item):
                item()
            else:
                yield item

    def close(self) -> None:
        self.closed.set()


def told(total: int) -> tuple[Told, Admission]:
    events = [scored(position, float(position), f"{position}.png") for position in range(total)]
    ranking = Ranking(query=Query(text="?"), fingerprint="", temperature=1, scored=(), failed=())
    pictures = tuple(event.candidate.source for event in events)
    return Told(*events, ranking), Admission(pictures=pictures, positions=tuple(range(total)), refused=())


def test_the_status_moves_with_every_picture_and_the_cards_now_and_then():
    stream, admission = told(12)
    ticks = count()
    views = list(watch(stream, admission, temperature=1, language="en", clock=lambda: next(ticks) * 0.1))
    assert [view.status.text.split(" · ")[0] for view in views[:-1]] == [f"{done}/12" for done in range(13)]
    assert [view.status.percent for view in views[:-1]] == [100 * done // 12 for done in range(13)]
    decks = [view.deck for view in views[1:-1] if view.deck is not None]
    assert 2 <= len(decks) < 10
    assert all(len(deck.cards) <= CARDS_WHILE_RUNNING for deck in decks)
    assert [card.name for card in views[-1].deck.cards] == [f"{position}.png" for position in reversed(range(12))]
    assert [deck.ended for deck in decks] == [False] * len(decks)
    assert views[-1].deck.ended
    assert stream.closed.is_set()


def test_who_reads_too_slowly_misses_pictures_and_not_the_end():
    stream, admission = told(100)
    judged = threading.Event()
    stream.items = (*stream.items, judged.set)
    views = watch(stream, admission, temperature=1, language="en", clock=lambda: 0.0)
    next(views)
    assert judged.wait(PATIENCE_S)
    left = list(views)
    assert len(left) < 30
    assert len(left[-1].deck.cards) == 100


def test_cards_stand_still_while_no_time_passes():
    stream, admission = told(20)
    views = list(watch(stream, admission, temperature=1, language="en", clock=lambda: 0.0))
    assert sum(view.deck is not None for view in views) == 3  # none, the first, all


def test_a_view_that_nobody_waits_for_any_more_ends_the_run():
    stream, admission = told(20)
    views = watch(stream, admission, temperature=1, language="en")
    next(views)
    views.close()
    assert stream.closed.is_set()


def test_who_waits_is_told_how_many_go_first():
    waiting = threading.Event()
    stream, admission = told(1)
    stream.items = (lambda: waiting.wait(PATIENCE_S), *stream.items)
    stream.place = 2
    views = watch(stream, admission, temperature=1, language="en")
    assert next(views).status.text == "0/1 · reading the pictures"
    assert next(views).status.text == "0/1 · waiting: 2 batches of others go first"
    stream.place = 1
    assert next(views).status.text == "0/1 · waiting: 1 batch of others goes first"
    waiting.set()
    assert list(views)[-1].status.tone == "done"


def test_what_is_provisional_is_told_and_is_no_result():
    glimpsing, looking = threading.Event(), threading.Event()
    stream, admission = told(2)
    first, *others = stream.items
    stream.items = (lambda: glimpsing.wait(PATIENCE_S), first, lambda: looking.wait(PATIENCE_S), *others)
    stream.glimpsed = 7
    views = watch(stream, admission, temperature=1, language="en")
    next(views)
    view = next(views)
    assert view.status.text == "0/2 · 7 looked at roughly; the best are looked at closely next"
    assert view.deck is None
    glimpsing.set()
    judged = next(view for view in views if not view.status.text.startswith("0/2"))
    assert next(views).status == judged.status, "once there are results, they are what is told"
    looking.set()
    assert list(views)[-1].status.tone == "done"


def test_what_breaks_a_run_is_raised_where_it_is_watched():
    with pytest.raises(ZeroDivisionError):
        list(watch(Told(ZeroDivisionError()), told(1)[1], temperature=1, language="en"))


def test_the_refused_are_counted_and_listed_in_their_places():
    stream, _ = told(2)
    refused = failed(1, PictureForbidden(name="passwd"))
    admission = Admission(pictures=(Path("0.png"), Path("1.png")), positions=(0, 2), refused=(refused,))
    *_, last = watch(stream, admission, temperature=1, language="en")
    assert last.deck.failed == (refused,)
    assert last.status.text.startswith("2 pictures ranked · 1 not judged")


# The desk


@pytest.fixture
def numbers(upload_folder) -> list[str]:
    """Uploaded files that hold their own log-odds."""
    paths = [upload_folder / f"{value}.png" for value in (-1.5, 2.5, 0.5, 1.5)]
    for path in paths:
        path.write_text(path.stem)
    return [str(path) for path in paths]


def desk_of(scorer: ScriptedScorer, folder: Path, **settings: int) -> Desk:
    return Desk(Reranker(scorer=scorer, settings=Settings(**settings)), Uploads(folder), SAMPLES)


def test_a_run_shows_the_ranking_and_hands_the_buttons_back(upload_folder, numbers):
    desk = desk_of(ScriptedScorer(judge=number), upload_folder)
    first, *_, last = desk.rank(" 猫 ", [{"image": {"path": path}} for path in numbers], visitor("zh-CN"))
    status, deck, *buttons = last
    assert status["text"].startswith("已排序 4 张图片")
    assert [card.name for card in deck.cards] == ["2.5.png", "1.5.png", "0.5.png", "-1.5.png"]
    assert [button["interactive"] for button in first[-2:]] == [False, True]
    assert [button["interactive"] for button in buttons] == [True, False]


def test_a_deck_is_drawn_with_thumbnails_and_reasons(upload_folder, numbers):
    desk = desk_of(ScriptedScorer(judge=number), upload_folder)
    shown = cards([scored(0, 2.5, numbers[1]), scored(1, 0.5, numbers[2])], 1.0)
    broken = failed(2, PictureUnreadable(name="b.png", reason="empty"))
    ranking, why, chosen = desk.draw(Deck(cards=shown, failed=(broken,), ranking=ENDED), visitor())
    assert [caption for _, caption in ranking] == [card.caption for card in shown]
    assert all(Path(path).is_relative_to(upload_folder / "thumbnails") for path, _ in ranking)
    assert len(why["sentences"]) == 1
    assert chosen is None
    assert desk.draw(Deck(cards=shown), visitor())[-1] is not None


@pytest.mark.parametrize(
    ("query", "kept", "text"),
    [
        ("  ", 4, "There is no sentence to judge by"),
        (None, 4, "There is no sentence to judge by"),
        ("x" * 51, 4, "The sentence has 51 characters; the limit is 50"),
        ("cat", 1, "Too few pictures: 1 given, at least 2 needed"),
        ("cat", 0, "Too few pictures: 0 given, at least 2 needed"),
        ("cat", 4, "Too many pictures: 4 given, at most 3 taken"),
    ],
)
def test_a_mistake_in_the_asking_is_one_sentence(upload_folder, numbers, query, kept, text):
    desk = desk_of(ScriptedScorer(), upload_folder, max_query_length=50, max_pictures=3)
    (outputs,) = desk.rank(query, numbers[:kept], visitor())
    assert outputs[0]["text"].startswith(text)
    assert outputs[0]["tone"] == "trouble"
    assert [button["interactive"] for button in outputs[-2:]] == [True, False]


def test_trouble_that_nobody_foresaw_is_a_sentence_too(upload_folder, numbers, caplog):
    scorer = ScriptedScorer()
    scorer.batch_tokens = "eight"
    *_, last = desk_of(scorer, upload_folder).rank("cat", numbers, visitor())
    assert last[0]["text"].startswith("Something went wrong in the program")
    assert "TypeError" in caplog.text


def test_stop_keeps_what_was_judged_and_names_the_rest(upload_folder, numbers):
    judging, go_on = threading.Event(), threading.Event()

    def judge(query: Query, content: bytes) -> float:
        judging.set()
        assert go_on.wait(PATIENCE_S)
        return number(query, content)

    desk = desk_of(ScriptedScorer(judge=judge, batch_tokens=1), upload_folder)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: list(desk.rank("cat", numbers, visitor())))
        assert judging.wait(PATIENCE_S)
        assert "text" not in desk.stop(visitor(session="another tab"))
        assert desk.stop(visitor())["text"] == "Stopping after this batch …"
        go_on.set()
        *_, last = run.result(PATIENCE_S)
    status, deck, *_ = last
    assert status["text"] == "Stopped · 1 of 4 pictures ranked"
    (judged,), skipped = deck.cards, desk.draw(deck, visitor())[1]["skipped"]
    assert sorted([judged.name, *skipped]) == ["-1.5.png", "0.5.png", "1.5.png", "2.5.png"]


def test_a_closed_tab_ends_its_run(upload_folder, numbers):
    scorer = ScriptedScorer(judge=number, batch_tokens=1)
    desk = desk_of(scorer, upload_folder)
    run = desk.rank("cat", numbers, visitor())
    while next(run)[0]["percent"] in (None, 0):
        pass
    run.close()
    before = threading.active_count()
    until(lambda: threading.active_count() <= before)
    assert "text" not in desk.stop(visitor())


def test_a_model_that_is_not_there_is_a_sentence_without_its_folder(upload_folder, numbers):
    desk = Desk(Reranker("/nowhere/secret/lychee-rerank-mm"), Uploads(upload_folder), SAMPLES)
    for told in (desk.reception.greet(visitor()), desk.rank("cat", numbers, visitor())):
        *_, (last, *_) = told
        assert "lychee-rerank-mm" in last["text"]
        assert "secret" not in last["text"]
        assert last["tone"] == "trouble"


def test_the_memory_of_a_card_is_in_the_status_and_how_the_model_was_loaded_in_the_greeting(upload_folder, numbers):
    scorer = ScriptedScorer(judge=number)
    scorer.card_memory, scorer.remarks = (3 * 2**29, 24 * 2**30), ("fp16",)
    desk = desk_of(scorer, upload_folder)
    assert any("1.5/24.0 GiB" in status["text"] for status, *_ in desk.rank("cat", numbers, visitor()))
    *_, (greeting, *_) = desk.reception.greet(visitor("zh-CN"))
    assert "FP16" in greeting["text"]


ENDED = Ranking(query=Query(text="?"), fingerprint="", temperature=1, scored=(), failed=())


class Loading(Reranker):
    """One that is half loaded until it may go on, or fails then."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("toybox", scorer=ScriptedScorer(judge=number))
        self.go_on, self.error, self.loaded = threading.Event(), error, []

    @property
    def is_loaded(self) -> bool:
        return bool(self.loaded) and self.error is None

    @property
    def loaded_share(self) -> float:
        return 0.5

    def load(self):
        self.go_on.wait(PATIENCE_S)
        self.loaded.append(threading.get_ident())
        if self.error is not None:
            raise self.error
        return super().load()


@pytest.mark.parametrize("door", ["greet", "rank"])
def test_while_the_model_loads_everybody_is_told_how_far(upload_folder, numbers, door):
    reranker = Loading()
    desk = Desk(reranker, Uploads(upload_folder), SAMPLES)
    told = desk.reception.greet(visitor()) if door == "greet" else desk.rank("cat", numbers, visitor())
    first, half = next(told)[0], next(told)[0]
    assert (first["percent"], half["percent"]) == (0, 50)
    assert half["text"] == "Loading the model …"
    reranker.go_on.set()
    *_, (last, *_) = told
    assert last["text"].startswith("The model “toybox” is ready" if door == "greet" else "4 pictures ranked")


@pytest.mark.parametrize("error", [TimeoutError(), CheckpointMissing(name="x", missing="config.json")])
def test_a_model_that_fails_to_load_is_said_and_tried_again(upload_folder, error):
    reranker = Loading(error)
    reranker.go_on.set()
    desk = Desk(reranker, Uploads(upload_folder), SAMPLES)
    for _ in range(2):
        *_, (last, *_) = desk.reception.greet(visitor())
        assert last["tone"] == "trouble"
    reranker.error = None
    *_, (last, *_) = desk.reception.greet(visitor())
    assert last["text"].startswith("The model “toybox” is ready")


@pytest.mark.parametrize(("line", "says"), [(9.5, True), (9.0, False), (None, False)])
def test_where_nothing_fits_the_status_says_so(upload_folder, numbers, line, says):
    scorer = ScriptedScorer(judge=number)
    scorer.fits = line
    *_, (last, *_) = desk_of(scorer, upload_folder).rank("cat", numbers, visitor())  # the best has 9.2
    assert ("Nothing here fits: no picture has 9.5 of 10" in last["text"]) is says
    assert "4 pictures ranked" in last["text"]


def test_a_program_may_give_a_text_with_each_picture(upload_folder, numbers):
    class Reading(ScriptedScorer):
        def prepare(self, candidate):
            texts.append((candidate.name, candidate.text))
            return super().prepare(candidate)

    texts = []
    desk = desk_of(Reading(judge=number), upload_folder)
    desk.answer("cat", numbers, None, ["a", "", "c", "d"], visitor())
    assert dict(texts) == {"-1.5.png": "a", "2.5.png": "", "0.5.png": "c", "1.5.png": "d"}


@pytest.mark.parametrize("texts", [["a"], "abcd", [1, 2, 3, 4]])
def test_texts_that_are_not_one_for_each_picture_are_refused(upload_folder, numbers, texts):
    with pytest.raises(gr.Error, match="texts"):
        desk_of(ScriptedScorer(judge=number), upload_folder).answer("cat", numbers, None, texts, visitor())


def test_more_pictures_than_allowed_are_cut_with_a_sentence(upload_folder, numbers):
    desk = desk_of(ScriptedScorer(), upload_folder, max_pictures=3)
    shown, names, status = desk.take(numbers, visitor())
    assert [name for _, name in shown] == ["-1.5.png", "2.5.png", "0.5.png"]
    assert names["title"] == "3 pictures"
    assert status["text"] == "At most 3 pictures are taken at once: the first 3 of 4 were kept."


def test_samples_come_after_what_is_there_and_only_once(upload_folder, numbers):
    desk = desk_of(ScriptedScorer(), upload_folder)
    shown, names = desk.add_samples(numbers, visitor())
    assert len(shown) == len(numbers) + len(desk.samples)
    again, _ = desk.add_samples([path for path, _ in shown], visitor())
    assert again == shown
    left, names = desk.remove([path for path, _ in shown], SimpleNamespace(index=1), visitor())
    assert [name for _, name in left] == [row["name"] for row in names["items"]]
    assert "2.5.png" not in [name for _, name in left]
    assert len(left) == len(shown) - 1


def test_choosing_looks_up_what_was_shown(upload_folder):
    shown = Deck(cards=cards([scored(0, 1.0, "b.png"), scored(1, 0.0, "c.png")], 1.0))
    desk = desk_of(ScriptedScorer(), upload_folder)
    assert desk.choose(shown, SimpleNamespace(index=1), visitor())["title"] == "#2 · c.png"
    for index in (2, -1, None, [0, 1]):
        assert desk.choose(shown, SimpleNamespace(index=index), visitor()) is None


# Starting


def test_launching_is_quiet_and_closed(upload_folder):
    settings = launch_settings(Settings(host="0.0.0.0", port=8000, root_path="/rank"))
    assert {key: settings[key] for key in ("server_name", "server_port", "root_path", "share")} == {
        "server_name": "0.0.0.0",
        "server_port": 8000,
        "root_path": "/rank",
        "share": False,
    }
    assert not any(settings[key] for key in ("show_error", "run_history", "enable_monitoring", "mcp_server", "pwa"))
    assert launch_settings(Settings())["server_name"] is None


def test_the_program_is_what_spaces_expect(monkeypatch):
    monkeypatch.setenv("RERANKER_MAX_PICTURES", "7")
    app = runpy.run_path("app.py")
    assert app["settings"].max_pictures == 7
    assert type(app["demo"]).__name__ == "Blocks"


def test_a_wrong_setting_is_one_sentence_and_exit_code_2(monkeypatch, capsys):
    monkeypatch.setenv("RERANKER_PORT", "many")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path("app.py")
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "The setting “port” is “many” but should be a whole number; correct it and start again.\n"
    )


# Programs


@pytest.fixture(scope="module")
def client(toybox_url) -> Iterator[Client]:
    with closing(Client(toybox_url, verbose=False)) as client:
        yield client


def test_a_program_is_answered_as_the_command_line_answers(client, toybox, drawings):
    asked = client.predict("a red house", [handle_file(path) for path in drawings], 3, api_name="/rank")
    ranking = toybox.rank("a red house", drawings)
    assert asked["query"] == "a red house"
    assert asked["model"] == "toybox"
    assert asked["results"][0]["name"] == "red_house.png"
    assert asked["fingerprint"] == ranking.fingerprint
    assert [row["name"] for row in asked["results"]] == [one.candidate.name for one in ranking.scored[:3]]
    for rank, (row, one) in enumerate(zip(asked["results"], ranking.scored, strict=False), 1):
        assert (row["rank"], row["status"], row["error"]) == (rank, "scored", None)
        assert row["log_odds"] == pytest.approx(one.judgement.log_odds, abs=1e-4)
        assert 0 <= row["score"] <= 10


def test_broken_and_forbidden_files_cost_only_themselves(client, drawings, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(drawings[0].read_bytes()[:200])
    given = [handle_file(drawings[0]), handle_file(broken), *ELSEWHERE, {"path": 5}, 7]
    results = client.predict("红色的房子", given, api_name="/rank")["results"]
    assert [row["status"] for row in results] == ["scored"] + ["failed"] * (len(given) - 1)
    assert results[1]["error"].startswith("“broken.png” ends before its picture does")
    assert all("lies outside the folders that may be opened here" in row["error"] for row in results[2:])
    assert "/etc" not in json.dumps(results)


def answered(url: str, query: str, paths: list[Path]) -> list[dict]:
    """By a client of its own."""
    with closing(Client(url, verbose=False)) as client:
        return client.predict(query, [handle_file(path) for path in paths], api_name="/rank")["results"]


def test_two_at_once_both_get_all_of_their_pictures(toybox_url, drawings):
    with ThreadPoolExecutor(2) as pool:
        for results in pool.map(partial(answered, toybox_url, paths=drawings), ["a red house", "一只黑猫"]):
            assert sorted(row["name"] for row in results) == sorted(path.name for path in drawings)
            assert [row["rank"] for row in results] == [1, 2, 3, 4]


def test_two_at_once_advance_batch_by_batch(serve, tmp_path):
    order: list[str] = []

    def judge(query: Query, _content: bytes) -> float:
        order.append(query.text)
        if order.count({"a": "b", "b": "a"}[query.text]) < 5:
            until(lambda: len(reranker.turns._line) > 0)
        return 0.0

    reranker = Reranker(scorer=ScriptedScorer(judge=judge, batch_tokens=1))
    url = serve(reranker)

    def rank(query: str) -> int:
        paths = [tmp_path / f"{query}{index}.png" for index in range(5)]
        for path in paths:
            path.write_text(path.name)
        return len(answered(url, query, paths))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(rank, "ab")) == [5, 5]
    assert order in (["a", "b"] * 5, ["b", "a"] * 5)


@pytest.mark.parametrize(
    ("query", "pictures", "top_k", "text"),
    [
        ("", ["x"], None, "There is no sentence to judge by; write what the pictures should show."),
        ("cat", [], None, "Too few pictures: 0 given, at least 1 needed; add more."),
        ("cat", ["x"] * 501, None, "Too many pictures: 501 given, at most 500 taken"),
        ("cat", ["x"], 0, "“query” must be text"),
        ("cat", ["x"], "3", "“query” must be text"),
        ("cat", ["x"], True, "“query” must be text"),
        ("cat", {"path": "x"}, None, "“query” must be text"),
        (None, ["x"], None, "“query” must be text"),
    ],
    ids=count(),
)
def test_a_mistake_of_a_program_is_one_sentence(client, query, pictures, top_k, text):
    with pytest.raises(AppError) as refused:
        client.predict(query, pictures, top_k, api_name="/rank")
    assert str(refused.value).startswith(text)


def test_only_the_ranking_is_open_to_programs(client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/rank"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "http://127.0.0.1:1/a.png", "file:///etc/passwd", "../app.py", "app.py"]
)
def test_the_server_hands_out_no_files_from_elsewhere(toybox_url, path):
    assert httpx.get(f"{toybox_url}gradio_api/file={path}").status_code == 403


def test_the_doors_of_the_page_are_as_closed_as_those_for_programs(toybox_url):
    """What the browser sends when a button is pressed, sent by somebody else."""
    config = httpx.get(f"{toybox_url}config").json()
    gallery = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "pictures")
    doors = [one for one in config["dependencies"] if gallery in one["inputs"]]
    assert len(doors) == 5
    for door in doors:
        text = ""
        for item in (marked("/etc/passwd"), {"path": "/etc/passwd"}, marked("http://127.0.0.1:1/a.png")):
            pictures = [{"image": item, "caption": None}] * 2
            body = {
                "data": [pictures if each == gallery else "cat" for each in door["inputs"]],
                "fn_index": door["id"],
                "event_data": {"index": 0},
                "session_hash": "mallory",
            }
            assert httpx.post(f"{toybox_url}gradio_api/queue/join", json=body).status_code == 200
            text += httpx.get(f"{toybox_url}gradio_api/queue/data?session_hash=mallory", timeout=PATIENCE_S).text
        assert text.count('"msg":"process_completed"') == text.count('"success":true,"title":null') == 3
        assert "/etc" not in text
        assert "file=http" not in text


def test_the_picker_offers_what_can_be_read():
    assert {".jpg", ".png", ".webp", ".heic", ".avif", ".tiff"} <= set(FILE_TYPES)
    assert ".svg" not in FILE_TYPES

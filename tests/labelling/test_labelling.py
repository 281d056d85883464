"""`label`: the file that it fills, what its page is answered, and the page in a real browser."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from reranker import Reranker
from reranker.cli.label import label
from reranker.core.errors import DatasetInvalid
from reranker.evaluation.datasets.loading import open_dataset
from reranker.images.limits import Limits
from reranker.labelling.handlers import Labelling
from reranker.labelling.label_file import LabelFile, LabelledQuery
from reranker.labelling.server import application
from reranker.server.security import loopback_names_only
from reranker.storage.thumbnail_store import HashedThumbnailPaths, ThumbnailStore
from tests.support.browser import Paced
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number, until
from tests.support.shell import Shell

HOSTILE = "<img src=x onerror=\"document.title='owned'\">${document.title='owned'}{{value}} {count} \\users ` #?&"
NAMES = ("a.png", "b.png", "sub/c.png", "d.png")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four pictures that hold their own log-odds, the third the best; and nothing else."""
    for name, log_odds in zip(NAMES, (-1.5, 0.5, 2.5, 1.5), strict=True):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(log_odds))
    return tmp_path / "photos"


def marked(folder: Path, query: str, *right: str) -> LabelledQuery:
    pictures = tuple(folder / name for name in NAMES)
    return LabelledQuery(query=query, pictures=pictures, relevant=tuple(folder / name for name in right))


# The file


def test_what_is_added_is_read_again_and_so_does_the_evaluation(folder):
    file = LabelFile(folder / "labels.jsonl")
    assert file.read() == []
    sets = [marked(folder, "a red dress", "a.png"), marked(folder, '一只猫\\ " {}', "b.png", "sub/c.png")]
    for one in sets:
        file.add(one)
    assert [line.labelled for line in file.read()] == sets
    assert [line.number for line in file.read()] == [1, 2]
    dataset = open_dataset(str(folder / "labels.jsonl"))
    assert [one.query for one in dataset.sets] == ["a red dress", '一只猫\\ " {}']
    right = [[picture.name for picture in one.pictures if picture.is_right] for one in dataset.sets]
    assert right == [["a.png"], ["b.png", "sub/c.png"]]
    assert [picture.name for picture in dataset.sets[0].pictures] == list(NAMES)


@pytest.mark.parametrize("place", ["labels.jsonl", "../labels.jsonl", "sub/labels.jsonl", "../other/labels.jsonl"])
def test_paths_count_from_the_folder_of_the_file(folder, place):
    (folder.parent / "other").mkdir()
    path = folder / place
    LabelFile(path).add(marked(folder, "a cat", "sub/c.png"))
    assert str(folder) not in path.read_text()
    (one,) = open_dataset(str(path)).sets
    assert [picture.source.read_text() for picture in one.pictures if picture.is_right] == ["2.5"]
    moved = folder.parent.rename(folder.parent.with_name(f"{folder.parent.name} moved")) / "photos" / place
    assert [line.labelled.relevant[0].read_text() for line in LabelFile(moved).read()] == ["2.5"]


def test_a_change_leaves_all_other_lines_as_they_are(folder):
    path = folder / "labels.jsonl"
    kept = '{"relevant": {"b.png": 2}, "pictures": ["a.png", "b.png"], "query": "graded", "id": "x"}'
    path.write_text(f"\n{kept}\n\n", encoding="utf-8-sig")
    file = LabelFile(path)
    file.add(marked(folder, "one", "a.png"))
    file.add(marked(folder, "two", "b.png"))
    assert [(line.number, line.labelled.query, line.is_plain) for line in file.read()] == [
        (2, "graded", False),
        (4, "one", True),
        (5, "two", True),
    ]
    assert file.change(4, "one", marked(folder, "uno", "d.png"))
    assert not file.change(4, "one", None), "another is there by now"
    assert not file.change(3, "one", None)
    assert [line.labelled.query for line in file.read()] == ["graded", "uno", "two"]
    assert file.change(5, "two", None)
    assert path.read_text().splitlines()[:3] == ["", kept, ""]
    assert [line.labelled.query for line in file.read()] == ["graded", "uno"]
    assert sorted(each.name for each in folder.iterdir()) == ["a.png", "b.png", "d.png", "labels.jsonl", "sub"]


def test_a_last_line_without_an_end_is_ended_first(folder):
    path = folder / "labels.jsonl"
    path.write_text('{"query": "q", "pictures": ["a.png"], "relevant": []}')
    LabelFile(path).add(marked(folder, "a cat", "a.png"))
    assert [line.labelled.query for line in LabelFile(path).read()] == ["q", "a cat"]


@pytest.mark.parametrize("text", ["{", "[]", '{"query": 5}', '{"query": "a", "pictures": ["x"], "relevant": 5}', "\0"])
def test_a_file_of_something_else_is_never_written_to(folder, text):
    path = folder / "labels.jsonl"
    path.write_text(text)
    for change in (LabelFile(path).read, lambda: LabelFile(path).add(marked(folder, "a cat", "a.png"))):
        with pytest.raises(DatasetInvalid):
            change()
    assert path.read_text() == text


# What the page is answered


def labelling(folder: Path, reranker: Reranker | None = None, file: Path | None = None) -> Labelling:
    thumbnails = folder.parent / "thumbnails"
    return Labelling(
        folder=folder,
        pictures=[folder / name for name in NAMES],
        file=LabelFile(file or folder / "labels.jsonl"),
        reranker=reranker or Reranker(scorer=ScriptedScorer(judge=number)),
        thumbnails=ThumbnailStore(HashedThumbnailPaths(thumbnails), Limits(), 2),
    )


def test_sets_are_saved_shown_again_changed_and_removed(folder):
    page = labelling(folder)
    saved = page.save({"query": " a red dress ", "relevant": ["b.png", "sub/c.png"]}, "en")
    assert saved["status"]["text"] == "“a red dress” was saved. labels.jsonl has 1 labelled sentence."
    assert (saved["is_done"], saved["status"]["tone"]) == (True, "done")
    page.save({"query": "一只猫", "relevant": ["a.png"]}, "zh")
    latest, first = page.state("en")["queries"]
    assert (first["query"], first["line"], first["relevant"]) == ("a red dress", 1, ["b.png", "sub/c.png"])
    assert (latest["query"], latest["count"]) == ("一只猫", "1 of 4 right")
    changed = page.save({"query": "a blue dress", "relevant": ["d.png"], "line": 1, "saved_query": "a red dress"}, "en")
    assert changed["status"]["text"].startswith("“a blue dress” was changed.")
    assert [one["query"] for one in changed["queries"]] == ["一只猫", "a blue dress"]
    removed = page.remove({"line": 1, "saved_query": "a blue dress"}, "en")
    assert [one["query"] for one in removed["queries"]] == ["一只猫"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"query": "a cat", "relevant": []}, "No picture is marked; mark every picture"),
        ({"query": "a cat", "relevant": list(NAMES)}, "All pictures are marked, so every order"),
        ({"query": "a cat", "relevant": ["/etc/passwd", "../x.png", 5, {}, None]}, "No picture is marked"),
        ({"query": "a cat", "relevant": "a.png"}, "No picture is marked"),
        ({"query": "  ", "relevant": ["a.png"]}, "The sentence is empty"),
        ({"relevant": ["a.png"]}, "The sentence is empty"),
        ({"query": "x" * 1001, "relevant": ["a.png"]}, "The sentence has 1,001 characters; the limit is 1,000"),
        ({"query": "there", "relevant": ["a.png"]}, "“there” is labelled already"),
        (
            {"query": "new", "relevant": ["a.png"], "line": 7, "saved_query": "there"},
            "The file was changed by another program",
        ),
        (
            {"query": "new", "relevant": ["a.png"], "line": 1, "saved_query": "other"},
            "The file was changed by another program",
        ),
        (
            {"query": "new", "relevant": ["a.png"], "line": 2, "saved_query": "graded"},
            "“graded” has grades",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(folder, asked, said):
    path = folder / "labels.jsonl"
    LabelFile(path).add(marked(folder, "there", "a.png"))
    with path.open("a") as file:
        file.write('{"query": "graded", "pictures": ["a.png", "b.png"], "relevant": {"a.png": 3}}\n')
    before = path.read_bytes()
    answer = labelling(folder).save(asked, "en")
    assert answer["status"]["text"].startswith(said)
    assert (answer["status"]["tone"], answer["is_done"], len(answer["queries"])) == ("trouble", False, 2)
    assert path.read_bytes() == before
    assert labelling(folder).save(asked, "zh")["status"]["text"] != answer["status"]["text"]


def test_a_file_that_cannot_be_written_is_a_sentence_without_folders(folder):
    (folder / "labels.jsonl").mkdir()
    for language, said in (("en", "labels.jsonl"), ("zh", "labels.jsonl")):
        answer = labelling(folder).save({"query": "a cat", "relevant": ["a.png"]}, language)
        assert (answer["status"]["tone"], said in answer["status"]["text"]) == ("trouble", True)
        assert str(folder) not in json.dumps(answer)


def test_a_change_keeps_what_the_set_says_of_pictures_that_are_not_shown(folder):
    elsewhere, gone = folder.parent / "elsewhere.png", folder.parent / "gone.png"
    for path in (elsewhere, gone):
        path.write_text("1")
    pictures = (folder / "a.png", elsewhere, gone)
    file = LabelFile(folder / "labels.jsonl")
    file.add(LabelledQuery(query="a cat", pictures=pictures, relevant=(elsewhere, gone)))
    gone.unlink()
    page = labelling(folder)
    assert page.state("en")["queries"][0]["relevant"] == []
    page.save({"query": "a cat", "relevant": ["b.png"], "line": 1, "saved_query": "a cat"}, "en")
    (line,) = file.read()
    assert line.labelled.relevant == (folder / "b.png", elsewhere)
    assert line.labelled.pictures == (*(folder / name for name in NAMES), elsewhere)
    assert len(open_dataset(str(folder / "labels.jsonl")).sets[0].pictures) == 5


def test_of_several_saves_at_once_one_is_kept(folder):
    answers = labelling(folder)
    asked = {"query": "a cat", "relevant": ["a.png"]}
    with ThreadPoolExecutor(8) as tabs:
        told = list(tabs.map(lambda _: answers.save(asked, "en"), range(16)))
    assert sum(one["is_done"] for one in told) == 1
    assert len(open_dataset(str(folder / "labels.jsonl")).sets) == 1


def test_a_sentence_that_is_no_text_spoils_no_file(folder):
    answers = labelling(folder)
    assert not answers.save({"query": "x \ud800 y", "relevant": ["a.png"]}, "en")["is_done"]
    assert answers.save({"query": "x y", "relevant": ["a.png"]}, "en")["is_done"]


def test_a_name_that_is_no_text_is_shown_saved_and_read_again(folder):
    name = os.fsdecode(b"\xff.png")
    (folder / name).write_text("0")
    file = LabelFile(folder / "labels.jsonl")
    pictures = [folder / name, folder / "a.png"]
    page = Labelling(
        folder=folder,
        pictures=pictures,
        file=file,
        reranker=Reranker(scorer=ScriptedScorer()),
        thumbnails=ThumbnailStore(HashedThumbnailPaths(folder.parent / "t"), Limits(), 1),
    )
    with TestClient(application(page)) as client:
        shown = client.get("/state").json()["pictures"]
        assert client.get("/thumbnails/0").status_code == 200
        headers = {"content-type": "application/json"}
        client.post("/save", content=json.dumps({"query": "a", "relevant": shown[:1]}), headers=headers)
    assert [line.labelled.relevant for line in file.read()] == [(folder / name,)]


@pytest.fixture
def client(folder) -> Iterator[TestClient]:
    app = application(labelling(folder), [loopback_names_only()])
    with TestClient(app, base_url="http://127.0.0.1:7861") as client:
        yield client


def test_the_page_is_all_that_is_served(client, folder):
    assert client.get("/").headers["content-security-policy"].startswith("default-src 'self'")
    for path in ("/script.js", "/style.css", "/state", "/thumbnails/3"):
        assert client.get(path).status_code == 200
    for path in ("/thumbnails/4", "/thumbnails/-1", "/thumbnails/a.png", "/a.png", "/labels.jsonl", "/../a.png"):
        assert client.get(path).status_code == 404


def test_foreign_names_and_foreign_forms_are_refused(client, folder):
    assert client.get("/state", headers={"host": "evil.example"}).status_code == 400
    asked = {"query": "a cat", "relevant": ["a.png"]}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        for path in ("/save", "/remove", "/order"):
            answer = client.post(path, content=json.dumps(asked), headers={"content-type": kind})
            assert answer.status_code == 415
    for text in ("", "[]", "{", "[" * 100_000):
        answer = client.post("/save", content=text, headers={"content-type": "application/json"})
        assert answer.status_code == 415
    assert not (folder / "labels.jsonl").exists()
    assert client.post("/save", json=asked).json()["is_done"]


def test_the_language_is_the_browsers_unless_it_is_said(client):
    titles = [
        client.get(path, headers={"accept-language": language}).json()["labels"]["title"]
        for path, language in (("/state", "zh-CN"), ("/state?lang=en", "zh-CN"), ("/state?lang=zh", "en"))
    ]
    assert titles == ["标注图片", "Label pictures", "标注图片"]


def test_the_likely_ones_come_first_when_asked(client):
    answer = client.post("/order", json={"query": "a cat"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["done"] for line in lines[:-1]] == [1, 2, 3, 4]
    assert [NAMES[place] for place in lines[-1]["order"]] == ["sub/c.png", "d.png", "b.png", "a.png"]
    (refused,) = client.post("/order?lang=zh", json={"query": " "}).text.splitlines()
    assert json.loads(refused)["status"]["text"].startswith("句子为空")


# The command


def test_neither_the_model_nor_gradio_is_loaded_to_label() -> None:
    modules = "reranker.cli, reranker.labelling.server, reranker.storage.thumbnail_store, uvicorn"
    code = f"import {modules}, sys; print(sorted({{'torch', 'gradio', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def test_it_serves_a_folder_until_it_is_interrupted(folder):
    port = free_port()
    output = folder.parent / "out.jsonl"
    command = [sys.executable, "-m", "reranker", "label", str(folder), "--port", str(port), "--recursive"]
    command += ["--output", str(output)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/"), 3 * PATIENCE_S)
            board = httpx.get(f"http://127.0.0.1:{port}/state").json()
            assert board["pictures"] == ["a.png", "b.png", "d.png", "sub/c.png"]
            httpx.post(f"http://127.0.0.1:{port}/save", json={"query": "a cat", "relevant": ["sub/c.png"]})
            assert httpx.get(f"http://127.0.0.1:{port}/", headers={"host": "evil.example"}).status_code == 400
        finally:
            process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0
    assert said == f"Label 4 pictures of “photos” at http://127.0.0.1:{port}; Ctrl-C ends it.\n"
    assert [one.query for one in open_dataset(str(output)).sets] == ["a cat"]


def test_links_to_elsewhere_are_left_out(folder, tmp_path, monkeypatch):
    secret = tmp_path / "secret.png"
    secret.write_text("1")
    (folder / "link.png").symlink_to(secret)
    (folder / "inside.png").symlink_to(folder / "a.png")
    (tmp_path / "linked").symlink_to(folder, target_is_directory=True)
    shown = []
    monkeypatch.setattr("reranker.cli.label._serve", lambda app, host, port, what: shown.append(what) or 0)
    context = SimpleNamespace(obj=lambda settings: Reranker(settings=settings, scorer=ScriptedScorer()))
    assert label(context, tmp_path / "linked", output=None) == 0
    assert shown == ["4 pictures of “linked”"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "“nowhere” is not a folder; name one with pictures."),
        (["empty"], "The folder “empty” has no pictures; add --recursive"),
        (["one"], "The folder “one” has fewer than 2 pictures; add some."),
        (["two", "--output", "nowhere/x.jsonl"], "There is no folder “nowhere” to write the result into"),
        (["two", "--output", "empty"], "The result cannot be written to “empty”, which is a folder"),
        (["two", "--output", "broken.jsonl"], "“broken.jsonl”, line 1: "),
        (["two", "--port", "0"], "Invalid value for '--port'"),
    ],
)
def test_a_mistake_in_the_call_is_one_sentence(shell: Shell, tmp_path, arguments, said):
    for name, count in (("empty", 0), ("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        for number_ in range(count):
            (tmp_path / name / f"{number_}.png").write_text("1")
    (tmp_path / "broken.jsonl").write_text("{")
    done = shell("label", *arguments)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert done.err.startswith(said)


def test_a_port_that_is_taken_is_one_sentence(shell: Shell, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_text("1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = shell("label", tmp_path, "--port", port)
    assert (done.code, done.err) == (
        1,
        f"The page could not be opened at 127.0.0.1, port {port}; choose another --host or --port.\n",
    )


# In a real browser


@contextmanager
def serving(page: Labelling) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = application(page, [loopback_names_only()])
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def opened(chromium) -> Iterator[Callable]:
    """Opens the page over a `Labelling`; afterwards it has asked no other host, and not complained."""
    heard: list[str] = []
    with ExitStack() as stack:

        def open_page(page: Labelling, language: str = "en-US", **how: object):
            url = stack.enter_context(serving(page))
            context = stack.enter_context(chromium.new_context(locale=language, **how))
            context.set_default_timeout(PATIENCE_S * 1000)
            tab = context.new_page()
            tab.on("request", lambda one: one.url.startswith((url, "data:")) or heard.append(one.url))
            tab.on("pageerror", lambda error: heard.append(str(error)))
            tab.on("console", lambda message: message.type == "error" and heard.append(message.text))
            tab.goto(url)
            tab.locator(".pictures button").first.wait_for()
            return tab

        yield open_page
    assert heard == []


def said(tab, text: str) -> None:
    tab.locator(".status", has_text=text).wait_for()


def right(tab) -> list[str]:
    return tab.locator(".pictures button[aria-pressed=true]").evaluate_all("all => all.map(one => one.dataset.key)")


@pytest.mark.browser
def test_pictures_are_marked_saved_opened_changed_and_deleted(folder, opened):
    tab = opened(labelling(folder))
    pictures = tab.locator(".pictures button")
    tab.locator("#query").fill(HOSTILE)
    pictures.nth(0).click()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Space")
    assert right(tab) == ["a.png", "b.png"]
    tab.get_by_role("button", name="Save").click()
    said(tab, "is saved. labels.jsonl has 1 labelled sentence.")
    assert (right(tab), tab.locator("#query").input_value()) == ([], "")
    pictures.nth(1).click()
    pictures.nth(3).click(modifiers=["Shift"])
    tab.locator("#query").fill("三只球")
    tab.locator("#query").press("Enter")
    said(tab, "has 2 labelled sentences")
    (first, second) = open_dataset(str(folder / "labels.jsonl")).sets
    assert (first.query, second.query) == (HOSTILE, "三只球")
    assert [[picture.name for picture in one.pictures if picture.is_right] for one in (first, second)] == [
        ["a.png", "b.png"],
        ["b.png", "sub/c.png", "d.png"],
    ]
    tab.get_by_role("button", name="三只球").first.click()
    assert right(tab) == ["b.png", "sub/c.png", "d.png"]
    pictures.nth(1).click()
    tab.get_by_role("button", name="Save the change").click()
    said(tab, "“三只球” was changed. labels.jsonl has 2 labelled sentences.")
    tab.once("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name=f"Remove {HOSTILE}").click()
    said(tab, "was removed. labels.jsonl has 1 labelled sentence.")
    (only,) = open_dataset(str(folder / "labels.jsonl")).sets
    assert [picture.name for picture in only.pictures if picture.is_right] == ["sub/c.png", "d.png"]
    tab.get_by_role("button", name="Save").click()
    said(tab, "The sentence is empty")
    assert tab.locator(".status.trouble").count() == 1
    assert "owned" not in tab.title()
    assert tab.locator("img[src=x]").count() == 0


@pytest.mark.browser
def test_a_change_is_left_and_a_removal_thought_better_of(folder, opened):
    LabelFile(folder / "labels.jsonl").add(marked(folder, "a cat", "a.png"))
    before = (folder / "labels.jsonl").read_bytes()
    tab = opened(labelling(folder), "zh-CN")
    tab.get_by_role("button", name="a cat").first.click()
    tab.get_by_role("button", name="放弃修改").click()
    assert (right(tab), tab.locator("#query").input_value()) == ([], "")
    tab.once("dialog", lambda dialog: dialog.dismiss())
    tab.get_by_role("button", name="移除 a cat").click()
    tab.get_by_role("button", name="English").click()
    said(tab, "labels.jsonl has 1 labelled sentence.")
    assert tab.get_by_role("button", name="Discard the change").count() == 0
    assert (folder / "labels.jsonl").read_bytes() == before


@pytest.mark.browser
def test_the_model_brings_the_likely_ones_to_the_front_and_can_be_stopped(folder, opened):
    paced = Paced()
    tab = opened(labelling(folder, Reranker(scorer=paced.scorer)))
    tab.locator("#query").fill("a cat")
    tab.locator(".pictures button").nth(2).click()
    tab.get_by_role("button", name="Most relevant first").click()
    paced.allowed.release()
    said(tab, "1/4 pictures scored")
    tab.get_by_role("button", name="Stop ordering").click()
    said(tab, "Stopped.")
    for _ in range(8):
        paced.allowed.release()
    tab.get_by_role("button", name="Most relevant first").click()
    said(tab, "The most relevant pictures come first")
    shown = tab.locator(".pictures button").evaluate_all("all => all.map(one => one.dataset.key)")
    assert shown == ["sub/c.png", "d.png", "b.png", "a.png"]
    assert right(tab) == ["sub/c.png"]


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overflows_and_marks_are_counted_and_filtered(folder, opened, theme):
    tab = opened(labelling(folder), color_scheme=theme)
    tab.locator("#query").fill("a sentence that is much longer than the narrowest of the screens that people have")
    tab.locator(".pictures button").nth(1).click()
    tab.get_by_role("button", name="Save").click()
    said(tab, "has 1 labelled sentence")
    tab.locator(".pictures button").nth(2).click()
    for width in (360, 390, 768, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
    assert tab.locator(".label-grid output").inner_text() == "1 of 4 marked"
    tab.get_by_label("marked pictures only").check()
    assert tab.locator(".pictures li:visible").count() == 1
    tab.get_by_role("button", name="Clear the marks").click()
    assert tab.locator(".pictures li:visible").count() == 4


@pytest.mark.browser
def test_a_program_that_has_ended_is_said(folder, opened, chromium):
    with serving(labelling(folder)) as url:
        tab = chromium.new_page(locale="en-US")
        tab.goto(url)
        tab.locator("#query").fill("a cat")
        tab.locator(".pictures button").first.click()
    tab.get_by_role("button", name="Save").click()
    said(tab, "The program does not respond")
    assert right(tab) == ["a.png"]
    tab.close()

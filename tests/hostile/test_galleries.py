"""What a gallery does not list cannot be opened by guessing the path of its thumbnail."""

import json
import os
from pathlib import Path

import httpx
import pytest

from reranker import Reranker, Settings
from reranker.core.errors import PictureForbidden
from reranker.ui.galleries import Galleries
from reranker.ui.history import History
from reranker.ui.uploads import Uploads
from tests.support.page_handlers import scripted_page
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number
from tests.support.visitor import visitor

LISTED = ["1.png", "more/2.png", "more/deep er/3.webp", "4.JPG"]
UNLISTED = [
    "notes.txt",
    ".hidden.png",
    ".hidden/5.png",
    ".hidden/x.txt",
    "more/.git/6.png",
    "no suffix",
    f"{'x' * 250}.png",
    "uploads/7.png",
    "to a hidden one.png",
    "to no picture.png",
    "outside.png",
    "linked/secret.png",
    "loop.png",
]


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """A gallery that contains the upload folder, too."""
    gallery, outside = tmp_path / "gallery", tmp_path / "outside"
    for folder, names in ((gallery, [*LISTED, *UNLISTED[:-5]]), (outside, ["secret.png"])):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("1.5")
    (gallery / "to a hidden one.png").symlink_to(gallery / ".hidden" / "5.png")
    (gallery / "to no picture.png").symlink_to(gallery / "notes.txt")
    (gallery / "outside.png").symlink_to(outside / "secret.png")
    (gallery / "linked").symlink_to(outside, target_is_directory=True)
    (gallery / "loop.png").symlink_to(gallery / "loop.png")
    not_text = Path(os.fsdecode(bytes(gallery) + b"/\xff/8.png"))
    not_text.parent.mkdir()
    not_text.write_text("1.5")
    return gallery


@pytest.fixture
def uploads(gallery: Path) -> Uploads:
    return Uploads(gallery / "uploads", Galleries([gallery], hidden=gallery / "uploads"))


def guessed(uploads: Uploads, gallery: Path, name: str) -> str:
    return f"{uploads.thumbnails}/galleries/{gallery.name}/{name}.jpg"


def test_what_is_listed_is_what_is_admitted(uploads, gallery):
    assert {str(path.relative_to(gallery)) for path in uploads.galleries.pictures("gallery", 99)} == set(LISTED)
    every_file = [path for path in gallery.rglob("*") if not path.is_dir()]
    assert len(every_file) > len(LISTED) + len(UNLISTED) - 2
    for path in every_file:
        name = os.fsdecode(bytes(path.relative_to(gallery)))
        assert uploads.is_allowed(guessed(uploads, gallery, name)) == (name in LISTED), name


@pytest.mark.parametrize("name", [*UNLISTED, "more/../.hidden/5.png", "../outside/secret.png", "", ".", "more"])
def test_what_is_not_listed_is_forbidden(uploads, gallery, name):
    with pytest.raises(PictureForbidden):
        uploads.resolve(guessed(uploads, gallery, name))


def test_what_is_listed_keeps_its_thumbnail_apart_from_uploads(uploads, gallery):
    for path in uploads.galleries.pictures("gallery", 99):
        assert uploads.resolve(str(uploads.thumbnail(path))) == path
    upload = gallery / "uploads" / "7.png"
    assert uploads.resolve(str(uploads.thumbnail(upload))) == upload


def test_a_hidden_folder_that_is_a_gallery_itself_is_shown(tmp_path, gallery):
    uploads = Uploads(tmp_path / "uploads", Galleries([gallery, gallery / ".hidden"]))
    (path,) = uploads.galleries.pictures(".hidden", 99)
    assert uploads.resolve(str(uploads.thumbnail(path))) == path


def test_a_program_cannot_rank_what_is_not_listed(serve, gallery, upload_folder):
    url = serve(
        Reranker(scorer=ScriptedScorer(judge=number), settings=Settings.of(model="toybox", galleries=(gallery,)))
    )
    uploads = Uploads(upload_folder, Galleries([gallery]))
    names = [LISTED[0], *(name for name in UNLISTED if name not in {"uploads/7.png", "loop.png"})]
    files = [{"path": guessed(uploads, gallery, name), "meta": {"_type": "gradio.FileData"}} for name in names]
    call = f"{url}gradio_api/call/rank"
    event = httpx.post(call, json={"data": ["a cat", files, None, None, None]}, timeout=PATIENCE_S).json()["event_id"]
    answer = httpx.get(f"{call}/{event}", timeout=PATIENCE_S).text
    (response,) = json.loads(answer.partition("data: ")[2])
    scored = [row["name"] for row in response["results"] if row["status"] == "scored"]
    assert (scored, len(response["results"])) == (["1.png"], len(names))


def test_a_saved_ranking_is_opened_from_uploads_alone(upload_folder, gallery):
    saved = {"query": "a cat", "judged_by": {"model": "m", "precision": "p"}, "results": []}
    page = scripted_page(ScriptedScorer(), upload_folder, galleries=(gallery,))
    for path in (gallery / "1.png", upload_folder / "ranking.json"):
        path.write_text(json.dumps(saved))
    from_gallery = guessed(page.uploads, gallery, "1.png")
    assert page.uploads.is_allowed(from_gallery)
    status, history = page.rank_handlers.open_saved(History(), {"path": from_gallery}, visitor())
    assert status["text"].startswith("“1.png.jpg” is outside the folders")
    assert not isinstance(history, History)
    _, history = page.rank_handlers.open_saved(History(), {"path": str(upload_folder / "ranking.json")}, visitor())
    assert history.ranking_views[0].query == "a cat"

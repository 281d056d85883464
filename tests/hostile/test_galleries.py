"""What a gallery does not list cannot be opened, and programs cannot open what it lists."""

import json
import os
from pathlib import Path

import httpx
import pytest

from reranker import Reranker, Settings
from reranker.ui.galleries import Galleries
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number

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
def galleries(gallery: Path) -> Galleries:
    return Galleries([gallery], hidden=[gallery / "uploads"])


def test_what_is_listed_is_no_more_than_what_may_be_seen(galleries: Galleries, gallery: Path) -> None:
    assert {str(path.relative_to(gallery)) for path in galleries.pictures("gallery", 99)} == set(LISTED)


def test_a_hidden_folder_that_is_a_gallery_itself_is_shown(gallery: Path) -> None:
    (path,) = Galleries([gallery, gallery / ".hidden"]).pictures(".hidden", 99)
    assert path == gallery / ".hidden" / "5.png"


@pytest.mark.parametrize("name", ["uploads", "..", "../outside", "gallery/more", "/etc", "", "gallery\0"])
def test_only_the_names_of_galleries_lead_to_pictures(galleries: Galleries, name: str) -> None:
    assert galleries.pictures(name, 99) == []


def test_a_program_cannot_rank_the_pictures_of_a_gallery(serve, gallery: Path) -> None:
    url = serve(
        Reranker(scorer=ScriptedScorer(judge=number), settings=Settings.of(model="toybox", galleries=(gallery,)))
    )
    names = [*LISTED, *(name for name in UNLISTED if name not in {"uploads/7.png", "loop.png"})]
    files = [{"path": str(gallery / name), "meta": {"_type": "gradio.FileData"}} for name in names]
    call = f"{url}gradio_api/call/rank"
    inputs = ["a cat", files, None, None, "", None]
    event = httpx.post(call, json={"data": inputs}, timeout=PATIENCE_S).json()["event_id"]
    answer = httpx.get(f"{call}/{event}", timeout=PATIENCE_S).text
    (response,) = json.loads(answer.partition("data: ")[2])
    scored = [row["name"] for row in response["results"] if row["status"] == "scored"]
    assert (scored, len(response["results"])) == ([], len(names))

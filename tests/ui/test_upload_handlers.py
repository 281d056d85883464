"""Pictures that come in and leave: uploads, samples, galleries."""

from pathlib import Path
from types import SimpleNamespace

from reranker.ui.sessions import BrowserSessions
from tests.support.page_handlers import history_after, scripted_page
from tests.support.scripted_scorer import ScriptedScorer, number
from tests.support.visitor import visitor


def test_more_pictures_than_allowed_are_cut_with_a_sentence(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(), upload_folder, max_pictures=3)
    shown, names, status = page.upload_handlers.upload(numbers, visitor())
    assert [name for _, name in shown] == ["-1.5.png", "2.5.png", "0.5.png"]
    assert names["title"] == "3 pictures"
    assert status["text"] == "At most 3 pictures are allowed: the first 3 of 4 were kept."


def test_samples_come_after_what_is_there_and_only_once(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(), upload_folder)
    shown, names, _ = page.upload_handlers.add_samples(numbers, visitor())
    assert len(shown) == len(numbers) + len(page.upload_handlers.samples)
    again, _, _ = page.upload_handlers.add_samples([path for path, _ in shown], visitor())
    assert again == shown
    left, names = page.upload_handlers.remove([path for path, _ in shown], SimpleNamespace(index=1), visitor())
    assert [name for _, name in left] == [row["name"] for row in names["items"]]
    assert "2.5.png" not in [name for _, name in left]
    assert len(left) == len(shown) - 1


def test_what_comes_after_the_end_of_a_tab_is_not_remembered(upload_folder):
    visitors, gone = BrowserSessions(), visitor(session="gone")
    visitors.close(gone)
    visitors.add_files([upload_folder / "a.png"], gone)
    assert visitors.close(gone) == set()


def test_what_a_closed_tab_alone_had_uploaded_is_deleted(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    first, second = visitor(session="one"), visitor(session="two")
    page.upload_handlers.upload(numbers[:3], first)
    page.upload_handlers.add_samples([], first)
    page.upload_handlers.upload(numbers[2:], second)
    thumbnails = [page.uploads.thumbnail(Path(path)) for path in numbers]
    page.upload_handlers.close_session(first)
    assert [Path(path).exists() for path in numbers] == [False, False, True, True]
    assert [path.exists() for path in thumbnails] == [False, False, True, True]
    assert all((upload_folder / "samples" / sample.name).exists() for sample in page.upload_handlers.samples)
    page.upload_handlers.close_session(second)
    page.upload_handlers.close_session(second)
    assert not any(Path(path).exists() for path in numbers)


def test_the_pictures_of_a_gallery_are_ranked_where_they_lie(upload_folder, tmp_path):
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    for value in ("1.5", "-2"):
        (gallery / f"{value}.png").write_text(value)
    page = scripted_page(ScriptedScorer(judge=number), upload_folder, galleries=(gallery,))
    shown, names, _ = page.upload_handlers.add_gallery([], "gallery", visitor())
    assert [row["name"] for row in names["items"]] == ["1.5.png", "-2.png"]
    assert page.upload_handlers.add_gallery([path for path, _ in shown], "gallery", visitor())[0] == shown
    history = history_after(page, "a", [path for path, _ in shown])
    assert [card.name for card in history.ranking_views[0].cards] == ["1.5.png", "-2.png"]
    assert not any(path.suffix == ".png" for path in upload_folder.rglob("*"))

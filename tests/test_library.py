"""A library is searched in two stages: recalled by the dual encoder, ranked by the cross-encoder."""

from pathlib import Path

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import LibraryEncoderDiffers, QueryEmpty
from reranker.library import Library
from tests.support.dual_encoders import siglip_folder
from tests.support.numbered_pictures import number_in, numbered_gallery
from tests.support.scripted_scorer import ScriptedScorer


@pytest.fixture
def library(tmp_path: Path) -> Library:
    numbered_gallery(tmp_path / "pictures", *range(12))
    reranker = Reranker(scorer=ScriptedScorer(judge=number_in), settings=Settings.of(model="toybox", score_store_mb=0))
    encoder = str(siglip_folder(tmp_path / "siglip", 1))
    return Library(tmp_path / "library", encoder=encoder, reranker=reranker)


def test_recall_is_by_cosine_and_the_ranking_by_the_cross_encoder(library: Library, tmp_path: Path) -> None:
    assert library.search("a cat").scored == (), "it is empty"
    assert not library.folder.exists(), "and a search makes none"
    *_, last = library.index([tmp_path / "pictures"])
    assert (last.encoded, last.failed) == (12, 0)
    recalled = library.recall("a cat", 5)
    assert [each.cosine for each in recalled] == sorted((each.cosine for each in recalled), reverse=True)
    ranking = library.search("a cat", recall=5, top_k=3)
    best = sorted((int(each.path.stem) for each in recalled), reverse=True)[:3]
    assert [Path(scored.candidate.name).stem for scored in ranking.scored] == list(map(str, best))
    everything = library.search("a cat")
    assert len(everything.scored) == 12
    library.close()


def test_mistakes_are_errors_of_the_program(library: Library, tmp_path: Path) -> None:
    with pytest.raises(QueryEmpty):
        library.recall(" ")
    list(library.index([tmp_path / "pictures"]))
    library.close()
    other = Library(tmp_path / "library", encoder=str(siglip_folder(tmp_path / "other", 2)))
    with pytest.raises(LibraryEncoderDiffers):
        other.recall("a cat")


def test_a_name_is_a_folder_of_the_users_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert Library("holidays").folder == tmp_path / "reranker" / "libraries" / "holidays"
    assert Library("./holidays").folder == Path("holidays")

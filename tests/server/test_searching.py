"""`POST /v1/search` over a real server: what is found, what programs are told, and what is refused."""

from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from reranker import Reranker, Settings
from reranker.library import Library
from reranker.server.http_api import api_application
from tests.support.document_forms import data_uri
from tests.support.dual_encoders import siglip_folder
from tests.support.http_server import serving
from tests.support.numbered_pictures import number_in, numbered_gallery
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer

KEY = "s3cret"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two libraries: `holidays` with six pictures, and an empty one."""
    root = tmp_path_factory.mktemp("libraries")
    encoder = str(siglip_folder(root / "siglip", 1))
    pictures = {"holidays": numbered_gallery(root / "pictures", *range(6)), "empty": root / "none"}
    pictures["empty"].mkdir()
    for name, each in pictures.items():
        with closing(Library(root / name, encoder=encoder, reranker=scripted())) as library:
            list(library.index([each]))
    return root


def scripted(**settings: Any) -> Reranker:
    chosen = Settings.of(model="toybox", score_store_mb=0, **settings)
    return Reranker(scorer=ScriptedScorer(judge=number_in), settings=chosen)


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    libraries = (str(folder / "holidays"), str(folder / "empty"))
    with serving(api_application(scripted(libraries=libraries, api_key=KEY))) as served:
        yield served


@pytest.fixture
def ask(url: str) -> Callable[..., httpx.Response]:
    headers = {"Authorization": f"Bearer {KEY}"}
    return lambda **body: httpx.post(f"{url}v1/search", json=body, headers=headers, timeout=PATIENCE_S)


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [result["name"] for result in answer.json()["results"]]


def test_the_best_pictures_come_first_without_their_paths(ask, url: str, folder: Path) -> None:
    answer = ask(query="a cat", library="holidays", top_n=3)
    assert names(answer) == ["5.png", "4.png", "3.png"]
    body = answer.json()
    assert (body["library"], body["model"], body["recalled"], body["failures"]) == ("holidays", "toybox", 6, [])
    first = body["results"][0]
    assert first["relevance_score"] == pytest.approx(1 / (1 + 2.718281828**-5))
    assert -1 <= first["similarity"] <= 1
    assert str(folder) not in answer.text
    jpeg = httpx.get(url.rstrip("/") + first["thumbnail"], headers={"Authorization": f"Bearer {KEY}"})
    assert (jpeg.status_code, jpeg.headers["content-type"]) == (200, "image/jpeg")
    with Image.open(BytesIO(jpeg.content)) as image:
        assert image.size == (first["width"], first["height"])


def test_without_reranking_the_order_is_that_of_similarity(ask) -> None:
    body = ask(query="a cat", library="holidays", rerank=False).json()
    similarities = [result["similarity"] for result in body["results"]]
    assert similarities == sorted(similarities, reverse=True)
    assert (body["model"], {result["relevance_score"] for result in body["results"]}) == (None, {None})


def test_pictures_are_found_by_others_of_the_library_or_sent_ones(ask, folder: Path) -> None:
    by_name = {each["name"]: each for each in ask(query="a", library="holidays").json()["results"]}
    like = ask(like=[by_name["2.png"]["id"]], library="holidays", rerank=False)
    assert names(like)[0] == "2.png"
    beside = {"query": "a", "like": [by_name["2.png"]["id"]], "library": "holidays", "rerank": False}
    assert names(ask(**beside, example_weight=1.0))[0] == "2.png"
    assert names(ask(**beside, example_weight=0)) == names(ask(query="a", library="holidays", rerank=False))
    picture = data_uri((folder / "pictures" / "3.png").read_bytes())
    assert names(ask(query={"image": picture}, library="holidays", rerank=False))[0] == "3.png"


def test_filters_hold(ask) -> None:
    assert names(ask(query="a", library="holidays", filters={"formats": ["JPG"]})) == []
    assert len(names(ask(query="a", library="holidays", filters={"since": "2020", "formats": ["png"]}))) == 6
    assert names(ask(query="a", library="holidays", filters={"least_px": 10_000})) == []


def test_an_empty_library_has_nothing(ask) -> None:
    body = ask(query="a cat", library="empty").json()
    assert (body["results"], body["none_relevant"], body["recalled"]) == ([], False, 0)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"query": "a"}, 400, "“library”"),
        ({"query": "a", "library": "none"}, 404, "There is no library “none”"),
        ({"query": " ", "library": "holidays"}, 400, "The sentence is empty"),
        ({"library": "holidays"}, 400, "The sentence is empty"),
        ({"query": "a", "library": "holidays", "filters": {"since": "yesterday"}}, 400, "The filter “since”"),
        ({"query": "a", "library": "holidays", "filters": {"formats": ["doc"]}}, 400, "The filter “type”"),
        ({"query": "a", "library": "holidays", "recall": 0}, 400, "“recall”"),
        ({"query": "a", "library": "holidays", "example_weight": 2}, 400, "“example_weight”"),
        ({"query": "a", "library": "holidays", "like": [10**9]}, 400, "“like”"),
        ({"query": "a", "library": "holidays", "like": ["1"]}, 400, "“like”"),
        ({"query": {"image": data_uri(b"no picture")}, "library": "holidays"}, 400, "The example picture"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence(ask, body: dict[str, Any], status: int, words: str) -> None:
    answer = ask(**body)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


def test_libraries_are_listed_and_nothing_is_told_without_the_key(url: str) -> None:
    keyed = httpx.get(f"{url}v1/libraries", headers={"Authorization": f"Bearer {KEY}"}).json()
    assert [(each["id"], each["pictures"]) for each in keyed["data"]] == [("holidays", 6), ("empty", 0)]
    assert httpx.get(f"{url}v1/libraries").status_code == 401
    assert httpx.post(f"{url}v1/search", json={"query": "a"}).status_code == 401
    assert httpx.get(f"{url}v1/libraries/holidays/pictures/0/thumbnail").status_code == 401


@pytest.mark.parametrize(
    "path", ["none/pictures/0", "holidays/pictures/99", "holidays/pictures/x", "holidays/pictures/-1"]
)
def test_a_thumbnail_that_is_not_there_is_unknown(url: str, path: str) -> None:
    answer = httpx.get(f"{url}v1/libraries/{path}/thumbnail", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith(".")


def test_a_server_without_libraries_says_so() -> None:
    with serving(api_application(scripted())) as served:
        answer = httpx.post(f"{served}v1/search", json={"query": "a"})
        assert (answer.status_code, "“library”" in answer.json()["detail"]) == (400, True)
        assert httpx.get(f"{served}v1/libraries").json()["data"] == []

"""Documents and queries in the forms of other servers: all that say the same get the same score, others are refused."""

import base64
from typing import Any

import httpx
import pytest

from reranker import Reranker, Settings
from reranker.server.base64_text import decode_base64
from tests.support.document_forms import data_uri, forms_with_text, forms_without_text, picture_parts, text_parts
from tests.support.paths import GALLERY
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer

PICTURE = (GALLERY / "house_by_the_sea.png").read_bytes()
OTHER = (GALLERY / "house_in_the_desert.png").read_bytes()
URI, ENCODED = data_uri(PICTURE), base64.b64encode(PICTURE).decode()
PART, TEXT_PART = picture_parts(PICTURE)["OpenAI"], text_parts("shoe")[0]


def ask(url: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}v1/rerank", json=body, timeout=PATIENCE_S)


def scores(response: httpx.Response) -> dict[int, float]:
    assert response.status_code == 200, response.text
    return {result["index"]: result["relevance_score"] for result in response.json()["results"]}


def refusal(response: httpx.Response) -> str:
    assert response.status_code == 400, response.text
    return response.json()["detail"]


@pytest.mark.parametrize("text", ["", "a house by the sea, 红房子"])
def test_every_form_of_a_picture_and_a_text_gets_the_same_score(api_url: str, text: str) -> None:
    forms = forms_with_text(PICTURE, text) | ({} if text else forms_without_text(PICTURE))
    answer = ask(api_url, query="海边的房子", documents=[*forms.values(), {"image": data_uri(OTHER), "text": text}])
    *equal, other = dict(sorted(scores(answer).items())).values()
    assert dict.fromkeys(forms, equal[0]) == dict(zip(forms, equal, strict=True))
    assert other != equal[0]


def test_the_text_counts(api_url: str) -> None:
    documents = [URI, {"image": URI, "text": "a black cat"}]
    first, second = scores(ask(api_url, query="a black cat", documents=documents)).values()
    assert first != second


@pytest.mark.parametrize("text", ["", "a"])
def test_every_form_is_repeated_as_a_picture_and_a_text(api_url: str, text: str) -> None:
    forms = forms_with_text(PICTURE, text) | ({} if text else forms_without_text(PICTURE))
    answer = ask(api_url, query="a", documents=list(forms.values()), return_documents=True).json()
    repeated = [result["document"] for result in answer["results"]]
    assert {document["text"] for document in repeated} == {text}
    assert {decode_base64(document["image"]) for document in repeated} == {PICTURE}


# One document, or a list


@pytest.mark.parametrize(
    "document", [URI, {"image": URI}, PART, {"content": [PART]}, {"content": [TEXT_PART, PART]}], ids=range(5)
)
def test_a_single_document_needs_no_list(api_url: str, document: Any) -> None:
    alone, listed = (scores(ask(api_url, query="a house", documents=each)) for each in (document, [document]))
    assert alone == listed


def test_several_pictures_as_content_are_a_document_each(api_url: str) -> None:
    """So earlier versions of vLLM understand it; now it is one document there, which cannot be scored here."""
    parts = [picture_parts(data)["OpenAI"] for data in (PICTURE, OTHER, PICTURE)]
    content = scores(ask(api_url, query="a house by the sea", documents={"content": parts}))
    assert content == scores(ask(api_url, query="a house by the sea", documents=parts))
    assert len(content) == 3


@pytest.mark.parametrize("other", [{"image": URI}, {"text": "shoe"}, {"title": "shoe"}, {"type": "image"}])
def test_nothing_beside_several_pictures_as_content_is_dropped(api_url: str, other: dict[str, str]) -> None:
    parts = [PART, PART]
    refused = ask(api_url, query="a house", documents={"content": parts, **other})
    assert (refused.status_code, "wrong at" in refused.json()["detail"]) == (400, True)
    taken = ask(api_url, query="a house", documents={"content": parts, "id": "7", **dict.fromkeys(other)})
    assert len(scores(taken)) == 2


def test_pictures_as_content_are_counted_like_others(api_url: str) -> None:
    answer = ask(api_url, query="a", documents={"content": [{"type": "image", "image": ""}] * 1_001})
    assert (answer.status_code, "1,001" in answer.json()["detail"]) == (413, True)


# Refusals


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"image": URI, "content": [PART]}, "wrong at “image”"),
        ({"image": URI, "content": [TEXT_PART]}, "wrong at “image”"),
        ({"text": "shoe", "content": [PART]}, "wrong at “text”"),
        ({"image": URI, "images": [URI]}, "wrong at “images”"),
        ({"image": URI, "image_url": URI}, "wrong at “image_url”"),
        ({"image": URI, "title": "shoe"}, "wrong at “title”"),
        ({"image": URI, "a" * 1_000: "shoe"}, "wrong at “aaa"),
        ({"type": "image", "image": URI, "value": URI}, "wrong at “image”"),
        ({"type": "image_url", "image_url": URI, "text": "shoe"}, "wrong at “text”"),
        ({"type": "image_url", "image_url": {"url": URI, "base64": ENCODED}}, "wrong at “image_url.base64”"),
        ({"type": "image", "format": "text", "value": URI}, "wrong at “format”"),
        ({"type": "video_url", "video_url": {"url": URI}}, "form that is not accepted"),
        ({"type": "image_url"}, "form that is not accepted"),
        ({"type": ["image"], "image": URI}, "form that is not accepted"),
        ({"content": [PART, {"type": "image", "image": URI, "text": "shoe"}]}, "wrong at “content[1].text”"),
        ({"content": [PART, {"type": "audio"}]}, "wrong at “content[1]”"),
        ({"content": [PART, "shoe"]}, "wrong at “content[1]”"),
        ({"content": "shoe"}, "wrong at “content”"),
        ([PART, [PART]], "wrong at “[1]”"),
        ([], "form that is not accepted"),
        (None, "form that is not accepted"),
        (7, "form that is not accepted"),
        ({"image": 7}, "wrong at “image”"),
        ({"image": URI, "text": 7}, "wrong at “text”"),
        ({"image": URI, "text": ["shoe"]}, "wrong at “text”"),
        ({}, "exactly one picture"),
        ({"text": "shoe"}, "exactly one picture"),
        ({"image": None, "text": "shoe"}, "exactly one picture"),
        ({"content": [PART, PART]}, "exactly one picture"),
        ([TEXT_PART], "exactly one picture"),
        (TEXT_PART, "exactly one picture"),
        ("", "is text"),
        ("shoe", "is text"),
        ("test", "is text"),  # valid base64
        ("A" * 2_000, "is text"),
        (base64.b64encode(b"%PDF-1.7" + bytes(2_000)).decode(), "is text"),
        ("data:image/png,plain", "is text"),
        ("https://example.org/a.png", "is an address"),
        ({"type": "image", "format": "url", "value": "https://example.org/a.png"}, "is an address"),
        ({"type": "input_image", "image_url": "file:///etc/passwd"}, "is an address"),
        ([{"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/"}}], "is an address"),
        ({"image": "*"}, "not valid base64"),
    ],
)
def test_what_is_not_one_picture_is_refused_with_what_is_accepted(api_url: str, document: Any, reason: str) -> None:
    words = refusal(ask(api_url, query="a", documents=[URI, document]))
    assert "documents[1]" in words
    assert reason in words
    assert "data URI or base64" in words
    assert "image_url" in words
    assert len(words) < 500


def test_a_refusal_in_chinese_says_what_is_accepted(api_url: str) -> None:
    body = {"query": "a", "documents": [{"image": URI, "title": "鞋"}]}
    words = refusal(httpx.post(f"{api_url}v1/rerank", json=body, headers={"accept-language": "zh"}))
    assert "documents[0] 的“title”有误" in words
    assert "data URI 或 base64" in words


# Queries


QUERIES = [
    *({"text": "一座房子"}, {"text": "一座房子", "image": None}),
    *text_parts("一座房子"),
    *([part] for part in text_parts("一座房子")),
    *({"content": [part]} for part in text_parts("一座房子")),
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_every_form_of_a_query_gives_the_same_scores(api_url: str, query: Any) -> None:
    plain = scores(ask(api_url, query="一座房子", documents=[URI, data_uri(OTHER)]))
    assert scores(ask(api_url, query=query, documents=[URI, data_uri(OTHER)])) == plain


@pytest.mark.extended
def test_every_form_of_a_query_with_a_picture_gives_the_scores_for_that_example(example_api_url: str) -> None:
    documents = [URI, data_uri(OTHER)]
    plain = scores(ask(example_api_url, query="shoe", documents=documents))
    for text, forms in (("", forms_without_text(OTHER)), ("shoe", forms_with_text(OTHER, "shoe"))):
        objects = {name: form for name, form in forms.items() if not isinstance(form, str)}  # a string is a text
        found = {name: scores(ask(example_api_url, query=form, documents=documents)) for name, form in objects.items()}
        expected = scores(ask(example_api_url, query={"text": text, "image": data_uri(OTHER)}, documents=documents))
        assert found == dict.fromkeys(objects, expected)
        assert expected != plain


def test_each_document_may_have_a_query_with_a_picture_of_its_own(example_api_url: str) -> None:
    queries = [{"image": URI}, "a house", {"image": data_uri(OTHER), "text": "a house"}]
    answer = httpx.post(
        f"{example_api_url}score", json={"queries": queries, "documents": [URI] * 3}, timeout=PATIENCE_S
    )
    together = [result["score"] for result in answer.json()["data"]]
    alone = [scores(ask(example_api_url, query=query, documents=[URI]))[0] for query in queries]
    assert together == pytest.approx(alone)
    assert len(set(together)) == 3


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"image": "https://example.org/a.png"}, "The picture in “query” is an address"),
        ({"image": "*"}, "The picture in “query” is not valid base64"),
        ([PART, PART], "“query” has several pictures"),
        (
            {"image": base64.b64encode(PICTURE[:200]).decode()},
            "The example picture cannot be used: “query” is incomplete",
        ),
        (
            {"image": base64.b64encode(b"%PDF-1.7").decode()},
            "The example picture cannot be used: “query” is not a picture",
        ),
        ({"image": ""}, "The example picture cannot be used: “query” is an empty file"),
    ],
)
def test_a_picture_of_a_query_that_cannot_be_used_is_refused_with_the_reason(
    example_api_url: str, query: Any, reason: str
) -> None:
    assert refusal(ask(example_api_url, query=query, documents=[URI])).startswith(reason)


def test_a_model_that_knows_no_examples_refuses_them(api_url: str) -> None:
    assert refusal(ask(api_url, query={"image": URI}, documents=[URI])).startswith(
        "The model “toybox” was not trained to find pictures by an example"
    )


@pytest.mark.parametrize(
    "query", ["", " ", {}, {"text": ""}, {"text": None}, {"content": [{"type": "text", "text": ""}]}]
)
def test_an_empty_query_is_refused_with_the_sentence_of_every_interface(api_url: str, query: Any) -> None:
    assert refusal(ask(api_url, query=query, documents=[URI])).startswith("The sentence is empty")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("top_n", value) for value in ("3", 2.0, True, 0, -1, [1])),
        *(("return_documents", value) for value in ("yes", 1, 0, "true", [])),
        *(("model", value) for value in (3, True, ["a"], {})),
        *(("query", value) for value in (3, True, None, [], [[]], {"text": 3}, {"text": "a", "title": "b"}, ["a"])),
        *(("documents", value) for value in (None, [], 7, True)),
    ],
)
def test_types_are_strict(api_url: str, field: str, value: Any) -> None:
    body = {"query": "a", "documents": [URI]} | {field: value}
    assert f"at “{field}”" in refusal(ask(api_url, **body))


def test_what_is_optional_may_be_null_and_other_fields_are_ignored(api_url: str) -> None:
    answer = ask(
        api_url, query="a", documents=[URI], top_n=None, return_documents=None, model=None, max_tokens_per_doc=512
    )
    assert list(scores(answer)) == [0]


def test_a_long_picture_is_read_in_every_form(serve_api) -> None:
    """It stays in the body, outside the parser, and is decoded part by part."""
    read = []

    def remember(candidate: Any) -> bytes:
        read.append(candidate.source)
        return b"1.5"

    data = PICTURE[:8] + bytes(range(256)) * 2_000
    forms = [form for form in forms_without_text(data).values() if isinstance(form, str)]
    url = serve_api(Reranker(settings=Settings.of(score_store_mb=0), scorer=ScriptedScorer(read=remember)))
    for form in forms:
        assert ask(url, query="a", documents=[form]).status_code == 200
    assert read == [data] * len(forms)

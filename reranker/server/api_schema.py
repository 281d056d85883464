"""The requests and responses of the HTTP API. They are those of vLLM, Cohere and Jina, with a few more fields."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, ValidationError, model_validator

from reranker.core.errors import RequestMalformed
from reranker.pipelines.label_proposals import PROPOSED
from reranker.server.documents import DocumentForm, QueryForm

QUERY_NAMES = ("queries", "data_1", "text_1")
MAX_RECALL = 5000
MAX_PROPOSED = 1000
DOCUMENT_NAMES = ("documents", "items", "data_2", "text_2")


class _Request(BaseModel):
    """A request; types are strict, null is as good as nothing, and fields that are not listed are ignored."""

    model_config = ConfigDict(strict=True, arbitrary_types_allowed=True)

    @classmethod
    def of(cls, value: object) -> Self:
        """Return the request in a JSON value. Raises `RequestMalformed` with the first field that is wrong."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            location = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"]
            raise RequestMalformed(where=str(location[0]) if location else "body") from None


class RerankRequest(_Request):
    """Rank documents by how well they match a query: a text, a picture, or both.

    model: ignored; the response names the model that ran. exclude: what must not be in the pictures, in the forms of a
    query. documents: one or several. top_n: the number of results to
    return, all of them if null. return_documents: repeat each document in its result; if false, not even its text.
    """

    model: str | None = None
    query: SkipValidation[QueryForm]
    exclude: SkipValidation[QueryForm | None] = None
    # They are counted first, and then validated one by one by `to_document`.
    documents: SkipValidation[list[DocumentForm] | DocumentForm]
    top_n: Annotated[int | None, Field(ge=1)] = None
    return_documents: bool | None = None


class ScoreRequest(_Request):
    """Score documents by how well they match a query, or each its own query.

    model: ignored. queries: one, or as many as documents; other names are `data_1` and `text_1`. documents: one or
    several; other names are `items`, `data_2` and `text_2`.
    """

    model: str | None = None
    queries: SkipValidation[list[QueryForm] | QueryForm]
    documents: SkipValidation[list[DocumentForm] | DocumentForm]

    @model_validator(mode="before")
    @classmethod
    def _with_one_name(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        fields = {"model": value.get("model")}
        for field, names in (("queries", QUERY_NAMES), ("documents", DOCUMENT_NAMES)):
            given = [name for name in names if value.get(name) is not None]
            if len(given) > 1:
                raise RequestMalformed(where=given[1])
            if given:
                fields[field] = value[given[0]]
        return fields


class SearchFilters(_Request):
    """Which pictures are searched. since, until: the first and the last date: "2024", "2024-05" or "2024-05-01".

    formats: such as "JPEG". least_px: of the shorter side. labels: that a picture must have, by any of their names.
    """

    since: str | None = None
    until: str | None = None
    formats: list[str] | None = None
    least_px: Annotated[int | None, Field(ge=0)] = None
    labels: list[str] | None = None


class SearchRequest(_Request):
    """Search a library for a query: a text, a picture, or both.

    library: its name; may be left out if the server has one. exclude: as in `RerankRequest`. like: ids of pictures of
    the library that the others should be like. example_weight: of these and of the picture of the query, in the first
    stage; the text has the rest. recall: pictures that the first stage finds. rerank: whether the model
    ranks those; if not, they come in the order of similarity. top_n: the number of results.
    """

    library: str | None = None
    query: SkipValidation[QueryForm | None] = None
    exclude: SkipValidation[QueryForm | None] = None
    like: Annotated[list[Annotated[int, Field(ge=0)]] | None, Field(max_length=10)] = None
    example_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    filters: SearchFilters | None = None
    recall: Annotated[int, Field(ge=1, le=MAX_RECALL)] = 200
    rerank: bool = True
    top_n: Annotated[int, Field(ge=1)] = 10


class TagRequest(_Request):
    """Label documents, of which only the pictures count.

    documents: one or several. labels: "general", "aerial" or "toybox", "auto" for one of these, or a list of labels.
    lang: of the labels in the response: "en", "zh" or "both". threshold: least confidence; as calibrated if null.
    top_k: most labels of a picture. groups: only labels of these groups. candidates: labels of a picture that the dual
    encoder proposes and the model judges. rerank: whether the model judges; else the confidences are the encoder's own.
    """

    documents: SkipValidation[list[DocumentForm] | DocumentForm]
    labels: str | list[str] = "auto"
    lang: Literal["en", "zh", "both"] = "en"
    threshold: Annotated[float | None, Field(ge=0, le=1)] = None
    top_k: Annotated[int | None, Field(ge=1)] = None
    groups: list[str] | None = None
    candidates: Annotated[int, Field(ge=1, le=MAX_PROPOSED)] = PROPOSED
    rerank: bool = True


class PictureLabel(BaseModel):
    """A label of a picture. confidence: probability that it fits. group: of labels; null if it has none."""

    label: str
    confidence: float
    group: str | None


class PictureLabels(BaseModel):
    """The labels of a document, most confident first. index: its position in the request, from 0.

    error: the reason in one sentence if it could not be judged, else null.
    """

    index: int
    labels: list[PictureLabel]
    error: str | None


class TagResponse(BaseModel):
    """The labels of all documents, in their order. model: what judged; null if the encoder did.

    encoder: what proposed; null if all labels were judged. vocabulary: name of the labels.
    """

    id: str
    model: str | None
    encoder: str | None
    vocabulary: str
    results: list[PictureLabels]


class Hit(BaseModel):
    """A picture that was found. id: in the library. relevance_score: probability of a match; null if it is not ranked.

    similarity: cosine of the picture and the query. width, height: in pixels. date: when it was taken, or else changed.
    files: how many equal files there are. alike: number of a group of near-duplicates among those that were recalled.
    thumbnail: path on this server.
    """

    id: int
    name: str
    relevance_score: float | None
    similarity: float
    width: int
    height: int
    date: str
    files: int
    alike: int | None
    thumbnail: str


class SearchFailure(BaseModel):
    """A picture that was recalled and could not be scored, and the reason in one sentence."""

    id: int
    detail: str


class SearchResponse(BaseModel):
    """What was found, best first. model: null if the pictures were not ranked.

    recalled: how many pictures the first stage has found. none_relevant: whether the model says that none fits.
    """

    id: str
    library: str
    encoder: str
    model: str | None
    recalled: int
    none_relevant: bool
    results: list[Hit]
    failures: list[SearchFailure]


class LibrarySummary(BaseModel):
    """A library. id: its name. pictures: files that can be found. encoder: what has made its vectors."""

    id: str
    object: str = "library"
    pictures: int
    encoder: str


class Libraries(BaseModel):
    """The libraries of the server."""

    object: str = "list"
    data: list[LibrarySummary]


class ResultDocument(BaseModel):
    """A document that is repeated. image: as it was sent."""

    text: str
    image: str | None = None


class Result(BaseModel):
    """A scored document. index: its position in the request, from 0. relevance_score: probability of a match."""

    index: int
    relevance_score: float
    document: ResultDocument | None = None


class ScoreResult(BaseModel):
    """A scored document. index: its position in the request, from 0. score: probability of a match."""

    index: int
    object: str = "score"
    score: float


class Failure(BaseModel):
    """A document that could not be scored, and the reason in one sentence."""

    index: int
    detail: str


class Usage(BaseModel):
    """The number of pictures that were scored, and of the visual tokens in them, twice."""

    images: int
    prompt_tokens: int
    total_tokens: int


class RankingSummary(BaseModel):
    """All of a ranking but its results. failures: documents without a score, by index."""

    id: str
    model: str
    failures: list[Failure]
    usage: Usage


class RerankResponse(RankingSummary):
    """The ranking. results: the most relevant first. failures: documents without a score, by index."""

    results: list[Result]


class ScoreResponse(BaseModel):
    """The scores. data: by index. failures: documents without a score, by index. created: in seconds since 1970."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[ScoreResult]
    failures: list[Failure]
    usage: Usage


class ErrorResponse(BaseModel):
    """An error, in one sentence."""

    detail: str


class Worker(BaseModel):
    """What a worker does. in_flight: batches that it has. pictures: that it has scored.

    pictures_per_s: while it had something to do.
    """

    in_flight: int
    pictures: int
    pictures_per_s: float


class Health(BaseModel):
    """The state of the server. alive: always true. ready: the model is loaded; `model` is null before that.

    queue: the number of runs, and of batches of workers, that wait for a device. workers: empty if the model runs in
    the process of the server.
    """

    alive: bool
    ready: bool
    model: str | None
    queue: int
    workers: list[Worker]


class Model(BaseModel):
    """The model in use."""

    id: str
    object: str = "model"


class Models(BaseModel):
    """A list of one model, in the form that clients expect."""

    object: str = "list"
    data: list[Model]

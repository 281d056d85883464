"""The requests and responses of the HTTP API, and its description in the form of OpenAPI."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, ValidationError
from pydantic.json_schema import models_json_schema

from reranker.core.errors import RequestMalformed
from reranker.server.documents import Document, Text
from reranker.version import __version__


class RerankRequest(BaseModel):
    """Rank documents by how well they match a query.

    model: ignored; the response names the model that ran. documents: pictures as data URIs or base64. top_n: the number
    of results to return, all of them if null. return_documents: repeat each document in its result.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: str | None = None
    query: Annotated[Text, Field(min_length=1)]
    # They are counted first, and then validated one by one by `to_document`.
    documents: Annotated[list[SkipValidation[Document]], Field(min_length=1)]
    top_n: Annotated[int | None, Field(ge=1)] = None
    return_documents: bool = False

    @classmethod
    def of(cls, value: object) -> "RerankRequest":
        """Return the request in a JSON value. Raises `RequestMalformed` with the first field that is wrong."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            location = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"]
            raise RequestMalformed(where=str(location[0]) if location else "body") from None


class Result(BaseModel):
    """A scored document. index: its position in the request, from 0. relevance_score: probability of a match."""

    index: int
    relevance_score: float
    document: dict[str, str] | None = None


class Failure(BaseModel):
    """A document that could not be scored, and the reason in one sentence."""

    index: int
    detail: str


class Usage(BaseModel):
    """The number of pictures that were scored, and of the visual tokens in them."""

    images: int
    total_tokens: int


class RerankResponse(BaseModel):
    """The ranking. results: the most relevant first. failures: documents without a score, by index."""

    model: str
    results: list[Result]
    failures: list[Failure]
    usage: Usage


class ErrorResponse(BaseModel):
    """An error, in one sentence."""

    detail: str


class Health(BaseModel):
    """The state of the server. alive: always true. ready: the model is loaded; `model` is null before that.

    queue: the number of runs that wait for the device.
    """

    alive: bool
    ready: bool
    model: str | None
    queue: int


class Model(BaseModel):
    """The model in use."""

    id: str
    object: str = "model"


class Models(BaseModel):
    """A list of one model, in the form that clients expect."""

    object: str = "list"
    data: list[Model]


ERROR_STATUSES = (400, 401, 403, 408, 413, 422, 429, 500, 503)


def description(prefix: str) -> dict[str, Any]:
    """Return the description of the API. prefix: the path of its endpoints on the server."""
    template = "#/components/schemas/{model}"
    models = (RerankRequest, RerankResponse, ErrorResponse, Models)
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=template)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rank pictures by a sentence", "version": __version__},
        "servers": [{"url": prefix}],
        "paths": {
            "/rerank": {
                "post": {
                    "summary": "Rank pictures by how well each matches a sentence in Chinese, English or both.",
                    "requestBody": {"required": True, "content": _content(RerankRequest, template)},
                    "responses": _responses(RerankResponse, template),
                }
            },
            "/models": {"get": {"summary": "List the model in use.", "responses": _responses(Models, template)}},
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"HTTPBearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"HTTPBearer": []}],
    }


def _responses(model: type[BaseModel], template: str) -> dict[str, Any]:
    errors = {"description": "An error", "content": _content(ErrorResponse, template)}
    success = {"description": "Success", "content": _content(model, template)}
    return {"200": success, **{str(status): errors for status in ERROR_STATUSES}}


def _content(model: type[BaseModel], template: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": template.format(model=model.__name__)}}}

"""The description of the HTTP API in the form of OpenAPI."""

from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from reranker.server.api_schema import (
    ErrorResponse,
    Libraries,
    Models,
    RerankRequest,
    RerankResponse,
    ScoreRequest,
    ScoreResponse,
    SearchRequest,
    SearchResponse,
    TagRequest,
    TagResponse,
)
from reranker.version import __version__

ERRORS: Final = {
    400: "A mistake in the request",
    401: "The key is missing or wrong",
    403: "The page of another site has sent the request",
    408: "The request did not arrive in time",
    413: "The request is too large, or has too many pictures",
    422: "No picture could be scored",
    429: "The queue is full, or too many wrong keys came; Retry-After says when to try again",
    500: "An unexpected error, or the GPU has failed",
    503: "The model cannot be used, or the server is shutting down",
}
_TEMPLATE: Final = "#/components/schemas/{model}"


def description(root_path: str, rerank_paths: tuple[str, ...], score_paths: tuple[str, ...]) -> dict[str, Any]:
    """Return the description of the API. root_path: of the server behind a proxy; empty without one."""
    requests = RerankRequest, ScoreRequest, SearchRequest, TagRequest
    responses = RerankResponse, ScoreResponse, SearchResponse, TagResponse, Libraries, ErrorResponse, Models
    models: list[tuple[type[BaseModel], Literal["validation"]]] = [
        (model, "validation") for model in (*requests, *responses)
    ]
    _, schemas = models_json_schema(models, ref_template=_TEMPLATE)
    rerank = _post("Rank pictures by how well each matches a sentence.", RerankRequest, RerankResponse)
    score = _post("Score how well pictures match a sentence, or each its own.", ScoreRequest, ScoreResponse)
    search = _post("Search a library of pictures by a sentence.", SearchRequest, SearchResponse)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rank pictures by a sentence", "version": __version__},
        "servers": [{"url": root_path or "/"}],
        "paths": {
            **{path: {"post": rerank} for path in rerank_paths},
            **{path: {"post": score} for path in score_paths},
            "/v1/search": {"post": search},
            "/v1/tag": {"post": _post("Label pictures.", TagRequest, TagResponse)},
            "/v1/libraries": {"get": {"summary": "List the libraries.", "responses": _responses(Libraries)}},
            "/v1/models": {"get": {"summary": "List the model in use.", "responses": _responses(Models)}},
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"HTTPBearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"HTTPBearer": []}],
    }


def _post(summary: str, request: type[BaseModel], response: type[BaseModel]) -> dict[str, Any]:
    body = {"required": True, "content": _content(request)}
    return {"summary": summary, "requestBody": body, "responses": _responses(response)}


def _responses(model: type[BaseModel]) -> dict[str, Any]:
    errors = {str(status): {"description": text, "content": _content(ErrorResponse)} for status, text in ERRORS.items()}
    return {"200": {"description": "Success", "content": _content(model)}, **errors}


def _content(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _TEMPLATE.format(model=model.__name__)}}}

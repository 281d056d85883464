"""Answer the requests of the HTTP API: score the documents in a body, and write the response."""

import json
import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import QueriesUnmatched, TooManyPictures
from reranker.core.scores import sigmoid
from reranker.core.types import Candidate, Failed, Query, Ranking, Scored
from reranker.i18n.error_messages import Language, sentence
from reranker.pipelines.rerank import sort_events, unfit_precision
from reranker.server.api_schema import (
    Failure,
    RankingSummary,
    RerankRequest,
    Result,
    ScoreRequest,
    ScoreResponse,
    ScoreResult,
    Usage,
)
from reranker.server.base64_text import EncodedText
from reranker.server.documents import Document, to_candidate, to_document, to_list, to_query_parts, to_text
from reranker.server.json_bodies import JsonLimits, parse_json

PART_BYTES: Final = 1_000_000  # of a response


class Answering:
    """Answer one request, in a thread. language: of the sentences; stop: ends the ranking.

    The methods raise `RequestError`, `CheckpointError`, `DeviceFailed`, and if no document could be scored
    `PrecisionUnsuitable` or the `PictureError` of the first.
    """

    def __init__(self, reranker: Reranker, language: Language, stop: Cancellation) -> None:
        self._reranker, self._language, self._stop = reranker, language, stop

    def rerank(self, body: bytearray) -> Response:
        """Rank the documents in a body."""
        request = RerankRequest.of(self._parsed(body))
        values = self._counted(request.documents)
        query = self._query(request.query, "query", request.exclude)
        documents = [to_document(value, index) for index, value in enumerate(values)]
        ranking, tokens = self._run([query] * len(documents), documents, request.top_n)
        summary = RankingSummary(id=f"rerank-{uuid.uuid4().hex}", **self._summary(ranking, tokens, len(documents)))
        shown = None if request.return_documents is False else documents
        return _JsonResponse(_json_parts(ranking.scored, shown, request.return_documents is True, summary))

    def score(self, body: bytearray) -> Response:
        """Score the documents in a body, without ranking them."""
        request = ScoreRequest.of(self._parsed(body))
        values = self._counted(request.documents)
        queries = self._queries(request.queries, len(values))
        documents = [to_document(value, index) for index, value in enumerate(values)]
        ranking, tokens = self._run(queries, documents)
        results = [ScoreResult(index=each.position, score=sigmoid(each.score.log_odds)) for each in ranking.scored]
        response = ScoreResponse(
            id=f"score-{uuid.uuid4().hex}",
            created=int(time.time()),
            data=sorted(results, key=lambda result: result.index),
            **self._summary(ranking, tokens, len(documents)),
        )
        return JSONResponse(response.model_dump())

    def _parsed(self, body: bytearray) -> Any:
        return parse_json(body, JsonLimits.of(self._reranker.settings.limits.max_pictures))

    def _counted(self, value: Any) -> list[Any]:
        """Return the documents of a request before they are validated."""
        values, max_pictures = to_list(value, "documents"), self._reranker.settings.limits.max_pictures
        if len(values) > max_pictures:
            raise TooManyPictures(count=len(values), max_count=max_pictures)
        return values

    def _queries(self, value: Any, document_count: int) -> list[Query]:
        """Return a query for each document."""
        values = value if isinstance(value, list) else [value]
        if len(values) not in (1, document_count):
            raise QueriesUnmatched(count=len(values), document_count=document_count)
        queries = [self._query(each, "queries") for each in values]
        return queries if len(queries) == document_count else queries * document_count

    def _query(self, value: Any, where: str, exclude: Any = None) -> Query:
        """Return the query in a value. where: its name in the request; exclude: what is excluded, in the same forms."""
        parts = to_query_parts(value, where)
        excluded = "" if exclude is None else to_text(exclude, "exclude")
        return self._reranker.query(parts.text, excluded, example=parts.example)

    def _run(
        self, queries: Sequence[Query], documents: Sequence[Document], top_n: int | None = None
    ) -> tuple[Ranking, int]:
        """Return the ranking of each document for its query, and the visual tokens; one run for each query."""
        candidates = [to_candidate(document, index) for index, document in enumerate(documents)]
        outcomes: list[Scored | Failed] = []  # with positions in the request
        tokens = 0
        for query, positions in _positions(queries).items():
            chosen = [candidates[position] for position in positions]
            ranking, run_tokens = self._ranked(query, chosen, top_n)
            tokens += run_tokens
            outcomes += [replace(scored, position=positions[scored.position]) for scored in ranking.scored]
            outcomes += [replace(failed, position=positions[failed.position]) for failed in ranking.failed]
        all_scored, all_failed = sort_events(outcomes)
        merged = replace(ranking, scored=all_scored, failed=all_failed)
        _require_scores(merged)
        return merged, tokens

    def _ranked(self, query: Query, candidates: Sequence[Candidate], top_n: int | None) -> tuple[Ranking, int]:
        *events, ranking = self._reranker.rank_stream(query, candidates, top_k=top_n, cancellation=self._stop)
        assert isinstance(ranking, Ranking)
        return ranking, sum(event.score.visual_tokens for event in events if isinstance(event, Scored))

    def _summary(self, ranking: Ranking, tokens: int, document_count: int) -> dict[str, Any]:
        """Return the fields that both responses have."""
        failures = [
            Failure(index=failed.position, detail=sentence(failed.error, self._language)) for failed in ranking.failed
        ]
        usage = Usage(images=document_count - len(failures), prompt_tokens=tokens, total_tokens=tokens)
        return {"model": self._reranker.model_name, "failures": failures, "usage": usage}


def _positions(queries: Sequence[Query]) -> dict[Query, list[int]]:
    """Return the positions of each query."""
    positions: dict[Query, list[int]] = {}
    for position, query in enumerate(queries):
        positions.setdefault(query, []).append(position)
    return positions


def _require_scores(ranking: Ranking) -> None:
    """Raise `PrecisionUnsuitable`, or the `PictureError` of the first picture, if none was scored."""
    if (unfit := unfit_precision(ranking)) is not None:
        raise unfit
    if not ranking.scored:
        raise ranking.failed[0].error


def _json_parts(
    scored: Sequence[Scored], documents: Sequence[Document] | None, with_images: bool, rest: RankingSummary
) -> Generator[str | bytes, None, None]:
    """Yield the response in small parts, as it can repeat hundreds of megabytes. documents: None to repeat none."""
    yield '{"results": ['
    for number, each in enumerate(scored):
        result = Result(index=each.position, relevance_score=sigmoid(each.score.log_odds))
        yield (", " if number else "") + json.dumps(result.model_dump(exclude_none=True))[:-1]
        if documents is not None:
            document = documents[each.position]
            yield f', "document": {{"text": {json.dumps(document.text)}'
            if with_images:
                yield ', "image": '
                yield from _json_string(document.image)
            yield "}"
        yield "}"
    yield f"], {rest.model_dump_json()[1:]}"


def _json_string(text: EncodedText) -> Iterator[str | bytes]:
    """Yield a string in JSON, part by part. A `LongString` was valid in the request, as it was decoded."""
    if isinstance(text, str):
        yield json.dumps(text)
        return
    yield '"'
    for start in range(0, len(text.encoded), PART_BYTES):
        yield bytes(text.encoded[start : start + PART_BYTES])
    yield '"'


class _JsonResponse(Response):
    """A response of many parts, which are made one by one."""

    media_type = "application/json"

    def __init__(self, parts: Generator[str | bytes, None, None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with closing(self._parts) as parts:
            for part in parts:
                data = part.encode() if isinstance(part, str) else part
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

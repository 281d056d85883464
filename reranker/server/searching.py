"""Answer searches of libraries for the HTTP API. Pictures have ids, names and thumbnails; paths are not told."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from reranker.core.cancellation import Cancellation
from reranker.core.errors import LibraryMissing, PathUnknown, RequestMalformed
from reranker.core.scores import none_relevant, sigmoid
from reranker.core.text import well_formed
from reranker.core.types import Candidate, Ranking, Scored, ScorerInfo
from reranker.i18n.error_messages import Language, sentence
from reranker.images.thumbnails import make_thumbnail
from reranker.library import Library
from reranker.pipelines.library_search import SearchResult, drain
from reranker.pipelines.recall import Recalled, SearchQuery
from reranker.server.api_schema import (
    Hit,
    Libraries,
    LibrarySummary,
    SearchFailure,
    SearchFilters,
    SearchRequest,
    SearchResponse,
)
from reranker.server.documents import to_query_parts, to_text
from reranker.server.json_bodies import JsonLimits, parse_json
from reranker.storage.picture_filter import PictureFilter

MAX_LIKE = 10  # pictures of one search
THUMBNAIL_PX, THUMBNAIL_QUALITY = 512, 85


class Searching:
    """Answer requests, in a thread. libraries: by name. language: of the sentences.

    The methods raise `RequestError`, `LibraryMissing` and what `Library.search` does.
    """

    def __init__(self, libraries: Mapping[str, Library], language: Language) -> None:
        self._libraries, self._language = libraries, language

    def search(self, body: bytearray, stop: Cancellation) -> Response:
        """Search a library. stop: ends the ranking."""
        request = SearchRequest.of(parse_json(body, JsonLimits.of(MAX_LIKE)))
        name, library = self._library(request.library)
        query, where = self._query(library, request), _filter(library, request.filters or SearchFilters())
        events = library.search_stream(
            query,
            where=where,
            recall=request.recall,
            top_k=request.top_n,
            reranked=request.rerank,
            cancellation=stop,
        )
        result = drain(events)
        return JSONResponse(search_response(name, library, result, request.top_n, self._language).model_dump())

    def _library(self, name: str | None) -> tuple[str, Library]:
        """Return the library of a name; without one, the only library."""
        if name is None and len(self._libraries) == 1:
            return next(iter(self._libraries.items()))
        if name is None:
            raise RequestMalformed(where="library")
        if name not in self._libraries:
            raise LibraryMissing(name=well_formed(name))
        return name, self._libraries[name]

    def _query(self, library: Library, request: SearchRequest) -> SearchQuery:
        parts = to_query_parts("" if request.query is None else request.query, "query")
        exclude = "" if request.exclude is None else to_text(request.exclude, "exclude")
        examples = [] if parts.example is None else [parts.example]
        for id_ in request.like or ():
            files = library.files(id_)
            if not files:
                raise RequestMalformed(where="like")
            examples.append(Candidate.of(files[0].path))
        return library.query(parts.text, exclude, like=examples, example_weight=request.example_weight)

    def libraries(self) -> Response:
        """List the libraries."""
        summaries = []
        for name, library in self._libraries.items():
            facts = library.facts()
            if facts.counts is not None and facts.encoder is not None:
                summaries.append(LibrarySummary(id=name, pictures=facts.counts.pictures, encoder=facts.encoder.shown))
        return JSONResponse(Libraries(data=summaries).model_dump())

    def thumbnail(self, name: str, id_: str) -> Response:
        """Return a small JPEG of a picture."""
        _, library = self._library(name)
        files = library.files(int(id_)) if id_.isascii() and id_.isdigit() and len(id_) < 16 else []
        if not files:
            raise PathUnknown
        candidate, limits = Candidate.of(files[0].path), library.reranker.limits
        jpeg = make_thumbnail(candidate, limits, max_px=THUMBNAIL_PX, quality=THUMBNAIL_QUALITY)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def search_response(
    name: str, library: Library, result: SearchResult, top_n: int, language: Language
) -> SearchResponse:
    """Return the result of a search for programs. name: of the library. top_n: the number of results."""
    ranking = result.ranking
    return SearchResponse(
        id=f"search-{uuid.uuid4().hex}",
        library=name,
        encoder=library.encoder_name,
        model=library.reranker.model_name if ranking else None,
        recalled=len(result.recall.recalled),
        none_relevant=ranking is not None and _is_none_relevant(ranking, library.reranker.info),
        results=[_hit(name, recalled, scored) for recalled, scored in result.ordered[:top_n]],
        failures=[
            SearchFailure(id=result.recall.recalled[failed.position].id, detail=sentence(failed.error, language))
            for failed in (ranking.failed if ranking else ())
        ],
    )


def _is_none_relevant(ranking: Ranking, info: ScorerInfo) -> bool:
    log_odds = [scored.score.log_odds for scored in ranking.scored]
    return none_relevant(log_odds, ranking.temperature, info.relevance_threshold)


def _filter(library: Library, filters: SearchFilters) -> PictureFilter:
    where = PictureFilter.of(
        since=filters.since or "",
        until=filters.until or "",
        formats=filters.formats or (),
        least_px=filters.least_px or 0,
    )
    return replace(where, labels=library.label_keys(filters.labels)) if filters.labels else where


def _hit(library: str, recalled: Recalled, scored: Scored | None) -> Hit:
    file = recalled.files[0]
    values: dict[str, Any] = {"width": file.size_px[0], "height": file.size_px[1], "date": file.date}
    return Hit(
        id=recalled.id,
        name=well_formed(file.path.name),
        relevance_score=None if scored is None else sigmoid(scored.score.log_odds),
        similarity=recalled.cosine,
        files=len(recalled.files),
        alike=recalled.alike,
        thumbnail=f"/v1/libraries/{quote(library)}/pictures/{recalled.id}/thumbnail",
        **values,
    )

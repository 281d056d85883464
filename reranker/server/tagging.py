"""Answer requests for labels of pictures, for the HTTP API and for the endpoints of the page."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from reranker.core.cancellation import Cancellation
from reranker.core.errors import FilterInvalid, TooManyPictures
from reranker.core.types import Failed
from reranker.export.label_rows import label_object
from reranker.i18n.error_messages import Language
from reranker.pipelines.tag import Tagged
from reranker.server.api_schema import PictureLabels, TagRequest, TagResponse
from reranker.server.documents import to_candidate, to_document, to_list
from reranker.server.json_bodies import JsonLimits, parse_json
from reranker.tagger import AUTO, Tagger, Taggers
from reranker.vocabulary.label_files import BUILT_IN, vocabulary_of
from reranker.vocabulary.labels import LabelLanguage

MAX_LABELS: Final = 1000  # that a request brings


class Tagging:
    """Answer one request, in a thread. language: of the sentences; stop: ends the run.

    Raises `RequestError`, `VocabularyError`, `CheckpointError`, `DeviceFailed`, and the `PictureError` of the first
    document if none could be judged.
    """

    def __init__(self, taggers: Taggers, language: Language, stop: Cancellation) -> None:
        self._taggers, self._language, self._stop = taggers, language, stop

    def tag(self, body: bytearray) -> Response:
        """Label the documents in a body."""
        limits = self._taggers.reranker.settings.limits
        request = TagRequest.of(parse_json(body, JsonLimits.of(limits.max_pictures)))
        values = to_list(request.documents, "documents")
        if len(values) > limits.max_pictures:
            raise TooManyPictures(count=len(values), max_count=limits.max_pictures)
        candidates = [to_candidate(to_document(value, index), index) for index, value in enumerate(values)]
        tagger = requested_tagger(
            self._taggers,
            request.labels,
            threshold=request.threshold,
            top_k=request.top_k,
            groups=request.groups or (),
            proposed=request.candidates,
            rerank=request.rerank,
        )
        results = list(tagger.tag_stream(candidates, self._stop))
        if isinstance(first := results[0], Failed) and all(isinstance(each, Failed) for each in results):
            raise first.error
        return JSONResponse(tag_response(tagger, results, request.lang, self._language).model_dump())


def requested_tagger(taggers: Taggers, labels: str | Sequence[str], **options: Any) -> Tagger:
    """Return the tagger of a request. labels: a vocabulary of the program by its name, or labels; never a file."""
    if isinstance(labels, str):
        names = (AUTO, *BUILT_IN)
        if labels not in names:
            raise FilterInvalid(filter="labels", value=labels, expected=" | ".join(names))
        return taggers.of(labels, **options)
    if len(labels) > MAX_LABELS:
        raise FilterInvalid(filter="labels", value=f"{len(labels):,}", expected=f"{MAX_LABELS:,} at most")
    return taggers.of(vocabulary_of(labels), **options)


def tag_response(
    tagger: Tagger, results: Iterable[Tagged | Failed], label_language: LabelLanguage, language: Language
) -> TagResponse:
    """Return what was recognised, for programs. language: of the errors."""
    pictures = []
    for result in results:
        values = label_object(result, label_language, language)
        pictures.append(PictureLabels(index=result.position, labels=values["labels"], error=values["error"]))
    return TagResponse(
        id=f"tag-{uuid.uuid4().hex}",
        model=tagger.reranker.model_name if tagger.is_reranked else None,
        encoder=tagger.encoder_shown,
        vocabulary=tagger.vocabulary.name,
        results=pictures,
    )

"""The page's endpoints for programs: typed for gradio_client and curl, and tools for MCP clients.

Client("http://127.0.0.1:7860").submit("a red boat", [handle_file("boat.png")], api_name="/rank_stream")
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.events import api

from reranker.core.errors import ExampleUnreadable, LibraryMissing, RequestMalformed, TooFewPictures, TooManyPictures
from reranker.core.scores import shown_score
from reranker.core.text import well_formed
from reranker.core.types import Candidate, Failed, Query, Ranking, Scored
from reranker.i18n.error_messages import Language, sentence
from reranker.i18n.page_texts import language_of, phrase
from reranker.library import RECALL, Library
from reranker.server.api_schema import MAX_RECALL, TagRequest
from reranker.server.searching import search_response
from reranker.server.tagging import requested_tagger, tag_response
from reranker.storage.picture_filter import PictureFilter
from reranker.tagger import Taggers
from reranker.ui.api_responses import api_response, with_refused
from reranker.ui.error_toasts import errors_as_sentences
from reranker.ui.session.model_state import judged_by
from reranker.ui.uploads import CheckedPictures, Uploads


def add_api_endpoints(uploads: Uploads, libraries: Mapping[str, Library], taggers: Taggers, **options: Any) -> None:
    """Add the endpoints to the page whose layout is being defined; that of searches only if there are libraries.

    options: of `gradio.events.api`.
    """
    endpoints = ApiEndpoints(uploads, libraries, taggers)
    for name in ("rank", "rank_stream", "tag", *(["search_library"] if libraries else [])):
        api(getattr(endpoints, name), api_name=name, **options)


class ApiEndpoints:
    """Rank the pictures that programs upload. Every error becomes a `gr.Error` with one sentence.

    MCP clients read the docstrings of the methods.
    """

    def __init__(self, uploads: Uploads, libraries: Mapping[str, Library], taggers: Taggers) -> None:
        self._reranker, self._uploads, self._libraries, self._taggers = taggers.reranker, uploads, libraries, taggers

    def rank(
        self,
        query: str,
        pictures: list[gr.FileData],
        request: gr.Request,
        top_k: int | None = None,
        texts: list[str] | None = None,
        exclude: str = "",
        example: gr.FileData | None = None,
    ) -> dict[str, Any]:
        """Rank uploaded pictures by how well each matches a sentence in Chinese, English or both, or a picture.

        Args:
            query: the sentence; it may be empty if there is an example.
            pictures: uploaded files, or data URIs (data:image/png;base64,...).
            top_k: the number of scored pictures to return, all of them if null.
            texts: a text to score together with each picture, such as a product's title; one for each picture, or null.
            exclude: what must not be in the pictures; empty to exclude nothing.
            example: a picture that the others should be like, as in `pictures`, or null.

        Returns:
            query, exclude, example, model, fingerprint, and results: rank, name, status, score (0 to 10), log_odds,
            words, error and sha256 of each picture.
        """
        *_, ranked = self.rank_stream(query, pictures, request, top_k, texts, exclude, example)
        return {key: value for key, value in ranked.items() if key != "event"}

    def rank_stream(
        self,
        query: str,
        pictures: list[gr.FileData],
        request: gr.Request,
        top_k: int | None = None,
        texts: list[str] | None = None,
        exclude: str = "",
        example: gr.FileData | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Rank uploaded pictures, and report each picture as soon as it is scored; the ranking comes last.

        Args:
            query: the sentence; it may be empty if there is an example.
            pictures: uploaded files, or data URIs (data:image/png;base64,...).
            top_k: the number of scored pictures in the ranking, all of them if null.
            texts: a text to score together with each picture, such as a product's title; one for each picture, or null.
            exclude: what must not be in the pictures; empty to exclude nothing.
            example: a picture that the others should be like, as in `pictures`, or null.

        Returns:
            for each picture event "judged" with done, total, name, status, score, log_odds and error; at the end event
            "ranked" with all that `rank` returns.
        """
        language = language_of(request.headers.get("accept-language"))
        with errors_as_sentences(language):
            if not (_is_well_formed(query, exclude, pictures, top_k) and _are_texts(texts, pictures)):
                raise gr.Error(phrase("malformed", language), print_exception=False)
            checked = self._checked(pictures)
            candidates, checked_query = _with_texts(checked, texts), self._query(query, exclude, example)
            with closing(self._reranker.rank_stream(checked_query, candidates, top_k=top_k)) as stream:
                yield from self._events(stream, checked, language)

    def tag(
        self,
        pictures: list[gr.FileData],
        request: gr.Request,
        labels: str = "auto",
        own_labels: list[str] | None = None,
        language: str = "en",
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> dict[str, Any]:
        """Label uploaded pictures: what they show, each label with a confidence.

        Args:
            pictures: uploaded files, or data URIs (data:image/png;base64,...).
            labels: a vocabulary: general, aerial, toybox, or auto for the one that suits the model.
            own_labels: labels in Chinese or English to look for instead, or null.
            language: of the labels in the result: en, zh or both.
            threshold: the least confidence of a label, from 0 to 1; as calibrated if null.
            top_k: the most labels of a picture, all of them if null.

        Returns:
            model, encoder, vocabulary, and results: index, labels (label, confidence from 0 to 1, group) and error of
            each picture.
        """
        shown_in = language_of(request.headers.get("accept-language"))
        with errors_as_sentences(shown_in):
            values = {"documents": [], "labels": own_labels or labels, "lang": language}
            asked = TagRequest.of(values | {"threshold": threshold, "top_k": top_k})
            if not isinstance(pictures, list):
                raise RequestMalformed(where="pictures")
            checked = self._checked(pictures)
            tagger = requested_tagger(self._taggers, asked.labels, threshold=asked.threshold, top_k=asked.top_k)
            judged = tagger.tag_stream(checked.candidates)
            results = [*checked.refused, *(checked.restored(result) for result in judged)]
            results.sort(key=lambda result: result.position)
            return tag_response(tagger, results, asked.lang, shown_in).model_dump()

    def search_library(
        self,
        query: str,
        request: gr.Request,
        library: str = "",
        exclude: str = "",
        example: gr.FileData | None = None,
        since: str = "",
        until: str = "",
        recall: int = RECALL,
        top_k: int = 10,
    ) -> dict[str, Any]:
        """Search a library of pictures on this machine by a sentence in Chinese, English or both, or a picture.

        Args:
            query: the sentence; it may be empty if there is an example.
            library: the name of the library; may be empty if the server has one.
            exclude: what must not be in the pictures; empty to exclude nothing.
            example: a picture that the others should be like, an uploaded file or a data URI, or null.
            since: the first date of the pictures, such as 2024-05-01 or 2024; empty for all.
            until: the last date of the pictures; empty for all.
            recall: the number of pictures that are ranked, the most similar ones of the library.
            top_k: the number of pictures to return.

        Returns:
            library, encoder, model (null if nothing was ranked), recalled, none_relevant (whether no picture fits),
            failures, and results: id, name, relevance_score (0 to 1), similarity, width, height, date, files, alike and
            thumbnail (a path on this server) of each picture.
        """
        language = language_of(request.headers.get("accept-language"))
        with errors_as_sentences(language):
            if not (_is_well_formed(query, exclude, [], top_k) and _is_recall(recall) and isinstance(library, str)):
                raise gr.Error(phrase("search_malformed", language), print_exception=False)
            name = library or (next(iter(self._libraries)) if len(self._libraries) == 1 else "")
            if name not in self._libraries:
                raise LibraryMissing(name=well_formed(name))
            chosen = self._libraries[name]
            examples = [] if example is None else [self._example(example)]
            where = PictureFilter.of(since=str(since), until=str(until))
            result = chosen.search(chosen.query(query, exclude, like=examples), where=where, recall=recall, top_k=top_k)
            return search_response(name, chosen, result, top_k, language).model_dump()

    def _query(self, text: str, exclude: str, example: object) -> Query:
        """Raises `RequestError`."""
        return self._reranker.query(text, exclude, example=None if example is None else self._example(example))

    def _example(self, example: object) -> Candidate:
        """Raises `ExampleUnreadable`."""
        checked = self._uploads.check([example], allow_data_uris=True)
        if checked.refused:
            raise ExampleUnreadable(checked.refused[0].error)
        return checked.candidates[0]

    def _checked(self, pictures: list[Any]) -> CheckedPictures:
        """Raises `RequestError` if there are too few or too many pictures."""
        max_pictures = self._reranker.settings.limits.max_pictures
        if not pictures:
            raise TooFewPictures(count=0, min_count=1)
        if len(pictures) > max_pictures:
            raise TooManyPictures(count=len(pictures), max_count=max_pictures)
        return self._uploads.check(pictures, allow_data_uris=True)

    def _events(
        self, stream: Iterator[Scored | Failed | Ranking], checked: CheckedPictures, language: Language
    ) -> Iterator[dict[str, Any]]:
        temperature = self._reranker.info.temperature
        done = len(checked.refused)
        for event in stream:
            if isinstance(event, Ranking):
                ranking = with_refused(event, checked)
                yield {"event": "ranked", **api_response(ranking, judged_by(self._reranker), language)}
            else:
                done += 1
                progress = {"event": "judged", "done": done, "total": checked.total}
                yield progress | _picture_event(event, temperature, language)


def _picture_event(event: Scored | Failed, temperature: float, language: Language) -> dict[str, Any]:
    name = event.candidate.name
    if isinstance(event, Failed):
        reason = sentence(event.error, language)
        return {"name": name, "status": "failed", "score": None, "log_odds": None, "error": reason}
    log_odds = event.score.log_odds
    score = shown_score(log_odds, temperature)
    return {"name": name, "status": "scored", "score": score, "log_odds": log_odds, "error": None}


def _with_texts(checked: CheckedPictures, texts: list[str] | None) -> Sequence[Candidate]:
    if texts is None:
        return checked.candidates
    pairs = zip(checked.candidates, checked.positions, strict=True)
    return [replace(candidate, text=texts[position]) for candidate, position in pairs]


def _is_well_formed(query: object, exclude: object, pictures: object, top_k: object) -> bool:
    is_positive = isinstance(top_k, int) and not isinstance(top_k, bool) and top_k > 0
    are_texts = isinstance(query, str) and isinstance(exclude, str)
    return are_texts and isinstance(pictures, list) and (top_k is None or is_positive)


def _is_recall(recall: object) -> bool:
    return isinstance(recall, int) and not isinstance(recall, bool) and 0 < recall <= MAX_RECALL


def _are_texts(texts: object, pictures: list[Any]) -> bool:
    """Return whether there are no texts, or one for each picture."""
    if texts is None:
        return True
    return isinstance(texts, list) and len(texts) == len(pictures) and all(isinstance(text, str) for text in texts)

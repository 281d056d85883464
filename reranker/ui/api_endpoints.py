"""The page's endpoints for programs: typed for gradio_client and curl, and tools for MCP clients.

Client("http://127.0.0.1:7860").submit("a red boat", [handle_file("boat.png")], api_name="/rank_stream")
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.events import api

from reranker.api import Reranker
from reranker.core.errors import ExampleUnreadable, TooFewPictures, TooManyPictures
from reranker.core.scores import shown_score
from reranker.core.types import Candidate, Failed, Query, Ranking, Scored
from reranker.i18n.error_messages import Language, sentence
from reranker.i18n.page_texts import language_of, phrase
from reranker.ui.api_responses import api_response, with_refused
from reranker.ui.error_toasts import errors_as_sentences
from reranker.ui.session.model_state import judged_by
from reranker.ui.uploads import CheckedPictures, Uploads


def add_api_endpoints(reranker: Reranker, uploads: Uploads, **options: Any) -> None:
    """Add the endpoints to the page whose layout is being defined. options: of `gradio.events.api`."""
    endpoints = ApiEndpoints(reranker, uploads)
    for name in ("rank", "rank_stream"):
        api(getattr(endpoints, name), api_name=name, **options)


class ApiEndpoints:
    """Rank the pictures that programs upload. Every error becomes a `gr.Error` with one sentence.

    MCP clients read the docstrings of the methods.
    """

    def __init__(self, reranker: Reranker, uploads: Uploads) -> None:
        self._reranker, self._uploads = reranker, uploads

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

    def _query(self, text: str, exclude: str, example: object) -> Query:
        """Raises `RequestError`."""
        if example is None:
            return self._reranker.query(text, exclude)
        checked = self._uploads.check([example], allow_data_uris=True)
        if checked.refused:
            raise ExampleUnreadable(checked.refused[0].error)
        return self._reranker.query(text, exclude, example=checked.candidates[0])

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


def _are_texts(texts: object, pictures: list[Any]) -> bool:
    """Return whether there are no texts, or one for each picture."""
    if texts is None:
        return True
    return isinstance(texts, list) and len(texts) == len(pictures) and all(isinstance(text, str) for text in texts)

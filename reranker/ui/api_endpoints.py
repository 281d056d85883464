"""The page's functions for programs: typed endpoints for gradio_client and curl, and tools for who speaks MCP.

Client("http://127.0.0.1:7860").submit("a red boat", [handle_file("boat.png")], api_name="/rank_stream")
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.events import api

from reranker.api import Reranker
from reranker.core.errors import TooFewPictures, TooManyPictures
from reranker.core.scores import shown_score
from reranker.core.types import Candidate, Failed, Ranking, Scored
from reranker.i18n.error_messages import Language, sentence
from reranker.i18n.page_texts import language_of, phrase
from reranker.server.status import trouble
from reranker.ui.model_status import judged_by
from reranker.ui.ranking_view import answer, completed
from reranker.ui.uploads import Admission, Uploads


def offer_to_programs(reranker: Reranker, uploads: Uploads, **how: Any) -> None:
    """Add the endpoints to the page that is being laid out. how: their places in its queue."""
    programs = Programs(reranker, uploads)
    for name in ("rank", "rank_stream"):
        api(getattr(programs, name), api_name=name, **how)


class Programs:
    """Ranks what programs have uploaded. Whatever is wrong is raised as `gr.Error`, with one sentence."""

    def __init__(self, reranker: Reranker, uploads: Uploads) -> None:
        self._reranker, self._uploads = reranker, uploads

    def rank(
        self,
        query: str,
        pictures: list[gr.FileData],
        request: gr.Request,
        top_k: int | None = None,
        texts: list[str] | None = None,
    ) -> dict[str, Any]:
        """Rank uploaded pictures by how well each fits a sentence in Chinese, English or both.

        Args:
            query: the sentence.
            pictures: uploaded files, or data URIs (data:image/png;base64,...).
            top_k: how many of the scored pictures to answer, all where null.
            texts: what is judged with each picture, such as a product's title; as many as pictures, or null.

        Returns:
            query, model, fingerprint, and results: rank, name, status, score (0 to 10), log_odds, words and error
            of each.
        """
        *_, ranked = self.rank_stream(query, pictures, request, top_k, texts)
        return {key: value for key, value in ranked.items() if key != "event"}

    def rank_stream(
        self,
        query: str,
        pictures: list[gr.FileData],
        request: gr.Request,
        top_k: int | None = None,
        texts: list[str] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Rank uploaded pictures, and tell of each as soon as it is judged; the ranking comes last.

        Args:
            query: the sentence.
            pictures: uploaded files, or data URIs (data:image/png;base64,...).
            top_k: how many of the scored pictures the ranking has, all where null.
            texts: what is judged with each picture, such as a product's title; as many as pictures, or null.

        Returns:
            for each picture event "judged" with done, total, name, status, score, log_odds and error; at the end event
            "ranked" with all that `rank` returns.
        """
        language = language_of(request.headers.get("accept-language"))
        with _told_in_a_sentence(language):
            if not (_is_well_formed(query, pictures, top_k) and _are_texts(texts, pictures)):
                raise gr.Error(phrase("malformed", language), print_exception=False)
            admission = self._admitted(pictures)
            candidates = _with_texts(admission, texts)
            with closing(self._reranker.rank_stream(query, candidates, top_k=top_k)) as stream:
                yield from self._events(stream, admission, language)

    def _admitted(self, pictures: list[Any]) -> Admission:
        """Raises `RequestError`."""
        most = self._reranker.settings.limits.max_pictures
        if not pictures:
            raise TooFewPictures(count=0, min_count=1)
        if len(pictures) > most:
            raise TooManyPictures(count=len(pictures), max_count=most)
        return self._uploads.admission(pictures, with_data_uris=True)

    def _events(
        self, stream: Iterator[Scored | Failed | Ranking], admission: Admission, language: Language
    ) -> Iterator[dict[str, Any]]:
        temperature = self._reranker.load().info.temperature
        judged: list[Scored | Failed] = [*admission.refused]
        for event in stream:
            if isinstance(event, Ranking):
                whole = completed(event, admission)
                yield {"event": "ranked", **answer(whole, judged_by(self._reranker), language)}
            else:
                judged.append(event)
                done = {"event": "judged", "done": len(judged), "total": admission.total}
                yield done | _told(event, temperature, language)


def _told(event: Scored | Failed, temperature: float, language: Language) -> dict[str, Any]:
    name = event.candidate.name
    if isinstance(event, Failed):
        reason = sentence(event.error, language)
        return {"name": name, "status": "failed", "score": None, "log_odds": None, "error": reason}
    log_odds = event.score.log_odds
    score = shown_score(log_odds, temperature)
    return {"name": name, "status": "scored", "score": score, "log_odds": log_odds, "error": None}


@contextmanager
def _told_in_a_sentence(language: Language) -> Iterator[None]:
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        raise gr.Error(trouble(error, language).text, print_exception=False) from None


def _with_texts(admission: Admission, texts: list[str] | None) -> Sequence[Candidate]:
    if texts is None:
        return admission.candidates
    pairs = zip(admission.candidates, admission.positions, strict=True)
    return [replace(candidate, text=texts[position]) for candidate, position in pairs]


def _is_well_formed(query: object, items: object, top_k: object) -> bool:
    whole = isinstance(top_k, int) and not isinstance(top_k, bool) and top_k > 0
    return isinstance(query, str) and isinstance(items, list) and (top_k is None or whole)


def _are_texts(texts: object, items: list[Any]) -> bool:
    if texts is None:
        return True
    return isinstance(texts, list) and len(texts) == len(items) and all(isinstance(text, str) for text in texts)

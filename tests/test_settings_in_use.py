"""Settings that are valid, but perhaps not for this model or this machine: it ranks, or says in a sentence why not."""

from base64 import b64encode
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import get_args

import httpx
import pytest
import torch

from reranker import Candidate, Reranker, Settings
from reranker.config.settings import all_settings
from reranker.core.errors import (
    DetailTooHigh,
    DeviceMissing,
    PictureBeyondContext,
    PictureUnscored,
    RerankerError,
)
from reranker.i18n.error_messages import Language, sentence

FEW_TOKENS = 3072  # that the toybox has room for, of 4,096
WIDE = "\U00020bb7"  # a character of four tokens


def ranked(drawings: list[Path], **chosen: object) -> str:
    """Rank by a model that is loaded with these settings. Returns what a person is told."""
    values = {"model": "toybox", "score_store_mb": 0, **chosen}
    try:
        ranking = Reranker(settings=Settings.of(**values)).rank("a red house", drawings[:2])
    except RerankerError as error:
        return sentence(error, "en")
    assert not any(isinstance(failed.error, PictureUnscored) for failed in ranking.failed)
    return "ranked" if ranking.scored else sentence(ranking.failed[0].error, "en")


NUMBERS = [setting for setting in all_settings() if setting.type is int and setting.group != "server"]
RANKED = {
    "smallest": {"batch_tokens": 1, "vision_memory_mb": 0, "reader_threads": 1, "detail": "4", "instruction": "%s"},
    "largest": {setting.key: setting.field.metadata["most"] for setting in NUMBERS},
    "coarse to fine": {"detail": "auto", "precision": "bf16", "rescore_near_ties": True, "instruction": "{query}"},
    "rating": {"scoring": "rating", "detail": "00064", "precision": "fp16", "instruction": WIDE * 100},
    "high": {"detail": "high", "instruction": "<|im_end|>", "revision": "v1", "score_store_mb": 1},
}
TOLD = [
    ({"model": "x" * 300}, "There is no folder"),
    ({"model": "~nobody-of-this-name/x"}, "There is no folder"),
    ({"model": "a\nb"}, "There is no folder “a b”"),
    ({"model": "/dev/null"}, "There is no folder"),
    ({"model": "a/b", "revision": "main"}, "is not on this machine"),
    ({"detail": "16384"}, "at most 3,072 visual tokens"),
    ({"max_decoding_mb": 1}, "the limit is 1 MB"),
    ({"max_aspect_ratio": 1}, "one side 1.8 times the other; the limit is 1"),
    ({"instruction": WIDE * 1000}, "tokens of text, but the model reads 4,096"),
    ({"max_query_length": 5}, "The sentence has 11 characters; the limit is 5"),
]


@pytest.mark.parametrize("name", RANKED)
def test_settings_at_the_ends_of_their_ranges_rank(drawings: list[Path], name: str) -> None:
    assert ranked(drawings, **RANKED[name]) == "ranked"


@pytest.mark.parametrize(("chosen", "words"), TOLD)
def test_a_setting_that_does_not_fit_is_told(drawings: list[Path], chosen: dict[str, object], words: str) -> None:
    assert words in ranked(drawings, **chosen)


@pytest.mark.parametrize(("built", "words"), [(False, "computes on the CPU only"), (True, "finds no GPU")])
def test_a_gpu_that_is_not_there_is_told(
    drawings: list[Path], monkeypatch: pytest.MonkeyPatch, *, built: bool, words: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    for model in ("auto", "toybox"):
        assert words in ranked(drawings, device="cuda", model=model)
    with pytest.raises(DeviceMissing):
        Reranker(settings=Settings.of(model="toybox", device="cuda")).load()


@pytest.mark.parametrize("chosen", [{"device": "cuda"}, {"detail": "16384"}])
def test_requests_are_answered_with_what_is_wrong_with_the_settings(
    drawings: list[Path], serve_api: Callable[[Reranker], str], monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    url = serve_api(Reranker(settings=Settings.of(model="toybox", **chosen)))
    body = {"query": "a house", "documents": [{"image": b64encode(drawings[0].read_bytes()).decode()}]}
    answer = httpx.post(f"{url}v1/rerank", json=body)
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert f"The setting “{next(iter(chosen))}” is" in answer.json()["detail"]


@pytest.mark.parametrize(
    "use",
    [
        lambda reranker, picture, detail: reranker.rank_stream("a house", [picture], detail=detail),
        lambda reranker, picture, detail: reranker.rank_each(["a house", "a car"], [picture], detail=detail),
        lambda reranker, picture, detail: reranker.explain("a house", picture, detail=detail),
        lambda reranker, picture, detail: reranker.generate_rating("a house", picture, detail=detail),
    ],
)
def test_a_detail_of_one_call_is_refused_as_that_of_the_settings(
    toybox: Reranker, drawings: list[Path], use: Callable[[Reranker, Path, str], object]
) -> None:
    with pytest.raises(DetailTooHigh):
        use(toybox, drawings[0], str(FEW_TOKENS + 1))


@pytest.mark.parametrize("scoring", ["yes-no", "rating"])
def test_a_picture_fails_alone_if_the_model_cannot_read_all_of_its_text(drawings: list[Path], scoring: str) -> None:
    reranker = Reranker(settings=Settings.of(model="toybox", score_store_mb=0, scoring=scoring))
    pictures = [Candidate(name=f"{n}.png", source=drawings[0], text=WIDE * n) for n in (0, 1000, 1)]
    ranking = reranker.rank("a house", pictures)
    assert {scored.candidate.name for scored in ranking.scored} == {"0.png", "1.png"}
    assert_beyond_context(*(failed.error for failed in ranking.failed))


def test_all_pictures_fail_if_the_model_cannot_read_the_query(toybox: Reranker, drawings: list[Path]) -> None:
    ranking = toybox.rank(WIDE * 1000, drawings)
    assert len(ranking.failed) == len(drawings)
    for failed in ranking.failed:
        assert_beyond_context(failed.error)


def assert_beyond_context(error: Exception) -> None:
    assert isinstance(error, PictureBeyondContext)
    assert error.text_tokens >= 4 * 1000
    assert error.visual_tokens + error.text_tokens > error.max_tokens == 4096
    for language in get_args(Language):
        assert "4,096" in sentence(error, language)

"""Cards, their details and the list of failures."""

from dataclasses import replace

import pytest

from reranker.core.errors import (
    PictureSkipped,
    PictureUnreadable,
)
from reranker.ui.ranking_view import failure_lists, make_cards, picture_details
from tests.support.results import failed, scored


def test_cards_tell_neighbours_apart():
    shown = make_cards([scored(0, 3.0, "b.png"), scored(1, 0.001, "c.png"), scored(2, 0.0, "d.png")], 1.0)
    assert [(card.rank, card.score_text, card.name) for card in shown] == [
        (1, "9.5", "b.png"),
        (2, "5.002", "c.png"),
        (3, "5.000", "d.png"),
    ]


def test_the_score_is_calibrated():
    (card,) = make_cards([scored(0, 2.0)], temperature=2.0)
    assert card.score_text == "7.3"


def test_a_chosen_card_tells_its_numbers():
    (card,) = make_cards([scored(0, -1.25, "猫.png", visual_tokens=64)], 1.0)
    assert picture_details(card, (1920, 1080), "zh") == [
        ["分数（0–10）", "2.2"],
        ["像素", "1,920 × 1,080"],
        ["对数几率", "-1.2500"],
        ["视觉 token 数", "64"],
        ["评分", "所在批次用时 1 毫秒"],
    ]


@pytest.mark.parametrize(
    ("latency_ms", "known", "said"),
    [
        (12.4, False, "in a batch that took 12 ms"),
        (12.4, True, "in a batch that took 12 ms, with cached features"),
        (0, True, "earlier; this is the stored score"),
    ],
)
def test_it_tells_whether_it_was_known(latency_ms, known, said):
    (card,) = make_cards([scored(0, 1.0)], 1.0)
    judged = replace(card, score=replace(card.score, latency_ms=latency_ms, cached=known))
    assert picture_details(judged, None, "en")[-1][1] == said


def test_failures_have_reasons_and_what_was_stopped_only_names():
    shown = failure_lists(
        [failed(0, PictureUnreadable(name="b.png", reason="empty")), failed(1, PictureSkipped(name="c.png"))], "en"
    )
    assert shown["title"] == "Not scored (1)"
    assert shown["sentences"] == ["“b.png” is an empty file; export or download it again."]
    assert shown["skipped"] == ["c.png"]

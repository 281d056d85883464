"""The course teaches what the scorer computes: the same sequences and positions, answers where they belong."""

from io import BytesIO
from random import Random

import pytest
import torch

from reranker import Candidate, Query, Reranker
from reranker.core.scores import shown_score
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.hub import TOYBOX
from reranker.models.layers.yes_no_head import YesNoHead
from reranker.models.loading import load_checkpoint, load_network
from reranker.models.scoring.prompts import LYCHEE, RATING
from reranker.toybox.checkpoint_files import feed_with_bytes
from reranker.toybox.drawing import draw_scene
from reranker.toybox.language_lessons import (
    PICTURES_A_LESSON,
    REQUEST_ANSWERS,
    DrawnLesson,
    Lesson,
    first_rate,
    order_loss,
    request_answers,
    study,
    target,
)
from reranker.toybox.matching import Asked, Request
from reranker.toybox.rating_lessons import rating_batch, rating_text
from reranker.toybox.scenes import random_scene
from reranker.toybox.sequences import Pair, Primer, collate, hidden_states
from reranker.toybox.teaching import teach
from reranker.toybox.vision_lessons import drawn

QUERIES = ("a red car", "三只黄色的球,没有人", "一个穿红色裙子、戴着草帽的女人在一只小狗的左边")


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("toybox", "cpu", "fp32")


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    rng = Random(6)
    scenes = tuple(drawn(random_scene(rng), 49) for _ in range(4))
    request = Request(asked=(Asked(thing="car", colour="red"),))
    visual = feed_with_bytes(load_network(CheckpointFiles("toybox", TOYBOX), torch.device("cpu"), "fp32")).model.visual
    with torch.no_grad():
        return study(visual, [DrawnLesson(request=request, level=49, scenes=scenes)], "cpu")[0]


@torch.no_grad()
def test_a_padded_batch_with_a_common_beginning_answers_as_the_scorer_does(checkpoint, lesson):
    scorer = CrossEncoder(load_checkpoint("toybox", "cpu", "fp32"), limits=Limits(), cache=FeatureCache(10**8))
    primer = Primer(checkpoint.tokenizer, LYCHEE)
    prepared = [scorer.prepare(Candidate(name="", source=png(picture.scene))) for picture in lesson.pictures]
    # Visual tokens as the scorer sees them: the course's own go through BF16.
    seen = scorer._see(prepared)
    pairs = [
        Pair(prompt=primer.encode(text), tokens=picture.tokens, rows=picture.rows, columns=picture.columns)
        for text, picture in zip((*QUERIES, QUERIES[0]), seen, strict=True)
    ]
    batch = collate(pairs, len(primer.ids), checkpoint.tokenizer.encode("<|image_pad|>")[0])
    states = hidden_states(checkpoint.model.language, primer, batch)[-1][torch.arange(4), batch.last]
    yes, no = (checkpoint.tokenizer.encode(word)[0] for word in ("yes", "no"))
    odds = YesNoHead.of(checkpoint.model.language.embed_tokens.weight, yes, no).log_odds(states)
    for index, text in enumerate((*QUERIES, QUERIES[0])):
        judged = scorer.score(Query(text=text), [prepared[index]], "run")
        assert odds[index].item() == pytest.approx(judged[0].log_odds, abs=1e-4)


def png(scene):
    buffer = BytesIO()
    draw_scene(scene).save(buffer, "PNG")
    return buffer.getvalue()


def test_rating_answers_stand_behind_the_prompt(checkpoint, lesson):
    primer = Primer(checkpoint.tokenizer, RATING)
    batch, _ = rating_batch([lesson], primer, Random(1), checkpoint.tokenizer.encode("<|image_pad|>")[0])
    for row, answer in enumerate(batch.answers):
        length = int((answer >= 0).sum())
        start = int(batch.last[row]) + 1
        assert batch.ids[row, start : start + length].tolist() == answer[:length].tolist()
        text = checkpoint.tokenizer.decode(answer[:length].tolist())
        assert text.startswith("Score: ")
        assert text.endswith("<|im_end|>")


def test_five_is_the_line_of_fits():
    assert (rating_text(1.0), rating_text(0.0), rating_text(0.8)) == ("Score: 10.0", "Score: 0.0", "Score: 3.6")
    assert target(1.0) == 0.98
    assert all(target(share) < 0.5 for share in (0, 0.5, 0.99))


def test_a_request_as_numbers():
    woman = Asked(thing="woman", colour="red", count=2)
    numbers = request_answers(Request(asked=(woman,), relation="above", place="grass", absent="people"))
    assert numbers == [1, 1, 2, 0, 0, 0, *[0] * 6, 3, 2, 17]
    assert all(number < answers for number, answers in zip(numbers, REQUEST_ANSWERS, strict=True))


def test_losses_of_order_by_hand():
    odds, match = torch.tensor([2.0, 1.0, 0.0, 0.0]), torch.tensor([1.0, 0.5, 0.5, 0.5])
    expected = torch.nn.functional.softplus(torch.tensor([-1.0, -2.0, -2.0])).mean()
    assert order_loss(odds, match).item() == pytest.approx(expected.item())
    assert first_rate(odds, match) == 1
    assert first_rate(-odds, match) == 0
    assert len(odds) == PICTURES_A_LESSON


@pytest.mark.slow
def test_a_short_course_writes_a_checkpoint_that_ranks(tmp_path):
    teach(tmp_path, minutes=0.2, device="cpu")
    source = png(random_scene(Random(1)))
    ranking = Reranker(str(tmp_path)).rank("a red car", [source, png(random_scene(Random(2)))])
    assert len(ranking.scored) == 2
    assert all(0 <= shown_score(one.score.log_odds) <= 10 for one in ranking.scored)

"""The front door: with a scripted scorer what it promises by itself, with the toybox what it promises of the model."""

import hashlib
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reranker import Candidate, Query, Ranking, Reranker, Scored, Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import (
    CheckpointMissing,
    PictureMissing,
    PictureSkipped,
    QueryEmpty,
    QueryTooLong,
    SettingInvalid,
)
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.decoding_pool import DecodingPool
from reranker.images.limits import Limits
from reranker.models.loading import Checkpoint
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number, until

CONTENTS = [b"1.5", b"-3", b"8", b"0", b"2.25"]
PLAIN = Settings.of(device="cpu", precision="fp32", score_store_mb=0)


def scripted(scorer: ScriptedScorer, **chosen) -> Reranker:
    return Reranker(settings=Settings.of(**chosen), scorer=scorer)


def names(ranking: Ranking) -> list[str]:
    return [scored.candidate.name for scored in ranking.scored]


# With a scorer whose answers are arithmetic


def test_the_best_comes_first_and_failures_last_with_their_reasons(tmp_path: Path) -> None:
    ranking = scripted(ScriptedScorer(judge=number)).rank("a dog", [b"1", tmp_path / "gone.png", b"2"])
    assert names(ranking) == ["picture-3", "picture-1"]
    assert [(failed.position, type(failed.error)) for failed in ranking.failed] == [(1, PictureMissing)]


def test_pictures_are_paths_texts_bytes_or_candidates(tmp_path: Path) -> None:
    (tmp_path / "海.png").write_bytes(b"3")
    pictures = [tmp_path / "海.png", str(tmp_path / "海.png"), b"2", Candidate(name="mine", source=b"1")]
    ranking = scripted(ScriptedScorer(judge=number)).rank("海边 sea", pictures)
    assert names(ranking) == ["海.png", "海.png", "picture-3", "mine"]


def test_the_stream_gives_an_event_a_picture_and_then_what_rank_gives() -> None:
    reranker = scripted(ScriptedScorer(judge=number, batch_tokens=2), score_store_mb=0)
    *events, ranking = reranker.rank_stream("a dog", CONTENTS)
    assert sorted(event.position for event in events) == list(range(len(CONTENTS)))
    assert all(isinstance(event, Scored) for event in events)
    assert ranking == reranker.rank("a dog", CONTENTS)


@pytest.mark.parametrize("detail", ["usual", "auto"])
def test_a_result_has_the_hash_of_the_bytes_that_were_scored(detail: str, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(b"3")
    (tmp_path / "same pixels.png").write_bytes(b" 3 ")
    (tmp_path / "bad.png").write_bytes(b"no number")
    pictures = [
        *CONTENTS,
        Candidate(name="with a text", source=b"4", text="a title"),
        *(tmp_path / name for name in ("one.png", "same pixels.png", "bad.png", "gone")),
    ]
    chosen = {"detail": detail, "rescore_near_ties": True, "score_store_mb": 0}
    for ranking in scripted(ScriptedScorer(judge=number), **chosen).rank_each(["a dog", "a cat"], pictures):
        hashes = {each.position: each.content_hash for each in (*ranking.scored, *ranking.failed)}
        contents = [*CONTENTS, b"4", b"3", b" 3 ", b"no number"]
        expected = [hashlib.sha256(content).hexdigest() for content in contents]
        assert [hashes[position] for position in range(len(pictures))] == [*expected, None]


@pytest.mark.parametrize(("top_k", "expected"), [(1, 1), (3, 3), (99, 5), (None, 5)])
def test_top_k_cuts_the_scored_and_keeps_the_failed(top_k: int | None, expected: int, tmp_path: Path) -> None:
    pictures = [tmp_path / "gone.png", *CONTENTS]
    ranking = scripted(ScriptedScorer(judge=number)).rank("a dog", pictures, top_k=top_k)
    everything = [scored.score.log_odds for scored in ranking.scored]
    assert everything == sorted(map(float, CONTENTS), reverse=True)[:expected]
    assert len(ranking.failed) == 1


@pytest.mark.parametrize("top_k", [0, -1, True, 2.0, "3"])
def test_a_top_k_that_is_no_count_is_refused(top_k: Any) -> None:
    reranker = scripted(ScriptedScorer(judge=number))
    with pytest.raises(SettingInvalid):
        reranker.rank("a dog", CONTENTS, top_k=top_k)
    with pytest.raises(SettingInvalid):
        reranker.rank_each(["a dog", "a cat"], CONTENTS, top_k=top_k)


def test_no_pictures_are_an_empty_ranking() -> None:
    ranking = scripted(ScriptedScorer(fingerprint="f", temperature=2.0)).rank("a dog", [])
    assert ranking == Ranking(query=Query(text="a dog"), fingerprint="f", temperature=2.0, scored=(), failed=())


@pytest.mark.parametrize("text", ["", "  ", "\n\t", "\u3000"])
def test_a_query_of_nothing_is_refused_before_anything_is_read(text: str) -> None:
    scorer = ScriptedScorer()
    with pytest.raises(QueryEmpty):
        scripted(scorer).rank(text, CONTENTS)
    assert scorer.read_names == []


def test_the_limit_of_a_query_counts_its_characters_without_the_blanks_around() -> None:
    reranker = scripted(ScriptedScorer(), max_query_length=3)
    assert reranker.query(" 红裙子 \n") == Query(text="红裙子")
    with pytest.raises(QueryTooLong) as caught:
        reranker.rank_stream("红裙子!", CONTENTS)
    assert (caught.value.length, caught.value.max_length) == (4, 3)


def test_a_query_is_refused_before_the_model_is_loaded() -> None:
    with pytest.raises(QueryEmpty):
        Reranker("no such model").rank_stream("", [])


def test_a_model_that_is_not_there_is_told_at_its_first_use() -> None:
    reranker = Reranker("no such model")
    with pytest.raises(CheckpointMissing) as caught:
        reranker.rank("a dog", CONTENTS)
    assert caught.value.name == "no such model"


def test_the_model_that_is_named_overrules_the_settings_and_nothing_else() -> None:
    given = Settings.of(model="one", port=1)
    assert Reranker("other", settings=given).settings == given.override(model="other")
    assert Reranker(settings=given).settings == given
    assert Reranker().settings == Settings()


def test_limits_of_a_picture_are_those_of_the_settings() -> None:
    chosen = Settings.of(max_picture_mb=3, max_picture_mpx=4, max_aspect_ratio=5)
    assert Reranker(settings=chosen).limits == Limits(max_bytes=3_000_000, max_pixels=4_000_000, max_aspect_ratio=5)


def test_a_stop_leaves_the_rest_skipped() -> None:
    cancellation = Cancellation()

    def judge(query: Query, content: bytes) -> float:
        cancellation.cancel()
        return number(query, content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    *_, ranking = scripted(scorer).rank_stream("a dog", CONTENTS, cancellation=cancellation)
    assert (len(ranking.scored), len(ranking.failed)) == (1, len(CONTENTS) - 1)
    assert {type(failed.error) for failed in ranking.failed} == {PictureSkipped}


def test_who_comes_second_has_the_second_batch() -> None:
    def judge(query: Query, content: bytes) -> float:
        until(lambda: second.queue_position == 0 or len(scorer.batches) > 1)
        return number(query, content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    reranker = scripted(scorer, reader_threads=1)
    first = reranker.rank_stream("first", [b"1", b"2", b"3"])
    second = reranker.rank_stream("second", [b"9"])
    with ThreadPoolExecutor(2) as pool:
        whole = pool.submit(list, first)
        until(lambda: bool(scorer.batches))
        *_, small = pool.submit(list, second).result(PATIENCE_S)
        *_, large = whole.result(PATIENCE_S)
    assert scorer.batches.index([b"9"]) == 1
    assert (len(small.scored), len(large.scored)) == (1, 3)


def test_many_threads_each_have_their_own_ranking() -> None:
    reranker = scripted(ScriptedScorer(batch_tokens=2), score_store_mb=0)
    queries = [f"dog {turn}" for turn in range(6)]
    alone = [reranker.rank(query, CONTENTS) for query in queries]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda query: reranker.rank(query, CONTENTS), queries)) == alone


# With the toybox


def drawn(width: int, height: int, seed: int) -> bytes:
    """A picture of coloured squares as PNG."""
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    data = BytesIO()
    Image.fromarray(colours).resize((width, height), Image.Resampling.NEAREST).save(data, "PNG")
    return data.getvalue()


SIZES = [(224, 224), (300, 224), (224, 500), (224, 224), (640, 320), (300, 224)]
PICTURES = [drawn(*size, seed) for seed, size in enumerate(SIZES)]
QUERIES = ["a woman in a red dress", "一只 black cat 在窗台上", "海边的房子,没有人"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """More only wait for each other where a model is so small, and much longer where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def looked_at(checkpoint: Checkpoint) -> Iterator[list[int]]:
    """How many patches each run of the vision tower had."""
    counts: list[int] = []
    hook = checkpoint.model.vision.embedding.register_forward_pre_hook(
        lambda _, patches: counts.append(len(patches[0]))
    )
    yield counts
    hook.remove()


def patches_of(pictures: Sequence[bytes]) -> int:
    """How many they are cut into."""
    scorer = Reranker("toybox", settings=PLAIN).load()
    return 4 * sum(scorer.prepare(scorer.identify(Candidate(name="", source=one))).visual_tokens for one in pictures)


def toybox(checkpoint: Checkpoint, batch_tokens: int = 200) -> Reranker:
    """A reranker that has seen nothing yet."""
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(10**8), batch_tokens=batch_tokens)
    return Reranker(settings=PLAIN, scorer=scorer)


def log_odds(reranker: Reranker, query: str, pictures: Sequence[bytes]) -> dict[bytes, float]:
    ranking = reranker.rank(query, pictures)
    assert not ranking.failed
    return {scored.candidate.source: scored.score.log_odds for scored in ranking.scored}


@pytest.fixture(scope="module")
def alone(checkpoint: Checkpoint) -> dict[str, dict[bytes, float]]:
    """Log-odds of each picture judged for the first time and by itself, by query."""
    return {
        query: dict(chain.from_iterable(log_odds(toybox(checkpoint), query, [one]).items() for one in PICTURES))
        for query in QUERIES[:2]
    }


@pytest.mark.parametrize("batch_tokens", [1, 100, 250, 4000])
def test_the_batch_does_not_matter(
    batch_tokens: int, checkpoint: Checkpoint, alone: dict[str, dict[bytes, float]]
) -> None:
    reranker = toybox(checkpoint, batch_tokens)
    for seed, (query, expected) in enumerate(alone.items()):
        shuffled = Random(10 * batch_tokens + seed).sample(PICTURES, len(PICTURES))
        assert log_odds(reranker, query, shuffled) == pytest.approx(expected, abs=1e-4)


def test_a_known_picture_is_judged_like_a_fresh_one(
    checkpoint: Checkpoint, alone: dict[str, dict[bytes, float]]
) -> None:
    reranker = toybox(checkpoint)
    reranker.rank("something else", PICTURES[:3])
    for query, expected in alone.items():
        assert log_odds(reranker, query, PICTURES) == pytest.approx(expected, abs=1e-4)


def test_query_and_picture_both_count(alone: dict[str, dict[bytes, float]]) -> None:
    numbers = [number for expected in alone.values() for number in expected.values()]
    assert len({round(number, 4) for number in numbers}) > len(numbers) / 2


def test_vision_runs_once_a_picture_whatever_the_query(checkpoint: Checkpoint, looked_at: list[int]) -> None:
    reranker = toybox(checkpoint)
    rankings = [reranker.rank(query, PICTURES) for query in QUERIES]
    assert sum(looked_at) == patches_of(PICTURES)
    assert [{scored.score.cached for scored in ranking.scored} for ranking in rankings] == [{False}, {True}, {True}]


def test_known_pictures_are_not_decoded_again(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    resized = DecodingPool.resized

    def counting(pool: DecodingPool, data: bytes, name: str, *rest: Any) -> Image.Image:
        decoded.append(name)
        return resized(pool, data, name, *rest)

    monkeypatch.setattr(DecodingPool, "resized", counting)
    reranker = toybox(checkpoint)
    reranker.rank(QUERIES[0], PICTURES)
    assert len(decoded) == len(PICTURES)
    reranker.rank(QUERIES[1], PICTURES)
    assert len(decoded) == len(PICTURES)


@pytest.mark.parametrize("remembered", [1, 2, 3, 99])
def test_several_queries_are_each_ranked_as_if_alone(remembered: int) -> None:
    scorer = ScriptedScorer()
    scorer.cache_capacity = remembered
    reranker = scripted(scorer, score_store_mb=0)
    pictures = [*CONTENTS, Path("missing.png")]
    queries = ["a dog", "a cat", "a dog on a cat"]
    rankings = reranker.rank_each(queries, pictures, top_k=4)
    for query, together in zip(queries, rankings, strict=True):
        alone = reranker.rank(query, pictures, top_k=4)
        assert (together.query, together.scored) == (alone.query, alone.scored)
        assert [(one.position, type(one.error)) for one in together.failed] == [(5, PictureMissing)]


@pytest.mark.parametrize("remembered", [1, 2, 99])
def test_the_stream_of_several_gives_an_event_a_query_and_picture_and_then_the_rankings(remembered: int) -> None:
    scorer = ScriptedScorer()
    scorer.cache_capacity = remembered
    reranker = scripted(scorer, score_store_mb=0)
    pictures = [*CONTENTS, Path("missing.png")]
    queries = ["a dog", "a cat", "a dog"]
    items = list(reranker.rank_each_stream(queries, pictures, top_k=3))
    events, rankings = items[:-3], items[-3:]
    assert sorted((query, event.position) for query, event in events) == [(n, p) for n in range(3) for p in range(6)]
    assert all(event.candidate == Candidate.of(pictures[event.position], event.position) for _, event in events)
    drain = reranker.rank_each(queries, pictures, top_k=3)
    assert [(query, ranking.scored) for query, ranking in rankings] == [(n, drain[n].scored) for n in range(3)]


def test_closing_the_stream_of_several_stops_the_work() -> None:
    closed = threading.Event()

    def judge(query: Query, content: bytes) -> float:
        assert len(scorer.batches) == 1 or closed.wait(PATIENCE_S)
        return number(query, content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    reranker = scripted(scorer, score_store_mb=0)
    stream = reranker.rank_each_stream(["a dog", "a cat"], CONTENTS)
    next(stream)
    stream.close()
    closed.set()
    assert list(stream) == []
    reranker.rank("another, whose turn comes after the batch that was at work", [b"7"])
    assert len(scorer.batches) <= 3


@pytest.mark.parametrize("remembered", [2, 99])
def test_a_stop_of_several_leaves_the_rest_skipped_for_every_query_and_ends_with_the_rankings(remembered: int) -> None:
    cancellation = Cancellation()

    def judge(query: Query, content: bytes) -> float:
        if len(scorer.batches) == 3:
            cancellation.cancel()
        return number(query, content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    scorer.cache_capacity = remembered
    reranker = scripted(scorer, score_store_mb=0)
    items = list(reranker.rank_each_stream(["a dog", "a cat", "a cow"], CONTENTS, cancellation=cancellation))
    assert len(scorer.batches) == 3, "none begins after the stop"
    events = [(query, event.position) for query, event in items[:-3]]
    assert sorted(events) == [(query, position) for query in range(3) for position in range(5)]
    rankings = [ranking for _, ranking in items[-3:]]
    assert sum(len(ranking.scored) for ranking in rankings) == 3
    assert [len(ranking.scored) + len(ranking.failed) for ranking in rankings] == [5, 5, 5]
    assert {type(failed.error) for ranking in rankings for failed in ranking.failed} == {PictureSkipped}


def test_several_that_are_stopped_before_they_begin_are_all_skipped() -> None:
    cancellation, scorer = Cancellation(), ScriptedScorer()
    cancellation.cancel()
    stream = scripted(scorer).rank_each_stream(["a dog", "a cat"], CONTENTS, cancellation=cancellation)
    *events, (_, first), (_, second) = stream
    assert (len(events), len(first.failed), len(second.failed)) == (10, 5, 5)
    assert scorer.batches == []


def test_the_stream_of_several_tells_its_place_and_what_is_provisional() -> None:
    seen: list[tuple[int | None, int | None]] = []

    def judge(query: Query, content: bytes) -> float:
        seen.append((stream.queue_position, stream.coarse_count))
        return number(query, content)

    reranker = scripted(ScriptedScorer(judge=judge, batch_tokens=1), score_store_mb=0, detail="auto", reader_threads=1)
    stream = reranker.rank_each_stream(["a dog", "a cat"], [b"1", b"2"])
    assert (stream.queue_position, stream.coarse_count) == (None, None)
    assert len(list(stream)) == 6
    assert {place for place, _ in seen} == {0}
    assert {count for _, count in seen} >= {0, 2}, "all are scored at the high detail after two at the low one"


def test_how_many_are_wanted_is_known_where_all_are_looked_at_roughly_first() -> None:
    reranker = scripted(ScriptedScorer(), score_store_mb=0, detail="auto")
    alone = reranker.rank("a dog", CONTENTS, top_k=2)
    assert [each.fingerprint for each in reranker.rank_each(["a dog", "a cat"], CONTENTS, top_k=2)] == [
        alone.fingerprint
    ] * 2


def test_a_mistake_in_any_of_several_queries_is_told_before_the_work() -> None:
    scorer = ScriptedScorer()
    with pytest.raises(QueryEmpty):
        scripted(scorer, score_store_mb=0).rank_each(["a dog", " "], CONTENTS)
    assert scorer.batches == []


def test_several_queries_of_nothing() -> None:
    reranker = scripted(ScriptedScorer(), score_store_mb=0)
    assert [ranking.scored for ranking in reranker.rank_each(["a dog", "a cat"], [])] == [(), ()]
    assert reranker.rank_each([], CONTENTS) == ()


def test_several_queries_look_once_even_where_the_memory_is_smaller_than_the_set(
    checkpoint: Checkpoint, looked_at: list[int]
) -> None:
    memory = FeatureCache(3 * 49 * 192 * 4)
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=memory)
    reranker = Reranker(settings=PLAIN, scorer=scorer)
    rankings = reranker.rank_each(QUERIES, PICTURES)
    assert sum(looked_at) == patches_of(PICTURES)
    for query, ranking in zip(QUERIES, rankings, strict=True):
        expected = log_odds(toybox(checkpoint), query, PICTURES)
        got = {one.candidate.source: one.score.log_odds for one in ranking.scored}
        assert got == pytest.approx(expected, abs=1e-4)


def test_a_file_is_read_once_and_hashed_once(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reads, hashes = Counter[str](), 0
    really_open, really_hash = Path.open, hashlib.sha256

    def counting_open(path: Path, mode: str = "r", **options: Any) -> Any:
        reads[path.name] += mode == "rb"
        return really_open(path, mode, **options)

    def counting_hash(data: bytes = b"") -> Any:
        nonlocal hashes
        hashes += data in PICTURES
        return really_hash(data)

    files = [tmp_path / f"{number}.png" for number in range(len(PICTURES))]
    for file, content in zip(files, PICTURES, strict=True):
        file.write_bytes(content)
    monkeypatch.setattr(Path, "open", counting_open)
    monkeypatch.setattr(hashlib, "sha256", counting_hash)
    reranker = Reranker(settings=PLAIN.override(score_store_mb=1), scorer=toybox(checkpoint).load())
    assert not reranker.rank(QUERIES[0], files).failed
    assert (reads, hashes) == (Counter(file.name for file in files), len(files))


def test_only_new_pictures_are_looked_at(checkpoint: Checkpoint, looked_at: list[int]) -> None:
    reranker = toybox(checkpoint)
    reranker.rank(QUERIES[0], PICTURES[:4])
    reranker.rank(QUERIES[0], PICTURES)
    assert sum(looked_at) == patches_of(PICTURES)


def test_equal_bytes_under_other_names_are_looked_at_once(
    checkpoint: Checkpoint, looked_at: list[int], tmp_path: Path
) -> None:
    copies = [tmp_path / name for name in ("one.png", "二.jpg", "three.webp")]
    for copy in copies:
        copy.write_bytes(PICTURES[0])
    ranking = toybox(checkpoint).rank(QUERIES[0], [*copies, PICTURES[1]])
    assert sum(looked_at) == patches_of(PICTURES[:2])
    same = [scored.score.log_odds for scored in ranking.scored if scored.candidate.name != "picture-4"]
    assert len(same) == 3
    assert len(set(same)) == 1


def test_files_of_equal_pixels_keep_one_score_in_repeated_shuffled_runs(checkpoint: Checkpoint) -> None:
    candidates = [
        Candidate(name=f"{number} at level {level}", source=_compressed(picture, level))
        for number, picture in enumerate(PICTURES[:5])
        for level in (1, 6, 9)
    ]
    rng, reranker = Random(0), toybox(checkpoint, batch_tokens=300)
    for _ in range(4):
        shuffled = rng.sample(candidates, len(candidates))
        kept, fresh = reranker.rank(QUERIES[0], shuffled), toybox(checkpoint, rng.choice([1, 150, 4000]))
        for ranking in (kept, fresh.rank(QUERIES[0], shuffled)):
            scores = {(scored.candidate.name[0], scored.score.log_odds) for scored in ranking.scored}
            assert len(scores) == 5, "one score for each picture"
            order = [(-scored.score.log_odds, scored.position) for scored in ranking.scored]
            assert order == sorted(order)


def _compressed(picture: bytes, level: int) -> bytes:
    """Return another file with the pixels of a picture."""
    buffer = BytesIO()
    Image.open(BytesIO(picture)).convert("RGB").save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


def test_the_name_toybox_is_all_that_it_takes() -> None:
    reranker = Reranker("toybox", settings=PLAIN)
    ranking = reranker.rank("a red dog", PICTURES[:2])
    assert len(ranking.scored) == 2
    assert ranking.fingerprint == reranker.info.fingerprint


def test_the_model_is_loaded_once_however_many_ask() -> None:
    reranker = Reranker("toybox", settings=PLAIN)
    with ThreadPoolExecutor(3) as pool:
        scorers = list(pool.map(lambda _: reranker.load(), range(3)))
    assert scorers[0] is scorers[1] is scorers[2]


def test_what_changes_a_score_changes_the_fingerprint(checkpoint: Checkpoint) -> None:
    def fingerprint(of: Checkpoint = checkpoint, visual_tokens: int | None = None) -> str:
        memory = FeatureCache(0)
        return CrossEncoder(of, limits=Limits(), cache=memory, visual_tokens=visual_tokens).info.fingerprint

    others = [
        fingerprint(visual_tokens=checkpoint.detail_levels[1] + 1),
        fingerprint(replace(checkpoint, digest="other")),
        fingerprint(replace(checkpoint, precision="bf16")),
    ]
    assert len({fingerprint(), *others}) == 4
    assert fingerprint() == fingerprint(replace(checkpoint, name="renamed"))


@pytest.mark.extended
def test_the_choice_may_be_asked_for_while_the_model_is_loaded():
    code = (
        "import threading\n"
        "from reranker import Reranker\n"
        "one, both = Reranker('toybox'), threading.Barrier(2)\n"
        "def load():\n"
        "    both.wait(); one.load()\n"
        "thread = threading.Thread(target=load); thread.start()\n"
        "both.wait(); print(one.choice.name); thread.join(); print(one.is_loaded)\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["toybox", "True"]


def test_near_ties_at_the_first_place_are_scored_again_alone_where_the_settings_say_so() -> None:
    odds = {b"0": 1.0, b"1": 1.05, b"2": -3.0}
    scorer = ScriptedScorer(judge=lambda _, content: odds[content], batch_tokens=3)
    candidates = [Candidate(name=content.decode(), source=content) for content in odds]
    fresh = Settings.of(score_store_mb=0)
    Reranker(scorer=scorer, settings=fresh).rank("a", candidates)
    assert len(scorer.scored) == 3
    ranking = Reranker(scorer=scorer, settings=fresh.override(rescore_near_ties=True)).rank("a", candidates, top_k=2)
    assert sorted(scorer.batches[-2:]) == [[b"0"], [b"1"]]
    assert len(scorer.scored) == 3 + 3 + 2
    assert [(each.candidate.name, each.score.stage) for each in ranking.scored] == [("1", 1), ("0", 1)]

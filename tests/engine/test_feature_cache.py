import pytest
import torch

from reranker.engine.feature_cache import FeatureCache
from reranker.models.architecture import ImageFeatures
from tests.support.fake_streams import FakeStreams


def features(value=0.0, tokens=1):
    return ImageFeatures.of(tokens=torch.full((tokens, 2), value), rows=1, columns=tokens)


def test_the_cache_keeps_to_its_bytes_and_evicts_the_least_recently_used():
    cache = FeatureCache(max_bytes=3 * 4 * 2)
    for number, name in enumerate("abc"):
        cache.put(name, features(float(number)), "pixels", run_id="first")
    cache.touch("a", run_id="second")
    cache.put("d", features(), "pixels", run_id="third")
    assert [name for name in "abcd" if cache.get(name)] == ["a", "c", "d"]
    cache.put("whale", features(tokens=99), "pixels", run_id="fourth")
    assert cache.get("whale") is None


def test_of_a_set_larger_than_the_cache_what_fits_is_found_the_second_time():
    cache, names = FeatureCache(max_bytes=30 * 4 * 2), [str(number) for number in range(100)]
    hits = []
    for run in ("first", "second", "third"):
        hits.append(0)
        for name in names:
            if cache.get(name):
                hits[-1] += 1
                cache.touch(name, run)
            else:
                cache.put(name, features(), "pixels", run)
    assert hits == [0, 30, 30]


def test_another_set_evicts_the_one_before():
    cache = FeatureCache(max_bytes=30 * 4 * 2)
    for run in ("first", "second"):
        for number in range(30):
            cache.put(f"{run} {number}", features(), "pixels", run)
    assert all(cache.get(f"second {number}") for number in range(30))


@pytest.fixture
def pinning(monkeypatch):
    """Pretend that features come from a GPU, and that memory is pinned."""
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda _: True)
    return FakeStreams(monkeypatch)


def stored_count(max_bytes):
    cache = FeatureCache(max_bytes)
    for number in range(100):
        cache.put(str(number), features(tokens=5), "pixels", run_id="one")
    return sum(cache.get(str(number)) is not None for number in range(100))


def test_pinned_features_count_as_what_is_taken_for_them(pinning):
    assert stored_count(max_bytes=640) == 10  # 40 bytes take 64


def test_plain_features_count_as_what_they_are():
    assert stored_count(max_bytes=640) == 16


def test_what_is_evicted_gives_back_what_was_taken(pinning):
    cache = FeatureCache(max_bytes=128)
    for number in range(10):
        cache.put(str(number), features(float(number), tokens=5), "pixels", run_id=str(number))
    assert [number for number in range(10) if cache.get(str(number))] == [8, 9]


def test_features_that_cannot_be_pinned_are_kept_in_plain_memory(monkeypatch):
    empty_like = torch.empty_like

    def fail(tensor, device, pin_memory=False):
        if pin_memory:
            raise RuntimeError("CUDA error: out of memory")
        return empty_like(tensor, device=device)

    FakeStreams(monkeypatch)
    monkeypatch.setattr(torch, "empty_like", fail)
    cache = FeatureCache(max_bytes=80)
    for name in "abc":
        cache.put(name, features(3.0, tokens=5), "pixels", run_id="one")
    assert [name for name in "abc" if cache.get(name)] == ["a"], "space is made for what pinned memory would take"
    assert cache.get("a").features.tokens.tolist() == [[3.0, 3.0]] * 5

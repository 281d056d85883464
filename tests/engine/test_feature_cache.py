import torch

from reranker.engine.feature_cache import FeatureCache
from reranker.models.architecture import ImageFeatures


def features(value=0.0, tokens=1):
    return ImageFeatures(tokens=torch.full((tokens, 2), value), rows=1, columns=tokens)


def test_the_cache_keeps_to_its_bytes_and_evicts_the_least_recently_used():
    cache = FeatureCache(max_bytes=3 * 4 * 2)
    for number, name in enumerate("abc"):
        cache.put(name, features(float(number)), run_id="first")
    cache.touch("a", run_id="second")
    cache.put("d", features(), run_id="third")
    assert [name for name in "abcd" if cache.get(name)] == ["a", "c", "d"]
    cache.put("whale", features(tokens=99), run_id="fourth")
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
                cache.put(name, features(), run)
    assert hits == [0, 30, 30]


def test_another_set_evicts_the_one_before():
    cache = FeatureCache(max_bytes=30 * 4 * 2)
    for run in ("first", "second"):
        for number in range(30):
            cache.put(f"{run} {number}", features(), run)
    assert all(cache.get(f"second {number}") for number in range(30))

"""The targets of a pair, on values written by hand."""

from reranker.toybox.matching import Request, RequestedThing
from reranker.toybox.pair_targets import REQUEST_CLASSES, request_labels, target_probability


def test_only_a_full_match_has_a_probability_above_one_half():
    assert target_probability(1.0) == 0.98
    assert all(target_probability(share) < 0.5 for share in (0, 0.5, 0.99))


def test_a_request_as_labels():
    women = RequestedThing(thing="woman", colour="red", count=2)
    labels = request_labels(Request(things=(women,), relation="above", place="grass", absent="people"))
    assert labels == [1, 1, 2, 0, 0, 0, *[0] * 6, 3, 2, 17]
    assert all(label < classes for label, classes in zip(labels, REQUEST_CLASSES, strict=True))

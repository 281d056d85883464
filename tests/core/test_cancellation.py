from reranker.core.cancellation import Cancellation


def test_callbacks_are_called_once_whether_they_come_before_or_after() -> None:
    cancellation, calls = Cancellation(), []
    cancellation.on_cancel(lambda: calls.append("before"))
    assert not cancellation.cancelled
    cancellation.cancel()
    cancellation.cancel()
    cancellation.on_cancel(lambda: calls.append("after"))
    assert cancellation.cancelled
    assert calls == ["before", "after"]


def test_a_removed_callback_is_not_called() -> None:
    cancellation, calls = Cancellation(), []
    remove = cancellation.on_cancel(lambda: calls.append(1))
    remove()
    remove()
    cancellation.cancel()
    assert calls == []


def test_a_parent_cancels_its_children_and_not_the_other_way_round() -> None:
    parent = Cancellation()
    first, second = Cancellation(parent), Cancellation(parent)
    first.cancel()
    assert (parent.cancelled, second.cancelled) == (False, False)
    parent.cancel()
    assert second.cancelled
    assert Cancellation(parent).cancelled


def test_a_detached_child_is_left_alone() -> None:
    parent = Cancellation()
    child = Cancellation(parent)
    child.detach()
    parent.cancel()
    assert not child.cancelled

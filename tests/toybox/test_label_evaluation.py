"""How labels of drawn scenes are measured: shares by hand, the large vocabulary, and a small run."""

import pytest

from reranker.toybox.label_evaluation import agreement, large_vocabulary, measure_labels, micro_f1
from reranker.vocabulary.label_files import load_vocabulary


def test_f1_and_agreement_by_hand() -> None:
    found, truth = [{"cat", "dog"}, {"car"}, set()], [{"cat"}, {"car", "tree"}, {"boat"}]
    assert micro_f1(found, truth) == pytest.approx(2 * 2 / (3 + 4))  # two of three are right, and two are missed
    assert agreement(found, truth) == pytest.approx(2 / 5)
    assert agreement(truth, truth) == micro_f1(truth, truth) == 1.0


def test_added_labels_have_no_word_of_the_drawn_world() -> None:
    drawn, large = load_vocabulary("toybox"), large_vocabulary()
    assert (len(large), large.labels[: len(drawn)]) == (300, drawn.labels)
    assert large == large_vocabulary()
    added = [name.casefold() for label in large.labels[len(drawn) :] for name in label.all_names]
    for word in ("cat", "dog", "man", "tree", "red", "ball", "cup"):
        assert [name for name in added if word in name] == []
    assert not {"animal", "pet", "wing", "plant"} & set(added)


@pytest.mark.extended
def test_a_small_run_measures_all_ways() -> None:
    lines: list[str] = []
    measured = measure_labels(scenes=12, compared=3, report=lines.append)
    assert min(measured.english_f1, measured.chinese_f1, measured.equal) > 0.85
    assert measured.nothing > 0.8
    assert min(measured.one_stage_s, measured.two_stages_s) > 0
    assert lines[-1].startswith("3 scenes: ")

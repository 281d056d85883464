"""What labels of drawn scenes are worth: in two languages, with nothing to find, and in two stages against one.

Scenes are those of the dataset `toybox` of `evaluate --labels`. No score is stored.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from time import perf_counter
from typing import Final

from reranker.api import Reranker
from reranker.config.settings import Settings
from reranker.pipelines.label_proposals import PROPOSED
from reranker.pipelines.tag import Tagged
from reranker.tagger import AUTO, NO_ENCODER, Tagger
from reranker.toybox.drawing import png_bytes
from reranker.toybox.labels import LABELS_SEED, labels_of, labels_text
from reranker.toybox.scenes import Scene, random_scene
from reranker.vocabulary.label_files import from_json_lines, load_vocabulary
from reranker.vocabulary.labels import Label, LabelLanguage, Vocabulary

OFFERED: Final = 10  # labels that a scene does not have
LARGE: Final = 300  # labels of the vocabulary in which two stages are compared with one
TOGETHER: Final = 10  # scenes that each way labels in turn, so that both meet the same machine
GROUPS: Final = ("animals", "plants", "food")  # of the general labels that are added to those of the drawn world
MIN_LETTERS: Final = 3  # of a word of the drawn world that no added label may contain

Keys = frozenset[str]


@dataclass(frozen=True, kw_only=True)
class LabelReport:
    """Shares in [0, 1], and seconds a scene.

    english_f1, chinese_f1: micro F1 of two stages with the names in one language. equal: labels that both find, of
    those that one of them finds. nothing: scenes that got none of `OFFERED` labels, all of which are absent.
    two_stages_f1, one_stage_f1, two_stages_s, one_stage_s: with `LARGE` labels, of which the dual encoder proposes
    some, or all are judged. added_found: labels that are not of the drawn world, a scene, in two stages and in one.
    """

    scenes: int
    compared: int
    proposed: int
    english_f1: float
    chinese_f1: float
    equal: float
    nothing: float
    two_stages_f1: float
    one_stage_f1: float
    two_stages_s: float
    one_stage_s: float
    added_found: tuple[float, float]


def measure_labels(
    *, scenes: int, compared: int, proposed: int = PROPOSED, report: Callable[[str], None]
) -> LabelReport:
    """Draw scenes, and label them in all ways.

    compared: of them, scenes that are asked for `LARGE` labels. proposed: labels of a scene that two stages judge.
    report: takes lines of progress.
    """
    rng = Random(LABELS_SEED)
    drawn = [random_scene(rng) for _ in range(scenes)]
    pictures = [png_bytes(scene) for scene in drawn]
    truth = [frozenset(labels_of(scene)) for scene in drawn]
    report(f"{scenes} scenes are drawn")
    reranker = _reranker()
    english, chinese = (_labels_in(language, reranker, pictures, proposed) for language in ("en", "zh"))
    english_f1, chinese_f1 = micro_f1(english, truth), micro_f1(chinese, truth)
    equal = agreement(english, chinese)
    report(f"F1 {english_f1:.2%} in English, {chinese_f1:.2%} in Chinese; {equal:.2%} of the labels are equal")
    nothing = _share_without(reranker, pictures, truth, rng)
    report(f"{nothing:.2%} got none of {OFFERED} absent labels")
    two, one = _both_ways(pictures[:compared], proposed, report)
    known = frozenset(load_vocabulary("toybox").by_key)
    return LabelReport(
        scenes=scenes,
        compared=compared,
        proposed=proposed,
        english_f1=english_f1,
        chinese_f1=chinese_f1,
        equal=equal,
        nothing=nothing,
        two_stages_f1=micro_f1(two.labels, truth[:compared]),
        one_stage_f1=micro_f1(one.labels, truth[:compared]),
        two_stages_s=two.seconds / compared,
        one_stage_s=one.seconds / compared,
        added_found=(_mean_outside(two.labels, known), _mean_outside(one.labels, known)),
    )


def micro_f1(found: Sequence[Collection[str]], truth: Sequence[Collection[str]]) -> float:
    """Return F1 of all labels of all pictures together, in [0, 1]; there must be some."""
    hits = sum(len(set(each) & set(true)) for each, true in zip(found, truth, strict=True))
    return 2 * hits / (sum(map(len, found)) + sum(map(len, truth)))


def agreement(first: Sequence[Collection[str]], second: Sequence[Collection[str]]) -> float:
    """Return how many of the labels that either finds both find, in [0, 1]; there must be some."""
    pairs = [(set(one), set(other)) for one, other in zip(first, second, strict=True)]
    return sum(len(one & other) for one, other in pairs) / sum(len(one | other) for one, other in pairs)


def large_vocabulary(size: int = LARGE) -> Vocabulary:
    """Return the labels of the drawn world, and as many of `GROUPS` as fill the size, drawn at random.

    Those have no part that is a word of the drawn world, in their names and in what they are kinds of, and no kinds of
    their own: a drawn dog is an animal, and may be a beagle. They are kinds of kinds, since labels above that are also
    parts and roles of what is drawn: a wing, a pet.
    """
    drawn, general = load_vocabulary("toybox"), load_vocabulary("general")
    words = {word for label in drawn for name in label.all_names for word in name.casefold().split()}
    words = {word for word in words if len(word) >= MIN_LETTERS}
    kinds = {label.parent for label in general}

    def is_absent(label: Label) -> bool:
        ancestors = general.ancestors(label)
        names = [name.casefold() for each in (label, *ancestors) for name in each.all_names]
        is_drawn = any(word in name for name in names for word in words)
        return label.key not in kinds and len(ancestors) > 1 and not is_drawn

    groups = (label for label in general if label.group is not None and label.group.en in GROUPS)
    absent = [replace(label, parent=None) for label in groups if is_absent(label)]
    added = Random(LABELS_SEED).sample(absent, size - len(drawn))
    return Vocabulary(name=f"{size} labels", labels=(*drawn, *added))


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    """The labels of pictures, and the seconds that they took."""

    labels: list[Keys]
    seconds: float


def _reranker() -> Reranker:
    return Reranker(settings=Settings.of(model="toybox", score_store_mb=0))


def _keys(tagger: Tagger, pictures: Sequence[bytes]) -> list[Keys]:
    """Return the labels of each picture."""
    found = []
    for tagged in tagger.tag_stream(pictures):
        assert isinstance(tagged, Tagged), "drawn pictures can be read"
        found.append(frozenset(each.label.key for each in tagged.labels))
    return found


def _labels_in(language: LabelLanguage, reranker: Reranker, pictures: Sequence[bytes], proposed: int) -> list[Keys]:
    """Return the labels of each picture by their keys, found by their names in one language."""
    labels = from_json_lines(labels_text(language), f"labels in {language}")
    keys = {one.key: label.key for one, label in zip(labels, load_vocabulary("toybox"), strict=True)}
    tagger = Tagger(labels, proposed=proposed, reranker=reranker)
    return [frozenset(keys[key] for key in each) for each in _keys(tagger, pictures)]


def _share_without(reranker: Reranker, pictures: Sequence[bytes], truth: Sequence[Keys], rng: Random) -> float:
    """Return the share of pictures that get no label, each asked for labels that it does not have."""
    vocabulary, without = load_vocabulary("toybox"), 0
    for picture, present in zip(pictures, truth, strict=True):
        absent = [replace(label, parent=None) for label in vocabulary if label.key not in present]
        offered = Vocabulary(name="absent", labels=tuple(rng.sample(absent, OFFERED)))
        without += not any(_keys(Tagger(offered, encoder=NO_ENCODER, reranker=reranker), [picture]))
    return without / len(pictures)


def _both_ways(pictures: Sequence[bytes], proposed: int, report: Callable[[str], None]) -> tuple[_Labelled, _Labelled]:
    """Return the labels of `LARGE` in two stages and in one, a few pictures at a time.

    Each way has a reranker of its own, so that none finds features of a picture that the other has encoded.
    """
    vocabulary, warm = large_vocabulary(), [png_bytes(_other_scene())]
    taggers = [
        Tagger(vocabulary, encoder=encoder, proposed=proposed, reranker=_reranker()) for encoder in (AUTO, NO_ENCODER)
    ]
    labels: list[list[Keys]] = [[], []]
    seconds = [0.0, 0.0]
    for tagger in taggers:
        _keys(tagger, warm)
    for start in range(0, len(pictures), TOGETHER):
        for way, tagger in enumerate(taggers):
            started = perf_counter()
            labels[way] += _keys(tagger, pictures[start : start + TOGETHER])
            seconds[way] += perf_counter() - started
        report(f"{len(labels[0])} scenes: {seconds[0]:.1f} s in two stages, {seconds[1]:.1f} s in one")
    two, one = (_Labelled(labels=each, seconds=took) for each, took in zip(labels, seconds, strict=True))
    return two, one


def _other_scene() -> Scene:
    return random_scene(Random(LABELS_SEED - 1))


def _mean_outside(found: Iterable[Keys], known: Keys) -> float:
    """Return the mean number of labels that are not known."""
    counts = [len(each - known) for each in found]
    return sum(counts) / len(counts)

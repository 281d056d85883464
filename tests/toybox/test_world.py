"""The drawn world: deterministic, roomy, and graded as written by hand."""

from dataclasses import replace
from itertools import combinations
from random import Random

import numpy as np
import pytest
from transformers import AutoTokenizer

from reranker.config.paths import ASSETS
from reranker.toybox.captions import LANGUAGES, word
from reranker.toybox.drawing import draw_scene
from reranker.toybox.exercises import ask_about, differences, examination, failed_kinds, lesson
from reranker.toybox.gallery import PICTURES, sample_scenes, write_gallery
from reranker.toybox.geometry import LEVELS, VISUAL_TOKENS
from reranker.toybox.matching import Asked, Request, match
from reranker.toybox.scenes import COLOURS, PLACES, RELATIONS, THINGS, Box, Item, Scene, arranged, random_scene, related
from reranker.toybox.targets import SLOT_CHANNELS, coverage, slot_targets, token_targets
from reranker.toybox.tokenizer import SINGLE_TOKENS, build_tokenizer


def is_chinese(text):
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def is_english(text):
    return any(character.isascii() and character.isalpha() for character in text)


def scene_of(*items, place="grass", boxes=None):
    spread = [Box(x=0.2 + 0.3 * i, y=0.5, width=0.25, height=0.25) for i in range(len(items))]
    return Scene(place=place, items=items, boxes=tuple(boxes or spread), width_px=300, height_px=300, seed=1)


def thing(name, colour="red", **worn):
    return Item(thing=name, colour=colour, **worn)


def many_scenes(count=300):
    rng = Random(9)
    return [random_scene(rng) for _ in range(count)]


def test_the_world_is_as_large_as_promised():
    assert len(THINGS) >= 16
    assert len(COLOURS) == 9
    assert len(PLACES) == 6
    assert len(LANGUAGES) == 3


def test_the_same_seed_draws_the_same_picture():
    one, other = (draw_scene(random_scene(Random(4))) for _ in range(2))
    assert one.tobytes() == other.tobytes()
    assert one.tobytes() != draw_scene(random_scene(Random(5))).tobytes()


def test_sides_and_boxes_stay_within_limits_and_nothing_overlaps():
    for scene in many_scenes():
        assert all(224 <= side <= 640 for side in (scene.width_px, scene.height_px))
        for box in scene.boxes:
            assert box.width / 2 <= box.x <= 1 - box.width / 2
            assert box.height / 2 <= box.y <= 1 - box.height / 2
        assert not any(a.overlaps(b, gap=0) for a, b in combinations(scene.boxes, 2))


def test_what_is_asked_about_covers_one_and_a_half_visual_tokens():
    """Of 49 a picture, by boxes; a straw hat covers a quarter of its wearer and is larger than a held ball."""
    smallest = min(thing.box.width * thing.box.height for scene in many_scenes() for thing in scene.shown)
    assert smallest * 49 >= 1.49


@pytest.mark.parametrize("name", THINGS)
def test_every_thing_is_seen_in_every_colour(name):
    pictures = set()
    for colour in COLOURS:
        pictures.add(draw_scene(scene_of(thing(name, colour))).tobytes())
    assert len(pictures) == len(COLOURS)


def test_hats_and_held_things_are_seen():
    plain = thing("woman", "red")
    equipped = [plain, replace(plain, straw_hat=True)]
    equipped += [replace(plain, held=held, held_colour="blue") for held in ("ball", "umbrella")]
    assert len({draw_scene(scene_of(item)).tobytes() for item in equipped}) == 4


RED_BALLS = scene_of(thing("ball"), thing("ball"), thing("ball", "blue"))
CAT_DOG = scene_of(thing("cat", "black"), thing("dog", "white"))
LADY = scene_of(thing("woman", "red", straw_hat=True, held="ball", held_colour="blue"))


@pytest.mark.parametrize(
    ("request_", "scene", "expected"),
    [
        (Request(asked=(Asked(thing="ball", colour="red", count=2),)), RED_BALLS, 1),
        (Request(asked=(Asked(thing="ball", colour="red", count=3),)), RED_BALLS, 2 / 3),
        (Request(asked=(Asked(thing="ball", count=3),)), RED_BALLS, 1),
        (Request(asked=(Asked(thing="ball", count=2),)), RED_BALLS, 1 / 2),
        (Request(asked=(Asked(thing="ball", colour="green", count=3),)), RED_BALLS, 2 / 3),
        (Request(asked=(Asked(thing="cat", colour="black"), Asked(thing="dog")), relation="left of"), CAT_DOG, 1),
        (Request(asked=(Asked(thing="cat", colour="black"), Asked(thing="dog")), relation="above"), CAT_DOG, 3 / 4),
        (Request(asked=(Asked(thing="cat"), Asked(thing="bird")), relation="left of"), CAT_DOG, 1 / 3),
        (Request(asked=(Asked(thing="cat"), Asked(thing="cat"))), CAT_DOG, 1 / 2),
        (Request(asked=(Asked(thing="bird", colour="black"),), place="grass"), CAT_DOG, 1 / 3),
        (Request(asked=(Asked(thing="woman", colour="red", straw_hat=True),), place="snow"), LADY, 3 / 4),
        (Request(asked=(Asked(thing="woman", held="ball", held_colour="red"),)), LADY, 2 / 3),
        (Request(asked=(Asked(thing="ball", colour="blue"),)), LADY, 1),
        (Request(place="grass", absent="people"), LADY, 1 / 2),
        (Request(place="grass", absent="ball"), LADY, 1 / 2),
        (Request(place="grass", absent="car"), LADY, 1),
    ],
)
def test_the_graded_match_by_hand(request_, scene, expected):
    assert match(request_, scene) == pytest.approx(expected)


def test_a_relation_needs_fifteen_percent_of_a_side():
    middle = Box(x=0.5, y=0.5, width=0.1, height=0.1)
    for distance, holds in ((0.14, False), (0.16, True)):
        left, above = replace(middle, x=0.5 - distance), replace(middle, y=0.5 - distance)
        assert related(left, "left of", middle) == related(middle, "right of", left) == holds
        assert related(above, "above", middle) == related(middle, "below", above) == holds


def test_an_examination_has_one_right_picture_and_wrong_ones_of_each_kind():
    rng = Random(3)
    for _ in range(100):
        exercise = examination(rng)
        assert match(exercise.request, exercise.right) == 1
        assert all(match(exercise.request, scene) < 1 for scene in exercise.wrong)
        kinds = exercise.kinds
        assert len(kinds) == 9
        assert (kinds.count("attribute"), kinds.count("two attributes"), kinds.count("other")) == (3, 2, 2)
        for kind, scene in zip(kinds, exercise.wrong, strict=True):
            if kind in ("count", "relation"):
                assert failed_kinds(exercise.request, scene) == [kind]


@pytest.mark.parametrize(
    ("shown", "place", "expected"),
    [
        ((thing("cat"), thing("dog", "black")), "grass", []),
        ((thing("cat", "blue"), thing("dog", "black")), "grass", ["colour"]),
        ((thing("bird", "blue"), thing("dog", "black")), "grass", ["thing"]),
        ((thing("bird"), thing("boat")), "grass", ["thing", "thing"]),
        ((thing("dog", "black"), thing("cat")), "grass", ["relation"]),
        ((thing("bird"), thing("dog", "white")), "snow", ["thing", "colour", "place"]),
    ],
)
def test_what_follows_from_a_missing_thing_is_no_difference_of_its_own(shown, place, expected):
    asked = (Asked(thing="cat", colour="red"), Asked(thing="dog", colour="black"))
    request = Request(asked=asked, relation="left of", place="grass")
    assert differences(request, scene_of(*shown, place=place)) == expected


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.extended)])
def test_lessons_end_and_their_right_scene_is_right(count):
    rng = Random(0)
    for _ in range(count):
        exercise = lesson(rng)
        assert match(exercise.request, exercise.right) == 1


def test_requests_about_a_scene_are_about_it():
    rng = Random(1)
    matches = [match(ask_about(scene, rng), scene) for scene in many_scenes()]
    assert np.mean([one == 1 for one in matches]) > 0.9


def test_captions_are_in_their_language_and_vary():
    rng = Random(2)
    mixed = []
    for _ in range(300):
        request = examination(rng).request
        assert not is_chinese(word(request, "en", rng).text)
        assert not is_english(word(request, "zh", rng).text)
        mixed.append(word(request, "mixed", rng).text)
    assert np.mean([is_chinese(text) and is_english(text) for text in mixed]) > 0.9
    request = Request(asked=(Asked(thing="cat", colour="black"),), place="window sill", absent="people")
    for language in LANGUAGES:
        assert len({word(request, language, rng).text for _ in range(60)}) >= 8


def stored_tokenizer():
    return AutoTokenizer.from_pretrained(ASSETS / "toybox")


@pytest.mark.parametrize("tokenizer_of", [stored_tokenizer, pytest.param(build_tokenizer, marks=pytest.mark.extended)])
def test_the_tokenizer_knows_words_and_answers_with_single_tokens(tokenizer_of):
    tokenizer = tokenizer_of()
    for text in SINGLE_TOKENS:
        assert len(tokenizer.encode(text, add_special_tokens=False)) == 1
    for text in ("窗台上有一只黑猫", "a fire truck 在雪地里", "emoji 🐈 and 漢字"):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    assert len(tokenizer.encode("穿红色裙子的女人", add_special_tokens=False)) <= 6


def test_dense_targets_say_what_a_token_shows():
    scene = scene_of(
        thing("cat", "black"),
        thing("dog", "white"),
        boxes=(Box(x=0.25, y=0.5, width=0.5, height=1.0), Box(x=0.75, y=0.5, width=0.5, height=1.0)),
    )
    targets = token_targets(scene, 2, 4)
    assert targets.shown.tolist() == [0, 0, 1, 1] * 2
    assert np.allclose(targets.centres[:, 0], [0.25, 0.25, 0.75, 0.75] * 2)
    assert coverage(scene, 2, 4).sum() == pytest.approx(8)
    request = Request(asked=(Asked(thing="dog", colour="red"), Asked(thing="cat")), absent="dog")
    expected = np.zeros((4, len(SLOT_CHANNELS)))
    expected[:2, 2:4], expected[2:, 0], expected[2:, 4] = 1, 1, 1
    assert np.array_equal(slot_targets(request, scene, targets)[:4], expected)


@pytest.mark.parametrize("level", [level for level in LEVELS if level >= VISUAL_TOKENS])
def test_every_shown_thing_owns_a_token_at_the_usual_detail(level):
    """At 25 two small things may share their best token, which then shows the larger."""
    side = int(level**0.5)
    for scene in many_scenes(100):
        owned = set(token_targets(scene, side, side).shown.tolist()) - {-1}
        assert owned == set(range(len(scene.shown)))


def test_the_gallery_holds_the_pairs_that_embeddings_confuse(tmp_path):
    write_gallery(tmp_path)
    assert {file.stem for file in tmp_path.glob("*.png")} == set(PICTURES)
    scenes = sample_scenes()
    lady = Request(asked=(Asked(thing="woman", colour="red"),))
    assert match(lady, scenes["red_dress_meadow"]) == 1
    assert match(lady, scenes["red_fire_truck"]) == 0
    for relation in RELATIONS[:2]:
        dog, tree = scenes[f"dog_{relation.replace(' ', '_')}_tree"].boxes
        assert related(dog, relation, tree)


def test_arranging_keeps_the_relation():
    rng = Random(8)
    for relation in RELATIONS:
        scene = arranged((thing("cat"), thing("dog")), "grass", rng, relation)
        assert related(scene.boxes[0], relation, scene.boxes[1])

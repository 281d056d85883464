"""The sample gallery."""

from reranker.toybox.gallery import PICTURES, sample_scenes, write_gallery
from reranker.toybox.matching import Request, RequestedThing, match
from reranker.toybox.scenes import RELATIONS, related


def test_the_gallery_has_pairs_that_embeddings_confuse(tmp_path):
    write_gallery(tmp_path)
    assert {file.stem for file in tmp_path.glob("*.png")} == set(PICTURES)
    scenes = sample_scenes()
    lady = Request(things=(RequestedThing(thing="woman", colour="red"),))
    assert match(lady, scenes["red_dress_meadow"]) == 1
    assert match(lady, scenes["red_fire_truck"]) == 0
    for relation in RELATIONS[:2]:
        dog, tree = scenes[f"dog_{relation.replace(' ', '_')}_tree"].boxes
        assert related(dog, relation, tree)

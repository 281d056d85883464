"""The checkpoint that comes with the program."""

from reranker.models.hub import TOYBOX


def test_the_checkpoint_on_the_disk_is_small_bfloat16_and_plain(checkpoint, reference):
    assert sum(parameter.numel() for parameter in reference.parameters()) <= 8_000_000
    assert (TOYBOX / "model.safetensors").stat().st_size <= 16_000_000
    assert {file.suffix for file in TOYBOX.iterdir()} <= {".json", ".safetensors", ".jinja", ".md"}
    assert checkpoint.detail_levels == (25, 49, 64)

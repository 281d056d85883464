"""The benchmark of encoding, with a tiny encoder."""

from pathlib import Path

import pytest

from reranker.benchmarks.encoding import as_table, benchmark, picture_gflop
from tests.support.dual_encoders import IMAGE_PX, siglip_folder


@pytest.mark.extended
def test_every_method_encodes_all_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    encoder = str(siglip_folder(tmp_path / "siglip", 1))
    result = benchmark(encoder, 10, 2)
    assert result["methods"].keys() >= {"articles", "ours", "ours in onnx"}
    assert result["methods"]["articles"]["times_articles"] == 1
    assert all(method["pictures_per_s"] > 0 for method in result["methods"].values())
    table = as_table(result)
    assert all(name in table for name in result["methods"])


def test_operations_are_counted(tmp_path: Path) -> None:
    gflop = picture_gflop(str(siglip_folder(tmp_path / "siglip", 1)))
    patches = (IMAGE_PX // 8) ** 2
    embedding = 2 * patches * 16 * 3 * 8 * 8
    assert embedding / 1e9 < gflop < 20 * embedding / 1e9

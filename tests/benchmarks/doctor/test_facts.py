"""Facts are those of this machine, and name no folder of its user."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import constants

from reranker.benchmarks.doctor import facts as machine
from reranker.benchmarks.doctor.facts import driver_version, gather_facts, hide_home, model_state, package_version
from reranker.benchmarks.doctor.report import facts_table
from reranker.models.hub import REPOSITORIES, TOYBOX
from reranker.version import __version__

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with all folders of the program and of the hub's library."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / ".cache" / "huggingface" / "hub"))
    return tmp_path


def test_facts_are_those_of_this_machine(home: Path) -> None:
    facts = gather_facts()
    assert facts.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert (facts.versions["reranker"], facts.versions["torch"]) == (__version__, torch.__version__)
    assert facts.cpu.threads == torch.get_num_threads()
    assert facts.cpu.name
    assert facts.memory_bytes is None or facts.memory_bytes[0] > facts.memory_bytes[1] > 0
    assert set(facts.models) == set(REPOSITORIES)
    assert all(folder.free_bytes > 0 for folder in facts.folders.values())


def test_the_home_directory_is_a_tilde(home: Path) -> None:
    facts = gather_facts()
    assert facts.folders["Hugging Face cache"].path == "~/.cache/huggingface/hub"
    assert str(home) not in json.dumps(asdict(facts)) + facts_table(facts)
    assert hide_home(f"{home}/photos and {home}") == "~/photos and ~"
    assert hide_home(f"{home}-of-others/photos") == f"{home}-of-others/photos"


def test_a_process_without_a_home_directory_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert hide_home("/models/mine") == "/models/mine"


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert package_version("no-such-package-anywhere") is None


@pytest.mark.parametrize(
    ("script", "version"), [("echo 570.86.15; echo 570.86.15", "570.86.15"), ("exit 9", None), ("true", None)]
)
def test_the_driver_is_asked_and_may_fail(
    script: str, version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert driver_version() is None
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert driver_version() == version


def snapshot_of(name: str) -> Path:
    stored = Path(constants.HF_HUB_CACHE) / f"models--{REPOSITORIES[name].replace('/', '--')}"
    snapshot = stored / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (stored / "refs").mkdir()
    (stored / "refs" / "main").write_text(COMMIT)
    return snapshot


@pytest.mark.usefixtures("home")
def test_models_are_complete_incomplete_or_absent() -> None:
    whole, part, short = (snapshot_of(name) for name in ("lychee", "lychee-3b", "qwen2.5-vl-7b"))
    for path in TOYBOX.iterdir():
        (whole / path.name).symlink_to(path)
    (part / "config.json").symlink_to(TOYBOX / "config.json")
    (short / "config.json").symlink_to(TOYBOX / "config.json")
    (short / "model.safetensors").write_bytes((TOYBOX / "model.safetensors").read_bytes()[:-1])
    others = dict.fromkeys(set(REPOSITORIES) - {"lychee", "lychee-3b", "qwen2.5-vl-7b"}, "not on this machine")
    assert {name: model_state(name) for name in REPOSITORIES} == {
        "lychee": "complete",
        "lychee-3b": "incomplete",
        "qwen2.5-vl-7b": "incomplete",
        **others,
    }


def test_a_gpu_that_does_not_answer_is_still_described(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(index: int) -> tuple[int, int]:
        raise RuntimeError("CUDA error: device is busy")

    properties = SimpleNamespace(name="H100", major=9, minor=0, multi_processor_count=132, total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", refuse)
    facts = gather_facts()
    assert facts.gpus == (
        machine.Gpu(
            name="H100", compute_capability="9.0", multiprocessors=132, total_bytes=80 * 2**30, free_bytes=None
        ),
    )
    assert "H100, compute capability 9.0, 132 multiprocessors, 80.0 GiB, unknown free" in facts_table(facts)

"""The facts of this machine that decide how the program runs: versions, processors, memory, folders, models.

Nothing is downloaded, and folders are shown with the home directory as `~`.
"""

import os
import platform
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

import torch
from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from reranker.config.paths import cache_folder, data_folder
from reranker.core.errors import CheckpointError, CheckpointNotDownloaded
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.hub import REPOSITORIES, folder_of
from reranker.models.memory_plan import multiplies_bf16
from reranker.version import __version__

PACKAGES: Final = ("torch", "transformers", "accelerate", "pillow", "gradio", "bitsandbytes")
DRIVER_QUERY: Final = ("--query-gpu=driver_version", "--format=csv,noheader")
DRIVER_TIMEOUT_S: Final = 20  # a GPU that sleeps answers late
ModelState = Literal["complete", "incomplete", "not on this machine"]


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """The processor. capability: the instructions for which torch chooses its kernels. threads: of torch."""

    name: str
    cores: int
    threads: int
    capability: str
    multiplies_bf16: bool


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU that torch can use. free_bytes: None if the GPU does not answer."""

    name: str
    compute_capability: str
    multiprocessors: int
    total_bytes: int
    free_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of the program or of a library, and the free bytes on its disk."""

    path: str
    free_bytes: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All facts. The field names are those of the JSON output.

    versions: None for a package that is not installed. cuda: the version that torch was built with. driver: of the GPU,
        by nvidia-smi. memory_bytes: total and available memory of the host; None on systems that do not tell.
    """

    versions: dict[str, str | None]
    system: str
    cpu: Cpu
    gpus: tuple[Gpu, ...]
    cuda: str | None
    driver: str | None
    memory_bytes: tuple[int, int] | None
    folders: dict[str, Folder]
    models: dict[str, ModelState]


def gather_facts() -> Facts:
    """Read all facts, in about a second."""
    folders = {
        "Hugging Face cache": Path(constants.HF_HUB_CACHE),
        "cache folder": cache_folder(),
        "data folder": data_folder(),
    }
    return Facts(
        versions={
            "python": platform.python_version(),
            "reranker": __version__,
            **{package: package_version(package) for package in PACKAGES},
        },
        system=platform.platform(),
        cpu=_cpu(),
        gpus=tuple(_gpu(index) for index in range(torch.cuda.device_count())),
        cuda=torch.version.cuda,
        driver=driver_version(),
        memory_bytes=_memory_bytes(),
        folders={name: _folder(path) for name, path in folders.items()},
        models={name: model_state(name) for name in REPOSITORIES},
    )


def package_version(package: str) -> str | None:
    """Return the version of a package, without importing it; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def driver_version() -> str | None:
    """Return the version of the GPU's driver; None if nvidia-smi is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *DRIVER_QUERY], capture_output=True, text=True, check=True, timeout=DRIVER_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.splitlines()), None)


def _cpu() -> Cpu:
    return Cpu(
        name=_proc_field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        capability=torch.backends.cpu.get_cpu_capability(),
        multiplies_bf16=multiplies_bf16(),
    )


def _gpu(index: int) -> Gpu:
    properties = torch.cuda.get_device_properties(index)
    free = None
    with suppress(RuntimeError):
        free, _ = torch.cuda.mem_get_info(index)
    return Gpu(
        name=properties.name,
        compute_capability=f"{properties.major}.{properties.minor}",
        multiprocessors=properties.multi_processor_count,
        total_bytes=properties.total_memory,
        free_bytes=free,
    )


def _memory_bytes() -> tuple[int, int] | None:
    total, available = (_proc_field("/proc/meminfo", name) for name in ("MemTotal", "MemAvailable"))
    if total is None or available is None:
        return None
    return 1024 * int(total.split()[0]), 1024 * int(available.split()[0])


def _proc_field(path: str, name: str) -> str | None:
    """Return the first value of a field in a file of /proc; None if there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    values = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name)
    return next(values, None)


def _folder(path: Path) -> Folder:
    """Describe a folder, which need not exist yet."""
    existing = next(each for each in (path, *path.absolute().parents) if each.exists())
    return Folder(path=hide_home(str(path)), free_bytes=shutil.disk_usage(existing).free)


def hide_home(text: str) -> str:
    """Return a text with the home directory of the user as `~`."""
    home = str(Path.home())
    if home == Path(home).anchor:
        return text
    return re.sub(re.escape(home) + r"(?![\w.-])", "~", text)


def model_state(name: str) -> ModelState:
    """Return whether the files of a model of the hub are on this machine, each as long as its header says."""
    try:
        CheckpointFiles(name, folder_of(name))
    except CheckpointNotDownloaded:
        stored = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=REPOSITORIES[name], repo_type="model"))
        return "incomplete" if stored.exists() else "not on this machine"
    except CheckpointError:
        return "incomplete"
    return "complete"

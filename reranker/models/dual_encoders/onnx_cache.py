"""The ONNX files of a dual encoder in the cache folder: each is written once, and compared with torch once."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from filelock import FileLock

from reranker.core.errors import BackendFailed, CheckpointError
from reranker.models.dual_encoders.agreement import TEXTS, Agreement, measure_agreement
from reranker.models.dual_encoders.family import Tokenize
from reranker.models.dual_encoders.onnx_export import export_towers, quantize_towers
from reranker.models.dual_encoders.onnx_runtime import onnx_runtime
from reranker.models.dual_encoders.onnx_towers import PRECISIONS, OnnxTowers, ProviderMissing
from reranker.models.dual_encoders.towers import TorchTowers
from reranker.storage.atomic_write import write_atomically

PACKAGES: Final = ("onnx", "onnxruntime", "onnxscript")
CPU: Final = torch.device("cpu")
_UNFINISHED: Final = ".unfinished-"  # begins the name of a folder that is being written


@dataclass(frozen=True, kw_only=True)
class OnnxCache:
    """The folder with the ONNX files of one dual encoder.

    name: of the model, for error messages. length_varies: whether texts may have any number of tokens.
    reference: returns the towers on torch, in fp32 on the CPU.
    """

    name: str
    folder: Path
    image_px: int
    tokenize: Tokenize
    length_varies: bool
    reference: Callable[[], TorchTowers]

    def open(self, backend: str, device: torch.device) -> OnnxTowers:
        """Return the towers on "onnx" or "onnx-int8", whose vectors agree with those of torch.

        Another process that opens them waits meanwhile. Raises `BackendFailed`, `BackendRefused`, and what `reference`
        does.
        """
        if not all(map(find_spec, PACKAGES)):
            raise BackendFailed(self.name, backend, "package")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock"):
                towers = self._opened(backend, device) or self._made(backend, device)
                self._agreement(towers, device).require(self.name, backend)
                return towers
        except CheckpointError:
            raise
        except Exception as error:  # torch and ONNX Runtime raise errors of many types
            raise BackendFailed(self.name, backend, _reason(error)) from error

    def _files(self, backend: str) -> Path:
        """Return the folder for the files of a backend. Another version of torch exports again."""
        return self.folder / f"{PRECISIONS[backend]}-torch-{torch.__version__}"

    def _opened(self, backend: str, device: torch.device) -> OnnxTowers | None:
        """Return the towers; None if their files are missing or broken."""
        try:
            return OnnxTowers(self._files(backend), backend, device)
        except ProviderMissing:
            raise
        except Exception:  # ONNX Runtime raises errors of many types
            return None

    def _made(self, backend: str, device: torch.device) -> OnnxTowers:
        """Write the files in a folder of another name, so that a process that is killed leaves none of this one."""
        if backend == "onnx-int8" and self._opened("onnx", CPU) is None:
            self._made("onnx", CPU)
        for former in [*self.folder.glob(f"{PRECISIONS[backend]}-*"), *self.folder.glob(f"{_UNFINISHED}*")]:
            shutil.rmtree(former)
        with TemporaryDirectory(prefix=_UNFINISHED, dir=self.folder) as temporary:
            files = Path(temporary) / PRECISIONS[backend]
            files.mkdir()
            if backend == "onnx":
                tokens = self.tokenize(TEXTS)
                export_towers(self.reference(), tokens, self.image_px, files, length_varies=self.length_varies)
            else:
                quantize_towers(self._files("onnx"), files)
            files.rename(self._files(backend))
        return OnnxTowers(self._files(backend), backend, device)

    def _agreement(self, towers: OnnxTowers, device: torch.device) -> Agreement:
        """Return how far these files agree with torch, as measured before with this ONNX Runtime on such a device."""
        files = self._files(towers.backend)
        stored_in = files / f"agreement-{device.type}.json"
        about = {"backend": towers.backend, "onnxruntime": onnx_runtime().__version__, "files": _stamps(files)}
        if (stored := _read_agreement(stored_in, about)) is not None:
            return stored
        agreement = measure_agreement(towers, self.reference(), self.tokenize(TEXTS), self.image_px)
        write_atomically(json.dumps({"about": about, **asdict(agreement)}, indent=2).encode(), stored_in)
        return agreement


def _stamps(folder: Path) -> list[list[Any]]:
    """Return what changes when a model file is replaced: names, bytes, and times in nanoseconds."""
    files = [(file.name, file.stat()) for file in sorted(folder.glob("*.onnx*"))]
    return [[name, status.st_size, status.st_mtime_ns] for name, status in files]


def _read_agreement(file: Path, about: dict[str, Any]) -> Agreement | None:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored.pop("about") != about:
            return None
        return Agreement(**stored)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, ProviderMissing):
        return "provider"
    return "disk" if isinstance(error, OSError) else type(error).__name__

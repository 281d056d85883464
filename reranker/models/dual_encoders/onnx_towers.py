"""The towers of a dual encoder on ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from reranker.models.dual_encoders.onnx_export import PICTURES, PIXELS, TEXTS
from reranker.models.dual_encoders.onnx_runtime import onnx_runtime

PRECISIONS: Final = {"onnx": "fp32", "onnx-int8": "int8"}
_PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_FATAL: Final = 4  # the severity of what ONNX Runtime may write to stderr: its errors are raised


class ProviderMissing(Exception):
    """The installed ONNX Runtime cannot compute on the device."""


class OnnxTowers:
    """Both towers on ONNX Runtime, with as many threads as torch uses.

    backend: "onnx" or "onnx-int8". Products in int8 are computed on the CPU, whatever the device is.
    The constructor raises `ProviderMissing`, and errors of ONNX Runtime.
    """

    def __init__(self, folder: Path, backend: str, device: torch.device) -> None:
        self.backend, self.precision = backend, PRECISIONS[backend]
        on = torch.device("cpu") if backend == "onnx-int8" else device
        self._pictures, self._texts = (_session(folder / name, on) for name in (PICTURES, TEXTS))

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the vectors of pictures."""
        return _run(self._pictures, {PIXELS: pixels})

    def encode_tokens(self, tokens: Mapping[str, torch.Tensor]) -> NDArray[np.float32]:
        """Return the vectors of texts."""
        return _run(self._texts, {name: values.numpy() for name, values in tokens.items()})


def _session(file: Path, device: torch.device) -> Any:
    onnxruntime = onnx_runtime()
    provider = _PROVIDERS.get(device.type, device.type)
    if provider not in onnxruntime.get_available_providers():
        raise ProviderMissing(provider)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as `torch_environment` says
    options.log_severity_level = _FATAL
    settings = {"device_id": device.index or 0} if device.type == "cuda" else {}
    # With its fallback it would print, and compute on the CPU, if a GPU fails.
    session = onnxruntime.InferenceSession(file, options, [provider], [settings], enable_fallback=0)
    if provider not in session.get_providers():  # its libraries of CUDA are missing
        raise ProviderMissing(provider)
    return session


def _run(session: Any, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    (vectors,) = session.run(None, inputs)
    return np.asarray(vectors, np.float32)

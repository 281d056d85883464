"""Import ONNX Runtime, which is of the extra `library`."""

from typing import Any

from reranker.config import onnx_environment


def onnx_runtime() -> Any:
    """Import ONNX Runtime without its telemetry. Raises `ImportError` if it is not installed."""
    onnx_environment.prepare()
    import onnxruntime  # noqa: PLC0415 - of an extra

    onnxruntime.disable_telemetry_events()  # for when another part of the program has imported it before
    return onnxruntime

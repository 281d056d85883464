"""The environment variable that ONNX Runtime reads once, when it is imported."""

import os


def prepare() -> None:
    """Turn off its telemetry, which tells Microsoft about models and writes an id of this machine to the disk."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"

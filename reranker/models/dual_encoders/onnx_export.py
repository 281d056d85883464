"""Write the towers of a dual encoder as ONNX files, and quantize them.

A file has its weights beside it, as an ONNX file alone may not be larger than 2 GB.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from reranker.models.dual_encoders.onnx_runtime import onnx_runtime
from reranker.models.dual_encoders.towers import TorchTowers

PICTURES: Final = "pictures.onnx"
TEXTS: Final = "texts.onnx"
PIXELS: Final = "pixels"  # the input of the tower of pictures; those of the other are named as `Tokenize` names them
_LOGGERS: Final = ("torch.onnx", "onnxscript", "root")  # quantization gives advice in the root logger


def export_towers(
    towers: TorchTowers, tokens: Mapping[str, torch.Tensor], image_px: int, folder: Path, *, length_varies: bool
) -> None:
    """Write both towers in float32 into a folder. A batch may have any size.

    towers: in fp32, on the CPU. tokens: of at least two texts. length_varies: whether texts may have any length.
    Raises `OSError`, and errors of the exporter.
    """
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    pixels = {PIXELS: torch.zeros(2, image_px, image_px, 3, dtype=torch.uint8)}
    _export(towers.pictures, pixels, {0: batch}, folder / PICTURES)
    _export(towers.texts, tokens, {0: batch, 1: length} if length_varies else {0: batch}, folder / TEXTS)


def _export(tower: torch.nn.Module, inputs: Mapping[str, torch.Tensor], dynamic: dict[int, Any], file: Path) -> None:
    """Write one tower. dynamic: the dimensions of each input whose size may vary, with their names."""
    with _quiet():
        torch.onnx.export(
            tower,
            kwargs=dict(inputs),
            f=file,
            input_names=list(inputs),
            dynamic_shapes=dict.fromkeys(inputs, dynamic),
            dynamo=True,
            external_data=True,
            verbose=False,
        )


def quantize_towers(source: Path, folder: Path) -> None:
    """Write the towers of a folder with the weights of matrix products in int8, each column with a scale of its own.

    Raises `OSError`, and errors of ONNX Runtime.
    """
    onnx_runtime()
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - of an extra

    with _quiet():
        for name in (PICTURES, TEXTS):
            quantize_dynamic(
                source / name,
                folder / name,
                op_types_to_quantize=["MatMul", "Gemm"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                use_external_data_format=True,
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporter says about itself: none of it is about the model."""
    loggers = [logging.getLogger(None if name == "root" else name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "# The axis name: .* will not be used", UserWarning)
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

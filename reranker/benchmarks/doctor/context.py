"""What the checks share: the device, the thread of torch, and models that are opened once."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Final, TypeVar, cast, get_args

import torch

from reranker.benchmarks.doctor.checks import NotChecked
from reranker.benchmarks.model_shapes import Model, open_model, random_model, sizes_of
from reranker.config.settings import Device, Precision
from reranker.core.types import Scoring
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.torch_thread import TorchThread
from reranker.images.limits import Limits
from reranker.models.memory_plan import GIB, free_bytes

SCORINGS: Final[tuple[Scoring, ...]] = get_args(Scoring)
LARGE: Final = "7b"  # the shape of lychee-rerank-mm
_Result = TypeVar("_Result")


class CheckContext:
    """Opens models for the checks of a device, and runs what calls torch in one thread.

    precision: of the models on the device. shape: of the large one, whose weights are random.
    """

    def __init__(self, device: torch.device, precision: Precision = "bf16", shape: str = LARGE) -> None:
        self.device, self.precision, self.shape = device, precision, shape
        self.torch_thread = TorchThread()

    def run(self, work: Callable[[], _Result]) -> _Result:
        """Run `work` in the thread of torch."""
        return self.torch_thread.run(work)

    def scorer(self, model: Model, scoring: Scoring = "yes-no", *, cache_bytes: int = 0) -> CrossEncoder:
        """Return a scorer; without a cache every score is computed from the picture."""
        make = partial(
            CrossEncoder, model.checkpoint, limits=Limits(), cache=FeatureCache(cache_bytes), scoring=scoring
        )
        return self.run(make)

    @cached_property
    def toybox(self) -> Model:
        """The built-in model in float32 on the CPU, the reference of all others."""
        return self.run(partial(open_model, "toybox", "cpu", "fp32"))

    @cached_property
    def toybox_on_device(self) -> Model:
        """The built-in model on the device."""
        return self.toybox_in(self.precision)

    def toybox_in(self, precision: Precision) -> Model:
        """Return the built-in model in a precision on the device."""
        return self.run(partial(open_model, "toybox", cast(Device, self.device.type), precision))

    @cached_property
    def large(self) -> Model:
        """The large model on the device. Raises `NotChecked` if it does not fit on the GPU."""
        needed, free = sizes_of(self.shape).gpu_bytes(self.precision, all_on_device=True), free_bytes(self.device)
        if needed > free:
            raise NotChecked(
                f"It needs {needed / GIB:.1f} GiB of free GPU memory for a model of the shape {self.shape}; "
                f"{free / GIB:.1f} are free."
            )
        return self.run(partial(random_model, self.shape, self.device, self.precision))

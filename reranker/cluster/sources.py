"""Where workers get models from: the checkpoint of their own machine, with the settings of the program."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from reranker.config.settings import MEGABYTE, Device, Precision
from reranker.core.types import EncoderBackend, Scoring
from reranker.images.limits import Limits

if TYPE_CHECKING:
    from reranker.engine.cross_encoder import CrossEncoder
    from reranker.models.dual_encoders.encoder import Encoder


@dataclass(frozen=True, kw_only=True)
class CrossEncoderSource:
    """A `ModelSource` of a checkpoint. The fields are those of `ModelSettings` and `EngineSettings`.

    model: a name, an id of the hub, or a folder that every machine has. visual_tokens: of a picture, for which the
    model must have room; 0 if it is not known.
    """

    model: str
    revision: str
    precision: Precision
    scoring: Scoring
    instruction: str
    visual_tokens: int
    batch_tokens: int
    feature_cache_mb: int
    limits: Limits

    @property
    def key(self) -> str:
        """All fields."""
        return repr(asdict(self))

    def load(self, *, on_gpu: bool) -> "CrossEncoder":
        """Load the checkpoint. Raises a `RerankerError`."""
        from reranker.engine.cross_encoder import CrossEncoder  # noqa: PLC0415 - torch is slow to import
        from reranker.engine.feature_cache import FeatureCache  # noqa: PLC0415
        from reranker.models.loading import load_checkpoint  # noqa: PLC0415

        checkpoint = load_checkpoint(
            self.model, _device(on_gpu), self.precision, self.revision, visual_tokens=self.visual_tokens
        )
        return CrossEncoder(
            checkpoint,
            limits=self.limits,
            cache=FeatureCache(self.feature_cache_mb * MEGABYTE),
            scoring=self.scoring,
            instruction=self.instruction,
            batch_tokens=self.batch_tokens or None,
        )


@dataclass(frozen=True, kw_only=True)
class DualEncoderSource:
    """An `EncoderSource` of a checkpoint. model, backend: as in `load_encoder`."""

    model: str
    backend: EncoderBackend

    @property
    def key(self) -> str:
        """All fields."""
        return repr(asdict(self))

    def load(self, *, on_gpu: bool) -> "Encoder":
        """Load the checkpoint. Raises a `RerankerError`."""
        from reranker.models.dual_encoders.encoder import load_encoder  # noqa: PLC0415

        return load_encoder(self.model, _device(on_gpu), backend=self.backend)


def _device(on_gpu: bool) -> Device:
    return "cuda" if on_gpu else "cpu"

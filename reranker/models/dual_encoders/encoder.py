"""A dual encoder: pictures and texts become vectors of one space, in which near ones fit each other."""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from reranker.config.paths import cache_folder
from reranker.config.settings import Device
from reranker.core.errors import BackendFailed, CheckpointBroken, CheckpointError, ModelOutOfMemory
from reranker.core.types import BackendChoice, EncoderBackend, EncoderInfo, EncoderPrecision
from reranker.images.decoding_pool import DECODING_VERSION, SQUARE_VERSION
from reranker.models.dual_encoders.backend_choice import BackendChooser
from reranker.models.dual_encoders.family import Tokenize
from reranker.models.dual_encoders.files import DualEncoderFiles, Logits, without_advice_on_ids
from reranker.models.dual_encoders.onnx_cache import CPU, OnnxCache
from reranker.models.dual_encoders.towers import DTYPES, TorchTowers, Towers
from reranker.models.hub import LANGUAGES, TEMPLATES, folder_of
from reranker.models.loading import WEIGHTS, check_weights, report_loading
from reranker.models.memory_plan import choose_device, is_out_of_memory, unquantized_precision
from reranker.models.picture_preprocessing import SquareSettings

_QUANTIZATION_VERSION: Final = "int8-1"  # increase it if the same text or picture gets another vector in int8


class Encoder:
    """A loaded dual encoder. All methods run in one thread at a time.

    template: what a text is put into, with {} in its place. logits: of the checkpoint. languages: that it reads, "en"
    and "zh". choice: how "auto" has chosen the backend; None if it was given.
    """

    def __init__(
        self,
        towers: Towers,
        tokenize: Tokenize,
        info: EncoderInfo,
        template: str = "{}",
        logits: Logits | None = None,
        languages: tuple[str, ...] = ("en", "zh"),
        choice: BackendChoice | None = None,
    ) -> None:
        self.info, self.template, self.languages, self.choice = info, template, languages, choice
        self._towers, self._tokenize, self._logits = towers, tokenize, logits or Logits(scale=1.0, bias=None)

    def encode_images(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the vectors of pictures, which were resized to `info.image_px`: (n, dimensions), of unit length.

        batch: at least one picture, (image_px, image_px, RGB) each.
        """
        return self._towers.encode_pixels(np.stack(batch))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, at least one: (n, dimensions), of unit length. Long texts are cut."""
        return self._towers.encode_tokens(self._tokenize([self.template.replace("{}", text) for text in texts]))

    def probabilities(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability that each text fits its picture, (pictures, texts), by the cosines of their vectors.

        Each is judged by itself if the encoder was trained so, as SigLIP was; otherwise the texts share a picture's
        probability of 1 (softmax, as CLIP).
        """
        logits = cosines * self._logits.scale
        if self._logits.bias is not None:
            return np.asarray(1 / (1 + np.exp(-np.clip(logits + self._logits.bias, -60, 60))), np.float32)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(shares / shares.sum(1, keepdims=True), np.float32)

    @property
    def judges_alone(self) -> bool:
        """Whether `probabilities` judges each text by itself."""
        return self._logits.bias is not None


def load_encoder(
    model: str,
    device: Device = "auto",
    precision: EncoderPrecision = "auto",
    revision: str = "",
    *,
    template: str | None = None,
    backend: EncoderBackend = "torch",
) -> Encoder:
    """Load a dual encoder from the disk. Nothing is downloaded, and weights are read from safetensors files only.

    model: "toybox-encoder", a name of `hub.ENCODERS`, an id of the hub, or a folder. template: what a text is put into,
        with {} in its place; that of `hub.TEMPLATES` if None, or the text alone. backend: "auto" is the faster one of
        torch and ONNX Runtime, which is measured at the first call; "onnx-int8" always runs on the CPU.

    Raises `CheckpointMissing`, `CheckpointBroken`, `CheckpointUnsupported`, `ModelOutOfMemory`, `DeviceMissing`; with
    "onnx" and "onnx-int8" also `BackendFailed` and `BackendRefused`.
    """
    chosen = choose_device(device)
    files = DualEncoderFiles(model, folder_of(model, revision))
    settings, tokenize = files.square_settings, files.family.make_tokenize(files, files.config)
    template = TEMPLATES.get(model, "{}") if template is None else template
    fingerprint = _fingerprint(files, settings, template)
    torch_precision = unquantized_precision(chosen, large=True) if precision == "auto" else precision

    @cache
    def load_towers(on: torch.device, in_precision: str) -> TorchTowers:
        return TorchTowers(_load_network(files, on, in_precision), settings, on, in_precision)

    onnx = OnnxCache(
        name=model,
        folder=cache_folder() / "onnx" / fingerprint,
        image_px=settings.image_px,
        tokenize=tokenize,
        length_varies=files.family.text_length_varies,
        reference=lambda: load_towers(CPU, "fp32"),
    )

    def open_backend(name: str) -> Towers:
        if name == "torch":
            return load_towers(chosen, torch_precision)
        if precision not in ("auto", "fp32"):
            raise BackendFailed(model, name, "precision")
        return onnx.open(name, chosen)

    choice = None
    if backend == "auto":
        choice = BackendChooser(
            model=model,
            fingerprint=fingerprint,
            device=chosen,
            precision=torch_precision,
            image_px=settings.image_px,
            open_torch=lambda: open_backend("torch"),
            open_onnx=lambda: open_backend("onnx"),
        ).choose()
    towers = open_backend(backend if choice is None else choice.backend)
    info = EncoderInfo(
        model=model,
        fingerprint=_quantized(fingerprint) if towers.precision == "int8" else fingerprint,
        precision=towers.precision,
        backend=towers.backend,
        dimensions=files.family.dimensions(files.config),
        image_px=settings.image_px,
    )
    languages = LANGUAGES.get(model, ("en", "zh"))
    return Encoder(towers, tokenize, info, template, files.logits, languages, choice)


def _load_network(files: DualEncoderFiles, device: torch.device, precision: str) -> PreTrainedModel:
    """Raises `CheckpointBroken` and `ModelOutOfMemory`."""
    try:
        with report_loading(lambda done, total: None), without_advice_on_ids():
            loaded: Any = files.family.network_class.from_pretrained(
                files.folder,
                local_files_only=True,
                use_safetensors=True,
                attn_implementation="sdpa",
                dtype=DTYPES[precision],
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are reported below, by their names
            )
        network, loading_info = loaded
        check_weights(files, network, loading_info)
        return cast(PreTrainedModel, network.to(device))
    except CheckpointError:
        raise
    except Exception as error:  # safetensors, json and transformers raise errors of many types
        if is_out_of_memory(error):
            raise ModelOutOfMemory(name=files.name, precision=precision) from error
        raise CheckpointBroken(name=files.name, file=WEIGHTS, reason=type(error).__name__) from error


def _fingerprint(files: DualEncoderFiles, settings: SquareSettings, template: str) -> str:
    """Return a digest of all that a vector depends on, but the precision: its vectors are compared with others."""
    return _digest(
        files.digest,
        files.tokenizer_digest,
        files.family.version,
        repr(settings),
        template,
        DECODING_VERSION,
        SQUARE_VERSION,
    )


def _quantized(fingerprint: str) -> str:
    """Return the fingerprint of vectors in int8, which differ too much to be compared with others."""
    return _digest(fingerprint, _QUANTIZATION_VERSION)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

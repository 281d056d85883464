"""A dual encoder on torch: pictures and texts become vectors of one space, in which near ones fit each other."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize
from transformers import PreTrainedModel

from reranker.config.settings import Device
from reranker.core.errors import CheckpointBroken, CheckpointError, ModelOutOfMemory
from reranker.core.types import EncoderInfo, EncoderPrecision
from reranker.images.decoding_pool import DECODING_VERSION
from reranker.models.dual_encoders.family import Tokenize
from reranker.models.dual_encoders.files import DualEncoderFiles
from reranker.models.hub import TEMPLATES, folder_of
from reranker.models.loading import WEIGHTS, check_weights, report_loading
from reranker.models.memory_plan import choose_device, is_out_of_memory
from reranker.models.picture_preprocessing import SquareSettings

DTYPES: Final[dict[str, torch.dtype]] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchEncoder:
    """A loaded dual encoder. All methods run in one thread at a time.

    template: what a text is put into, with {} in its place.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        tokenize: Tokenize,
        settings: SquareSettings,
        info: EncoderInfo,
        device: torch.device,
        template: str = "{}",
    ) -> None:
        self.info, self._template = info, template
        self._network: Any = network.eval().requires_grad_(False)
        self._tokenize, self._device, self._dtype = tokenize, device, DTYPES[info.precision]
        self._mean, self._std = (torch.tensor(each, device=device) for each in (settings.mean, settings.std))

    def encode_images(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the vectors of pictures, which were resized to `info.image_px`: (n, dimensions), of unit length.

        batch: at least one picture, (image_px, image_px, RGB) each.
        """
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack(batch)).to(self._device)
            normed = ((pixels.float() / 255 - self._mean) / self._std).permute(0, 3, 1, 2)
            return _vectors(self._network.get_image_features(pixel_values=normed.to(self._dtype)))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, at least one: (n, dimensions), of unit length. Long texts are cut."""
        with torch.inference_mode():
            inputs = self._tokenize([self._template.replace("{}", text) for text in texts])
            on_device = {name: values.to(self._device) for name, values in inputs.items()}
            return _vectors(self._network.get_text_features(**on_device))


def _vectors(features: Any) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = normalize(features.pooler_output.float(), dim=1).cpu().numpy()
    return vectors


def load_encoder(
    model: str,
    device: Device = "auto",
    precision: EncoderPrecision = "auto",
    revision: str = "",
    *,
    template: str | None = None,
) -> TorchEncoder:
    """Load a dual encoder from the disk. Nothing is downloaded, and weights are read from safetensors files only.

    model: "toybox-encoder", a name of `hub.ENCODERS`, an id of the hub, or a folder. template: what a text is put into,
        with {} in its place; that of `hub.TEMPLATES` if None, or the text alone.

    Raises `CheckpointMissing`, `CheckpointBroken`, `CheckpointUnsupported`, `ModelOutOfMemory`, `DeviceMissing`.
    """
    chosen = choose_device(device)
    files = DualEncoderFiles(model, folder_of(model, revision))
    settings, tokenize = files.square_settings, files.family.make_tokenize(files, files.config)
    chosen_precision = _default_precision(chosen) if precision == "auto" else precision
    template = TEMPLATES.get(model, "{}") if template is None else template
    network = _load_network(files, chosen, chosen_precision)
    info = EncoderInfo(
        model=model,
        fingerprint=_fingerprint(files, settings, template),
        precision=chosen_precision,
        dimensions=files.family.dimensions(network.config),
        image_px=settings.image_px,
    )
    return TorchEncoder(network, tokenize, settings, info, chosen, template)


def _default_precision(device: torch.device) -> str:
    if device.type == "cpu":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _load_network(files: DualEncoderFiles, device: torch.device, precision: str) -> PreTrainedModel:
    """Raises `CheckpointBroken` and `ModelOutOfMemory`."""
    try:
        with report_loading(lambda done, total: None):
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
    parts = files.digest, files.tokenizer_digest, files.family.version, repr(settings), template, DECODING_VERSION
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

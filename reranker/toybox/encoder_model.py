"""The toybox's dual encoder: a SigLIP of less than five million parameters, and its checkpoint."""

import json
from pathlib import Path
from typing import Final

import torch
from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipModel

IMAGE_PX: Final = 224  # pictures are resized to this square
PATCH_PX: Final = 28
GRID: Final = IMAGE_PX // PATCH_PX  # patches in a row
WIDTH: Final = 192  # of both towers and of a vector
MAX_TEXT_TOKENS: Final = 32  # the longest of 3,000 captions had 25
_LAYER: Final = {"hidden_size": WIDTH, "intermediate_size": 512, "num_attention_heads": 6}


def create_encoder(tokenizer: PreTrainedTokenizerFast) -> SiglipModel:
    """Return a model with random weights from torch's random state."""
    vision = _LAYER | {"num_hidden_layers": 6, "image_size": IMAGE_PX, "patch_size": PATCH_PX}
    text = _LAYER | {
        "num_hidden_layers": 4,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": MAX_TEXT_TOKENS,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.pad_token_id,
        "projection_size": WIDTH,
    }
    model = SiglipModel(SiglipConfig(vision_config=vision, text_config=text))
    with torch.no_grad():
        model.logit_scale.fill_(3.3)
        model.logit_bias.fill_(-10.0)
    return model


def token_ids(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> torch.Tensor:
    """Return the ids of texts, padded on the right: int64 (texts, `MAX_TEXT_TOKENS`)."""
    encoded = tokenizer(texts, padding="max_length", truncation=True, max_length=MAX_TEXT_TOKENS, padding_side="right")
    return torch.tensor(encoded["input_ids"])


def write_encoder(model: SiglipModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights in FP16, configuration, tokenizer and the settings of the image processor."""
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    published = SiglipModel(model.config).half()
    published.load_state_dict(state)
    published.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes it readable for its owner only
    tokenizer.model_max_length, tokenizer.eos_token = MAX_TEXT_TOKENS, tokenizer.pad_token
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    preprocessor = {
        "image_processor_type": "SiglipImageProcessor",
        "size": {"height": IMAGE_PX, "width": IMAGE_PX},
        "resample": 3,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=2) + "\n", encoding="utf-8")

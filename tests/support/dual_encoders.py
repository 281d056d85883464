"""Tiny dual encoders with random weights, in the layout of the published ones."""

import json
import string
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import ChineseCLIPConfig, ChineseCLIPModel, SiglipConfig, SiglipModel

IMAGE_PX = 32
TEXT_TOKENS = 16
_LAYER = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
_VISION = _LAYER | {"image_size": IMAGE_PX, "patch_size": 8}
SQUARE = {
    "do_resize": True,
    "size": {"height": IMAGE_PX, "width": IMAGE_PX},
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
}
HALVES = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
LETTERS = string.ascii_letters + string.digits + string.punctuation + "猫红色“”"


def write(folder: Path, file: str, content: object) -> None:
    """Write a JSON file."""
    (folder / file).write_text(json.dumps(content), encoding="utf-8")


def _randomize(model: torch.nn.Module) -> None:
    """Give every weight a value that matters: some begin as zeros or ones."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)


def siglip_folder(folder: Path, version: int) -> Path:
    """Write a SigLIP of version 1 or 2: their towers are the same, their tokenizers are not."""
    tokenizer, settings = (_sentencepiece_like if version == 1 else _gemma_like)()
    text = _LAYER | {"vocab_size": tokenizer.get_vocab_size(), "max_position_embeddings": TEXT_TOKENS}
    model = SiglipModel(SiglipConfig(vision_config=_VISION, text_config=text))
    _randomize(model)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    write(folder, "tokenizer_config.json", settings)
    write(folder, "preprocessor_config.json", SQUARE | HALVES | {"image_processor_type": "SiglipImageProcessor"})
    return folder


def _sentencepiece_like() -> tuple[Tokenizer, dict[str, object]]:
    """The end of a text is also what pads it, and words begin with ▁."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((each, -3.0) for each in LETTERS)]
    tokenizer = Tokenizer(models.Unigram([*pieces, ("▁cat", -1.0)], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    settings = {"tokenizer_class": "SiglipTokenizer", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    return tokenizer, settings


def _gemma_like() -> tuple[Tokenizer, dict[str, object]]:
    """A text begins with <bos> for Gemma, but not for SigLIP."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    vocabulary = {piece: index for index, piece in enumerate([*special, "▁", *LETTERS])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return tokenizer, names | {"tokenizer_class": "GemmaTokenizer"}


def chinese_clip_folder(folder: Path) -> Path:
    """Write a Chinese-CLIP."""
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *dict.fromkeys(LETTERS.lower()),
        *(f"##{a}" for a in "abcst"),
    ]
    text = _LAYER | {"vocab_size": len(words), "max_position_embeddings": 64}
    model = ChineseCLIPModel(ChineseCLIPConfig(vision_config=_VISION, text_config=text, projection_dim=12))
    _randomize(model)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    write(folder, "preprocessor_config.json", SQUARE | {"do_center_crop": False})
    return folder

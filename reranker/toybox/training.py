"""Train the toybox model in three stages (vision, language, rating), and write its checkpoint."""

from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from reranker.models.scoring.prompts import LYCHEE, RATING
from reranker.toybox.checkpoint_files import create_model, use_byte_patches, write_checkpoint
from reranker.toybox.language_training import train_language
from reranker.toybox.losses import AuxiliaryHeads
from reranker.toybox.rating_training import train_rating
from reranker.toybox.sequences import PromptPrefix
from reranker.toybox.tokenizer import build_tokenizer
from reranker.toybox.vision_training import TokenHeads, train_vision

VISION_SHARE, LANGUAGE_SHARE, RATING_SHARE = 0.17, 0.41, 0.42
VISION_SEED, LANGUAGE_SEED, RATING_SEED = 1, 11, 21
# At these lengths, the backward pass of fused attention takes twice as long on CPUs (measured).
ATTENTION_BACKEND = SDPBackend.MATH


def train_from_scratch(folder: Path, *, minutes: float, device: str) -> None:
    """Train a new model and write it into `folder`, at the end and from time to time before.

    minutes: of all stages together. device: "cpu" or "cuda".
    """
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    model = create_model(tokenizer)
    torch.nn.Module.to(model, device)
    width = model.model.language_model.embed_tokens.embedding_dim
    token_heads, auxiliary_heads = TokenHeads(width).to(device), AuxiliaryHeads(width).to(device)

    def save() -> None:
        write_checkpoint(model, tokenizer, folder)

    with sdpa_kernel(ATTENTION_BACKEND):
        train_vision(model.model.visual, token_heads, minutes=VISION_SHARE * minutes, device=device, seed=VISION_SEED)
        train_language(
            model.model,
            auxiliary_heads,
            PromptPrefix(tokenizer, LYCHEE),
            minutes=LANGUAGE_SHARE * minutes,
            device=device,
            seed=LANGUAGE_SEED,
            save=save,
        )
    _train_rating_stage(model, auxiliary_heads, tokenizer, folder, minutes=RATING_SHARE * minutes, device=device)


def continue_training(start: Path, folder: Path, *, minutes: float, device: str) -> None:
    """Continue from the checkpoint in `start` with the rating stage alone, and write the result into `folder`."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(start, local_files_only=True)
    model = use_byte_patches(Qwen2_5_VLForConditionalGeneration.from_pretrained(start, dtype=torch.float32))
    torch.nn.Module.to(model, device)
    torch.manual_seed(0)
    auxiliary_heads = AuxiliaryHeads(model.model.language_model.embed_tokens.embedding_dim).to(device)
    _train_rating_stage(model, auxiliary_heads, tokenizer, folder, minutes=minutes, device=device)


def _train_rating_stage(
    model: Qwen2_5_VLForConditionalGeneration,
    auxiliary_heads: AuxiliaryHeads,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    *,
    minutes: float,
    device: str,
) -> None:
    def save() -> None:
        write_checkpoint(model, tokenizer, folder)

    with sdpa_kernel(ATTENTION_BACKEND):
        train_rating(
            model.model,
            auxiliary_heads,
            PromptPrefix(tokenizer, LYCHEE),
            PromptPrefix(tokenizer, RATING),
            minutes=minutes,
            device=device,
            seed=RATING_SEED,
            save=save,
        )
    save()

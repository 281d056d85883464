"""The whole course: vision, language, the second prompt; then the checkpoint is written."""

from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from reranker.models.scoring.prompts import LYCHEE, RATING
from reranker.toybox.checkpoint_files import feed_with_bytes, new_model, write_checkpoint
from reranker.toybox.language_lessons import Readings, teach_language
from reranker.toybox.rating_lessons import teach_rating
from reranker.toybox.sequences import Primer
from reranker.toybox.tokenizer import build_tokenizer
from reranker.toybox.vision_lessons import TokenHeads, teach_vision

VISION_SHARE, LANGUAGE_SHARE, RATING_SHARE = 0.17, 0.41, 0.42
VISION_SEED, LANGUAGE_SEED, RATING_SEED = 1, 11, 21
# The plain attention: on CPUs the fused one is twice as slow backwards at these lengths (measured).
PLAIN_ON_CPU = SDPBackend.MATH


def teach(folder: Path, *, minutes: float, device: str) -> None:
    """Teach a new model for so many minutes and write it into the folder, also now and then on the way."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    model = new_model(tokenizer)
    torch.nn.Module.to(model, device)
    width = model.model.language_model.embed_tokens.embedding_dim
    heads, readings = TokenHeads(width).to(device), Readings(width).to(device)

    def save() -> None:
        write_checkpoint(model, tokenizer, folder)

    with sdpa_kernel(PLAIN_ON_CPU):
        teach_vision(model.model.visual, heads, minutes=VISION_SHARE * minutes, device=device, seed=VISION_SEED)
        teach_language(
            model.model,
            readings,
            Primer(tokenizer, LYCHEE),
            minutes=LANGUAGE_SHARE * minutes,
            device=device,
            seed=LANGUAGE_SEED,
            save=save,
        )
    _teach_last_part(model, readings, tokenizer, folder, minutes=RATING_SHARE * minutes, device=device)


def teach_on(start: Path, folder: Path, *, minutes: float, device: str) -> None:
    """Teach the last part alone, from a checkpoint on, and write what comes of it into the folder."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(start, local_files_only=True)
    model = feed_with_bytes(Qwen2_5_VLForConditionalGeneration.from_pretrained(start, dtype=torch.float32))
    torch.nn.Module.to(model, device)
    torch.manual_seed(0)
    readings = Readings(model.model.language_model.embed_tokens.embedding_dim).to(device)
    _teach_last_part(model, readings, tokenizer, folder, minutes=minutes, device=device)


def _teach_last_part(
    model: Qwen2_5_VLForConditionalGeneration,
    readings: Readings,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    *,
    minutes: float,
    device: str,
) -> None:
    def save() -> None:
        write_checkpoint(model, tokenizer, folder)

    with sdpa_kernel(PLAIN_ON_CPU):
        teach_rating(
            model.model,
            readings,
            Primer(tokenizer, LYCHEE),
            Primer(tokenizer, RATING),
            minutes=minutes,
            device=device,
            seed=RATING_SEED,
            save=save,
        )
    save()

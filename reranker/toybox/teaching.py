"""The whole course: vision, language, the second prompt; then the checkpoint is written."""

from pathlib import Path

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from reranker.model.prompts import LYCHEE, RATING
from reranker.toybox.checkpoint_files import new_model, write_checkpoint
from reranker.toybox.language_lessons import Readings, teach_language
from reranker.toybox.rating_lessons import teach_rating
from reranker.toybox.sequences import Primer
from reranker.toybox.tokenizer import build_tokenizer
from reranker.toybox.vision_lessons import TokenHeads, teach_vision

VISION_SHARE, LANGUAGE_SHARE, RATING_SHARE = 0.27, 0.65, 0.08
VISION_SEED, LANGUAGE_SEED, RATING_SEED = 1, 11, 21


def teach(folder: Path, *, minutes: float, device: str) -> None:
    """Teach a new model for so many minutes and write it into the folder, also now and then on the way."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    model = new_model(tokenizer)
    torch.nn.Module.to(model, device)
    width = model.model.language_model.embed_tokens.embedding_dim
    heads, readings = TokenHeads(width).to(device), Readings(width).to(device)
    yes_no, rating = (Primer(tokenizer, layout) for layout in (LYCHEE, RATING))

    def save() -> None:
        write_checkpoint(model, tokenizer, folder)

    # The plain attention: on CPUs the fused one is twice as slow backwards at these lengths (measured).
    with sdpa_kernel(SDPBackend.MATH):
        teach_vision(model.model.visual, heads, minutes=VISION_SHARE * minutes, device=device, seed=VISION_SEED)
        teach_language(
            model.model,
            readings,
            yes_no,
            minutes=LANGUAGE_SHARE * minutes,
            device=device,
            seed=LANGUAGE_SEED,
            save=save,
        )
        teach_rating(
            model.model,
            readings,
            yes_no,
            rating,
            minutes=RATING_SHARE * minutes,
            device=device,
            seed=RATING_SEED,
        )
    save()

"""How many tokens a model reads together, and how many of them may be a picture.

The limit is `max_position_embeddings` of config.json, in tokens, as transformers and vLLM count. A picture takes fewer
positions than it has tokens, because the positions of its tokens are rows and columns; but attention was trained on
that many tokens, and no checkpoint says how many more of them still work.
"""

from typing import Any, Final

from reranker.config.settings import MAX_TOKENS
from reranker.core.errors import CheckpointFieldInvalid, DetailTooHigh

TEXT_TOKENS: Final = 1024  # reserved for the prompt, the query and the text of a picture


def max_tokens_of(name: str, config: Any) -> int:
    """Return the most tokens, visual and text, that a model reads together.

    name: of the model. config: of its network. Raises `CheckpointFieldInvalid`.
    """
    tokens = config.text_config.max_position_embeddings
    if type(tokens) is not int or tokens < 1:
        field, rule = "max_position_embeddings", "positive whole number"
        raise CheckpointFieldInvalid(name=name, file="config.json", field=field, reason=rule)
    return tokens


def max_visual_tokens(max_tokens: int) -> int:
    """Return the most visual tokens of a picture: what `TEXT_TOKENS` leave, or half of the tokens if that is more."""
    return min(MAX_TOKENS, max(max_tokens - TEXT_TOKENS, (max_tokens + 1) // 2))


def check_detail(name: str, visual_tokens: int, max_tokens: int) -> None:
    """Raise `DetailTooHigh` if the model has no room for so many visual tokens beside a text."""
    limit = max_visual_tokens(max_tokens)
    if visual_tokens > limit:
        raise DetailTooHigh(setting="detail", value=str(visual_tokens), expected=f"{limit:,}", model=name)

"""Visual tokens and a prompt -> log-odds: positions, equal-length batches, the language tower, the two-row head."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextModel

from reranker.model.prompts import EncodedPrompt
from reranker.model.vision import SeenPicture


def rope_positions(before: int, rows: int, columns: int, after: int) -> torch.Tensor:
    """M-RoPE positions (3, length) of time, height and width for `before` text tokens, a picture, `after` text tokens.

    Text counts on in all three. The picture's rows x columns visual tokens stand still in time and count their row and
    column from the position that text has reached; text goes on behind the larger of the two. Equal to transformers'
    `Qwen2_5_VLModel.get_rope_index` for one still picture.
    """
    row = torch.arange(rows).repeat_interleave(columns)
    picture = torch.stack((torch.zeros_like(row), row, torch.arange(columns).repeat(rows))) + before
    first = torch.arange(before).expand(3, -1)
    behind = before + max(rows, columns)
    return torch.cat((first, picture, torch.arange(behind, behind + after).expand(3, -1)), dim=1)


def last_hidden(language: Qwen2_5_VLTextModel, prompt: EncodedPrompt, pictures: Sequence[SeenPicture]) -> torch.Tensor:
    """The language tower's normed state at the last position, (pictures, hidden).

    All pictures must have the same number of visual tokens: equal lengths need no mask.
    """
    device = language.embed_tokens.weight.device
    before, after = (language.embed_tokens(torch.tensor(ids, device=device)) for ids in (prompt.before, prompt.after))
    tokens = torch.stack([picture.tokens for picture in pictures]).to(device, before.dtype)  # (pictures, n, hidden)
    copies = (len(pictures), -1, -1)
    embedded = torch.cat((before.expand(copies), tokens, after.expand(copies)), dim=1)
    positions = [
        rope_positions(len(prompt.before), picture.rows, picture.columns, len(prompt.after)) for picture in pictures
    ]
    output = language(
        inputs_embeds=embedded, position_ids=torch.stack(positions, dim=1).to(device), use_cache=False
    ).last_hidden_state
    states: torch.Tensor = output[:, -1]
    return states


@dataclass(frozen=True, kw_only=True)
class YesNoHead:
    """The two rows of the output matrix that matter: log-odds = state x (row of "yes" - row of "no"), in float32.

    In BF16 logits near 18 lie on a grid of 1/16, which ties pictures that differ.
    """

    direction: torch.Tensor

    @classmethod
    def of(cls, output_weight: torch.Tensor, yes: int, no: int) -> "YesNoHead":
        """From the output matrix (vocabulary, hidden)."""
        return cls(direction=output_weight[yes].detach().float() - output_weight[no].detach().float())

    def log_odds(self, states: torch.Tensor) -> torch.Tensor:
        """(pictures, hidden) -> (pictures,), float32."""
        return states.float() @ self.direction

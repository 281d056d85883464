"""Rotary positions of sequences of text and images (M-RoPE, arXiv 2409.12191)."""

import torch


def rope_positions(before: int, rows: int, columns: int, after: int) -> torch.Tensor:
    """Return M-RoPE positions (3, tokens) of time, height and width for text, an image, and text again.

    The three positions of a text token are equal. The rows x columns visual tokens share one position in time; their
    height and width positions are their row and column, counted from the end of the text before. The text after the
    image continues at the larger of the two. Equal to `get_rope_index` of Qwen2.5-VL and Qwen3-VL in transformers for
    one still image.

    before, after: text tokens before and after the image.
    """
    row = torch.arange(rows).repeat_interleave(columns)
    image = torch.stack((torch.zeros_like(row), row, torch.arange(columns).repeat(rows))) + before
    first = torch.arange(before).expand(3, -1)
    start = before + max(rows, columns)
    return torch.cat((first, image, torch.arange(start, start + after).expand(3, -1)), dim=1)

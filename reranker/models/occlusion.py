"""Pictures with a patch of their visual tokens blanked: what the log-odds lose by it says where in the picture it fits.

Occlusion sensitivity as in Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks" (arXiv 1311.2901),
on visual tokens instead of pixels, so that the vision tower need not look again. A blanked token is the mean of the
picture's: on the toybox others do no better, and those of a white picture worse where the query names a place. What is
blanked reaches half a patch beyond each side of the patch: of a thing that lies across the border the rest would go on
speaking for it, and the peak lay in the thing in 79 to 89 of 100 pictures instead of 91 to 95.
"""

from typing import Final

import torch

from reranker.models.architecture import ImageFeatures

SIDE, SIDE_OF_FEW = 4, 3
REACH: Final = 2  # sides of what is blanked, in sides of the patch


def grid_of(picture: ImageFeatures) -> tuple[int, int]:
    """Rows and columns of patches: 4 x 4, or 3 x 3 where a side has fewer than 4 visual tokens, or fewer yet."""
    side = SIDE if min(picture.rows, picture.columns) >= SIDE else SIDE_OF_FEW
    return min(side, picture.rows), min(side, picture.columns)


def occluded(picture: ImageFeatures, rows: int, columns: int) -> list[ImageFeatures]:
    """The picture with each patch of a grid blanked in turn, row by row; a token by the share of it that is covered."""
    down, across = _covered(picture.rows, rows), _covered(picture.columns, columns)
    shares = (down[:, None, :, None] * across[None, :, None, :]).reshape(rows * columns, -1, 1)
    blanked = torch.lerp(picture.tokens, picture.tokens.mean(dim=0), shares.to(picture.tokens))
    return [ImageFeatures(tokens=tokens, rows=picture.rows, columns=picture.columns) for tokens in blanked]


def _covered(tokens: int, patches: int) -> torch.Tensor:
    """(patches, tokens): how much of each token's interval is blanked with each patch, both dividing a side evenly."""
    start = torch.arange(tokens) / tokens
    middle = (torch.arange(patches)[:, None] + 0.5) / patches
    half = REACH / patches / 2
    covered = torch.minimum(start + 1 / tokens, middle + half) - torch.maximum(start, middle - half)
    return tokens * covered.clamp(min=0)

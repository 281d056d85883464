"""Names of encoders as the page tells them: an encoder may be a folder of the server, whose path nobody may see."""

from dataclasses import replace
from pathlib import Path

from reranker.core.errors import LibraryEncoderDiffers
from reranker.core.text import well_formed


def encoder_name(model: str) -> str:
    """Return the name of an encoder; of a folder its own name, without the path to it."""
    return well_formed(Path(model).name if Path(model).is_absolute() else model)


def without_paths(error: Exception) -> Exception:
    """Return an error whose encoders have their names; others as they are."""
    if not isinstance(error, LibraryEncoderDiffers):
        return error
    return replace(error, made_by=encoder_name(error.made_by), given=encoder_name(error.given))

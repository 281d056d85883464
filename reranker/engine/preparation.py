"""Prepare pictures for a cross-encoder: decode, resize and split them into patches, on CPU threads."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from reranker.core.types import EncodedPicture
from reranker.images.decoding_pool import shared_pool
from reranker.images.hashing import with_text
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes
from reranker.models.patchify import Patches, PatchSettings, fitted_size, split
from reranker.models.scoring.prompts import SuffixLength

if TYPE_CHECKING:
    from reranker.models.architecture import ImageFeatures


@dataclass(frozen=True, kw_only=True)
class PreparedImage:
    """An image that is ready for the device: patches, or features if it was encoded before.

    key: of the `EncodedPicture`. content_hash: SHA-256 of the encoded bytes. pixel_hash: SHA-256 of the patches. text:
        of the candidate. text_tokens: the tokens after the image, at least 1.
    """

    key: str
    content_hash: str
    pixel_hash: str
    visual_tokens: int
    text_tokens: int
    patches: Patches | None = None
    features: "ImageFeatures | None" = None
    text: str = ""

    @property
    def pixel_key(self) -> str:
        """A digest of the pixels and the text."""
        return with_text(self.pixel_hash, self.text)

    @property
    def tokens(self) -> int:
        """Positions in the language tower: visual tokens, and the tokens of the text after them."""
        return self.visual_tokens + self.text_tokens

    @property
    def home(self) -> None:
        """Nothing: there is one worker only."""
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of host memory that it holds beside the feature cache."""
        return 0 if self.patches is None else self.patches.values.nbytes


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How pictures are prepared for a model. It needs no weights, and can be pickled.

    limits: what one picture may be. visual_tokens: most of an image. text_length: counts the tokens after an image.
    """

    limits: Limits
    patch_settings: PatchSettings
    visual_tokens: int
    text_length: SuffixLength

    def patches(self, picture: EncodedPicture) -> Patches:
        """Decode and patchify a picture. Raises its `PictureError`."""
        candidate, settings = picture.candidate, self.patch_settings
        data = read_bytes(candidate, self.limits) if picture.data is None else picture.data
        _, max_pixels = settings.pixel_range(self.visual_tokens)
        fit = partial(fitted_size, visual_tokens=self.visual_tokens, settings=settings)
        return split(shared_pool().resized(data, candidate.name, self.limits, max_pixels, fit), settings)

    def with_patches(self, picture: EncodedPicture) -> PreparedImage:
        """Return a picture with its patches. Raises its `PictureError`."""
        patches = self.patches(picture)
        visual_tokens = len(patches.values) // self.patch_settings.merge**2
        return self.image(picture, patches.digest, visual_tokens=visual_tokens, patches=patches)

    def image(
        self,
        picture: EncodedPicture,
        pixel_hash: str,
        *,
        visual_tokens: int,
        patches: Patches | None = None,
        features: "ImageFeatures | None" = None,
    ) -> PreparedImage:
        """Return a picture with what is known of it."""
        return PreparedImage(
            key=picture.key,
            content_hash=picture.content_hash,
            pixel_hash=pixel_hash,
            visual_tokens=visual_tokens,
            text_tokens=self.text_length(picture.candidate.text),
            patches=patches,
            features=features,
            text=picture.candidate.text,
        )

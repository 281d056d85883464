"""Pictures as programs send them: data URIs, base64, or the content parts of a chat. Addresses are never fetched."""

import base64
import binascii
import re
from typing import Final, Literal

from pydantic import BaseModel, Field

from reranker.core.errors import DocumentInvalid
from reranker.core.types import Candidate

_DATA_URI: Final = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class ImageDocument(BaseModel):
    """A picture as a data URI or base64, and the text that is judged with it."""

    image: str
    text: str = ""


class ImageAddress(BaseModel):
    """Where a picture is: a data URI, nothing else."""

    url: str


class ImagePart(BaseModel):
    """A picture among content parts."""

    type: Literal["image_url"]
    image_url: ImageAddress


class TextPart(BaseModel):
    """A text among content parts."""

    type: Literal["text"]
    text: str


class ContentDocument(BaseModel):
    """One picture and any texts, as messages to chat models have them."""

    content: list[ImagePart | TextPart] = Field(min_length=1)


Document = str | ImageDocument | ContentDocument


def as_candidate(document: Document, index: int) -> Candidate:
    """What is to be judged, named by its place. Raises `DocumentInvalid`."""
    name = f"documents[{index}]"
    if isinstance(document, str):
        if not is_data_uri(document):
            raise DocumentInvalid(index=index, reason="address" if _ADDRESS.match(document) else "text")
        return Candidate(name=name, source=_bytes_of(document, index))
    if isinstance(document, ImageDocument):
        return Candidate(name=name, source=_bytes_of(document.image, index), text=document.text)
    pictures = [part.image_url.url for part in document.content if isinstance(part, ImagePart)]
    if len(pictures) != 1:
        raise DocumentInvalid(index=index, reason="not one picture")
    texts = [part.text for part in document.content if isinstance(part, TextPart)]
    return Candidate(name=name, source=_bytes_of(pictures[0], index), text=" ".join(texts))


def as_answered(document: Document) -> dict[str, str]:
    """A document for who wants it back."""
    if isinstance(document, str):
        return {"image": document, "text": ""}
    if isinstance(document, ImageDocument):
        return {"image": document.image, "text": document.text}
    texts = [part.text for part in document.content if isinstance(part, TextPart)]
    image = next(part.image_url.url for part in document.content if isinstance(part, ImagePart))
    return {"image": image, "text": " ".join(texts)}


def decoded(text: str) -> bytes | None:
    """The bytes of a data URI, or of base64 alone, white space or not; None where it is neither."""
    encoded = "".join(_DATA_URI.sub("", text, count=1).split())
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def is_data_uri(text: str) -> bool:
    """Whether it is one, in base64."""
    return _DATA_URI.match(text) is not None


def _bytes_of(text: str, index: int) -> bytes:
    if _ADDRESS.match(text):
        raise DocumentInvalid(index=index, reason="address")
    if (data := decoded(text)) is None:
        raise DocumentInvalid(index=index, reason="base64")
    return data

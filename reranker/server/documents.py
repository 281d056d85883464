"""The documents of a rerank request: data URIs, base64, or the content parts of a chat message. No URL is fetched."""

import base64
import binascii
import re
from typing import Final, Literal

from pydantic import BaseModel, Field

from reranker.core.errors import DocumentInvalid
from reranker.core.types import Candidate

_DATA_URI: Final = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class ImageDocument(BaseModel):
    """A picture as a data URI or base64, and a text that is scored together with it."""

    image: str
    text: str = ""


class ImageAddress(BaseModel):
    """The address of a picture, which must be a data URI."""

    url: str


class ImagePart(BaseModel):
    """A content part with a picture."""

    type: Literal["image_url"]
    image_url: ImageAddress


class TextPart(BaseModel):
    """A content part with a text."""

    type: Literal["text"]
    text: str


class ContentDocument(BaseModel):
    """One picture and any number of texts, in the form of messages to chat models."""

    content: list[ImagePart | TextPart] = Field(min_length=1)


Document = str | ImageDocument | ContentDocument


def to_candidate(document: Document, index: int) -> Candidate:
    """Return the candidate to score, named after its index. Raises `DocumentInvalid`."""
    name = f"documents[{index}]"
    if isinstance(document, str):
        if not is_data_uri(document):
            raise DocumentInvalid(index=index, reason="address" if _URL.match(document) else "text")
        return Candidate(name=name, source=_decode_document(document, index))
    if isinstance(document, ImageDocument):
        return Candidate(name=name, source=_decode_document(document.image, index), text=document.text)
    pictures = [part.image_url.url for part in document.content if isinstance(part, ImagePart)]
    if len(pictures) != 1:
        raise DocumentInvalid(index=index, reason="not one picture")
    return Candidate(name=name, source=_decode_document(pictures[0], index), text=_joined_texts(document))


def to_response(document: Document) -> dict[str, str]:
    """Return a document in the form in which a response sends it back."""
    if isinstance(document, str):
        return {"image": document, "text": ""}
    if isinstance(document, ImageDocument):
        return {"image": document.image, "text": document.text}
    image = next(part.image_url.url for part in document.content if isinstance(part, ImagePart))
    return {"image": image, "text": _joined_texts(document)}


def is_data_uri(text: str) -> bool:
    """Return whether a text begins like a data URI in base64."""
    return _DATA_URI.match(text) is not None


def decode_base64(text: str) -> bytes | None:
    """Decode a data URI, or base64 alone; white space is ignored. Returns None if it is neither."""
    encoded = "".join(_DATA_URI.sub("", text, count=1).split())
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def _decode_document(text: str, index: int) -> bytes:
    if _URL.match(text):
        raise DocumentInvalid(index=index, reason="address")
    if (data := decode_base64(text)) is None:
        raise DocumentInvalid(index=index, reason="base64")
    return data


def _joined_texts(document: ContentDocument) -> str:
    return " ".join(part.text for part in document.content if isinstance(part, TextPart))

"""The documents of a rerank request: data URIs, base64, or the content parts of a chat message. No URL is fetched."""

import binascii
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema

from reranker.core.errors import DocumentInvalid, RequestMalformed
from reranker.core.types import Candidate
from reranker.server.json_bodies import LongString, unescaped

_DATA_URI: Final = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MAX_PREFIX_LENGTH: Final = 256  # of a data URI
_ESCAPE_LENGTH: Final = 6  # of the longest, such as "\\u002B"
_ESCAPES_NEARBY: Final = 1_000  # characters; base64 with more escapes in a row is none
_DECODED_AT_ONCE: Final = 400_000  # characters, a multiple of four; other threads can run in between


def _as_text(value: object) -> object:
    """Return the text of a `LongString`; anything else is returned as it is. Raises `ValueError`."""
    return value.text if isinstance(value, LongString) else value


Text = Annotated[str, BeforeValidator(_as_text)]
EncodedImage = Annotated[str | LongString, WithJsonSchema({"type": "string"})]


class ImageDocument(BaseModel):
    """A picture as a data URI or base64, and a text that is scored together with it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    image: EncodedImage
    text: Text = ""


class ImageAddress(BaseModel):
    """The address of a picture, which must be a data URI."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    url: EncodedImage


class ImagePart(BaseModel):
    """A content part with a picture."""

    type: Literal["image_url"]
    image_url: ImageAddress


class TextPart(BaseModel):
    """A content part with a text."""

    type: Literal["text"]
    text: Text


class ContentDocument(BaseModel):
    """One picture and any number of texts, in the form of messages to chat models."""

    content: list[ImagePart | TextPart] = Field(min_length=1)


Document = EncodedImage | ImageDocument | ContentDocument
_DOCUMENT: Final[TypeAdapter[Document]] = TypeAdapter(Document, config=ConfigDict(arbitrary_types_allowed=True))


def to_document(value: Any, index: int) -> Document:
    """Return a validated document. Raises `RequestMalformed`."""
    try:
        return _DOCUMENT.validate_python(value)
    except ValidationError:
        raise RequestMalformed(where=f"documents[{index}]") from None


def to_candidate(document: Document, index: int) -> Candidate:
    """Return the candidate to score, named after its index. Raises `DocumentInvalid`."""
    if isinstance(document, str | LongString) and not is_data_uri(start := _start(document)):
        raise DocumentInvalid(index=index, reason="address" if _URL.match(start) else "text")
    if isinstance(document, ContentDocument) and sum(isinstance(part, ImagePart) for part in document.content) != 1:
        raise DocumentInvalid(index=index, reason="not one picture")
    image, text = image_and_text(document)
    return Candidate(name=f"documents[{index}]", source=_decode_document(image, index), text=text)


def image_and_text(document: Document) -> tuple[str | LongString, str]:
    """Return the encoded image of a document that has exactly one, and its text."""
    if isinstance(document, str | LongString):
        return document, ""
    if isinstance(document, ImageDocument):
        return document.image, document.text
    image = next(part.image_url.url for part in document.content if isinstance(part, ImagePart))
    return image, _joined_texts(document)


def is_data_uri(text: str) -> bool:
    """Return whether a text begins like a data URI in base64."""
    return _DATA_URI.match(text[:_MAX_PREFIX_LENGTH]) is not None


def decode_base64(text: str | LongString) -> bytes | None:
    """Decode a data URI, or base64 alone; white space is ignored. Returns None if it is neither."""
    prefix = _DATA_URI.match(_start(text))
    start = prefix.end() if prefix else 0
    try:
        if isinstance(text, str):
            return _decode_strictly(memoryview("".join(text[start:].split()).encode("ascii")))
        data = _decode_strictly(text.encoded[start:])
        if data is None:  # perhaps it has line breaks or escapes: PHP writes "\\/", .NET "\\u002B", Gson "\\u003d"
            data = _decode_strictly(memoryview(_without_escapes(text.encoded[start:])))
        return data
    except ValueError:  # not ASCII, or a broken escape
        return None


def _decode_strictly(encoded: memoryview) -> bytes | None:
    """Decode base64 without any other characters, part by part. Returns None if it is not that."""
    data = bytearray()
    try:
        for start in range(0, len(encoded), _DECODED_AT_ONCE):
            part = encoded[start : start + _DECODED_AT_ONCE]
            data += binascii.a2b_base64(part, strict_mode=True)
            if start + len(part) < len(encoded) and part[-1] == ord("="):
                return None  # padding before the end
    except binascii.Error:
        return None
    return bytes(data)


def _without_escapes(encoded: memoryview) -> bytes:
    """Return base64 without escapes and white space, part by part. Raises `ValueError`."""
    plain, start = bytearray(), 0
    while start < len(encoded):
        end = _outside_escapes(encoded, start + _DECODED_AT_ONCE)
        plain += "".join(unescaped(encoded[start:end]).split()).encode("ascii")
        start = end
    return bytes(plain)


def _outside_escapes(encoded: memoryview, index: int) -> int:
    """Return the next index that is not inside an escape. Raises `ValueError` if there is none nearby."""
    for end in range(index, index + _ESCAPES_NEARBY):
        if b"\\" not in bytes(encoded[end - _ESCAPE_LENGTH : end]):
            return end
    raise ValueError


def _start(text: str | LongString) -> str:
    """Return the first characters of a text, enough for the prefix of a data URI."""
    if isinstance(text, str):
        return text[:_MAX_PREFIX_LENGTH]
    return bytes(text.encoded[:_MAX_PREFIX_LENGTH]).decode("ascii", "replace")


def _decode_document(text: str | LongString, index: int) -> bytes:
    if _URL.match(_start(text)):
        raise DocumentInvalid(index=index, reason="address")
    if (data := decode_base64(text)) is None:
        raise DocumentInvalid(index=index, reason="base64")
    return data


def _joined_texts(document: ContentDocument) -> str:
    return " ".join(part.text for part in document.content if isinstance(part, TextPart))

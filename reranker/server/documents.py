"""The documents and queries of requests, in the forms that clients of other servers send. No address is fetched.

A document is one picture and perhaps a text, in any of these forms:

    "data:image/png;base64,..." or base64 alone
    {"image": ..., "text": ...}                                             Jina, Qwen, NVIDIA
    {"type": "image_url", "image_url": {"url": ...}}, or another part       OpenAI, Elastic
    [part, part]                                                            SGLang
    {"content": [part, part]}                                               vLLM

A query is a text, or has any of the other forms, with a picture, a text or both.

A field that is null counts as missing, and `IGNORED_FIELDS` say nothing about the picture; any other field is refused.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from reranker.core.errors import DocumentFieldInvalid, DocumentInvalid, ExampleInvalid, RequestMalformed
from reranker.core.types import Candidate
from reranker.images.formats import detect_format
from reranker.server.base64_text import EncodedText, decode_base64, is_address, is_data_uri
from reranker.server.json_bodies import LongString

IGNORED_FIELDS: Final = frozenset({"detail", "id", "uuid"})
MAX_SHOWN_PATH: Final = 60  # characters of where a document is wrong


def _as_text(value: object) -> object:
    """Return the text of a `LongString`; anything else is returned as it is. Raises `ValueError`."""
    return value.text if isinstance(value, LongString) else value


Text = Annotated[str, BeforeValidator(_as_text)]
EncodedImage = Annotated[EncodedText, WithJsonSchema({"type": "string"})]


class _Form(BaseModel):
    """An object with the fields that a form has, and no others."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _without_extras(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        fields = {key: each for key, each in value.items() if each is not None and key not in IGNORED_FIELDS}
        unknown = next((key for key in fields if key not in cls.model_fields), None)
        return fields if unknown is None else {unknown: fields[unknown]}  # an error for each would take a second


class ImageAddress(_Form):
    """The address of a picture, which must be a data URI."""

    url: EncodedImage


class ImageUrlPart(_Form):
    """A content part with a picture, as messages to chat models have."""

    type: Literal["image_url", "input_image"]
    image_url: EncodedImage | ImageAddress


class ImagePart(_Form):
    """A content part with a picture, as Qwen's messages have."""

    type: Literal["image"]
    image: EncodedImage


class ImageValue(_Form):
    """A picture in the form of Elasticsearch."""

    type: Literal["image"]
    format: Literal["base64", "url"] = "base64"
    value: EncodedImage


class TextPart(_Form):
    """A content part with a text."""

    type: Literal["text", "input_text"]
    text: Text


class TextValue(_Form):
    """A text in the form of Elasticsearch."""

    type: Literal["text"]
    format: Literal["text"] = "text"
    value: Text


class ImageAndText(_Form):
    """A picture as a data URI or base64, and a text that is scored together with it."""

    image: EncodedImage | None = None
    text: Text | None = None


# Tags of forms, in brackets: they stand between the names of fields in the location of an error. The first is that of a
# part of this type, the second that of one with the field "value".
_PART_FORMS: Final = {
    "image_url": ("<image_url>", "<image_url>"),
    "input_image": ("<image_url>", "<image_url>"),
    "image": ("<image>", "<image value>"),
    "text": ("<text>", "<text value>"),
    "input_text": ("<text>", "<text>"),
}


def _part_form(value: Any) -> str | None:
    """Return the tag of a part, or None."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _PART_FORMS:
        return None
    return _PART_FORMS[kind][value.get("value") is not None]


def _form(value: Any) -> str | None:
    """Return the tag of a document, or None."""
    if isinstance(value, EncodedText):
        return "<string>"
    if isinstance(value, list):
        return "<parts>"
    if not isinstance(value, dict):
        return None
    if value.get("content") is not None:
        return "<content>"
    return "<image and text>" if value.get("type") is None else _part_form(value)


_TAGGED_PARTS = (
    Annotated[ImageUrlPart, Tag("<image_url>")]
    | Annotated[ImagePart, Tag("<image>")]
    | Annotated[ImageValue, Tag("<image value>")]
    | Annotated[TextPart, Tag("<text>")]
    | Annotated[TextValue, Tag("<text value>")]
)
Part = Annotated[_TAGGED_PARTS, Discriminator(_part_form)]
Parts = Annotated[list[Part], Field(min_length=1, fail_fast=True)]


class Content(_Form):
    """One picture and any number of texts, in the form of messages to chat models."""

    content: Parts


DocumentForm = Annotated[
    Annotated[EncodedImage, Tag("<string>")]
    | Annotated[Parts, Tag("<parts>")]
    | Annotated[Content, Tag("<content>")]
    | Annotated[ImageAndText, Tag("<image and text>")]
    | _TAGGED_PARTS,
    Discriminator(_form),
]
QueryForm = Text | Parts | Content | ImageAndText | TextPart | TextValue
_DOCUMENT: Final[TypeAdapter[Any]] = TypeAdapter(DocumentForm, config=ConfigDict(arbitrary_types_allowed=True))


@dataclass(frozen=True, kw_only=True)
class Document:
    """A picture and its text, whatever form they came in. is_bare: the picture came as a string of its own."""

    image: EncodedText
    text: str
    is_bare: bool


@dataclass(frozen=True, kw_only=True)
class QueryParts:
    """A text, which may be empty, and the picture of a query, whatever form they came in."""

    text: str
    example: Candidate | None = None


def to_list(value: Any, where: str) -> list[Any]:
    """Return the documents of a request, which may also send a single one, before they are validated.

    An object whose `content` is several pictures and nothing else stands for a document each, as in earlier versions of
    vLLM; with one picture, it is one document. where: the name of the field. Raises `RequestMalformed`.
    """
    parts = value.get("content") if isinstance(value, dict) else None
    if isinstance(parts, list) and len(parts) > 1 and _are_pictures(parts) and not _has_others(value):
        return [[part] for part in parts]
    if isinstance(value, dict | EncodedText):
        return [value]
    if not isinstance(value, list) or not value:
        raise RequestMalformed(where=where)
    return value


def to_document(value: Any, index: int) -> Document:
    """Return a validated document. Raises `DocumentInvalid` and `DocumentFieldInvalid`."""
    try:
        images, texts = _images_and_texts(_DOCUMENT.validate_python(value))
    except ValidationError as error:
        if path := _wrong_path(error, value):
            raise DocumentFieldInvalid(index=index, field=path) from None
        raise DocumentInvalid(index=index, reason="form") from None
    if len(images) != 1:
        raise DocumentInvalid(index=index, reason="not one picture")
    return Document(image=images[0], text=" ".join(texts), is_bare=isinstance(value, EncodedText))


def to_candidate(document: Document, index: int) -> Candidate:
    """Return the candidate to score, named after its index. Raises `DocumentInvalid`."""
    if is_address(document.image):
        raise DocumentInvalid(index=index, reason="address")
    may_be_text = document.is_bare and not is_data_uri(document.image)
    data = decode_base64(document.image)
    if may_be_text and (data is None or detect_format(data) is None):
        raise DocumentInvalid(index=index, reason="text")
    if data is None:
        raise DocumentInvalid(index=index, reason="base64")
    return Candidate(name=f"documents[{index}]", source=data, text=document.text)


def to_query_parts(value: Any, where: str) -> QueryParts:
    """Return the text and the picture of a query in any form. where: its name in the request.

    Raises `ExampleInvalid` and `RequestMalformed`.
    """
    try:
        if isinstance(value, EncodedText):
            return QueryParts(text=str(_as_text(value)))
        images, texts = _images_and_texts(_DOCUMENT.validate_python(value))
    except ValueError:  # `ValidationError` is one
        raise RequestMalformed(where=where) from None
    if len(images) > 1:
        raise ExampleInvalid(where=where, reason="several pictures")
    return QueryParts(text=" ".join(texts), example=_example(images[0], where) if images else None)


def to_text(value: Any, where: str) -> str:
    """Return the text of a value in the form of a query without a picture. where: its name in the request.

    Raises `ExampleInvalid` and `RequestMalformed`.
    """
    parts = to_query_parts(value, where)
    if parts.example is not None:
        raise RequestMalformed(where=where)
    return parts.text


def _example(image: EncodedText, where: str) -> Candidate:
    if is_address(image):
        raise ExampleInvalid(where=where, reason="address")
    data = decode_base64(image)
    if data is None:
        raise ExampleInvalid(where=where, reason="base64")
    return Candidate(name=where, source=data)


def _has_others(value: dict[str, Any]) -> bool:
    """Return whether an object has fields beside `content` that count."""
    return any(value[key] is not None for key in value.keys() - IGNORED_FIELDS - {"content"})


def _are_pictures(parts: list[Any]) -> bool:
    return {_part_form(part) for part in parts} <= {"<image_url>", "<image>", "<image value>"}


def _images_and_texts(form: Any) -> tuple[list[EncodedText], list[str]]:
    """Return the pictures in a validated form, and its texts."""
    images: list[EncodedText | None] = []
    texts: list[str | None] = []
    for part in form.content if isinstance(form, Content) else form if isinstance(form, list) else [form]:
        match part:
            case str() | LongString():
                images.append(part)
            case ImageUrlPart(image_url=image):
                images.append(image.url if isinstance(image, ImageAddress) else image)
            case ImagePart(image=image) | ImageValue(value=image):
                images.append(image)
            case TextPart(text=text) | TextValue(value=text):
                texts.append(text)
            case ImageAndText(image=image, text=text):
                images.append(image)
                texts.append(text)
    return [image for image in images if image is not None], [text for text in texts if text]


def _wrong_path(error: ValidationError, value: Any) -> str:
    """Return where a document is wrong, such as `content[1].title`; empty if it is the document itself.

    The location of an error has tags of forms between the names and indices.
    """
    path = ""
    for step in error.errors(include_url=False, include_input=False, include_context=False)[-1]["loc"]:
        if isinstance(value, list) and isinstance(step, int):
            path, value = f"{path}[{step}]", value[step]
        elif isinstance(value, dict) and step in value:
            path, value = f"{path}.{step}".lstrip("."), value[step]
    return path[:MAX_SHOWN_PATH]

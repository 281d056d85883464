"""A picture, and perhaps a text, in every form that the HTTP API accepts."""

import base64
from typing import Any


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def picture_parts(data: bytes) -> dict[str, dict[str, Any]]:
    """A content part with the picture, by a name for each form."""
    uri, encoded = data_uri(data), base64.b64encode(data).decode()
    return {
        "OpenAI": {"type": "image_url", "image_url": {"url": uri}},
        "OpenAI, with details": {"type": "image_url", "image_url": {"url": uri, "detail": "low"}, "uuid": "a"},
        "base64 as address": {"type": "image_url", "image_url": {"url": encoded}},
        "address as string": {"type": "image_url", "image_url": uri},
        "OpenAI's responses": {"type": "input_image", "image_url": uri, "detail": "auto"},
        "Qwen": {"type": "image", "image": uri},
        "Elastic": {"type": "image", "format": "base64", "value": uri},
        "Elastic, shorter": {"type": "image", "value": encoded},
    }


def text_parts(text: str) -> list[dict[str, Any]]:
    return [
        {"type": "text", "text": text},
        {"type": "input_text", "text": text},
        {"type": "text", "format": "text", "value": text},
    ]


def forms_without_text(data: bytes) -> dict[str, Any]:
    """Documents that are the picture alone, by a name for each form."""
    encoded = base64.b64encode(data).decode()
    url_alphabet = base64.urlsafe_b64encode(data).decode()
    parts = picture_parts(data)
    return {
        "data URI": data_uri(data),
        "base64": encoded,
        "base64 without padding": encoded.rstrip("="),
        "base64 of URLs": url_alphabet,
        "base64 of URLs without padding": url_alphabet.rstrip("="),
        "base64 in lines": "\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76)),
        "Jina": {"image": data_uri(data)},
        "Jina, base64": {"image": encoded},
        "base64 of URLs as image": {"image": url_alphabet.rstrip("=")},
        "Qwen": {"image": data_uri(data), "text": None, "video": None},
        "with an id": {"image": data_uri(data), "id": 7},
        **{f"part: {name}": part for name, part in parts.items()},
        **{f"SGLang: {name}": [part] for name, part in parts.items()},
        **{f"vLLM: {name}": {"content": [part]} for name, part in parts.items()},
    }


def forms_with_text(data: bytes, text: str) -> dict[str, Any]:
    """Documents that are the picture with its text, by a name for each form."""
    parts = picture_parts(data)
    described = {
        f"{name}, {number}": [part, each]
        for name, part in parts.items()
        for number, each in enumerate(text_parts(text))
    }
    return {
        "Jina": {"image": data_uri(data), "text": text},
        "Qwen": {"text": text, "image": base64.b64encode(data).decode(), "video": None},
        **{f"SGLang: {name}": pair for name, pair in described.items()},
        **{f"text first: {name}": pair[::-1] for name, pair in described.items()},
        **{f"vLLM: {name}": {"content": pair} for name, pair in described.items()},
        "an empty text beside it": [*text_parts("")[:1], *described["OpenAI, 0"]],
    }

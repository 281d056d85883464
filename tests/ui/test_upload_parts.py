"""The parts of an upload, however they are cut into messages."""

import pytest

from reranker.core.errors import RequestMalformed
from reranker.ui.upload_parts import UploadParts
from tests.support.event_loop import run_async

FORM = "multipart/form-data; boundary=B"


def received(body: bytes, content_type: str = FORM, size: int = 1_000) -> bytes:
    """What arrives of a body that is sent in messages of this size."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]

    async def read() -> bytes:
        async def receive():
            return {"type": "http.request", "body": pieces.pop(0)}

        headers = [(b"content-type", content_type.encode())]
        parts, whole = UploadParts({"type": "http", "headers": headers}, receive), b""
        while pieces:
            whole += (await parts.receive())["body"]
        return whole

    return run_async(read)


def part(headers: bytes, content: bytes) -> bytes:
    return b"--B\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


FILE = b'Content-Disposition: form-data; name="files"; filename="a.png"'
FIELD = b'Content-Disposition: form-data; name="files"'


@pytest.mark.parametrize("size", [7, 1_000, 10_000_000])
def test_files_of_any_size_pass(size):
    body = part(FILE, bytes(200_000)) + part(FILE, b"") + part(FILE, b"2" * 100_000) + b"--B--\r\n"
    assert received(body, size=size) == body


@pytest.mark.parametrize(
    "headers",
    [
        FIELD,
        FIELD + b"\r\nX-Filename: filename=a.png",
        b"X: filename=a.png\r\n" + FIELD,
        FILE + b"\r\n" + FIELD,
        b'Content-Disposition: form-data; name="; filename=a.png"',
    ],
)
def test_other_fields_are_refused_whatever_looks_like_a_file_name(headers):
    with pytest.raises(RequestMalformed):
        received(part(FILE, b"1") + part(headers, b"a") + b"--B--\r\n")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", part(FILE, b"1")),
        ("", part(FILE, b"1")),
        (FORM, b"not a form"),
        (FORM, part(b"a" * 100_000, b"1")),
        (FORM, part(b"\r\n".join([b"a: b"] * 10_000), b"1")),
    ],
)
def test_what_is_not_a_form_is_refused(content_type, body):
    with pytest.raises(RequestMalformed):
        received(body, content_type)

"""Base64 in the ways that clients write it; what is not base64 is nothing."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.server.base64_text import decode_base64
from reranker.server.json_bodies import LongString

Write = Callable[[bytes], str]
WRITTEN: dict[str, Write] = {
    "standard": lambda data: base64.b64encode(data).decode(),
    "of URLs": lambda data: base64.urlsafe_b64encode(data).decode(),
    "without padding": lambda data: base64.b64encode(data).decode().rstrip("="),
    "of URLs without padding": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "in lines": lambda data: base64.encodebytes(data).decode(),
    "as a data URI": lambda data: f"DATA:image/png;charset=utf-8;base64,{base64.b64encode(data).decode()}",
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@given(data=st.binary(max_size=100))
def test_what_was_written_is_read(write: Write, data: bytes) -> None:
    written = write(data)
    assert decode_base64(written) == data
    assert decode_base64(LongString(memoryview(written.replace("\n", "\\n").encode()))) == data


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("byte_count", [299_999, 300_000, 300_001, 700_002])
def test_long_texts_are_decoded_part_by_part(write: Write, byte_count: int) -> None:
    """Parts have 300,000 bytes."""
    data = (bytes(range(256)) * 3_000)[-byte_count:]
    assert decode_base64(LongString(memoryview(write(data).replace("\n", "\\n").encode()))) == data


@pytest.mark.parametrize(
    "text",
    ["A", "AAAAA", "=", "====", "AA==AA==", "AAA*", "AA=A", "红", "AAAA,AAAA", "A" * 3_001, "A" * 400_000 + "A"],
)
def test_what_is_no_base64_is_nothing(text: str) -> None:
    assert decode_base64(text) is None
    assert decode_base64(LongString(memoryview(text.encode()))) is None

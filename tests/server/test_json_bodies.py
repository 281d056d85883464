"""Large JSON: equal to what Python's own parser returns, and bounded."""

import json
from random import Random
from typing import Any

import pytest

from reranker.core.errors import RequestMalformed, RequestTextTooLarge
from reranker.server.json_bodies import LONG_BYTES, JsonLimits, LongString, parse_json

LIMITS = JsonLimits(max_plain_bytes=100_000, max_values=5_000)
CHARACTERS = 'Az09+/= \\"{}[],:\n\x01红😀'


def resolved(value: Any) -> Any:
    """The value with the text of each long string."""
    if isinstance(value, LongString):
        return value.text
    if isinstance(value, list):
        return [resolved(each) for each in value]
    return {key: resolved(each) for key, each in value.items()} if isinstance(value, dict) else value


def random_text(random: Random) -> str:
    length = random.choice([0, 1, 5, LONG_BYTES - 1, LONG_BYTES, LONG_BYTES + 1, 3_000])
    return "".join(random.choices(CHARACTERS, k=length))


def random_value(random: Random, depth: int = 3) -> Any:
    kind = random.randrange(6 if depth else 4)
    if kind == 4:
        return [random_value(random, depth - 1) for _ in range(random.randrange(4))]
    if kind == 5:
        return {random_text(random)[:20]: random_value(random, depth - 1) for _ in range(random.randrange(4))}
    return [None, random.random(), random_text(random), "A" * 2_000][kind]


@pytest.mark.parametrize("seed", range(100))
def test_values_equal_those_of_the_ordinary_parser(seed: int) -> None:
    random = Random(seed)
    value = random_value(random)
    text = json.dumps(value, ensure_ascii=random.random() < 0.5, separators=random.choice([(",", ":"), (" , ", " : ")]))
    assert resolved(parse_json(bytearray(text.encode()), LIMITS)) == value


def parsed_strictly(body: bytes) -> Any:
    """The value that the ordinary parser returns, or the class of the error."""

    def refuse(_: str) -> None:
        raise ValueError

    try:
        return json.loads(body, parse_constant=refuse)
    except (ValueError, RecursionError):
        return RequestMalformed


@pytest.mark.parametrize("seed", range(300))
def test_damaged_json_is_refused_where_the_ordinary_parser_refuses_it(seed: int) -> None:
    random = Random(seed)
    damaged = bytearray(json.dumps([random_value(random), {"a": "B" * 2_000}]).encode())
    for _ in range(random.randrange(1, 4)):
        position = random.randrange(len(damaged))
        damaged[position : position + random.randrange(3)] = random.choice(
            [b"", b'"', b"\\", b",", b"Infinity", b"-", b"\xff", b'"' + b"C" * 2_000 + b'"']
        )
    try:
        value = resolved(parse_json(damaged, LIMITS))
    except (RequestMalformed, ValueError):  # the latter by a long string, once its text is needed
        value = RequestMalformed
    assert value == parsed_strictly(bytes(damaged))


@pytest.mark.parametrize(
    "body", [b"NaN", b"[Infinity]", b"-Infinity", b'-"' + b"A" * 2_000 + b'"', b'"' + b"A" * 2_000]
)
def test_constants_and_open_strings_are_not_json(body: bytes) -> None:
    with pytest.raises(RequestMalformed):
        parse_json(bytearray(body), LIMITS)


def test_long_strings_do_not_count() -> None:
    body = json.dumps(["A" * 1_000_000] * 3).encode()
    assert [len(each.encoded) for each in parse_json(bytearray(body), LIMITS)] == [1_000_000] * 3


@pytest.mark.parametrize(
    "body",
    [b"[" + b"1," * 6_000 + b"1]", b"[" + b'"a",' * 6_000 + b"1]", b" " * 200_000, b'["' + b'a","' * 50_000 + b'"]'],
)
def test_the_rest_is_limited_in_bytes_and_values(body: bytes) -> None:
    with pytest.raises(RequestTextTooLarge):
        parse_json(bytearray(body), LIMITS)

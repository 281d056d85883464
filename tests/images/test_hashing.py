"""Content hashes tell the bytes of pictures apart."""

import hashlib

from reranker.images.hashing import content_hash


def test_only_equal_bytes_have_equal_hashes():
    hashes = [content_hash(data) for data in (b"", b"a", b"b", b"ab", b"ba")]
    assert len(set(hashes)) == len(hashes)
    assert content_hash(b"abc") == hashlib.sha256(b"abc").hexdigest()

"""Tell text from strings that cannot be encoded."""


def is_unicode(text: str) -> bool:
    """Return whether a string can be encoded: it has no half of a surrogate pair, as bytes that are not text leave."""
    return not any("\ud800" <= character <= "\udfff" for character in text)

"""Text that came from outside: what of it can be seen, and what of it is text at all."""

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain, count
from typing import Final

# Of the characters that have no shape by Unicode's property Default_Ignorable_Code_Point, those that are letters or
# marks, or not assigned; of the symbols, the empty braille pattern. Source: DerivedCoreProperties.txt, Unicode 16.
_WITHOUT_SHAPE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
# The format characters with a shape: Arabic and other signs that enclose the digits after them.
_FORMATS_WITH_SHAPE: Final = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
_INVISIBLE_CATEGORIES: Final = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}
SURROGATE: Final = re.compile("[\ud800-\udfff]")  # not valid in UTF-8, but in JSON escapes and in file names


def distinct_names(names: Iterable[str]) -> list[str]:
    """Return names in their order, of which those that are there already are numbered: `a`, `a (2)`, `a (3)`."""
    distinct: dict[str, None] = {}
    for name in names:
        numbered = (f"{name} ({number})" for number in count(2))
        distinct[next(each for each in chain([name], numbered) if each not in distinct)] = None
    return list(distinct)


def is_visible(character: str) -> bool:
    """Return whether a character has a shape of its own: white space, controls and joiners have none."""
    if _FORMATS_WITH_SHAPE.match(character):
        return True
    return unicodedata.category(character) not in _INVISIBLE_CATEGORIES and not _WITHOUT_SHAPE.match(character)


def is_blank(text: str) -> bool:
    """Return whether nothing in a text can be seen."""
    return not any(map(is_visible, text))


def is_well_formed(text: str) -> bool:
    """Return whether a text can be encoded: half a surrogate pair cannot, nor can a byte that was not text."""
    return SURROGATE.search(text) is None


def well_formed(text: str) -> str:
    """Return a text that can be encoded.

    Python keeps bytes that it could not decode, in file names and arguments, as surrogates. They are decoded as UTF-8;
    what is not UTF-8, and half a surrogate pair, becomes U+FFFD.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return SURROGATE.sub("\ufffd", text)

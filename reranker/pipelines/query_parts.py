"""The parts of a query: what stands between its commas and its "and".

和 and 与 join as "and" does, and are also syllables of other words. Those that the description of a picture may hold
stay whole (温和 is gentle, 和服 a kimono), unless what follows makes it another word: in 帽子和服装 there are hats, and
there are clothes.
"""

import re
from typing import Final

_ONE_WORD: Final = (
    "与众不同|参与|温和|柔和|暖和|祥和|随和|缓和|饱和|和谐|和尚|和睦|和蔼|和煦|颐和园|雍和宫"
    "|和服(?![装饰])|和平(?![原台房地板底面])|和风(?![景车筝铃扇])"
)
_LATIN: Final = "0-9A-Za-z\u00c0-\u024f'’-"  # of a word: rock-and-roll is one, and so is andante
_SEPARATOR: Final = re.compile(rf"{_ONE_WORD}|([,，、;；]|以及|[和与]|(?<![{_LATIN}])and(?![{_LATIN}]))", re.IGNORECASE)


def query_parts(text: str) -> tuple[str, ...]:
    """The parts in their order, without blanks around; none where there is only one.

    Cut at commas, semicolons, 、, 和, 与, 以及 and the word "and".
    """
    cuts = [found.span() for found in _SEPARATOR.finditer(text) if found[1]]
    starts, ends = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(text)]
    parts = tuple(part for start, end in zip(starts, ends, strict=True) if (part := text[start:end].strip()))
    return parts if len(parts) > 1 else ()

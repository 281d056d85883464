"""Names of exported files and folders, which are valid on any operating system and distinct in their folder."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from string import Formatter
from typing import Final

from reranker.core.errors import NameTemplateInvalid
from reranker.core.scores import score_texts, shown_score
from reranker.core.text import is_blank
from reranker.core.types import Ranking
from reranker.export.ranks import Ranks, ranks_of

DEFAULT_TEMPLATE: Final = "{rank}_{score}_{name}"
FIELDS: Final = ("rank", "score", "name", "stem", "query")
MAX_TEMPLATE_LENGTH: Final = 200
MAX_NAME_BYTES: Final = 200  # of the picture's own name, in UTF-8
MAX_FILE_NAME_BYTES: Final = 240  # of a whole name; file systems allow 255
MAX_FOLDER_NAME_BYTES: Final = 80  # and of a query in the name of a file
MIN_DIGITS: Final = 2
# Characters that some operating system forbids in a name or interprets.
_FORBIDDEN: Final = re.compile(
    r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd\ud800-\udfff]'
)
# Names of devices of Windows, whatever follows a point.
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
_EXTENSION: Final = re.compile(r"\.[0-9A-Za-z]{1,10}$")


def check_template(template: str) -> None:
    """Raise `NameTemplateInvalid` unless a template of `member_names` is a text with no other fields than `FIELDS`."""
    if is_blank(template):
        raise NameTemplateInvalid(reason="empty", template=template)
    if len(template) > MAX_TEMPLATE_LENGTH:
        raise NameTemplateInvalid(reason="too long", template=template)
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise NameTemplateInvalid(reason="braces", template=template) from None
    for _, field, format_, conversion in parts:
        if field is not None and (field not in FIELDS or format_ or conversion):
            raise NameTemplateInvalid(reason="field", template=template)


def member_names(ranking: Ranking, *, template: str = DEFAULT_TEMPLATE, ranks: Ranks = None) -> list[str]:
    """A distinct file name for each scored picture of a ranking, such as "01_9.4_beach.jpg".

    template: what a name consists of. {rank} is padded to equal width, {name} is the picture's own name, {stem} that
        without its extension, {query} the sentence. A name always has the extension of its picture, and equal names are
        numbered. ranks: see `Ranks`.

    Raises `NameTemplateInvalid`.
    """
    check_template(template)
    given = ranks_of(ranking, ranks)
    scores = score_texts([shown_score(scored.score.log_odds, ranking.temperature) for scored in ranking.scored])
    digits = _digits(max(given, default=0))
    query = _limited(ranking.query.title, "query")
    names = []
    for rank, score, scored in zip(given, scores, ranking.scored, strict=True):
        name = safe_name(scored.candidate.name)
        extension = _extension(name)
        stem = name.removesuffix(extension) or name
        fields = {"rank": f"{rank:0{digits}}", "score": score, "name": name, "stem": stem, "query": query}
        names.append((_filled(template, fields, extension), extension))
    return _distinct(names)


def folder_names(queries: Sequence[str]) -> list[str]:
    """A distinct folder name for each query: number, padded to equal width, and the safe part of its text."""
    digits = _digits(len(queries))
    return [f"{number:0{digits}}_{_limited(query, 'query')}" for number, query in enumerate(queries, start=1)]


def label_folder_names(labels: Sequence[str]) -> list[str]:
    """A distinct folder name for each label: the safe part of its text; equal ones are numbered."""
    names = (_limited(label, "label") for label in labels)
    return _distinct((f"_{name}" if _RESERVED.match(name) else name, "") for name in names)


def picture_names(paths: Iterable[str]) -> list[str]:
    """A distinct file name for each picture: the safe part of its own name; equal ones are numbered."""
    names = map(safe_name, paths)
    return _distinct((name, _extension(name)) for name in names)


def _digits(count: int) -> int:
    return max(MIN_DIGITS, len(str(count)))


def _limited(query: str, default: str) -> str:
    return _truncate(_replace_forbidden(query) or default, MAX_FOLDER_NAME_BYTES).strip(" .")


def _filled(template: str, fields: Mapping[str, str], extension: str) -> str:
    """Return a safe file name of limited length with the extension."""
    name = _replace_forbidden(template.format_map(fields)) or "picture"
    if name.lower().endswith(extension.lower()):
        name = name[: len(name) - len(extension)]
    if _RESERVED.match(name + extension):
        name = f"_{name}"
    return _joined(name, extension)


def _joined(name: str, extension: str) -> str:
    return (_truncate(name, MAX_FILE_NAME_BYTES - len(extension.encode())).rstrip(" .") or "picture") + extension


def _distinct(names: Iterable[tuple[str, str]]) -> list[str]:
    """Number names that some file system takes for equal. Each comes with its extension."""
    taken: set[str] = set()
    counts: dict[str, int] = {}
    distinct = []
    for name, extension in names:
        numbered, key = name, _key(name)
        while _key(numbered) in taken:
            counts[key] = counts.get(key, 1) + 1
            suffix = f" ({counts[key]}){extension}"
            numbered = _joined(name.removesuffix(extension), suffix)
        taken.add(_key(numbered))
        distinct.append(numbered)
    return distinct


def _key(name: str) -> str:
    """Return what is equal for names that differ in case, or in how accents are encoded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _extension(name: str) -> str:
    found = _EXTENSION.search(name)
    return found[0] if found else ""


def safe_name(path: str) -> str:
    """The last part of a path without what an operating system forbids, shortened before its extension."""
    name = _replace_forbidden(re.split(r"[\\/]", path.rstrip("\\/"))[-1]) or "picture"
    stem, point, extension = name.rpartition(".")
    if len(name.encode()) <= MAX_NAME_BYTES or not point:
        return _truncate(name, MAX_NAME_BYTES)
    suffix = f".{extension}"
    return _truncate(_truncate(stem, max(1, MAX_NAME_BYTES - len(suffix.encode()))) + suffix, MAX_NAME_BYTES)


def _replace_forbidden(text: str) -> str:
    return _FORBIDDEN.sub("_", text).strip(" .")


def _truncate(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")

"""Messages to people in every language of the page, so that another language needs no answer of the server."""

import logging
from dataclasses import asdict, dataclass
from typing import Any

from reranker.core.errors import RerankerError
from reranker.i18n.page_texts import LANGUAGES, phrase
from reranker.server.status import Tone
from reranker.ui.session.records import Text, sentences

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Said:
    """A message. percent: of its progress bar, which is hidden if None."""

    text: Text
    tone: Tone
    percent: int | None = None

    @property
    def value(self) -> dict[str, Any]:
        """The message for `status.js`."""
        return asdict(self)


def text_of(key: str, **values: object) -> Text:
    """Return one of the page's phrases in each language."""
    return {language: phrase(key, language, **values) for language in LANGUAGES}


def joined(*texts: Text, separator: str = " ") -> Text:
    """Return texts one after the other; in Chinese, sentences follow each other without a space."""
    separators = {"zh": separator.strip() or ""} if separator == " " else {}
    return {
        language: separators.get(language, separator).join(text[language] for text in texts) for language in LANGUAGES
    }


def size_text(byte_count: int) -> str:
    """Return the size of a file, such as `12.3 kB`."""
    unit, divisor = ("MB", 1e6) if byte_count >= 1e6 else ("kB", 1e3)
    return f"{max(0.1, byte_count / divisor):.1f} {unit}"


def said(text: Text, tone: Tone, percent: int | None = None) -> Said:
    """Return a message. percent: of its progress bar, which is hidden if None."""
    return Said(text=text, tone=tone, percent=percent)


def trouble(error: Exception) -> Said:
    """Return the message of an error. An unexpected one goes to the log: its text may contain paths of this machine."""
    expected = error if isinstance(error, RerankerError) else RerankerError()
    if expected is not error:
        _log.error("Unexpected error", exc_info=error)
    return said(sentences(expected), "trouble")

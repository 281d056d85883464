"""The status line of the pages: a text, a tone and a progress bar."""

import logging
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reranker.core.errors import RerankerError
from reranker.i18n.error_messages import Language, sentence

_log = logging.getLogger(__name__)

Tone = Literal["idle", "busy", "done", "trouble"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """A status line. percent: of the progress bar, which is hidden if None."""

    text: str
    tone: Tone = "idle"
    percent: int | None = None

    @property
    def value(self) -> dict[str, Any]:
        """The value of the component that shows it."""
        return asdict(self) | {"bar": self.percent is not None}


def trouble(error: Exception, language: Language) -> Status:
    """Return the status that describes an error.

    The text of an unexpected error may contain paths of this machine: it goes to the log, and people read a general
    sentence.
    """
    expected = error if isinstance(error, RerankerError) else RerankerError()
    if expected is not error:
        _log.error("Unexpected error", exc_info=error)
    return Status(text=sentence(expected, language), tone="trouble")

"""The line that says where things stand."""

import logging
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reranker.core.errors import RerankerError
from reranker.i18n.error_messages import Language, sentence

_log = logging.getLogger(__name__)

Tone = Literal["idle", "busy", "done", "trouble"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """What it says, and `percent` of its bar; None where there is none."""

    text: str
    tone: Tone = "idle"
    percent: int | None = None

    @property
    def value(self) -> dict[str, Any]:
        """For the component that shows it."""
        return asdict(self) | {"bar": self.percent is not None}


def trouble(error: Exception, language: Language) -> Status:
    """A sentence; of what nobody foresaw, whose words may show folders, a general one, and the rest goes to the log."""
    foreseen = error if isinstance(error, RerankerError) else RerankerError()
    if foreseen is not error:
        _log.error("The page met with the unforeseen", exc_info=error)
    return Status(text=sentence(foreseen, language), tone="trouble")

"""Find the scripts and style sheets of a page: in its own folder, or in the folder that the pages share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

SHARED_FOLDER: Final = Path(__file__).with_name("static")


@dataclass(frozen=True)
class StaticFiles:
    """The scripts and style sheets of one page. folder: those that only this page uses."""

    folder: Path

    def path(self, name: str) -> Path:
        """Return the path of a file, such as `page.css`."""
        own = self.folder / name
        return own if own.exists() else SHARED_FOLDER / name

    def text(self, *names: str) -> str:
        """Return the text of several files as one."""
        return "\n".join(self.path(name).read_text(encoding="utf-8") for name in names)

    def script(self, *names: str) -> str:
        """Return scripts as one text, after `elements.js`, whose functions they use."""
        return self.text("elements.js", *names)

"""What the page, its routes and its endpoints share."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from reranker.api import Reranker
from reranker.config.paths import ASSETS, data_folder
from reranker.library import Library, named_libraries
from reranker.server.replicas import Replicas
from reranker.tagger import Taggers
from reranker.ui.galleries import Galleries
from reranker.ui.library_tab.updates import LibraryUpdates
from reranker.ui.session.admission import Admission, find_samples
from reranker.ui.session.model_state import ModelState
from reranker.ui.session.sessions import Sessions
from reranker.ui.uploads import Uploads

SAMPLES: Final = ASSETS / "gallery"


@dataclass(frozen=True, kw_only=True)
class PageServices:
    """The parts of a page. libraries: that it searches, by name. examples: sentences for the sample gallery."""

    reranker: Reranker
    sessions: Sessions
    admission: Admission
    model: ModelState
    uploads: Uploads
    libraries: Mapping[str, Library]
    taggers: Taggers
    examples: tuple[str, ...]
    updates: LibraryUpdates
    replicas: Replicas

    @classmethod
    def of(cls, reranker: Reranker, samples: Path = SAMPLES) -> Self:
        """Make the parts of the page of a reranker.

        samples: a folder of pictures for the button that adds them, with the example sentences in `queries.json`.
        """
        sessions = Sessions(reranker, data_folder() / "sessions")
        uploads = Uploads.from_gradio()
        galleries = Galleries(reranker.settings.server.galleries, hidden=(uploads.folder, sessions.folder))
        return cls(
            reranker=reranker,
            sessions=sessions,
            admission=Admission(reranker, find_samples(samples), galleries),
            model=ModelState(reranker),
            uploads=uploads,
            libraries=named_libraries(reranker.settings.server.libraries, reranker),
            taggers=Taggers(reranker),
            examples=tuple(_read_queries(samples / "queries.json")),
            updates=LibraryUpdates(sessions.publish),
            replicas=Replicas(reranker),
        )

    def close(self) -> None:
        """Stop all that is running, when the program ends."""
        self.sessions.close()
        self.updates.stop_all()
        self.replicas.close()
        self.reranker.close()


def _read_queries(path: Path) -> list[str]:
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []

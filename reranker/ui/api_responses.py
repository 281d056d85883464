"""Rankings of the endpoints for programs, as JSON, with the pictures that could not be opened."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from reranker.core.types import Ranking
from reranker.export.rows import rows
from reranker.i18n.error_messages import Language
from reranker.ui.uploads import CheckedPictures


def with_refused(ranking: Ranking, checked: CheckedPictures) -> Ranking:
    """Return a ranking of the allowed pictures with the refused ones among its failures."""
    failed = [*checked.refused, *map(checked.restored, ranking.failed)]
    return replace(
        ranking,
        scored=tuple(map(checked.restored, ranking.scored)),
        failed=tuple(sorted(failed, key=lambda failure: failure.position)),
    )


def api_response(ranking: Ranking, judged_by: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """Return a ranking as the JSON of the command line has it, but with names instead of paths."""
    results = [asdict(row) for row in rows(ranking, language)]
    return {
        "query": ranking.query.text,
        "exclude": ranking.query.exclude,
        "example": ranking.query.example_name,
        "model": judged_by["model"],
        "fingerprint": ranking.fingerprint,
        "judged_by": judged_by,
        "results": [{"name" if key == "path" else key: value for key, value in row.items()} for row in results],
    }

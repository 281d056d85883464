"""Make the files that people download: exactly the pictures that the page shows, in the order shown."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from starlette.types import Scope

from reranker.api import Reranker
from reranker.core.errors import RequestMalformed, TooManyQueries
from reranker.core.text import well_formed
from reranker.core.types import Ranking, Scored
from reranker.export.archive import write_archive, write_archive_of_several
from reranker.export.contact_sheet import as_html
from reranker.export.file_names import DEFAULT_TEMPLATE, check_template
from reranker.export.rows import as_csv, as_json, rankings_as_csv, rankings_as_json
from reranker.i18n.error_messages import Language
from reranker.server.error_responses import requested_language
from reranker.ui.session.export_files import ExportFiles
from reranker.ui.session.ranking_actions import MAX_QUERIES
from reranker.ui.session.records import RankingHeader, is_unmatched, order
from reranker.ui.session.session import Session

FORMATS: Final = ("csv", "json", "html", "zip")
FILES: Final = frozenset(f"ranking.{format_}" for format_ in FORMATS)
_MEMBER_BYTES: Final = 1_000  # of a ZIP file for each picture, besides its own bytes; names have at most 255


class Exports:
    """Writes rankings into files. Thread-safe. files: of all sessions."""

    def __init__(self, reranker: Reranker, files: ExportFiles) -> None:
        self._reranker, self._files = reranker, files

    def write(self, session: Session, request: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
        """Write a file and return its address, its name and its size in bytes.

        request: the format, the rankings with the ids of their pictures (all scored ones if None), and for a ZIP file
        the template of the names. Raises `RequestError`, `OSError`.
        """
        format_ = request.get("format")
        if format_ not in FORMATS:
            raise RequestMalformed(where="format")
        wanted = _objects(request, "rankings")
        if len(wanted) > MAX_QUERIES:
            raise TooManyQueries(count=len(wanted), max_count=MAX_QUERIES)
        template = request.get("template", DEFAULT_TEMPLATE)
        if not isinstance(template, str):
            raise RequestMalformed(where="template")
        check_template(template)
        chosen = [self._chosen(session, each) for each in wanted]
        language = requested_language(scope)
        name = f"ranking.{format_}"
        with self._files.new(session, name, _size_bytes(chosen) if format_ == "zip" else 0) as (file, url):
            if format_ == "zip":
                self._write_archive(chosen, file, template)
            else:
                file.write(well_formed(self._text(format_, chosen, language)).encode())
            byte_count = file.tell()
        return {"url": url, "name": name, "bytes": byte_count}

    def _text(self, format_: str, chosen: Sequence["_Chosen"], language: Language) -> str:
        """Return several rankings as one text, or a single one in the form that can be opened again."""
        first, judged_by = chosen[0], chosen[0].header.judged_by
        if format_ == "html":
            limits, model = self._reranker.limits, str(judged_by.get("model", ""))
            return as_html(first.ranking, model=model, limits=limits, language=language, ranks=first.ranks)
        if len(chosen) > 1:
            rankings, ranks = [each.ranking for each in chosen], [each.ranks for each in chosen]
            if format_ == "csv":
                return rankings_as_csv(rankings, language=language, ranks=ranks)
            return rankings_as_json(rankings, judged_by=judged_by, language=language, ranks=ranks)
        if format_ == "csv":
            return as_csv(first.ranking, language=language, ranks=first.ranks)
        return as_json(first.ranking, judged_by=judged_by, language=language, ranks=first.ranks)

    def _write_archive(self, chosen: Sequence["_Chosen"], file: IO[bytes], template: str) -> None:
        """Raises `NameTemplateInvalid`, `OSError`."""
        limits, present = self._reranker.limits, [each.with_files() for each in chosen]
        if len(present) == 1:
            write_archive(present[0].ranking, file, limits, template=template, ranks=present[0].ranks)
            return
        rankings, ranks = [each.ranking for each in present], [each.ranks for each in present]
        write_archive_of_several(rankings, file, limits, template=template, ranks=ranks)

    def _chosen(self, session: Session, request: Mapping[str, Any]) -> "_Chosen":
        """Return a ranking with the chosen pictures only, in their order. Raises `RequestError`."""
        id_, keys = request.get("id"), request.get("pictures")
        is_list = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not isinstance(id_, str) or not (keys is None or is_list):
            raise RequestMalformed(where="rankings")
        header, results = session.ranking(id_)
        pictures = session.pictures
        present = [key for key in results.scored if key in pictures or is_unmatched(key)]
        best_first = sorted(present, key=lambda key: order(results.scored[key]))
        ranks = {key: rank for rank, key in enumerate(best_first, start=1)}
        shown = best_first if keys is None else [key for key in dict.fromkeys(keys) if key in ranks]
        ranking = replace(
            results.ranking(header),
            scored=tuple(results.scored[key] for key in shown),
            failed=() if keys is not None else results.ranking(header).failed,
        )
        return _Chosen(header=header, ranking=ranking, ranks=tuple(ranks[key] for key in shown))


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """The pictures of a ranking that are exported. ranks: of each, in the whole ranking."""

    header: RankingHeader
    ranking: Ranking
    ranks: tuple[int, ...]

    def with_files(self) -> "_Chosen":
        """Return it without the pictures that are not there, or that a link has replaced since they came."""
        present = [pair for pair in zip(self.ranking.scored, self.ranks, strict=True) if _is_file(pair[0])]
        ranking = replace(self.ranking, scored=tuple(scored for scored, _ in present))
        return replace(self, ranking=ranking, ranks=tuple(rank for _, rank in present))


def _objects(request: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of at least one object of a request. Raises `RequestMalformed`."""
    values = request.get(name)
    if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
        raise RequestMalformed(where=name)
    return values


def _is_file(scored: Scored) -> bool:
    source = scored.candidate.source
    return isinstance(source, Path) and os.path.realpath(source) == os.fspath(source) and source.is_file()


def _size_bytes(chosen: Sequence[_Chosen]) -> int:
    pictures = (scored.candidate.source for each in chosen for scored in each.ranking.scored if _is_file(scored))
    return sum(_MEMBER_BYTES + source.stat().st_size for source in pictures if isinstance(source, Path))

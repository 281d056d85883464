"""Make the files that people download: exactly the pictures that the page shows, in the order shown."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from starlette.types import Scope

from reranker.api import Reranker
from reranker.core.errors import PathUnknown, RequestMalformed, TooManyQueries
from reranker.core.text import well_formed
from reranker.core.types import Ranking, Scored
from reranker.export.archive import write_archive
from reranker.export.contact_sheet import as_html
from reranker.export.rows import as_csv, as_json, rankings_as_csv, rankings_as_json
from reranker.i18n.error_messages import Language
from reranker.server.error_responses import requested_language
from reranker.ui.session.ranking_actions import MAX_QUERIES
from reranker.ui.session.records import RankingHeader, order
from reranker.ui.session.session import Session
from reranker.ui.upload_quota import UploadQuota

FORMATS: Final = ("csv", "json", "html", "zip")
_MEMBER_BYTES: Final = 1_000  # of a ZIP file for each picture, besides its own bytes; names have at most 255
_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


class Exports:
    """Writes files into the folder of a session, one of each name. quota: of all sessions."""

    def __init__(self, reranker: Reranker, quota: UploadQuota) -> None:
        self._reranker, self._quota = reranker, quota

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
        chosen = [self._chosen(session, each) for each in wanted]
        language = requested_language(scope)
        name = f"ranking.{format_}"
        with self._new_file(session, name, _size_bytes(chosen) if format_ == "zip" else 0) as (file, token):
            if format_ == "zip":
                self._write_archive(chosen, file, request)
            else:
                file.write(well_formed(self._text(format_, chosen, language)).encode())
            byte_count = file.tell()
        url = f"sessions/{session.id}/exports/{token}/{name}"
        return {"url": url, "name": name, "bytes": byte_count}

    def find(self, session: Session, token: str, name: str) -> Path:
        """Return a file that `write` has made. Raises `PathUnknown`."""
        file = session.folder / "exports" / token / name
        if not _TOKEN.fullmatch(token) or name not in {f"ranking.{format_}" for format_ in FORMATS}:
            raise PathUnknown
        if not file.is_file():
            raise PathUnknown
        return file

    def _text(self, format_: str, chosen: Sequence["_Chosen"], language: Language) -> str:
        """Return several rankings as one text, or a single one in the form that can be opened again."""
        judged_by, rankings = chosen[0].header.judged_by, [each.ranking for each in chosen]
        if format_ == "html":
            limits, model = self._reranker.limits, str(judged_by.get("model", ""))
            return as_html(rankings[0], model=model, limits=limits, language=language)
        if format_ == "csv":
            return (
                rankings_as_csv(rankings, language=language)
                if len(chosen) > 1
                else as_csv(rankings[0], language=language)
            )
        if len(chosen) > 1:
            return rankings_as_json(rankings, judged_by=judged_by, language=language)
        return as_json(rankings[0], judged_by=judged_by, language=language)

    def _write_archive(self, chosen: Sequence["_Chosen"], file: IO[bytes], request: Mapping[str, Any]) -> None:
        write_archive(_with_pictures(chosen[0].ranking), file, self._reranker.limits)

    def _chosen(self, session: Session, request: Mapping[str, Any]) -> "_Chosen":
        """Return a ranking with the chosen pictures only, in their order. Raises `RequestError`."""
        id_, keys = request.get("id"), request.get("pictures")
        is_list = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not isinstance(id_, str) or not (keys is None or is_list):
            raise RequestMalformed(where="rankings")
        header, results = session.ranking(id_)
        best_first = sorted(results.scored, key=lambda key: order(results.scored[key]))
        ranks = {key: rank for rank, key in enumerate(best_first, start=1)}
        shown = best_first if keys is None else [key for key in dict.fromkeys(keys) if key in ranks]
        ranking = replace(
            results.ranking(header),
            scored=tuple(results.scored[key] for key in shown),
            failed=() if keys is not None else results.ranking(header).failed,
        )
        return _Chosen(header=header, ranking=ranking, ranks=tuple(ranks[key] for key in shown))

    @contextmanager
    def _new_file(self, session: Session, name: str, byte_count: int) -> Iterator[tuple[IO[bytes], str]]:
        """Open a file that appears under its name once it is complete, in place of an earlier one of that name.

        Yields it and its token, which cannot be guessed. byte_count: what it may take. Raises `UploadsFull`.
        """
        folder, token = session.folder / "exports", secrets.token_hex(16)
        for earlier in folder.glob(f"*/{name}"):
            shutil.rmtree(earlier.parent, ignore_errors=True)
        target = folder / token / name
        target.parent.mkdir(parents=True)
        part = target.with_suffix(".part")
        try:
            with self._quota.reserve(byte_count) as reservation, part.open("xb") as file:
                yield file, token
                reservation.count(file.tell())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """The pictures of a ranking that are exported. ranks: of each, in the whole ranking."""

    header: RankingHeader
    ranking: Ranking
    ranks: tuple[int, ...]


def _objects(request: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of at least one object of a request. Raises `RequestMalformed`."""
    values = request.get(name)
    if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
        raise RequestMalformed(where=name)
    return values


def _with_pictures(ranking: Ranking) -> Ranking:
    """Return a ranking without the pictures that are not there, or that a link has replaced since they came."""
    present = (scored for scored in ranking.scored if _is_file(scored))
    return replace(ranking, scored=tuple(present))


def _is_file(scored: Scored) -> bool:
    source = scored.candidate.source
    return isinstance(source, Path) and os.path.realpath(source) == os.fspath(source) and source.is_file()


def _size_bytes(chosen: Sequence[_Chosen]) -> int:
    pictures = (scored.candidate.source for each in chosen for scored in each.ranking.scored if _is_file(scored))
    return sum(_MEMBER_BYTES + source.stat().st_size for source in pictures if isinstance(source, Path))

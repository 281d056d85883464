"""`libraries`: list the libraries of this user, check one, or delete one."""

from typing import Annotated

import typer

from reranker.cli.console import DONE, FAILED, CommandError, printable, say
from reranker.cli.extras import require_extra
from reranker.core.text import well_formed
from reranker.i18n.error_messages import sentence
from reranker.library import Library, LibraryFacts, all_libraries

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="Libraries, by their names or folders. Default: all that have names."),
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Compare each with its folders and with its files; read no picture.")
]
RemoveOption = Annotated[
    bool, typer.Option("--remove", help="Delete the named libraries. The pictures stay where they are.")
]


def libraries(names: NamesArgument = None, *, check: CheckOption = False, remove: RemoveOption = False) -> int:
    """List the libraries: pictures, size, encoder, index and folders of each.

    Exit code: 0 if all is well, 1 if a library has a problem, 2 for a mistake in the call.

    ```sh
    python -m reranker libraries
    python -m reranker libraries pictures --check
    python -m reranker libraries holidays --remove
    ```
    """
    require_extra("library", "`libraries`")
    if remove and not names:
        raise CommandError("Name the libraries to remove.")
    chosen = [Library(name) for name in names or all_libraries()]
    if not chosen:
        say("There are no libraries; make one with: python -m reranker index DIR")
    if remove:
        for library in chosen:
            library.delete()
            say(f"The library “{printable(library.name)}” was deleted; its pictures were not.")
        return DONE
    is_well = True
    for library in chosen:
        facts = library.facts()
        typer.echo(well_formed(_description(facts)))
        problems = [sentence(facts.problem, "en")] if facts.problem else library.problems() if check else []
        for problem in problems:
            say(f"  {printable(problem)}")
        is_well = is_well and not problems
        library.close()
    return DONE if is_well else FAILED


def _description(facts: LibraryFacts) -> str:
    if facts.counts is None or facts.encoder is None:
        return printable(facts.name)
    counts, encoder, index = facts.counts, facts.encoder, facts.index
    shown = (
        "none saved; all vectors are compared"
        if index is None
        else (f"{index.kind} over {index.rows:,}, {index.search_ms:.0f} ms a search, recall {index.recall:.3f}")
    )
    lines = [
        printable(facts.name),
        f"  pictures  {counts.pictures:,} ({counts.distinct:,} different, {counts.failed:,} unreadable)",
        f"  size      {facts.size_bytes / 1e6:,.1f} MB",
        f"  encoder   {printable(encoder.model)} on {encoder.backend}, {encoder.dimensions} dimensions",
        f"  index     {shown}",
        *(f"  folder    {printable(folder)}" for folder in facts.folders),
    ]
    return "\n".join(lines)

"""The command line: parse, build, call, show. Each command has a module in `reranker.cli`.

The result goes to stdout or into a file, everything else to stderr. Exit codes: 0 something was ranked, 1 nothing could
be, 2 a mistake in the call, said in one sentence, 130 interrupted.
"""

import logging
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Annotated, Final

import typer

from reranker.cli.benchmark import benchmark
from reranker.cli.console import DONE, FAILED, INTERRUPTED, MISTAKE, OpenReranker, Refused, stopped
from reranker.cli.download import download
from reranker.cli.evaluate import evaluate
from reranker.cli.label import label
from reranker.cli.memory import memory
from reranker.cli.rank import rank
from reranker.cli.serve import serve
from reranker.cli.verify import verify
from reranker.cli.watch import watch
from reranker.core.errors import RerankerError
from reranker.i18n.error_messages import sentence
from reranker.version import __version__

_log = logging.getLogger(__name__)

PROGRAM: Final = "python -m reranker"
Version = Annotated[bool, typer.Option("--version", help="Say which version this is.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Also write the program's log to stderr.")]

_COMMANDS: Final = (rank, watch, serve, label, evaluate, verify, benchmark, memory, download)


def main(
    arguments: Sequence[str] | None = None, *, program: str = PROGRAM, open_reranker: OpenReranker | None = None
) -> int:
    """Run the command line and return its exit code.

    arguments: those of the process where None. program: what it was called as. open_reranker: how settings become a
    `Reranker`, for tests.
    """
    try:
        code = int(application(program)(arguments, prog_name=program, standalone_mode=False, obj=open_reranker))
    except typer.TyperException as error:
        return stopped(error.format_message(), MISTAKE)
    except Refused as error:
        return stopped(str(error), error.code)
    except RerankerError as error:
        return stopped(sentence(error, "en"), MISTAKE)
    except Exception:
        _log.exception("Not foreseen")
        return stopped(sentence(RerankerError(), "en"), FAILED)
    return stopped("Stopped.", code) if code == INTERRUPTED else code


def application(program: str = PROGRAM) -> typer.Typer:
    """All commands. A shell can complete a command of one word, and so only where the program is installed."""
    app = typer.Typer(add_completion=program != PROGRAM, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    app.callback(invoke_without_command=True)(_said_first)
    for command in _COMMANDS:
        app.command()(command)
    return app


def _said_first(context: typer.Context, *, version: Version = False, verbose: Verbose = False) -> None:
    """Rank pictures by how well each fits a sentence, with a Qwen2.5-VL cross-encoder. Nothing leaves this machine."""
    _set_up_log(verbose)
    if version:
        typer.echo(f"reranker {__version__}")
        raise typer.Exit(DONE)
    if context.invoked_subcommand is None:
        with redirect_stdout(sys.stderr):
            typer.echo(context.get_help())
        raise typer.Exit(MISTAKE)


def _set_up_log(verbose: bool) -> None:
    """Only who asks for it sees what libraries have to say; a handler of our own keeps Python's last resort silent."""
    if verbose:
        logging.basicConfig(level=logging.INFO)
        return
    logging.basicConfig(handlers=[logging.NullHandler()])
    if not sys.warnoptions:
        warnings.simplefilter("ignore")

"""The command line: read the arguments, run a command, end with its exit code. Each command has a module.

The result goes to stdout or into a file, everything else to stderr. Exit codes: 0 if a picture was ranked, 1 if none
could be, 2 for a mistake in the call, with one sentence about it, 130 if interrupted.
"""

import logging
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Annotated, Final

import typer

from reranker.cli.benchmark import benchmark
from reranker.cli.console import DONE, FAILED, INTERRUPTED, USAGE_ERROR, CommandError, RerankerFactory, say
from reranker.cli.doctor import doctor
from reranker.cli.download import download
from reranker.cli.evaluate import evaluate
from reranker.cli.index import index
from reranker.cli.label import label
from reranker.cli.libraries import libraries
from reranker.cli.memory import memory
from reranker.cli.parity import parity
from reranker.cli.rank import rank
from reranker.cli.search import search
from reranker.cli.serve import serve
from reranker.cli.streams import OutputLost, check_stdout
from reranker.cli.tag import tag
from reranker.cli.verify import verify
from reranker.cli.watch import watch
from reranker.core.errors import RerankerError
from reranker.i18n.error_messages import sentence
from reranker.version import __version__

_log = logging.getLogger(__name__)

PROGRAM: Final = "python -m reranker"
VersionOption = Annotated[bool, typer.Option("--version", help="Write the version and exit.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="Also write the log to stderr.")]

_COMMANDS: Final = (
    rank,
    index,
    search,
    libraries,
    tag,
    watch,
    serve,
    label,
    evaluate,
    verify,
    benchmark,
    memory,
    parity,
    doctor,
    download,
)


def main(
    arguments: Sequence[str] | None = None, *, program: str = PROGRAM, open_reranker: RerankerFactory | None = None
) -> int:
    """Run the command line and return its exit code.

    arguments: those of the process if None. program: the name that the help shows. open_reranker: makes a `Reranker`
    from settings, for tests.
    """
    try:
        code = int(application(program)(arguments, prog_name=program, standalone_mode=False, obj=open_reranker))
    except typer.TyperException as error:
        return _fail(error.format_message(), USAGE_ERROR)
    except CommandError as error:
        return _fail(str(error), error.exit_code)
    except OutputLost as error:  # of the help or the version
        return _fail(f"The output could not be written: {error.strerror}.", FAILED)
    except RerankerError as error:
        return _fail(sentence(error, "en"), USAGE_ERROR)
    except Exception:
        _log.exception("Unexpected error")
        return _fail(sentence(RerankerError(), "en"), FAILED)
    return _fail("Stopped.", code) if code == INTERRUPTED else code


def _fail(message: str, exit_code: int) -> int:
    say(message)
    return exit_code


def application(program: str = PROGRAM) -> typer.Typer:
    """Return all commands. Completion is offered if the program is a command of one word, which shells can complete."""
    app = typer.Typer(add_completion=program != PROGRAM, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    app.callback(invoke_without_command=True)(_before_command)
    for command in _COMMANDS:
        app.command()(command)
    return app


def _before_command(context: typer.Context, *, version: VersionOption = False, verbose: VerboseOption = False) -> None:
    """Rank pictures by how well they match a sentence, with a Qwen2.5-VL cross-encoder, on this machine only."""
    _set_up_log(verbose)
    if version:
        check_stdout()
        typer.echo(f"reranker {__version__}")
        raise typer.Exit(DONE)
    if context.invoked_subcommand is None:
        with redirect_stdout(sys.stderr):
            typer.echo(context.get_help())
        raise typer.Exit(USAGE_ERROR)


def _set_up_log(verbose: bool) -> None:
    """Log to stderr if asked to; otherwise hide logs and warnings, for which Python has a handler of its own."""
    if verbose:
        logging.basicConfig(level=logging.INFO)
        return
    logging.basicConfig(handlers=[logging.NullHandler()])
    if not sys.warnoptions:
        warnings.simplefilter("ignore")

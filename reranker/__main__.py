"""`python -m reranker`, and the command `reranker` if the package is installed."""

import signal
import sys

from reranker.cli import streams
from reranker.cli.main import main


def run(program: str = "reranker") -> None:
    """Run the command line and exit with its code. program: the name that the help shows."""
    with streams.prepared():
        code = main(program=program)
    # Python waits for the thread of the last batch before it exits; a second Ctrl-C ends the program at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


if __name__ == "__main__":
    run("python -m reranker")

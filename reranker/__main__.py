"""`python -m reranker`, and the command `reranker` where the program is installed."""

import signal
import sys

from reranker.cli.main import main


def run(program: str = "reranker") -> None:
    """Run the command line and end with its exit code. program: what it was called as."""
    code = main(program=program)
    # The last batch ends by itself before the program does; who presses Ctrl-C again does not want to wait for it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


if __name__ == "__main__":
    run("python -m reranker")

"""`python -m reranker`: the command line."""

import signal
import sys

from reranker.cli import main

if __name__ == "__main__":
    code = main()
    # The last batch ends by itself before the program does; who presses Ctrl-C again does not want to wait for it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)

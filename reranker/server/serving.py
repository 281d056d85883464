"""Run an ASGI application on an address of this machine until it is interrupted."""

import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from reranker.api import Reranker
from reranker.core.errors import RerankerError
from reranker.i18n.error_messages import sentence

GRACE_S: Final = 1  # for requests that still run when the program ends


def serve_application(
    app: ASGIApp, host: str, port: int, announce: Callable[[str], None], *, root_path: str = ""
) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises `OSError` if the address cannot be used.

    announce: is called with the URL once the socket accepts connections.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family)
    exit_on_sigterm()
    announce(f"http://{f'[{host}]' if family is socket.AF_INET6 else host}:{port}")
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S, root_path=root_path
    )
    with listening, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def exit_on_sigterm() -> None:
    """End the program as `sys.exit` does when SIGTERM arrives, so that temporary folders are removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())


def load_in_background(reranker: Reranker) -> None:
    """Load the model in a thread, so that the first request need not wait for all of it. Errors go to stderr."""
    threading.Thread(target=_load, args=(reranker,), name="reranker-load", daemon=True).start()


def _load(reranker: Reranker) -> None:
    try:
        reranker.load()
    except RerankerError as error:
        sys.stderr.write(f"{sentence(error, 'en')}\n")

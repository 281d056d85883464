"""Run an ASGI application on an address of this machine until it is interrupted."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from reranker.api import Reranker
from reranker.core.errors import RerankerError
from reranker.i18n.error_messages import sentence

GRACE_S: Final = 1  # for requests that still run when the program ends
WAKE_S: Final = 1.0
EXIT_DEADLINE_S: Final = 8.0  # after the signal, even if a thread computes


def serve_application(
    app: ASGIApp, host: str, port: int, announce: Callable[[str], None], *, root_path: str = ""
) -> None:
    """Serve until Ctrl-C, SIGTERM or SIGHUP. Raises `OSError` if the address cannot be used.

    announce: is called with the URL once the socket accepts connections.
    """
    listening = listen(host, port)
    announce(f"http://{bracketed(host)}:{port}")
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S, root_path=root_path
    )
    server = _Server(config)
    Termination(server.stop)
    with listening:
        server.run(sockets=[listening])


def check_address(host: str, port: int) -> None:
    """Raise `OSError` if the address cannot be used."""
    listen(host, port).close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, whose connections send each part at once. Raises `OSError`."""
    if not host:  # which would be all addresses of this machine
        raise OSError("The address is empty")
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except TypeError as error:  # of a name that cannot be encoded
        raise OSError("The address is not a name") from error
    # Connections inherit it. asyncio sets it only on sockets that it has made, and a response of two parts took 44 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


class _Server(uvicorn.Server):
    """A server that leaves the signals to `Termination`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Close the listening socket, then end the requests."""
        self.should_exit = True


class ReadyServer(_Server):
    """A server that calls a function once it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        self._on_ready()


class Termination:
    """The end of the program by Ctrl-C, SIGTERM or SIGHUP. Make it in the main thread.

    A signal that is ignored, such as SIGHUP under nohup, stays ignored. A second signal ends the program at once, and
    so does the deadline: a thread that still computes cannot be interrupted, and Python would wait for it.

    stop: is called at the first signal, in the main thread.
    """

    def __init__(self, stop: Callable[[], None] = lambda: None) -> None:
        self._stop, self._requested = stop, threading.Event()
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._request)

    def wait(self) -> None:
        """Wait for a signal."""
        while not self._requested.wait(WAKE_S):  # on Windows, a wait without limit would not notice Ctrl-C
            pass

    def _request(self, *_: object) -> None:
        if self._requested.is_set():
            _exit_now()
        self._requested.set()
        watchdog = threading.Timer(EXIT_DEADLINE_S, _exit_now)
        watchdog.daemon = True
        watchdog.start()
        self._stop()


def _exit_now() -> None:
    """End the program without waiting for its threads."""
    os._exit(0)


def load_in_background(reranker: Reranker) -> None:
    """Load the model in a thread, so that the first request need not wait for all of it. Errors go to stderr."""
    threading.Thread(target=_load, args=(reranker,), name="reranker-load", daemon=True).start()


def _load(reranker: Reranker) -> None:
    try:
        reranker.load()
    except RerankerError as error:
        sys.stderr.write(f"{sentence(error, 'en')}\n")

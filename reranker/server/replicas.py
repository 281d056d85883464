"""Several processes that answer the HTTP API side by side, so that one interpreter does not bound their number.

This process receives the requests and checks them, and hands each body to the replica with the fewest requests. The
page and its sessions stay here. All replicas give their batches to the same workers.
"""

import logging
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from starlette.responses import Response

from reranker.api import Reranker
from reranker.cluster.attached_workers import Attachment, attachment_of
from reranker.config.settings import Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import RerankerError
from reranker.storage.temporary_folder import temporary_folder

_log = logging.getLogger(__name__)

KEPT_HEADERS: Final = ("content-type", "content-language", "retry-after")
READY: Final = b"ready\n"  # what a replica writes to stdout once it accepts requests
TRIES: Final = 2
PAUSE_S: Final = 2.0  # before a replica that has ended is started again


@dataclass(frozen=True, kw_only=True)
class ReplicaOrder:
    """What a replica is told on its stdin. socket: where it shall listen."""

    settings: Settings
    attachment: Attachment
    socket: Path


class NoReplica(Exception):
    """No replica can answer; this process can."""


class Replicas:
    """The replicas of a server; none until `start` has come so far, and after `close`. Thread-safe."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self._count = reranker.settings.server.replicas if reranker.settings.server.replicas > 1 else 0
        self._ready: dict[_Replica, int] = {}  # and how many requests each has
        self._changed, self._closed = threading.Condition(), threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the replicas in other threads, once the workers are there."""
        if self._count:
            threading.Thread(target=self._start, name="reranker-replicas", daemon=True).start()

    def close(self) -> None:
        """End the replicas."""
        self._closed.set()
        with self._changed:
            for replica in self._ready:
                replica.close()
        for thread in self._threads:
            thread.join()

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until all replicas are ready. Returns whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._ready) == self._count, timeout_s)

    def answer(self, path: str, body: bytearray, headers: Mapping[str, str], stop: Cancellation) -> Response:
        """Let a replica answer a POST request. One that ends with it is replaced by another one.

        stop: ends the request before its next batch. Raises `NoReplica`.
        """
        for _ in range(TRIES):
            replica = self._take()
            try:
                return replica.ask("POST", path, body, headers, stop)
            except (OSError, HTTPException):
                if stop.cancelled:
                    break
            finally:
                self._give_back(replica)
        raise NoReplica

    def metrics(self) -> list[str]:
        """Return what each replica tells Prometheus."""
        with self._changed:
            replicas = list(self._ready)
        texts = []
        for replica in replicas:
            try:
                response = replica.ask("GET", "/metrics", b"", {}, Cancellation())
            except (OSError, HTTPException):  # it has just ended
                continue
            texts.append(bytes(response.body).decode())
        return texts

    def _take(self) -> "_Replica":
        with self._changed:
            if not self._ready:
                raise NoReplica
            replica = min(self._ready, key=lambda each: self._ready[each])
            self._ready[replica] += 1
            return replica

    def _give_back(self, replica: "_Replica") -> None:
        with self._changed:
            if replica in self._ready:
                self._ready[replica] -= 1

    def _start(self) -> None:
        try:
            self._reranker.load()
        except RerankerError:  # whoever asks is told why
            return
        workers = self._reranker.worker_pool()
        assert workers is not None, "the settings want replicas, and so workers"
        attachment = attachment_of(workers)
        server = {"auth": "", "api_key": "", "share": False, "mcp": False, "replicas": 1, "root_path": ""}
        settings = self._reranker.settings.override(**server)
        with temporary_folder() as folder:
            self._threads = [
                threading.Thread(
                    target=self._keep,
                    args=(ReplicaOrder(settings=settings, attachment=attachment, socket=folder / str(number)),),
                    name=f"reranker-replica-{number}",
                    daemon=True,
                )
                for number in range(self._count)
            ]
            for thread in self._threads:
                thread.start()
            for thread in self._threads:
                thread.join()

    def _keep(self, order: ReplicaOrder) -> None:
        """Keep one replica running until `close`."""
        while not self._closed.is_set():
            replica = _Replica(order)
            if replica.is_ready():
                with self._changed:
                    self._ready[replica] = 0
                    self._changed.notify_all()
                if self._closed.is_set():
                    replica.close()
                replica.wait()
                with self._changed:
                    del self._ready[replica]
            replica.close()
            replica.wait()
            if not self._closed.wait(PAUSE_S):
                _log.warning("A replica has ended with code %s; it is started again", replica.code)


class _Replica:
    """One process. It starts at once."""

    def __init__(self, order: ReplicaOrder) -> None:
        self._socket = order.socket
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reranker.server.replica"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # it ends at once, which `is_ready` tells
            self._process.stdin.write(pickle.dumps(order))
            self._process.stdin.flush()

    @property
    def code(self) -> int | None:
        """The exit code, once it has ended."""
        return self._process.poll()

    def is_ready(self) -> bool:
        """Wait until it accepts requests. Returns False if it ends instead."""
        assert self._process.stdout is not None, "it is a pipe"
        return self._process.stdout.readline() == READY

    def wait(self) -> None:
        """Wait until it ends, and free what it held."""
        self._process.wait()
        assert self._process.stdout is not None, "it is a pipe"
        self._process.stdout.close()

    def close(self) -> None:
        """Let it end: its stdin does."""
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # it has ended
            self._process.stdin.close()

    def ask(
        self, method: str, path: str, body: bytes | bytearray, headers: Mapping[str, str], stop: Cancellation
    ) -> Response:
        """Send a request and return its response. Raises `OSError` and `HTTPException` if the replica ends."""
        connection = _SocketConnection(self._socket)
        connection.connect()
        remove_callback = stop.on_cancel(connection.hang_up)
        try:
            connection.request(method, path, bytes(body), {"Host": "localhost", **headers})
            response = connection.getresponse()
            kept = {name: value for name in KEPT_HEADERS if (value := response.getheader(name)) is not None}
            return Response(response.read(), response.status, kept)
        finally:
            remove_callback()
            connection.close()


class _SocketConnection(HTTPConnection):
    """An HTTP connection over a socket of the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))

    def hang_up(self) -> None:
        """Disconnect, so that whoever waits for the response does not wait any longer."""
        if self.sock is not None:
            self.sock.shutdown(socket.SHUT_RDWR)

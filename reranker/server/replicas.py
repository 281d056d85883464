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
from reranker.core.errors import ReplicasEnded, RerankerError, ServerStopping
from reranker.server.merged_metrics import merged
from reranker.storage.temporary_folder import temporary_folder

_log = logging.getLogger(__name__)

KEPT_HEADERS: Final = ("content-type", "content-language", "retry-after")
READY: Final = b"ready\n"  # what a replica writes to stdout once it accepts requests
TRIES: Final = 2  # replicas that may end with a request
MOST_ASKED: Final = 4  # replicas for a request, also those that cannot be reached
REPLACED_S: Final = 60.0  # for a replica to be replaced, for a request with which it has ended
PAUSE_S: Final = 2.0  # before a replica that has ended is started again, and between two looks for a model
ENDING_S: Final = 1.0  # between the end of a connection and that of its process
METRICS_S: Final = 2.0  # for a replica to tell its metrics


@dataclass(frozen=True, kw_only=True)
class ReplicaOrder:
    """What a replica is told on its stdin. settings: with the name of the model. socket: where it shall listen."""

    settings: Settings
    attachment: Attachment
    socket: Path


class NoReplica(Exception):
    """There is no replica; this process can answer."""


class Replicas:
    """The replicas of a server. There are none before `start` has loaded the model, nor after `close`. Thread-safe."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self._count = reranker.settings.server.replicas if reranker.settings.server.replicas > 1 else 0
        self._ready: dict[_Replica, int] = {}  # and how many requests each has
        self._starting: set[_Replica] = set()
        self._ended = ""  # the sum of the last metrics of those that have ended
        self._changed, self._closed = threading.Condition(), threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the replicas in other threads, once the workers are there."""
        if self._count:
            threading.Thread(target=self._start, name="reranker-replicas", daemon=True).start()

    def close(self) -> None:
        """End the replicas."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
            for replica in self._ready:
                replica.close()
            for replica in self._starting:
                replica.kill()
        for thread in self._threads:
            thread.join()

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until all replicas are ready. Returns whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._ready) == self._count, timeout_s)

    def answer(self, path: str, body: bytearray, headers: Mapping[str, str], stop: Cancellation) -> Response:
        """Let a replica answer a POST request. If it ends meanwhile, the next one is asked: this process is spared.

        stop: ends the request before its next batch. Raises `NoReplica`, `ReplicasEnded` and `ServerStopping`.
        """
        ended = 0
        for _ in range(MOST_ASKED):
            if ended:
                self._wait_for_replica(stop)
            replica = self._take()
            if replica is None:
                break
            try:
                return replica.ask("POST", path, body, headers, stop)
            except (OSError, HTTPException) as error:
                if stop.cancelled:
                    raise ServerStopping from None
                if replica.has_ended():
                    self._drop(replica)
                    had_ended_before = isinstance(error, ConnectionRefusedError | FileNotFoundError)
                    ended += not had_ended_before
            finally:
                self._give_back(replica)
            if ended == TRIES:
                break
        raise ReplicasEnded if ended else NoReplica

    def metrics(self) -> list[str]:
        """Return what each replica tells Prometheus, and the sum of what those that have ended told last."""
        with self._changed:
            replicas = list(self._ready)
        texts = {replica: replica.metrics() for replica in replicas}
        with self._changed:
            running = [text for replica, text in texts.items() if replica in self._ready]
            return [text for text in (*running, self._ended) if text]

    def _wait_for_replica(self, stop: Cancellation) -> None:
        """Wait until a replica is ready, but not for ever."""
        remove_callback = stop.on_cancel(self._wake)
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._closed.is_set() or stop.cancelled, REPLACED_S)
        finally:
            remove_callback()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _take(self) -> "_Replica | None":
        """Return a replica with the model in use, if there is one. Others end, and are started with that model."""
        if not self._ready:
            return None
        model = self._reranker.choice.name
        for other in [each for each in list(self._ready) if each.model != model]:
            self._drop(other)
        with self._changed:
            replica = min(self._ready, key=lambda each: self._ready[each], default=None)
            if replica is not None:
                self._ready[replica] += 1
            return replica

    def _drop(self, replica: "_Replica") -> None:
        """Give a replica no more requests, and let it end, if it has not."""
        with self._changed:
            if self._ready.pop(replica, None) is not None and replica.last_metrics:
                self._ended = merged([self._ended, replica.last_metrics], with_gauges=False).decode()
            replica.close()

    def _give_back(self, replica: "_Replica") -> None:
        with self._changed:
            if replica in self._ready:
                self._ready[replica] -= 1

    def _start(self) -> None:
        with suppress(RerankerError):  # whoever asks is told why
            self._reranker.load()
        while not self._reranker.is_loaded:
            if self._closed.wait(PAUSE_S):
                return
        workers = self._reranker.worker_pool()
        assert workers is not None, "the settings want replicas, and so workers"
        attachment = attachment_of(workers)
        with temporary_folder() as folder:
            for number in range(self._count):
                thread = threading.Thread(
                    target=self._keep,
                    args=(attachment, folder / str(number)),
                    name=f"reranker-replica-{number}",
                    daemon=True,
                )
                with self._changed:
                    if self._closed.is_set():
                        break
                    thread.start()
                    self._threads.append(thread)
            for thread in self._threads:
                thread.join()

    def _keep(self, attachment: Attachment, socket_path: Path) -> None:
        """Keep one replica running until `close`."""
        server = {"auth": "", "api_key": "", "share": False, "mcp": False, "replicas": 1, "root_path": ""}
        while not self._closed.is_set():
            settings = self._reranker.settings.override(model=self._reranker.choice.name, **server)
            order = ReplicaOrder(settings=settings, attachment=attachment, socket=socket_path)
            try:
                reason: object = f"with code {self._run(order)}"
            except OSError as error:
                reason = type(error).__name__
            if not self._closed.wait(PAUSE_S):
                _log.warning("A replica has ended (%s); it is started again", reason)

    def _run(self, order: ReplicaOrder) -> int:
        """Run a replica until it ends, and return its exit code. Raises `OSError` if it cannot be started."""
        with self._changed:
            replica = _Replica(order)
            self._starting.add(replica)
            if self._closed.is_set():
                replica.kill()
        replica.give(order)
        is_ready = replica.is_ready()
        with self._changed:
            self._starting.remove(replica)
            if is_ready:
                self._ready[replica] = 0
                self._changed.notify_all()
            if self._closed.is_set() or not is_ready:
                replica.close()
        code = replica.wait()
        self._drop(replica)
        return code


class _Replica:
    """One process. It starts at once, outside the group of processes that a Ctrl-C in a terminal reaches.

    last_metrics: what `metrics` has returned last.
    """

    def __init__(self, order: ReplicaOrder) -> None:
        self.model, self.last_metrics = order.settings.model.name, ""
        self._socket = order.socket
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reranker.server.replica"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def give(self, order: ReplicaOrder) -> None:
        """Tell it what to do."""
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # it ends at once, which `is_ready` tells
            self._process.stdin.write(pickle.dumps(order))
            self._process.stdin.flush()

    def is_ready(self) -> bool:
        """Wait until it accepts requests. Returns False if it ends instead."""
        assert self._process.stdout is not None, "it is a pipe"
        return self._process.stdout.readline() == READY

    def has_ended(self) -> bool:
        """Whether it has ended, or does so now."""
        try:
            self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self) -> int:
        """Wait until it ends, free what it held, and return its exit code."""
        code = self._process.wait()
        assert self._process.stdout is not None, "it is a pipe"
        self._process.stdout.close()
        return code

    def close(self) -> None:
        """Let it end: its stdin does."""
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # it has ended
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once. Before it is ready, it does not look at its stdin."""
        self._process.kill()

    def metrics(self) -> str:
        """Return what it tells Prometheus; what it told last if it does not answer in time."""
        try:
            response = self.ask("GET", "/metrics", b"", {}, Cancellation(), METRICS_S)
        except (OSError, HTTPException):
            return self.last_metrics
        self.last_metrics = bytes(response.body).decode()
        return self.last_metrics

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | bytearray,
        headers: Mapping[str, str],
        stop: Cancellation,
        timeout_s: float | None = None,
    ) -> Response:
        """Send a request and return its response. Raises `OSError` and `HTTPException` if the replica ends."""
        connection = _SocketConnection(self._socket, timeout_s)
        connection.connect()
        remove_callback = stop.on_cancel(connection.hang_up)
        try:
            connection.request(method, path, memoryview(body), {"Host": "localhost", **headers})
            response = connection.getresponse()
            kept = {name: value for name in KEPT_HEADERS if (value := response.getheader(name)) is not None}
            return Response(response.read(), response.status, kept)
        finally:
            remove_callback()
            connection.close()


class _SocketConnection(HTTPConnection):
    """An HTTP connection over a socket of the file system."""

    def __init__(self, path: Path, timeout_s: float | None) -> None:
        super().__init__("localhost")
        self._path, self._timeout_s = path, timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(str(self._path))

    def hang_up(self) -> None:
        """Disconnect, so that whoever waits for the response does not wait any longer."""
        if self.sock is not None:
            self.sock.shutdown(socket.SHUT_RDWR)

"""Start Ray on this machine for this program alone, or join a cluster; end it when nobody uses it any more."""

import logging
import socket
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from reranker.config import ray_environment
from reranker.core.errors import ClusterUnreachable
from reranker.core.processors import usable_cpus
from reranker.storage.temporary_folder import temporary_folder

_log = logging.getLogger(__name__)

OBJECT_STORE_BYTES: Final = 1_000_000_000  # of pictures on their way; it takes no more than is used
LONGEST_PARENT: Final = 16  # characters: Ray adds 87 to them, and a socket may have 103
CONNECT_S: Final = 10.0  # to a cluster

_CONNECTING: Final = threading.Lock()
_USERS: Final[set[object]] = set()  # of the one Ray of this process
_CONNECTION: Final = ExitStack()  # ends Ray, and removes the folder of its sockets and logs, if it was started here


def acquire(user: object, connect: Callable[[], None]) -> None:
    """Connect to Ray, unless this process is connected, and keep it for a user. Raises what `connect` does."""
    with _CONNECTING:
        if not _USERS:
            _connect_in_lasting_thread(connect)
        _USERS.add(user)


def release(user: object) -> None:
    """Disconnect from Ray if the last user does not need it any more; one that was started here ends."""
    with _CONNECTING:
        if user in _USERS:
            _USERS.remove(user)
            if not _USERS:
                _CONNECTION.close()


def _connect_in_lasting_thread(connect: Callable[[], None]) -> None:
    """Call a function in a thread that ends with the connection: on Linux, what Ray starts ends with its thread."""
    connected: Future[None] = Future()
    over = threading.Event()
    _CONNECTION.callback(over.set)

    def run() -> None:
        try:
            connect()
        except BaseException as error:
            connected.set_exception(error)
        else:
            connected.set_result(None)
            over.wait()

    threading.Thread(target=run, name="reranker-ray", daemon=True).start()
    try:
        connected.result()
    except BaseException:  # it has failed, or whoever waits for it was interrupted
        connected.add_done_callback(lambda _: _CONNECTION.close())
        raise


def connect(address: str, *, local: bool | None = None, namespace: str | None = None) -> None:
    """Start Ray on this machine, or join a cluster. Raises `ClusterUnreachable`.

    local: whether the cluster is that of a process of this program on this machine. namespace: of the names of actors.
    """
    ray_environment.prepare(local=not address if local is None else local)
    import ray  # noqa: PLC0415

    if ray.is_initialized():
        return
    # Ray writes to stdout, where results belong, that a worker has ended; the workers are watched here.
    ray._private.worker.print_to_stdstream = lambda data, **_: _log.debug("Ray says: %s", data)
    _check_address(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
    try:
        if address:
            ray.init(address=address, namespace=namespace, **options)
        else:
            ray.init(
                address="local",
                num_cpus=usable_cpus(),
                include_dashboard=False,
                _temp_dir=str(_CONNECTION.enter_context(temporary_folder(_parent_of_sockets()))),
                object_store_memory=OBJECT_STORE_BYTES,
                **options,
            )
    except Exception as error:
        _log.debug("Ray did not start", exc_info=True)
        raise ClusterUnreachable(address=address or "local", reason=type(error).__name__) from error
    _CONNECTION.callback(ray.shutdown)


def _parent_of_sockets() -> Path:
    """Return the folder for temporary files, or /tmp if the paths of sockets in it would be too long for the system."""
    usual, short = Path(tempfile.gettempdir()), Path("/tmp")
    return short if len(str(usual)) > LONGEST_PARENT and short.is_dir() else usual


def _check_address(address: str) -> None:
    """Raise `ClusterUnreachable` if nothing listens at an address: Ray would wait for minutes, and end the program."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterUnreachable(address=address, reason=type(error).__name__) from error

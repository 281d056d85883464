"""HTTP servers on the loopback address, in a thread of the test's process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp

from reranker import Reranker
from tests.support.ports import free_port

GRACE_S = 1


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application, and yield its address with a slash at the end."""
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving_page(reranker: Reranker) -> Iterator[str]:
    """Serve the page of a reranker, and yield its address."""
    # Imported here, so that tests without a page do not wait for gradio.
    from reranker.ui.launch import launch_settings  # noqa: PLC0415
    from reranker.ui.page import build_page  # noqa: PLC0415
    from reranker.ui.services import PageServices  # noqa: PLC0415

    services = PageServices.of(reranker)
    page = build_page(services)
    settings = launch_settings(services) | {"server_port": free_port(), "server_name": "127.0.0.1"}
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, **settings)
    try:
        yield url
    finally:
        services.sessions.close()
        page.close(verbose=False)


def answers(url: str) -> bool:
    """Whether a server answers at an address, and with success."""
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False

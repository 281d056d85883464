"""HTTP servers on the loopback address, in a thread of the test's process."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Scope

from reranker import Reranker
from reranker.server.security import security_middleware
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
def serving_page(reranker: Reranker, port: int | None = None) -> Iterator[str]:
    """Serve the page of a reranker, and yield its address. port: any that is free if None."""
    # Imported here, so that tests without a page do not wait for gradio.
    from reranker.ui.launch import launch_settings  # noqa: PLC0415
    from reranker.ui.page import build_page  # noqa: PLC0415
    from reranker.ui.services import PageServices  # noqa: PLC0415

    services = PageServices.of(reranker)
    page = build_page(services)
    settings = launch_settings(services) | {"server_port": port or free_port(), "server_name": "127.0.0.1"}
    threading.Thread(target=services.model.load, daemon=True).start()  # as `run` does
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, **settings)
    try:
        yield url
    finally:
        services.close()
        page.close(verbose=False)


@contextmanager
def serving_sessions(reranker: Reranker, owner_of: Callable[[Scope], str] = lambda scope: "") -> Iterator[str]:
    """Serve the sessions of a page without Gradio, which starts more quickly, and yield the address.

    owner_of: returns the name of the login of a request.
    """
    from reranker.ui.services import PageServices  # noqa: PLC0415
    from reranker.ui.session.routes import SessionRoutes  # noqa: PLC0415

    services = PageServices.of(reranker)
    routes = SessionRoutes(services, owner_of).routes()
    with serving(Starlette(routes=routes, middleware=security_middleware(reranker.settings.server))) as url:
        try:
            yield url
        finally:
            services.close()


def answers(url: str) -> bool:
    """Whether a server answers at an address, and with success."""
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False

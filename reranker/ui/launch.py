"""Launch the page: its address, its login, its middleware, and the HTTP API next to it."""

import sys
import threading
from typing import Any, Final

import gradio as gr
import gradio.queueing
import gradio.routes
from starlette.middleware import Middleware

from reranker.config.settings import MEGABYTE
from reranker.i18n.page_texts import translations
from reranker.server.error_responses import log_unexpected
from reranker.server.http_api import api_routes
from reranker.server.request_bodies import RequestBodies
from reranker.server.security import security_middleware
from reranker.server.serving import GRACE_S, Termination, bracketed, check_address
from reranker.ui import gradio_environment
from reranker.ui.client_files import client_routes
from reranker.ui.components import STATIC
from reranker.ui.gradio_gate import GradioGate, owner_of
from reranker.ui.services import PageServices
from reranker.ui.session.routes import SessionRoutes

UPLOAD_MARGIN: Final = 4  # Gradio's limit refuses the whole upload, so it is higher than ours, which refuses one file

_FONTS: Final = ("system-ui", "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")


def run(page: gr.Blocks, services: PageServices) -> int:
    """Serve the page until it is interrupted, and return an exit code. The model is loaded in the background."""
    termination = Termination()
    server = services.reranker.settings.server
    if server.share and not server.auth:
        sys.stderr.write(
            "Anybody who has the address of this page can use it; set RERANKER_AUTH=name:password to require a login.\n"
        )
    try:
        check_address(server.host, server.port)
        services.sessions.start_sweeping()
        threading.Thread(target=services.model.load, name="reranker-load", daemon=True).start()
        services.replicas.start()
        page.launch(prevent_thread_lock=True, **launch_settings(services))
    except OSError:
        sys.stderr.write(
            f"The page could not be opened at {server.host}, port {server.port}; choose another RERANKER_HOST or "
            "RERANKER_PORT.\n"
        )
        return 1
    page.server.config.timeout_graceful_shutdown = GRACE_S
    termination.wait()
    services.close()
    page.close(verbose=False)
    gradio_environment.remove_uploads()
    return 0


class _BriefTraceback:
    """Takes the place of the module `traceback` in Gradio, which prints 5 kB for each wrong request."""

    @staticmethod
    def print_exc() -> None:
        error = sys.exception()
        if error is not None:
            log_unexpected(error, "an event of the page")


def _theme() -> gr.themes.Base:
    """Return Gradio's theme with the colours of the page's style sheets, whose contrast is at least 4.5."""
    theme = gr.themes.Default(primary_hue="teal", neutral_hue="slate", font=_FONTS, font_mono="monospace")
    return theme.set(color_accent="#0f766e", button_primary_background_fill="#0f766e")


def launch_settings(services: PageServices) -> dict[str, Any]:
    """Return the arguments of `Blocks.launch`: our routes are added, and telemetry and the run history are off."""
    for module in (gradio.queueing, gradio.routes):
        module.traceback = _BriefTraceback  # type: ignore[attr-defined]
    reranker = services.reranker
    settings = reranker.settings
    name, _, password = settings.server.auth.partition(":")
    routes = [
        *api_routes(
            reranker, RequestBodies.of(settings.limits), services.libraries, services.taggers, services.replicas
        ),
        *client_routes(),
        *SessionRoutes(services, owner_of).routes(),
    ]
    gate = Middleware(
        GradioGate,
        settings=settings,
        uploads=services.uploads,
        own_routes=routes,
    )
    return {
        "server_name": bracketed(settings.server.host),
        "server_port": settings.server.port,
        "share": settings.server.share,
        "auth": (name, password) if settings.server.auth else None,
        "root_path": settings.server.root_path or None,
        "max_file_size": UPLOAD_MARGIN * settings.limits.max_picture_mb * MEGABYTE,
        "app_kwargs": {"middleware": [*security_middleware(settings.server), gate], "routes": routes},
        "show_error": False,
        "run_history": False,
        "enable_monitoring": False,
        "mcp_server": settings.server.mcp,
        "pwa": False,
        "ssr_mode": False,
        "_frontend": False,  # skips Gradio's check that it reaches itself, which gives up after 3 s on a busy machine
        "footer_links": [],
        "i18n": gr.I18n(**translations()),
        "theme": _theme(),
        "css_paths": [STATIC.path(name) for name in ("label_grid.css", "evaluation.css")],
    }

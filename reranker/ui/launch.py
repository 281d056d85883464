"""What the page is served with: by whom it may be opened and shown, what stands beside it, and what it never does."""

import signal
import sys
import threading
from typing import Any, Final

import gradio as gr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reranker.api import Reranker
from reranker.config.settings import MEGABYTE, Settings
from reranker.core.errors import RerankerError
from reranker.i18n.error_messages import sentence
from reranker.i18n.page_texts import translations
from reranker.server.hosts import LOOPBACK_HOSTS, only_by_own_names
from reranker.server.http_api import as_routes
from reranker.server.static_files import script, styles
from reranker.ui.uploads import Gate, Uploads

UPLOAD_MARGIN: Final = 4  # Gradio turns all files of an upload away for one beyond its limit; ours costs only that one

_FONTS: Final = ("system-ui", "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")


def run(page: gr.Blocks, reranker: Reranker) -> int:
    """Serve the page until somebody ends it, and return an exit code; the model is loaded meanwhile."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that what is registered for the end is done
    threading.Thread(target=_load, args=(reranker,), name="reranker-load", daemon=True).start()
    if reranker.settings.server.share and not reranker.settings.server.auth:
        sys.stderr.write(
            "Whoever has the address of this page may use it; RERANKER_AUTH=name:password asks who comes.\n"
        )
    try:
        page.launch(**launch_settings(reranker))
    except OSError:
        host, port = reranker.settings.server.host, reranker.settings.server.port
        sys.stderr.write(
            f"The page could not be opened at {host}, port {port}; choose others by RERANKER_HOST or _PORT.\n"
        )
        return 1
    except KeyboardInterrupt:  # before gradio waits for it
        pass
    return 0


def _load(reranker: Reranker) -> None:
    """So that the first visitor need not wait; the page tells of trouble too."""
    try:
        reranker.load()
    except RerankerError as error:
        sys.stderr.write(f"{sentence(error, 'en')}\n")


def launch_settings(reranker: Reranker) -> dict[str, Any]:
    """What a page over this reranker needs of `Blocks.launch`: nothing is recorded, nothing leaks, and beside the page
    stands the HTTP door."""
    settings = reranker.settings
    name, _, password = settings.server.auth.partition(":")
    frames = (Frames, (), {"ancestors": settings.server.frame_ancestors})
    hosts = [only_by_own_names()] if is_for_here_alone(settings) else []
    gate = (Gate, (), {"uploads": Uploads.here(settings.server.galleries)})
    return {
        "server_name": settings.server.host,
        "server_port": settings.server.port,
        "share": settings.server.share,
        "auth": (name, password) if settings.server.auth else None,
        "root_path": settings.server.root_path or None,
        "max_file_size": UPLOAD_MARGIN * settings.limits.max_picture_mb * MEGABYTE,
        "app_kwargs": {"middleware": [*hosts, frames, gate], "routes": as_routes(reranker)},
        "show_error": False,
        "run_history": False,
        "enable_monitoring": False,
        "mcp_server": settings.server.mcp,
        "pwa": False,
        "ssr_mode": False,
        "footer_links": [],
        "i18n": gr.I18n(**translations()),
        "theme": gr.themes.Default(primary_hue="teal", neutral_hue="slate", font=_FONTS, font_mono="monospace"),
        "js": script("keys"),
        "css_paths": styles("page", "marking", "evaluation"),
    }


def is_for_here_alone(settings: Settings) -> bool:
    """Whether all who come are browsers and programs of this machine, which call it by a name of its own."""
    return settings.server.host in LOOPBACK_HOSTS and not settings.server.share and not settings.server.root_path


class Frames:
    """ASGI middleware: says with every answer whose pages may show it in a frame."""

    def __init__(self, app: ASGIApp, ancestors: str) -> None:
        self._app, self._header = app, (b"content-security-policy", f"frame-ancestors {ancestors}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), self._header]}
            await send(message)

        await self._app(scope, receive, headed)

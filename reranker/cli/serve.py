"""`serve`: the page and the HTTP API, with an option for every setting."""

import inspect
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reranker.api import Reranker
from reranker.cli.console import DONE, FAILED, CommandError, reranker_of, say
from reranker.cli.extras import install_command, is_installed, require_extra
from reranker.config.settings import CHOICES, Setting, Settings, all_settings

_OPTION_NAMES: Final = {
    "galleries": "--gallery",
    "libraries": "--library",
}  # the others follow from the key of the setting

_LISTS: Final[dict[str, Any]] = {"galleries": list[Path], "libraries": list[str]}


def serve(context: typer.Context, **options: Any) -> int:
    """Serve the page and the HTTP API until Ctrl-C; the HTTP API alone if Gradio is not installed.

    Without an option, a setting is read from the environment: RERANKER_PORT for --port. Put secrets there: other users
    of the machine can read the options of a running program.

    ```sh
    python -m reranker serve --model toybox --port 8000
    python -m reranker serve --gallery assets/gallery
    ```
    """
    settings = _settings(options)
    if settings.server.mcp:
        require_extra("mcp", "--mcp")
    if settings.server.share:
        require_extra("ui", "--share")
    if settings.server.replicas > 1:
        require_extra("cluster", "--replicas")
    if settings.server.libraries:
        require_extra("library", "--library")
    reranker = reranker_of(context, settings)
    if is_installed("ui"):
        return _serve_page(reranker)
    say(f"The page needs packages that are not installed, so the HTTP API is served alone: {install_command('ui')}")
    return _serve_api(reranker)


def _settings(options: dict[str, Any]) -> Settings:
    """Return the settings of the environment, overridden by the options that were used. Raises `SettingInvalid`."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return Settings.from_environment().override(
        **{key: value for key, value in values.items() if value not in (None, ())}
    )


def _serve_page(reranker: Reranker) -> int:
    from reranker.ui import gradio_environment  # noqa: PLC0415 - `--help` need not wait for Gradio

    gradio_environment.prepare()

    from reranker.ui.launch import run  # noqa: PLC0415 - Gradio reads the environment when it is imported
    from reranker.ui.page import build_page  # noqa: PLC0415
    from reranker.ui.services import PageServices  # noqa: PLC0415

    services = PageServices.of(reranker)
    return run(build_page(services), services)


def _serve_api(reranker: Reranker) -> int:
    """Serve the HTTP API. Raises `CommandError` if the address cannot be used."""
    from reranker.server.http_api import api_application  # noqa: PLC0415 - `--help` need not wait for FastAPI
    from reranker.server.replicas import Replicas  # noqa: PLC0415
    from reranker.server.serving import load_in_background, serve_application  # noqa: PLC0415

    server, replicas = reranker.settings.server, Replicas(reranker)
    load_in_background(reranker)
    replicas.start()
    app = api_application(reranker, replicas)
    try:
        serve_application(app, server.host, server.port, _announce, root_path=server.root_path)
    except OSError as error:
        address = f"{server.host}, port {server.port}"
        raise CommandError(
            f"The HTTP API could not be opened at {address}; choose another --host or --port.", FAILED
        ) from error
    finally:
        replicas.close()
        reranker.close()
    return DONE


def _announce(url: str) -> None:
    say(f"The HTTP API is at {url}/v1; Ctrl-C ends it.")


def _option(setting: Setting) -> inspect.Parameter:
    """Return the command-line option of a setting."""
    key, kind = setting.key, setting.type
    name = _OPTION_NAMES.get(key, f"--{key.replace('_', '-')}")
    choices = "|".join(CHOICES[key]) if key in CHOICES else None
    if kind is bool:
        name = f"{name}/--no-{name.removeprefix('--')}"
    elif kind is not int:
        kind = _LISTS.get(key, str)
    option = typer.Option(name, metavar=choices, help=setting.help_text, show_default=False)
    optional: Any = kind | None
    return inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[optional, option])


def _signature() -> inspect.Signature:
    """Return the signature that typer reads the options from: one for every setting."""
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    return inspect.Signature([context, *map(_option, all_settings())])


serve.__signature__ = _signature()  # type: ignore[attr-defined]

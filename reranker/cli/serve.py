"""`serve`: the page and the HTTP door, with an option for every setting."""

import inspect
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reranker.cli.console import opened
from reranker.config.settings import CHOICES, Setting, Settings, all_settings

_OPTIONS: Final = {"galleries": "--gallery"}  # that are not called as their setting


def serve(context: typer.Context, **given: Any) -> int:
    """Serve the page, and the HTTP door beside it, until Ctrl-C.

    What is not said here is read from the environment, RERANKER_PORT and so on; that is also the place for secrets.

    ```sh
    python -m reranker serve --model toybox --port 8000
    python -m reranker serve --gallery assets/gallery
    ```
    """
    said: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    settings = Settings.from_environment().override(
        **{name: value for name, value in said.items() if value not in (None, ())}
    )

    from reranker.ui import gradio_environment  # noqa: PLC0415

    gradio_environment.prepare()

    from reranker.ui.launch import run  # noqa: PLC0415
    from reranker.ui.page import build_page  # noqa: PLC0415 - only now, and `--help` need not wait for gradio

    reranker = opened(context, settings)
    return run(build_page(reranker), reranker)


def _option(setting: Setting) -> inspect.Parameter:
    """Return the command-line option of a setting."""
    key, kind = setting.key, setting.type
    name = _OPTIONS.get(key, f"--{key.replace('_', '-')}")
    choices = "|".join(CHOICES[key]) if key in CHOICES else None
    if kind is bool:
        name = f"{name}/--no-{name.removeprefix('--')}"
    elif kind is not int:
        kind = list[Path] if key == "galleries" else str
    option = typer.Option(name, metavar=choices, help=setting.help_text, show_default=False)
    optional: Any = kind | None
    return inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[optional, option])


def _signature() -> inspect.Signature:
    """Return the signature that typer reads the options from: one for every setting."""
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    return inspect.Signature([context, *map(_option, all_settings())])


serve.__signature__ = _signature()  # type: ignore[attr-defined]

"""`serve`: the page and the HTTP door, with an option for every setting."""

import inspect
import re
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reranker.cli.console import opened
from reranker.config.settings import CHOICES, Settings

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
    settings = replace(
        Settings.from_environment(), **{name: value for name, value in said.items() if value not in (None, ())}
    )

    from reranker.ui import gradio_environment  # noqa: PLC0415

    gradio_environment.prepare()

    from reranker.ui.launch import run  # noqa: PLC0415
    from reranker.ui.page import build_page  # noqa: PLC0415 - only now, and `--help` need not wait for gradio

    reranker = opened(context, settings)
    return run(build_page(reranker), reranker)


def _option(setting: Field[Any], help_text: str) -> inspect.Parameter:
    """The option of a setting."""
    name, kind = setting.name, setting.type
    spelled = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    choices = "|".join(CHOICES[name]) if name in CHOICES else None
    if kind is bool:
        spelled = f"{spelled}/--no-{spelled.removeprefix('--')}"
    elif kind is not int:
        kind = list[Path] if name == "galleries" else str
    about = typer.Option(spelled, metavar=choices, help=help_text, show_default=False)
    optional: Any = kind | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[optional, about])


def _explanations() -> dict[str, str]:
    """What each setting is, from the docstring of `Settings`."""
    text = inspect.getdoc(Settings) or ""
    entries = re.findall(r"^(\w+): ((?:.+\n?)(?:^ +.+\n?)*)", text, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in entries}


def _signature() -> inspect.Signature:
    explanations = _explanations()
    own = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    return inspect.Signature([own, *(_option(each, explanations[each.name]) for each in fields(Settings))])


serve.__signature__ = _signature()  # type: ignore[attr-defined]  # where typer reads the options

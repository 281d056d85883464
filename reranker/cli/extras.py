"""The optional packages, by the extra of `pip install 'picture-reranker[EXTRA]'` that brings them."""

from importlib.util import find_spec
from typing import Final, Literal

from reranker.cli.console import CommandError

Extra = Literal["eval", "library", "cluster", "quant", "ui", "mcp", "xmp"]

_EVAL: Final = ("ir_measures", "jinja2", "scipy")
_UI: Final = ("gradio", "python_multipart", *_EVAL)  # the page has a tab that evaluates
PACKAGES: Final[dict[Extra, tuple[str, ...]]] = {
    "eval": _EVAL,
    "library": ("faiss", "onnx", "onnxruntime", "onnxscript", "watchfiles"),
    "cluster": ("ray",),
    "quant": ("bitsandbytes",),
    "ui": _UI,
    "xmp": ("lxml",),
    "mcp": ("mcp", *_UI),  # the tools are those of the page
}


def is_installed(extra: Extra) -> bool:
    """Return whether all packages of an extra can be imported; imports none of them."""
    return all(find_spec(package) for package in PACKAGES[extra])


def install_command(extra: Extra) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'picture-reranker[{extra}]'"


def require_extra(extra: Extra, feature: str) -> None:
    """Raise `CommandError` if an extra is not installed. feature: what needs it, as the subject of a sentence."""
    if not is_installed(extra):
        raise CommandError(f"{feature} needs packages that are not installed; install them: {install_command(extra)}")

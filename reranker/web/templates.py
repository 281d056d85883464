"""The page's own components: an empty place each, and the scripts that draw what is in it and listen.

Nothing is filled in by templates: Gradio evaluates what they give as a JavaScript template string, so that a `$` or a
backslash in somebody's sentence would be code.
"""

from pathlib import Path
from typing import Any, Final

import gradio as gr

_SCRIPTS: Final = Path(__file__).with_name("scripts")

STATUS: Final = '<div class="status" role="status"></div>'
NAMES: Final = '<div class="names"></div>'
REASONS: Final = '<div class="failures"></div>'
BOARD: Final = '<div class="board" data-tab="0"></div>'
CHOSEN: Final = '<div class="panel" hidden aria-live="polite"></div>'


def scripted(template: str, *scripts: str, **how: Any) -> gr.HTML:
    """A component drawn by scripts of the folder beside this file; `elements.js` goes before them."""
    code = "\n".join((_SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in ("elements", *scripts))
    return gr.HTML(html_template=template, js_on_load=code, apply_default_css=False, **how)

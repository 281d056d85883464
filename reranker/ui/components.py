"""The page's own components: an empty place each, and the scripts that draw what is in it and listen.

Nothing is filled in by templates: Gradio evaluates what they give as a JavaScript template string, so that a `$` or a
backslash in somebody's sentence would be code.
"""

from typing import Any, Final

import gradio as gr

from reranker.server.static_files import code

STATUS: Final = '<div class="status" role="status"></div>'
NAMES: Final = '<div class="names"></div>'
REASONS: Final = '<div class="failures"></div>'
BOARD: Final = '<div class="board" data-tab="0"></div>'
CHOSEN: Final = '<div class="panel" hidden aria-live="polite"></div>'
MARKS: Final = '<div class="board-place"></div>'
SETS: Final = '<div class="sets"></div>'
EVALUATION: Final = '<div class="evaluation"></div>'


def scripted(template: str, *scripts: str, **how: Any) -> gr.HTML:
    """A component drawn by these scripts."""
    return gr.HTML(html_template=template, js_on_load=code(*scripts), apply_default_css=False, **how)

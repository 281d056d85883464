"""The page's own components: their templates, in which all that is filled in is escaped, and their scripts."""

from pathlib import Path
from typing import Any, Final

import gradio as gr

_SCRIPTS: Final = Path(__file__).with_name("scripts")

STATUS: Final = """
<div class="status {{value.tone}}" role="status"><p>{{value.text}}</p>
{{#if value.bar}}<div class="bar"><div style="width: {{value.percent}}%"></div></div>{{/if}}</div>
"""
NAMES: Final = """
{{#if value.items}}<div class="names"><p>{{value.title}}</p><ul>{{#each value.items}}
<li><span title="{{this.name}}">{{this.name}}</span>
<button type="button" data-index="{{@index}}" aria-label="{{this.remove}}" title="{{this.remove}}">×</button></li>
{{/each}}</ul></div>{{/if}}
"""
REASONS: Final = """
{{#if value.sentences}}<div class="reasons"><p>{{value.title}}
<button type="button" class="retry">{{value.retry}}</button></p>
<ul>{{#each value.sentences}}<li>{{this}}</li>{{/each}}</ul></div>{{/if}}
{{#if value.skipped}}<div class="reasons skipped"><p>{{value.skipped_title}}
<button type="button" class="retry">{{value.retry}}</button></p>
<ul>{{#each value.skipped}}<li>{{this}}</li>{{/each}}</ul></div>{{/if}}
"""
BOARD: Final = '<div class="board" data-tab="0"></div>'
CHOSEN: Final = '<div class="panel" hidden aria-live="polite"></div>'


def templated(template: str, **how: Any) -> gr.HTML:
    """What only shows its value."""
    return gr.HTML(html_template=template, js_on_load=None, apply_default_css=False, **how)


def scripted(template: str, *scripts: str, **how: Any) -> gr.HTML:
    """What also listens, or is drawn, by scripts of the folder beside this file."""
    code = "\n".join((_SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in scripts)
    return gr.HTML(html_template=template, js_on_load=code, apply_default_css=False, **how)

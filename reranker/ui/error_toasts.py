"""Show errors of events that have no status line: Gradio shows a `gr.Error` as a toast, and sends it to programs."""

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from reranker.i18n.error_messages import Language
from reranker.server.status import trouble


@contextmanager
def errors_as_sentences(language: Language) -> Iterator[None]:
    """Raise a `gr.Error` with one sentence in place of any error."""
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        raise gr.Error(trouble(error, language).text, print_exception=False) from None

"""Serve the page: `python app.py`, `gradio app.py`, or a Hugging Face Space."""

import sys

from reranker import Reranker, Settings
from reranker.core.errors import SettingInvalid
from reranker.i18n.error_messages import sentence
from reranker.ui import gradio_environment

gradio_environment.prepare()

from reranker.ui.launch import run  # noqa: E402
from reranker.ui.page import build_page  # noqa: E402 - only now
from reranker.ui.services import PageServices  # noqa: E402


def _settings() -> Settings:
    try:
        return Settings.from_environment()
    except SettingInvalid as error:
        sys.stderr.write(f"{sentence(error, 'en')}\n")
        sys.exit(2)


services = PageServices.of(Reranker(settings=_settings()))
demo = build_page(services)

if __name__ == "__main__":
    sys.exit(run(demo, services))

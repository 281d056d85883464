"""The page as a program: `python app.py`, `gradio app.py`, or a Hugging Face Space. Settings: `reranker.settings`."""

import sys

from reranker import Reranker, Settings
from reranker.errors import SettingInvalid
from reranker.sentences import sentence
from reranker.web import environment

environment.prepare()

from reranker.web.page import build_page  # noqa: E402 - only now
from reranker.web.serving import run  # noqa: E402


def _settings() -> Settings:
    try:
        return Settings.from_environment()
    except SettingInvalid as error:
        sys.stderr.write(f"{sentence(error, 'en')}\n")
        sys.exit(2)


reranker = Reranker(settings=_settings())
demo = build_page(reranker)

if __name__ == "__main__":
    sys.exit(run(demo, reranker))

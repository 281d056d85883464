"""The page as a program: `python app.py`, `gradio app.py`, or a Hugging Face Space. Settings: `reranker.settings`."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
import threading

from reranker import Reranker, RerankerError, Settings
from reranker.errors import SettingInvalid
from reranker.sentences import sentence

# Before gradio is imported: it reports nothing to anybody, keeps no statistics of every event that nobody reads, and
# puts uploads into a folder of our own, gone at the end.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
if "GRADIO_TEMP_DIR" not in os.environ:
    os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="reranker-")
    atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

from reranker.web.page import build_page, launch_settings


def _settings() -> Settings:
    try:
        return Settings.from_environment()
    except SettingInvalid as error:
        sys.stderr.write(f"{sentence(error, 'en')}\n")
        sys.exit(2)


def _load(reranker: Reranker) -> None:
    """So that the first visitor need not wait; the page tells of trouble too."""
    try:
        reranker.load()
    except RerankerError as error:
        sys.stderr.write(f"{sentence(error, 'en')}\n")


settings = _settings()
reranker = Reranker(settings=settings)
demo = build_page(reranker)

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that what is registered for the end is done
    threading.Thread(target=_load, args=(reranker,), name="reranker-load", daemon=True).start()
    try:
        demo.launch(**launch_settings(settings))
    except OSError:
        sys.stderr.write(f"The page could not be opened at port {settings.port}; choose another by RERANKER_PORT.\n")
        sys.exit(1)

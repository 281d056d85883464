"""Set the environment variables that Gradio reads when it is imported. Import this module before Gradio."""

import atexit
import os
from contextlib import ExitStack

from reranker.storage.temporary_folder import temporary_folder


def prepare() -> None:
    """Turn off Gradio's telemetry and its statistics of events, and put uploads into a temporary folder.

    The folder is removed when the program ends, unless the environment names another one.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
    if "GRADIO_TEMP_DIR" not in os.environ:
        until_exit = ExitStack()
        os.environ["GRADIO_TEMP_DIR"] = str(until_exit.enter_context(temporary_folder()))
        atexit.register(until_exit.close)

"""Set the environment variables that Gradio reads when it is imported. Import this module before Gradio."""

import atexit
import os
import shutil
import tempfile


def prepare() -> None:
    """Turn off Gradio's telemetry and its statistics of events, and put uploads into a temporary folder.

    The folder is deleted when the program ends, unless the environment names another one.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
    if "GRADIO_TEMP_DIR" not in os.environ:
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="reranker-")
        atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

"""Variables that Gradio reads when it is imported."""

import atexit
import os
import shutil
import tempfile


def prepare() -> None:
    """Before gradio is imported: it reports nothing to anybody, keeps no statistics of every event that nobody reads,
    and puts uploads into a folder of our own, gone at the end."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
    if "GRADIO_TEMP_DIR" not in os.environ:
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="reranker-")
        atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)

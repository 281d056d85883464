"""Set the environment variables that Gradio reads when it is imported. Import this module before Gradio."""

import atexit
import os
from contextlib import ExitStack
from typing import Final

from reranker.storage.temporary_folder import temporary_folder

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_until_exit: Final = ExitStack()


def prepare() -> None:
    """Turn off Gradio's telemetry and its statistics of events, and put uploads into a temporary folder.

    The folder is removed when the program ends, unless the environment names another one. No proxy is used for this
    machine itself: Gradio sends the first request to its own server, and would fail.
    """
    excluded = os.environ.get("no_proxy", "") or os.environ.get("NO_PROXY", "")
    os.environ["no_proxy"] = ",".join(dict.fromkeys([*filter(None, excluded.split(",")), *_LOOPBACK]))
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
    if "GRADIO_TEMP_DIR" not in os.environ:
        os.environ["GRADIO_TEMP_DIR"] = str(_until_exit.enter_context(temporary_folder()))
        atexit.register(_until_exit.close)


def remove_uploads() -> None:
    """Remove the temporary folder of `prepare`, as the end of the program may be too sudden for that."""
    _until_exit.close()

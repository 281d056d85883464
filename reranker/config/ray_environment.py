"""Environment variables that Ray reads when it is imported."""

import os
import secrets


def prepare(*, local: bool) -> None:
    """Turn off its telemetry, let it accept only programs that have its token, and leave signals to this program.

    A call after `ray.shutdown` fails, instead of starting another Ray with other options.

    local: let it listen on this machine alone (by `RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER`, on Linux, too), with a token
        that only this program and its processes know, or that of the environment. Ray would write one into a file that
        others may read.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DISABLE_FAILURE_SIGNAL_HANDLER"] = "1"
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if local:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"

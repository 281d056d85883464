"""Ports of the loopback address for the servers that tests start."""

import os
import socket
from itertools import count

# A hundred ports a process, below those that the system gives to clients: workers that run at the same time never
# choose the same one.
_ports = count(10_000 + os.getpid() % 200 * 100)


def free_port() -> int:
    """A port that is free now and that no other test of this run is given."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")

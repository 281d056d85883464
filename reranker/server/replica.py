"""One of several processes that answer the HTTP API: `Replicas` starts it, and it ends with its stdin.

It listens on a socket in a folder that only its user can open, and answers whoever reaches that.
"""

import pickle
import sys
import threading

import uvicorn

from reranker.api import Reranker
from reranker.cluster.attached_workers import AttachedWorkers
from reranker.core.errors import RerankerError
from reranker.i18n.error_messages import sentence
from reranker.server.http_api import api_application
from reranker.server.replicas import READY, ReplicaOrder
from reranker.server.serving import ReadyServer


def main() -> None:
    """Serve the API until stdin ends."""
    order: ReplicaOrder = pickle.load(sys.stdin.buffer)
    reranker = Reranker(settings=order.settings, workers=AttachedWorkers(order.attachment))
    try:
        reranker.load()
    except RerankerError as error:
        sys.exit(sentence(error, "en"))
    config = uvicorn.Config(api_application(reranker), uds=str(order.socket), log_config=None, access_log=False)
    server = ReadyServer(config, lambda: _write(READY))
    threading.Thread(target=_stop_at_end, args=(server,), daemon=True).start()
    server.run()
    reranker.close()


def _stop_at_end(server: ReadyServer) -> None:
    sys.stdin.buffer.read()
    server.stop()


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

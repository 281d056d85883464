"""What an attack costs a real server: the slowest answer of `/health` meanwhile, its memory, and how it ends.

Run it with `-m slow -s`. It prints the figures that are in SECURITY.md, and needs a machine that does nothing else.
"""

import base64
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.support.half_open import half_open
from tests.support.hostile_pictures import jpeg_with_scans, png_with_chunks, tiff_with_shared_strips, webp_bomb
from tests.support.http_server import answers
from tests.support.ports import free_port
from tests.support.scripted_scorer import until
from tests.support.shell import HUNG_AFTER_S, started

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")]

MAX_HEALTH_MS = 100
MAX_MEMORY_MB = 2_000
MAX_EXIT_S = 10
UPLOADS = "/sessions/{session}/pictures?name=a.png"
FILE_OBJECT = b'{"path":"/a","meta":1},'
# A process of its own, so that it does not wait for what the tests compute.
POLLER = """
import http.client, select, sys, time
connection, slowest = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1])), 0.0
print(flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    start = time.perf_counter()
    connection.request("GET", "/health")
    connection.getresponse().read()
    slowest = max(slowest, time.perf_counter() - start)
print(1_000 * slowest)
"""


class Server:
    """A page over the toybox, in a process of its own."""

    def __init__(self, port: int, process: subprocess.Popen) -> None:
        self.port, self.process = port, process
        self._session = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def post(self, path: str, body: bytes) -> int | None:
        """Send a request, and return the status; None if the server has closed the connection before its end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HUNG_AFTER_S)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            return response.status
        except ConnectionError:
            return None
        finally:
            connection.close()

    @property
    def session(self) -> str:
        """The id of a session, made at the first use."""
        self._session = self._session or httpx.post(f"{self.url}sessions").json()["id"]
        return self._session

    def rerank(self, body: bytes) -> int | None:
        return self.post("/v1/rerank", body)

    @property
    def memory_mb(self) -> float:
        """The memory of all its processes, in megabytes."""
        process_ids, pages = [self.process.pid], 0
        for process_id in process_ids:
            try:
                for children in Path(f"/proc/{process_id}/task").glob("*/children"):
                    process_ids += map(int, children.read_text().split())
                pages += int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
            except OSError:  # it has ended
                continue
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    port = free_port()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = started(["-m", "reranker"], "serve", "--port", port, "--score-store-mb", 0, **silent)
    server = Server(port, process)
    try:
        until(lambda: answers(f"{server.url}health"), HUNG_AFTER_S)
        assert server.rerank(request(data_uri(png_with_chunks(1)))) in (200, 422)  # the model is loaded
        yield server
    finally:
        process.kill()
        process.communicate()


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def request(*documents: object, **options: object) -> bytes:
    return json.dumps({"query": "a", "documents": documents, **options}).encode()


def watched(server: Server, attack: Callable[[Server], object]) -> tuple[float, float]:
    """The slowest answer of `/health` during an attack, in milliseconds, and the peak of memory, in megabytes."""
    done, most = threading.Event(), [0.0]

    def watch() -> None:
        while not done.wait(0.01):
            most[0] = max(most[0], server.memory_mb)

    watcher = threading.Thread(target=watch)
    poller = subprocess.Popen(
        [sys.executable, "-c", POLLER, str(server.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    poller.stdout.readline()
    most[0] = server.memory_mb
    watcher.start()
    try:
        attack(server)
    finally:
        done.set()
        watcher.join()
        slowest, _ = poller.communicate("\n")
    return float(slowest), most[0]


def posting(body: bytes, path: str = "/v1/rerank", *, times: int = 1) -> Callable[[Server], object]:
    """An attack by so many equal requests at once."""

    def attack(server: Server) -> list[int | None]:
        filled = path.format(session=server.session)
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: server.post(filled, body), range(times)))

    return attack


def holding_half(path: str, count: int, start: bytes) -> Callable[[Server], object]:
    """An attack by requests that stop after a part of their body; somebody else is answered meanwhile."""

    def attack(server: Server) -> None:
        with ExitStack() as stack:
            for _ in range(count):
                filled = path.format(session=server.session)
                stack.enter_context(half_open(server.url, filled, 15_900_000, start))
            assert server.rerank(request(data_uri(b"1"))) == 422

    return attack


def noise(byte_count: int) -> str:
    return data_uri(Random(1).randbytes(byte_count))


def noise_for_urls(byte_count: int) -> dict[str, str]:
    """A document in the alphabet of URLs, which is decoded twice, and without padding."""
    return {"image": base64.urlsafe_b64encode(Random(1).randbytes(byte_count)).decode().rstrip("=")}


# Made when they are needed: some take 200 MB.
ATTACKS: dict[str, Callable[[], Callable[[Server], object]]] = {
    "a million wrong documents": lambda: posting(b'{"query":"a","documents":[' + b"1," * 1_000_000 + b"1]}"),
    "199 MB of numbers": lambda: posting(b'{"query":"a","documents":[' + b"1," * 99_000_000 + b"1]}"),
    "197 MB of pictures": lambda: posting(request(*[noise(37_000_000)] * 4)),
    "197 MB of pictures, eight times": lambda: posting(request(*[noise(37_000_000)] * 4), times=8),
    "197 MB of base64 of URLs": lambda: posting(request(*[noise_for_urls(37_000_000)] * 4)),
    "197 MB of small pictures": lambda: posting(request(*[noise(149_000)] * 990)),
    "15.9 MB of file objects": lambda: posting(b"[" + FILE_OBJECT * 690_000 + b"1]", "/gradio_api/queue/join"),
    "15,000 file objects": lambda: posting(
        b'{"fn_index":3,"data":[' + FILE_OBJECT * 15_000 + b"1]}", "/gradio_api/queue/join"
    ),
    "40 half bodies of 15.8 MB": lambda: holding_half("/gradio_api/queue/join", 40, b" " * 15_800_000),
    "30 half bodies of a byte": lambda: holding_half("/v1/rerank", 30, b"{"),
    "16 uploads of 49 MB": lambda: posting(Random(1).randbytes(49_000_000), UPLOADS, times=16),
    "8 uploads of 100 megapixels": lambda: posting(webp_bomb(10_000), UPLOADS, times=8),
    "40 half uploads": lambda: holding_half(UPLOADS, 40, b"x" * 1_000_000),
    "20 MB of saved results, eight times": lambda: posting(
        b'{"queries":[{"results":[' + b'{"status":"scored"},' * 990_000 + b"{}]}]}",
        "/sessions/{session}/saved",
        times=8,
    ),
    "24 WebP of 100 megapixels": lambda: posting(request(*[data_uri(webp_bomb(10_000))] * 4), times=6),
    "JPEG with 2,000 scans": lambda: posting(request(data_uri(jpeg_with_scans(8_000, 2_000)))),
    "PNG with 3 million chunks": lambda: posting(request(data_uri(png_with_chunks(3_000_000)))),
    "TIFF with 140,000 shared strips": lambda: posting(
        request(data_uri(tiff_with_shared_strips(140_000, bytes(2_000))))
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_others_are_served_and_memory_is_bounded(server: Server, name: str) -> None:
    attack, idle_mb = ATTACKS[name](), server.memory_mb
    started_at = time.perf_counter()
    slowest_ms, peak_mb = watched(server, attack)
    seconds = time.perf_counter() - started_at
    sys.stdout.write(f"\n| {name} | {seconds:.1f} s | {slowest_ms:.0f} ms | {peak_mb - idle_mb:.0f} MB |")
    assert slowest_ms < MAX_HEALTH_MS
    assert peak_mb - idle_mb < MAX_MEMORY_MB


def test_the_server_ends_while_it_is_attacked(server: Server) -> None:
    bodies = [request(data_uri(webp_bomb(side))) for side in range(9_990, 9_999)]
    with ThreadPoolExecutor(len(bodies)) as pool:
        asking = [pool.submit(server.rerank, body) for body in bodies]
        until(lambda: server.memory_mb > 1_000)
        started_at = time.perf_counter()
        server.process.terminate()
        server.process.wait(HUNG_AFTER_S)
        seconds = time.perf_counter() - started_at
        statuses = [each.result() for each in asking]
    sys.stdout.write(f"\n| SIGTERM meanwhile | {seconds:.1f} s | {statuses} |\n")
    assert seconds < MAX_EXIT_S

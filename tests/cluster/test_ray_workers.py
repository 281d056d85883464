"""Workers in processes of Ray: their places, that they rank as one process does, and what becomes of faults."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reranker.api import Reranker
from reranker.cluster import ray_workers
from reranker.cluster.placement import slots_of
from reranker.cluster.ray_workers import MISSING_S, RayWorker, RayWorkers, _Attempts
from reranker.config.settings import Settings
from reranker.core.errors import (
    ClusterUnreachable,
    RayMissing,
    WorkerFailed,
    WorkerNotStarted,
    WorkerPrecisionDiffers,
    WorkersMissing,
)
from reranker.core.types import Ranking, Scored
from reranker.i18n.error_messages import sentence
from reranker.library import Library
from tests.support.drawn_scenes import drawn_files
from tests.support.dual_encoders import siglip_folder
from tests.support.libraries import vectors_of
from tests.support.numbered_pictures import numbered_gallery
from tests.support.paths import GALLERY, ROOT
from tests.support.ray_clusters import command_of, descendants, listening_addresses, ray_cluster
from tests.support.scripted_scorer import until

CLOSE = 1e-5
QUERY = "一只 black cat 在窗台上"
START_S = 120.0  # a worker loads torch


def node(name: str, cpus: int = 8, gpus: int = 0, number: int = 0) -> dict[str, object]:
    resources = {"CPU": float(cpus)} | ({"GPU": float(gpus)} if gpus else {})
    return {"NodeID": f"{number:08x}" + 24 * "0", "NodeManagerHostname": name, "Resources": resources}


class AnsweringWorker:
    """A worker that opens every model, and computes in a precision."""

    def __init__(self, machine: str, precision: str) -> None:
        self.slot = SimpleNamespace(machine=machine)
        info = SimpleNamespace(precision=precision, fingerprint=f"in {precision}")
        self._answers = {"open": None, "facts": SimpleNamespace(info=info)}

    def call(self, method: str, *_: object) -> "Future[object]":
        answer: Future[object] = Future()
        answer.set_result(self._answers[method])
        return answer


# Places


def test_every_gpu_gets_a_worker() -> None:
    nodes = [node("box", gpus=4), node("other", gpus=2, number=1), node("head", number=2)]
    slots = slots_of(nodes, "auto", "auto")
    assert [slot.name for slot in slots] == ["box/0", "box/1", "box/2", "box/3", "other/0", "other/1"]
    assert all(slot.on_gpu for slot in slots)


def test_a_number_of_workers_is_dealt_to_machines_at_most_one_to_a_gpu() -> None:
    nodes = [node("box", gpus=4), node("other", gpus=1, number=1)]
    assert [slot.name for slot in slots_of(nodes, "3", "auto")] == ["box/0", "box/1", "other/0"]
    assert len(slots_of(nodes, "9", "cuda")) == 5


def test_without_gpus_each_machine_gets_a_worker_with_all_its_processors() -> None:
    nodes = [node("one", 16), node("two", 4, number=1)]
    assert [(slot.name, slot.threads) for slot in slots_of(nodes, "auto", "auto")] == [("one/0", 16), ("two/0", 4)]
    slots = slots_of(nodes, "6", "cpu")
    assert [(slot.name, slot.threads) for slot in slots] == [
        *((f"one/{number}", 5) for number in range(3)),
        *((f"two/{number}", 1) for number in range(3)),
    ]


def test_the_device_of_the_settings_decides() -> None:
    with_gpu, without = [node("box", gpus=2)], [node("box")]
    assert [slot.on_gpu for slot in slots_of(with_gpu, "auto", "cpu")] == [False]
    assert slots_of(without, "auto", "cuda") == []


def test_machines_of_the_same_name_are_told_apart() -> None:
    names = [slot.name for slot in slots_of([node("vm"), node("vm", number=1)], "auto", "auto")]
    assert len(set(names)) == 2
    assert all(name.startswith("vm-") for name in names)


def test_a_place_is_the_same_whatever_other_machines_there_are() -> None:
    """Its worker goes on when a machine joins, also one of the same name."""
    box, same_name = node("box"), node("box", number=1)
    assert set(slots_of([box], "auto", "cpu")) < set(slots_of([box, same_name], "auto", "cpu"))
    gpus = node("box", gpus=2), node("other", gpus=2, number=1)
    moved = set(slots_of(gpus[:1], "2", "auto")) - set(slots_of(gpus, "2", "auto"))
    assert [slot.name for slot in moved] == ["box/1"]


def test_a_place_with_another_share_of_the_processors_is_another_place() -> None:
    """Its worker has to give some back, so that the one of a machine that has gone can start."""
    both = slots_of([node("box"), node("other", number=1)], "2", "cpu")
    assert set(both).isdisjoint(slots_of([node("box")], "2", "cpu"))


def test_workers_that_compute_in_different_precisions_are_not_used_together() -> None:
    workers = RayWorkers(workers="2", address="", device="cuda")
    workers._opened.models["m"] = SimpleNamespace(key="m")
    workers._load(AnsweringWorker("box", "bf16"))
    workers._load(AnsweringWorker("box", "bf16"))
    with pytest.raises(WorkerPrecisionDiffers) as caught:
        workers._load(AnsweringWorker("other", "nf4"))
    assert "“other” would compute in nf4 and the others in bf16" in sentence(caught.value, "en")


def test_batches_wait_while_a_worker_may_still_start_and_fail_when_none_will() -> None:
    workers = RayWorkers(workers="2", address="", device="cpu")
    one, other = slots_of([node("one"), node("other", number=1)], "auto", "cpu")
    batch = workers.scheduler.submit(lambda worker: worker.call("run"))
    workers._fail_if_hopeless([one, other], 0.0)
    workers._attempts[one] = _Attempts(error=WorkerNotStarted(machine="one", reason="it ended"))
    workers._fail_if_hopeless([one, other], 1.0)
    assert not batch.done(), "the other one has not failed yet"
    workers._attempts[other] = _Attempts(error=WorkerNotStarted(machine="other", reason="it ended"))
    workers._fail_if_hopeless([one, other], 2.0)
    with pytest.raises(WorkerNotStarted):
        batch.result(0)


def test_batches_fail_when_there_is_no_place_for_a_worker_any_more() -> None:
    workers = RayWorkers(workers="2", address="", device="cpu")
    batch = workers.scheduler.submit(lambda worker: worker.call("run"))
    workers._fail_if_hopeless([], 100.0)
    workers._fail_if_hopeless([], 100.0 + MISSING_S / 2)
    assert not batch.done()
    workers._fail_if_hopeless([], 100.0 + MISSING_S)
    with pytest.raises(WorkersMissing):
        batch.result(0)


def test_workers_that_never_started_are_closed_also_without_ray(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    RayWorkers(workers="2", address="", device="cpu").close()


def test_without_ray_a_sentence_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setattr(ray_workers, "find_spec", lambda name: None)
    with pytest.raises(RayMissing) as caught:
        Reranker(settings=Settings.of(model="toybox", workers="2")).load()
    assert "pip install 'picture-reranker[cluster]'" in sentence(caught.value, "en")


def test_one_worker_on_this_machine_is_this_process() -> None:
    for workers in ("1", "auto"):
        reranker = Reranker(settings=Settings.of(model="toybox", workers=workers, device="cpu"))
        reranker.load()
        assert reranker.workers == []


# Ray


def reranker_of(**settings: object) -> Reranker:
    return Reranker(settings=Settings.of(**{"model": "toybox", "score_store_mb": 0, **settings}))


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Reranker]:
    """They are loaded in a thread that ends, as on the page: what a thread has started may end with it."""
    reranker = reranker_of(workers="2")
    loading = threading.Thread(target=reranker.load)
    loading.start()
    loading.join()
    yield reranker
    reranker.close()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return drawn_files(tmp_path_factory.mktemp("scenes"), 500)


def ready_workers(reranker: Reranker) -> list[RayWorker]:
    pool = reranker.worker_pool()
    assert pool is not None
    return [worker for worker in pool._workers.values() if worker.is_ready and pool.scheduler.has(worker.name)]


def kill_one(reranker: Reranker) -> None:
    """Kill a worker, once there are two."""
    import ray  # noqa: PLC0415

    while True:
        until(lambda: len(ready_workers(reranker)) == 2, START_S)
        try:
            process = ray.get(ready_workers(reranker)[0].actor.__ray_call__.remote(lambda _: os.getpid()))
        except (ray.exceptions.RayActorError, IndexError):  # it was killed a moment ago
            continue
        os.kill(process, signal.SIGKILL)
        return


def assert_equal(ranking: Ranking, expected: Ranking) -> None:
    """Scores are equal to 1e-5, and so is the order, but for pictures that are closer to each other."""
    assert ranking.failed == ()
    found, other = ({each.position: each.score.log_odds for each in one.scored} for one in (ranking, expected))
    assert found == pytest.approx(other, abs=CLOSE)
    assert len(ranking.scored) == len(found), "each is there once"
    for each, there in zip(ranking.scored, expected.scored, strict=True):
        assert each.score.log_odds == pytest.approx(there.score.log_odds, abs=CLOSE)


@pytest.mark.extended
def test_two_workers_rank_as_one_process_does(two_workers: Reranker) -> None:
    pictures = sorted(GALLERY.glob("*.png"))
    local = reranker_of()
    for query in (QUERY, "a woman in a red dress"):
        ranking, expected = two_workers.rank(query, pictures), local.rank(query, pictures)
        assert_equal(ranking, expected)
        assert [each.position for each in ranking.scored] == [each.position for each in expected.scored]
    assert len(two_workers.workers) == 2
    assert all(status.pictures for status in two_workers.workers)


@pytest.mark.extended
def test_workers_that_are_killed_ten_times_cost_nothing(two_workers: Reranker, scenes: list[Path], capfd) -> None:
    kills = 0
    stream = two_workers.rank_stream(QUERY, scenes)
    for count, event in enumerate(stream):
        if isinstance(event, Scored) and count % 40 == 20 and kills < 10:
            kill_one(two_workers)
            kills += 1
    assert kills == 10
    assert isinstance(event, Ranking)
    assert_equal(event, reranker_of().rank(QUERY, scenes))
    until(lambda: len(two_workers.workers) == 2, START_S)
    assert capfd.readouterr().out == "", "stdout is for results"


@pytest.mark.extended
def test_ray_listens_on_this_machine_alone(two_workers: Reranker) -> None:
    two_workers.load()
    addresses = listening_addresses(descendants(os.getpid()) | {os.getpid()})
    assert addresses
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}, addresses


@pytest.mark.extended
def test_nobody_else_can_open_what_ray_writes_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    """Neither its token, with which anybody could run code as this user, nor its sockets and logs."""
    code = """
import stat
from pathlib import Path
from reranker import Reranker, Settings
reranker = Reranker(settings=Settings.of(model="toybox", workers="1", replicas=2))
reranker.load()
import ray
session = Path(ray._private.worker.global_worker.node.get_session_dir_path())
print(session, stat.S_IMODE(session.parents[1].stat().st_mode), session.is_dir(), flush=True)
reranker.close()
"""
    environment = os.environ | {"HOME": str(tmp_path)}
    environment.pop("RAY_AUTH_TOKEN", None)
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT, env=environment
    )
    session, mode, was_there = done.stdout.split()
    assert (int(mode), was_there) == (0o700, "True")
    assert not Path(session).parents[1].exists()
    assert list(tmp_path.rglob("auth_token")) == []


@pytest.mark.extended
def test_a_machine_without_the_model_is_named(two_workers: Reranker, tmp_path: Path) -> None:
    """The folder is there when the model is chosen, and no longer when a worker loads it."""
    pool = two_workers.worker_pool()
    with pytest.raises(WorkerFailed) as caught:
        Reranker(settings=Settings.of(model=str(tmp_path / "no-such-model"), workers="2")).load()
    assert caught.value.machine in sentence(caught.value, "zh")
    assert "no-such-model" in sentence(caught.value, "en")
    assert pool is not None
    until(lambda: len(two_workers.workers) == 2)
    assert two_workers.rank(QUERY, sorted(GALLERY.glob("*.png"))).failed == (), "other models go on"


@pytest.mark.extended
def test_a_cluster_that_is_not_there_is_named() -> None:
    code = f"""
from reranker import Reranker, Settings
from reranker.core.errors import {ClusterUnreachable.__name__}
try:
    Reranker(settings=Settings.of(model="toybox", ray_address="127.0.0.1:1")).load()
except ClusterUnreachable as error:
    print(error.address)
"""
    arguments = [sys.executable, "-c", code]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, cwd=ROOT, timeout=START_S)
    assert done.stdout == "127.0.0.1:1\n", done.stderr


@pytest.mark.extended
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_program_that_ends_takes_its_workers_with_it(ending: signal.Signals) -> None:
    code = """
import sys
from reranker import Reranker, Settings
Reranker(settings=Settings.of(model="toybox", workers="2")).load()
print("loaded", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"loaded\n"
        started = {process for process in descendants(program.pid) if "DeviceWorker" in command_of(process)}
        assert len(started) == 2
        program.send_signal(ending)
        program.wait(START_S)
    until(lambda: not any(Path(f"/proc/{process}").exists() for process in started), START_S)


INDEX = """
import sys, time
from pathlib import Path
from reranker import Reranker, Settings
from reranker.library import Library
reranker = Reranker(settings=Settings.of(model="toybox", workers="auto", ray_address=sys.argv[1]))
with_workers = Library(Path(sys.argv[2]), encoder=sys.argv[3], reranker=reranker)
for progress in with_workers.index([sys.argv[4]]):
    print(progress.done, progress.encoded, progress.failed, flush=True)
    sys.stdin.readline()
while len(reranker.workers) < 3:
    time.sleep(0.1)
print("three", flush=True)
"""


@pytest.mark.parametrize(
    "pictures",
    [pytest.param(400, marks=pytest.mark.extended), pytest.param(2000, marks=pytest.mark.slow)],
)
def test_machines_come_and_go_while_a_library_is_indexed(tmp_path: Path, pictures: int) -> None:
    folder = numbered_gallery(tmp_path / "pictures", *range(pictures))
    encoder, library = siglip_folder(tmp_path / "siglip", 1), tmp_path / "library"
    with ray_cluster(3) as cluster:
        arguments = [cluster.address, library, encoder, folder]
        program = subprocess.Popen(
            [sys.executable, "-c", INDEX, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        with program:
            assert program.stdin is not None
            assert program.stdout is not None
            changes = [
                (pictures // 2, lambda: cluster.add_node(num_cpus=1, num_gpus=1)),  # the others have none
                (pictures // 4, lambda: cluster.remove_node(next(iter(cluster.worker_nodes)))),
            ]
            last = []
            while (line := program.stdout.readline().split()) != ["three"]:
                assert line, "the program has ended"
                last = list(map(int, line))
                if changes and last[0] >= changes[-1][0]:
                    changes.pop()[1]()
                print(file=program.stdin, flush=True)
    assert changes == []
    assert last == [pictures, pictures, 0]
    with closing(Library(tmp_path / "other", encoder=str(encoder))) as other:
        list(other.index([folder]))
    found, expected = vectors_of(library), vectors_of(tmp_path / "other")
    assert found.keys() == expected.keys()
    assert len(found) == pictures
    # In BF16 a vector depends a little on the size of its batch.
    np.testing.assert_allclose([found[path] for path in expected], list(expected.values()), atol=1e-2)

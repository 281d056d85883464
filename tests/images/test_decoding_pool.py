"""Pictures are decoded in other processes as they are in this one, and whatever happens there costs one picture."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from reranker.core.errors import PictureNeedsMemory, PictureSkipped, PictureTooLarge, PictureUnreadable
from reranker.images.decoding import open_picture
from reranker.images.decoding_pool import DecodingPool, shared_pool
from reranker.images.limits import Limits
from tests.support.decoding import decode
from tests.support.decoding_pools import decoding_pool
from tests.support.hostile_pictures import saved
from tests.support.paths import ROOT

RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 256, (60, 90, 3), dtype=np.uint8))
PICTURE = saved(NOISE, "PNG")
FOREVER = "while True: pass"


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodingPool]:
    with decoding_pool() as made:
        yield made


def resized(pool: DecodingPool, data: bytes, **limits) -> np.ndarray:
    return pool.resized(data, "海报 7.png", Limits(**limits), 28 * 28, lambda width, height: (28, 14))


def reason(pool: DecodingPool, data: bytes = PICTURE) -> str:
    with pytest.raises(PictureUnreadable) as caught:
        resized(pool, data)
    assert caught.value.name == "海报 7.png"
    return caught.value.reason


def wait_for_end(process_id: int) -> None:
    """Wait until a process that this one did not start has ended."""
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([handle], [], [], 60)
    os.close(handle)
    assert ended


# ---- as in this process


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_pixels_are_those_that_this_process_decodes(pool, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(NOISE.resize((450, 300)), kind, **({} if kind == "GIF" else {"exif": exif.tobytes()}))
    here = decode(data, "a", Limits(), 28 * 28)
    sizes = []

    def fit(*size: int) -> tuple[int, int]:
        sizes.append(size)
        return 56, 28

    pixels = pool.resized(data, "a", Limits(), 28 * 28, fit)
    assert sizes == [here.size]
    assert np.array_equal(pixels, np.asarray(here.resize((56, 28), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize(("orientation", "upright"), [(1, (448, 280)), (6, (280, 448))])
def test_a_square_for_a_dual_encoder_has_the_averages_of_blocks(pool, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(NOISE.resize((448, 280)), "PNG", exif=exif.tobytes())
    here = decode(data, "a", Limits())
    pixels, size = pool.square(data, "a", Limits(), 28)
    assert size == here.size == upright
    assert np.array_equal(pixels, np.asarray(here.reduce((upright[0] // 28, upright[1] // 28))))


def test_the_sides_of_a_picture_that_is_nearly_a_square_are_not_exchanged(pool):
    for orientation, upright in ((1, (400, 399)), (8, (399, 400))):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = saved(NOISE.resize((400, 399)), "JPEG", exif=exif.tobytes())
        assert pool.square(data, "a", Limits(), 28)[1] == upright


@pytest.mark.parametrize("size", [(20, 40), (50, 30), (57, 200), (448, 281)])
def test_the_sides_of_averaged_blocks_stay_at_least_those_of_the_square(pool, size):
    data = saved(NOISE.resize(size), "PNG")
    here = decode(data, "a", Limits())
    blocks = tuple(max(1, side // 28) for side in size)
    averaged = here.reduce(blocks) if blocks != (1, 1) else here
    box = (0, 0, size[0] / blocks[0], size[1] / blocks[1])
    expected = averaged.resize((28, 28), Image.Resampling.BICUBIC, box)
    assert np.array_equal(pool.square(data, "a", Limits(), 28)[0], np.asarray(expected))


@pytest.mark.parametrize("size", [(27, 500), (28, 56), (57, 200), (448, 281), (800, 100), (640, 480)])
def test_a_jpeg_for_a_square_is_decoded_at_the_smallest_part_that_has_its_sides(pool, size):
    data = saved(NOISE.resize(size), "JPEG")
    decoded = open_picture(data, "a", Limits(), 28**2, for_square=True).decode()
    fraction = size[0] / decoded.size[0]
    assert min(decoded.size) >= min(28, *size)
    assert fraction == pytest.approx(8, rel=0.05) or min(size) / (2 * fraction) < 28
    assert pool.square(data, "a", Limits(), 28)[1] == size


def test_a_thumbnail_is_that_of_this_process(pool):
    here = decode(PICTURE, "a", Limits(), 32**2)
    here.thumbnail((32, 32), reducing_gap=2.0)
    assert pool.thumbnail(PICTURE, "a", Limits(), max_px=32, quality=80) == saved(here, "JPEG", quality=80)


def test_the_size_is_read_without_decoding(pool):
    assert pool.size(PICTURE[: len(PICTURE) // 2], "a", Limits()) == (90, 60)


def test_errors_keep_the_name_and_their_fields(pool):
    assert reason(pool, b"") == "empty"
    assert reason(pool, PICTURE[:-999]) == "truncated"
    with pytest.raises(PictureTooLarge) as caught:
        resized(pool, PICTURE, max_pixels=1000)
    assert vars(caught.value) == {"name": "海报 7.png", "width": 90, "height": 60, "max_pixels": 1000}


def test_a_picture_that_needs_more_than_the_budget_is_refused(pool):
    with pytest.raises(PictureNeedsMemory) as caught:
        resized(pool, PICTURE, max_decoding_bytes=1000)
    assert (caught.value.width, caught.value.height, caught.value.max_bytes) == (90, 60, 1000)
    assert resized(pool, PICTURE).shape == (14, 28, 3)


def test_an_error_of_the_caller_costs_only_its_picture(pool):
    def fail(*size: int) -> tuple[int, int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pool.resized(PICTURE, "a", Limits(), 100, fit=fail)
    assert resized(pool, PICTURE).shape == (14, 28, 3)


def test_threads_share_no_more_processes_than_there_are_cpus():
    with decoding_pool() as pool, ThreadPoolExecutor(8) as threads:
        expected = resized(pool, PICTURE)
        assert len(pool.process_ids) == 1
        assert all(np.array_equal(each, expected) for each in threads.map(lambda _: resized(pool, PICTURE), range(40)))
        assert len(pool.process_ids) <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("own", [0, 3, 15])
def test_decoding_yields_to_the_device_however_low_the_program_ranks(own):
    code = f"""
import os
os.nice({own})
from reranker.images.decoding_pool import shared_pool
from reranker.images.limits import Limits
shared_pool().size({saved(Image.new("L", (1, 1)), "PNG")!r}, "a", Limits())
print(*(os.getpriority(os.PRIO_PROCESS, each) for each in (0, *shared_pool().process_ids)))
"""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    program = min(before + own, 19)
    assert list(map(int, done.stdout.split())) == [program, min(program + 10, 19)]


# ---- what goes wrong in a process


def test_a_picture_that_takes_too_long_is_refused():
    with decoding_pool(f"if len(data) > 10_000:\n    {FOREVER}", compute_s=0.2) as pool:
        assert reason(pool) == "too slow"
        assert resized(pool, saved(NOISE, "JPEG")).shape == (14, 28, 3)


def test_a_picture_that_waits_for_ever_is_refused():
    with decoding_pool("time.sleep(3600)", clock_s=0.2) as pool:
        assert reason(pool) == "too slow"


def test_a_crash_costs_one_picture():
    with decoding_pool("if len(data) > 10_000: os.abort()") as pool:
        assert [reason(pool) for _ in range(3)] == ["damaged"] * 3
        assert resized(pool, saved(NOISE, "JPEG")).shape == (14, 28, 3)


def test_a_process_that_has_ended_while_it_was_idle_is_replaced(pool):
    resized(pool, PICTURE)
    for process_id in pool.process_ids:
        os.kill(process_id, signal.SIGKILL)
        os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)
    assert resized(pool, PICTURE).shape == (14, 28, 3)


def test_what_a_library_prints_is_no_answer(capfd):
    with decoding_pool("print('noise', flush=True); os.write(1, b'noise')") as pool:
        assert resized(pool, PICTURE).shape == (14, 28, 3)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("answer", ["b'x' * 1000", "bytes(12) + b'{}'", "b'\\2' + bytes(11) + b'[]'"])
def test_a_process_that_answers_nonsense_is_not_believed(answer):
    ready = "b'\\2' + bytes(11) + b'{}'"
    program = f"import sys; sys.stdout.buffer.write({ready} + {answer}); sys.stdout.flush(); sys.stdin.read()"
    pool = DecodingPool(command=[sys.executable, "-c", program])
    assert reason(pool) == "damaged"
    pool.close()


def test_a_process_that_cannot_start_is_no_damage_of_the_picture():
    pool = DecodingPool(command=[sys.executable, "-c", "import no_such_module"])
    with pytest.raises(RuntimeError, match="did not start"):
        resized(pool, PICTURE)
    pool.close()


# ---- the end


def test_closing_skips_the_pictures_that_are_decoded_and_those_that_wait():
    started = threading.Barrier(9)

    def attempt(_: int) -> type:
        started.wait()
        try:
            resized(pool, PICTURE)
        except PictureSkipped as error:
            return type(error)
        return object

    with decoding_pool(FOREVER) as pool, ThreadPoolExecutor(8) as threads:
        tasks = threads.map(attempt, range(8))
        started.wait()
        pool.close()
        assert set(tasks) == {PictureSkipped}
        assert pool.process_ids == []


PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from reranker.images import decoding_pool
from reranker.images.limits import Limits
from tests.support.decoding_pools import pretending

seconds = float(sys.argv[1])
pool = decoding_pool.DecodingPool(command=pretending("while True: pass", seconds, seconds))
decoding_pool.DecodingPool = lambda: pool
decoding_pool.shared_pool().start()
print(*pool.process_ids, flush=True)
ThreadPoolExecutor(1).submit(pool.size, b"a", "a", Limits())
sys.stdin.read()
"""


def program(seconds: float) -> subprocess.Popen:
    """A program that decodes a picture, for so many seconds, until its stdin ends."""
    command = [sys.executable, "-c", PROGRAM, str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_program_ends_while_a_picture_is_decoded():
    """Python waits for the thread of the executor, and that for the picture."""
    with program(seconds=3600) as running:
        try:
            output, _ = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == 0
    wait_for_end(int(output))


def test_no_process_outlives_a_program_that_was_killed():
    with program(seconds=0.5) as running:
        process_id = int(running.stdout.readline())
        running.kill()
    wait_for_end(process_id)


def test_the_shared_pool_is_one():
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(lambda _: shared_pool(), range(8)))) == 1

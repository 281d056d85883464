"""Pictures that were made to use up memory or time are refused, or decoded within the limits of any other."""

import os
import random
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from reranker.core.errors import PictureError, PictureNeedsMemory, PictureUnreadable
from reranker.images.decoding import open_picture
from reranker.images.decoding_pool import DecodingPool
from reranker.images.decoding_process import worker_command
from reranker.images.limits import Limits
from reranker.images.messages import read_message, write_message
from tests.support.colour_profiles import DISPLAY_P3, cmyk_profile, gamma_curve, grey_profile, rgb_profile
from tests.support.decoding_pools import decoding_pool
from tests.support.hostile_pictures import (
    forget_peak,
    gif_with_comments,
    jpeg_with_scans,
    jpeg_with_segments,
    png_with_chunks,
    resident_bytes,
    saved,
    tiff_with_shared_strips,
    tiff_with_tiles,
    webp_bomb,
    webp_with_chunks,
)

MEGABYTE = 1_000_000
IDLE_BYTES = 30 * MEGABYTE  # of a decoding process


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodingPool]:
    with decoding_pool() as made:
        yield made


def attempt(pool: DecodingPool, data: bytes, limits: Limits) -> tuple[int, ...] | PictureError:
    try:
        return pool.resized(data, "a", limits, 100_000, lambda width, height: (280, 280)).shape
    except PictureError as error:
        return error


def reason(pool: DecodingPool, data: bytes) -> str | None:
    result = attempt(pool, data, Limits())
    return result.reason if isinstance(result, PictureUnreadable) else None


@contextmanager
def most_resident_bytes(pool: DecodingPool) -> Iterator[list[int]]:
    """Put into a list the most memory that this process and those of the pool have together.

    Processes are read one after another, and a busy machine may halt this thread in between: what one had before that,
    and another one had after it, they did not have together. So each is read twice, and the smaller figure counts.
    """
    done, most = threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.002):
            ids = [os.getpid(), *pool.process_ids]
            once, again = list(map(resident_bytes, ids)), list(map(resident_bytes, ids))
            most[0] = max(most[0], sum(map(min, once, again)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


# ---- memory


def decode_at_once(bombs: int, side: int, limits: Limits) -> int:
    """Decode so many bombs at once, and return the most memory that they take."""
    with decoding_pool() as pool, ThreadPoolExecutor(bombs) as threads:
        attempt(pool, webp_bomb(8), limits)
        idle = resident_bytes(os.getpid())
        with most_resident_bytes(pool) as most:
            results = list(threads.map(lambda _: attempt(pool, webp_bomb(side), limits), range(bombs)))
    assert results == [(280, 280, 3)] * bombs
    return most[0] - idle


def test_pictures_at_once_share_one_budget():
    budget = 110 * MEGABYTE  # one at a time; two take 150 MB
    processes = 2 * IDLE_BYTES  # no more are needed
    assert decode_at_once(3, 2500, Limits(max_decoding_bytes=budget)) < budget + processes


def test_a_picture_is_not_held_any_more_when_it_is_answered():
    """Its share of the budget goes to the next one with the answer, however long it takes to be read."""
    with subprocess.Popen(worker_command(9, 90), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        read_message(process.stdout)
        idle = resident_bytes(process.pid)
        ask = partial(write_message, process.stdin)
        ask({"limits": asdict(Limits()), "target_pixels": None}, webp_bomb(5000))
        needed_bytes = read_message(process.stdout)[0]["needed_bytes"]
        ask({"granted_bytes": needed_bytes})
        read_message(process.stdout)
        assert resident_bytes(process.pid) > idle + 70 * MEGABYTE
        ask({"size": (1000, 1000)})
        process.stdout.read(1)  # the rest does not fit into the pipe
        assert resident_bytes(process.pid) < idle + 20 * MEGABYTE
        process.kill()


def test_a_process_keeps_little_of_the_memory_that_pictures_have_freed():
    """The allocator keeps blocks of 19 MB after the second picture that needs them, and not those of 75 MB."""
    with subprocess.Popen(worker_command(9, 90), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        read_message(process.stdout)
        idle = resident_bytes(process.pid)
        for _ in range(3):
            write_message(process.stdin, {"limits": asdict(Limits()), "target_pixels": None}, webp_bomb(2500))
            needed_bytes = read_message(process.stdout)[0]["needed_bytes"]
            write_message(process.stdin, {"granted_bytes": needed_bytes})
            read_message(process.stdout)
            assert resident_bytes(process.pid) > idle + 50 * MEGABYTE
            write_message(process.stdin, {"size": (280, 280)})
            read_message(process.stdout, 280 * 280 * 3)
            assert resident_bytes(process.pid) < idle + 40 * MEGABYTE
        process.kill()


@pytest.mark.extended
def test_any_number_of_the_largest_pictures_takes_less_than_two_gigabytes():
    assert decode_at_once(8, 10_000, Limits()) < 2000 * MEGABYTE


def test_a_picture_beyond_the_budget_alone_is_refused_before_it_is_decoded(pool):
    error = attempt(pool, webp_bomb(16_000), Limits(max_pixels=300_000_000))
    assert isinstance(error, PictureNeedsMemory)
    assert (error.width, error.height) == (16_000, 16_000)
    assert error.needed_bytes > error.max_bytes == 1500 * MEGABYTE


SIDE = 1400
COLOURS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)).resize((SIDE, SIDE))
TRANSPARENT = COLOURS.convert("RGBA")
TRANSPARENT.putalpha(COLOURS.convert("L"))
GREY = COLOURS.convert("L")
P3 = rgb_profile(DISPLAY_P3)


def heic(image: Image.Image) -> bytes:
    file = BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=60, enc_params={"preset": "ultrafast"})
    return file.getvalue()


KINDS = {
    "JPEG": lambda: saved(COLOURS, "JPEG"),
    "JPEG, progressive": lambda: saved(COLOURS, "JPEG", progressive=True, subsampling=0),
    "JPEG, Display P3": lambda: saved(COLOURS, "JPEG", icc_profile=P3),
    "JPEG, CMYK, of a press": lambda: saved(COLOURS.convert("CMYK"), "JPEG", icc_profile=cmyk_profile()),
    "JPEG, CMYK": lambda: saved(COLOURS.convert("CMYK"), "JPEG", progressive=True),
    "PNG": lambda: saved(COLOURS, "PNG", compress_level=1),
    "PNG, transparent": lambda: saved(TRANSPARENT, "PNG", compress_level=1),
    "PNG, transparent, Display P3": lambda: saved(TRANSPARENT, "PNG", compress_level=1, icc_profile=P3),
    "PNG, linear grey": lambda: saved(GREY, "PNG", icc_profile=grey_profile(gamma_curve(1))),
    "PNG, palette": lambda: saved(GREY.convert("P"), "PNG"),
    "PNG, 16 bits": lambda: saved(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257), "PNG"),
    "WebP": lambda: saved(COLOURS, "WEBP", method=0),
    "WebP, transparent": lambda: saved(TRANSPARENT, "WEBP", lossless=True, quality=0, method=0),
    "GIF": lambda: saved(GREY, "GIF"),
    "BMP": lambda: saved(COLOURS, "BMP"),
    "TIFF": lambda: saved(COLOURS, "TIFF", compression="tiff_lzw"),
    "TIFF, one strip": lambda: saved(TRANSPARENT, "TIFF", compression="tiff_lzw", tiffinfo={278: SIDE}),
    "TIFF, long text": lambda: saved(COLOURS, "TIFF", compression="raw", tiffinfo={270: "x" * 3 * MEGABYTE}),
    "TIFF, floating point": lambda: saved(GREY.convert("F"), "TIFF"),
    "AVIF": lambda: saved(COLOURS, "AVIF", speed=10),
    "WebP, Display P3": lambda: saved(COLOURS, "WEBP", method=0, icc_profile=P3),
    "AVIF, transparent": lambda: saved(TRANSPARENT, "AVIF", speed=10, subsampling="4:4:4"),
    "HEIC": lambda: heic(COLOURS),
    "HEIC, transparent": lambda: heic(TRANSPARENT),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_decoding_takes_no_more_than_was_estimated(pool, make):
    data = make()
    attempt(pool, saved(GREY.resize((8, 8)).convert("F"), "TIFF"), Limits())  # loads numpy
    (process_id,) = pool.process_ids
    forget_peak(process_id)
    before = resident_bytes(process_id)
    assert pool.resized(data, "a", Limits(), SIDE**2, lambda width, height: (280, 280)).shape == (280, 280, 3)
    estimate = open_picture(data, "a", Limits()).needed_bytes
    assert resident_bytes(process_id, peak=True) - before < estimate + 2 * len(data)


def png_with_texts(count: int, each_bytes: int) -> bytes:
    """A small PNG with compressed texts before and behind its pixels."""
    small = saved(Image.new("RGB", (8, 8), "red"), "PNG")
    packed = zlib.compress(bytes(each_bytes), 9)
    texts = b"".join(
        len(text).to_bytes(4) + kind + text + zlib.crc32(kind + text).to_bytes(4)
        for kind, start in ((b"zTXt", b"key\0\0"), (b"iTXt", b"key\0\1\0\0\0"), (b"iCCP", b"key\0\0"))
        for text in [start + packed] * count
    )
    return small[:33] + texts + small[33:-12] + texts + small[-12:]


def test_texts_that_grow_a_thousandfold_take_no_memory(pool):
    attempt(pool, webp_bomb(8), Limits())
    (process_id,) = pool.process_ids
    data = png_with_texts(40, 100 * MEGABYTE)
    forget_peak(process_id)
    before = resident_bytes(process_id)
    assert attempt(pool, data, Limits()) == (280, 280, 3)
    assert resident_bytes(process_id, peak=True) - before < 2 * len(data) + 32 * MEGABYTE


# ---- time

TOO_SLOW = {
    "JPEG, scans": lambda: jpeg_with_scans(10_000, 150),
    "JPEG, segments": lambda: jpeg_with_segments(300_000),
    "TIFF, strips that share bytes": lambda: tiff_with_shared_strips(4000, zlib.compress(bytes(600_000), 0)),
    "TIFF, tiles of a pixel": lambda: tiff_with_tiles(700, 1),
    "PNG, chunks": lambda: png_with_chunks(300_000),
    "GIF, comments": lambda: gif_with_comments(150_000),
    "WebP, chunks": lambda: webp_with_chunks(300_000),
}
ORDINARY = {
    "JPEG, scans": lambda: jpeg_with_scans(1000, 64),  # what mozjpeg tries
    "JPEG, segments": lambda: jpeg_with_segments(2000),
    "TIFF, a strip for each row": lambda: tiff_with_shared_strips(2000, zlib.compress(bytes(700))),
    "TIFF, small tiles": lambda: tiff_with_tiles(1600, 16),
    "PNG, chunks": lambda: png_with_chunks(5000),
    "GIF, comments": lambda: gif_with_comments(500),
    "WebP, chunks": lambda: webp_with_chunks(2000),
}


@pytest.mark.parametrize("make", TOO_SLOW.values(), ids=TOO_SLOW)
def test_a_structure_that_would_take_minutes_is_refused(pool, make):
    assert reason(pool, make()) == "too slow"


@pytest.mark.parametrize("make", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_structure_is_accepted(pool, make):
    assert attempt(pool, make(), Limits()) == (280, 280, 3)


# ---- mutated files

EXIF = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIC")


def seeds(kind: str) -> list[bytes]:
    """Small files of one format, of several modes and encodings."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (32, 48, 4), dtype=np.uint8))
    opaque = noise.convert("RGB")
    options = {
        "PNG": [{}, {"compress_level": 0}],
        "JPEG": [{}, {"progressive": True, "subsampling": 0}],
        "WEBP": [{"lossless": True}, {"quality": 50}],
        "GIF": [{}, {"interlace": False}],
        "TIFF": [{}, *({"compression": name} for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"))],
        "BMP": [{}],
        "AVIF": [{"speed": 10}],
    }
    if kind == "HEIC":
        return [heic(opaque), heic(noise)]
    images = [opaque] if kind == "JPEG" else [opaque, noise.quantize(8) if kind in ("GIF", "BMP", "PNG") else opaque]
    with_profile = {"JPEG", "PNG", "TIFF", "WEBP", "AVIF"} & {kind}
    said = {"icc_profile": P3, "exif": EXIF} if with_profile else {}
    return [saved(image, kind, **each, **more) for image in images for each in options[kind] for more in ({}, said)]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Change, remove, repeat or insert a few bytes, most of them near the start, where the structure is."""
    broken = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 8])):
        at = rng.randrange(rng.choice([64, 256, len(broken)])) % max(1, len(broken))
        action = rng.randrange(5)
        if action == 0:
            broken[at : at + 1] = bytes([rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])])
        elif action == 1:
            broken[at : at + 4] = rng.choice([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", rng.randbytes(4)])
        elif action == 2:
            del broken[at : at + rng.randrange(1, 64)]
        elif action == 3:
            broken[at:at] = broken[at : at + rng.randrange(1, 64)] * rng.randrange(1, 50)
        else:
            broken[at : at + 1] = bytes([broken[at] ^ 1 << rng.randrange(8)]) if broken else b""
    return with_right_checksums(bytes(broken)) if rng.random() < 0.7 else bytes(broken)


def with_right_checksums(data: bytes) -> bytes:
    """Correct the checksums of a PNG, so that its decoder reads on; other data stays as it is."""
    at, fixed = 8, data[:8]
    while (
        data.startswith(b"\x89PNG") and len(data) >= at + 12 and (size := int.from_bytes(data[at : at + 4])) < len(data)
    ):
        chunk = data[at + 4 : at + 8 + size]
        fixed += data[at : at + 4] + chunk + zlib.crc32(chunk).to_bytes(4)
        at += 12 + size
    return fixed + data[at:] if at > 8 else data


@pytest.mark.extended
@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_files_are_decoded_or_refused(kind):
    """10,000 files in all; they are judged by their errors, their time and the memory of their processes."""
    rng = random.Random(kind)
    files = [mutated(data, rng) for data in seeds(kind) * 1250][:1250]

    def result(data: bytes) -> tuple[object, float]:
        start = time.perf_counter()
        return attempt(pool, data, Limits()), time.perf_counter() - start

    with decoding_pool() as pool, ThreadPoolExecutor(2) as threads:
        attempt(pool, webp_bomb(8), Limits())
        idle = resident_bytes(os.getpid())
        with most_resident_bytes(pool) as most:
            results = list(threads.map(result, files))
    assert all(isinstance(each, PictureError) or each == (280, 280, 3) for each, _ in results)
    assert max(seconds for _, seconds in results) < 10
    assert most[0] - idle < 2000 * MEGABYTE


PROFILES = {"RGB": P3, "L": grey_profile(gamma_curve(2.2)), "CMYK": cmyk_profile()}


@pytest.mark.extended
@pytest.mark.parametrize("mode", PROFILES)
def test_mutated_profiles_cost_nothing_but_themselves(mode):
    """600 files in all."""
    rng = random.Random(mode)
    picture = Image.new(mode, (64, 64), 100 if mode == "L" else (100, 150, 200, 0)[: len(mode)])
    files = [saved(picture, "TIFF", icc_profile=mutated(PROFILES[mode], rng) or b"\0") for _ in range(200)]
    with decoding_pool() as pool:
        assert [attempt(pool, data, Limits()) for data in files] == [(280, 280, 3)] * len(files)

"""Small colour profiles, and the colours that they mean, computed without LittleCMS. Layout: ICC.1:2022."""

import struct
from collections.abc import Mapping
from itertools import product

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
D65 = (0.3127, 0.3290)
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

Primaries = tuple[tuple[float, float], ...]


def fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(65536 * number) for number in numbers))


def of_srgb(values):
    """The curve of sRGB, from stored to linear values."""
    values = np.asarray(values, float)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_srgb(values):
    values = np.clip(values, 0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


SRGB_CURVE = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def sampled_curve(points: int) -> bytes:
    """The curve of sRGB by so many points, as the smallest profiles have it."""
    values = np.rint(65535 * of_srgb(np.linspace(0, 1, points))).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", points) + values.tobytes()


def gamma_curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * gamma))


def to_xyz(primaries: Primaries):
    """The matrix from linear RGB to XYZ, adapted to D50."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (*primaries, D65)]).T
    matrix, white = columns[:, :3], columns[:, 3]
    adapted = np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ D50 / (BRADFORD @ white)) @ BRADFORD
    return adapted @ matrix * np.linalg.solve(matrix, white)


def shown(colour, primaries: Primaries, curve=of_srgb) -> list[float]:
    """The sRGB of a stored colour, all from 0 to 255."""
    xyz = to_xyz(primaries) @ curve(np.asarray(colour) / 255)
    return list(255 * to_srgb(np.linalg.solve(to_xyz(SRGB), xyz)))


def shown_lab(lab) -> list[float]:
    """The sRGB of a colour in CIELab."""
    lightness = (lab[0] + 16) / 116
    roots = np.array([lightness + lab[1] / 500, lightness, lightness - lab[2] / 200])
    xyz = D50 * np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    return list(255 * to_srgb(np.linalg.solve(to_xyz(SRGB), xyz)))


def profile(
    tags: Mapping[bytes, bytes], space: bytes, device_class: bytes = b"mntr", connection_space: bytes = b"XYZ "
) -> bytes:
    table, values, start = b"", b"", 132 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(values), len(value))
        values += value + bytes(-len(value) % 4)
    header = struct.pack(">I4sI", start + len(values), b"none", 0x04300000) + device_class + space + connection_space
    header += bytes(12) + b"acsp" + bytes(28) + fixed(*D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + values


def rgb_profile(primaries: Primaries, curve: bytes = SRGB_CURVE, device_class: bytes = b"mntr") -> bytes:
    columns = zip((b"rXYZ", b"gXYZ", b"bXYZ"), to_xyz(primaries).T, strict=True)
    colours = {tag: b"XYZ " + bytes(4) + fixed(*column) for tag, column in columns}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return profile({b"wtpt": b"XYZ " + bytes(4) + fixed(*D50), **colours, **curves}, b"RGB ", device_class)


def grey_profile(curve: bytes) -> bytes:
    return profile({b"wtpt": b"XYZ " + bytes(4) + fixed(*D50), b"kTRC": curve}, b"GRAY")


def inks_lab(cyan: float, magenta: float, yellow: float, black: float) -> tuple[float, float, float]:
    """The CIELab of inks, each 0 or 1, in `cmyk_profile`: those of a press, which are not those of a screen."""
    left = (1 - 0.4 * cyan) * (1 - 0.5 * magenta) * (1 - 0.1 * yellow) * (1 - black)
    tint = (1 - black) / max(1, cyan + magenta + yellow)
    red, blue = -35 * cyan + 65 * magenta, -45 * cyan - 5 * magenta + 85 * yellow
    return 100 * left, tint * red, tint * blue


def cmyk_profile(device_class: bytes = b"prtr") -> bytes:
    """A table with two points a side."""
    nodes = [inks_lab(*inks) for inks in product((0, 1), repeat=4)]
    table = bytes(round(value) for lab in nodes for value in (lab[0] * 2.55, lab[1] + 128, lab[2] + 128))
    straight = bytes(range(256))
    head = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return profile({b"A2B0": head + 4 * straight + table + 3 * straight}, b"CMYK", device_class, b"Lab ")

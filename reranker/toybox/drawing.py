"""Draw scenes with Pillow, in flat colours with dark outlines."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from random import Random

from PIL import Image, ImageDraw

from reranker.toybox.scenes import FIGURE_PARTS, HELD_PARTS, Item, Scene

Point = tuple[float, float]
RGB = tuple[int, int, int]

SMOOTHING = 2  # scenes are drawn at this multiple of their size and averaged, so that edges are smooth
OUTLINE: RGB = (45, 40, 48)
SKIN: RGB = (244, 205, 170)
STRAW: RGB = (214, 178, 102)
WOOD: RGB = (134, 92, 58)
GLASS: RGB = (206, 229, 240)
PAINT: dict[str, RGB] = {
    "red": (214, 38, 42),
    "orange": (242, 134, 28),
    "yellow": (248, 220, 48),
    "green": (44, 150, 66),
    "blue": (42, 92, 206),
    "purple": (128, 58, 170),
    "pink": (246, 150, 190),
    "white": (252, 252, 252),
    "black": (30, 30, 32),
}


class Pen:
    """Draws in a box of the picture. (0, 0) is the upper left corner of the box, (1, 1) the lower right one."""

    def __init__(self, draw: ImageDraw.ImageDraw, left: float, top: float, width: float, height: float) -> None:
        self._draw, self._left, self._top, self._width, self._height = draw, left, top, width, height
        self.line_px = max(1, round(min(width, height) / 45))

    def part(self, left: float, top: float, right: float, bottom: float) -> "Pen":
        """A pen for a part of the box, whose limits are in fractions of the box."""
        x, y = self._at((left, top))
        return Pen(self._draw, x, y, (right - left) * self._width, (bottom - top) * self._height)

    def _at(self, point: Point) -> Point:
        return self._left + point[0] * self._width, self._top + point[1] * self._height

    def shape(self, colour: RGB, *points: Point) -> None:
        """Draw a filled polygon with an outline."""
        corners = [self._at(point) for point in points]
        self._draw.polygon(corners, fill=colour, outline=OUTLINE, width=self.line_px)

    def oval(self, colour: RGB, left: float, top: float, right: float, bottom: float) -> None:
        """Draw a filled ellipse with an outline."""
        box = (*self._at((left, top)), *self._at((right, bottom)))
        self._draw.ellipse(box, fill=colour, outline=OUTLINE, width=self.line_px)

    def slice(self, colour: RGB, box: tuple[float, float, float, float], start: float, end: float) -> None:
        """Draw a filled sector of an ellipse. start, end: in degrees, clockwise from the positive x axis."""
        corners = (*self._at(box[:2]), *self._at(box[2:]))
        self._draw.pieslice(corners, start, end, fill=colour, outline=OUTLINE, width=self.line_px)

    def line(self, colour: RGB, *points: Point, width: float = 1.0) -> None:
        """Draw a line. width: as a multiple of the width of outlines."""
        width_px = max(1, round(self.line_px * width))
        self._draw.line([self._at(point) for point in points], fill=colour, width=width_px, joint="curve")


def shade(colour: RGB, factor: float) -> RGB:
    """The colour multiplied by a factor: darker if it is below 1, lighter if above."""
    red, green, blue = (min(255, round(value * factor)) for value in colour)
    return red, green, blue


def _rectangle(pen: Pen, colour: RGB, left: float, top: float, right: float, bottom: float) -> None:
    pen.shape(colour, (left, top), (right, top), (right, bottom), (left, bottom))


def _eyes(pen: Pen, *centres: Point, radius: float = 0.02) -> None:
    for x, y in centres:
        pen.oval((255, 255, 255), x - 1.6 * radius, y - 1.6 * radius, x + 1.6 * radius, y + 1.6 * radius)
        pen.oval(OUTLINE, x - radius, y - radius, x + radius, y + radius)


def _head(pen: Pen, hair: RGB, *, long_hair: bool, centre: float = 0.5) -> None:
    if long_hair:
        pen.oval(hair, centre - 0.29, 0.04, centre + 0.29, 0.36)
    pen.oval(SKIN, centre - 0.21, 0.06, centre + 0.21, 0.28)
    pen.slice(hair, (centre - 0.23, 0.03, centre + 0.23, 0.25), 180, 360)
    _eyes(pen, (centre - 0.08, 0.18), (centre + 0.08, 0.18), radius=0.016)


def _legs(pen: Pen, colour: RGB, top: float) -> None:
    for left in (0.33, 0.54):
        _rectangle(pen, colour, left, top, left + 0.13, 0.97)


def _arms(pen: Pen, colour: RGB) -> None:
    pen.line(OUTLINE, (0.30, 0.36), (0.08, 0.56), width=6)
    pen.line(colour, (0.30, 0.36), (0.08, 0.56), width=4)
    pen.line(OUTLINE, (0.70, 0.36), (0.92, 0.56), width=6)
    pen.line(colour, (0.70, 0.36), (0.92, 0.56), width=4)


def _woman(pen: Pen, colour: RGB) -> None:
    _legs(pen, SKIN, 0.82)
    _arms(pen, SKIN)
    pen.shape(colour, (0.34, 0.29), (0.66, 0.29), (0.96, 0.88), (0.04, 0.88))
    _head(pen, (84, 52, 34), long_hair=True)


def _man(pen: Pen, colour: RGB) -> None:
    _legs(pen, (92, 98, 112), 0.66)
    _arms(pen, colour)
    _rectangle(pen, colour, 0.18, 0.29, 0.82, 0.70)
    _head(pen, (52, 42, 38), long_hair=False)


def _girl(pen: Pen, colour: RGB) -> None:
    _legs(pen, SKIN, 0.76)
    _arms(pen, SKIN)
    pen.shape(colour, (0.36, 0.36), (0.64, 0.36), (0.92, 0.80), (0.08, 0.80))
    for left in (0.02, 0.74):  # two bunches of hair distinguish her from the woman
        pen.oval((196, 120, 50), left, 0.16, left + 0.24, 0.40)
    pen.oval(SKIN, 0.22, 0.06, 0.78, 0.37)
    pen.slice((196, 120, 50), (0.20, 0.02, 0.80, 0.34), 180, 360)
    _eyes(pen, (0.39, 0.24), (0.61, 0.24), radius=0.022)


def _dog(pen: Pen, colour: RGB) -> None:
    for left in (0.16, 0.30, 0.54, 0.66):
        _rectangle(pen, colour, left, 0.60, left + 0.10, 0.97)
    pen.line(OUTLINE, (0.14, 0.46), (0.02, 0.20), width=5)
    pen.line(colour, (0.14, 0.46), (0.02, 0.20), width=3)
    pen.oval(colour, 0.08, 0.36, 0.80, 0.76)
    _rectangle(pen, colour, 0.76, 0.22, 0.99, 0.42)
    pen.oval(colour, 0.58, 0.06, 0.88, 0.48)
    pen.oval(shade(colour, 0.72), 0.56, 0.08, 0.68, 0.46)  # the hanging ear
    _eyes(pen, (0.76, 0.20), radius=0.02)
    pen.oval(OUTLINE, 0.93, 0.20, 1.0, 0.28)


def _cat(pen: Pen, colour: RGB) -> None:
    pen.line(OUTLINE, (0.70, 0.88), (0.95, 0.80), (0.94, 0.45), width=6)
    pen.line(colour, (0.70, 0.88), (0.95, 0.80), (0.94, 0.45), width=4)
    pen.oval(colour, 0.18, 0.44, 0.80, 0.99)
    pen.shape(colour, (0.16, 0.02), (0.40, 0.16), (0.18, 0.34))
    pen.shape(colour, (0.80, 0.02), (0.56, 0.16), (0.78, 0.34))
    pen.oval(colour, 0.14, 0.10, 0.82, 0.58)
    _eyes(pen, (0.36, 0.31), (0.60, 0.31), radius=0.035)
    pen.shape((236, 130, 150), (0.44, 0.40), (0.52, 0.40), (0.48, 0.46))
    for rise in (0.40, 0.48):
        pen.line(OUTLINE, (0.02, rise), (0.30, 0.44))
        pen.line(OUTLINE, (0.94, rise), (0.66, 0.44))


def _bird(pen: Pen, colour: RGB) -> None:
    pen.shape(shade(colour, 0.8), (0.26, 0.52), (0.0, 0.36), (0.04, 0.68))
    for foot in (0.44, 0.54):
        pen.line((200, 120, 20), (foot, 0.76), (foot, 0.98), width=2)
    pen.oval(colour, 0.14, 0.28, 0.76, 0.82)
    pen.oval(colour, 0.54, 0.04, 0.88, 0.46)
    pen.shape(shade(colour, 0.7), (0.30, 0.44), (0.60, 0.48), (0.30, 0.72))
    pen.shape((245, 160, 30), (0.86, 0.18), (1.0, 0.26), (0.86, 0.32))
    _eyes(pen, (0.74, 0.20), radius=0.024)


def _fish(pen: Pen, colour: RGB) -> None:
    pen.shape(colour, (0.26, 0.5), (0.0, 0.12), (0.0, 0.88))
    pen.shape(shade(colour, 0.75), (0.40, 0.24), (0.70, 0.20), (0.50, 0.0))
    pen.oval(colour, 0.16, 0.14, 0.99, 0.86)
    for x in (0.42, 0.56):
        pen.line(OUTLINE, (x, 0.30), (x + 0.06, 0.50), (x, 0.70))
    _eyes(pen, (0.82, 0.40), radius=0.03)


def _house(pen: Pen, colour: RGB) -> None:
    _rectangle(pen, colour, 0.10, 0.42, 0.90, 0.99)
    pen.shape(shade(colour, 0.65), (0.0, 0.44), (0.5, 0.02), (1.0, 0.44))
    _rectangle(pen, WOOD, 0.42, 0.66, 0.60, 0.99)
    for left in (0.18, 0.68):
        _rectangle(pen, GLASS, left, 0.54, left + 0.16, 0.72)


def _tree(pen: Pen, colour: RGB) -> None:
    _rectangle(pen, WOOD, 0.42, 0.56, 0.58, 0.99)
    pen.oval(colour, 0.02, 0.22, 0.60, 0.70)
    pen.oval(colour, 0.40, 0.22, 0.98, 0.70)
    pen.oval(colour, 0.16, 0.01, 0.84, 0.54)


def _flower(pen: Pen, colour: RGB) -> None:
    pen.line((40, 120, 50), (0.5, 0.5), (0.5, 0.98), width=4)
    pen.shape((52, 150, 62), (0.5, 0.86), (0.86, 0.68), (0.72, 0.90))
    pen.shape((52, 150, 62), (0.5, 0.92), (0.14, 0.72), (0.28, 0.94))
    for x, y in ((0.50, 0.16), (0.78, 0.27), (0.68, 0.50), (0.32, 0.50), (0.22, 0.27)):
        pen.oval(colour, x - 0.22, y - 0.16, x + 0.22, y + 0.16)
    pen.oval((236, 190, 60), 0.36, 0.24, 0.64, 0.44)


def _wheels(pen: Pen, top: float, *lefts: float) -> None:
    for left in lefts:
        pen.oval((58, 58, 62), left, top, left + 0.20, 0.99)
        pen.oval((190, 190, 195), left + 0.06, top + 0.10, left + 0.14, 0.89)


def _car(pen: Pen, colour: RGB) -> None:
    pen.shape(colour, (0.18, 0.46), (0.32, 0.08), (0.70, 0.08), (0.84, 0.46))
    pen.shape(GLASS, (0.26, 0.44), (0.36, 0.16), (0.49, 0.16), (0.49, 0.44))
    pen.shape(GLASS, (0.53, 0.44), (0.53, 0.16), (0.66, 0.16), (0.75, 0.44))
    _rectangle(pen, colour, 0.01, 0.42, 0.99, 0.80)
    _wheels(pen, 0.62, 0.14, 0.66)


def _fire_truck(pen: Pen, colour: RGB) -> None:
    _rectangle(pen, colour, 0.01, 0.34, 0.66, 0.84)
    _rectangle(pen, colour, 0.66, 0.20, 0.99, 0.84)
    _rectangle(pen, GLASS, 0.76, 0.28, 0.95, 0.50)
    _rectangle(pen, (40, 140, 240), 0.74, 0.06, 0.90, 0.20)
    pen.shape((176, 180, 186), (0.0, 0.20), (0.70, 0.06), (0.70, 0.16), (0.0, 0.32))  # the ladder
    for x in (0.10, 0.24, 0.38, 0.52, 0.64):
        pen.line(OUTLINE, (x, 0.30 - 0.2 * x), (x, 0.18 - 0.2 * x))
    _rectangle(pen, (240, 240, 235), 0.01, 0.52, 0.66, 0.62)
    _wheels(pen, 0.68, 0.08, 0.42, 0.74)


def _boat(pen: Pen, colour: RGB) -> None:
    pen.shape(colour, (0.0, 0.66), (1.0, 0.66), (0.82, 0.99), (0.18, 0.99))
    pen.line(OUTLINE, (0.48, 0.0), (0.48, 0.66), width=3)
    pen.shape(shade(colour, 0.85), (0.53, 0.04), (0.53, 0.60), (0.96, 0.60))
    pen.shape((246, 240, 226), (0.43, 0.12), (0.43, 0.60), (0.08, 0.60))


def _cup(pen: Pen, colour: RGB) -> None:
    pen.oval(colour, 0.62, 0.26, 0.99, 0.76)
    pen.oval((250, 246, 236), 0.70, 0.36, 0.90, 0.66)
    pen.shape(colour, (0.04, 0.12), (0.78, 0.12), (0.70, 0.98), (0.12, 0.98))
    pen.oval(shade(colour, 0.6), 0.04, 0.02, 0.78, 0.24)


def _ball(pen: Pen, colour: RGB) -> None:
    pen.oval(colour, 0.01, 0.01, 0.99, 0.99)
    pen.line(OUTLINE, (0.03, 0.40), (0.5, 0.52), (0.97, 0.40))
    pen.line(OUTLINE, (0.5, 0.52), (0.5, 0.98))
    pen.oval((255, 255, 255), 0.24, 0.14, 0.42, 0.30)


def _umbrella(pen: Pen, colour: RGB) -> None:
    pen.line(OUTLINE, (0.5, 0.4), (0.5, 0.92), (0.62, 0.96), width=3)
    _canopy(pen, colour, 0.0, 1.16)


def _canopy(pen: Pen, colour: RGB, top: float, bottom: float) -> None:
    """The cloth of an umbrella: the upper half of an ellipse, divided by lines."""
    pen.slice(colour, (0.0, top, 1.0, bottom), 180, 360)
    middle = (top + bottom) / 2
    for x in (0.34, 0.66):
        pen.line(OUTLINE, (0.5, top), (x, middle))


THING_DRAWERS: dict[str, Callable[[Pen, RGB], None]] = {
    "woman": _woman,
    "man": _man,
    "girl": _girl,
    "dog": _dog,
    "cat": _cat,
    "bird": _bird,
    "fish": _fish,
    "house": _house,
    "tree": _tree,
    "flower": _flower,
    "car": _car,
    "fire truck": _fire_truck,
    "boat": _boat,
    "cup": _cup,
    "ball": _ball,
    "umbrella": _umbrella,
}


def _straw_hat(pen: Pen) -> None:
    pen.oval(STRAW, 0.0, 0.08, 1.0, 0.22)
    pen.slice(STRAW, (0.20, -0.03, 0.80, 0.29), 180, 360)
    pen.line((150, 104, 50), (0.22, 0.13), (0.78, 0.13), width=3)


def _draw_person(pen: Pen, item: Item) -> None:
    """Draw the figure, and what it wears and holds."""
    figure = pen.part(*FIGURE_PARTS[item.held])
    THING_DRAWERS[item.thing](figure, PAINT[item.colour])
    if item.straw_hat:
        _straw_hat(figure)
    if item.held and item.held_colour:
        _draw_held(pen, item.held, PAINT[item.held_colour])


def _draw_held(pen: Pen, held: str, colour: RGB) -> None:
    if held == "umbrella":
        pen.line(OUTLINE, (0.80, 0.10), (0.80, 0.62), width=3)
        _canopy(pen, colour, 0.0, 0.60)
    else:
        _ball(pen.part(*HELD_PARTS[held]), colour)


def _draw_item(draw: ImageDraw.ImageDraw, scene: Scene, index: int) -> None:
    item, box = scene.items[index], scene.boxes[index]
    width, height = box.width * scene.width_px, box.height * scene.height_px
    left, top = box.x * scene.width_px - width / 2, box.y * scene.height_px - height / 2
    pen = Pen(draw, left, top, width, height)
    if item.is_person:
        _draw_person(pen, item)
    else:
        THING_DRAWERS[item.thing](pen, PAINT[item.colour])


def _bands(draw: ImageDraw.ImageDraw, scene: Scene, bands: Sequence[tuple[float, RGB]]) -> None:
    """Draw horizontal bands, each from its top (a fraction of the height) to the lower edge of the picture."""
    for top, colour in bands:
        draw.rectangle((0, top * scene.height_px, scene.width_px, scene.height_px), fill=colour)


def _specks(draw: ImageDraw.ImageDraw, scene: Scene, rng: Random, colour: RGB, top: float, size: float) -> None:
    """Scatter small marks below `top`, a fraction of the height. size: a fraction of the width."""
    radius = max(1.0, size * scene.width_px)
    for _ in range(26):
        x, y = rng.random() * scene.width_px, rng.uniform(top, 1.0) * scene.height_px
        draw.ellipse((x - radius, y - radius / 2, x + radius, y + radius / 2), fill=colour)


def _window_sill(draw: ImageDraw.ImageDraw, scene: Scene, rng: Random) -> None:
    horizon = rng.uniform(0.68, 0.80)
    _bands(draw, scene, ((0.0, (196, 222, 238)), (horizon, (188, 150, 108))))
    width, height = scene.width_px, scene.height_px
    frame = max(3, round(0.045 * width))
    for x in (0.0, rng.uniform(0.42, 0.58), 1.0):
        draw.rectangle((x * width - frame / 2, 0, x * width + frame / 2, horizon * height), fill=(160, 124, 88))
    bar = rng.uniform(0.25, 0.42) * height
    draw.rectangle((0, bar - frame / 2, width, bar + frame / 2), fill=(160, 124, 88))


def _grass(draw: ImageDraw.ImageDraw, scene: Scene, rng: Random) -> None:
    horizon = rng.uniform(0.22, 0.45)
    _bands(draw, scene, ((0.0, (188, 224, 246)), (horizon, (150, 204, 116))))
    _specks(draw, scene, rng, (120, 178, 92), horizon, 0.012)


def _sea(draw: ImageDraw.ImageDraw, scene: Scene, rng: Random) -> None:
    horizon = rng.uniform(0.22, 0.40)
    shore = rng.uniform(0.76, 0.86)
    _bands(draw, scene, ((0.0, (206, 234, 248)), (horizon, (98, 178, 214)), (shore, (240, 224, 180))))
    _specks(draw, scene, rng, (150, 208, 232), horizon, 0.03)


def _snow(draw: ImageDraw.ImageDraw, scene: Scene, rng: Random) -> None:
    horizon = rng.uniform(0.30, 0.50)
    _bands(draw, scene, ((0.0, (172, 186, 204)), (horizon, (232, 238, 246))))
    _specks(draw, scene, rng, (250, 252, 255), 0.0, 0.012)


def _night_street(draw: ImageDraw.ImageDraw, scene: Scene, rng: Random) -> None:
    horizon = rng.uniform(0.55, 0.72)
    _bands(draw, scene, ((0.0, (58, 66, 112)), (horizon, (104, 104, 116))))
    width, height = scene.width_px, scene.height_px
    radius = max(1.5, 0.005 * width)
    for _ in range(14):
        x, y = rng.random() * width, rng.random() * horizon * height
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(250, 244, 200))
    for x in range(4):
        left = (x + 0.25) / 4 * width
        stripe = (left, (horizon + 0.13) * height, left + 0.12 * width, (horizon + 0.16) * height)
        draw.rectangle(stripe, fill=(226, 220, 190))


def _desert(draw: ImageDraw.ImageDraw, scene: Scene, rng: Random) -> None:
    horizon = rng.uniform(0.34, 0.52)
    _bands(draw, scene, ((0.0, (252, 232, 200)), (horizon, (232, 196, 132))))
    _specks(draw, scene, rng, (214, 174, 108), horizon, 0.02)


PLACE_DRAWERS: dict[str, Callable[[ImageDraw.ImageDraw, Scene, Random], None]] = {
    "window sill": _window_sill,
    "grass": _grass,
    "sea": _sea,
    "snow": _snow,
    "street at night": _night_street,
    "desert": _desert,
}


def draw_scene(scene: Scene) -> Image.Image:
    """The picture of a scene: RGB, `width_px` x `height_px`. Equal scenes give equal pixels."""
    canvas = replace(scene, width_px=SMOOTHING * scene.width_px, height_px=SMOOTHING * scene.height_px)
    picture = Image.new("RGB", (canvas.width_px, canvas.height_px))
    draw = ImageDraw.Draw(picture)
    PLACE_DRAWERS[canvas.place](draw, canvas, Random(canvas.seed))
    for index in range(len(canvas.items)):
        _draw_item(draw, canvas, index)
    return picture.reduce(SMOOTHING)


def png_bytes(scene: Scene) -> bytes:
    """The picture of a scene as a PNG file."""
    buffer = BytesIO()
    draw_scene(scene).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()

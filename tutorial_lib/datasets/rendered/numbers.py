"""Rendered house numbers: 64x64 RGB crops of one digit, each a pure function of (seed, index).

They stand in for the SVHN crops of the paper: the digit in the middle is the label, its neighbors
in the number, if it has any, are cut by the picture's border. `sample_attributes(seed, index)`
draws what a picture shows, `draw(attributes)` paints it; `SyntheticNumbers` is the torch data set,
and its `render(seed, index)` does both.

How a number is painted: glyphs of the fonts that ship with matplotlib stand on a plane that is
slanted, turned and seen in perspective; Pillow lays them at twice the size and averages down to
64x64. Plate, screws and wall are functions of each pixel's place on that plane. Light, relief,
shadows, blur and grain follow in numpy.

Attributes (all of them; the pixel unit is that of the 64x64 picture)
    digit           int 0..9        the one in the middle
    left, right     int -1..9       its neighbors in the number; -1: none
    font            "sans", "sans bold", "sans oblique", "condensed", "serif", "serif bold",
                    "modern", "roman", "roman bold", "roman italic", "grotesque", "typewriter"
    weight          float 0..1      thickens the strokes, by up to 1.6 pixels
    height          float 38..52    of the digits, in pixels
    stretch         float 0.85..1.15    wider than the font has it
    spacing         float 0..1      tight to wide
    slant           float -12..12   degrees, positive: leans to the right
    turn            float -9..9     degrees, positive: clockwise
    tilt_x, tilt_y  float -1..1     perspective; positive: right side, bottom are farther away
    shift_x, shift_y                float -1..1, times 2.5 pixels
    ground          "plate", "oval", "tiles", "wall"    what the digits stand on
    ground_color    "white", "cream", "gray", "black", "navy", "blue", "green", "brown", "red",
                    "brass"
    wall            "plain", "stucco", "brick", "wood"  around the plate, or behind the digits
    wall_color      "white", "cream", "gray", "brick", "brown", "slate", "sage"
    digit_color     "white", "cream", "gray", "black", "navy", "blue", "green", "brown", "red",
                    "brass"
    digit_tint, ground_tint         float -1..1     lighter or darker than the named color
    finish          "painted", "outlined", "raised", "embossed", "engraved"
    rim             float 0..1      the plate's edge line; below 0.4: none
    screws          "none", "sides", "corners"      on a plate; an oval has them at its sides
    light_x, light_y                float -1..1     where the light comes from; positive: from the
                                    right, from below
    light_strength  float 0..1      fall-off over the picture, depth of shadows
    shade           float 0..1      a shadow that falls across; 0: none
    exposure        float 0..1      dark to bright
    warmth          float -1..1     bluish to yellowish light
    blur            float 0..1
    grain           float 0..1
    dirt            float 0..1
    texture         int             seed of grain, dirt and the wall's irregularities
"""

from __future__ import annotations

import functools
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tutorial_lib.datasets.rendered.base import (
    SIZE,
    Draws,
    RenderedPictures,
    blurred,
    from_bytes,
    photographed,
    smooth_noise,
    to_bytes,
)

SUPERSAMPLE = 2
GLYPH = 96  # height in pixels at which digits are drawn before they are laid on the plane
STRIP = (384, 128)  # width, height of the drawing that holds three of them

# File, and how much narrower than the font has it the digits are.
_FONTS = {
    "sans": ("DejaVuSans.ttf", 1.0),
    "sans bold": ("DejaVuSans-Bold.ttf", 0.95),
    "sans oblique": ("DejaVuSans-Oblique.ttf", 1.0),
    "condensed": ("DejaVuSans-Bold.ttf", 0.76),
    "serif": ("DejaVuSerif.ttf", 1.0),
    "serif bold": ("DejaVuSerif-Bold.ttf", 0.95),
    "modern": ("cmb10.ttf", 1.05),
    "roman": ("STIXGeneral.ttf", 1.08),
    "roman bold": ("STIXGeneralBol.ttf", 1.08),
    "roman italic": ("STIXGeneralBolIta.ttf", 1.05),
    "grotesque": ("cmss10.ttf", 1.1),
    "typewriter": ("cmtt10.ttf", 1.1),
}
# Fonts with thin strokes are thickened a little: house numbers are made to be read from the street.
_THIN = {
    "roman": 2.0,
    "grotesque": 2.5,
    "typewriter": 2.5,
    "serif": 1.0,
    "sans": 1.0,
    "sans oblique": 1.0,
}
_COLORS = {
    "white": (236, 236, 232),
    "cream": (228, 214, 180),
    "gray": (150, 152, 154),
    "black": (34, 34, 37),
    "navy": (32, 44, 88),
    "blue": (44, 96, 172),
    "green": (36, 92, 62),
    "brown": (92, 60, 40),
    "red": (166, 42, 38),
    "brass": (188, 150, 78),
}
_WALLS = {
    "white": (218, 216, 210),
    "cream": (214, 198, 166),
    "gray": (150, 148, 146),
    "brick": (158, 86, 66),
    "brown": (124, 88, 60),
    "slate": (88, 96, 106),
    "sage": (138, 150, 124),
}
CONTRAST = 0.3  # least difference in lightness between digits and what is behind them


_GROUND_WEIGHTS: dict[str, float] = {
    "white": 24,
    "cream": 12,
    "gray": 8,
    "black": 14,
    "navy": 9,
    "blue": 10,
    "green": 8,
    "brown": 8,
    "red": 5,
    "brass": 6,
}
_DIGIT_WEIGHTS: dict[str, float] = {
    "white": 24,
    "cream": 6,
    "gray": 5,
    "black": 26,
    "navy": 8,
    "blue": 7,
    "green": 5,
    "brown": 6,
    "red": 5,
    "brass": 8,
}
_FINISHES: dict[str, dict[str, float]] = {
    "plate": {"painted": 46, "outlined": 14, "raised": 14, "embossed": 16, "engraved": 10},
    "oval": {"painted": 50, "outlined": 14, "raised": 10, "embossed": 16, "engraved": 10},
    "tiles": {"painted": 80, "outlined": 20},
    "wall": {"painted": 18, "outlined": 8, "raised": 62, "embossed": 12},
}


def lightness(color) -> float:
    """Rec. 709 luma, 0..1, of a color 0..255."""
    return float(np.dot(color, (0.2126, 0.7152, 0.0722)) / 255.0)


def sample_attributes(seed: int, index: int) -> dict:
    """Draw what number `index` of stream `seed` is like: see the top of this module."""
    draws = Draws(seed, index)
    number, bell, choice = draws.number, draws.bell, draws.choice
    digits = choice({"alone": 22, "left": 22, "right": 22, "both": 34})
    ground = choice({"plate": 42, "oval": 10, "tiles": 12, "wall": 36})
    wall = choice({"plain": 30, "stucco": 26, "brick": 22, "wood": 22})
    wall_colors: dict[str, dict[str, float]] = {
        "plain": {"white": 3, "cream": 3, "gray": 3, "slate": 2, "sage": 2},
        "stucco": {"white": 3, "cream": 3, "gray": 3, "slate": 1, "sage": 2},
        "brick": {"brick": 6, "brown": 2, "gray": 2, "cream": 1},
        "wood": {"brown": 4, "white": 2, "slate": 2, "sage": 2, "gray": 1},
    }
    wall_color = choice(wall_colors[wall])
    glazed: dict[str, float] = {"white": 10, "cream": 6, "navy": 2, "blue": 3, "green": 1}
    ground_color = choice(glazed if ground == "tiles" else _GROUND_WEIGHTS)
    behind = lightness(_WALLS[wall_color] if ground == "wall" else _COLORS[ground_color])
    readable = {
        name: weight
        for name, weight in _DIGIT_WEIGHTS.items()
        if abs(lightness(_COLORS[name]) - behind) >= CONTRAST
    }
    return {
        "digit": int(draws.rng.integers(10)),
        "left": int(draws.rng.integers(10)) if digits in ("left", "both") else -1,
        "right": int(draws.rng.integers(10)) if digits in ("right", "both") else -1,
        "font": choice(
            {
                "sans": 12,
                "sans bold": 14,
                "sans oblique": 4,
                "condensed": 13,
                "serif": 8,
                "serif bold": 9,
                "modern": 8,
                "roman": 7,
                "roman bold": 8,
                "roman italic": 4,
                "grotesque": 8,
                "typewriter": 5,
            }
        ),
        "weight": number(),
        "height": number(38.0, 52.0),
        "stretch": number(0.85, 1.15),
        "spacing": number(),
        "slant": bell(4.0, 12.0),
        "turn": bell(3.0, 9.0),
        "tilt_x": bell(0.4, 1.0),
        "tilt_y": bell(0.35, 1.0),
        "shift_x": bell(0.4, 1.0),
        "shift_y": bell(0.4, 1.0),
        "ground": ground,
        "ground_color": ground_color,
        "wall": wall,
        "wall_color": wall_color,
        "digit_color": choice(readable),
        "digit_tint": number(-1.0, 1.0),
        "ground_tint": number(-1.0, 1.0),
        "finish": choice(_FINISHES[ground]),
        "rim": number(),
        "screws": choice({"none": 55, "sides": 25, "corners": 20}),
        "light_x": number(-1.0, 1.0),
        "light_y": -abs(bell(0.6, 1.0)) if number() < 0.9 else number(0.0, 1.0),
        "light_strength": number(),
        "shade": number() if number() < 0.3 else 0.0,
        "exposure": number(),
        "warmth": bell(0.5, 1.0),
        "blur": number() ** 1.5,
        "grain": number(),
        "dirt": number() ** 2,
        "texture": draws.texture(),
    }


# -- painting --

# Plane coordinates: pixels of the 64x64 picture, x right, y down, origin in the middle of the
# digit.


@functools.lru_cache(maxsize=64)
def _font(name: str) -> ImageFont.FreeTypeFont:
    """The font at the size at which an 8 is GLYPH pixels high."""
    import matplotlib  # here, as it takes a second that only those who render need

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / _FONTS[name][0]
    trial = ImageFont.truetype(path, 100, layout_engine=ImageFont.Layout.BASIC)
    top, bottom = trial.getbbox("8")[1::2]
    return ImageFont.truetype(
        path, round(100 * GLYPH / (bottom - top)), layout_engine=ImageFont.Layout.BASIC
    )


@functools.lru_cache(maxsize=4096)
def _glyph(font: str, digit: int, stroke: float) -> tuple[Image.Image, float]:
    """Mask of a digit with thickened strokes, and its width; cached, as many pictures share it."""
    face = _font(font)
    left, top, right, bottom = face.getbbox(str(digit))
    pad = math.ceil(stroke) + 2
    picture = Image.new("L", (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad))
    ImageDraw.Draw(picture).text(
        (pad - left, pad - top), str(digit), font=face, fill=255, stroke_width=stroke
    )
    narrower = _FONTS[font][1]
    if narrower != 1.0:
        picture = picture.resize(
            (round(picture.width * narrower), picture.height), Image.Resampling.BILINEAR
        )
    return picture, (right - left) * narrower


class _Number:
    """A (64, 64, 3) canvas with the plane the number stands on.

    A method a part, called in the order of `draw`.
    """

    def __init__(self, a: dict):
        self.a = a
        self.rng = np.random.default_rng(a["texture"])
        angle, slant = math.radians(a["turn"]), math.tan(math.radians(a["slant"]))
        move = np.array(
            [
                [1, 0, SIZE / 2 + 2.5 * a["shift_x"]],
                [0, 1, SIZE / 2 + 2.5 * a["shift_y"]],
                [0, 0, 1],
            ]
        )
        tilt = np.array([[1, 0, 0], [0, 1, 0], [0.0042 * a["tilt_x"], 0.0042 * a["tilt_y"], 1]])
        turn = np.array(
            [
                [math.cos(angle), -math.sin(angle), 0],
                [math.sin(angle), math.cos(angle), 0],
                [0, 0, 1],
            ]
        )
        self.upright = np.linalg.inv(move @ tilt @ turn)  # picture -> plane
        self.slanted = np.linalg.inv(
            move @ tilt @ turn @ np.array([[1, -slant, 0], [0, 1, 0], [0, 0, 1]])
        )
        rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5
        m = self.upright.astype(np.float32)
        depth = m[2, 0] * columns + m[2, 1] * rows + m[2, 2]
        self.x = (m[0, 0] * columns + m[0, 1] * rows + m[0, 2]) / depth
        self.y = (m[1, 0] * columns + m[1, 1] * rows + m[1, 2]) / depth
        self.rows, self.columns = rows, columns
        self.canvas = np.zeros((SIZE, SIZE, 3), np.float32)
        self.relief = np.zeros((SIZE, SIZE), np.float32)  # what light and shadow add at the end
        self.light = np.array([a["light_x"], a["light_y"] - 0.2])
        self.light /= max(1.0, float(np.hypot(*self.light)))
        self.digit_scale = a["height"] / GLYPH
        self.places = self._places()

    # -- tools --

    def paint(self, mask: np.ndarray, color) -> None:
        """Lay a color (3,) or a picture (64, 64, 3) over the canvas where the mask is 1."""
        self.canvas += mask[..., None] * (color - self.canvas)

    def darken(self, mask: np.ndarray, amount: float) -> None:
        self.canvas *= (1.0 - amount * mask)[..., None]

    def moved(self, mask: np.ndarray, dx: float, dy: float) -> np.ndarray:
        """A mask shifted by parts of a pixel."""
        picture = Image.fromarray(to_bytes(mask))
        shifted = picture.transform(
            picture.size, Image.Transform.AFFINE, (1, 0, -dx, 0, 1, -dy), Image.Resampling.BILINEAR
        )
        return np.asarray(shifted, np.float32) / 255.0

    def tinted(self, color, tint: float) -> np.ndarray:
        return np.clip(from_bytes(color) * (1.0 + 0.14 * tint), 0, 1)

    # -- parts --

    def _places(self) -> list[tuple[int, float, float]]:
        """(digit, x of its middle, width) of the digits, in strip pixels.

        The middle one stands at 0.
        """
        a = self.a
        gap = GLYPH * (0.08 + 0.14 * a["spacing"])
        if a["ground"] == "tiles":
            gap += 0.14 * GLYPH
        width = {
            digit: _glyph(a["font"], digit, 0.0)[1]
            for digit in {a["digit"], a["left"], a["right"]}
            if digit >= 0
        }
        places = [(a["digit"], 0.0, width[a["digit"]])]
        for side, digit in ((-1, a["left"]), (1, a["right"])):
            if digit >= 0:
                # A 1 is narrow, but its neighbors do not come nearer than to a slim digit.
                middle, beside = (max(width[d], 0.42 * GLYPH) for d in (a["digit"], digit))
                apart = middle / 2 + gap + beside / 2
                places.append((digit, side * apart, width[digit]))
        return places

    def glyphs(self, stroke: float) -> np.ndarray:
        """(64, 64) mask of all digits.

        Args:
            stroke: how much thicker, in strip pixels; rounded so that glyphs can be cached.
        """
        stroke = round(2 * max(0.0, stroke)) / 2
        strip = Image.new("L", STRIP)
        for digit, x, _ in self.places:
            glyph, _ = _glyph(self.a["font"], digit, stroke)
            left = round(STRIP[0] / 2 + x - glyph.width / 2)
            top = round(STRIP[1] / 2 - glyph.height / 2)
            strip.paste(glyph, (left, top), glyph)
        scale = self.digit_scale
        to_strip = np.array(
            [
                [1 / (scale * self.a["stretch"]), 0, STRIP[0] / 2],
                [0, 1 / scale, STRIP[1] / 2],
                [0, 0, 1],
            ]
        )
        m = to_strip @ self.slanted @ np.diag([1 / SUPERSAMPLE, 1 / SUPERSAMPLE, 1.0])
        m /= m[2, 2]
        picture = strip.transform(
            (SIZE * SUPERSAMPLE, SIZE * SUPERSAMPLE),
            Image.Transform.PERSPECTIVE,
            m.ravel()[:8].tolist(),
            Image.Resampling.BILINEAR,
        )
        return np.asarray(picture.reduce(SUPERSAMPLE), np.float32) / 255.0

    def wall(self) -> None:
        a, x, y = self.a, self.x, self.y
        color = self.tinted(_WALLS[a["wall_color"]], a["ground_tint"])
        uneven = smooth_noise(self.rng, 5)
        self.canvas[:] = color * (0.94 + 0.12 * uneven)[..., None]
        if a["wall"] == "stucco":
            bumps = smooth_noise(self.rng, 26)
            self.relief += 0.45 * (bumps - self.moved(bumps, -self.light[0], -self.light[1]))
        elif a["wall"] == "brick":
            height, width = self.rng.uniform(13, 19), self.rng.uniform(30, 42)
            row = (y + self.rng.uniform(0, height)) / height
            course = np.floor(row)
            place = (x + self.rng.uniform(0, width)) / width + 0.5 * (course % 2)
            joint = np.minimum(
                (0.5 - np.abs(row % 1 - 0.5)) * height, (0.5 - np.abs(place % 1 - 0.5)) * width
            )
            shades = (
                np.sin(course * 12.9898 + np.floor(place) * 78.233 + a["texture"] % 997) * 43758.5
            )
            self.canvas *= (0.86 + 0.26 * (shades % 1))[..., None]
            mortar = np.clip(1.7 - joint, 0, 1)
            tone = 0.7 if lightness(_WALLS[a["wall_color"]]) > 0.5 else 1.0
            self.paint(mortar, from_bytes((176, 168, 156)) * tone)
            self.relief += 0.25 * (self.moved(mortar, *-self.light) - mortar)
        elif a["wall"] == "wood":
            height = self.rng.uniform(17, 26)
            row = (y + self.rng.uniform(0, height)) / height
            seam = (row % 1) * height
            coarse = Image.fromarray(self.rng.integers(0, 256, (40, 3), np.uint8))
            fine = coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
            grain = np.asarray(fine, np.float32) / 255.0
            self.canvas *= (0.9 + 0.16 * grain + 0.06 * np.sin(np.floor(row) * 7.7))[..., None]
            # Clapboard: each board's lower edge throws a shadow on the one below.
            self.darken(np.clip(1.6 - seam, 0, 1), 0.5)
            self.darken(np.clip(1 - seam / 5.0, 0, 1), 0.22)

    def plate(self) -> None:
        a = self.a
        if a["ground"] == "wall":
            return
        color = self.tinted(_COLORS[a["ground_color"]], a["ground_tint"])
        horizontal = self.digit_scale * a["stretch"]
        edges = [(x - width / 2, x + width / 2) for _, x, width in self.places]
        if a["ground"] == "tiles":
            self.tiles(color, horizontal)
            return
        # The margins follow the texture's seed: a plate's size is no attribute of its own.
        margin = self.rng.uniform(4.0, 9.0) + (4.0 if a["ground"] == "oval" else 0.0)
        left = min(edge[0] for edge in edges) * horizontal - margin
        right = max(edge[1] for edge in edges) * horizontal + margin
        half_height = a["height"] / 2 + self.rng.uniform(3.0, 8.0)
        cx, half_width = (left + right) / 2, max((right - left) / 2, 0.62 * half_height)
        dx, dy = np.abs(self.x - cx), np.abs(self.y)
        if a["ground"] == "oval":
            half_width, half_height = half_width * 1.16, half_height * 1.1
            power = 2.6
            radius = ((dx / half_width) ** power + (dy / half_height) ** power) ** (1 / power)
            inside = (1.0 - radius) * min(half_width, half_height)
        else:
            corner = self.rng.choice([0.8, 3.0, 6.0])
            qx, qy = dx - half_width + corner, dy - half_height + corner
            inside = corner - np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
            inside = inside - np.minimum(np.maximum(qx, qy), 0)
        mask = np.clip(inside + 0.5, 0, 1)
        self.relief *= 1.0 - mask
        offset = 1.2 + 1.2 * self.rng.random()
        shadow = blurred(self.moved(mask, *(-offset * self.light)), 1.1)
        self.darken(shadow * (1 - mask), 0.3 + 0.35 * a["light_strength"])
        gloss = 0.06 * (self.x * self.light[0] + self.y * self.light[1]) / 32
        self.paint(mask, np.clip(color * (1.0 + gloss)[..., None], 0, 1))
        bevel = mask * np.clip(1.4 - inside, 0, 1)
        self.relief += (
            0.5 * bevel * (self.moved(mask, *self.light) - self.moved(mask, *-self.light))
        )
        if a["rim"] >= 0.4:
            line = np.clip(1.0 - np.abs(inside - 2.6) / (0.6 + 0.7 * a["rim"]), 0, 1)
            self.paint(0.9 * line, self.tinted(_COLORS[a["digit_color"]], a["digit_tint"]))
        self.screws(cx, half_width, half_height)

    def screws(self, cx: float, half_width: float, half_height: float) -> None:
        a = self.a
        if a["screws"] == "none":
            return
        inset = 4.2 if a["rim"] < 0.4 else 6.0
        spots = [(-1, 0), (1, 0)]
        if a["screws"] == "corners" and a["ground"] != "oval":
            spots = [(-1, -1), (1, -1), (-1, 1), (1, 1)]
        for sx, sy in spots:
            dx = self.x - (cx + sx * (half_width - inset))
            dy = self.y - sy * (half_height - inset)
            distance = np.hypot(dx, dy)
            head = np.clip(2.2 - distance, 0, 1)
            beside = np.hypot(dx + self.light[0], dy + self.light[1])
            self.darken(np.clip(3.2 - beside, 0, 1) * (1 - head), 0.4)
            shine = 0.55 + 0.22 * np.clip((dx * self.light[0] + dy * self.light[1]) / 2.2, -1, 1)
            self.paint(head, shine[..., None] * np.array([1.0, 0.98, 0.94], np.float32))
            angle = self.rng.uniform(0, math.pi)
            slot = np.abs(dx * math.sin(angle) - dy * math.cos(angle))
            self.darken(head * np.clip(0.9 - slot, 0, 1), 0.55)

    def tiles(self, color, horizontal: float) -> None:
        """A glazed tile for each digit, grout between them, and a blue or brown border."""
        a, half_height = self.a, self.a["height"] / 2 + 5.5
        xs = sorted(x * horizontal for _, x, _ in self.places)
        half = 0.66 * half_height
        if len(xs) > 1:
            half = max(min(b - a for a, b in pairwise(xs)) / 2 - 0.7, 10.0)
        for x in xs:
            inside = np.minimum(half - np.abs(self.x - x), half_height - np.abs(self.y))
            mask = np.clip(inside + 0.5, 0, 1)
            self.relief *= 1.0 - mask
            bright = 1.0 + 0.05 * self.rng.normal()
            self.paint(mask, np.clip(color * bright, 0, 1))
            lit = np.where(
                half - np.abs(self.x - x) < half_height - np.abs(self.y),
                np.sign(self.x - x) * self.light[0],
                np.sign(self.y) * self.light[1],
            )
            self.relief += 0.35 * mask * np.clip(1.6 - inside, 0, 1) * lit
            if a["rim"] >= 0.4:
                line = 0.75 * mask * np.clip(1.1 - np.abs(inside - 2.6), 0, 1)
                self.paint(line, self.tinted(_COLORS[a["digit_color"]], a["digit_tint"]))

    def digits(self) -> None:
        a = self.a
        color = self.tinted(_COLORS[a["digit_color"]], a["digit_tint"])
        stroke = _THIN.get(a["font"], 0.0) + 0.8 * a["weight"] / self.digit_scale
        mask = self.glyphs(stroke)
        finish = a["finish"]
        lx, ly = self.light
        if finish == "outlined":
            around = self.glyphs(stroke + 1.9 / self.digit_scale)
            self.paint(around, np.float32(0.06) if color.mean() > 0.45 else np.float32(0.92))
        if finish == "raised":
            deep = 1.4 + 2.2 * a["light_strength"]
            shadow = np.maximum(
                self.moved(mask, -0.5 * deep * lx, -0.5 * deep * ly),
                self.moved(mask, -deep * lx, -deep * ly),
            )
            self.darken(blurred(shadow, 0.8) * (1 - mask), 0.4 + 0.35 * a["light_strength"])
        if finish == "engraved":
            color = color * 0.92
        self.paint(mask, color)
        if finish in ("raised", "embossed", "engraved"):
            soft = blurred(mask, 0.9)
            slope = self.moved(soft, 0.8 * lx, 0.8 * ly) - self.moved(soft, -0.8 * lx, -0.8 * ly)
            depth = {"raised": 0.35, "embossed": 0.55, "engraved": -0.55}[finish]
            reach = mask if finish == "raised" else np.clip(1.6 * blurred(mask, 1.0), 0, 1)
            self.relief += depth * slope * reach

    def weather(self) -> None:
        a = self.a
        if a["dirt"] > 0.1:
            spots = np.clip(
                (smooth_noise(self.rng, 9) + 0.5 * smooth_noise(self.rng, 22) - 0.95) * 3.0, 0, 1
            )
            streaks = np.clip(smooth_noise(self.rng, 12)[32:33] * 1.6 - 0.8, 0, 1) * (
                self.rows / SIZE
            )
            self.darken(np.clip(spots + 0.6 * streaks, 0, 1), 0.3 * a["dirt"])
        across = ((self.columns - 32) * self.light[0] + (self.rows - 32) * self.light[1]) / 32
        self.canvas *= (1.0 + self.relief + 0.22 * a["light_strength"] * across)[..., None]
        # a lit edge shows on black paint too
        self.canvas += np.maximum(self.relief, 0)[..., None] * 0.25
        if a["shade"] > 0:
            angle = self.rng.uniform(0, math.pi)
            side = (self.columns - 32) * math.cos(angle) + (self.rows - 32) * math.sin(angle)
            side = side + self.rng.uniform(-18, 18)
            shade = np.clip(0.5 + side / (2.0 + 8.0 * self.rng.random()), 0, 1)
            self.darken(shade, 0.25 + 0.35 * a["shade"])

    def camera(self) -> np.ndarray:
        """Light's color, exposure, the lens's blur and the sensor's grain.

        Returns (64, 64, 3) uint8.
        """
        a = self.a
        self.canvas *= (0.66 + 0.4 * a["exposure"]) * np.array(
            [1 + 0.07 * a["warmth"], 1.0, 1 - 0.09 * a["warmth"]], np.float32
        )
        veil = 0.05 * a["blur"]
        noise = self.rng.normal(0.0, 1.0, (SIZE, SIZE, 1)) + 0.6 * self.rng.normal(
            0.0, 1.0, (SIZE, SIZE, 3)
        )
        return photographed(
            veil + (1 - veil) * self.canvas, 0.35 + 1.25 * a["blur"], 3.0 * a["grain"] * noise
        )


def draw(attributes: dict) -> np.ndarray:
    """Paint a number. attributes: as from `sample_attributes`.

    Returns (64, 64, 3) uint8. A pure function.
    """
    number = _Number(attributes)
    number.wall()
    number.plate()
    number.digits()
    number.weather()
    return number.camera()


class SyntheticNumbers(RenderedPictures):
    """Rendered house numbers; arguments and methods are those of `RenderedPictures`."""

    name, noun = "synthetic-numbers", "numbers"
    sample = staticmethod(sample_attributes)
    draw = staticmethod(draw)

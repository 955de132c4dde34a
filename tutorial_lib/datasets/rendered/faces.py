"""Rendered faces: 64x64 RGB pictures, each a pure function of (seed, index).

A picture is made in two steps. `sample_attributes(seed, index)` draws what the face is like (a flat
dictionary of plain numbers, truth values and words), `draw(attributes)` paints it. `SyntheticFaces`
is the torch data set over them, with a cache on disk; its `render(seed, index)` does both.

How a face is painted: outlines are filled by Pillow at four times the size and averaged down to
64x64, which gives masks with soft edges; numpy lays colors through these masks, and shades the skin
with a small height map (nose, cheeks, eye sockets, lips, chin) under a light (Lambert's cosine
law). Features stay near the same places, so that a small GAN can learn them: eyes, nose and mouth
lie inside the center 32x32 block, chin, hair and ears outside.

Attributes (all of them; the pixel unit is that of the 64x64 picture)
    smile           float 0..1      0: corners of the mouth down a little, 1: broad smile
    teeth           float 0..1      how far the mouth is open over the teeth; 0: closed
    mouth_width, lip_fullness       float 0..1
    lip_color       float 0..1      0: near the skin's color, 1: strong lipstick
    gaze_x, gaze_y  float -1..1     where the eyes look; positive: to the picture's right, down
    eye_open        float 0..1      0: narrowed, 1: wide open
    eye_color       "brown", "hazel", "green", "blue", "gray"
    eye_distance, eye_size          float 0..1
    lashes          float 0..1      darkness of the upper lid's line
    brow_thickness  float 0..1
    brow_angle      float -1..1     positive: inner ends raised
    brow_height     float 0..1
    nose_width, nose_length         float 0..1
    glasses         "none", "round", "square", "half-rim"
    glasses_color   "black", "brown", "gold", "red", "blue", "silver" (given for "none" too)
    beard           "none", "stubble", "moustache", "goatee", "full"
    hair_style      "bald", "buzz", "short", "side part", "long", "curly", "bun", "fringe", "wavy"
    hair_color      "black", "dark brown", "brown", "auburn", "red", "blond", "light blond", "gray",
                    "white"
    hair_tint       float -1..1     lighter or darker than the named color
    hair_volume     float 0..1
    hairline        float 0..1      1: high forehead
    part            float -1..1     side of the part, for the styles that have one
    skin            float 0..1      tone, 0: light, 1: dark
    undertone       float -1..1     positive: warmer
    blush           float 0..1
    head_width, jaw, chin           float 0..1: narrow to wide, tapered to square, short to long
    yaw             float -1..1     turn of the head; positive: to the picture's right (the nose
                                    moves by about 3 pixels)
    tilt            float -7..7     degrees, positive: clockwise
    shift_x, shift_y                float -1..1, pixels
    scale           float 0.97..1.05
    light           float -1..1     positive: light comes from the picture's right
    light_strength  float 0..1      0: even light, 1: strong shadows
    background      "plain", "gradient", "blurred"
    background_hue  float 0..1      place on the color wheel
    background_value float 0..1     dark to light
    clothes         "crew", "v-neck", "shirt", "turtleneck"
    clothes_hue, clothes_value      float 0..1
    texture         int             seed of strands, curls and background blobs
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from tutorial_lib.datasets.rendered.base import (
    SIZE,
    Draws,
    RenderedPictures,
    blurred,
    from_bytes,
    from_hsv,
    smooth_noise,
    to_bytes,
)

SUPERSAMPLE = 4

_SKIN = (
    np.array(
        [
            [251, 224, 205],
            [243, 205, 178],
            [229, 182, 147],
            [203, 149, 111],
            [166, 112, 78],
            [130, 85, 60],
            [98, 64, 48],
        ]
    )
    / 255.0
)
_HAIR = {
    "black": (34, 29, 31),
    "dark brown": (62, 42, 33),
    "brown": (101, 68, 46),
    "auburn": (122, 58, 38),
    "red": (176, 84, 44),
    "blond": (201, 160, 96),
    "light blond": (230, 203, 148),
    "gray": (140, 138, 138),
    "white": (214, 212, 208),
}
_EYES = {
    "brown": (84, 52, 30),
    "hazel": (122, 92, 48),
    "green": (84, 124, 82),
    "blue": (84, 128, 172),
    "gray": (116, 130, 140),
}
_FRAMES = {
    "black": (30, 30, 34),
    "brown": (96, 58, 36),
    "gold": (184, 144, 66),
    "red": (158, 40, 46),
    "blue": (44, 66, 120),
    "silver": (158, 162, 168),
}


def sample_attributes(seed: int, index: int) -> dict:
    """Draw what face number `index` of stream `seed` is like: see the top of this module."""
    draws = Draws(seed, index)
    number, bell, choice = draws.number, draws.bell, draws.choice

    skin = number()
    light_eyes = 1.0 - skin
    hair_style = choice(
        {
            "bald": 5,
            "buzz": 8,
            "short": 20,
            "side part": 16,
            "long": 17,
            "curly": 11,
            "bun": 8,
            "fringe": 9,
            "wavy": 11,
        }
    )
    hair_color = choice(
        {
            "black": 24,
            "dark brown": 24,
            "brown": 18,
            "auburn": 7 * light_eyes,
            "red": 6 * light_eyes,
            "blond": 16 * light_eyes**2,
            "light blond": 12 * light_eyes**2,
            "gray": 6,
            "white": 4,
        }
    )
    cropped = hair_style in ("bald", "buzz", "short", "side part", "curly")
    beard = choice(
        {"none": 62, "stubble": 13, "moustache": 5, "goatee": 6, "full": 14}
        if cropped
        else {"none": 94, "stubble": 2, "full": 4}
    )
    smile = number()
    return {
        "smile": smile,
        "teeth": float(np.clip((smile - 0.42) / 0.5, 0.0, 1.0)),
        "mouth_width": number(),
        "lip_fullness": number(),
        "lip_color": number(0.0, 0.35) if cropped or beard != "none" else number(0.1, 1.0),
        "gaze_x": bell(0.45, 1.0),
        "gaze_y": bell(0.3, 1.0),
        "eye_open": number(),
        "eye_color": choice(
            {
                "brown": 10,
                "hazel": 4 * light_eyes,
                "green": 4 * light_eyes**2,
                "blue": 7 * light_eyes**2,
                "gray": 3 * light_eyes**2,
            }
        ),
        "eye_distance": number(),
        "eye_size": number(),
        "lashes": number(0.0, 0.6) if cropped else number(0.3, 1.0),
        "brow_thickness": number(0.25, 1.0) if cropped else number(0.0, 0.7),
        "brow_angle": bell(0.45, 1.0),
        "brow_height": number(),
        "nose_width": number(),
        "nose_length": number(),
        "glasses": choice({"none": 78, "round": 8, "square": 9, "half-rim": 5}),
        "glasses_color": choice(
            {"black": 8, "brown": 4, "gold": 3, "red": 1.5, "blue": 2, "silver": 2}
        ),
        "beard": beard,
        "hair_style": hair_style,
        "hair_color": hair_color,
        "hair_tint": number(-1.0, 1.0),
        "hair_volume": number(),
        "hairline": number(),
        "part": number(0.4, 1.0) * float(draws.rng.choice([-1.0, 1.0])),
        "skin": skin,
        "undertone": bell(0.5, 1.0),
        "blush": number(),
        "head_width": number(),
        "jaw": number(),
        "chin": number(),
        "yaw": bell(0.5, 1.0),
        "tilt": bell(3.0, 7.0),
        "shift_x": bell(0.4, 1.0),
        "shift_y": bell(0.4, 1.0),
        "scale": number(0.97, 1.05),
        "light": number(-1.0, 1.0),
        "light_strength": number(),
        "background": choice({"plain": 30, "gradient": 40, "blurred": 30}),
        "background_hue": number(),
        "background_value": number(),
        "clothes": choice({"crew": 40, "v-neck": 20, "shirt": 25, "turtleneck": 15}),
        "clothes_hue": number(),
        "clothes_value": number(),
        "texture": draws.texture(),
    }


# -- painting --

# Head coordinates: pixels of the 64x64 picture, x right, y down, origin between nose bridge and
# nose tip.


def _bump(x: np.ndarray, y: np.ndarray, cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
    return np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2))


class _Painter:
    """A (64, 64, 3) canvas with the head's pose: places points, and paints through masks."""

    def __init__(self, a: dict):
        self.a = a
        angle = math.radians(a["tilt"])
        self.cos, self.sin = math.cos(angle) * a["scale"], math.sin(angle) * a["scale"]
        self.center = (SIZE / 2 + a["shift_x"], SIZE / 2 + 0.5 + a["shift_y"])
        rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5
        dx, dy, square = columns - self.center[0], rows - self.center[1], a["scale"] ** 2
        self.x = (dx * self.cos + dy * self.sin) / square
        self.y = (dy * self.cos - dx * self.sin) / square
        self.rows, self.columns = rows, columns
        self.canvas = np.zeros((SIZE, SIZE, 3), dtype=np.float32)

    def pixels(self, points) -> list[tuple[float, float]]:
        """Head coordinates (N, 2) -> supersampled picture coordinates."""
        p = np.asarray(points, dtype=np.float64)
        columns = (self.center[0] + p[:, 0] * self.cos - p[:, 1] * self.sin) * SUPERSAMPLE
        rows = (self.center[1] + p[:, 0] * self.sin + p[:, 1] * self.cos) * SUPERSAMPLE
        return list(zip(columns.tolist(), rows.tolist(), strict=True))

    def mask(self, *shapes, lines=(), width: float = 1.0) -> np.ndarray:
        """(64, 64) mask in [0, 1]: filled outlines, and open `lines` drawn `width` pixels thick."""
        picture = Image.new("L", (SIZE * SUPERSAMPLE, SIZE * SUPERSAMPLE))
        pen = ImageDraw.Draw(picture)
        for points in shapes:
            pen.polygon(self.pixels(points), fill=255)
        for points in lines:
            pen.line(
                self.pixels(points),
                fill=255,
                width=max(1, round(width * SUPERSAMPLE)),
                joint="curve",
            )
        return np.asarray(picture.reduce(SUPERSAMPLE), dtype=np.float32) / 255.0

    def paint(self, mask: np.ndarray, color) -> None:
        """Lay a color (3,) or a picture (64, 64, 3) over the canvas where the mask is 1."""
        self.canvas += mask[..., None] * (color - self.canvas)

    def darken(self, mask: np.ndarray, amount: float) -> None:
        """Shadow: multiplies by 1 - amount; blue loses most, as in shadows on skin."""
        self.canvas *= 1.0 - (amount * mask)[..., None] * np.array(
            [0.85, 1.0, 1.08], dtype=np.float32
        )

    def lighten(self, mask: np.ndarray, amount: float) -> None:
        self.canvas += (amount * mask)[..., None] * (1.0 - self.canvas)


def _ellipse(cx: float, cy: float, rx: float, ry: float, count: int = 28) -> np.ndarray:
    t = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    return np.stack([cx + rx * np.cos(t), cy + ry * np.sin(t)], axis=1)


def _rounded_box(
    cx: float, cy: float, rx: float, ry: float, power: float = 4.0, count: int = 32
) -> np.ndarray:
    t = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    c, s = np.cos(t), np.sin(t)
    return np.stack(
        [
            cx + rx * np.sign(c) * np.abs(c) ** (2 / power),
            cy + ry * np.sign(s) * np.abs(s) ** (2 / power),
        ],
        axis=1,
    )


def _curve(points, count: int = 24) -> np.ndarray:
    """Smooth open curve through a few (x, y) points (Catmull-Rom)."""
    p = np.asarray(points, dtype=float)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0.0, len(p) - 3 - 1e-9, count)
    k = t.astype(int)
    u = (t - k)[:, None]
    p0, p1, p2, p3 = p[k], p[k + 1], p[k + 2], p[k + 3]
    return 0.5 * (
        2 * p1
        + (p2 - p0) * u
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * u**2
        + (3 * p1 - p0 - 3 * p2 + p3) * u**3
    )


def _symmetric(side: list, middle: tuple[float, float]) -> list:
    """The points (x, y) of one side, the one in the middle, and those of the other side."""
    return [*side, middle, *((-x, y) for x, y in reversed(side))]


def _band(points, widths) -> np.ndarray:
    """Outline of a stroke along a curve (N, 2), as for brows; its thickness follows `widths`."""
    p = np.asarray(points, dtype=float)
    half = np.interp(np.linspace(0, 1, len(p)), np.linspace(0, 1, len(widths)), widths)[:, None] / 2
    d = np.gradient(p, axis=0)
    normal = (
        np.stack([-d[:, 1], d[:, 0]], axis=1)
        / np.maximum(np.hypot(d[:, 0], d[:, 1]), 1e-6)[:, None]
    )
    return np.concatenate([p + normal * half, (p - normal * half)[::-1]])


def draw(attributes: dict) -> np.ndarray:
    """Paint a face, (64, 64, 3) uint8, with attributes as from `sample_attributes`."""
    a = attributes
    rng = np.random.default_rng(a["texture"])
    face = _Face(a, rng)
    face.background()
    face.hair_behind()
    face.body()
    face.skin()
    face.mouth()
    face.beard()
    face.eyes()
    face.brows()
    face.hair_in_front()
    face.glasses()
    return to_bytes(face.canvas)


class _Face(_Painter):
    """One face; a method a part, called in the order of `draw`.

    Measures used by several parts are set up here.
    """

    def __init__(self, a: dict, rng: np.random.Generator):
        super().__init__(a)
        self.rng = rng
        tone = a["skin"] * (len(_SKIN) - 1)
        self.skin_color = np.array(
            [np.interp(tone, range(len(_SKIN)), _SKIN[:, c]) for c in range(3)], np.float32
        )
        self.skin_color *= 1.0 + a["undertone"] * np.array([0.03, 0.0, -0.06], np.float32)
        self.hair_color = np.clip(
            from_bytes(_HAIR[a["hair_color"]]) * (1.0 + 0.18 * a["hair_tint"]), 0, 1
        )
        self.half_width = 17.6 + 2.4 * a["head_width"]
        self.top, self.bottom = -26.0, 23.6 + 2.8 * a["chin"]
        # shift of the nose tip; other features take a part of it by their depth
        self.turn = 3.0 * a["yaw"]
        self.eye_y = -5.5
        self.eye_x = 8.3 + 1.1 * a["eye_distance"]
        self.mouth_y = 11.8
        self.nose_tip = 4.2 + 1.6 * a["nose_length"]
        light = np.array([0.75 * a["light"], -0.45, 0.85])
        self.light = light / np.linalg.norm(light)

    def width_at(self, y):
        """Half width of the head at height y: an ellipse above, a tapered superellipse below."""
        y = np.asarray(y, dtype=np.float32)
        up = np.sqrt(np.clip(1.0 - (y / self.top) ** 2, 0.0, 1.0))
        s = np.clip(y / self.bottom, 0.0, 1.0)
        power = 2.1 + 1.1 * self.a["jaw"]
        down = np.sqrt(1.0 - s**power) * (1.0 - (0.3 - 0.16 * self.a["jaw"]) * s)
        return self.half_width * np.where(y < 0, up, down)

    def outline(self, grow: float = 0.0, low: float | None = None) -> np.ndarray:
        """Outline of the head, `grow` pixels larger, cut at height `low`."""
        low = self.bottom + grow if low is None else low
        t = np.linspace(0.0, 1.0, 40)
        y = self.top - grow + (low - self.top + grow) * (1 - np.cos(np.pi * t)) / 2
        scale = (self.bottom + grow) / self.bottom
        w = self.width_at(np.where(y < 0, y * self.top / (self.top - grow), y / scale)) * (
            1 + grow / self.half_width
        )
        return np.concatenate([np.stack([w, y], 1), np.stack([-w, y], 1)[::-1]])

    def shift(self, x, depth: float):
        """Where a feature at x is when the head turns: near ones (depth 1) move most."""
        return x * (1.0 - 0.05 * self.a["yaw"] * np.sign(x)) + self.turn * depth

    # -- parts --

    def background(self) -> None:
        a = self.a
        base = from_hsv(a["background_hue"], 0.28, 0.3 + 0.6 * a["background_value"])
        other = from_hsv(
            (a["background_hue"] + 0.08) % 1.0, 0.38, 0.18 + 0.6 * a["background_value"]
        )
        down, across = self.rows / SIZE, self.columns / SIZE
        if a["background"] == "plain":
            blend = 0.25 * down
        elif a["background"] == "gradient":
            blend = 0.8 * down + 0.2 * across if a["light"] < 0 else 0.8 * down + 0.2 * (1 - across)
        else:
            blend = np.clip(0.5 + 1.3 * (smooth_noise(self.rng, 5) - 0.5), 0, 1)
        self.canvas[:] = base + blend[..., None] * (other - base)

    def body(self) -> None:
        a = self.a
        neck_half = 9.0 + 3.0 * a["head_width"]
        lean = 0.3 * self.turn
        left = [(-neck_half, 8), (-neck_half - 0.5, 25), (-neck_half - 4, 40)]
        neck = [*left, *((-x, y) for x, y in reversed(left))]
        self.paint(self.mask(neck), self.skin_color * 0.86)
        color = from_hsv(a["clothes_hue"], 0.5, 0.2 + 0.65 * a["clothes_value"])
        shade = (1.0 - 0.012 * (self.x * -np.sign(a["light"]) + 20)).clip(0.55, 1.05)[..., None]
        edge = neck_half + 2.5
        collar = {
            "crew": [(-edge, 27), (0, 30.5), (edge, 27)],
            "v-neck": [(-edge, 26), (0, 34), (edge, 26)],
            "shirt": [(-edge, 25.5), (0, 32), (edge, 25.5)],
            "turtleneck": [(-edge, 22), (0, 24.5), (edge, 22)],
        }[a["clothes"]]
        outer = [(34, 30), (34, 44), (-34, 44), (-34, 30)]
        line = _curve(collar, 12) if a["clothes"] != "v-neck" else np.array(collar)
        shoulders = np.concatenate(
            [[(-edge - 8, 28.5)], line + [lean, 0], [(edge + 8, 28.5)], outer]
        )
        self.paint(self.mask(shoulders), color * shade)
        if a["clothes"] == "shirt":
            right = np.array([(edge, 24.5), (1.0, 31), (6, 35), (edge + 2, 29)])
            wings = [wing + [lean, 0] for wing in (right * [-1, 1], right)]
            self.paint(self.mask(*wings), np.clip(color * 1.2 + 0.06, 0, 1))
        else:
            self.darken(self.mask(lines=[line + [lean, 0.6]], width=0.8), 0.25)
        shadow = self.mask(self.outline(0.5) + [-2.0 * a["light"], 3.5])
        self.darken(blurred(shadow, 1.8), 0.42)

    def skin(self) -> None:
        a, x, y, turn = self.a, self.x, self.y, self.turn
        ear_y = -1.5
        ears = []
        for side in (-1, 1):
            ear_x = side * (self.half_width + 0.8 - 1.2 * side * a["yaw"]) - 0.3 * turn
            ears.append(_ellipse(ear_x, ear_y, 2.6, 5.0))
        ear = self.mask(*ears)
        self.paint(ear, self.skin_color * 0.9 * np.array([1.02, 0.94, 0.92], np.float32))
        self.darken(
            blurred(self.mask(*[(e - e.mean(0)) * 0.5 + e.mean(0) for e in ears]), 0.7) * ear, 0.35
        )

        self.head = self.mask(self.outline())
        smile = a["smile"]
        # (center x, center y, spread x, spread y, height): the relief of the face on top of a
        # rounded head.
        relief = [
            (0.75 * turn, -1.0, 1.7, 5.0, 1.5),
            (turn, self.nose_tip, 2.0 + 0.6 * a["nose_width"], 1.9, 2.3),
            (self.shift(0, 0.3), -16.0, 11.0, 6.0, 1.0),
            (self.shift(0, 0.6), 20.0, 4.5, 3.2, 1.4),
            (self.shift(0, 0.8), 16.2, 5.0, 1.5, -0.7),
            (self.shift(0, 0.8), 8.6, 1.0, 1.5, -0.35),
        ]
        wing = 2.9 + 0.9 * a["nose_width"]
        for side in (-1, 1):
            relief += [
                (self.shift(side * 11.5, 0.55), 4.5 - 1.8 * smile, 4.6, 4.0, 1.1 + 1.3 * smile),
                (self.shift(side * self.eye_x, 0.6), self.eye_y - 0.4, 4.6, 3.0, -1.5),
                (self.shift(side * self.eye_x * 0.9, 0.6), self.eye_y - 6.0, 6.0, 1.8, 0.7),
                (self.shift(side * wing, 0.9), self.nose_tip + 0.6, 1.3, 1.2, 0.8),
            ]
        nx = np.clip(x / np.maximum(self.width_at(np.clip(y, -20, 19)), 1.0), -1.2, 1.2) * 0.9
        ny = np.clip((y - 2.0) / 29.0, -1.0, 1.0) * 0.8
        nz = np.sqrt(np.clip(1.0 - 0.75 * nx**2 - 0.6 * ny**2, 0.1, 1.0))
        for cx, cy, sx, sy, height in relief:
            bump = height * _bump(x, y, cx, cy, sx, sy)
            nx += bump * (x - cx) / sx**2
            ny += bump * (y - cy) / sy**2
        length = np.sqrt(nx**2 + ny**2 + nz**2)
        cosine = (nx * self.light[0] + ny * self.light[1] + nz * self.light[2]) / length
        strength = 0.34 + 0.32 * a["light_strength"]
        shade = 1.0 + strength * (np.maximum(cosine, -0.2) - self.light[2] * 0.98)
        # Darker and redder where light grazes: a power a channel, as light that has passed through
        # skin.
        self.shade = shade[..., None] ** np.array([0.85, 1.05, 1.2], np.float32)
        self.paint(self.head, np.clip(self.skin_color * self.shade, 0, 1))

        half = np.array([0.0, 0.0, 1.0]) + self.light
        half /= np.linalg.norm(half)
        gloss = np.maximum((nx * half[0] + ny * half[1] + nz * half[2]) / length, 0.0) ** 24
        self.lighten(gloss * self.head, 0.13 + 0.06 * a["skin"])

        red = np.array([0.86, 0.36, 0.33], np.float32) * (1.0 - 0.55 * a["skin"])
        cheeks = sum(_bump(x, y, self.shift(side * 11.5, 0.55), 4.5, 4.2, 3.2) for side in (-1, 1))
        cheeks = cheeks + 0.5 * _bump(x, y, turn, self.nose_tip, 2.4, 2.0)
        self.paint(np.clip(cheeks, 0, 1) * self.head * (0.06 + 0.2 * a["blush"]), red)

        self.darken(
            _bump(x, y, turn - 0.8 * a["light"], self.nose_tip + 3.0, 3.0 + a["nose_width"], 0.9),
            0.24,
        )
        wing = 1.5 + 0.7 * a["nose_width"]
        width = 0.95 + 0.3 * a["nose_width"]
        nostrils = [
            _ellipse(self.shift(s * wing, 0.95), self.nose_tip + 1.9, width, 0.6, 12)
            for s in (-1, 1)
        ]
        self.darken(blurred(self.mask(*nostrils), 0.35), 0.62)
        sides = [
            _curve(
                [
                    (self.shift(s * (wing + 1.2), 0.9), self.nose_tip - 1.0),
                    (self.shift(s * (wing + 2.0), 0.9), self.nose_tip + 0.6),
                    (self.shift(s * (wing + 1.3), 0.9), self.nose_tip + 1.9),
                ],
                8,
            )
            for s in (-1, 1)
        ]
        self.darken(blurred(self.mask(lines=sides, width=0.7), 0.5), 0.35)
        folds = [
            _curve(
                [
                    (self.shift(s * (wing + 2.6), 0.85), self.nose_tip + 1.2),
                    (self.shift(s * (7.6 + smile), 0.75), self.mouth_y - 3.2),
                    (self.shift(s * (8.8 + 1.5 * smile), 0.7), self.mouth_y + 0.8),
                ],
                10,
            )
            for s in (-1, 1)
        ]
        self.darken(blurred(self.mask(lines=folds, width=1.0), 0.8), 0.06 + 0.3 * smile)

    def mouth(self) -> None:
        a = self.a
        smile, opening = a["smile"], 3.3 * a["teeth"]
        half = 5.2 + 1.2 * a["mouth_width"] + 2.4 * smile
        center = self.shift(0, 0.85)
        corner = self.mouth_y + 0.45 - 2.4 * smile
        middle = self.mouth_y - 0.1 + 0.25 * smile
        full = 0.75 + 0.75 * a["lip_fullness"]
        upper = middle - 0.5 * opening * 0.5
        lower = middle + 0.75 * opening
        side = [
            (-half, corner),
            (-half * 0.5, (corner + upper) / 2 - 1.0 * full),
            (-1.3, upper - 1.45 * full),
        ]
        lip_top = _curve(_symmetric(side, (0, upper - 1.1 * full)), 28)
        side = [(-half, corner), (-half * 0.55, (corner + lower) / 2 + 0.9 * full + 0.3)]
        lip_bottom = _curve(_symmetric(side, (0, lower + 1.75 * full)), 28)
        side = [(-half * 0.93, corner), (-half * 0.45, (corner + 3 * upper) / 4)]
        inner_top = _curve(_symmetric(side, (0, upper + 0.15)), 20)
        side = [(-half * 0.93, corner), (-half * 0.5, (corner + 3 * lower) / 4)]
        inner_bottom = _curve(_symmetric(side, (0, lower)), 20)
        move = [center, 0.0]
        natural = self.skin_color * np.array([0.86, 0.6, 0.6], np.float32)
        strong = np.array([0.72, 0.16, 0.22], np.float32) * (1.0 - 0.3 * a["skin"])
        color = natural + 0.75 * a["lip_color"] * (strong - natural)
        lips = self.mask(np.concatenate([lip_top, lip_bottom[::-1]]) + move)
        upper_lip = np.clip((self.mouth_y + 0.3 * opening - self.y) * 0.8, 0, 1)[..., None]
        self.paint(blurred(lips, 0.35), color * (1.0 - 0.2 * upper_lip))
        self.lighten(
            lips * _bump(self.x, self.y, center + 0.8 * a["light"], lower + 0.9 * full, 2.2, 0.6),
            0.16,
        )
        if opening > 0.25:
            inside = self.mask(np.concatenate([inner_top, inner_bottom[::-1]]) + move)
            self.paint(inside, np.array([0.24, 0.07, 0.08], np.float32))
            teeth_low = inner_top + [0, 0.78 * opening + 0.35]
            teeth = self.mask(np.concatenate([inner_top, teeth_low[::-1]]) + move) * inside
            falloff = 1.0 - 0.3 * np.clip(np.abs(self.x - center) / half, 0, 1) ** 2
            self.paint(teeth * 0.97, np.array([0.97, 0.95, 0.91], np.float32) * falloff[..., None])
        else:
            line = np.stack([inner_top[:, 0], (inner_top[:, 1] + inner_bottom[:, 1]) / 2], 1) + move
            self.darken(blurred(self.mask(_band(line, [0.5, 0.9, 0.7, 0.9, 0.5])), 0.3), 0.62)
        corners = [_ellipse(center + s * half, corner, 0.8, 0.7, 10) for s in (-1, 1)]
        self.darken(blurred(self.mask(*corners), 0.6), 0.4)
        self.darken(_bump(self.x, self.y, center, lower + 1.75 * full + 1.3, 3.6, 0.8), 0.16)
        self.lips = lips

    def beard(self) -> None:
        a, kind = self.a, self.a["beard"]
        if kind == "none":
            return
        center, low = self.shift(0, 0.75), self.bottom
        mouth = self.mouth_y
        above = _symmetric([(-8.0, mouth + 1.0), (-5.0, mouth - 2.6)], (0, mouth - 3.6))
        below = _symmetric([(6.5, mouth + 0.4)], (0, mouth - 1.0))
        moustache = np.concatenate([_curve(above, 16), _curve(below, 10)])
        moustache = moustache + [center, -0.6 * a["smile"]]
        if kind == "moustache":
            area = self.mask(moustache)
        elif kind == "goatee":
            area = self.mask(moustache, _rounded_box(center, low - 4.2, 6.5, 5.6, 3.0))
            left = [(center - 7.2, mouth), (center - 6.2, low - 6)]
            right = [(center + 7.2, mouth), (center + 6.2, low - 6)]
            area = np.maximum(area, self.mask(lines=[left, right], width=2.2))
        else:
            w = self.half_width
            side = [(-w - 1, -3), (-w * 0.86, 5), (-w * 0.6, 9.5), (-6.5, 9.0)]
            line = _curve(_symmetric(side, (0, 8.6)), 30) + [0.4 * self.turn, 0]
            cheeks = self.mask(np.concatenate([line, [(30, 40), (-30, 40)]]))
            grow = 0.0 if kind == "stubble" else 1.2
            area = np.maximum(cheeks * self.mask(self.outline(grow)), self.mask(moustache))
            area = area * (1.0 - 0.75 * _bump(self.x, self.y, center, self.mouth_y + 4.0, 2.2, 1.0))
        area = blurred(area, 0.9) * (1.0 - np.clip(1.4 * blurred(self.lips, 0.4), 0, 1))
        alpha = {"stubble": 0.3, "moustache": 0.88, "goatee": 0.85, "full": 0.9}[kind]
        texture = (0.78 + 0.4 * smooth_noise(self.rng, 30))[..., None]
        shade = self.shade if kind != "stubble" else 1.0
        self.paint(area * alpha, np.clip(self.hair_color * 0.88 * texture * shade, 0, 1))

    def eyes(self) -> None:
        a = self.a
        half = 4.1 + 0.8 * a["eye_size"]
        height = (1.55 + 1.1 * a["eye_open"]) * (1.0 - 0.18 * a["smile"])
        whites, lids, creases, irises, pupils, glints, lowers = [], [], [], [], [], [], []
        for side in (-1, 1):
            cx, cy = self.shift(side * self.eye_x, 0.6), self.eye_y
            inner, outer = (cx - side * half, cy + 0.55), (cx + side * half, cy - 0.15)
            near = (cx - side * half * 0.45, cy - height * 0.85)
            far = (cx + side * half * 0.3, cy - height)
            top = _curve([inner, near, far, outer], 16)
            near = (cx - side * half * 0.3, cy + 1.35 - 0.3 * a["smile"])
            far = (cx + side * half * 0.5, cy + 1.25 - 0.4 * a["smile"])
            low = _curve([inner, near, far, outer], 16)
            whites.append(np.concatenate([top, low[::-1]]))
            lid = np.concatenate([top, [(outer[0] + side * 0.5, outer[1] - 0.1)]])
            lids.append(_band(lid, [0.4, 0.8 + 0.5 * a["lashes"], 1.0 + 0.6 * a["lashes"], 0.5]))
            creases.append(top[1:-1] - [0, 1.5])
            lowers.append(low)
            eye = (cx + 1.75 * a["gaze_x"], cy - 0.35 + 0.85 * a["gaze_y"])
            irises.append(_ellipse(*eye, 2.25, 2.25))
            pupils.append(_ellipse(*eye, 1.05, 1.05, 16))
            glint = eye[0] + 0.8 * (1 if a["light"] > 0 else -1)
            glints.append(_ellipse(glint, eye[1] - 0.75, 0.55, 0.55, 10))
        self.darken(blurred(self.mask(*[w * 1.0 for w in whites]), 2.0), 0.2)
        self.darken(blurred(self.mask(lines=creases, width=0.8), 0.5), 0.42)
        white = self.mask(*whites)
        lid_shadow = np.clip(0.8 + 0.14 * (self.y - self.eye_y + 1.0), 0.66, 1.0)[..., None]
        self.paint(white, np.array([0.95, 0.935, 0.92], np.float32) * lid_shadow)
        iris = from_bytes(_EYES[a["eye_color"]])
        lit = (0.85 + 0.3 * np.clip((self.y - self.eye_y + 1.2) / 3.0, 0, 1))[..., None]
        self.paint(self.mask(*irises) * white, np.clip(iris * lit, 0, 1))
        self.paint(self.mask(*pupils) * white, np.array([0.04, 0.03, 0.03], np.float32))
        self.paint(self.mask(*glints) * np.maximum(white, 0.0) * 0.9, np.ones(3, np.float32))
        self.darken(blurred(self.mask(lines=lowers, width=0.6), 0.3), 0.3)
        self.paint(self.mask(*lids) * (0.72 + 0.26 * a["lashes"]), self.skin_color * 0.12 + 0.03)

    def brows(self) -> None:
        a = self.a
        thick = 1.1 + 1.6 * a["brow_thickness"]
        shapes = []
        for side in (-1, 1):
            cx = self.shift(side * self.eye_x, 0.6)
            cy = self.eye_y - 4.9 - 1.3 * a["brow_height"] - 0.3 * a["smile"]
            inner = (cx - side * 4.6, cy + 0.5 - 1.0 * a["brow_angle"])
            peak = (cx + side * 1.8, cy - 0.9)
            outer = (cx + side * 5.6, cy + 0.9 + 0.4 * a["brow_angle"])
            between = ((inner[0] + peak[0]) / 2, (inner[1] + peak[1]) / 2 - 0.3)
            line = _curve([inner, between, peak, outer], 14)
            shapes.append(_band(line, [0.75 * thick, thick, 0.85 * thick, 0.3]))
        color = self.hair_color * (0.8 if a["hair_color"] in ("gray", "white") else 0.72)
        color = color + 0.15 * (self.skin_color * 0.5 - color)
        self.paint(blurred(self.mask(*shapes), 0.4) * 0.85, color)

    def hair_shade(self) -> np.ndarray:
        """(64, 64, 3) colors of the hair: strands or curls, a band of light, a lighter side."""
        a = self.a
        parted = a["hair_style"] in ("side part", "short", "long", "wavy")
        crown = 4.0 * a["part"] if parted else 0.0
        if a["hair_style"] in ("curly", "buzz"):
            strands = smooth_noise(self.rng, 15 if a["hair_style"] == "curly" else 30)
        else:
            across = (self.x - crown) / np.clip(self.y + 46.0, 17.0, 40.0)
            if a["hair_style"] == "wavy":
                across = across + 0.05 * np.sin(self.y * 0.55 + 2.0 * np.sign(self.x))
            fine, locks = self.rng.random(64), self.rng.random(17)
            places = np.linspace(-1.3, 1.3, 512)
            profile = 0.45 * np.interp(places, np.linspace(-1.3, 1.3, 64), fine)
            profile += 0.55 * np.interp(places, np.linspace(-1.3, 1.3, 17), locks)
            nearest = np.clip((across + 1.3) * (511 / 2.6), 0, 511).astype(np.intp)
            strands = profile.astype(np.float32)[nearest]
        radius = np.hypot(self.x - 5.0 * a["light"], (self.y + 2.0) * 0.95)
        sheen = np.exp(-0.5 * ((radius - 21.0) / 2.6) ** 2) * np.clip(-self.y / 14.0, 0, 1)
        side = 1.0 + 0.13 * (0.4 + a["light_strength"]) * np.clip(self.x * a["light"] / 14.0, -1, 1)
        depth = np.clip(1.06 - 0.012 * np.maximum(self.y, 0.0), 0.75, 1.06)
        tone = (0.74 + 0.46 * strands) * side * depth
        color = self.hair_color * tone[..., None]
        return np.clip(
            color + (sheen * (0.1 + 0.14 * strands))[..., None] * (0.25 + self.hair_color), 0, 1
        )

    def hair_behind(self) -> None:
        a, style = self.a, self.a["hair_style"]
        self.hair = self.hair_shade()
        volume = a["hair_volume"]
        if style == "bun":
            shape = [_ellipse(1.5 * a["part"], self.top - 2.5 - volume, 7.0 + volume, 5.5 + volume)]
        elif style in ("long", "wavy", "fringe"):
            low = {"long": 40.0, "wavy": 30.0, "fringe": 19.0}[style] + 4.0 * volume
            wide = self.half_width + 3.5 + 2.5 * volume
            right = _curve(
                [
                    (0, self.top - 3.0),
                    (wide * 0.62, self.top + 1.0),
                    (wide, -7),
                    (wide + 0.6, 8),
                    (wide + (0.5 if style != "fringe" else -1.0), low - 6),
                    (wide * 0.72, low),
                ],
                30,
            )
            if style == "wavy":
                right[:, 0] += np.where(right[:, 1] > -8, 1.1 * np.sin(right[:, 1] * 0.55), 0)
            shape = [np.concatenate([right, (right * [-1, 1])[::-1]])]
        elif style == "curly":
            shape = [self.curls(3.2 + 3.8 * volume)]
        else:
            return
        behind = self.mask(*shape)
        self.paint(blurred(behind, 0.4), self.hair * 0.72)
        self.darken(blurred(self.mask(self.outline(2.0)), 2.5) * behind, 0.35)

    def curls(self, grow: float) -> np.ndarray:
        """Scalloped outline around the upper head."""
        t = np.linspace(np.pi * 0.9, np.pi * 2.1, 90)
        radius = 1.0 + 0.035 * np.abs(np.sin(7.5 * t + self.a["part"]))
        x = (self.half_width + grow) * np.cos(t) * radius
        y = (-self.top + grow * 0.6) * np.sin(t) * radius
        return np.stack([x, y], 1)

    def hair_in_front(self) -> None:
        a, style, w = self.a, self.a["hair_style"], self.half_width
        if style == "bald":
            return
        volume, part = a["hair_volume"], a["part"]
        line = -17.2 - 2.6 * a["hairline"]
        near = w - 1.0
        if style in ("short", "buzz", "curly", "bun"):
            side = [(-near, -3), (-near + 0.8, -9), (-near + 3.0, -14), (-8, line)]
            edge = _symmetric(side, (0, line + 0.6 * volume))
            if style == "bun":
                side = [(-near - 0.5, -5), (-near + 1.5, -11), (-9, line)]
                edge = _symmetric(side, (0, line - 1.5))
        elif style == "side part":
            sign = 1.0 if part > 0 else -1.0
            edge = [
                (-near, -3),
                (-near + 1.0, -10),
                (-near + 3.5, -13.0),
                (-7, -15.0 - volume),
                (2, line - 0.5),
                (9, line - 2.2),
                (near - 4.5, -15.5),
                (near - 1.2, -9),
                (near, -3),
            ]
            edge = [(sign * px, py) for px, py in edge][:: int(sign)]
        elif style == "fringe":
            side = [
                (-near + 2.2, 14),
                (-near + 1.0, 0),
                (-near + 2.6, -9),
                (-near + 5, -11.8),
                (-6, -12.8),
            ]
            edge = _symmetric(side, (0, -12.2 - volume))
        else:
            top = 5.0 * part
            edge = [
                (-near + 2.0, 18),
                (-near + 0.2, 4),
                (-near + 1.6, -6),
                (-near + 5.0, -13),
                (top - 5, line - 2.0),
                (top, line - 4.2),
                (top + 5, line - 2.0),
                (near - 5.0, -13),
                (near - 1.6, -6),
                (near - 0.2, 4),
                (near - 2.0, 18),
            ]
        opening = _curve(edge, 48) + [0.45 * self.turn, 0]
        first, last = opening[0], opening[-1]
        open_mask = self.mask(np.concatenate([opening, [(last[0], 44), (first[0], 44)]]))
        if style in ("long", "wavy", "fringe"):
            low = {"long": 38.0, "wavy": 26.0, "fringe": 15.0}[style] + 4.0 * volume
            wide = w + 2.2 + 2.0 * volume
            right = _curve(
                [
                    (0, self.top - 2.5 - volume),
                    (wide * 0.6, self.top + 0.8),
                    (wide, -6),
                    (wide + 0.4, 10),
                    (wide - 0.5, low - 4),
                    (wide - 3.5, low),
                ],
                30,
            )
            if style == "wavy":
                right[:, 0] += np.where(right[:, 1] > -8, 0.9 * np.sin(right[:, 1] * 0.6), 0)
            outer = np.concatenate([right, (right * [-1, 1])[::-1]])
        elif style == "curly":
            outer = self.curls(3.0 + 3.0 * volume)
            outer = outer[outer[:, 1] < -1.0]
        else:
            grow = {
                "buzz": 0.4,
                "short": 1.4 + 1.8 * volume,
                "side part": 1.8 + 2.0 * volume,
                "bun": 1.0,
            }[style]
            outer = self.outline(grow, low=-3.0 if style != "bun" else -5.0)
        hair = self.mask(outer) * (1.0 - open_mask)
        soft = blurred(hair, {"buzz": 0.9, "short": 0.5, "curly": 0.7}.get(style, 0.4))
        # The hair throws a soft shadow on the forehead.
        shadow = np.roll(blurred(hair, 1.4), 1, axis=0) * self.head * (1.0 - soft)
        self.darken(shadow, 0.12 if style == "buzz" else 0.38)
        self.paint(soft * (0.78 if style == "buzz" else 1.0), self.hair)

    def glasses(self) -> None:
        a, kind = self.a, self.a["glasses"]
        if kind == "none":
            return
        color = from_bytes(_FRAMES[a["glasses_color"]])
        y = self.eye_y + 0.5
        lenses, arms = [], []
        for side in (-1, 1):
            cx = self.shift(side * (self.eye_x + 0.2), 0.68)
            if kind == "round":
                lenses.append(_ellipse(cx, y, 6.1, 5.5, 36))
            else:
                lenses.append(_rounded_box(cx, y, 6.6, 4.5, 4.5, 40))
            arms.append([(cx + side * 6.2, y - 1.2), (side * (self.half_width + 0.3), y - 1.6)])
        left = (self.shift(-self.eye_x + 5.9, 0.7), y - 0.8)
        right = (self.shift(self.eye_x - 5.9, 0.7), y - 0.8)
        bridge = _curve([left, (0.75 * self.turn, y - 1.9), right], 8)
        glass = self.mask(*lenses)
        self.lighten(
            glass * np.clip(0.5 + 0.1 * (self.x * np.sign(a["light"]) - self.y - 8), 0, 1), 0.1
        )
        if kind == "half-rim":
            rims = [lens[lens[:, 1] < y + 0.8] for lens in lenses]
            for k, rim in enumerate(rims):
                angles = np.arctan2(-(rim[:, 1] - y), rim[:, 0] - rim[:, 0].mean()) % (2 * np.pi)
                rims[k] = rim[np.argsort(angles)]
        else:
            rims = [np.concatenate([lens, lens[:2]]) for lens in lenses]
        width = 0.9 if kind == "round" else 1.3
        frame = self.mask(lines=[*rims, bridge, *arms], width=width)
        self.darken(np.roll(blurred(frame, 0.8), 1, axis=0) * self.head, 0.25)
        self.paint(frame, color)


class SyntheticFaces(RenderedPictures):
    """Rendered faces; arguments and methods are those of `RenderedPictures`."""

    name, noun = "synthetic-faces", "faces"
    sample = staticmethod(sample_attributes)
    draw = staticmethod(draw)

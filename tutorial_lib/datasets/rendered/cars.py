"""Rendered cars: 64x64 RGB pictures of one car, each a pure function of (seed, index).

They stand in for the Stanford Cars of the paper, which are cut out by the car's box and squeezed
into a square: a low, wide car is stretched here too, though by at most 1.35.
`sample_attributes(seed, index)` draws what a picture shows, `draw(attributes)` paints it;
`SyntheticCars` is the torch data set, and its `render(seed, index)` does both.

How a car is painted: the body is a mesh of four-sided faces in meters, built from the style's side
profile and a rounded plan, with a cabin on top. A camera at eye level projects the faces; those
that look away are left out, the others are painted from far to near, shaded by sun, sky and the
ground's reflection. Windows, lamps, doors and wheels are laid on the faces. Pillow fills all that
at four times the size and averages down to 64x64; road, backdrop and shadow lie behind.

Attributes (all of them)
    style           "sedan", "hatchback", "suv", "pickup", "van", "coupe"
    view            "front", "front left", "left", "rear left", "rear", "rear right", "right",
                    "front right": which of the car's sides are seen; its left side drives to the
                    picture's left
    yaw             float -14..14   degrees off that view
    color           "white", "silver", "gray", "black", "red", "maroon", "blue", "navy", "green",
                    "yellow", "orange", "beige"
    tint            float -1..1     lighter or darker than the named color
    gloss           float 0..1      of the paint
    length, tallness                float 0..1    within the style
    nose            float 0..1      flat to sloping hood
    trim            "body", "black"  color of bumpers and sills
    wheels          "five spokes", "many spokes", "disc", "steel"
    wheel_size      float 0..1
    headlights      "round", "slim", "square"
    grille          "wide", "split", "low"
    plate           "white", "yellow", "none"
    windows         float 0..1      clear to tinted dark
    cargo           "no", "yes"     a van without rear side windows, a pickup with a load; nothing
                                    for the others
    rails           "no", "yes"     on the roof of a suv or a hatchback
    camera_height   float 1.2..2.4  meters
    distance        float 6.5..11   meters from the car's middle
    backdrop        "wall", "trees", "houses", "sky", "garage"
    backdrop_hue, backdrop_value    float 0..1
    ground          "asphalt", "concrete", "gravel", "grass"
    marking         "no", "yes"     a painted line on the ground
    light           float -1..1     positive: the sun is at the picture's right
    light_strength  float 0..1      overcast to sunny
    exposure        float 0..1      dark to bright
    warmth          float -1..1     bluish to yellowish light
    scale           float 0.92..1.0     of the box that the car fills
    shift_x, shift_y                float -1..1, times 1.5 pixels
    blur            float 0..1
    grain           float 0..1
    texture         int             seed of grain, leaves, windows of houses
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tutorial_lib.datasets.rendered.base import (
    SIZE,
    Draws,
    RenderedPictures,
    blurred,
    from_bytes,
    from_hsv,
    photographed,
    smooth_noise,
)

SUPERSAMPLE = 4
STRETCH = 1.35  # at most, as the paper's crops are squeezed into a square
BOX = (58.0, 48.0)  # width, height in pixels of the box that a stretched car fills
TALLEST = 54.0  # pixels, for cars that are higher than wide

# The camera's place around the car in degrees: 0 looks at its front, 90 at its left side.
VIEWS = {
    "front": 0,
    "front left": 42,
    "left": 90,
    "rear left": 138,
    "rear": 180,
    "rear right": 222,
    "right": 270,
    "front right": 318,
}
_PAINTS = {
    "white": (232, 232, 230),
    "silver": (176, 180, 184),
    "gray": (108, 112, 118),
    "black": (34, 35, 39),
    "red": (190, 30, 34),
    "maroon": (104, 24, 34),
    "blue": (40, 96, 184),
    "navy": (28, 42, 84),
    "green": (34, 98, 70),
    "yellow": (232, 190, 44),
    "orange": (222, 108, 36),
    "beige": (196, 178, 146),
}
_GROUNDS = {
    "asphalt": (96, 97, 101),
    "concrete": (158, 155, 149),
    "gravel": (146, 134, 116),
    "grass": (104, 124, 72),
}

# Meters. length, width; sill: height of the body's lower edge; hood, cowl (the hood's end), deck:
# heights of the upper edge at the nose, the windshield's foot and the tail; base, roof: where the
# cabin begins and ends, front to rear from the car's middle, at its foot and its top; top: height
# of the roof; axles: of the wheels; radius: of the tires; doors: seams.
# fmt: off
_STYLES: dict[str, dict[str, Any]] = {
    "sedan": dict(
        length=4.6, width=1.8, sill=0.24, hood=0.70, cowl=0.92, deck=0.98, top=1.44, radius=0.33,
        base=(1.12, -1.72), roof=(0.30, -0.92), axles=(1.38, -1.34),
        doors=(0.98, -0.05, -1.0), pillars=(-0.06,),
    ),
    "hatchback": dict(
        length=3.95, width=1.74, sill=0.25, hood=0.74, cowl=0.96, deck=0.98, top=1.50, radius=0.33,
        base=(1.10, -1.90), roof=(0.32, -1.52), axles=(1.24, -1.26),
        doors=(0.95, -0.25, -1.0), pillars=(-0.24, -1.12),
    ),
    "suv": dict(
        length=4.55, width=1.88, sill=0.34, hood=0.90, cowl=1.08, deck=1.10, top=1.74, radius=0.39,
        base=(1.16, -2.18), roof=(0.46, -1.92), axles=(1.38, -1.34),
        doors=(1.0, -0.08, -1.02), pillars=(-0.08, -1.14),
    ),
    "pickup": dict(
        length=5.2, width=1.88, sill=0.38, hood=0.94, cowl=1.10, deck=1.08, top=1.78, radius=0.40,
        base=(1.16, -0.86), roof=(0.48, -0.66), axles=(1.66, -1.52),
        doors=(1.02, 0.14, -0.80), pillars=(0.12,),
    ),
    "van": dict(
        length=4.9, width=1.92, sill=0.30, hood=0.86, cowl=1.18, deck=1.12, top=2.02, radius=0.35,
        base=(1.86, -2.40), roof=(1.12, -2.32), axles=(1.58, -1.50),
        doors=(1.50, 0.42, -0.90), pillars=(0.42, -0.92),
    ),
    "coupe": dict(
        length=4.4, width=1.84, sill=0.20, hood=0.62, cowl=0.86, deck=0.94, top=1.26, radius=0.34,
        base=(0.92, -1.86), roof=(-0.06, -0.74), axles=(1.36, -1.28),
        doors=(0.72, -0.62), pillars=(),
    ),
}
# fmt: on
_UP = np.array([0.0, 0.0, 1.0])
_TURN = np.arange(16) * math.pi / 8
_CIRCLE = np.stack([np.cos(_TURN), 0 * _TURN, np.sin(_TURN)], 1)
_ROWS, _COLUMNS = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5


def sample_attributes(seed: int, index: int) -> dict:
    """Draw what car `index` of stream `seed` is like: see the top of this module."""
    draws = Draws(seed, index)
    number, bell, choice = draws.number, draws.bell, draws.choice
    style = choice({"sedan": 24, "hatchback": 18, "suv": 20, "pickup": 13, "van": 12, "coupe": 13})
    return {
        "style": style,
        "view": choice(
            {
                "front": 10,
                "front left": 20,
                "left": 11,
                "rear left": 12,
                "rear": 8,
                "rear right": 10,
                "right": 11,
                "front right": 18,
            }
        ),
        "yaw": number(-14.0, 14.0),
        "color": choice(
            {
                "white": 16,
                "silver": 12,
                "gray": 10,
                "black": 12,
                "red": 13,
                "maroon": 4,
                "blue": 10,
                "navy": 6,
                "green": 5,
                "yellow": 5,
                "orange": 4,
                "beige": 4,
            }
        ),
        "tint": number(-1.0, 1.0),
        "gloss": number(),
        "length": number(),
        "tallness": number(),
        "nose": number(),
        "trim": choice(
            {"body": 3, "black": 1} if style in ("sedan", "coupe") else {"body": 1, "black": 1}
        ),
        "wheels": choice({"five spokes": 40, "many spokes": 25, "disc": 15, "steel": 20}),
        "wheel_size": number(),
        "headlights": choice({"round": 25, "slim": 40, "square": 35}),
        "grille": choice({"wide": 45, "split": 25, "low": 30}),
        "plate": choice({"white": 60, "yellow": 20, "none": 20}),
        "windows": number(),
        "cargo": choice({"no": 60, "yes": 40}),
        "rails": choice({"no": 60, "yes": 40}),
        "camera_height": number(1.2, 2.4),
        "distance": number(6.5, 11.0),
        "backdrop": choice({"wall": 25, "trees": 25, "houses": 18, "sky": 16, "garage": 16}),
        "backdrop_hue": number(),
        "backdrop_value": number(),
        "ground": choice({"asphalt": 50, "concrete": 25, "gravel": 13, "grass": 12}),
        "marking": choice({"no": 65, "yes": 35}),
        "light": number(-1.0, 1.0),
        "light_strength": number(),
        "exposure": number(),
        "warmth": bell(0.5, 1.0),
        "scale": number(0.92, 1.0),
        "shift_x": bell(0.45, 1.0),
        "shift_y": bell(0.45, 1.0),
        "blur": number() ** 1.5,
        "grain": number(),
        "texture": draws.texture(),
    }


# -- shape --

# Car coordinates in meters: x to the front, y to the car's left, z up; the origin on the ground
# under its middle.


class _Shape:
    """The measures of one car, and the points on its skin."""

    # along the body, dense where nose and tail are rounded
    STATIONS = np.sin(np.linspace(-0.5, 0.5, 17) * math.pi)
    POWER = 5.5  # of the superellipse that is the body's plan

    def __init__(self, a: dict):
        s = _STYLES[a["style"]]
        stretch = 0.95 + 0.1 * a["length"]
        self.half, self.width = s["length"] / 2 * stretch, s["width"] / 2
        self.sill = s["sill"]
        lift = s["sill"] + (0.95 + 0.1 * a["tallness"]) * (s["top"] - s["sill"]) - s["top"]
        self.top = s["top"] + lift
        self.hood = s["hood"] + 0.1 * (0.5 - a["nose"])
        self.cowl = s["cowl"] + 0.4 * lift
        self.deck = s["deck"] + 0.4 * lift
        self.base = [x * stretch for x in s["base"]]
        self.roof = [x * stretch for x in s["roof"]]
        self.axles = [x * stretch for x in s["axles"]]
        self.doors = [x * stretch for x in s["doors"]]
        self.pillars = [x * stretch for x in s["pillars"]]
        self.radius = s["radius"] * (0.95 + 0.12 * a["wheel_size"])
        self.boxy = a["style"] in ("van", "suv", "hatchback")

    def edge(self, x):
        """Height of the body's upper edge."""
        h = self.half
        xs = [-h, -0.9 * h, self.base[1], 0.0, self.base[0], 0.82 * h, h]
        rear = [self.deck - 0.07, self.deck, self.deck]
        front = [self.cowl, self.hood + 0.05, self.hood - 0.07]
        return np.interp(x, xs, [*rear, (self.cowl + self.deck) / 2, *front])

    # The skin's cross-section: (height, reach to the front, to the rear, half width), as fractions
    # of the whole.
    SECTION = np.array(
        [
            (0.0, 0.965, 0.975, 0.955),
            (0.24, 0.99, 0.992, 0.985),
            (0.46, 1.0, 1.0, 1.0),
            (0.87, 0.985, 0.985, 0.985),
            (1.0, 0.93, 0.955, 0.915),
        ]
    )

    def section(self, x, z, ahead) -> tuple[np.ndarray, np.ndarray]:
        """How far the body reaches to the front (if `ahead`) or rear at z, and its half width."""
        share = (z - self.sill) / (self.edge(x) - self.sill)
        heights, front, rear, wide = self.SECTION.T
        reach = np.where(ahead, np.interp(share, heights, front), np.interp(share, heights, rear))
        return self.half * reach, self.width * np.interp(share, heights, wide)

    def rounded(self, share):
        """Half width of the plan, a superellipse, at a share of its length; or the reverse."""
        return np.clip(1 - np.abs(share) ** self.POWER, 0, 1) ** (1 / self.POWER)

    def skin(self, x, z, side: float) -> np.ndarray:
        """(N, 3) points at x, z on a flank (1: left, -1: right); nose and tail are its ends."""
        x, z = np.broadcast_arrays(np.asarray(x, float), np.asarray(z, float))
        reach, wide = self.section(x, z, x > 0)
        return np.stack([x, side * wide * self.rounded(x / reach), z], -1)

    def end(self, y, z, front: bool) -> np.ndarray:
        """(..., 3) points on the nose or the tail; y from -1 to 1, a fraction of the half width."""
        x = self.half if front else -self.half
        reach, wide = self.section(0.97 * x, z, front)
        return np.stack([math.copysign(1.0, x) * reach * self.rounded(y), y * wide, z], -1)

    def body(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The faces of the body.

        Returns:
            (F, 4, 3) those of the flanks, nose and tail included; (F,) their level from 0 to 3;
            (S, 4, 3) those of the top.
        """
        share, front, rear, wide = (column[:, None] for column in self.SECTION.T)
        x = self.STATIONS * np.where(self.STATIONS > 0, front, rear) * self.half
        z = self.sill + share * (self.edge(x) - self.sill)
        y = self.width * wide * self.rounded(self.STATIONS)
        left = np.stack([x, y, z], -1)
        grid = np.stack([left, _mirrored(left)])
        faces = np.stack(
            [grid[:, :-1, :-1], grid[:, :-1, 1:], grid[:, 1:, 1:], grid[:, 1:, :-1]], 3
        )
        level = np.broadcast_to(np.arange(len(self.SECTION) - 1)[None, :, None], faces.shape[:3])
        ridge = left[-1] * [1, 0, 1] + [0, 0, 0.03]
        top = [np.stack([edge[:-1], edge[1:], ridge[1:], ridge[:-1]], 1) for edge in grid[:, -1]]
        return faces.reshape(-1, 4, 3), level.reshape(-1), np.concatenate(top)

    def cabin(self) -> dict[str, np.ndarray]:
        """Faces of the cabin, (4, 3) each; they bulge a little.

        The corners of the sides are foot-front, foot-rear, top-rear, top-front. Of the front and
        the rear it is the left half, from the edge to the middle, foot first.
        """
        foot, top = 0.90 * self.width, (0.80 if self.boxy else 0.70) * self.width
        foot_front, foot_rear = self.edge(self.base[0]) - 0.03, self.edge(self.base[1]) - 0.03
        eaves = self.top - 0.05
        left = np.array(
            [
                [self.base[0], foot, foot_front],
                [self.base[1], foot, foot_rear],
                [self.roof[1], top, eaves],
                [self.roof[0], top, eaves],
            ]
        )
        faces = {"left": left, "right": _mirrored(left)}
        for name, k, low, out in (("front", 0, foot_front, 0.13), ("rear", 1, foot_rear, -0.08)):
            faces[name] = np.array(
                [
                    [self.base[k], foot, low],
                    [self.base[k] + out, 0, low],
                    [self.roof[k] + 0.7 * out, 0, self.top - 0.01],
                    [self.roof[k], top, eaves],
                ]
            )
        self.roof_edge = top
        return faces


# -- painting --


def _mirrored(points: np.ndarray) -> np.ndarray:
    return points * [1, -1, 1]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of (..., 3); numpy's own takes several times as long for a few."""
    x, y, z = np.moveaxis(a, -1, 0)
    u, v, w = np.moveaxis(b, -1, 0)
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], -1)


def _inset(face: np.ndarray, left: float, right: float, low: float, high: float) -> np.ndarray:
    """A part of a four-sided face: shares along its foot (corner 0 to 1) and from foot to top."""
    a, b, c, d = face

    def at(u, v):
        return (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * c)

    return np.array([at(left, low), at(right, low), at(right, high), at(left, high)])


def _ordered(patch: tuple) -> tuple:
    """A patch of the right side, mirrored from the left, with y growing again."""
    return (min(patch[:2]), max(patch[:2]), *patch[2:])


def _ink(color) -> tuple[int, int, int, int]:
    """Color (3,) in [0, 1] for Pillow, and 255 for the silhouette."""
    r, g, b = color.tolist()
    return (
        min(255, max(0, int(255 * r))),
        min(255, max(0, int(255 * g))),
        min(255, max(0, int(255 * b))),
        255,
    )


class _Car:
    """One picture; a method a part, called in the order of `draw`."""

    def __init__(self, a: dict):
        self.a = a
        # One stream of chance a part, so that another backdrop leaves ground and grain as they are.
        self.rngs = {
            part: np.random.default_rng([a["texture"], k])
            for k, part in enumerate(("backdrop", "ground", "grain"))
        }
        self.shape = _Shape(a)
        angle = math.radians(VIEWS[a["view"]] + a["yaw"])
        # from the car to the camera
        self.toward = np.array([math.cos(angle), math.sin(angle), 0.0])
        self.right = np.array([-math.sin(angle), math.cos(angle), 0.0])  # the picture's right
        self.eye = a["distance"] * self.toward + a["camera_height"] * _UP
        sun = 0.8 * a["light"] * self.right + 0.45 * self.toward + 0.85 * _UP
        self.sun = sun / np.linalg.norm(sun)
        self.paint = np.clip(from_bytes(_PAINTS[a["color"]]) * (1.0 + 0.12 * a["tint"]), 0, 1)
        self.dark = np.array([0.11, 0.11, 0.12], np.float32)
        self.trim = 0.92 * self.paint if a["trim"] == "body" else self.dark * 1.5
        self.sky = np.array([0.80, 0.88, 0.98]) * (0.75 + 0.25 * a["light_strength"])
        self.faces, self.levels, self.tops = self.shape.body()
        self.cabin = self.shape.cabin()
        self.frame()
        # Four plain channels, the last one the car's silhouette: averaged as they are, they are
        # colors times silhouette.
        self.picture = Image.new("RGBX", (SIZE * SUPERSAMPLE,) * 2)
        self.pen = ImageDraw.Draw(self.picture)

    # -- tools --

    def frame(self) -> None:
        """Choose the camera's matrix such that the car fills its box."""
        turned = np.stack([self.right, -_UP, -self.toward])
        self.camera = np.concatenate([turned, -(turned @ self.eye)[:, None]], 1)
        corners = np.concatenate(
            [
                self.faces.reshape(-1, 3),
                *self.cabin.values(),
                _mirrored(self.cabin["front"]),
                self.wheel_points(),
            ]
        )
        flat = self.pixels(corners)
        low, high = flat.min(0), flat.max(0)
        (width, height), scale = high - low, self.a["scale"]
        across = scale * min(BOX[0] / width, TALLEST / height)
        down = max(across, min(scale * BOX[1] / height, STRETCH * across))
        middle = np.array(
            [SIZE / 2 + 1.5 * self.a["shift_x"], SIZE / 2 + 1.0 + 1.5 * self.a["shift_y"]]
        )
        left, top = middle - (across, down) * (low + high) / 2
        self.camera = np.array([[across, 0, left], [0, down, top], [0, 0, 1]]) @ self.camera

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) meters -> (..., 2) columns and rows of the 64x64 picture."""
        flat = points @ self.camera[:, :3].T + self.camera[:, 3]
        return flat[..., :2] / flat[..., 2:]

    def shaded(
        self, color, normals: np.ndarray, centers: np.ndarray, gloss: float = 0.0
    ) -> np.ndarray:
        """(F, 3) colors of faces: sun and sky light, mirrored sky and ground, a highlight."""
        a = self.a
        direct = np.maximum(normals @ self.sun, 0.0)[:, None]
        up = normals[:, 2:3]
        sun = 0.30 + 0.35 * a["light_strength"]
        lit = np.asarray(color) * (
            0.46 + (0.62 - 0.5 * sun) * (0.5 + 0.5 * up) + sun * direct * 1.15
        )
        view = self.eye - centers
        view /= np.linalg.norm(view, axis=1, keepdims=True)
        facing = np.clip((normals * view).sum(1, keepdims=True), 0, 1)
        mirror = 2 * facing * normals - view  # where a ray from the eye goes on to
        fresnel = (0.05 + 0.5 * (1 - facing) ** 3) * (0.4 + 0.6 * gloss)
        seen = np.clip(mirror[:, 2:3] * 2.5 + 0.35, 0, 1)
        lit = lit + gloss * fresnel * (seen * self.sky + (1 - seen) * 0.22 - lit * 0.8)
        spark = np.clip((mirror * self.sun).sum(1, keepdims=True), 0, 1) ** 14
        return lit + gloss * (0.25 + 0.5 * a["light_strength"]) * spark

    def polygon(self, points: np.ndarray, color) -> None:
        """Fill a polygon given in meters."""
        self.fill(self.pixels(points), color)

    def fill(self, pixels: np.ndarray, color) -> None:
        """Fill a polygon given in pixels; color (3,) in [0, 1]."""
        self.pen.polygon((pixels * SUPERSAMPLE).ravel().tolist(), fill=_ink(color))

    def line(self, points: np.ndarray, color, width: float) -> None:
        self.pen.line(
            (self.pixels(points) * SUPERSAMPLE).ravel().tolist(),
            fill=_ink(color),
            width=max(1, round(width * SUPERSAMPLE)),
        )

    def mesh(self, faces: np.ndarray, colors, inside, gloss: float = 0.0) -> np.ndarray:
        """Paint the faces that look at the eye, from far to near.

        Args:
            faces: (F, 4, 3).
            colors: (3,) or (F, 3) in [0, 1].
            inside: (3,) a point behind all of them.
            gloss: from 0 to 1.

        Returns:
            (F,) bool, which faces look at the eye.
        """
        normals = _cross(faces[:, 2] - faces[:, 0], faces[:, 3] - faces[:, 1])
        normals /= np.maximum(np.sqrt((normals**2).sum(1, keepdims=True)), 1e-9)
        centers = faces.mean(1)
        normals *= np.sign(((centers - inside) * normals).sum(1, keepdims=True))
        looks = ((self.eye - centers) * normals).sum(1) > 0
        seen = np.nonzero(looks)[0]
        seen = seen[np.argsort((centers[seen] @ self.toward), kind="stable")]
        colors = np.broadcast_to(colors, (len(faces), 3))
        lit = self.shaded(colors[seen], normals[seen], centers[seen], gloss)
        pixels = self.pixels(faces[seen])
        inks = (np.clip(lit, 0, 1) * 255).astype(int).tolist()
        outlines = (pixels * SUPERSAMPLE).reshape(len(seen), -1).tolist()
        for corners, ink in zip(outlines, inks, strict=True):
            self.pen.polygon(corners, fill=(*ink, 255))
        return looks

    def sees(self, side: float) -> bool:
        """Whether the eye is outside of that flank."""
        return side * self.eye[1] > self.shape.width

    # -- parts --

    def wheel_points(self) -> np.ndarray:
        s = self.shape
        return np.array(
            [
                [x + dx, side * s.width * 0.97, 0.0]
                for x in s.axles
                for side in (1, -1)
                for dx in (-0.2, 0.2)
            ]
        )

    def disc(self, x: float, y: float, radius: float) -> np.ndarray:
        """(16, 3) points of a circle upright along the car, around a wheel's hub at x."""
        return np.array([x, y, self.shape.radius]) + radius * _CIRCLE

    def tires(self) -> None:
        """The rubber of all four wheels; the body then hides what is behind it."""
        s = self.shape
        for x in s.axles:
            for side in (1, -1):
                outer, inner = (
                    self.pixels(self.disc(x, side * s.width * k, s.radius)) for k in (0.965, 0.70)
                )
                self.fill(inner, self.dark * 0.8)
                across = (inner.mean(0) - outer.mean(0)) @ np.array([[0.0, 1.0], [-1.0, 0.0]])
                band = [
                    disc[pick(disc @ across)]
                    for disc, pick in (
                        (outer, np.argmin),
                        (outer, np.argmax),
                        (inner, np.argmax),
                        (inner, np.argmin),
                    )
                ]
                self.fill(np.array(band), self.dark * 0.8)  # the tread
                self.fill(outer, self.dark)

    def under(self) -> None:
        """What is seen between the wheels below the body: darkness."""
        s = self.shape
        x = 0.9 * s.half * s.STATIONS
        left = s.skin(x, s.sill, 1.0)
        outline = np.concatenate([left, _mirrored(left)[::-1]])
        self.polygon(outline * [0.97, 0.86, 1] - [0, 0, 0.12], self.dark * 0.45)
        self.polygon(outline * [1, 0.96, 1], self.dark * 0.45)

    def body(self) -> None:
        s, a = self.shape, self.a
        low = self.levels == 0
        if a["trim"] == "black":  # bumpers reach higher than sills
            low |= (np.abs(self.faces[:, :, 0].mean(1)) > 0.86 * s.half) & (self.levels == 1)
        colors = np.where(low[:, None], self.trim, self.paint)
        self.mesh(self.faces, colors, np.array([0, 0, 0.5]), 0.35 + 0.65 * a["gloss"])
        self.mesh(self.tops, self.paint, np.array([0, 0, 0.3]), 0.35 + 0.65 * a["gloss"])

    def flanks(self) -> None:
        """Wheel arches, door seams, handles and rocker on the flank that is seen."""
        s = self.shape
        shade, arch = self.paint * 0.55, s.radius * 1.17
        t = np.linspace(0, np.pi, 14)
        for side in (1.0, -1.0):
            if not self.sees(side):
                continue
            for x in s.axles:
                xs = np.concatenate([x + arch * np.cos(t), x + arch * np.cos(t[::-1])])
                zs = np.concatenate(
                    [np.maximum(s.radius + arch * np.sin(t), s.sill), np.full(len(t), s.sill)]
                )
                self.polygon(s.skin(xs, zs, side), self.dark * 0.5)
            for x in s.doors:
                low = (
                    s.radius + arch
                    if min(abs(x - axle) for axle in s.axles) < 0.75 * arch
                    else s.sill + 0.06
                )
                self.line(s.skin(x, np.linspace(low, s.edge(x) - 0.02, 3), side), shade, 0.3)
            for x in s.doors[1:]:
                self.line(
                    s.skin(np.array([x + 0.08, x + 0.26]), s.edge(x) - 0.16, side), shade, 0.45
                )

    def wheels(self) -> None:
        s, a = self.shape, self.a
        for side in (1.0, -1.0):
            if not self.sees(side):
                continue
            lit = 0.75 + 0.25 * max(0.0, float(self.sun @ [0, side, 0])) + 0.1 * a["light_strength"]
            for x in sorted(s.axles, key=lambda x: x * self.toward[0]):
                y = side * s.width * 0.97
                self.polygon(self.disc(x, y, s.radius), self.dark)
                rim = s.radius * (0.62 + 0.1 * a["wheel_size"])
                metal = np.array([0.72, 0.73, 0.75]) * lit
                if a["wheels"] == "steel":
                    metal = metal * 0.45
                self.polygon(self.disc(x, y, rim), metal)
                if a["wheels"] in ("five spokes", "many spokes"):
                    count = 5 if a["wheels"] == "five spokes" else 9
                    turn = a["texture"] % 97 / 97 * 2 * np.pi
                    t = (
                        turn
                        + (np.arange(count)[:, None] + [0.22, 0.78, 0.62, 0.38]) * 2 * np.pi / count
                    )
                    r = rim * np.array([0.86, 0.86, 0.34, 0.34])
                    gaps = np.stack(
                        [x + r * np.cos(t), np.full(t.shape, y), s.radius + r * np.sin(t)], -1
                    )
                    for gap in self.pixels(gaps):
                        self.fill(gap, self.dark * 1.1)
                elif a["wheels"] == "disc":
                    self.polygon(self.disc(x, y, 0.62 * rim), metal * 0.8)
                else:
                    self.polygon(self.disc(x, y, 0.66 * rim), metal * 1.5)
                self.polygon(self.disc(x, y, 0.2 * rim), metal * 0.7)

    def glass(
        self, face: np.ndarray, tone: float = 0.0, bands: int = 4, streak: bool = True
    ) -> None:
        """A window: dark inside, the sky's reflection stronger toward its top.

        In the sun a streak of light across.
        """
        normal = _cross(face[2] - face[0], face[3] - face[1])
        lean = abs(normal[2]) / np.sqrt((normal**2).sum())
        inside = np.array([0.10, 0.115, 0.13]) + 0.09 * (1.0 - self.a["windows"])
        reflected = self.sky - inside
        pane = self.pixels(face)
        up = np.linspace(0, 1, bands + 1)[:, None]
        left, right = pane[0] + up * (pane[3] - pane[0]), pane[1] + up * (pane[2] - pane[1])
        for k in range(bands):
            amount = (0.10 + 0.30 * lean + tone) * (0.35 + 0.85 * (k + 0.5) / bands)
            band = np.array([left[k], right[k], right[k + 1], left[k + 1]])
            self.fill(band, inside + amount * reflected)
        if streak and self.a["light_strength"] > 0.35:
            u = 0.2 + 0.45 * (self.a["texture"] % 89) / 89
            foot, top = _inset(pane, u, u + 0.1, 0, 1), _inset(pane, u + 0.2, u + 0.3, 0, 1)
            amount = 0.2 + 0.3 * lean + tone
            self.fill(np.array([foot[0], foot[1], top[2], top[3]]), inside + amount * reflected)

    def house(self) -> None:
        """The cabin: roof, pillars, windows."""
        s, a, gloss = self.shape, self.a, 0.35 + 0.65 * self.a["gloss"]
        front, rear, left, right = (self.cabin[name] for name in ("front", "rear", "left", "right"))
        inside = np.array([(s.base[0] + s.base[1]) / 2, 0.0, s.cowl])
        xs = np.linspace(s.roof[1], s.roof[0], 5)
        edge = np.stack([xs, np.full(5, s.roof_edge), np.full(5, s.top - 0.05)], 1)
        ridge = edge * [1, 0, 1]
        # the edges stay straight, or light would fall through below them
        ridge[:, 2] += [0.045, 0.065, 0.075, 0.065, 0.045]
        ridge[-1, 0], ridge[0, 0] = front[2, 0], rear[2, 0]
        roof = np.concatenate(
            [np.stack([e[:-1], e[1:], ridge[1:], ridge[:-1]], 1) for e in (edge, _mirrored(edge))]
        )
        ends = [front, _mirrored(front), rear, _mirrored(rear)]
        looks = self.mesh(
            np.concatenate([np.stack([left, right, *ends]), roof]), self.paint, inside, gloss
        )
        for k, half in enumerate(ends):
            if looks[2 + k]:
                # The two halves of a pane meet in the middle; a van has a pane in each of its rear
                # doors.
                own_pane = k >= 2 and a["style"] == "van"
                part = (0.16, 0.94, 0.28, 0.84) if own_pane else (0.10, 1.0, 0.07, 0.93)
                self.glass(_inset(half, *part), 0.10 if k < 2 else 0.04, streak=k % 2 == 0)
        for side, face, seen in ((1.0, left, looks[0]), (-1.0, right, looks[1])):
            if seen:
                self.side_windows(face)
            if a["rails"] == "yes" and a["style"] in ("suv", "hatchback"):
                y = side * (s.roof_edge - 0.05)
                rail = [[s.roof[0] - 0.1, y, s.top + 0.04], [s.roof[1] + 0.1, y, s.top + 0.04]]
                self.line(np.array(rail), self.dark * 1.8, 0.55)

    def side_windows(self, face: np.ndarray) -> None:
        s, a = self.shape, self.a
        length = s.base[0] - s.base[1]
        cuts = [(s.base[0] - x) / length for x in s.pillars]
        low, high = (0.11, 0.76) if a["style"] == "van" else (0.07, 0.86)
        edges = [0.045, *cuts, 0.90 if a["style"] == "coupe" else 0.94]
        for k, (start, stop) in enumerate(pairwise(edges)):
            if a["style"] == "van" and a["cargo"] == "yes" and k > 0:
                continue
            start, stop = start + 0.016 * (k > 0), stop - 0.016 * (k < len(cuts))
            self.glass(_inset(face, start, stop, low, high), 0.02, 3)

    def mirrors(self) -> None:
        s = self.shape
        x, z = s.base[0] - 0.28, float(s.edge(s.base[0] - 0.28))
        for side in (1.0, -1.0):
            y, out = side * 0.90 * s.width, side * (s.width + 0.15)
            low, high = z + 0.01, z + 0.15
            lit = 0.75 if self.toward[0] > 0 else 0.4
            glass = [[x, y, low], [x, out, low + 0.02], [x, out, high], [x, y, high]]
            self.polygon(np.array(glass), self.paint * lit)
            if self.sees(side):
                foot = [[x + 0.06, out, low], [x - 0.12, out, low + 0.02]]
                top = [[x - 0.12, out, high], [x + 0.03, out, high]]
                self.polygon(np.array(foot + top), self.paint * 0.7)

    def decals(self, front: bool, patches: list) -> None:
        """Paint the parts of patches on nose or tail that look at the eye.

        A patch is (y0, y1, z0, z1, color), y in fractions of the half width, z of the height.
        """
        s = self.shape
        bounds = np.array([patch[:4] for patch in patches])
        height = float(s.edge(0.97 * (s.half if front else -s.half))) - s.sill
        y = bounds[:, :1] + np.linspace(0, 1, 6) * (bounds[:, 1:2] - bounds[:, :1])
        low, high = (
            s.end(y, np.broadcast_to(s.sill + height * bounds[:, k : k + 1], y.shape), front)
            for k in (2, 3)
        )
        corners = self.pixels(np.stack([low[:, :-1], low[:, 1:], high[:, 1:], high[:, :-1]], 2))
        first = corners[..., 2, :] - corners[..., 0, :]
        second = corners[..., 3, :] - corners[..., 1, :]
        # Seen from outside, y grows to the picture's right on the nose and to its left on the tail.
        turn = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
        seen = turn < 0 if front else turn > 0
        for patch, quads, shown in zip(patches, corners, seen, strict=True):
            for quad in quads[shown]:
                self.fill(quad, np.asarray(patch[4]))

    def nose(self) -> None:
        """Grille, intake, headlights, number plate."""
        a, black, glow = self.a, self.dark * 0.7, np.array([0.93, 0.94, 0.92])
        if self.toward[0] < -0.35:
            return
        wide, low, high = {
            "wide": (0.56, 0.56, 0.84),
            "split": (0.40, 0.56, 0.86),
            "low": (0.62, 0.24, 0.58),
        }[a["grille"]]
        patches = [(-wide, wide, low, high, black)]
        if a["grille"] == "split":
            patches.append((-0.07, 0.07, 0.54, 0.86, self.paint * 0.9))
        elif a["grille"] == "wide":
            patches.append((-0.56, 0.56, 0.69, 0.73, np.array([0.62, 0.63, 0.65])))
        if a["grille"] != "low":
            patches.append((-0.66, 0.66, 0.10, 0.24, black))
        y0, y1, z0, z1 = {
            "round": (0.62, 0.88, 0.60, 0.88),
            "slim": (0.56, 0.92, 0.68, 0.86),
            "square": (0.62, 0.91, 0.58, 0.88),
        }[a["headlights"]]
        for side in (-1, 1):
            patches += [
                (side * y0, side * y1, z0, z1, self.dark * 1.6),
                (side * (y0 + 0.03), side * (y1 - 0.03), z0 + 0.03, z1 - 0.02, glow * 0.86),
                (side * (y0 + 0.06), side * (y0 + 0.18), z0 + 0.06, z1 - 0.06, glow),
            ]
        self.decals(True, [_ordered(patch) for patch in patches + self.number_plate(0.34)])

    def tail(self) -> None:
        """Bumper's seam, lamps, number plate."""
        a = self.a
        if self.toward[0] > 0.35:
            return
        patches = [(-0.8, 0.8, 0.40, 0.425, self.paint * 0.45)]
        tall = a["style"] in ("van", "pickup", "suv")
        y0, y1, z0, z1 = (0.74, 0.91, 0.50, 0.94) if tall else (0.56, 0.92, 0.64, 0.88)
        for side in (-1, 1):
            patches.append((side * y0, side * y1, z0, z1, np.array([0.72, 0.06, 0.06])))
            y2 = y0 + 0.4 * (y1 - y0)
            patches.append((side * y0, side * y2, z0 + 0.02, z0 + 0.12, np.array([0.9, 0.75, 0.6])))
        if a["style"] == "pickup":
            patches.append((-0.78, 0.78, 0.92, 0.95, self.paint * 0.5))
        patches += self.number_plate(0.18 if tall else 0.46)
        self.decals(False, [_ordered(patch) for patch in patches])

    def number_plate(self, low: float) -> list:
        if self.a["plate"] == "none":
            return []
        color = np.array([0.9, 0.9, 0.88] if self.a["plate"] == "white" else [0.93, 0.79, 0.25])
        return [
            (-0.29, 0.29, low, low + 0.19, self.dark),
            (-0.27, 0.27, low + 0.02, low + 0.17, color),
            (-0.2, 0.2, low + 0.07, low + 0.12, color * 0.45),
        ]

    def bed(self) -> None:
        """A pickup's open bed, before the cabin is painted: its dark floor and the far walls."""
        s = self.shape
        if self.a["style"] != "pickup":
            return
        x0, x1, y = s.base[1] - 0.05, -0.94 * s.half, 0.80 * s.width
        z = s.deck + 0.015
        opening = np.array([[x0, y, z], [x1, y, z], [x1, -y, z], [x0, -y, z]])
        self.polygon(opening, self.dark * 0.9)
        if self.a["cargo"] == "yes":
            box = from_hsv(self.a["backdrop_hue"], 0.35, 0.55)
            x2, x3, w, top = x0 - 0.2, x0 - 0.2 - 0.9, 0.6 * s.width, z + 0.28
            corners = np.array(
                [[x, side * w, height] for x in (x2, x3) for side in (1, -1) for height in (z, top)]
            )
            faces = corners[[[0, 1, 3, 2], [4, 5, 7, 6], [0, 1, 5, 4], [2, 3, 7, 6], [1, 3, 7, 5]]]
            self.mesh(faces, box, corners.mean(0))

    # -- surroundings --

    def surroundings(self) -> np.ndarray:
        """(64, 64, 3): backdrop, ground, the car's shadow."""
        a, rng = self.a, self.rngs["backdrop"]
        rows, columns = _ROWS, _COLUMNS
        behind = -self.toward * rng.uniform(4.0, 12.0)
        foot = float(self.pixels(behind[None])[0, 1])  # where ground and backdrop meet
        canvas = np.empty((SIZE, SIZE, 3), np.float32)
        sky = np.array([0.62, 0.76, 0.93], np.float32) * (0.8 + 0.25 * a["light_strength"])
        haze = np.array([0.90, 0.92, 0.94], np.float32)
        value = 0.3 + 0.55 * a["backdrop_value"]
        up = np.clip((foot - rows) / max(foot, 8.0), 0, 1)
        canvas[:] = haze + up[..., None] * (sky - haze)
        if a["backdrop"] == "wall":
            color = from_hsv(a["backdrop_hue"], 0.2, value)
            canvas[:] = color * (0.86 + 0.14 * up + 0.06 * (smooth_noise(rng, 6) - 0.5))[..., None]
            seam = np.abs((columns + rng.uniform(0, 20)) % rng.uniform(13, 24) - 6.0)
            canvas *= (1 - 0.12 * np.clip(1.2 - seam, 0, 1))[..., None]
        elif a["backdrop"] == "garage":
            color = from_hsv(a["backdrop_hue"], 0.12, 0.25 + 0.4 * a["backdrop_value"])
            slats = ((foot - rows) % 5.0) / 5.0
            canvas[:] = color * (0.82 + 0.22 * slats + 0.1 * columns / SIZE)[..., None]
        elif a["backdrop"] == "trees":
            green = from_hsv(0.2 + 0.14 * a["backdrop_hue"], 0.5, 0.2 + 0.3 * a["backdrop_value"])
            crown = rng.uniform(8, 22) + 16 * (smooth_noise(rng, 7)[20:21] - 0.5)
            leaves = np.clip((rows - foot + 24 + crown) * 0.5, 0, 1)
            shade = 0.55 + 0.6 * smooth_noise(rng, 11) * (0.6 + 0.4 * up)
            shade = shade + 0.25 * (smooth_noise(rng, 24) - 0.5)
            canvas += leaves[..., None] * (green * shade[..., None] - canvas)
        elif a["backdrop"] == "houses":
            start = -rng.uniform(0, 20)
            while start < SIZE:
                wide, tall = rng.uniform(18, 34), rng.uniform(20, 50)
                hue = (a["backdrop_hue"] + rng.uniform(-0.08, 0.08)) % 1.0
                color = from_hsv(hue, 0.14, value * rng.uniform(0.8, 1.1))
                inside = (columns >= start) & (columns < start + wide) & (rows > foot - tall)
                canvas[inside] = color
                pane = rng.uniform(7, 10)
                across, above = (columns - start) % pane, foot - rows
                window = (across > 0.34 * pane) & (across < 0.8 * pane)
                window = window & (above % 11 > 4) & (above % 11 < 9) & (above < tall - 2)
                canvas[inside & window] = color * 0.5 + 0.08
                start += wide
        soil = self.rngs["ground"]
        road = from_bytes(_GROUNDS[a["ground"]]) * (0.85 + 0.25 * a["light_strength"])
        near = np.clip((rows - foot) / max(SIZE - foot, 8.0), 0, 1)
        coarse = {"asphalt": 0.05, "concrete": 0.05, "gravel": 0.2, "grass": 0.25}[a["ground"]]
        texture = 1.06 - 0.14 * near + coarse * (smooth_noise(soil, 28) - 0.5)
        texture = texture + 0.08 * (smooth_noise(soil, 5) - 0.5)
        is_ground = np.clip(rows - foot + 0.5, 0, 1)
        canvas += is_ground[..., None] * (road * texture[..., None] - canvas)
        # it is dark where they meet
        canvas *= (1 - 0.35 * np.exp(-(((rows - foot) / 1.5) ** 2)))[..., None]
        shadow, line = self.on_ground()
        canvas += (0.75 * line * is_ground)[..., None] * (0.88 - canvas)
        return canvas * (1 - 0.85 * shadow * np.clip(is_ground + 0.2, 0, 1))[..., None]

    def on_ground(self) -> tuple[np.ndarray, np.ndarray]:
        """(64, 64) masks of the car's shadow and of the painted line beside it."""
        a, s = self.a, self.shape
        t = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        plan = np.stack(
            [
                s.half * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.5,
                1.02 * s.width * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.5,
                0 * t,
            ],
            1,
        )
        cast = plan - self.right * 0.5 * a["light"] * a["light_strength"] - self.toward * 0.1
        picture = Image.new("L", (SIZE, SIZE))
        pen = ImageDraw.Draw(picture)
        for outline, strength in ((cast, int(90 + 70 * a["light_strength"])), (plan, 200)):
            pen.polygon(self.pixels(outline).ravel().tolist(), fill=strength)
        shadow = blurred(np.asarray(picture, np.float32) / 255, 1.3)
        line = np.zeros_like(shadow)
        side = self.rngs["ground"].choice([-1.0, 1.0])
        band = np.array(
            [
                [x, side * (s.width + w), 0.0]
                for x, w in ((-3.2, 0.5), (3.2, 0.5), (3.2, 0.64), (-3.2, 0.64))
            ]
        )
        if (
            a["marking"] == "yes" and ((band - self.eye) @ self.toward).max() < -1.0
        ):  # none of it behind the eye
            fine = Image.new("L", (SIZE * SUPERSAMPLE,) * 2)
            ImageDraw.Draw(fine).polygon(
                (self.pixels(band) * SUPERSAMPLE).ravel().tolist(), fill=255
            )
            line = np.asarray(fine.reduce(SUPERSAMPLE), np.float32) / 255
        return shadow, line

    def photograph(self) -> np.ndarray:
        """Lay the car over its surroundings; light's color, exposure, blur, grain.

        Returns (64, 64, 3) uint8.
        """
        a = self.a
        canvas = self.surroundings()
        small = np.asarray(self.picture.reduce(SUPERSAMPLE), np.float32) / 255.0
        canvas += small[..., :3] - small[..., 3:] * canvas
        canvas *= (0.74 + 0.34 * a["exposure"]) * np.array(
            [1 + 0.06 * a["warmth"], 1.0, 1 - 0.08 * a["warmth"]], np.float32
        )
        noise = self.rngs["grain"].normal(0.0, 1.0, (SIZE, SIZE, 1))
        return photographed(canvas, 0.25 + 0.65 * a["blur"], 1.8 * a["grain"] * noise)


def draw(attributes: dict) -> np.ndarray:
    """Paint a car. attributes: as from `sample_attributes`.

    Returns (64, 64, 3) uint8. A pure function.
    """
    car = _Car(attributes)
    if car.toward[0] < 0:  # the mirrors are farther away than the body
        car.mirrors()
    car.tires()
    car.under()
    car.body()
    car.flanks()
    car.bed()
    car.house()
    car.nose()
    car.tail()
    if car.toward[0] >= 0:
        car.mirrors()
    car.wheels()
    return car.photograph()


class SyntheticCars(RenderedPictures):
    """Rendered cars; arguments and methods are those of `RenderedPictures`."""

    name, noun = "synthetic-cars", "cars"
    sample = staticmethod(sample_attributes)
    draw = staticmethod(draw)

"""Rendered house numbers: attributes that can be seen where they should be, and digits that can be
told apart.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.feature import hog
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tutorial_lib.datasets.rendered.numbers import (
    CONTRAST,
    SyntheticNumbers,
    draw,
    sample_attributes,
)

# Seen straight on, in even light and without wear: what then differs is what was changed.
STILL = {
    "slant": 0.0,
    "turn": 0.0,
    "tilt_x": 0.0,
    "tilt_y": 0.0,
    "shift_x": 0.0,
    "shift_y": 0.0,
    "stretch": 1.0,
}
CLEAN = {
    "blur": 0.0,
    "grain": 0.0,
    "dirt": 0.0,
    "shade": 0.0,
    "light_strength": 0.0,
    "warmth": 0.0,
    "exposure": 0.85,
}
PLAIN = {
    "left": -1,
    "right": -1,
    "ground": "wall",
    "wall": "plain",
    "wall_color": "white",
    "ground_tint": 0.0,
    "digit_color": "black",
    "digit_tint": 0.0,
    "finish": "painted",
}
NUMBERS = range(8)


def number(index, **changes):
    """Number `index` seen straight on in even light, with other attributes as given; int, so that
    differences may be negative.
    """
    return draw(sample_attributes(11, index) | STILL | CLEAN | PLAIN | changes).astype(int)


def ink(index, **changes):
    """(64, 64), 0..1: how much of each pixel is black digit on a white wall."""
    blank = number(index, **changes | {"digit_color": "white"})
    return np.clip((blank - number(index, **changes)).sum(2) / 500, 0, 1)


def box(mask):
    """(first row, last row, first column, last column) of pixels half covered or more."""
    rows, columns = np.nonzero((mask > 0.5).any(1))[0], np.nonzero((mask > 0.5).any(0))[0]
    return rows[0], rows[-1], columns[0], columns[-1]


def test_the_digit_stands_in_the_middle_as_high_as_said():
    for index in NUMBERS:
        for digit in range(10):
            height = sample_attributes(11, index)["height"]
            first, last, left, right = box(ink(index, digit=digit, weight=0.0))
            assert abs((first + last) / 2 - 31.5) <= 2
            assert (
                abs((left + right) / 2 - 31.5) <= 3
            )  # the thin end of an italic's stroke may be missed
            assert (
                0.8 * height <= last - first + 1 <= height + 6
            )  # old-style and round digits differ from an 8


def test_a_digit_is_most_like_itself_in_another_font():
    """Correlation of the ink with that of ten digits in another font.

    A 1 in 10 guess would be right 8 times.
    """
    right = 0
    for one, other in (
        ("sans", "serif bold"),
        ("sans bold", "roman"),
        ("roman bold", "grotesque"),
        ("serif", "condensed"),
        ("modern", "sans"),
        ("typewriter", "sans bold"),
        ("sans oblique", "roman bold"),
        ("grotesque", "serif"),
    ):
        shapes = {
            font: np.array(
                [ink(0, digit=digit, font=font, height=48.0).ravel() for digit in range(10)]
            )
            for font in (one, other)
        }
        likeness = np.corrcoef(shapes[one], shapes[other])[:10, 10:]
        right += (likeness.argmax(1) == np.arange(10)).sum()
    assert right >= 56  # 70 %


def test_another_digit_changes_only_the_middle():
    for index in NUMBERS:
        for one, other in ((0, 8), (1, 7), (4, 9), (6, 3)):
            changed = np.abs(number(index, digit=one) - number(index, digit=other)).max(2)
            assert (
                changed[:, [*range(4), *range(60, 64)]].max() == 0
                and changed[20:44, 16:48].max() > 100
            )


@pytest.mark.parametrize("name, columns", [("left", slice(0, 30)), ("right", slice(34, 64))])
def test_a_neighbor_is_cut_by_its_own_border(name, columns):
    inside = np.zeros((64, 64), bool)
    inside[:, columns] = True
    for index in NUMBERS:
        wide = {"digit": 0, "height": 50.0, "font": "sans bold", "spacing": 0.0}
        for digit in (0, 8):
            changed = np.abs(number(index, **wide, **{name: digit}) - number(index, **wide)).max(2)
            assert changed[~inside].max() == 0
            assert changed[:, 0 if name == "left" else 63].max() > 100, (
                "it goes on beyond the picture"
            )


@pytest.mark.parametrize("name", ["digit_color", "ground_color", "wall_color"])
def test_colors_are_those_that_are_named(name):
    """The median of the pixels that show it, against the color's usual place on the wheel and its
    lightness.
    """
    said = {
        "white": (235, 235, 230),
        "cream": (225, 210, 175),
        "gray": (150, 150, 150),
        "black": (35, 35, 38),
        "navy": (32, 44, 88),
        "blue": (44, 96, 172),
        "green": (36, 92, 62),
        "brown": (100, 66, 44),
        "red": (166, 42, 38),
        "brass": (188, 150, 78),
        "brick": (158, 86, 66),
        "slate": (88, 96, 106),
        "sage": (138, 150, 124),
    }
    names = (
        ["white", "cream", "gray", "brick", "slate", "sage"]
        if name == "wall_color"
        else list(said)[:10]
    )
    fixed = {
        "digit_color": {"weight": 1.0, "font": "sans bold", "digit": 8, "height": 50.0},
        "wall_color": {},
        "ground_color": {"ground": "plate", "screws": "none", "rim": 0.0},
    }[name]
    for index in range(3):
        pictures = {word: number(index, **fixed, **{name: word}) for word in names}
        far = np.ptp(np.stack(list(pictures.values())), axis=0).sum(
            2
        )  # what the color changes most is all of that color
        shown = far > 0.93 * far.max()
        assert shown.sum() > 100
        for word, picture in pictures.items():
            assert np.abs(np.median(picture[shown], axis=0) - said[word]).max() < 25, (word, index)


def test_digits_can_be_read_on_what_is_behind_them():
    """Each sampled pair of colors is CONTRAST apart; the lightness here is Pillow's, with other
    weights than the library's.
    """
    from tutorial_lib.datasets.rendered.numbers import _COLORS, _WALLS

    def lightness(color):
        return Image.new("RGB", (1, 1), color).convert("L").getpixel((0, 0)) / 255

    for index in range(300):
        a = sample_attributes(5, index)
        behind = _WALLS[a["wall_color"]] if a["ground"] == "wall" else _COLORS[a["ground_color"]]
        assert abs(lightness(_COLORS[a["digit_color"]]) - lightness(behind)) > CONTRAST - 0.06


@pytest.mark.parametrize("turn", [-9.0, 5.0, 9.0])
def test_a_turn_turns_the_picture_clockwise(turn):
    for index in NUMBERS:
        shape = {"digit": 4, "font": "serif bold", "height": 44.0}
        turned, straight = (
            ink(index, turn=turn, **shape),
            Image.fromarray((255 * ink(index, **shape)).astype(np.uint8)),
        )
        error = {
            angle: np.abs(
                np.asarray(straight.rotate(-angle, Image.Resampling.BICUBIC)) / 255 - turned
            ).mean()
            for angle in (turn, 0, -turn)
        }
        assert error[turn] < 0.4 * error[0] < 0.4 * error[-turn]


def test_a_slant_leans_a_1_by_its_angle():
    """The middle of each row's ink moves by tan(slant) a row."""
    rows = np.arange(18, 46)
    for slant in (-12.0, 6.0, 12.0):
        mask = ink(0, digit=1, font="sans bold", height=50.0, slant=slant)[rows, :]
        upright = ink(0, digit=1, font="sans bold", height=50.0)[rows, :]
        lean = [
            np.polyfit(rows, (m * np.arange(64)).sum(1) / m.sum(1), 1)[0] for m in (mask, upright)
        ]
        assert lean[1] - lean[0] == pytest.approx(np.tan(np.radians(slant)), abs=0.03)


@given(x=st.floats(-1, 1), y=st.floats(-1, 1), digit=st.integers(0, 9))
@settings(max_examples=25)
def test_a_shift_moves_the_ink_by_two_and_a_half_pixels(x, y, digit):
    def center(mask):
        return np.array([(mask * np.arange(64)).sum(), (mask.T * np.arange(64)).sum()]) / mask.sum()

    moved = center(ink(2, digit=digit, shift_x=x, shift_y=y, height=42.0)) - center(
        ink(2, digit=digit, height=42.0)
    )
    assert moved == pytest.approx([2.5 * x, 2.5 * y], abs=0.12)


def test_what_is_farther_away_is_smaller():
    for index in NUMBERS:
        shape = {"digit": 8, "font": "sans bold", "weight": 0.5, "height": 46.0}
        for name, axis in (("tilt_x", 1), ("tilt_y", 0)):
            near, far = (
                np.array_split(ink(index, **shape, **{name: tilt}), 2, axis)[1].sum()
                for tilt in (-1.0, 1.0)
            )
            assert far < 0.9 * near


def test_weight_stretch_and_spacing_do_what_they_say():
    for index in NUMBERS:
        assert ink(index, weight=1.0).sum() > 1.1 * ink(index, weight=0.0).sum()
        narrow, wide = (box(ink(index, digit=8, stretch=stretch)) for stretch in (0.85, 1.15))
        assert wide[3] - wide[2] > 1.2 * (narrow[3] - narrow[2]) and abs(wide[0] - narrow[0]) <= 1
        tight, loose = (
            ink(index, digit=8, right=8, spacing=spacing, height=38.0)[:, 40:].sum()
            for spacing in (0.0, 1.0)
        )
        assert loose < 0.9 * tight  # less of the neighbor is inside


@pytest.mark.parametrize("finish, sign", [("raised", 1), ("embossed", 1), ("engraved", -1)])
def test_relief_is_bright_on_the_side_that_faces_the_light(finish, sign):
    for index in NUMBERS:
        left, right = (
            number(
                index,
                digit=8,
                finish=finish,
                light_x=light,
                light_y=0.2,
                wall_color="gray",
                font="sans bold",
                digit_color="gray",
                height=48.0,
            )[16:48]
            for light in (-1.0, 1.0)
        )
        assert (
            sign * (right - left)[:, 40:48].sum() > 500
            and sign * (left - right)[:, 16:24].sum() > 500
        )


def test_raised_letters_throw_their_shadow_away_from_the_light():
    for index in NUMBERS:
        options = {
            "digit": 1,
            "font": "sans bold",
            "finish": "raised",
            "digit_color": "white",
            "light_y": 0.2,
            "wall_color": "gray",
        }
        left, right = (
            number(index, light_x=light, light_strength=1.0, **options)
            - number(index, light_x=light, light_strength=1.0, **options | {"finish": "painted"})
            for light in (-1.0, 1.0)
        )
        columns = np.arange(64)
        dark = [
            (np.minimum(difference.sum((0, 2)), 0) * columns).sum()
            / np.minimum(difference.sum((0, 2)), 0).sum()
            for difference in (left, right)
        ]
        assert dark[0] > dark[1] + 1


def test_light_lens_and_sensor_do_what_they_say():
    for index in NUMBERS:
        assert number(index, exposure=1.0).mean() > 1.2 * number(index, exposure=0.0).mean()
        warm, cold = (
            number(index, warmth=w)[..., 0].mean() / number(index, warmth=w)[..., 2].mean()
            for w in (1.0, -1.0)
        )
        assert warm > 1.15 * cold
        lit = number(index, light_x=1.0, light_y=0.2, light_strength=1.0, wall_color="gray")[
            :, [1, 62]
        ].mean((0, 2))
        assert lit[1] > 1.15 * lit[0]
        sharp, soft = (
            np.abs(np.diff(number(index, blur=blur), axis=1)).max() for blur in (0.0, 1.0)
        )
        assert soft < 0.6 * sharp
        grain = np.std(number(index, grain=1.0) - number(index))
        assert 2 < grain < 6
        shaded = number(index, shade=1.0) - number(index)
        assert shaded.max() <= 0 and shaded.min() < -20
        assert number(index, dirt=1.0).sum() < number(index).sum()


@pytest.mark.slow
def test_digits_are_learned_from_a_few_hundred_pictures():
    """Gradient histograms and a linear classifier.

    Ten digits, so a guess is right one time in ten.
    """

    def features(start, count):
        drawn = [SyntheticNumbers.render(8, start + index) for index in range(count)]
        pictures = [np.asarray(Image.fromarray(picture).convert("L")) for picture, _ in drawn]
        return (
            np.array(
                [
                    hog(picture, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
                    for picture in pictures
                ]
            ),
            [attributes["digit"] for _, attributes in drawn],
        )

    known, digits = features(0, 450)
    seen, truth = features(10**9, 150)
    model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=1000.0)).fit(known, digits)
    assert model.score(seen, truth) > 0.9

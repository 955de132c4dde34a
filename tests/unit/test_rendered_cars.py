"""Rendered cars: attributes that can be seen where they should be, and views and styles that can be
told apart.
"""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_erosion
from skimage.feature import hog
from skimage.measure import label
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tutorial_lib.datasets.rendered.cars import VIEWS, SyntheticCars, draw, sample_attributes

CLEAN = {"blur": 0.0, "grain": 0.0, "warmth": 0.0, "exposure": 0.7, "marking": "no"}
STILL = {"yaw": 0.0, "shift_x": 0.0, "shift_y": 0.0}
STYLES = ("sedan", "hatchback", "suv", "pickup", "van", "coupe")
CARS = range(8)


def car(index, **changes):
    """Car `index` without blur and grain, with other attributes as given.

    Int, so that differences may be negative.
    """
    return draw(sample_attributes(21, index) | CLEAN | STILL | changes).astype(int)


def changed(index, before, after):
    """(64, 64): by how much a pixel's most changed channel changes."""
    return np.abs(car(index, **before) - car(index, **after)).max(2)


def paint(index, **changes):
    """(64, 64), the pixels that show paint: those that are another color when the car is."""
    return changed(index, changes | {"color": "white"}, changes | {"color": "black"}) > 60


def box(mask):
    """(first row, last row, first column, last column) of a mask."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return rows[0], rows[-1], columns[0], columns[-1]


def test_a_car_fills_its_box_and_is_not_cut():
    """Each view of each style: its paint reaches almost from border to border, mirrors included,
    and is about centered.
    """
    for style in STYLES:
        for number, view in enumerate(VIEWS):
            first, last, left, right = box(
                paint(number, style=style, view=view, scale=1.0, trim="body")
            )
            assert left >= 1 and right <= 62 and first >= 1 and last <= 62
            assert right - left >= 40 and abs((left + right) / 2 - 31.5) <= 3
            assert last - first >= 12 and abs((first + last) / 2 - 31.5) <= 8


@given(x=st.floats(-1, 1), y=st.floats(-1, 1), scale=st.floats(0.92, 1.0))
@settings(max_examples=20)
def test_shift_and_scale_move_and_size_it(x, y, scale):
    still = {"view": "front left", "style": "suv", "trim": "body"}

    def moments(**changes):
        rows, columns = np.nonzero(paint(3, **still, **changes))
        return np.array([columns.mean(), rows.mean(), columns.std()])

    base, other = moments(scale=1.0), moments(scale=scale, shift_x=x, shift_y=y)
    assert other[:2] - base[:2] == pytest.approx([1.5 * x, 1.5 * y], abs=0.7)
    assert other[2] / base[2] == pytest.approx(scale, abs=0.025)


@pytest.mark.parametrize(
    "one, other", [("left", "right"), ("front left", "front right"), ("rear left", "rear right")]
)
def test_the_other_side_is_the_mirror_image(one, other):
    """The paint of opposite views, in opposite light.

    Only streaks on glass and the wheels' turn are no mirror images.
    """
    for index in CARS:
        light = sample_attributes(21, index)["light"]
        left, right = car(index, view=one, light=light), car(index, view=other, light=-light)
        both = paint(index, view=one, light=light) & paint(index, view=other, light=-light)[:, ::-1]
        assert both.sum() > 0.9 * paint(index, view=one, light=light).sum()
        assert np.median(np.abs(left - right[:, ::-1])[both]) <= 3
        assert np.abs(left - right)[both].mean() > 2 * np.abs(left - right[:, ::-1])[both].mean()


def test_nose_and_tail_are_not_taken_for_each_other():
    """Red lamps are seen from behind and not from the front.

    The grille is seen from the front and not from behind.
    """
    for index in CARS:
        for style in STYLES:
            red = {}
            for view in ("front", "rear"):
                picture = car(
                    index, style=style, view=view, color="silver", backdrop="sky", plate="white"
                )
                red[view] = (
                    (picture[..., 0] > picture[..., 1] + 60)
                    & (picture[..., 0] > picture[..., 2] + 60)
                ).sum()
            assert red["front"] == 0 and red["rear"] >= 12
            options = {"style": style, "trim": "body"}
            seen = [
                changed(
                    index,
                    options | {"view": view, "grille": "wide"},
                    options | {"view": view, "grille": "low"},
                ).max()
                for view in ("front", "rear")
            ]
            assert seen[0] > 40 and seen[1] == 0


def test_a_yaw_goes_on_around_the_car_from_its_nose_to_its_left_side():
    """From the front left, the more of the flank is seen, the farther apart its wheels stand."""
    for style in STYLES:
        rims = {}
        for yaw in (-10.0, 10.0):
            options = {
                "style": style,
                "view": "front left",
                "yaw": yaw,
                "scale": 1.0,
                "distance": 10.0,
            }
            rims[yaw] = (
                changed(2, options | {"wheels": "five spokes"}, options | {"wheels": "steel"}) > 25
            )
        first, other = (box(rims[yaw]) for yaw in (-10.0, 10.0))
        assert other[3] - other[2] > first[3] - first[2] + 4


@pytest.mark.parametrize(
    "color, hue",
    [
        ("red", 0),
        ("maroon", 350),
        ("orange", 23),
        ("yellow", 46),
        ("beige", 40),
        ("green", 155),
        ("blue", 217),
        ("navy", 225),
    ],
)
def test_paint_has_the_hue_of_its_name(color, hue):
    for index in CARS:
        picture = car(index, color=color, gloss=0.2, trim="body")
        shown = paint(index, gloss=0.2, trim="body")
        found = colorsys.rgb_to_hsv(*np.median(picture[shown], axis=0) / 255)
        assert abs((found[0] * 360 - hue + 180) % 360 - 180) < 14 and found[1] > (
            0.15 if color == "beige" else 0.35
        )


def test_gray_paints_are_gray_and_ordered_by_their_lightness():
    for index in CARS:
        shown = paint(index, gloss=0.2, trim="body")
        middle = {
            color: np.median(
                car(index, color=color, gloss=0.2, trim="body", tint=0.0)[shown], axis=0
            )
            for color in ("black", "gray", "silver", "white")
        }
        assert all(np.ptp(value) < 24 for value in middle.values())
        assert (np.diff([value.mean() for value in middle.values()]) > 15).all()
        tints = [car(index, color="gray", tint=tint)[shown].mean() for tint in (-1.0, 0.0, 1.0)]
        assert (np.diff(tints) > 3).all()


# What is changed; with what else; the least change of its most changed pixel.
CHANGES = {
    "windows": ({"windows": 0.0}, {"windows": 1.0}, {"view": "left"}, 10),
    "wheels": ({"wheels": "disc"}, {"wheels": "five spokes"}, {"view": "right"}, 60),
    "headlights": ({"headlights": "round"}, {"headlights": "slim"}, {"view": "front"}, 60),
    "plate": ({"plate": "white"}, {"plate": "yellow"}, {"view": "front"}, 60),
    "rear plate": ({"plate": "white"}, {"plate": "yellow"}, {"view": "rear"}, 60),
    "grille": ({"grille": "wide"}, {"grille": "low"}, {"view": "front", "color": "white"}, 60),
    "trim": ({"trim": "body"}, {"trim": "black"}, {"view": "front left", "color": "white"}, 60),
    "cargo of a pickup": (
        {"cargo": "no"},
        {"cargo": "yes"},
        {"view": "rear left", "style": "pickup"},
        30,
    ),
    "cargo of a van": (
        {"cargo": "no"},
        {"cargo": "yes"},
        {"view": "left", "style": "van", "color": "white"},
        80,
    ),
    "rails": (
        {"rails": "no"},
        {"rails": "yes"},
        {"view": "left", "style": "suv", "color": "white"},
        30,
    ),
    "backdrop": ({"backdrop": "sky"}, {"backdrop": "trees"}, {"view": "left"}, 60),
    "ground": ({"ground": "asphalt"}, {"ground": "grass"}, {"view": "left"}, 30),
}
# The part of the picture, in rows counted from the top (0) to the bottom (1) of the car, in which
# it may change.
PARTS = {
    "windows": (-0.05, 0.62),
    "wheels": (0.45, 1.1),
    "headlights": (0.4, 0.95),
    "plate": (0.5, 1.0),
    "rear plate": (0.45, 1.05),
    "grille": (0.4, 1.05),
    "trim": (0.4, 1.1),
    "cargo of a pickup": (-0.1, 0.7),
    "cargo of a van": (0.0, 0.62),
    "rails": (-0.12, 0.15),
    "backdrop": (-9, 1.0),
    "ground": (0.1, 9),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_attribute_changes_its_own_part_of_the_picture_and_no_other(change):
    before, after, options, least = CHANGES[change]
    for index in range(5):
        options = {"style": STYLES[index]} | options
        first, last, _, _ = box(
            paint(index, **options, trim="body")
            if "trim" not in options
            else paint(index, **options)
        )
        difference = changed(index, options | before, options | after)
        assert difference.max() >= least
        top, bottom, _, _ = box(difference > 8)
        low, high = PARTS[change]
        assert (
            first + low * (last - first) - 1 <= top and bottom <= first + high * (last - first) + 1
        ), (change, index)


def test_the_backdrop_does_not_shine_through_the_car():
    for index in CARS:
        inner = binary_erosion(paint(index, view="left"), iterations=2)
        assert inner.sum() > 50
        for other in ({"backdrop": "trees"}, {"backdrop": "houses"}, {"ground": "grass"}):
            assert (
                changed(
                    index,
                    {"view": "left", "backdrop": "sky", "ground": "asphalt"},
                    {"view": "left", "backdrop": "sky", "ground": "asphalt"} | other,
                )[inner].max()
                <= 3
            )


def test_a_side_view_stands_on_two_wheels():
    """The rims, found by making them darker, are two pieces, level, and farther apart than half of
    the car's length.
    """
    for style in STYLES:
        for view in ("left", "right"):
            options = {"style": style, "view": view, "distance": 10.0, "wheel_size": 1.0}
            rims = changed(1, options | {"wheels": "disc"}, options | {"wheels": "steel"}) > 25
            pieces = label(rims)
            sizes = np.bincount(pieces.ravel())[1:]
            large = [k + 1 for k in np.argsort(sizes)[::-1][:2]]
            assert (
                len(sizes) >= 2
                and sizes[large[1] - 1] > 4
                and sizes[[large[0] - 1, large[1] - 1]].sum() > 0.85 * sizes.sum()
            )
            (y0, x0), (y1, x1) = (np.argwhere(pieces == piece).mean(0) for piece in large)
            assert abs(y0 - y1) <= 1 and 0.45 * 58 < abs(x0 - x1) < 0.8 * 58


def test_styles_have_their_proportions():
    def height(style, **changes):
        first, last, left, right = box(
            paint(4, style=style, view="left", distance=10.0, trim="body", **changes)
        )
        return (last - first + 1) / (right - left + 1)

    heights = {style: height(style, length=0.5, tallness=0.5) for style in STYLES}
    assert heights["coupe"] < heights["sedan"] < heights["suv"] < heights["van"]
    for style in STYLES:
        assert height(style, length=0.5, tallness=1.0) > height(style, length=0.5, tallness=0.0)
        assert height(style, length=0.0, tallness=0.5) >= height(style, length=1.0, tallness=0.5)


def test_a_higher_camera_sees_more_of_the_roof():
    """The share of the paint above the windows' upper edge grows."""
    for index in CARS:
        roof = []
        for height in (1.2, 2.4):
            options = {
                "view": "left",
                "style": "van",
                "camera_height": height,
                "distance": 6.5,
                "color": "white",
            }
            glass = changed(index, options | {"windows": 0.0}, options | {"windows": 1.0}) > 8
            shown = paint(index, **options)
            roof.append(shown[: box(glass)[0]].sum() / shown.sum())
        assert roof[1] > roof[0]


def test_the_sun_lights_its_own_side():
    for index in CARS:
        options = {
            "view": "front left",
            "yaw": 3.0,
            "color": "gray",
            "gloss": 0.0,
            "light_strength": 1.0,
            "trim": "body",
        }
        shown = paint(index, **options)
        left, right = (car(index, light=light, **options) for light in (-1.0, 1.0))
        columns = np.arange(64) * np.ones((64, 1))
        gain = (right - left).mean(2)
        middle = np.median(columns[shown])
        # From the front left the nose faces the picture's left and the flank its right.
        assert gain[shown & (columns > middle)].mean() > gain[shown & (columns < middle)].mean() + 5


def test_the_ground_is_dark_under_the_car():
    """Darkest right below it, and in the sun darker on the side away from the light."""
    for index in CARS:
        options = {"view": "left", "ground": "concrete", "light_strength": 1.0}
        first, last, left, right = box(paint(index, **options))
        picture = car(index, **options)
        assert (
            picture[min(last + 3, 62), left + 12 : right - 12].mean()
            < 0.7 * picture[min(last + 3, 62), [0, 63]].mean()
        )
        sides = [
            car(index, **options, light=light)[last, [0, 1, 62, 63]].mean(1)
            for light in (-1.0, 1.0)
        ]
        assert (sides[0] - sides[1])[:2].sum() >= 0 >= (sides[0] - sides[1])[2:].sum()


def test_lens_and_sensor_do_what_they_say():
    for index in CARS:
        assert car(index, exposure=1.0).mean() > 1.2 * car(index, exposure=0.0).mean()
        warm, cold = (
            car(index, warmth=w)[..., 0].mean() / car(index, warmth=w)[..., 2].mean()
            for w in (1.0, -1.0)
        )
        assert warm > 1.15 * cold
        sharp, soft = (np.abs(np.diff(car(index, blur=blur), axis=1)).max() for blur in (0.0, 1.0))
        assert soft < 0.8 * sharp
        assert 1 < np.std(car(index, grain=1.0) - car(index)) < 4
        assert (
            car(index, light_strength=1.0, view="left")[-1].mean()
            > car(index, light_strength=0.0, view="left")[-1].mean()
        )


@pytest.mark.slow
def test_views_and_styles_are_learned_from_a_few_hundred_pictures():
    """Gradient histograms and a linear classifier.

    Eight views, where a guess is right less than two times in ten, and six styles.
    """

    def features(start, count):
        drawn = [SyntheticCars.render(8, start + index) for index in range(count)]
        pictures = [np.asarray(Image.fromarray(picture).convert("L")) for picture, _ in drawn]
        return (
            np.array(
                [
                    hog(picture, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
                    for picture in pictures
                ]
            ),
            [attributes["view"] for _, attributes in drawn],
            [attributes["style"] for _, attributes in drawn],
        )

    known, views, styles = features(0, 450)
    seen, true_views, true_styles = features(10**9, 150)
    for words, truth, least in ((views, true_views, 0.85), (styles, true_styles, 0.5)):
        model = make_pipeline(StandardScaler(), RidgeClassifier(alpha=1000.0)).fit(known, words)
        assert model.score(seen, truth) > least

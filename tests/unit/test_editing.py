"""Directions in z, the edits of a hole along them, and the widget that shows these.

Directions are planted and must be found again; what a direction does is measured by finite
differences and by the attribute classifier.
"""

import copy
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from static_sliders import parts

from tutorial_lib import load_gan
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import FAMILIES, center_mask, make_masks
from tutorial_lib.models.dcgan import Generator
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.models.weights import load_attributes
from tutorial_lib.teaching.editing import (
    attribute_direction,
    edit_hole,
    principal_directions,
    spare_known,
)
from tutorial_lib.teaching.manifold import sample_pictures
from tutorial_lib.teaching.widgets import HoleEditor

Z_DIM = 12


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    generator = Generator(4, Z_DIM)
    for parameter in generator.parameters():
        if parameter.dim() == 4:
            parameter.data *= 5  # pictures with contrast
    return uniform_latent_model(generator, None, Z_DIM)


@pytest.fixture(scope="module")
def exact(model):
    """The same in double precision, for differences."""
    return uniform_latent_model(copy.deepcopy(model.generator).double(), None, Z_DIM)


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whitened(count, size, seed=0):
    """Codes of mean 0 whose sample covariance is exactly the identity, up to a factor."""
    centered = draws(count, size, seed=seed)
    return torch.linalg.qr(centered - centered.mean(0)).Q


# ---- directions ----------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 50))
def test_a_direction_along_which_logits_grow_is_found(seed, factor, offset):
    planted = draws(7, seed=seed)
    codes = draws(40, 7, seed=seed + 1)
    found = attribute_direction(codes, factor * (codes @ planted) + offset)
    torch.testing.assert_close(found, planted / planted.norm(), rtol=1e-6, atol=1e-6)


@given(st.integers(0, 10_000))
def test_axes_along_which_features_vary_are_found_and_sorted(seed):
    """For features linear in whitened codes they are the singular vectors of the linear map."""
    codes = whitened(60, 6, seed)
    left, right = whitened(30, 6, seed + 1), torch.linalg.qr(draws(6, 6, seed=seed + 2)).Q
    strength = torch.tensor([9.0, 5, 3, 2, 1, 0.5], dtype=torch.float64)
    features = codes @ (left * strength @ right.T).T + 4
    found, fractions = principal_directions(codes, features.view(60, 3, 10), count=3)
    matches = (found @ right[:, :3]).abs()
    torch.testing.assert_close(matches, torch.eye(3).double(), atol=1e-5, rtol=0)
    expected = strength[:3].square() / strength.square().sum()
    torch.testing.assert_close(fractions, expected, rtol=1e-6, atol=0)


def jacobian_by_differences(model, z, mask, step=1e-6):
    """How W * G changes with a small move along each coordinate: (pixels, z_dim)."""
    moves = step * torch.eye(Z_DIM).double()
    ahead, behind = model.generator(z + moves), model.generator(z - moves)
    return (importance_weights(mask) * (ahead - behind) / (2 * step)).flatten(1).T


def test_what_known_pixels_answer_most_is_taken_out_and_nothing_else(exact):
    z, mask = exact.sample_z(1, torch.Generator().manual_seed(1))[0].double(), center_mask()
    jacobian = jacobian_by_differences(exact, z, mask)
    seen = torch.linalg.svd(jacobian, full_matrices=False).Vh[:4]
    directions = draws(3, Z_DIM)
    left = spare_known(directions, exact, z, mask, removed=4)
    expected = directions - (directions @ seen.T) @ seen
    expected = expected / expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(left, expected, rtol=0, atol=1e-4)
    unit = directions / directions.norm(dim=1, keepdim=True)
    assert ((jacobian @ left.T).norm(dim=0) < (jacobian @ unit.T).norm(dim=0)).all()


def test_nothing_removed_leaves_the_direction(model):
    directions = draws(2, Z_DIM).float()
    left = spare_known(directions, model, torch.zeros(Z_DIM), center_mask(), removed=0)
    torch.testing.assert_close(left, directions / directions.norm(dim=1, keepdim=True))


def test_a_direction_of_which_nothing_is_left_is_refused(exact):
    z, mask = torch.zeros(Z_DIM).double(), center_mask()
    jacobian = jacobian_by_differences(exact, z, mask)
    most = torch.linalg.svd(jacobian, full_matrices=False).Vh[:1]
    spare_known(most + 1e-3 * draws(1, Z_DIM), exact, z, mask, removed=1)
    with pytest.raises(ValueError, match="leaves nothing of a direction"):
        spare_known(torch.zeros(1, Z_DIM).double(), exact, z, mask)


# ---- edits ---------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.sampled_from(FAMILIES), st.integers(0, 10_000), st.floats(0, 5))
def test_known_pixels_stay_bit_for_bit_and_the_hole_is_never_read(model, family, seed, length):
    rng = torch.Generator().manual_seed(seed)
    mask = make_masks(family, 1, rng)
    image = torch.rand(1, 3, 64, 64, generator=rng) * 2 - 1
    moves = length * torch.randn(2, 2, Z_DIM, generator=rng)
    z = model.sample_z(1, rng)[0]
    made = edit_hole(image, mask, model, z, moves)
    known = (mask > 0).expand_as(image)[0]
    for completed in made.completed.flatten(0, 1):
        assert torch.equal(completed[known], image[0][known])
    assert made.completed.shape == (2, 2, 3, 64, 64) and made.completed.abs().max() <= 1
    hidden = torch.where(mask > 0, image, torch.nan)
    assert torch.equal(edit_hole(hidden, mask, model, z, moves).completed, made.completed)


def test_a_move_out_of_the_box_ends_at_its_border(model):
    image, mask = torch.zeros(1, 3, 64, 64), center_mask()
    corner = torch.ones(Z_DIM)
    far, near = (
        edit_hole(image, mask, model, corner, amount * corner).generated for amount in (5.0, 0.0)
    )
    assert torch.equal(far, near)
    torch.testing.assert_close(near, model.generator(corner[None])[0])


def test_the_loss_is_that_of_eq_4(model):
    image, mask = torch.rand(1, 3, 64, 64), center_mask()
    made = edit_hole(image, mask, model, torch.zeros(Z_DIM), torch.zeros(1, Z_DIM))
    weights = importance_weights(mask).numpy()
    by_hand = (weights * np.abs(made.generated.numpy() - image.numpy())).sum()
    assert made.context.item() == pytest.approx(by_hand, rel=1e-5)


BAD = {
    "codes must have shape": lambda m: attribute_direction(torch.zeros(9, 2), torch.zeros(8)),
    "logits must have shape": lambda m: attribute_direction(torch.zeros(9, 2), torch.zeros(9, 1)),
    "draw more": lambda m: attribute_direction(torch.zeros(9, 9), torch.arange(9.0)),
    "are the same": lambda m: attribute_direction(draws(9, 2), torch.ones(9)),
    "no NaN": lambda m: attribute_direction(draws(9, 2), torch.full((9,), torch.nan)),
    "count must be": lambda m: principal_directions(draws(9, 2), draws(9, 4), count=4),
    "directions must have": lambda m: spare_known(
        torch.zeros(Z_DIM), m, torch.zeros(Z_DIM), center_mask()
    ),
    "removed must be": lambda m: spare_known(
        torch.ones(1, Z_DIM), m, torch.zeros(Z_DIM), center_mask(), removed=Z_DIM
    ),
    "z must have": lambda m: spare_known(
        torch.ones(1, Z_DIM), m, torch.zeros(1, Z_DIM), center_mask()
    ),
    "one image at a time": lambda m: edit_hole(
        torch.zeros(2, 3, 64, 64), center_mask(), m, torch.zeros(Z_DIM), torch.zeros(1, Z_DIM)
    ),
    "moves must have": lambda m: edit_hole(
        torch.zeros(1, 3, 64, 64), center_mask(), m, torch.zeros(Z_DIM), torch.zeros(1, 3)
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(model, message):
    with pytest.raises(ValueError, match=message):
        BAD[message](model)


# ---- with the shipped weights --------------------------------------------------------------------


@pytest.fixture(scope="module")
def smile():
    """G of rendered faces, a function from images to the smile's logit, and its direction."""
    gan, classifier = (
        load_gan("synthetic-faces", "cpu"),
        load_attributes("synthetic-faces-attributes", "cpu"),
    )

    @torch.no_grad()
    def logit(images):
        no, yes = classifier(images)["smile"].T
        return yes - no

    codes, faces = sample_pictures(gan, 400)
    return gan, logit, attribute_direction(codes, logit(faces))


def test_a_smile_grows_step_by_step_and_the_known_pixels_stay(smile):
    """In faces that G made, z is known without a search."""
    gan, logit, direction = smile
    mask, amounts = center_mask(), torch.linspace(-1, 1, 5)
    codes, faces = sample_pictures(gan, 4, seed=7)
    changed = 0
    for z, face in zip(codes, faces, strict=True):
        moves = amounts[:, None] * spare_known(direction[None], gan, z, mask)
        made = edit_hole(face[None], mask, gan, z, moves)
        grown = logit(made.completed).clamp(-10, 10)  # beyond, the classifier is quite sure
        assert (grown.diff() >= 0).all() and grown[-1] > 0
        changed += int(grown[0] < 0)
        assert torch.equal(made.completed * mask, (face * mask).expand(5, -1, -1, -1))
    assert changed >= 2  # of these four, from no smile to one


def test_for_the_same_smile_the_spared_direction_costs_less_context_loss(smile):
    gan, logit, direction = smile
    mask, amounts = center_mask(), torch.linspace(0, 2, 17)
    codes, faces = sample_pictures(gan, 4, seed=8)
    costs = []
    for z, face in zip(codes, faces, strict=True):
        for way in (direction[None], spare_known(direction[None], gan, z, mask)):
            made = edit_hole(face[None], mask, gan, z, amounts[:, None] * way)
            gained = logit(made.completed) - logit(made.completed[:1])
            # the loss where the logit has grown by 2
            costs.append(np.interp(2, gained.cummax(0).values.numpy(), made.context.numpy()))
    plain, spared = np.array(costs).reshape(-1, 2).mean(0)
    assert spared < plain / 2


# ---- the widget ----------------------------------------------------------------------------------

AMOUNTS = {"smile": [-2, 0, 2, 4], "light": [-1.5, 0, 1.5]}


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(4, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def editor(pictures):
    return HoleEditor(pictures, AMOUNTS, torch.arange(12.0).view(4, 3))


def pixels(picture):
    """(3, H, W) in [-1, 1] -> uint8 (4 H, 4 W, 3), written once more than in the library."""
    values = np.rint((picture.double().numpy().transpose(1, 2, 0) + 1) / 2 * 255)
    return np.kron(values.astype(np.uint8), np.ones((4, 4, 1), np.uint8))


def test_each_combination_shows_its_picture_and_begins_without_an_edit(editor, pictures):
    smile, light = editor.sliders
    assert (smile.label, light.label) == ("0", "0")
    assert np.array_equal(editor.array, pixels(pictures[1, 1]))
    for row in (3, 0, 2, 1):
        for column in (2, 0, 1):
            smile.value, light.value = row, column
            assert np.array_equal(editor.array, pixels(pictures[row, column]))
            assert editor.caption.value == (
                f"smile {smile.label}, light {light.label}, context loss {3 * row + column}.0"
            )
    assert smile.options[3][0] == "+4" and light.options[0][0] == "-1.5"


def test_a_message_from_the_browser_edits(editor, pictures):
    state = {"method": "update", "state": {"index": 3}, "buffer_paths": []}
    editor.sliders[0]._handle_msg({"content": {"data": state}, "buffers": []})
    assert np.array_equal(editor.array, pixels(pictures[3, 1]))


def test_what_the_browser_gets_is_a_png_with_names_for_css(editor):
    assert Image.open(io.BytesIO(editor.image.value)).format == "PNG"
    assert "editor-image" in editor.image._dom_classes
    for number, slider in enumerate(editor.sliders, 1):
        assert f"editor-slider-{number}" in slider._dom_classes


def test_the_html_form_has_each_combination(editor):
    page = parts(editor.html("a face"))
    assert page.start == [1, 1]
    frames = iter(zip(page.frames, page.captions, strict=True))
    for row in range(4):
        for column in range(3):
            editor.sliders[0].value, editor.sliders[1].value = row, column
            frame, caption = next(frames)
            assert np.array_equal(frame, editor.array[::4, ::4])
            assert caption == editor.caption.value


@pytest.mark.parametrize(
    ("amounts", "losses", "problem"),
    [
        ({}, None, "at least one direction"),
        ({"smile": [], "light": [0]}, None, "at least one direction"),
        ({"smile": [0, 1, 2], "light": [0, 1, 2, 3]}, None, "needs a picture"),
        ({"smile": [0, 1, 2, 3]}, None, "needs a picture"),
        (AMOUNTS, torch.zeros(12), "needs a picture"),
    ],
)
def test_what_does_not_fit_together_is_refused(pictures, amounts, losses, problem):
    with pytest.raises(ValueError, match=problem):
        HoleEditor(pictures, amounts, losses)

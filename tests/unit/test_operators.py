"""Linear measurements of an image, and the search that takes any of them."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.transform import downscale_local_mean
from torch import nn

from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting.latent_search import ADAM, search
from tutorial_lib.inpainting.operators import (
    blur,
    downsample,
    gray,
    masked,
    random_projections,
)
from tutorial_lib.masks import center_mask
from tutorial_lib.models.latent_model import uniform_latent_model

OPERATORS = {
    "blur": blur(1.5),
    "downsample 4": downsample(4),
    "downsample 8": downsample(8),
    "gray": gray,
    "random projections": random_projections(50),
    "masked": masked(center_mask()),
}


class Linear(nn.Module):
    """Four codes to 3 x 64 x 64 values by smooth random waves."""

    def __init__(self):
        super().__init__()
        rng = torch.Generator().manual_seed(1)
        coarse = torch.randn(4, 3, 8, 8, generator=rng)
        waves = nn.functional.interpolate(coarse, size=64, mode="bilinear") / 12
        self.waves = nn.Parameter(waves.flatten(1))

    def forward(self, z):
        return (z @ self.waves).view(-1, 3, 64, 64)


@pytest.fixture(scope="module")
def model():
    return uniform_latent_model(Linear(), None, z_dim=4)


@pytest.fixture
def images():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("name", OPERATORS)
def test_gradients_are_the_adjoint(name, images):
    images = images.double().requires_grad_(True)
    measured = OPERATORS[name](images)
    other = torch.randn(measured.shape, generator=torch.Generator().manual_seed(2)).double()
    (adjoint,) = torch.autograd.grad(measured, images, other)
    # <A x, y> = <x, A* y>, for another x than the one at which the gradient was taken
    another = torch.randn(images.shape, generator=torch.Generator().manual_seed(3)).double()
    torch.testing.assert_close(
        (OPERATORS[name](another) * other).sum(), (another * adjoint).sum(), atol=1e-4, rtol=1e-4
    )


def test_operators_are_those_of_other_libraries(images):
    for sigma in (0.6, 2.0):
        theirs = gaussian_filter(
            images,
            (0, 0, sigma, sigma),
            mode="constant",
            radius=None,
            truncate=np.ceil(3 * sigma) / sigma,
        )
        torch.testing.assert_close(blur(sigma)(images), torch.tensor(theirs), atol=1e-5, rtol=0)
    theirs = downscale_local_mean(images.numpy(), (1, 1, 8, 8))
    torch.testing.assert_close(downsample(8)(images), torch.tensor(theirs), atol=1e-6, rtol=0)
    theirs = np.asarray(Image.fromarray(to_uint8(images)[0]).convert("L"))
    mine = (gray(images)[0, 0] + 1) * 127.5
    assert np.abs(mine.numpy() - theirs).max() < 1.5  # Pillow rounds twice


def test_random_projections_keep_lengths(images):
    projected = random_projections(2000, seed=4)(images)
    ratio = projected.norm(dim=1) / images.flatten(1).norm(dim=1)
    assert projected.shape == (2, 2000) and bool(((ratio - 1).abs() < 0.1).all())


@pytest.mark.parametrize("name", OPERATORS)
def test_the_search_finds_a_code_again_through_any_measurement(name, model):
    z = torch.tensor([[0.4, -0.7, 0.1, 0.8], [-0.3, 0.2, 0.9, -0.6]])
    measured = OPERATORS[name](model.generator(z))
    found = search(
        measured,
        None,
        model,
        torch.zeros(2, 4),
        ADAM,
        lam=0,
        operator=OPERATORS[name],
        progress=False,
    )
    torch.testing.assert_close(found.z, z, atol=0.02, rtol=0)
    assert found.generated.shape == (2, 3, 64, 64)


def test_a_mask_is_one_of_the_operators(model, images):
    mask, z0 = center_mask(), torch.zeros(2, 4)
    common = {"settings": ADAM, "lam": 0, "progress": False}
    found = search(images, mask, model, z0, weights=mask, **common)
    again = search(images * mask, None, model, z0, operator=masked(mask), **common)
    torch.testing.assert_close(again.z, found.z, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"operator": 3}, "must be a function of images, got int"),
        ({"operator": lambda x: gray(x) ** 2}, "not linear"),
        ({"operator": lambda x: gray(x) + 1}, "not linear"),
        ({"operator": lambda x: gray(x.detach())}, "breaks the gradient"),
        ({"operator": downsample(4)}, r"gives \(B, 3, 16, 16\)"),
        ({"operator": downsample(5)}, "no multiple of the factor 5"),
        ({"images": torch.zeros(2, 1, 64, 64, dtype=torch.uint8)}, "float tensor"),
        ({"images": torch.full((2, 1, 64, 64), torch.nan)}, "must be finite"),
        ({"mask": center_mask()}, "mask and weights are None"),
        ({"weights": center_mask()}, "mask and weights are None"),
        ({"operator": None}, "without a mask takes an operator"),
    ],
)
def test_bad_measurements_are_refused(model, words, message):
    given = {"images": torch.zeros(2, 1, 64, 64), "mask": None, "operator": gray} | words
    with pytest.raises(ValueError, match=message):
        search(model=model, z0=torch.zeros(2, 4), progress=False, **given)


@pytest.mark.parametrize(
    "make",
    [lambda: blur(0), lambda: blur(np.nan), lambda: downsample(1), lambda: random_projections(0)],
)
def test_bad_operators_are_refused(make):
    with pytest.raises(ValueError, match="must be"):
        make()

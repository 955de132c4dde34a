"""The closest picture against a loop over the collection."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.baselines import NearestNeighbor, nearest_neighbor, nearest_neighbor_fill
from tutorial_lib.datasets import load_dataset
from tutorial_lib.images import to_float
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.masks import FAMILIES, center_mask, make_masks

SIZE = 12


def collection(count=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def draws(count, seed):
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def by_hand(pixels, images, masks):
    """argmin over the collection of sum (x - y)^2 over known pixels; others are not read."""
    best = []
    for image, mask in zip(images.double().numpy(), masks.numpy() > 0, strict=True):
        known = mask[0]
        distances = [
            ((picture.transpose(2, 0, 1)[:, known] / 127.5 - 1 - image[:, known]) ** 2).sum()
            for picture in pixels
        ]
        best.append(int(np.argmin(distances)))
    return best


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("chunk", [7, 500])
def test_the_closest_picture_is_the_loops(family, chunk, monkeypatch):
    monkeypatch.setattr(nearest_neighbor, "_CHUNK", chunk)
    pixels, images, masks = (
        collection(),
        draws(6, 1),
        make_masks(family, 6, size=16)[..., 2:14, 2:14],
    )
    images = torch.where(masks > 0, images, torch.nan)
    found = NearestNeighbor(pixels).indices(images, masks)
    assert found.tolist() == by_hand(pixels, images, masks)
    assert found.dtype == torch.int64


@given(st.integers(0, 39), st.integers(0, 2**16))
@settings(max_examples=15)
def test_a_picture_of_the_collection_is_found_from_a_part(index, seed):
    rng = torch.Generator().manual_seed(seed)
    pixels, mask = collection(), (torch.rand(1, 1, SIZE, SIZE, generator=rng) > 0.8).float()
    mask[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    mask[0, 0, 5] = 1  # a row at least: fewer pixels may be shared by chance
    original = to_float(pixels[index])
    nearest = NearestNeighbor(pixels)
    damaged = torch.where(mask > 0, original, torch.nan)
    assert nearest.indices(damaged, mask).tolist() == [index]
    assert torch.equal(nearest.fill(damaged, mask), original)


def test_ties_go_to_the_first():
    pixels = np.concatenate([collection(3), collection(3)])
    assert NearestNeighbor(pixels).indices(to_float(pixels[4]), center_mask(6, SIZE)).tolist() == [
        1
    ]


def test_blending_is_eq_6_of_the_closest_picture():
    pixels, images, mask = collection(), draws(3, 2), center_mask(6, SIZE)
    nearest = NearestNeighbor(pixels)
    closest = to_float(pixels[nearest.indices(images, mask).numpy()])
    expected = poisson_blend(closest.double(), images.double(), mask.double()).clamp(-1, 1).float()
    torch.testing.assert_close(nearest.fill(images, mask, blend=True), expected, atol=1e-6, rtol=0)
    pasted = torch.where(mask > 0, images, closest)
    assert torch.equal(nearest_neighbor_fill(images, mask, pixels), pasted)
    assert not torch.allclose(pasted, expected)


def test_a_data_sets_pixels_are_used_in_place():
    faces = load_dataset("synthetic-faces", split="test", limit=8)
    nearest = NearestNeighbor(faces)
    assert nearest.pixels is faces.pixels
    assert nearest.indices(faces.images([5, 2]), center_mask()).tolist() == [5, 2]


@pytest.mark.parametrize(
    "pictures, said",
    [
        (collection().astype(np.float32), "uint8 array"),
        (collection()[0], "uint8 array"),
        (draws(2, 0), "uint8 array"),
        ([1, 2], "uint8 array"),
        (collection()[:0], "no pictures"),
    ],
)
def test_wrong_collections_are_refused(pictures, said):
    with pytest.raises(ValueError, match=said):
        NearestNeighbor(pictures)


def test_another_size_is_refused():
    with pytest.raises(ValueError, match="resize"):
        NearestNeighbor(collection()).fill(torch.zeros(1, 3, 16, 16), center_mask(size=16))

"""The two photographs that ship inside packages, and the faces in them."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from tutorial_lib import load_dataset
from tutorial_lib.datasets.portraits import photographs

NAMES = ["Grace Hopper", "Eileen Collins"]


@pytest.fixture(scope="module")
def photos():
    return photographs()


def test_both_portraits_are_there_and_the_same_each_time(photos):
    first, again = (
        load_dataset("two-portraits"),
        load_dataset("two-portraits", split="test", limit=2),
    )
    assert first.names == list(photos) == NAMES and len(first) == 2
    pictures = first.images(slice(None))
    assert (
        pictures.shape == (2, 3, 64, 64)
        and pictures.dtype == torch.float32
        and pictures.abs().max() <= 1
    )
    assert torch.equal(pictures, again.images([0, 1])) and torch.equal(first[1], pictures[1])
    assert (pictures.flatten(1).std(1) > 0.3).all() and first.name == "two-portraits"
    assert load_dataset("two-portraits", limit=1).names == NAMES[:1]


def test_the_photographs_are_those_that_ship_inside_the_packages(photos):
    from matplotlib import cbook

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        assert np.array_equal(np.asarray(photos["Grace Hopper"]), np.asarray(Image.open(file)))
    assert np.array_equal(np.asarray(photos["Eileen Collins"]), data.astronaut())

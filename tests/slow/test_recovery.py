"""The shipped weights do what they are shipped for.

Codes are found again, junk is not taken for real, holes are filled.
"""

import pytest
import torch

from tutorial_lib import inpaint, load_dataset, load_gan
from tutorial_lib.evaluation.metrics import face_found, psnr
from tutorial_lib.evaluation.reports import discriminator_report
from tutorial_lib.masks import center_mask, corrupt
from tutorial_lib.models.weights import shipped

NAMES = ("portraits", "synthetic-faces")


def test_both_weights_are_shipped_with_whole_cards():
    assert set(NAMES) <= set(shipped())
    for name in NAMES:
        gan = load_gan(name, "cpu")
        assert gan.generator.base_channels <= 64
        assert {
            "data",
            "training",
            "discriminator",
            "command",
            "sha256",
            "bytes",
        } <= gan.card.keys()
        assert (
            gan.card["data"]["licence"]
            and gan.card["training"]["steps"]
            and name in gan.card["command"]
        )


def test_the_hole_of_a_known_code_is_found_again():
    """G(z*) with the center hole, best of 4 starts.

    RMSE in the hole at most 0.1 in the median of 8.
    """
    gan = load_gan("synthetic-faces", "cpu")
    with torch.no_grad():
        images = gan.generator(gan.sample_z(8, torch.Generator().manual_seed(123)))
    found = inpaint(
        images, center_mask(), gan, restarts=4, steps=200, lam=0.0, blend=False, progress=False
    )
    error = (found.generated - images)[:, :, 16:48, 16:48].square().mean((1, 2, 3)).sqrt()
    assert error.median() <= 0.1


@pytest.mark.parametrize("name", NAMES)
def test_d_ranks_real_above_junk(name):
    real = load_dataset(name, split="test", limit=100)[:]
    ranks = discriminator_report(load_gan(name, "cpu"), real)["auc_real_against"]
    assert (
        ranks["uniform noise"] > 0.95
        and ranks["shuffled pixels"] > 0.95
        and ranks["blurred noise"] > 0.9
    )
    assert ranks["generated"] > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_holes_of_unseen_faces_are_filled(name):
    """16 unseen faces, one start.

    Far better than the gray hole, and the cascade finds faces as in the originals.
    """
    images = load_dataset(name, split="test", limit=16)[:]
    mask = center_mask()
    result = inpaint(images, mask, load_gan(name, "cpu"), steps=150, progress=False)
    assert psnr(result.completed, images).mean() > 23
    assert psnr(result.completed, images).mean() > psnr(corrupt(images, mask), images).mean() + 4
    assert face_found(result.completed).mean() >= face_found(images).mean() - 0.1

"""Two simple fills for comparison: the mean color, and a smooth one from scikit-image."""

from __future__ import annotations

import torch
from torch import Tensor

from tutorial_lib.baselines.validation import enter, leave


def mean_fill(images: Tensor, mask: Tensor) -> Tensor:
    """The hole in the mean color of the known pixels, picture by picture (notebook 01).

    Arguments, result and errors are those of all baselines: see `baselines.fill_with`.
    """
    y, known = enter(images, mask)
    mean = y.sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)  # (B, 3, 1, 1)
    return leave(mean.expand_as(y), images, mask)


def biharmonic_fill(images: Tensor, mask: Tensor) -> Tensor:
    """The hole as smooth as can be: the biharmonic equation (Damelin & Hoang 2018).

    By scikit-image's `inpaint_biharmonic`. Solved directly, so there is nothing to converge. Unlike
    total variation it carries slopes on into the hole, for better (a gradient of light) and worse
    (a half picture, where it runs away until it is clamped).

    Arguments, result and errors are those of all baselines: see `baselines.fill_with`.
    """
    from skimage.restoration import inpaint_biharmonic

    y, known = enter(images, mask)
    filled = [
        inpaint_biharmonic(picture.numpy(), ~where[0].numpy(), channel_axis=0)
        for picture, where in zip(y.cpu(), known.cpu(), strict=True)
    ]
    return leave(torch.stack([torch.from_numpy(picture) for picture in filled]), images, mask)

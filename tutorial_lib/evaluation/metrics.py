"""How good is a completion: PSNR and SSIM of picture or hole, visible seams, AUC, faces found.

The paper's Table 1 states PSNR without saying over which pixels: whole-picture and hole-only
figures differ by 10 log10(all pixels / hole pixels), 6.02 dB for the center 32x32 hole.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.faces import find_faces
from tutorial_lib.images import to_uint8
from tutorial_lib.masks import check_mask

DATA_RANGE = 2.0  # of pictures in [-1, 1]; passing 1 makes every PSNR 6.02 dB too low
# scikit-image's options for the definition of Wang et al.; the window is 11x11
SSIM_OF_WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def _check_pair(images: Tensor, originals: Tensor) -> None:
    if images.shape != originals.shape or images.dim() != 4:
        raise ValueError(
            "need two batches (B, 3, H, W) of one shape, "
            f"got {tuple(images.shape)} and {tuple(originals.shape)}"
        )


def psnr(images: Tensor, originals: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in dB: 10 log10(range^2 / mean squared error), one a picture.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        originals: (B, 3, H, W) in [-1, 1].
        mask: (B, 1, H, W), 1 = known; given, only hole pixels count.

    Returns:
        (B,) float64 on the CPU; infinite for equal pictures.

    Raises:
        ValueError: for unequal shapes or a mask without a hole.
    """
    _check_pair(images, originals)
    error = (images.cpu().double() - originals.cpu().double()).square()  # MPS has no float64
    if mask is None:
        mean = error.flatten(1).mean(1)
    else:
        hole = check_mask(mask, images).cpu() == 0  # (B, 1, H, W)
        mean = (error * hole).flatten(1).sum(1) / (3 * hole.flatten(1).sum(1))
    return 10 * torch.log10(DATA_RANGE**2 / mean)


def ssim(images: Tensor, originals: Tensor, mask: Tensor | None = None) -> Tensor:
    """Structural similarity as defined by Wang et al. 2004, one value per picture.

    Means, variances and covariance are weighted by a Gaussian of deviation 1.5 pixels in an 11x11
    window and divide by the sum of the weights. scikit-image's defaults (7x7 window of equal
    weights, sample covariance) give another number, usually a lower one.

    It compares local means as well, so unlike PSNR it depends on where zero is: taken in [-1, 1] it
    is another number. Here black is 0, as with the usual 8 bit pixels.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        originals: (B, 3, H, W) in [-1, 1].
        mask: (B, 1, H, W), 1 = known; given, the similarity map is averaged over the hole alone.

    Returns:
        (B,) float64, 1 for equal pictures.

    Raises:
        ValueError: for unequal shapes or a mask without a hole.
    """
    from skimage.metrics import structural_similarity

    _check_pair(images, originals)
    hole = None if mask is None else check_mask(mask, images).cpu() == 0
    values = []
    for row, (image, original) in enumerate(
        zip(images.detach().cpu().double() + 1, originals.detach().cpu().double() + 1, strict=True)
    ):
        mean, local = structural_similarity(
            image.numpy(),
            original.numpy(),
            channel_axis=0,
            data_range=DATA_RANGE,
            full=True,
            **SSIM_OF_WANG,
        )
        values.append(mean if hole is None else local[:, hole[row, 0].numpy()].mean())
    return torch.tensor(np.array(values))


def seam_strength(images: Tensor, mask: Tensor) -> Tensor:
    """How visible the hole's edge is: the mean absolute difference between neighbors across it.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        mask: (B, 1, H, W), 1 = known.

    Returns:
        (B,); compare it with the same figure for the original.

    Raises:
        ValueError: for shapes that do not fit or a mask without a hole.
    """
    _check_pair(images, images)
    hole = check_mask(mask, images) == 0  # (B, 1, H, W)
    total = images.new_zeros(len(images))
    count = total.long()
    for axis in (2, 3):
        across = hole.diff(dim=axis)  # one of two neighbors is in the hole, the other is not
        total += (images.diff(dim=axis).abs() * across).flatten(1).sum(1)
        count += across.flatten(1).sum(1)
    return total / (count * images.shape[1])


def auc(positives: Tensor, negatives: Tensor) -> float:
    """Probability that a positive scores above a negative (area under the ROC curve).

    Ties count half.
    """
    from sklearn.metrics import roc_auc_score

    scores = torch.cat([positives.flatten(), negatives.flatten()]).cpu().double().numpy()
    return float(roc_auc_score(np.repeat([1, 0], [positives.numel(), negatives.numel()]), scores))


def face_found(images: Tensor) -> np.ndarray:
    """Whether scikit-image's cascade finds a face in each picture.

    Each is enlarged to 160x160 and padded to 240x240. Weak evidence: a mean face pasted into the
    hole is found nearly always. Look at the pictures.

    Args:
        images: (B, 3, 64, 64) in [-1, 1].

    Returns:
        (B,) bool.
    """
    large = F.interpolate(images.detach().cpu().float(), size=(160, 160), mode="bicubic")
    padded = F.pad(large, (40, 40, 40, 40), mode="replicate")
    return np.array([bool(find_faces(picture, 80, 240)) for picture in to_uint8(padded)])

"""Checks for the notebooks' exercises: each takes the learner's function and says what holds or what does not yet.

A check compares with the library or with a plain restatement on inputs the learner has not seen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib import metrics
from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.masks import FAMILIES, center_mask, corrupt, make_masks


class NotYet(AssertionError):
    """What the learner's function does not do yet."""


def _exercise(check: Callable) -> Callable:
    """Turn a check that raises into one that prints and returns whether the exercise is solved."""
    @functools.wraps(check)
    def checked(function) -> bool:
        try:
            praise = check(function)
        except NotImplementedError:
            print("Not filled in yet: replace `raise NotImplementedError` by your code and run the cell again.")
        except NotYet as problem:
            print(f"Not yet: {problem}")
        except Exception as error:  # the learner's own error, in the learner's words
            print(f"Not yet: your function raised {type(error).__name__}: {error}")
        else:
            print(f"Correct: {praise}")
            return True
        return False
    return checked


def _expect(condition: bool, problem: str) -> None:
    if not condition:
        raise NotYet(problem)


def _same(ours, theirs, what: str, tolerance: float = 1e-4) -> None:
    _expect(theirs is not None, f"{what}: your function returned None - is there a `return`?")
    ours = torch.as_tensor(ours, dtype=torch.float64)
    theirs = torch.as_tensor(theirs).detach().double()
    _expect(theirs.shape == ours.shape, f"{what}: expected shape {tuple(ours.shape)}, got {tuple(theirs.shape)}")
    gap = (ours - theirs).abs().max().item()
    _expect(gap <= tolerance, f"{what}: differs by up to {gap:.3g} from what is expected")


def _draws(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# ---- 00, start here ------------------------------------------------------------------------------------------------

@_exercise
def check_two_holes(function: Callable[[], Tensor]) -> str:
    """function() -> (1, 1, 64, 64) mask with two holes side by side in the upper half, a tenth of the picture or less."""
    from scipy.ndimage import label
    mask = function()
    _expect(isinstance(mask, Tensor) and mask.shape == (1, 1, IMAGE_SIZE, IMAGE_SIZE), "a mask has shape (1, 1, 64, 64)")
    _expect(bool(((mask == 0) | (mask == 1)).all()), "a mask holds 0 (hole) and 1 (known) only")
    hole = (mask[0, 0] == 0).numpy()
    regions, count = label(hole)
    _expect(count == 2, f"two separate holes are wanted, found {count}")
    _expect(not hole[IMAGE_SIZE // 2:].any(), "both holes belong into the upper half, where the eyes are")
    _expect(hole.mean() <= 0.1, f"{hole.mean():.0%} of the picture is missing: make the holes smaller")
    left, right = ((regions == n).nonzero()[1].mean() for n in (1, 2))
    _expect(abs(left - right) > 8, "put them side by side, one over each eye")
    return "two holes, one over each eye."


@_exercise
def check_missing_share(function: Callable[[Tensor], Tensor]) -> str:
    """function(mask (B, 1, H, W)) -> (B,) share of missing pixels of each mask."""
    masks = torch.cat([make_masks(family) for family in FAMILIES])
    _same((masks == 0).double().mean((1, 2, 3)), function(masks), "one share a mask")
    return "one share a mask, a quarter for the center block."


# ---- 01, the inpainting problem ------------------------------------------------------------------------------------

@_exercise
def check_mean_fill(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """function(images, mask) -> images whose hole holds, channel by channel, the mean of the picture's known pixels."""
    images, mask = _draws(4, 3, IMAGE_SIZE, IMAGE_SIZE, seed=1), torch.cat([make_masks(family) for family in FAMILIES])
    expected = images.clone()
    for row in range(4):
        known = mask[row, 0] == 1
        for channel in range(3):
            expected[row, channel][~known] = images[row, channel][known].mean()
    _same(expected, function(corrupt(images, mask), mask), "the filled pictures")
    hidden = function(torch.where(mask > 0, images, 0.7), mask)
    _same(expected, hidden, "with other values under the hole (they must not count)")
    return "known pixels kept, the hole filled with their mean, nothing under the hole was read."


@_exercise
def check_psnr(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """function(images, originals) -> (B,) PSNR in dB of pictures in [-1, 1]."""
    images, originals = _draws(3, 3, 8, 8, seed=2), _draws(3, 3, 8, 8, seed=3)
    expected, given = metrics.psnr(images, originals), function(images, originals)
    _expect(given is not None, "your function returned None - is there a `return`?")
    if torch.as_tensor(given).shape == expected.shape:
        _expect((expected - given - 6.0206).abs().max().item() > 1e-3,
                "6.02 dB too low: the values reach from -1 to 1, so the range is 2, not 1")
    _same(expected, given, "PSNR", 1e-3)
    return "the range is 2, and one value comes back for each picture."


# ---- 02, training a GAN ----------------------------------------------------------------------------------------------

@_exercise
def check_discriminator_loss(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """function(real_logits, fake_logits) -> minus the value of Eq. 1 for D, a number."""
    for scale in (1.0, 200.0):
        real, fake = scale * _draws(32, seed=4), scale * _draws(32, seed=5)
        expected = F.softplus(-real.double()).mean() + F.softplus(fake.double()).mean()
        given = function(real, fake)
        _expect(given is not None, "your function returned None - is there a `return`?")
        _expect(torch.as_tensor(given).numel() == 1, "one number for the batch is wanted: take the mean over each batch (shape ())")
        _expect(bool(torch.as_tensor(given).isfinite()), "infinite or NaN for large logits: log(sigmoid(l)) underflows; use "
                                                         "F.logsigmoid or F.softplus")
        _same(expected, given, "the loss", 1e-3 * scale)
    return "Eq. 1 for D, finite for any logit."


@_exercise
def check_average(function: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """function(slow, fast, decay) -> the next exponential moving average."""
    slow, fast = _draws(5, seed=6), _draws(5, seed=7)
    for decay in (0.0, 0.9, 0.999):
        _same(decay * slow + (1 - decay) * fast, function(slow, fast, decay), f"decay {decay}", 1e-6)
    return "slow weights follow the fast ones."


# ---- 03, importance weights ------------------------------------------------------------------------------------------

@_exercise
def check_weight_at(function: Callable[[Tensor, int, int, int], float]) -> str:
    """function(mask (H, W), row, column, window) -> W at one pixel (Eq. 3)."""
    for family in FAMILIES:
        mask = make_masks(family, size=16)
        for window in (3, 7):
            expected = importance_weights(mask, window)[0, 0]
            for row, column in ((0, 0), (0, 8), (3, 8), (8, 8), (15, 4), (4, 15), (11, 3), (8, 0), (14, 15)):
                _same(expected[row, column], function(mask[0, 0], row, column, window),
                      f"{family} mask, row {row}, column {column}, window {window}", 1e-5)
    return "missing neighbors are counted, the window ends at the picture's edge, and the hole weighs 0."


@_exercise
def check_reach(function: Callable[[int], int]) -> str:
    """function(window) -> how many pixels of a 64x64 picture with the center hole have a weight above 0."""
    for window in (3, 7, 15, 31):
        _same((importance_weights(center_mask(), window) > 0).sum().item(), function(window), f"window {window}", 0.0)
    return "a frame of (window - 1) / 2 pixels around the hole."


# ---- 04, searching the latent space ----------------------------------------------------------------------------------

@_exercise
def check_context_loss(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """function(generated, images, weights) -> (B,) context loss (Eq. 4)."""
    generated, images = _draws(4, 3, 16, 16, seed=8), _draws(4, 3, 16, 16, seed=9)
    weights = importance_weights(torch.cat([make_masks(family, size=16) for family in FAMILIES]))
    expected = context_loss(generated, images, weights)
    given = function(generated, images, weights)
    if isinstance(given, Tensor) and given.shape == expected.shape:
        _expect((given * 3 * 16 * 16 - expected).abs().max().item() > 1e-3, "that is a mean; Eq. 4 is a sum over pixels and channels")
    _same(expected, given, "the loss", 1e-3)
    return "a weighted sum for each picture."


@_exercise
def check_prior_slope(function: Callable[[Tensor, float], Tensor]) -> str:
    """function(logits, lam) -> (B,) derivative of lam * log(1 - D) with respect to the logit."""
    logits = (6 * _draws(8, seed=10)).requires_grad_(True)
    expected, = torch.autograd.grad((3.0 * torch.log(1 - torch.sigmoid(logits))).sum(), logits)
    given = function(logits.detach(), 3.0)
    if isinstance(given, Tensor) and given.shape == expected.shape:
        _expect((given + expected).abs().max().item() > 1e-4, "the sign is the other way round")
    _same(expected, given, "the slope", 1e-4)
    return "-lam * D: small exactly where D is sure that the picture is not real."


@_exercise
def check_stochastic_clip(function: Callable[[Tensor, torch.Generator], Tensor]) -> str:
    """function(z, generator) -> z with each value outside [-1, 1] replaced by a new uniform draw from [-1, 1]."""
    z = 2 * _draws(400, 100, seed=11)
    clipped = function(z.clone(), torch.Generator().manual_seed(0))
    _expect(isinstance(clipped, Tensor) and clipped.shape == z.shape, "the shape of z must be kept")
    inside = z.abs() <= 1
    _same(z[inside], clipped[inside], "values inside [-1, 1] must stay", 0.0)
    drawn = clipped[~inside]
    _expect(bool((drawn.abs() <= 1).all()), "some values are still outside [-1, 1]")
    _expect(bool((drawn.abs() < 1).float().mean() > 0.99), "that is ordinary clipping: values outside end at -1 or 1")
    _expect(abs(drawn.mean().item()) < 0.05 and abs(drawn.std().item() - 3**-0.5) < 0.03, "the new values are not uniform on [-1, 1]")
    return "values that leave the box land anywhere in it."


# ---- 05, Poisson blending --------------------------------------------------------------------------------------------

@_exercise
def check_blend_line(function: Callable[[Tensor, float, float], Tensor]) -> str:
    """function(g (n,), left, right) -> (n,): Eq. 6 on a line of n hole pixels between two known ones.

    The generator's gradients are those of g inside; towards the two known pixels they are 0 at the left (G equals g[0]
    there) and 0 at the right (G equals g[-1] there).
    """
    for seed, count in ((12, 1), (13, 5), (14, 12)):
        g = _draws(count, seed=seed)
        left, right = _draws(2, seed=seed + 50).tolist()
        padded = torch.cat([g[:1], g, g[-1:]]).double()
        start, end = left - padded[0], right - padded[-1]
        places = torch.arange(1, count + 1, dtype=torch.float64) / (count + 1)
        _same(g.double() + start + (end - start) * places, function(g, left, right), f"{count} hole pixels", 1e-4)
    return "G plus a straight line: the difference at the ends is spread evenly."


@_exercise
def check_seam_strength(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """function(images, mask) -> (B,) mean absolute difference between a known pixel and a hole pixel beside it."""
    images, mask = _draws(4, 3, 16, 16, seed=15), torch.cat([make_masks(family, size=16) for family in FAMILIES])
    _same(metrics.seam_strength(images, mask), function(images, mask), "the seam", 1e-4)
    return "pairs across the hole's edge, both directions, all channels."

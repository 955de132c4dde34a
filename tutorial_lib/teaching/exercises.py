"""Checks for the notebooks' exercises.

Each takes the learner's function and says what holds or what does not yet.

A check compares with the library or with a plain restatement on inputs the learner has not seen.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from tutorial_lib.evaluation import metrics
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
            print(
                "Not filled in yet: replace `raise NotImplementedError` by your code and run the cell again."
            )
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
    _expect(
        theirs.shape == ours.shape,
        f"{what}: expected shape {tuple(ours.shape)}, got {tuple(theirs.shape)}",
    )
    gap = (ours - theirs).abs().max().item()
    _expect(gap <= tolerance, f"{what}: differs by up to {gap:.3g} from what is expected")


def _draws(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# ---- 00, start here ------------------------------------------------------------------------------


@_exercise
def check_two_holes(function: Callable[[], Tensor]) -> str:
    """function() -> (1, 1, 64, 64) mask with two holes side by side in the upper half, a tenth of
    the picture or less.
    """
    from scipy.ndimage import label

    mask = function()
    _expect(
        isinstance(mask, Tensor) and mask.shape == (1, 1, IMAGE_SIZE, IMAGE_SIZE),
        "a mask has shape (1, 1, 64, 64)",
    )
    _expect(bool(((mask == 0) | (mask == 1)).all()), "a mask holds 0 (hole) and 1 (known) only")
    hole = (mask[0, 0] == 0).numpy()
    regions, count = label(hole)
    _expect(count == 2, f"two separate holes are wanted, found {count}")
    _expect(
        not hole[IMAGE_SIZE // 2 :].any(),
        "both holes belong into the upper half, where the eyes are",
    )
    _expect(
        hole.mean() <= 0.1, f"{hole.mean():.0%} of the picture is missing: make the holes smaller"
    )
    left, right = ((regions == n).nonzero()[1].mean() for n in (1, 2))
    _expect(abs(left - right) > 8, "put them side by side, one over each eye")
    return "two holes, one over each eye."


@_exercise
def check_missing_share(function: Callable[[Tensor], Tensor]) -> str:
    """function(mask (B, 1, H, W)) -> (B,) share of missing pixels of each mask."""
    masks = torch.cat([make_masks(family) for family in FAMILIES])
    _same((masks == 0).double().mean((1, 2, 3)), function(masks), "one share a mask")
    return "one share a mask, a quarter for the center block."


# ---- 01, the inpainting problem ------------------------------------------------------------------


@_exercise
def check_mean_fill(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """function(images, mask) -> images whose hole holds, channel by channel, the mean of the
    picture's known pixels.
    """
    images, mask = (
        _draws(4, 3, IMAGE_SIZE, IMAGE_SIZE, seed=1),
        torch.cat([make_masks(family) for family in FAMILIES]),
    )
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
def check_hole_psnr(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """function(images, originals, mask) -> (B,) PSNR in dB over the hole pixels of pictures in [-1,
    1].
    """
    images, originals = _draws(4, 3, 16, 16, seed=2), _draws(4, 3, 16, 16, seed=3)
    mask = torch.cat([make_masks(family, size=16) for family in FAMILIES])
    hole = mask[:, 0] == 0
    errors = [
        (images[row][:, hole[row]] - originals[row][:, hole[row]]).square().mean()
        for row in range(4)
    ]
    expected, given = 10 * torch.log10(4 / torch.stack(errors)), function(images, originals, mask)
    _expect(given is not None, "your function returned None - is there a `return`?")
    if torch.as_tensor(given).shape == expected.shape:
        for gap, reason in (
            (6.0206, "the values reach from -1 to 1, so the range is 2, not 1"),
            (4.7712, "a hole pixel has three channels: divide by three times their number"),
        ):
            _expect(
                (expected - given - gap).abs().max().item() > 1e-3,
                f"{gap:.2f} dB too low: {reason}",
            )
        whole = metrics.psnr(images, originals)
        _expect(
            (whole - given).abs().max().item() > 1e-3,
            "that is the whole picture's PSNR: leave the known pixels out",
        )
    _same(expected, given, "hole PSNR", 1e-3)
    return "the range is 2, only the hole counts, and one value comes back for each picture."


@_exercise
def check_nearest(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """function(images, mask, collection (N, 3, H, W)) -> (B,) numbers of the pictures closest on
    the known pixels.
    """
    images, collection = _draws(8, 3, 16, 16, seed=25), _draws(60, 3, 16, 16, seed=26)
    mask = torch.cat([make_masks(family, size=16) for family in FAMILIES]).repeat(2, 1, 1, 1)
    known = mask[:, 0] == 1
    distances = torch.stack(
        [
            torch.stack(
                [
                    (picture[:, known[row]] - images[row][:, known[row]]).square().sum()
                    for picture in collection
                ]
            )
            for row in range(8)
        ]
    )
    # under the hole: what would lead to the last picture, were it read
    for hidden in (corrupt(images, mask), torch.where(mask > 0, images, collection[-1:])):
        given = function(hidden, mask, collection)
        _expect(given is not None, "your function returned None - is there a `return`?")
        given = torch.as_tensor(given)
        _expect(
            given.shape == (8,),
            f"expected one number a picture, shape (8,), got {tuple(given.shape)}",
        )
        _expect(
            bool(((given >= 0) & (given < 60) & (given == given.round())).all()),
            "expected whole numbers from 0 to N - 1",
        )
        for row, (ours, theirs) in enumerate(
            zip(distances.argmin(1).tolist(), given.tolist(), strict=True)
        ):
            _expect(
                ours == theirs,
                f"picture {row}: you chose {theirs:g}, but {ours} is closer on the known pixels, with a sum of "
                f"squares of {distances[row, ours]:.1f} against {distances[row, int(theirs)]:.1f}",
            )
    return "the closest on what is known, whatever stands in the hole."


# ---- 02, training a GAN --------------------------------------------------------------------------


@_exercise
def check_discriminator_loss(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """function(real_logits, fake_logits) -> minus the value of Eq. 1 for D, a number."""
    for scale in (1.0, 200.0):
        real, fake = scale * _draws(32, seed=4), scale * _draws(32, seed=5)
        expected = F.softplus(-real.double()).mean() + F.softplus(fake.double()).mean()
        given = function(real, fake)
        _expect(given is not None, "your function returned None - is there a `return`?")
        _expect(
            torch.as_tensor(given).numel() == 1,
            "one number for the batch is wanted: take the mean over each batch (shape ())",
        )
        _expect(
            bool(torch.as_tensor(given).isfinite()),
            "infinite or NaN for large logits: log(sigmoid(l)) underflows; use "
            "F.logsigmoid or F.softplus",
        )
        _same(expected, given, "the loss", 1e-3 * scale)
    return "Eq. 1 for D, finite for any logit."


@_exercise
def check_average(function: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """function(slow, fast, decay) -> the next exponential moving average."""
    slow, fast = _draws(5, seed=6), _draws(5, seed=7)
    for decay in (0.0, 0.9, 0.999):
        _same(
            decay * slow + (1 - decay) * fast, function(slow, fast, decay), f"decay {decay}", 1e-6
        )
    return "slow weights follow the fast ones."


@_exercise
def check_divergence(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """function(mean (B, L), log_variance (B, L)) -> (B,), KL(q || N(0, 1)) in nats."""
    for seed in (41, 42):
        mean, log_variance = _draws(3, 6, seed=seed), _draws(3, 6, seed=seed + 50)
        wanted = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
        given = function(mean, log_variance)
        if isinstance(given, Tensor) and given.shape == wanted.shape:
            _expect(
                not torch.allclose(given, -wanted, atol=1e-4),
                "the sign is turned: a divergence is never negative",
            )
            _expect(
                not torch.allclose(given, wanted / 6, atol=1e-4),
                "add the numbers of a code up, do not average them",
            )
        _same(wanted, given, "the divergence", 1e-4)
    return "zero for mean 0 and variance 1, and never below."


# ---- 03, importance weights ----------------------------------------------------------------------


@_exercise
def check_weight_at(function: Callable[[Tensor, int, int, int], float]) -> str:
    """function(mask (H, W), row, column, window) -> W at one pixel (Eq. 3)."""
    for family in FAMILIES:
        mask = make_masks(family, size=16)
        for window in (3, 7):
            expected = importance_weights(mask, window)[0, 0]
            for row, column in (
                (0, 0),
                (0, 8),
                (3, 8),
                (8, 8),
                (15, 4),
                (4, 15),
                (11, 3),
                (8, 0),
                (14, 15),
            ):
                _same(
                    expected[row, column],
                    function(mask[0, 0], row, column, window),
                    f"{family} mask, row {row}, column {column}, window {window}",
                    1e-5,
                )
    return "missing neighbors are counted, the window ends at the picture's edge, and the hole weighs 0."


@_exercise
def check_reach(function: Callable[[int], int]) -> str:
    """function(window) -> how many pixels of a 64x64 picture with the center hole have a weight
    above 0.
    """
    for window in (3, 7, 15, 31):
        _same(
            (importance_weights(center_mask(), window) > 0).sum().item(),
            function(window),
            f"window {window}",
            0.0,
        )
    return "a frame of (window - 1) / 2 pixels around the hole."


# ---- 04, searching the latent space --------------------------------------------------------------


@_exercise
def check_context_loss(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """function(generated, images, weights) -> (B,) context loss (Eq. 4)."""
    generated, images = _draws(4, 3, 16, 16, seed=8), _draws(4, 3, 16, 16, seed=9)
    weights = importance_weights(torch.cat([make_masks(family, size=16) for family in FAMILIES]))
    expected = context_loss(generated, images, weights)
    given = function(generated, images, weights)
    if isinstance(given, Tensor) and given.shape == expected.shape:
        _expect(
            (given * 3 * 16 * 16 - expected).abs().max().item() > 1e-3,
            "that is a mean; Eq. 4 is a sum over pixels and channels",
        )
    _same(expected, given, "the loss", 1e-3)
    return "a weighted sum for each picture."


@_exercise
def check_prior_slope(function: Callable[[Tensor, float], Tensor]) -> str:
    """function(logits, lam) -> (B,) derivative of lam * log(1 - D) with respect to the logit."""
    logits = (6 * _draws(8, seed=10)).requires_grad_(True)
    (expected,) = torch.autograd.grad((3.0 * torch.log(1 - torch.sigmoid(logits))).sum(), logits)
    given = function(logits.detach(), 3.0)
    if isinstance(given, Tensor) and given.shape == expected.shape:
        _expect((given + expected).abs().max().item() > 1e-4, "the sign is the other way round")
    _same(expected, given, "the slope", 1e-4)
    return "-lam * D: small exactly where D is sure that the picture is not real."


@_exercise
def check_stochastic_clip(function: Callable[[Tensor, torch.Generator], Tensor]) -> str:
    """function(z, generator) -> z with each value outside [-1, 1] replaced by a new uniform draw
    from [-1, 1].
    """
    z = 2 * _draws(400, 100, seed=11)
    clipped = function(z.clone(), torch.Generator().manual_seed(0))
    _expect(isinstance(clipped, Tensor) and clipped.shape == z.shape, "the shape of z must be kept")
    inside = z.abs() <= 1
    _same(z[inside], clipped[inside], "values inside [-1, 1] must stay", 0.0)
    drawn = clipped[~inside]
    _expect(bool((drawn.abs() <= 1).all()), "some values are still outside [-1, 1]")
    _expect(
        bool((drawn.abs() < 1).float().mean() > 0.99),
        "that is ordinary clipping: values outside end at -1 or 1",
    )
    _expect(
        abs(drawn.mean().item()) < 0.05 and abs(drawn.std().item() - 3**-0.5) < 0.03,
        "the new values are not uniform on [-1, 1]",
    )
    return "values that leave the box land anywhere in it."


# ---- 05, Poisson blending ------------------------------------------------------------------------


@_exercise
def check_blend_line(function: Callable[[Tensor, float, float], Tensor]) -> str:
    """function(g (n,), left, right) -> (n,).

    Eq. 6 on a line of n hole pixels between two known ones.

    The generator's gradients are those of g inside; towards the two known pixels they are 0 at the
    left (G equals g[0] there) and 0 at the right (G equals g[-1] there).
    """
    for seed, count in ((12, 1), (13, 5), (14, 12)):
        g = _draws(count, seed=seed)
        left, right = _draws(2, seed=seed + 50).tolist()
        padded = torch.cat([g[:1], g, g[-1:]]).double()
        start, end = left - padded[0], right - padded[-1]
        places = torch.arange(1, count + 1, dtype=torch.float64) / (count + 1)
        _same(
            g.double() + start + (end - start) * places,
            function(g, left, right),
            f"{count} hole pixels",
            1e-4,
        )
    return "G plus a straight line: the difference at the ends is spread evenly."


@_exercise
def check_seam_strength(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """function(images, mask) -> (B,) mean absolute difference between a known pixel and a hole
    pixel beside it.
    """
    images, mask = (
        _draws(4, 3, 16, 16, seed=15),
        torch.cat([make_masks(family, size=16) for family in FAMILIES]),
    )
    _same(metrics.seam_strength(images, mask), function(images, mask), "the seam", 1e-4)
    return "pairs across the hole's edge, both directions, all channels."


# ---- 06, the lambda explorer ---------------------------------------------------------------------


@_exercise
def check_lam_with_share(function: Callable[[Tensor, Tensor, Tensor, float], float]) -> str:
    """function(lams (L,), context (L,), prior (L,), share) -> the smallest lam whose |prior| is
    share * context or more.
    """
    lams = torch.tensor([0.0, 0.003, 0.1, 1.0, 10.0, 37.0])
    context = torch.tensor([20.0, 20.0, 19.0, 21.0, 24.0, 40.0])
    for sign in (-1, 1):  # Eq. 5 is negative, -log D positive
        prior = sign * torch.tensor([0.0, 0.002, 0.076, 0.7, 6.0, 24.0])
        for share, expected in (
            (0.0, 0.0),
            (0.003, 0.1),
            (0.01, 1.0),
            (0.2, 10.0),
            (0.25, 10.0),
            (0.5, 37.0),
        ):
            _same(
                expected,
                function(lams, context, prior, share),
                f"share {share}, prior losses that are {'negative' if sign < 0 else 'positive'}",
                1e-6,
            )
    return "the smallest lam with that share, whatever the prior's sign."


@_exercise
def check_lam_for_sum(function: Callable[[float, int, int], float]) -> str:
    """function(lam, height, width) -> the lam that does with a summed context loss what lam does
    with its mean.
    """
    for height, width in ((64, 64), (32, 48), (7, 5)):
        given = function(0.003, height, width)
        if isinstance(given, float):
            _expect(
                abs(given - 0.003 * height * width) > 1e-6,
                "a picture has three channels: the mean is over 3 * height * width",
            )
            _expect(
                abs(given - 0.003 / (3 * height * width)) > 1e-9,
                "that is the way from the sum to the mean",
            )
        _same(0.003 * 3 * height * width, given, f"a picture of {height}x{width}")
    return "times the number of values in the picture: 0.003 becomes 37 at 64x64."


@_exercise
def check_search_rows(function: Callable[[int, int, Tensor], tuple[Tensor, Tensor, Tensor]]) -> str:
    """function(pictures, restarts, lams (L,)) -> (picture (N,), start (N,), lam (N,)), N = pictures
    * restarts * L.

    The rows may come in any order. `start` is the place in `initial_z(model, pictures,
    restarts)`, where a picture's restarts stand side by side.
    """
    for pictures, restarts, lams in ((2, 3, (0.0, 0.5, 4.0)), (3, 1, (0.25, 2.0)), (1, 2, (1.0,))):
        given = function(pictures, restarts, torch.tensor(lams))
        _expect(
            isinstance(given, tuple | list) and len(given) == 3,
            "three tensors are wanted: picture, start, lam (did it return None?)",
        )
        columns = [torch.as_tensor(column).double() for column in given]
        count = pictures * restarts * len(lams)
        _expect(
            all(column.shape == (count,) for column in columns),
            f"{pictures} pictures, {restarts} restarts and {len(lams)} lams need three tensors of shape ({count},), got "
            f"{', '.join(str(tuple(column.shape)) for column in columns)}",
        )
        rows = sorted(zip(*(column.tolist() for column in columns), strict=True))
        wanted = sorted(
            (float(p), float(p * restarts + r), lam)
            for p in range(pictures)
            for r in range(restarts)
            for lam in lams
        )
        _expect(
            {row[:2] for row in rows} == {row[:2] for row in wanted},
            "picture p has the starts p * restarts to p * restarts + restarts - 1, and no others",
        )
        _expect(
            rows == wanted, "each start needs each lam exactly once: the same starts for every lam"
        )
    return "every start meets every lam once, so a slider over lam shows lam and not luck."


# ---- 07, walking the manifold --------------------------------------------------------------------


@_exercise
def check_perplexity(function: Callable[[Tensor, float], float]) -> str:
    """function(squared distances to n other points (n,), sigma) -> perplexity of the Gaussian
    weights t-SNE gives them.
    """
    for seed, count, sigma in ((16, 5, 0.4), (17, 60, 1.0), (18, 60, 0.3)):
        squared = 4 * _draws(count, seed=seed).double().square()
        weights = torch.exp(-squared / (2 * sigma**2))
        chances = weights / weights.sum()
        entropy = -torch.xlogy(chances, chances).sum()
        given = function(squared, sigma)
        if given is not None and torch.as_tensor(given).numel() == 1:
            value = torch.as_tensor(given).double().item()
            _expect(
                all(
                    abs(value - off.item()) > 1e-4
                    for off in (entropy, entropy / torch.log(torch.tensor(2.0)))
                ),
                "that is the entropy; the perplexity is 2 (or e) to the power of it",
            )
        _same(entropy.exp(), given, f"{count} points, sigma {sigma}", 1e-3)
    _same(
        12.0,
        function(torch.full((12,), 3.0, dtype=torch.float64), 0.7),
        "twelve neighbors, all equally far",
        1e-3,
    )
    return "n neighbors that are equally far count n; a narrow Gaussian counts fewer."


@_exercise
def check_trustworthiness(function: Callable[[Tensor, Tensor, int], float]) -> str:
    """function(points (N, D), places (N, 2) on a map, k) -> trustworthiness of the map, over k
    neighbors.
    """
    from sklearn.manifold import trustworthiness

    for seed, count, k in ((19, 40, 5), (20, 25, 8)):
        points = _draws(count, 6, seed=seed).double()
        _same(
            1.0,
            function(points[:, :2], 3 * points[:, :2], k),
            "a map that only enlarges the points",
            1e-6,
        )
        expected = trustworthiness(points, points[:, :2], n_neighbors=k)
        swapped = trustworthiness(points[:, :2], points, n_neighbors=k)
        given = function(points, points[:, :2].clone(), k)
        if given is not None and torch.as_tensor(given).numel() == 1:
            _expect(
                abs(torch.as_tensor(given).item() - swapped) > 1e-6,
                "the other way round: punish neighbors on the map that are far from each other in the data",
            )
        _same(expected, given, f"{count} points, {k} neighbors", 1e-6)
    return "what is near on the map and far in the data is punished, and nothing else."


@_exercise
def check_detour(function: Callable[[Tensor], float]) -> str:
    """function(path (K, ...)) -> length of the path, point by point, divided by the distance
    between its ends.
    """
    _same(
        5 / 13**0.5,
        function(torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 2.0]])),
        "three units east, two units north",
        1e-5,
    )
    for seed, shape in ((21, (7, 100)), (22, (5, 3, 8, 8))):
        path = _draws(*shape, seed=seed)
        steps = [(path[k + 1] - path[k]).square().sum().sqrt() for k in range(len(path) - 1)]
        _same(
            sum(steps) / (path[-1] - path[0]).square().sum().sqrt(),
            function(path),
            f"a path of shape {shape}",
            1e-4,
        )
    return "1 for a straight walk, more for a winding one, codes and pictures alike."


# ---- 08, ablations -------------------------------------------------------------------------------


@_exercise
def check_paired_interval(function: Callable[[Tensor, Tensor], tuple[float, float]]) -> str:
    """function(a (n,), b (n,)) -> (mean of a - b, half the width of its 95 % interval by Student's
    t).
    """
    from scipy import stats

    for seed, count in ((16, 5), (17, 32)):
        pictures = 5 * _draws(count, seed=seed).double()  # what the pictures have in common
        a, b = (
            pictures + 0.3 + 0.2 * _draws(count, seed=seed + 50),
            pictures + 0.2 * _draws(count, seed=seed + 60),
        )
        given = function(a, b)
        _expect(given is not None, "your function returned None - is there a `return`?")
        _expect(
            isinstance(given, tuple | list) and len(given) == 2,
            "two numbers are wanted: the mean and half the width",
        )
        wanted = stats.ttest_rel(a.numpy(), b.numpy()).confidence_interval(0.95)
        mean, half = (wanted.low + wanted.high) / 2, (wanted.high - wanted.low) / 2
        _same(mean, given[0], "the mean difference")
        spread = (a - b).std()
        _expect(
            abs(float(given[1]) - 1.96 * spread / count**0.5) > 1e-4,
            "1.96 is for many pictures: take Student's t, n - 1 degrees "
            "of freedom (scipy.stats.t.ppf)",
        )
        _expect(
            float(given[1]) < 3 * half,
            "far too wide: pair the values first (a - b), then take the spread of the differences",
        )
        _same(half, given[1], "half the width")
    return "the pictures' own differences cancel; what is left is what the change did."


@_exercise
def check_pictures_needed(function: Callable[[Tensor, float], int]) -> str:
    """function(differences (n,), half) -> how many pictures make half the 95 % interval at most
    `half` (with 1.96 for t).
    """
    import math

    for seed, count in ((18, 8), (19, 40)):
        differences = _draws(count, seed=seed)
        for half in (0.5, 0.1, 0.02):
            _same(
                math.ceil((1.96 * differences.double().std().item() / half) ** 2),
                function(differences, half),
                f"half a width of {half}",
                0.0,
            )
    return "four times the pictures for half the width."


# ---- 09, comparisons -----------------------------------------------------------------------------


@_exercise
def check_error_picture(function: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """function(completed, originals, factor) -> (B, 3, H, W) in [0, 1].

    |difference| as a share of the range 2, times factor.
    """
    completed, originals = _draws(2, 3, 8, 8, seed=31), _draws(2, 3, 8, 8, seed=32)
    for factor in (1.0, 5.0):
        wanted = (factor * (completed - originals).abs() / 2).clamp(max=1)
        given = function(completed, originals, factor)
        _expect(given is not None, "your function returned None - is there a `return`?")
        if torch.as_tensor(given).shape == wanted.shape:
            _expect(bool((given >= 0).all()), "an error has no sign: take the absolute difference")
            _expect(bool((given <= 1).all()), "a picture is white at 1: cut what is above")
        _same(wanted, given, f"factor {factor:g}", 1e-5)
    return "and whoever shows such a picture has to say the factor."


@_exercise
def check_whole_psnr(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """function(hole_psnr (B,), mask (B, 1, H, W)) -> (B,) PSNR of the whole picture when the known
    pixels are untouched.
    """
    originals = _draws(8, 3, 16, 16, seed=33)
    mask = torch.cat(
        [make_masks(family, 2, torch.Generator().manual_seed(1), 16) for family in FAMILIES]
    )
    completed = torch.where(mask > 0, originals, _draws(8, 3, 16, 16, seed=34))
    hole, whole = metrics.psnr(completed, originals, mask), metrics.psnr(completed, originals)
    given = function(hole, mask)
    _expect(given is not None, "your function returned None - is there a `return`?")
    if torch.as_tensor(given).shape == whole.shape:
        _expect(
            bool((torch.as_tensor(given) > hole).all()),
            "the known pixels are without error: the whole picture's PSNR is higher than the hole's",
        )
    _same(whole, given, "PSNR of the whole picture", 1e-4)
    return "so a table that does not say which one it holds can be off by 1 to 6 dB."


@_exercise
def check_frechet(function: Callable[[Tensor, Tensor], float]) -> str:
    """function(a (N, F), b (M, F)) -> squared Frechet distance of Gaussians whose features are
    independent of each other.
    """
    for seed, count, other in ((35, 20, 30), (36, 50, 10)):
        a, b = (
            _draws(count, 5, seed=seed).double(),
            0.5 + 2 * _draws(other, 5, seed=seed + 50).double(),
        )
        wanted = (a.mean(0) - b.mean(0)).square().sum() + (a.std(0) - b.std(0)).square().sum()
        given = function(a, b)
        _expect(given is not None, "your function returned None - is there a `return`?")
        if torch.as_tensor(given).dim() == 0:
            _expect(
                abs(float(given) - float(wanted) ** 0.5) > 1e-6,
                "that is its root: the squared distance is wanted",
            )
            _expect(
                abs(float(given) - float((a.mean(0) - b.mean(0)).square().sum())) > 1e-6,
                "the spreads count as well as the means",
            )
        _same(wanted, given, "the distance", 1e-6)
    return "means and spreads: a set of equal pictures is far from real ones, however good each is."


# ---- 10, limits and beyond -----------------------------------------------------------------------


@_exercise
def check_worst(function: Callable[[Tensor, int], Tensor]) -> str:
    """function(losses (N,), count) -> (count,) places of the largest losses, the largest first."""
    for seed, length, count in ((37, 9, 3), (38, 40, 40), (39, 5, 1)):
        losses = _draws(length, seed=seed)
        given = function(losses, count)
        _expect(given is not None, "your function returned None - is there a `return`?")
        given = torch.as_tensor(given)
        _expect(given.shape == (count,), f"expected shape ({count},), got {tuple(given.shape)}")
        wanted = losses.argsort(descending=True)[:count]
        if not torch.equal(given.long(), wanted) and torch.equal(
            given.long(), losses.argsort()[:count]
        ):
            _expect(False, "those are the smallest: the failures have the largest loss")
        _same(wanted, given, "places", 0.0)
    return "a rule, fixed before looking, instead of a hand that picks."


@_exercise
def check_diagnosis(function: Callable[[Tensor, Tensor, Tensor, float], list[str]]) -> str:
    """function(found (N,), inverted (N,), psnr (N,), least) -> a word a picture.

    "search", "generator" or "rim".

    found, inverted: context loss of the search's code and of the code that makes the whole original
    best; psnr: of that code's picture in the hole, dB. "search": a lower loss exists than was
    found; else "generator": even the best code's picture is below `least` dB; else "rim": the
    original could be made, but other codes fit the known pixels as well.
    """
    rng = torch.Generator().manual_seed(40)
    found, inverted = (
        20 + 10 * torch.rand(24, generator=rng),
        20 + 10 * torch.rand(24, generator=rng),
    )
    decibels = 12 + 12 * torch.rand(24, generator=rng)
    for least in (16.0, 20.0):
        given = function(found, inverted, decibels, least)
        _expect(given is not None, "your function returned None - is there a `return`?")
        _expect(
            not isinstance(given, str | Tensor) and hasattr(given, "__len__") and len(given) == 24,
            "a list of one word a picture is wanted",
        )
        for number, word in enumerate(given):
            wanted = (
                "search"
                if inverted[number] < found[number]
                else "generator"
                if decibels[number] < least
                else "rim"
            )
            _expect(
                word == wanted,
                f"losses {found[number]:.1f} (found) and {inverted[number]:.1f} (inverted), {decibels[number]:.1f} dB with "
                f"at least {least:g} wanted: expected {wanted!r}, got {word!r}",
            )
    return "three different diseases; only the second is cured by a stronger generator."


# ---- 11, faster search ---------------------------------------------------------------------------


@_exercise
def check_time_to(function: Callable[[Tensor, Tensor, float], float]) -> str:
    """function(losses (N,), seconds (N,), target) -> the seconds of the first loss that is at most
    the target, else infinity.
    """
    losses, seconds = (
        torch.tensor([9.0, 7.0, 4.0, 5.0, 3.0, 6.0]),
        torch.tensor([0.1, 0.3, 0.4, 0.7, 1.1, 1.2]),
    )
    for target, wanted in ((9.5, 0.1), (7.0, 0.3), (4.5, 0.4), (3.0, 1.1)):
        given = function(losses, seconds, target)
        _expect(given is not None, "your function returned None - is there a `return`?")
        _same(torch.tensor(wanted), torch.as_tensor(given).float(), f"time to {target:g}", 1e-6)
    never = function(losses, seconds, 2.0)
    _expect(
        never is not None and float(never) == float("inf"),
        "a loss that was never reached takes infinitely long",
    )
    return "with it any two searches can be compared, however different their steps are."


@_exercise
def check_fold(function: Callable[..., tuple[Tensor, Tensor]]) -> str:
    """function(weight (I, O, k, k), mean, variance, scale, shift, all (O,), eps) -> weight and bias
    of one transposed convolution.
    """
    inputs, weight = _draws(2, 3, 4, 4, seed=41), _draws(3, 5, 4, 4, seed=42)
    mean, scale, shift = (_draws(5, seed=seed) for seed in (43, 44, 45))
    variance = _draws(5, seed=46).abs() + 0.1
    wanted = F.batch_norm(
        F.conv_transpose2d(inputs, weight, stride=2, padding=1),
        mean,
        variance,
        scale,
        shift,
        eps=1e-3,
    )
    given = function(
        weight.clone(), mean.clone(), variance.clone(), scale.clone(), shift.clone(), 1e-3
    )
    _expect(given is not None, "your function returned None - is there a `return`?")
    _expect(
        isinstance(given, tuple | list) and len(given) == 2,
        "two tensors are wanted, weight and bias",
    )
    new_weight, bias = (torch.as_tensor(part) for part in given)
    _expect(
        new_weight.shape == weight.shape,
        f"expected a weight of shape {tuple(weight.shape)}, got {tuple(new_weight.shape)}",
    )
    _expect(bias.shape == (5,), f"expected a bias of shape (5,), got {tuple(bias.shape)}")
    _same(
        wanted,
        F.conv_transpose2d(inputs, new_weight, bias, stride=2, padding=1),
        "the layer's output",
        1e-4,
    )
    return "two layers in one, the same pictures: what `fuse_batch_norm` does before each search."

"""Every check of an exercise takes a right function, and says of a wrong one what is wrong with it.

None of them ever raises.
"""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from tutorial_lib.baselines import NearestNeighbor
from tutorial_lib.evaluation.metrics import psnr, seam_strength
from tutorial_lib.images import to_float, to_uint8
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.masks import center_mask
from tutorial_lib.teaching import exercises

CHECKS = sorted(name for name in vars(exercises) if name.startswith("check_"))


# ---- right answers, written as a reader would ----------------------------------------------------


def two_holes():
    mask = torch.ones(1, 1, 64, 64)
    mask[:, :, 20:30, 14:26] = 0
    mask[:, :, 20:30, 38:50] = 0
    return mask


def missing_share(mask):
    return 1 - mask.mean((1, 2, 3))


def time_to(losses, seconds, target):
    for loss, second in zip(losses, seconds, strict=True):
        if loss <= target:
            return second.item()
    return math.inf


def fold(weight, mean, variance, scale, shift, eps):
    factor = scale / torch.sqrt(variance + eps)
    return weight * factor.view(1, -1, 1, 1), shift - factor * mean


def mean_fill(images, mask):
    images = torch.where(mask == 1, images, torch.zeros(()))
    mean = images.sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True)
    return torch.where(mask == 1, images, mean)


def plain_psnr(images, originals):
    return 10 * torch.log10(4 / (images - originals).square().mean((1, 2, 3)))


def hole_psnr(images, originals, mask):
    error = ((images - originals).square() * (1 - mask)).sum((1, 2, 3)) / (
        3 * (1 - mask).sum((1, 2, 3))
    )
    return 10 * torch.log10(4 / error)


def nearest(images, mask, collection):
    return torch.stack(
        [
            (mask[row] * (collection - images[row])).square().sum((1, 2, 3)).argmin()
            for row in range(len(images))
        ]
    )


def discriminator_loss(real, fake):
    return -(F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean())


def average(slow, fast, decay):
    return decay * slow + (1 - decay) * fast


def weight_at(mask, row, column, window):
    if mask[row, column] == 0:
        return 0.0
    reach = window // 2
    near = mask[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return (1 - near).mean()


def reach(window):
    return (32 + window - 1) ** 2 - 32**2


def plain_context_loss(generated, images, weights):
    return (weights * (generated - images)).abs().sum((1, 2, 3))


def prior_slope(logits, lam):
    return -lam * torch.sigmoid(logits)


def stochastic_clip(z, generator):
    return torch.where(z.abs() > 1, torch.rand(z.shape, generator=generator) * 2 - 1, z)


def blend_line(g, left, right):
    places = torch.arange(1, len(g) + 1) / (len(g) + 1)
    return g + (left - g[0]) * (1 - places) + (right - g[-1]) * places


def plain_seam(images, mask):
    total, count = 0, 0
    for axis in (2, 3):
        size = images.shape[axis]
        across = mask.narrow(axis, 0, size - 1) != mask.narrow(axis, 1, size - 1)
        total = total + (images.diff(dim=axis).abs() * across).sum((1, 2, 3))
        count = count + across.sum((1, 2, 3))
    return total / (3 * count)


def lam_with_share(lams, context, prior, share):
    return lams[prior.abs() >= share * context].min()


def change_over_lam(search_from, z0, lams, mask):
    pictures = torch.stack([search_from(z0, lam)[0] for lam in lams])
    return (pictures - pictures[0]).abs()[..., mask[0] == 0].mean((1, 2))


def paired_interval(a, b):
    differences = (a - b).double()
    return differences.mean().item(), stats.t.ppf(
        0.975, len(a) - 1
    ) * differences.std().item() / len(a) ** 0.5


def pictures_needed(differences, half):
    return math.ceil((1.96 * differences.double().std().item() / half) ** 2)


def perplexity(squared, sigma):
    chances = torch.softmax(-squared / (2 * sigma**2), 0)
    return 2 ** -(chances * chances.log2()).nan_to_num().sum()


def plain_trustworthiness(points, places, k):
    """Venna & Kaski's, pair by pair."""
    count, excess = len(points), 0
    for i in range(count):
        others = [j for j in range(count) if j != i]
        in_data = sorted(others, key=lambda j: (points[i] - points[j]).norm().item())
        on_map = sorted(others, key=lambda j: (places[i] - places[j]).norm().item())
        excess += sum(max(0, in_data.index(j) + 1 - k) for j in on_map[:k])
    return 1 - 2 * excess / (count * k * (2 * count - 3 * k - 1))


def detour(path):
    return path.diff(dim=0).flatten(1).norm(dim=1).sum() / (path[-1] - path[0]).norm()


def error_picture(completed, originals, factor):
    return (factor * (completed - originals).abs() / 2).clamp(0, 1)


def whole_psnr(hole, mask):
    return hole - 10 * torch.log10((1 - mask).mean((1, 2, 3)).double())


def frechet(a, b):
    return (
        (a.mean(0) - b.mean(0)) ** 2 + a.var(0) + b.var(0) - 2 * (a.var(0) * b.var(0)).sqrt()
    ).sum()


def divergence(mean, log_variance):
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def worst(losses, count):
    return losses.topk(count).indices


def diagnosis(found, inverted, decibels, least):
    return [
        "search" if better else "generator" if low else "rim"
        for better, low in zip(
            (inverted < found).tolist(), (decibels < least).tolist(), strict=True
        )
    ]


RIGHT = {
    "check_time_to": time_to,
    "check_fold": fold,
    "check_two_holes": two_holes,
    "check_missing_share": missing_share,
    "check_mean_fill": mean_fill,
    "check_hole_psnr": hole_psnr,
    "check_nearest": nearest,
    "check_discriminator_loss": discriminator_loss,
    "check_average": average,
    "check_weight_at": weight_at,
    "check_reach": reach,
    "check_context_loss": plain_context_loss,
    "check_prior_slope": prior_slope,
    "check_stochastic_clip": stochastic_clip,
    "check_divergence": divergence,
    "check_blend_line": blend_line,
    "check_seam_strength": plain_seam,
    "check_lam_with_share": lam_with_share,
    "check_change_over_lam": change_over_lam,
    "check_paired_interval": paired_interval,
    "check_pictures_needed": pictures_needed,
    "check_error_picture": error_picture,
    "check_whole_psnr": whole_psnr,
    "check_frechet": frechet,
    "check_worst": worst,
    "check_diagnosis": diagnosis,
    "check_perplexity": perplexity,
    "check_trustworthiness": plain_trustworthiness,
    "check_detour": detour,
}


# ---- wrong answers, the usual ones, with a word of what must be said -----------------------------


def one_hole():
    return center_mask()


def two_holes_low():
    return two_holes().flip(2)


def two_holes_stacked():
    mask = torch.ones(1, 1, 64, 64)
    mask[:, :, 4:10, 28:36] = 0
    mask[:, :, 20:26, 28:36] = 0
    return mask


def two_big_holes():
    mask = torch.ones(1, 1, 64, 64)
    mask[:, :, :30, :28] = 0
    mask[:, :, :30, 36:] = 0
    return mask


def fill_reads_the_hole(images, mask):
    return torch.where(mask == 1, images, images.mean((2, 3), keepdim=True))


def fill_one_mean(images, mask):
    known = torch.where(mask == 1, images, torch.zeros(())).sum((1, 2, 3), keepdim=True)
    return torch.where(mask == 1, images, known / (3 * mask.sum((1, 2, 3), keepdim=True)))


def nearest_by_absolute_difference(images, mask, collection):
    return torch.stack(
        [
            (mask[row] * (collection - images[row])).abs().sum((1, 2, 3)).argmin()
            for row in range(len(images))
        ]
    )


def blend_jump(g, left, right):
    return g + (left - g[0])


def window_at_the_edge(mask, row, column, window):
    """Divides by the whole window, as a padded convolution does."""
    reach = window // 2
    near = mask[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return (1 - near).sum() / window**2 * mask[row, column]


def inverted_weight(mask, row, column, window):
    reach = window // 2
    near = mask[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    return near.mean() * mask[row, column]


def clip(z, generator):
    return z.clamp(-1, 1)


def seam_one_direction(images, mask):
    across = mask.diff(dim=3) != 0
    return (images.diff(dim=3).abs() * across).sum((1, 2, 3)) / (3 * across.sum((1, 2, 3)))


def fill_known_too(images, mask):
    return mean_fill(images, mask) * 0 + images.mean((2, 3), keepdim=True)


def change_from_the_last_end(search_from, z0, lams, mask):
    """Each search begins where the one before ended."""
    pictures, z = [], z0
    for lam in lams:
        picture, z = search_from(z, lam)
        pictures.append(picture)
    return torch.stack([(p - pictures[0])[:, mask[0] == 0].abs().mean() for p in pictures])


def change_from_new_starts(search_from, z0, lams, mask):
    pictures = [search_from(z0 + number, lam)[0] for number, lam in enumerate(lams)]
    return torch.stack([(p - pictures[0])[:, mask[0] == 0].abs().mean() for p in pictures])


def change_of_the_whole_picture(search_from, z0, lams, mask):
    pictures = torch.stack([search_from(z0, lam)[0] for lam in lams])
    return (pictures - pictures[0]).abs().mean((1, 2, 3))


def change_between_neighbors(search_from, z0, lams, mask):
    pictures = torch.stack([search_from(z0, lam)[0] for lam in lams])
    steps = pictures.diff(dim=0).abs()[..., mask[0] == 0].mean((1, 2))
    return torch.cat([torch.zeros(1), steps])


WRONG = {
    "check_time_to": [
        (lambda losses, seconds, target: seconds[losses.argmin()].item(), "differs"),
        (
            lambda losses, seconds, target: (
                seconds[(losses < target).nonzero()[0]].item() if target > 3 else math.inf
            ),
            "differs",
        ),
        (lambda losses, seconds, target: min(time_to(losses, seconds, target), 1.2), "infinitely"),
        (
            lambda losses, seconds, target: (
                float((losses <= target).nonzero()[0]) if target > 2 else math.inf
            ),
            "differs",
        ),
    ],
    "check_fold": [
        (lambda weight, mean, variance, scale, shift, eps: (weight, shift), "differs"),
        (
            lambda weight, mean, variance, scale, shift, eps: fold(
                weight, mean, variance, scale, shift, 0.0
            ),
            "differs",
        ),
        (
            lambda weight, mean, variance, scale, shift, eps: (
                fold(weight, mean, variance, scale, shift, eps)[0],
                -mean,
            ),
            "differs",
        ),
        (
            lambda weight, mean, variance, scale, shift, eps: fold(
                weight, mean, variance, scale, shift, eps
            )[0],
            "two tensors",
        ),
        (lambda weight, mean, variance, scale, shift, eps: (weight[:, :3], shift), "shape"),
    ],
    "check_two_holes": [
        (one_hole, "two separate holes"),
        (two_holes_low, "upper half"),
        (two_holes_stacked, "side by side"),
        (two_big_holes, "smaller"),
        (lambda: two_holes()[0, 0], r"shape \(1, 1, 64, 64\)"),
        (lambda: two_holes() / 2, "0 .* and 1"),
    ],
    "check_missing_share": [
        (lambda mask: mask.mean((1, 2, 3)), "differs"),
        (lambda mask: 1 - mask.mean(), "shape"),
        (lambda mask: (mask == 0).sum((1, 2, 3)), "differs"),
    ],
    "check_mean_fill": [
        (fill_reads_the_hole, "differs"),
        (fill_one_mean, "differs"),
        (fill_known_too, "differs"),
        (lambda images, mask: images, "differs"),
    ],
    "check_hole_psnr": [
        (lambda a, b, mask: hole_psnr(a, b, mask) - 20 * math.log10(2), "6.02"),
        (lambda a, b, mask: hole_psnr(a, b, mask) - 10 * math.log10(3), "three channels"),
        (lambda a, b, mask: plain_psnr(a, b), "whole picture"),
        (lambda a, b, mask: hole_psnr(a, b, 1 - mask), "differs"),
        (lambda a, b, mask: hole_psnr(a, b, mask[:1]), "differs"),
        (lambda a, b, mask: hole_psnr(a, b, mask).mean(), "shape"),
    ],
    "check_nearest": [
        (
            lambda images, mask, pool: nearest(images, torch.ones_like(mask), pool),
            "closer on the known",
        ),
        (lambda images, mask, pool: nearest(images, 1 - mask, pool), "closer on the known"),
        (
            lambda images, mask, pool: nearest(images, mask[:1].expand_as(mask), pool),
            "closer on the known",
        ),
        (nearest_by_absolute_difference, "closer on the known"),
        (lambda images, mask, pool: nearest(images, mask, pool) + 1, "closer"),
        (lambda images, mask, pool: nearest(images, mask, pool)[:1], "one number a picture"),
        (lambda images, mask, pool: nearest(images, mask, pool) - 60, "whole numbers"),
    ],
    "check_discriminator_loss": [
        (
            lambda real, fake: -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean()),
            "underflows",
        ),
        (lambda real, fake: -discriminator_loss(real, fake), "differs"),
        (lambda real, fake: discriminator_loss(fake, real), "differs"),
        (lambda real, fake: F.softplus(-real) + F.softplus(fake), "shape"),
    ],
    "check_average": [
        (lambda slow, fast, decay: decay * fast + (1 - decay) * slow, "differs"),
        (lambda slow, fast, decay: (slow + fast) / 2, "differs"),
        (lambda slow, fast, decay: slow + decay * (fast - slow), "differs"),
    ],
    "check_weight_at": [
        (inverted_weight, "differs"),
        (window_at_the_edge, "differs"),
        (lambda mask, row, column, window: weight_at(mask, row, column, window + 2), "differs"),
    ],
    "check_reach": [
        (lambda window: 32 * 4 * (window // 2), "differs"),
        (lambda window: (32 + window) ** 2 - 32**2, "differs"),
    ],
    "check_context_loss": [
        (lambda g, x, w: (w * (g - x)).abs().mean((1, 2, 3)), "sum over pixels"),
        (lambda g, x, w: (w * (g - x)).square().sum((1, 2, 3)), "differs"),
        (lambda g, x, w: (w * (g - x)).abs().sum(), "shape"),
        (lambda g, x, w: (w * (g - x)).sum((1, 2, 3)), "differs"),
    ],
    "check_prior_slope": [
        (lambda logits, lam: lam * logits.sigmoid(), "sign"),
        (lambda logits, lam: -lam * (1 - logits.sigmoid()), "differs"),
        (lambda logits, lam: -logits.sigmoid(), "differs"),
    ],
    "check_stochastic_clip": [
        (clip, "ordinary clipping"),
        (lambda z, rng: torch.rand(z.shape, generator=rng) * 2 - 1, "must stay"),
        (
            lambda z, rng: torch.where(z.abs() > 1, torch.rand(z.shape, generator=rng), z),
            "not uniform",
        ),
        (lambda z, rng: z, "outside"),
        (lambda z, rng: z[0], "shape"),
    ],
    "check_blend_line": [
        (lambda g, left, right: g, "differs"),
        (blend_jump, "differs"),
        (lambda g, left, right: torch.linspace(left, right, len(g)), "differs"),
    ],
    "check_seam_strength": [
        (seam_one_direction, "differs"),
        (lambda images, mask: 3 * plain_seam(images, mask), "differs"),
        (lambda images, mask: plain_seam(images, mask).mean(), "shape"),
    ],
    "check_lam_with_share": [
        (
            lambda lams, context, prior, share: (
                lams[prior >= share * context].min() if (prior > 0).any() else lams[0]
            ),
            "negative",
        ),
        (lambda lams, context, prior, share: lams[prior.abs() >= share * context].max(), "differs"),
        (lambda lams, context, prior, share: lams[prior.abs() >= share].min(), "differs"),
        (lambda lams, context, prior, share: lams[prior.abs() > share * context].min(), "differs"),
    ],
    "check_change_over_lam": [
        (change_from_the_last_end, "began somewhere else"),
        (change_from_new_starts, "began somewhere else"),
        (change_of_the_whole_picture, "too small"),
        (change_between_neighbors, "differs"),
        (lambda *inputs: change_over_lam(*inputs)[1:], "one number for each"),
        (
            lambda search_from, z0, lams, mask: change_over_lam(search_from, z0, lams, 1 - mask),
            "too small",
        ),
    ],
    "check_paired_interval": [
        (lambda a, b: (-paired_interval(a, b)[0], paired_interval(a, b)[1]), "mean difference"),
        (
            lambda a, b: (paired_interval(a, b)[0], 1.96 * (a - b).std() / len(a) ** 0.5),
            "Student's t",
        ),
        (
            lambda a, b: (
                paired_interval(a, b)[0],
                stats.t.ppf(0.975, len(a) - 1) * ((a.var() + b.var()) / len(a)) ** 0.5,
            ),
            "pair",
        ),
        (lambda a, b: (paired_interval(a, b)[0], 2 * paired_interval(a, b)[1]), "half the width"),
        (lambda a, b: paired_interval(a, b)[0], "two numbers"),
    ],
    "check_pictures_needed": [
        (lambda d, half: pictures_needed(d, half / 2), "differs"),
        (lambda d, half: math.ceil(1.96 * d.std().item() / half), "differs"),
        (lambda d, half: pictures_needed(d, half) - 1, "differs"),
    ],
    "check_error_picture": [
        (lambda a, b, factor: factor * (a - b).abs() / 2, "white"),
        (lambda a, b, factor: factor * (a - b) / 2, "no sign"),
        (lambda a, b, factor: (factor * (a - b).abs()).clamp(0, 1), "differs"),
        (lambda a, b, factor: ((a - b).abs() / 2).clamp(0, 1), "factor 5: differs"),
        (lambda a, b, factor: error_picture(a, b, factor).mean(1), "shape"),
    ],
    "check_whole_psnr": [
        (lambda hole, mask: hole + 10 * torch.log10((1 - mask).mean((1, 2, 3))), "higher"),
        (lambda hole, mask: hole + 6.0206, "differs"),
        (lambda hole, mask: hole - 20 * torch.log10((1 - mask).mean((1, 2, 3))), "differs"),
        (lambda hole, mask: hole - 10 * torch.log10((1 - mask).mean()), "differs"),
        (lambda hole, mask: hole, "higher"),
    ],
    "check_divergence": [
        (lambda mean, log_variance: -divergence(mean, log_variance), "sign"),
        (lambda mean, log_variance: divergence(mean, log_variance) / 6, "average"),
        (lambda mean, log_variance: 2 * divergence(mean, log_variance), "differs"),
        (lambda mean, log_variance: divergence(mean, 2 * log_variance), "differs"),
        (lambda mean, log_variance: divergence(mean, log_variance).mean(), "shape"),
    ],
    "check_frechet": [
        (lambda a, b: frechet(a, b) ** 0.5, "root"),
        (lambda a, b: (a.mean(0) - b.mean(0)).square().sum(), "spreads"),
        (lambda a, b: (a.mean(0) - b.mean(0)).square() + (a.std(0) - b.std(0)).square(), "shape"),
        (
            lambda a, b: (
                (a.mean(0) - b.mean(0)).square().sum() + (a.var(0) - b.var(0)).square().sum()
            ),
            "differs",
        ),
    ],
    "check_worst": [
        (lambda losses, count: (-losses).topk(count).indices, "smallest"),
        (lambda losses, count: losses.topk(count).values, "differs"),
        (lambda losses, count: losses.topk(count).indices.flip(0), "places"),
        (lambda losses, count: losses.argsort(), "shape"),
    ],
    "check_diagnosis": [
        (lambda found, inverted, d, least: diagnosis(inverted, found, d, least), "expected"),
        (lambda found, inverted, d, least: diagnosis(found, inverted, -d, -least), "expected"),
        (
            lambda found, inverted, d, least: [
                "generator" if low else "rim" for low in (d < least).tolist()
            ],
            "expected 'search'",
        ),
        (lambda found, inverted, d, least: "search", "a list"),
        (lambda found, inverted, d, least: diagnosis(found, inverted, d, 16.0), "expected"),
    ],
    "check_perplexity": [
        (lambda squared, sigma: perplexity(squared, sigma).log2(), "entropy"),
        (lambda squared, sigma: perplexity(squared, sigma).log(), "entropy"),
        (lambda squared, sigma: perplexity(squared, sigma / 2**0.5), "differs"),
        (lambda squared, sigma: len(squared), "differs"),
        (lambda squared, sigma: torch.exp(perplexity(squared, sigma).log2()), "differs"),
    ],
    "check_trustworthiness": [
        (lambda points, places, k: plain_trustworthiness(places, points, k), "other way round"),
        (lambda points, places, k: plain_trustworthiness(points, places, k + 1), "differs"),
        (lambda points, places, k: 1.0, "differs"),
    ],
    "check_detour": [
        (lambda path: 1 / detour(path), "differs"),
        (lambda path: detour(path[:-1]), "differs"),
        (lambda path: path.diff(dim=0).flatten(1).norm(dim=1).sum(), "differs"),
        (lambda path: path.diff(dim=0).flatten(1).norm(dim=1), "shape"),
    ],
}
CASES = [
    pytest.param(name, function, message, id=f"{name}-{number}")
    for name, wrong in WRONG.items()
    for number, (function, message) in enumerate(wrong)
]


def test_every_check_is_tried_here():
    assert CHECKS == sorted(RIGHT) == sorted(WRONG)
    assert all(len(wrong) >= 2 for wrong in WRONG.values())


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_is_accepted(name, capsys):
    assert getattr(exercises, name)(RIGHT[name]) is True
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("Correct: ")


@pytest.mark.parametrize(("name", "function", "message"), CASES)
def test_a_wrong_function_is_told_what_is_wrong(name, function, message, capsys):
    assert getattr(exercises, name)(function) is False
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("Not yet: ")
    assert "raised" not in lines[0], "a wrong value, not an error, was meant"
    assert re.search(message, lines[0]), lines[0]


@pytest.mark.parametrize("name", RIGHT)
def test_an_unfilled_stub_is_told_to_fill_in(name, capsys):
    def stub(*_):
        raise NotImplementedError

    assert getattr(exercises, name)(stub) is False
    assert capsys.readouterr().out.startswith("Not filled in yet: ")


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize(
    "value", [None, "text", torch.tensor(float("nan")), []], ids=["None", "text", "NaN", "list"]
)
def test_a_function_that_returns_nonsense_is_refused_in_one_line(name, value, capsys):
    assert getattr(exercises, name)(lambda *_: value) is False
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("Not yet: ")
    if value is None:
        assert "None" in lines[0] or "shape" in lines[0]


@pytest.mark.parametrize("name", RIGHT)
def test_a_learners_error_is_shown_and_not_raised(name, capsys):
    def broken(*_):
        raise IndexError("row 64 is out of bounds")

    assert getattr(exercises, name)(broken) is False
    assert (
        capsys.readouterr().out
        == "Not yet: your function raised IndexError: row 64 is out of bounds\n"
    )


def test_the_right_answers_here_are_the_librarys():
    """The references above and the library agree on inputs that the checks do not use."""
    rng = torch.Generator().manual_seed(99)
    images, originals = (
        torch.rand(2, 3, 64, 64, generator=rng) * 2 - 1,
        torch.rand(2, 3, 64, 64, generator=rng) * 2 - 1,
    )
    weights = importance_weights(center_mask()).expand(2, -1, -1, -1)
    torch.testing.assert_close(
        plain_context_loss(images, originals, weights), context_loss(images, originals, weights)
    )
    torch.testing.assert_close(
        plain_psnr(images, originals).double(), psnr(images, originals), atol=1e-4, rtol=0
    )
    mask = center_mask().expand(2, -1, -1, -1)
    torch.testing.assert_close(
        hole_psnr(images, originals, mask).double(),
        psnr(images, originals, mask),
        atol=1e-4,
        rtol=0,
    )
    pixels = to_uint8(originals.repeat(3, 1, 1, 1).roll(1, 0))
    assert (
        nearest(images, mask, to_float(pixels)).tolist()
        == NearestNeighbor(pixels).indices(images, mask).tolist()
    )
    torch.testing.assert_close(plain_seam(images, mask), seam_strength(images, mask))
    assert [weight_at(center_mask()[0, 0], row, 16, 7).item() for row in (15, 14)] == pytest.approx(
        [importance_weights(center_mask())[0, 0, row, 16].item() for row in (15, 14)]
    )

"""Every check of an exercise takes a right function, and says of a wrong one what is wrong with it.

None of them ever raises.
"""

import math
import re
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from tutorial_lib.evaluation.blind_test import wilson
from tutorial_lib.evaluation.metrics import auc, psnr
from tutorial_lib.evaluation.results import mean_interval
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.masks import center_mask, half_mask
from tutorial_lib.teaching import exercises

CHECKS = sorted(name for name in vars(exercises) if name.startswith("check_"))


# ---- right answers, written as a reader would ----------------------------------------------------


def two_holes():
    mask = torch.ones(1, 1, 64, 64)
    mask[:, :, 20:30, 14:26] = 0
    mask[:, :, 20:30, 38:50] = 0
    return mask


def paste(image, generated, mask):
    return torch.where(mask > 0, image, generated)


def leaders(losses, z, keep):
    order = losses.argsort(1)[:, :keep]  # (photos, keep)
    by_photo = z.view(*losses.shape, -1)
    return torch.cat([codes[best] for codes, best in zip(by_photo, order, strict=True)])


def count_solutions(ends, least):
    y = ends[:, 1].sort().values
    return 1 + int((y.diff() > least).sum())


def total_loss(points, x, logits, lam):
    return (points[:, 0] - x).abs() - lam * F.softplus(logits)


def fold(weight, mean, variance, scale, shift, eps):
    factor = scale / torch.sqrt(variance + eps)
    return weight * factor.view(1, -1, 1, 1), shift - factor * mean


def evaluations_of_repaint(steps, jump, resamples):
    blocks = [min(jump, steps - first) for first in range(0, steps, jump)]
    return blocks[0] + resamples * sum(blocks[1:])


def step_back(x, s, t, noise):
    kept = (1 - t) / (1 - s)
    return kept * x + (t * t - kept * kept * s * s) ** 0.5 * noise


def checkerboard(size=64):
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return ((row + column) % 2).float()[None, None]


def plain_psnr(images, originals):
    return 10 * torch.log10(4 / (images - originals).square().mean((1, 2, 3)))


def hole_psnr(images, originals, mask):
    error = ((images - originals).square() * (1 - mask)).sum((1, 2, 3)) / (
        3 * (1 - mask).sum((1, 2, 3))
    )
    return 10 * torch.log10(4 / error)


def discriminator_step(
    G, D, optimizer, images, z, fakes=None, fresh=True, moved=True, frozen=False
):
    """Right, or with a mistake."""
    fake = G(z).detach() if fakes is None else fakes(G, z)
    loss = -(F.logsigmoid(D(images)).mean() + F.logsigmoid(-D(fake)).mean())
    if fresh:
        optimizer.zero_grad()
    loss.backward()
    if moved:
        optimizer.step()
    if frozen:
        G.requires_grad_(False)
    return loss


def fake_as_real(G, D, optimizer, images, z):
    """A mistake: the two batches have changed places."""
    return discriminator_step(lambda z: images, D, optimizer, G(z).detach(), z)


def step_of_both(G, D, optimizer, images, z):
    """A mistake: G moves as well."""
    both = torch.optim.SGD([*G.parameters(), *D.parameters()], 0.1)
    return discriminator_step(G, D, both, images, z, fakes=lambda G, z: G(z))


def average(slow, fast, decay):
    return decay * slow + (1 - decay) * fast


def speakers(height, width, window):
    return (height + window - 1) * (width + window - 1) - height * width


def disc_around(radius):
    offset = torch.arange(-radius, radius + 1)
    return (offset[:, None] ** 2 + offset**2 <= radius**2).float()[None, None]


def round_weights(mask, radius):
    disc = disc_around(radius)
    missing = F.conv2d(1 - mask, disc, padding=radius)
    return mask * missing / F.conv2d(torch.ones_like(mask), disc, padding=radius)


def plain_context_loss(generated, images, weights):
    return (weights * (generated - images)).abs().sum((1, 2, 3))


def momentum_search(
    loss, z, steps, rate, *, accumulate=False, clip="each", reduce=torch.sum, lasting=True
):
    z = z.clone().requires_grad_(True)
    velocity = torch.zeros_like(z)
    for _ in range(steps):
        if not accumulate:
            z.grad = None
        reduce(loss(z)).backward()
        with torch.no_grad():
            velocity = 0.9 * velocity * lasting + z.grad
            z -= rate * velocity
            if clip == "each":
                z.clamp_(-1, 1)
    return z.detach().clamp(-1, 1) if clip == "end" else z.detach()


def stochastic_clip(z, generator):
    return torch.where(z.abs() > 1, torch.rand(z.shape, generator=generator) * 2 - 1, z)


def blend_line(g, left, right):
    start = left - g[0]
    end = start if right is None else right - g[-1]
    way = torch.arange(len(g)) / (len(g) - 1)
    return g + start + (end - start) * way


def neighbor_sum(x):
    padded = F.pad(x, (1, 1, 1, 1))
    return (
        padded[..., 1:-1, 2:]
        + padded[..., 1:-1, :-2]
        + padded[..., 2:, 1:-1]
        + padded[..., :-2, 1:-1]
    )


def blend(g, y, mask, sweeps):
    u = torch.where(mask > 0, y - g, 0.0)
    count = neighbor_sum(torch.ones_like(u))
    for _ in range(sweeps):
        u = torch.where(mask > 0, u, neighbor_sum(u) / count)
    return g + u


def lam_with_share(lams, context, prior, share):
    return lams[prior.abs() >= share * context].min()


def change_over_lam(search_from, z0, lams, mask):
    pictures = torch.stack([search_from(z0, lam)[0] for lam in lams])
    return (pictures - pictures[0]).abs()[..., mask[0] == 0].mean((1, 2))


def ablation(run, names, photos, seed_of=lambda name, photo: photo, arrange=list, sign=1):
    found = {}
    for name in names:
        values, reference = (
            arrange([run(way, photo, seed_of(way, photo)) for photo in photos])
            for way in (name, "full method")
        )
        found[name] = mean_interval(
            [sign * (a - b) for a, b in zip(values, reference, strict=True)]
        )
    return found


def unpaired_ablation(run, names, photos):
    found = {}
    for name in names:
        values, reference = (
            torch.tensor([run(way, photo, photo) for photo in photos], dtype=torch.float64)
            for way in (name, "full method")
        )
        ends = stats.ttest_ind(values, reference).confidence_interval(0.95)
        found[name] = ((ends.low + ends.high) / 2, (ends.high - ends.low) / 2)
    return found


def normal_ablation(run, names, photos):
    return {
        name: (mean, half * 1.96 / stats.t.ppf(0.975, len(photos) - 1))
        for name, (mean, half) in ablation(run, names, photos).items()
    }


def pictures_needed(differences, half):
    return math.ceil((1.96 * differences.double().std().item() / half) ** 2)


def plain_trustworthiness(points, places, k):
    """Venna & Kaski's, pair by pair."""
    count, excess = len(points), 0
    for i in range(count):
        others = [j for j in range(count) if j != i]
        in_data = sorted(others, key=lambda j: (points[i] - points[j]).norm().item())
        on_map = sorted(others, key=lambda j: (places[i] - places[j]).norm().item())
        excess += sum(max(0, in_data.index(j) + 1 - k) for j in on_map[:k])
    return 1 - 2 * excess / (count * k * (2 * count - 3 * k - 1))


def own_counted(points, places, k):
    """A mistake: each point is the first of its own k neighbors."""
    count = len(points)
    ranks = torch.cdist(points, points).argsort(1).argsort(1)
    near = torch.cdist(places, places).argsort(1)[:, :k]
    excess = (ranks.gather(1, near) - k).clamp(min=0).sum()
    return 1 - 2 * excess / (count * k * (2 * count - 3 * k - 1))


def detour(path):
    return path.diff(dim=0).flatten(1).norm(dim=1).sum() / (path[-1] - path[0]).norm()


def wins_needed(count):
    return next(wins for wins in range(count + 1) if wilson(wins, count)[0] > 0.5)


def wins_by_symmetric_interval(count):
    """A mistake: the fraction plus and minus 1.96 standard errors."""
    for wins in range(count + 1):
        fraction = wins / count
        if fraction - 1.96 * (fraction * (1 - fraction) / count) ** 0.5 > 0.5:
            return wins


def two_fold_auc(originals, completions, train, leak=False, swap=False, report=np.mean, folds=2):
    """Right, or with a mistake."""
    half = len(originals) // 2
    first, second = slice(0, half), slice(half, None)
    values = []
    for trained, tested in [(second, first), (first, second)][:folds]:
        seen = tested if leak else trained
        judge = train(originals[seen], completions[seen])
        scores = judge(originals[tested]), judge(completions[tested])
        values.append(auc(*(scores[::-1] if swap else scores)))
    return report(values)


def pooled_auc(originals, completions, train):
    """A mistake: scores of different judges do not compare."""
    first, second = slice(0, len(originals) // 2), slice(len(originals) // 2, None)
    judges = [train(originals[part], completions[part]) for part in (second, first)]
    pooled = [
        torch.cat([judge(some[part]) for judge, part in zip(judges, (first, second), strict=True)])
        for some in (originals, completions)
    ]
    return auc(*pooled)


def kept_quality(score, psnr, fraction):
    count = max(1, round(fraction * len(score)))
    return psnr[score.argsort()[:count]].mean()


def lightening(original, completed):
    dark = original < original.median()
    change = (completed - original)[dark]
    return change.mean(), 2 * change.std() / len(change) ** 0.5


def lightening_of(group, over_all=False):
    """A mistake: another group, or the standard error of all portraits."""

    def function(original, completed):
        change = completed - original
        dark = group(original, completed)
        count = len(change) if over_all else int(dark.sum())
        return change[dark].mean(), 2 * change[dark].std() / count**0.5

    return function


RIGHT = {
    "check_leaders": leaders,
    "check_fused": fold,
    "check_evaluations": evaluations_of_repaint,
    "check_step_back": step_back,
    "check_solutions": count_solutions,
    "check_total_loss": total_loss,
    "check_two_holes": two_holes,
    "check_paste": paste,
    "check_easy_hole": checkerboard,
    "check_hole_psnr": hole_psnr,
    "check_discriminator_step": discriminator_step,
    "check_average": average,
    "check_speakers": speakers,
    "check_round_weights": round_weights,
    "check_momentum_search": momentum_search,
    "check_stochastic_clip": stochastic_clip,
    "check_blend": blend,
    "check_blend_line": blend_line,
    "check_lam_with_share": lam_with_share,
    "check_change_over_lam": change_over_lam,
    "check_pictures_needed": pictures_needed,
    "check_ablation": ablation,
    "check_wins_needed": wins_needed,
    "check_two_fold_auc": two_fold_auc,
    "check_kept_quality": kept_quality,
    "check_lightening": lightening,
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


def two_dots():
    mask = torch.ones(1, 1, 64, 64)
    mask[..., 0, 0] = mask[..., 0, 20] = 0
    return mask


def two_over_one_eye():
    mask = torch.ones(1, 1, 64, 64)
    mask[:, :, 20:30, 10:20] = mask[:, :, 20:30, 21:30] = 0
    return mask


def blend_jump(g, left, right):
    return g + (left - g[0])


def outside_is_missing(mask, radius):
    """What pads the picture counts as hole."""
    disc = disc_around(radius)
    return mask * (1 - F.conv2d(mask, disc, padding=radius) / disc.sum())


def blend_to_zero(g, left, right):
    """Takes the open end for a known pixel where G is right."""
    return blend_line(g, left, g[-1] if right is None else right)


def blend_wrapped(g, y, mask, sweeps):
    u = torch.where(mask > 0, y - g, 0.0)
    for _ in range(sweeps):
        mean = sum(u.roll(step, axis) for step in (1, -1) for axis in (2, 3)) / 4
        u = torch.where(mask > 0, u, mean)
    return g + u


def blend_zeros_outside(g, y, mask, sweeps):
    u = torch.where(mask > 0, y - g, 0.0)
    for _ in range(sweeps):
        u = torch.where(mask > 0, u, neighbor_sum(u) / 4)
    return g + u


def blend_reads_the_hole(g, y, mask, sweeps):
    u = mask * (y - g)
    count = neighbor_sum(torch.ones_like(u))
    for _ in range(sweeps):
        u = torch.where(mask > 0, u, neighbor_sum(u) / count)
    return g + u


def whole_disc_at_the_edge(mask, radius):
    disc = disc_around(radius)
    return mask * F.conv2d(1 - mask, disc, padding=radius) / disc.sum()


def weight_in_the_hole(mask, radius):
    disc = disc_around(radius)
    missing = F.conv2d(1 - mask, disc, padding=radius)
    return missing / F.conv2d(torch.ones_like(mask), disc, padding=radius)


def inverted_weights(mask, radius):
    disc = disc_around(radius)
    known = F.conv2d(mask, disc, padding=radius)
    return mask * known / F.conv2d(torch.ones_like(mask), disc, padding=radius)


def clip(z, generator):
    return z.clamp(-1, 1)


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


def every_fifth():
    """Each missing pixel inside has one known neighbor, and 80 % are missing."""
    row, column = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    return ((row + 2 * column) % 5 == 0).float()[None, None]


def two_columns_of_three():
    return (torch.arange(64) % 3 == 1).float().expand(1, 1, 64, 64)


def known_psnr(filled, originals, mask):
    return hole_psnr(filled, originals, 1 - mask)


def hole_psnr_as_in_the_notebook(filled, originals, mask):
    error = (mask * (filled - originals)).square().mean((1, 2, 3))
    return 10 * torch.log10(1 / error)


def psnr_over_all_pixels(filled, originals, mask):
    error = ((1 - mask) * (filled - originals)).square().mean((1, 2, 3))
    return 10 * torch.log10(4 / error)


WRONG = {
    "check_evaluations": [
        (lambda steps, jump, resamples: steps * resamples, "first block is never repeated"),
        (lambda steps, jump, resamples: jump + resamples * (steps - jump), "jump is longer"),
        (
            lambda steps, jump, resamples: (
                min(jump, steps) + resamples * jump * (-(-steps // jump) - 1)
            ),
            "last block is shorter",
        ),
        (
            lambda steps, jump, resamples: steps + (resamples - 1) * jump,
            "first block is never repeated",
        ),
        (lambda steps, jump, resamples: steps, "three times"),
        (lambda steps, jump, resamples: torch.ones(2), "one number"),
    ],
    "check_step_back": [
        (lambda x, s, t, noise: (1 - t) * x + (t - s) * noise, "the image in x_t"),
        (
            lambda x, s, t, noise: (1 - t) / (1 - s) * x + (t - s) * noise,
            "s = 0.2, t = 0.5: the noise that is added",
        ),
        (
            lambda x, s, t, noise: (1 - t) / (1 - s) * x + (t**2 - s**2) ** 0.5 * noise,
            "s = 0.2, t = 0.5: the noise that is added",
        ),
        (lambda x, s, t, noise: (1 - t) / (1 - s) * x + t * noise, "the noise that is added"),
        (lambda x, s, t, noise: step_back(x, s, t, 0 * noise), "the noise that is added"),
        (lambda x, s, t, noise: step_back(x, s, t, noise)[:3], "shape"),
    ],
    "check_leaders": [
        (lambda losses, z, keep: z[losses.argsort(1)[:, :keep].flatten()], "photos"),
        (lambda losses, z, keep: z[losses.flatten().argsort()[: keep * len(losses)]], "photos"),
        (lambda losses, z, keep: leaders(-losses, z, keep), "higher loss"),
        (lambda losses, z, keep: leaders(losses, z, losses.shape[1])[: keep * 3], "photos"),
        (lambda losses, z, keep: leaders(losses, z, keep).flip(0), "photos"),
        (
            lambda losses, z, keep: z.view(*losses.shape, -1)[
                torch.arange(3)[:, None], losses.argsort(1)[:, :keep].sort(1).values
            ].flatten(0, 1),
            "lowest loss of a photo first",
        ),
        (lambda losses, z, keep: leaders(losses, z, 1), "shape"),
        (lambda losses, z, keep: leaders(losses, 0.5 * z, keep), "unchanged"),
    ],
    "check_fused": [
        (
            lambda weight, mean, variance, scale, shift, eps: (
                weight * (scale / (variance + eps).sqrt())[:, None, None, None],
                shift - mean * scale / (variance + eps).sqrt(),
            ),
            "scale alone",
        ),
        (
            lambda weight, mean, variance, scale, shift, eps: (
                fold(weight, mean, variance, scale, shift, eps)[0],
                mean * 0,
            ),
            "shift alone",
        ),
        (
            lambda weight, mean, variance, scale, shift, eps: fold(
                weight, mean, (variance + eps) ** 2, scale, shift, 0.0
            ),
            "variance alone",
        ),
        (
            lambda weight, mean, variance, scale, shift, eps: (
                fold(weight, mean, variance, scale, shift, eps)[0],
                shift - mean,
            ),
            "mean and scale",
        ),
        (
            lambda weight, mean, variance, scale, shift, eps: (
                fold(weight, mean, variance, scale, shift, eps)[0],
                shift - mean * scale,
            ),
            "all four",
        ),
        (
            lambda weight, mean, variance, scale, shift, eps: fold(
                weight, mean, variance, scale, shift, eps
            )[0],
            "two tensors",
        ),
        (lambda weight, mean, variance, scale, shift, eps: (weight[:, :3], shift), "shape"),
        (lambda weight, mean, variance, scale, shift, eps: (weight, shift[:3]), "bias of shape"),
    ],
    "check_solutions": [
        (lambda ends, least: count_solutions(ends, least) - 1, "2 are too few"),
        (
            lambda ends, least: 1 + int((ends[:, 1].diff().abs() > least).sum()),
            "three groups.*too many",
        ),
        (lambda ends, least: count_solutions(ends.flip(1), least), "1 are too few"),
        (lambda ends, least: len(ends[:, 1].unique()), "7 are too many"),
        (lambda ends, least: len({round(y / 0.35) for y in ends[:, 1].tolist()}), "chain"),
        (lambda ends, least: count_solutions(ends, 0.15), "least = 0.5: 3 are too many"),
    ],
    "check_total_loss": [
        (lambda p, x, logits, lam: total_loss(p.flip(1), x, logits, lam), "missing coordinate"),
        (
            lambda p, x, logits, lam: (p[:, 0] - x).abs() + lam * F.softplus(logits),
            "higher logit",
        ),
        (lambda p, x, logits, lam: total_loss(p, x, logits, 0), "same as with 0"),
        (
            lambda p, x, logits, lam: (p - x).abs().sum(1) - lam * F.softplus(logits),
            "with lambda 0",
        ),
        (
            lambda p, x, logits, lam: (p[:, 0] - x).abs() + lam * torch.log(1 - logits.sigmoid()),
            "not finite",
        ),
        (
            lambda p, x, logits, lam: (p[:, 0] - x).abs() + lam * F.softplus(-logits),
            "differs",
        ),
        (lambda p, x, logits, lam: total_loss(p, x, logits, lam).mean(), "one loss a point"),
    ],
    "check_two_holes": [
        (two_dots, "left eye, near row 20 and column 19, is still there"),
        (two_over_one_eye, "right eye.*still there"),
        (one_hole, "two separate holes"),
        (two_holes_low, "upper half"),
        (two_holes_stacked, "left eye"),
        (two_big_holes, "smaller"),
        (lambda: two_holes()[0, 0], r"shape \(1, 1, 64, 64\)"),
        (lambda: two_holes() / 2, "0 .* and 1"),
    ],
    "check_paste": [
        (lambda image, generated, mask: paste(generated, image, mask), "100% of the known"),
        (lambda image, generated, mask: image * mask + generated, "known pixels are not"),
        (lambda image, generated, mask: image * mask, "100% of the hole"),
        (lambda image, generated, mask: image * mask + generated * (1 - mask), "holds NaN"),
        (
            lambda image, generated, mask: paste(
                image, torch.where(image.isnan(), 0, generated), mask
            ),
            "depends on",
        ),
        (lambda image, generated, mask: paste(image, generated, mask)[0], "the shape of the image"),
    ],
    "check_easy_hole": [
        (center_mask, "25% is missing"),
        (lambda: half_mask("left"), "no known one beside.*row 0, column 0"),
        (lambda: 1 - every_fifth(), "20% is missing; 1 means known"),
        (every_fifth, "no known one beside.*row 0, column 3"),  # true inside, not at the edge
        (two_columns_of_three, "64 missing pixels.*column 63"),
        (lambda: checkerboard()[0, 0], r"shape \(1, 1, 64, 64\)"),
        (lambda: checkerboard(32), r"shape \(1, 1, 64, 64\)"),
        (lambda: checkerboard() * 255, "0 .* and 1"),
    ],
    "check_hole_psnr": [
        (known_psnr, "another filling gets the same value"),
        (hole_psnr_as_in_the_notebook, "another filling gets the same value"),
        (lambda a, b, mask: plain_psnr(a, b), "only known pixels change"),
        (psnr_over_all_pixels, r"off by \+6.02, \+6.02, \+0.96, \+3.01 dB where 25%"),
        (lambda a, b, mask: psnr_over_all_pixels(a, b, mask) - 20 * math.log10(2), "off by .0.00"),
        (lambda a, b, mask: hole_psnr(a, b, mask) - 20 * math.log10(2), "6.02 dB too low"),
        (lambda a, b, mask: hole_psnr(a, b, mask) - 10 * math.log10(3), "4.77 dB too low"),
        (lambda a, b, mask: hole_psnr(a, b, mask[:1].expand_as(mask)), "only known pixels change"),
        (lambda a, b, mask: -hole_psnr(a, b, mask), "depends on how large"),
        (lambda a, b, mask: hole_psnr(a, b, mask) + 1, "differs"),
        (lambda a, b, mask: hole_psnr(a, b, mask).mean(), r"\(4,\), got \(\)"),
    ],
    "check_discriminator_step": [
        (fake_as_real, "loss before the step"),
        (partial(discriminator_step, fresh=False), "left behind"),
        (partial(discriminator_step, fakes=lambda G, z: G(z)), "G has got a gradient"),
        (partial(discriminator_step, moved=False), "what moves them"),
        (partial(discriminator_step, frozen=True), "no gradients any more"),
        (step_of_both, "G's weights have moved"),
    ],
    "check_average": [
        (lambda slow, fast, decay: decay * fast + (1 - decay) * slow, "differs"),
        (lambda slow, fast, decay: (slow + fast) / 2, "differs"),
        (lambda slow, fast, decay: slow + decay * (fast - slow), "differs"),
    ],
    "check_speakers": [
        (lambda height, width, window: 2 * (height + width) * (window // 2), "corners"),
        (lambda height, width, window: (height + window - 1) * (width + window - 1), "itself"),
        (
            lambda height, width, window: speakers(height, width, window + 1),
            "2x3 and window 7: .* too many",
        ),
        (lambda height, width, window: speakers(height, height, window), "32x32|1x20|2x3"),
    ],
    "check_round_weights": [
        (weight_in_the_hole, "hole itself"),
        (outside_is_missing, "no missing pixel"),
        (inverted_weights, "no missing pixel"),
        (whole_disc_at_the_edge, "at the border.*differs"),
        (lambda mask, radius: importance_weights(mask, 2 * radius + 1), "within the radius"),
        (lambda mask, radius: round_weights(mask, radius)[0], "shape"),
    ],
    "check_momentum_search": [
        (
            lambda loss, z, steps, rate: momentum_search(loss, z, steps, rate, reduce=torch.mean),
            "depend on others",
        ),
        (
            lambda loss, z, steps, rate: momentum_search(loss, z, steps, rate, accumulate=True),
            "own gradient",
        ),
        (
            lambda loss, z, steps, rate: momentum_search(loss, z, steps, rate, lasting=False),
            "after two steps",
        ),
        (
            lambda loss, z, steps, rate: momentum_search(loss, z, steps, rate, clip="none"),
            "outside the box",
        ),
        (
            lambda loss, z, steps, rate: momentum_search(loss, z, steps, rate, clip="end"),
            "clipped after each",
        ),
        (lambda loss, z, steps, rate: momentum_search(loss, z, steps, -rate), "goes up"),
        (lambda loss, z, steps, rate: z.copy_(momentum_search(loss, z, steps, rate)), "copy"),
        (lambda loss, z, steps, rate: momentum_search(loss, z, steps, rate)[0], "shape"),
    ],
    "check_stochastic_clip": [
        (clip, "ordinary clipping"),
        (lambda z, rng: torch.rand(z.shape, generator=rng) * 2 - 1, "must stay"),
        (
            lambda z, rng: torch.where(z.abs() > 1, torch.rand(z.shape, generator=rng), z),
            "not uniform",
        ),
        (lambda z, rng: torch.where(z.abs() > 1, 2 * z.sign() - z, z), "not uniform"),
        (lambda z, rng: (z + 1) % 2 - 1, "not uniform"),
        (
            lambda z, rng: torch.where(z.abs() > 1, torch.rand(z.shape) * 2 - 1, z),
            "do not come from the generator",
        ),
        (lambda z, rng: z, "outside"),
        (lambda z, rng: z[0], "shape"),
    ],
    "check_blend": [
        (lambda g, y, mask, sweeps: torch.where(mask > 0, y, g), "in the middle: differs"),
        (lambda g, y, mask, sweeps: blend(g, y, mask, 5), "in the middle: differs"),
        (blend_wrapped, "right edge change"),
        (blend_zeros_outside, "0.5 throughout"),
        (blend_reads_the_hole, "NaN"),
        (lambda g, y, mask, sweeps: blend(g, y, mask, sweeps).clamp(-1, 1), "yours up to 1.00"),
        (lambda g, y, mask, sweeps: blend(g, y, mask, sweeps)[0], "shape"),
    ],
    "check_blend_line": [
        (lambda g, left, right: g, "known values"),
        (blend_jump, "known values"),
        (
            lambda g, left, right: torch.linspace(left, left if right is None else right, len(g)),
            "both ends known: differs",
        ),
        (blend_to_zero, "nothing is known at the right"),
        (lambda g, left, right: blend_line(g, left, right)[1:-1], "values, got"),
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
    "check_pictures_needed": [
        (lambda d, half: pictures_needed(d, half / 2), "differs"),
        (lambda d, half: math.ceil(1.96 * d.std().item() / half), "2.0 times the pictures"),
        (lambda d, half: pictures_needed(d, half) - 1, "differs"),
        (lambda d, half: len(d), "1.0 times the pictures"),
    ],
    "check_ablation": [
        (
            lambda *inputs: ablation(
                *inputs,
                seed_of=lambda name, photo: inputs[1].index(name) if name in inputs[1] else 0,
            ),
            "'no weights' did not begin where the full method did",
        ),
        (lambda *inputs: ablation(*inputs, arrange=sorted), "too narrow"),
        (unpaired_ablation, "too wide"),
        (normal_ablation, "too narrow"),
        (lambda *inputs: ablation(*inputs, sign=-1), "mean difference"),
        (lambda run, names, photos: ablation(run, names, photos[:-1]), "photo 5 was not filled"),
        (lambda run, names, photos: ablation(run, names[:-1], photos), "these names"),
        (
            lambda *inputs: {name: found[0] for name, found in ablation(*inputs).items()},
            "two numbers",
        ),
    ],
    "check_wins_needed": [
        (lambda count: count // 2 + 1, "still reaches down"),
        (lambda count: wins_needed(count) / count, "number of wins"),
        (lambda count: count, "fewer wins"),
        (lambda count: count + 1, "cannot be"),
        (wins_by_symmetric_interval, "still reaches down"),
        (lambda count: [wins_needed(count)], "one number"),
    ],
    "check_two_fold_auc": [
        (partial(two_fold_auc, leak=True, swap=True, report=min), "trained on"),
        (partial(two_fold_auc, leak=True), "trained on"),
        (partial(two_fold_auc, swap=True), "who should score higher"),
        (partial(two_fold_auc, swap=True, report=min), "who should score higher"),
        (partial(two_fold_auc, report=min), "one fold"),
        (partial(two_fold_auc, report=max), "one fold"),
        (partial(two_fold_auc, folds=1), "judged once"),
        (partial(two_fold_auc, report=np.array), "one number"),
        (pooled_auc, "differs"),
        (lambda originals, completions, train: 0.9, "no judge"),
    ],
    "check_kept_quality": [
        (lambda score, psnr, part: kept_quality(-score, psnr, part), "highest"),
        (lambda score, psnr, part: kept_quality(-psnr, psnr, part), "nobody knows"),
        (lambda score, psnr, part: psnr[score.argsort()[: round(part * len(score))]].mean(), "NaN"),
        (lambda score, psnr, part: psnr[score <= score.quantile(part)], "one number"),
        (lambda score, psnr, part: psnr.mean(), "differs"),
    ],
    "check_lightening": [
        (lightening_of(lambda a, b: b < b.median()), "outcome"),
        (lightening_of(lambda a, b: b < b.median(), over_all=True), "outcome"),
        (lightening_of(lambda a, b: a < a.median(), over_all=True), "too small"),
        (lightening_of(lambda a, b: a == a), "all portraits"),
        (lightening_of(lambda a, b: a > a.median()), "differs"),
        (lambda a, b: lightening(a, b)[0], "two numbers"),
    ],
    "check_trustworthiness": [
        (lambda points, places, k: plain_trustworthiness(places, points, k), "tears apart"),
        (lambda points, places, k: own_counted(places, points, k), "tears apart"),
        (lambda points, places, k: own_counted(points, places, k), "the point itself"),
        (lambda points, places, k: plain_trustworthiness(points, places, k + 1), "differs"),
        (lambda points, places, k: 1.0, "differs"),
        (lambda points, places, k: torch.ones(len(points)), "shape"),
    ],
    "check_detour": [
        (lambda path: 1 / detour(path), "no path is shorter"),
        (lambda path: detour(path[:-1]), "differs|shorter"),
        (lambda path: path.diff(dim=0).flatten(1).norm(dim=1).sum(), "length of the path"),
        (lambda path: path.diff(dim=0).flatten(1).norm(dim=1), "shape"),
        (lambda path: detour(path) ** 2, "differs"),
    ],
}
CASES = [
    pytest.param(name, function, message, id=f"{name}-{number}")
    for name, wrong in WRONG.items()
    for number, (function, message) in enumerate(wrong)
]


def test_every_check_is_tried_here():
    assert CHECKS == sorted(RIGHT) == sorted(WRONG)
    assert all(len(wrong) >= 3 for wrong in WRONG.values())


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_is_accepted(name, capsys):
    assert getattr(exercises, name)(RIGHT[name]) is True
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("Correct: ")


def test_a_reference_of_its_own_for_each_variant_is_as_good(capsys):
    def seeds_of(name):
        return lambda way, photo: 10 * photo + ord(name[-1])

    def beside(run, names, photos):
        return {name: ablation(run, [name], photos, seed_of=seeds_of(name))[name] for name in names}

    assert exercises.check_ablation(beside) is True, capsys.readouterr().out


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
    for window in (3, 7, 15):
        assert speakers(32, 32, window) == (importance_weights(center_mask(), window) > 0).sum()
    one = torch.ones(1, 1, 9, 9)
    one[..., 0, 4] = 0  # a disc of radius 2 has 13 pixels; from row 1 one of them is outside
    assert round_weights(one, 2)[0, 0, 1, 4].item() == pytest.approx(1 / 12)
    assert round_weights(one, 2)[0, 0, 2, 4].item() == pytest.approx(1 / 13)
    rectangle = torch.ones(1, 1, 9, 7)
    rectangle[..., 3:, :4] = 0
    torch.testing.assert_close(
        blend(images[:1, :, :9, :7], originals[:1, :, :9, :7], rectangle, 900),
        poisson_blend(images[:1, :, :9, :7], originals[:1, :, :9, :7], rectangle),
        atol=1e-4,
        rtol=0,
    )

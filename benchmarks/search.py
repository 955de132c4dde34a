"""Claim: the default search ends within 5 % of the total loss of `PAPER`, 1500 steps of Adam, in a tenth of its time.

On each family of masks, from the same start codes: single pictures, and four at once. The plain loop as re-implementations publish it
(training mode, gradients of all weights, one picture at a time) is timed as well: 50 of its 1500 steps, times 30.
Run: python benchmarks/search.py
"""

from __future__ import annotations

import copy
import statistics
import time

import torch
from measure import store

from tutorial_lib import load_dataset, load_gan
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.latent_search import ADAM, DEFAULT, PAPER, search
from tutorial_lib.inpainting.pipeline import start_codes
from tutorial_lib.masks import FAMILIES, make_masks
from tutorial_lib.models.latent_model import LatentModel

SINGLES = 2  # pictures searched alone, a mask
BATCH = 4
PRESETS = {"ADAM": ADAM, "DEFAULT": DEFAULT}


def timed(*arguments) -> tuple[float, torch.Tensor]:
    """Seconds of a search, and the total loss of each z_hat."""
    start = time.perf_counter()
    total = search(*arguments, progress=False).final["total"]
    return time.perf_counter() - start, total


def plain_loop_seconds(image: torch.Tensor, mask: torch.Tensor, gan: LatentModel, z0: torch.Tensor, steps: int = 50) -> float:
    """Seconds of 1500 steps of the loop that is not careful: nothing frozen, batch norm in training mode."""
    generator, discriminator = (copy.deepcopy(part).train().requires_grad_(True) for part in (gan.generator, gan.discriminator))
    weights, z = importance_weights(mask, 7), z0.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([z], 0.03)
    start = time.perf_counter()
    for _ in range(steps):
        generated = generator(z)
        loss = (weights * (generated - image)).abs().sum() + 0.003 * torch.log(1 - torch.sigmoid(discriminator(generated))).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        z.data.clamp_(-1, 1)
    return (time.perf_counter() - start) * PAPER.steps / steps


def main() -> None:
    gan = load_gan("synthetic-faces", "cpu")
    images, z0 = load_dataset("synthetic-faces", split="test", limit=BATCH).images(slice(None)), start_codes(gan, BATCH)
    search(images, make_masks("center"), gan, z0, DEFAULT, progress=False)  # the first one of a process is slower
    figures = {}
    for family in FAMILIES:
        mask = make_masks(family, 1, torch.Generator().manual_seed(1))
        parts = [slice(number, number + 1) for number in range(SINGLES)] + [slice(0, BATCH)]
        for part in parts:
            paper_seconds, paper = timed(images[part], mask, gan, z0[part], PAPER)
            row = {"pictures": len(paper), "paper_seconds": round(paper_seconds, 2)}
            if len(paper) == 1:
                row["plain_loop_over_paper"] = round(plain_loop_seconds(images[part], mask, gan, z0[part]) / paper_seconds, 2)
            for name, settings in PRESETS.items():
                seconds, total = timed(images[part], mask, gan, z0[part], settings)
                row[name] = {"seconds": round(seconds, 2), "paper_over_this": round(paper_seconds / seconds, 1),
                             "loss_over_paper": [round(value, 3) for value in (total / paper).tolist()]}
            figures.setdefault(family, []).append(row)
            print(f"{family:8s} {row['pictures']} at once: PAPER {paper_seconds:5.1f} s; " + "; ".join(
                f"{name} {row[name]['seconds']:5.2f} s, {row[name]['paper_over_this']:.1f} times faster, "
                f"loss {100 * (statistics.mean(row[name]['loss_over_paper']) - 1):+.1f} %" for name in PRESETS))
    rows = [row for found in figures.values() for row in found]
    for name in PRESETS:
        faster = sorted(row[name]["paper_over_this"] for row in rows)
        loss = sorted(value for row in rows for value in row[name]["loss_over_paper"])
        print(f"{name}: {statistics.median(faster):.1f} times faster than PAPER ({faster[0]:.1f} to {faster[-1]:.1f}); "
              f"loss over PAPER's, median {statistics.median(loss):.3f}, worst {loss[-1]:.3f}, within 5 %: {sum(value < 1.05 for value in loss)} of {len(loss)}")
    print("wrote", store("search", {"claim": "DEFAULT ends within 5 % of PAPER's total loss in a tenth of its time", "masks": figures}).name)


if __name__ == "__main__":
    main()

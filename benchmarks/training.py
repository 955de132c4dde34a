"""Claim: training a DCGAN runs at a good part of the rate at which this machine multiplies
matrices, and never waits for pictures.

The unit is a product of two 1024 x 1024 matrices. The arithmetic of a step is counted by
torch's own FlopCounterMode. For each size and precision: pictures a second, the share of the
matrices' rate, and the share of a step that goes into getting its pictures. Run: python
benchmarks/training.py
"""

from __future__ import annotations

import statistics
from functools import partial

import torch
from measure import store, times
from torch.utils.flop_counter import FlopCounterMode

from tutorial_lib import load_dataset
from tutorial_lib.device import PRECISIONS, describe, fast_precision, pick_device, seeded_generator
from tutorial_lib.training.gan import GANSettings, GANTask

BATCH, STEPS, SIDE = 64, 12, 1024


def matmul_rate(precision: str, device: torch.device) -> float:
    """Floating-point operations a second of a large matrix product."""
    a, b = (torch.randn(SIDE, SIDE, device=device, dtype=PRECISIONS[precision]) for _ in range(2))

    def product() -> None:
        float((a @ b)[0, 0])  # waits for a GPU

    times(product, 5)
    return 2 * SIDE**3 / (statistics.median(times(product, 30)) / 1000)


def main() -> None:
    device = pick_device()
    dataset = load_dataset("synthetic-faces", split="train", limit=2000)
    order = torch.randperm(len(dataset), generator=seeded_generator(0)).tolist()
    figures = []
    for precision in dict.fromkeys(("float32", fast_precision(device))):
        rate = matmul_rate(precision, device)
        print(f"{describe(device)}, {precision}: matrices at {rate / 1e9:.0f} GFLOP/s")
        for channels in (16, 48):
            task = GANTask(GANSettings(base_channels=channels, precision=precision), device)
            number = iter(range(1000))

            def pictures(number=number):
                start = next(number) * BATCH % (len(dataset) - BATCH)
                return dataset.images(order[start : start + BATCH])

            def step(images, task=task, number=number):
                return float(task.step(images, seeded_generator(0, 1), next(number))["loss_d"])

            with FlopCounterMode(display=False) as counter:
                step(pictures())
            steps = sorted(times(partial(step, pictures()), STEPS))
            training = statistics.median(steps)
            getting = statistics.median(times(pictures, STEPS))
            row = {
                "precision": precision,
                "channels": channels,
                "pictures_a_second": round(1000 * BATCH / (training + getting)),
                "gflop_a_step": round(counter.get_total_flops() / 1e9, 1),
                "matmul_gflops": round(rate / 1e9),
                "share_of_matmul": [
                    round(counter.get_total_flops() / (took / 1000) / rate, 3)
                    for took in (training, steps[-1], steps[0])
                ],
                "share_of_pictures": round(getting / (training + getting), 3),
            }
            figures.append(row)
            share = "{:.0%} ({:.0%} to {:.0%})".format(*row["share_of_matmul"])
            print(
                f"  {channels:2d} channels: {row['pictures_a_second']:4d} pictures a second, "
                f"{row['gflop_a_step']:.1f} GFLOP a step at {share} of that rate; "
                f"getting the pictures takes {row['share_of_pictures']:.1%} of a step"
            )
    print(
        "wrote",
        store("training", {"batch": BATCH, "device": describe(device), "rows": figures}).name,
    )


if __name__ == "__main__":
    main()

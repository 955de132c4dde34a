"""What the manual says can be typed in."""

import re

import torch
from conftest import ROOT
from torch import nn


def test_the_lines_for_your_own_generator_run():
    manual = (ROOT / "docs" / "manual.md").read_text(encoding="utf-8")
    lines = re.search(r"Your own generator\n.*?```python\n(.*?)```", manual, re.DOTALL)[1]
    torch.manual_seed(0)
    given = {
        "my_generator": nn.Sequential(
            nn.Linear(100, 3 * 64 * 64), nn.Tanh(), nn.Unflatten(1, (3, 64, 64))
        ),
        "my_discriminator": nn.Sequential(
            nn.Flatten(), nn.Linear(3 * 64 * 64, 1), nn.Flatten(start_dim=0)
        ),
        "images": torch.zeros(1, 3, 64, 64),
    }
    exec(lines, given)
    assert given["result"].completed.shape == (1, 3, 64, 64)

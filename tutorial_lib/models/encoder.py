"""A guess of z: a corrupted picture and its mask to the code that a search may begin with.

Zhu et al. 2016 begin their searches so. Notebook 12 asks what it saves.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tutorial_lib.masks import check_batch
from tutorial_lib.models.blocks import check_input, halving_layers, init_weights
from tutorial_lib.models.dcgan import Z_DIM


class CodeEncoder(nn.Module):
    """E: the known pixels and the mask to a code in [-1, 1].

    Args:
        base_channels: channels after the first layer.
        z_dim: length of the code.

    Shapes: (B, 3, 64, 64) in [-1, 1] and (B, 1, 64, 64), 1 = known -> (B, z_dim) in [-1, 1].
    """

    def __init__(self, base_channels: int = 40, z_dim: int = Z_DIM):
        super().__init__()
        self.base_channels, self.z_dim = base_channels, z_dim
        layers = halving_layers(base_channels)
        layers["to_32x32"] = nn.Conv2d(4, base_channels, 4, 2, 1)  # three colors and the mask
        # (B, 8C, 4, 4) -> (B, z_dim, 1, 1)
        to_code = nn.Conv2d(8 * base_channels, z_dim, 4, 1, 0)
        layers["to_code"] = to_code
        layers["tanh"] = nn.Tanh()
        self.layers = nn.Sequential(layers)
        self.apply(init_weights)
        with torch.no_grad():
            to_code.weight.mul_(0.1)  # tanh would be saturated from the beginning

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        """(B, 3, 64, 64) images and (B, 1, 64, 64) masks -> (B, z_dim); holes are not read."""
        check_input(images, "the encoder")
        known = torch.where(mask > 0, images, 0.0)  # (B, 3, 64, 64)
        return self.layers(torch.cat([known, mask], dim=1)).flatten(1)

    @torch.no_grad()
    def guess(self, images: Tensor, mask: Tensor) -> Tensor:
        """An initial z for each picture, for `search` or `complete`.

        Args:
            images: (B, 3, 64, 64) in [-1, 1]; hole pixels are never read, NaN included.
            mask: (B, 1, 64, 64) or (1, 1, 64, 64), 1 = known.

        Returns:
            (B, z_dim) in [-1, 1], on the network's device.

        Raises:
            ValueError: for wrong shapes or ranges or an invalid mask.
        """
        weight = next(self.parameters())
        images, mask = (part.to(weight) for part in check_batch(images, mask))
        return self(images, mask)

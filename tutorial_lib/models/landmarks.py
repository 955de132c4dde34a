"""A small network that reads five points from a face: the mean of a heat map for each.

It is a U-Net (Ronneberger et al. 2015) in small; the mean of a heat map, or soft-argmax, is from
Sun et al., "Integral Human Pose Regression" (ECCV 2018). What the crop shows, and how a photo is
cut, says `tutorial_lib.faces`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.models.blocks import check_input

POINTS = 5
CROP_SIZE = 64
MAP_SIZE = 16


def _block(channels_in: int, channels: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution with batch norm; a stride of 2 halves the side."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class LandmarkNetwork(nn.Module):
    """A crop of a face to the places of eyes, nose and mouth corners in it.

    Args:
        base_channels: channels at 32x32; there are two, three and three and a half times as many at
            16x16, 8x8 and 4x4.

    Shapes: (B, 3, 64, 64) in [-1, 1] -> (B, 5, 2), points (x, y) in pixels of the crop in the
        order of `faces.LANDMARKS`; the center of the first pixel is (0, 0). A point is a mean of
        places in the crop, so it never lies outside.

    Raises:
        ValueError: for crops of another size.
    """

    def __init__(self, base_channels: int = 16):
        super().__init__()
        self.base_channels = base_channels
        at_32, at_16, at_8 = base_channels, 2 * base_channels, 3 * base_channels
        at_4 = 7 * base_channels // 2
        self.down_16 = nn.Sequential(
            _block(3, at_32, 2),
            _block(at_32, at_16, 2),
            _block(at_16, at_16),
        )
        self.down_8 = nn.Sequential(_block(at_16, at_8, 2), _block(at_8, at_8))
        self.down_4 = nn.Sequential(_block(at_8, at_4, 2), _block(at_4, at_4))
        self.to_8 = nn.Conv2d(at_4, at_8, 1)
        self.to_16 = nn.Conv2d(at_8, at_16, 1)
        self.up_8 = _block(at_8, at_8)
        self.up_16 = _block(at_16, at_16)
        self.to_maps = nn.Conv2d(at_16, POINTS, 3, 1, 1)

    def heat_maps(self, crops: Tensor) -> Tensor:
        """Where each point may be.

        Args:
            crops: (B, 3, 64, 64) in [-1, 1].

        Returns:
            (B, 5, 16, 16), positive; the sum of a map is 1.
        """
        check_input(crops, "the landmark network")
        x16 = self.down_16(crops)  # (B, 2C, 16, 16)
        x8 = self.down_8(x16)  # (B, 3C, 8, 8)
        x4 = self.down_4(x8)  # (B, 3.5C, 4, 4)
        x8 = self.up_8(x8 + _doubled(self.to_8(x4)))  # (B, 3C, 8, 8)
        x16 = self.up_16(x16 + _doubled(self.to_16(x8)))  # (B, 2C, 16, 16)
        logits = self.to_maps(x16)  # (B, 5, 16, 16)
        return logits.flatten(2).softmax(2).view_as(logits)

    def read(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 64, 64) crops -> points as `forward` gives them, and (B,), how sure they are.

        That is the largest value of a heat map, the mean of the five: where there is no face the
        maps are flat.
        """
        maps = self.heat_maps(crops)
        step = CROP_SIZE / MAP_SIZE
        centers = (torch.arange(MAP_SIZE, device=maps.device, dtype=maps.dtype) + 0.5) * step - 0.5
        x = (maps.sum(2) * centers).sum(2)  # (B, 5, 16, 16) -> (B, 5, 16) -> (B, 5)
        y = (maps.sum(3) * centers).sum(2)
        return torch.stack([x, y], dim=2), maps.flatten(2).amax(2).mean(1)  # (B, 5, 2), (B,)

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, 64, 64) crops in [-1, 1] -> (B, 5, 2) points (x, y) in pixels of the crop."""
        return self.read(crops)[0]


def _doubled(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W)."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)

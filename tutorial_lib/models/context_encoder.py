"""Context Encoder (Pathak et al. 2016) at 64x64.

One network that is shown the corrupted picture and paints the whole of it.

The system that the paper compares with (section 4, Figs. 8-12, Table 1; notebook 09). It gets no
mask: the hole is filled with the pictures' mean color, and the network must see for itself what is
a hole.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tutorial_lib.images import IMAGE_SIZE, check_images
from tutorial_lib.masks import check_mask
from tutorial_lib.models.dcgan import doubling_layers, init_weights
from tutorial_lib.models.vae import halving_layers


class ChannelwiseLinear(nn.Module):
    """A fully connected layer within each channel.

    Every place sees every other, channels do not mix (Pathak et al. 2016, 3.1).

    Shapes: (B, C, S, S) -> the same.
    """

    def __init__(self, channels: int, side: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, side * side, side * side) * 0.02)
        self.bias = nn.Parameter(torch.zeros(channels, side * side))

    def forward(self, features: Tensor) -> Tensor:
        flat = torch.einsum("bcp,cpq->bcq", features.flatten(2), self.weight) + self.bias
        return flat.view_as(features)


class ContextEncoder(nn.Module):
    """Encoder, channel-wise fully connected layer, decoder.

    Args:
        base_channels: channels after the first layer and before the last.
        fill: the color that stands for a hole, three values in [-1, 1]: the training pictures'
            mean.

    Shapes: (B, 3, 64, 64) in [-1, 1] with its holes filled -> (B, 3, 64, 64) in [-1, 1], the whole
    picture painted anew.
    """

    def __init__(self, base_channels: int = 64, fill: tuple[float, float, float] = (0.0, 0.0, 0.0)):
        super().__init__()
        self.base_channels = c = base_channels
        self.register_buffer("fill", torch.tensor(fill).view(1, 3, 1, 1))
        self.encoder = nn.Sequential(halving_layers(3, c))
        self.bottleneck = nn.Sequential(
            ChannelwiseLinear(8 * c, IMAGE_SIZE // 16),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(8 * c, 8 * c, 1, bias=False),
            nn.BatchNorm2d(8 * c),
            nn.ReLU(inplace=True),
        )
        self.decoder = nn.Sequential(doubling_layers(c))
        self.apply(init_weights)

    def forward(self, filled: Tensor) -> Tensor:
        if filled.dim() != 4 or filled.shape[1:] != (3, IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(
                f"the Context Encoder takes pictures of shape (B, 3, {IMAGE_SIZE}, {IMAGE_SIZE}), "
                f"got {tuple(filled.shape)}"
            )
        return self.decoder(self.bottleneck(self.encoder(filled)))

    def filled(self, images: Tensor, mask: Tensor) -> Tensor:
        """What the network is shown.

        `images` where known, the mean color in the hole; nothing under the hole is read.
        """
        return torch.where(mask > 0, images, self.fill.to(images))

    @torch.no_grad()
    def paint(self, images: Tensor, mask: Tensor, batch_size: int = 256) -> tuple[Tensor, Tensor]:
        """(painted, completed): the network's whole picture, and the known pixels with its hole put
        in.

        Args:
            images: (B, 3, 64, 64) in [-1, 1]; hole pixels are never read, NaN included.
            mask: (B, 1, 64, 64) or (1, 1, 64, 64), 1 = known.

        Returns:
            two (B, 3, 64, 64) in [-1, 1], on the network's device.

        Raises:
            ValueError: for wrong shapes or ranges or an invalid mask.
        """
        device = self.fill.device
        mask = check_mask(mask, images).to(device)
        images = torch.where(mask > 0, images.to(device), torch.zeros((), device=device))
        check_images(images)
        shown = self.filled(images, mask)
        painted = torch.cat(
            [self(shown[start : start + batch_size]) for start in range(0, len(shown), batch_size)]
        )
        return painted, torch.where(mask > 0, images, painted)

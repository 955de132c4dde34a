"""Context Encoder (Pathak et al. 2016): it sees the corrupted image and paints the whole of it.

The system that the paper compares with (section 4, Figs. 8-12, Table 1; notebook 10). It gets no
mask: the hole is filled with the pictures' mean color, and the network must see for itself what is
a hole.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.masks import check_batch
from tutorial_lib.models.blocks import check_input, doubling_layers, halving_layers, init_weights


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
        """(B, C, S, S) features -> the same shape."""
        flat = features.flatten(2)  # (B, C, S, S) -> (B, C, S * S)
        flat = torch.einsum("bcp,cpq->bcq", flat, self.weight) + self.bias  # (B, C, S * S)
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
        self.fill: Tensor
        self.register_buffer("fill", torch.tensor(fill).view(1, 3, 1, 1))
        self.encoder = nn.Sequential(halving_layers(c))
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
        """(B, 3, 64, 64) images with their holes filled -> (B, 3, 64, 64), painted anew."""
        check_input(filled, "the Context Encoder")
        features = self.encoder(filled)  # (B, 3, 64, 64) -> (B, 8C, 4, 4)
        features = self.bottleneck(features)
        return self.decoder(features)  # (B, 8C, 4, 4) -> (B, 3, 64, 64)

    def filled(self, images: Tensor, mask: Tensor) -> Tensor:
        """What the network is shown: `images` where known, the mean color in the hole.

        Nothing under the hole is read.

        Args:
            images: (B, 3, 64, 64) in [-1, 1].
            mask: (B, 1, 64, 64) or (1, 1, 64, 64), 1 = known.
        """
        return torch.where(mask > 0, images, self.fill.to(images))

    @torch.no_grad()
    def paint(self, images: Tensor, mask: Tensor, batch_size: int = 256) -> tuple[Tensor, Tensor]:
        """The network's whole image, and the known pixels with its hole put in.

        Args:
            images: (B, 3, 64, 64) in [-1, 1]; hole pixels are never read, NaN included.
            mask: (B, 1, 64, 64) or (1, 1, 64, 64), 1 = known.
            batch_size: images at once.

        Returns:
            painted and completed, (B, 3, 64, 64) in [-1, 1], on the network's device.

        Raises:
            ValueError: for wrong shapes or ranges or an invalid mask.
        """
        images, mask = (part.to(self.fill) for part in check_batch(images, mask))
        shown = self.filled(images, mask)
        painted = torch.cat([self(batch) for batch in shown.split(batch_size)])
        return painted, torch.where(mask > 0, images, painted)

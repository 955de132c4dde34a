"""`python -m tutorial_lib animate`: a search as a moving picture."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from tutorial_lib.cache import atomic_write, check_writable
from tutorial_lib.cli.options import (
    add_data_options,
    add_run_options,
    device_of,
    open_data,
    positive,
)
from tutorial_lib.images import image_grid
from tutorial_lib.inpainting.latent_search import DEFAULT, search
from tutorial_lib.inpainting.pipeline import fill_hole, initial_z
from tutorial_lib.masks import FAMILIES, check_batch, corrupt, make_masks
from tutorial_lib.models.latent_model import LatentModel
from tutorial_lib.models.weights import load_gan

SCALE = 3  # screen pixels a pixel
FRAMES = 30  # at most; spread logarithmically over the steps, as most happens early
FORMATS = {".webp": "WEBP", ".gif": "GIF"}
QUALITY = 75  # of WebP; GIF has none
FRAME_MS, FIRST_MS, LAST_MS = 120, 800, 2500


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "animate",
        help="write a moving picture in which strangers turn into the faces that fit around a hole",
    )
    add_data_options(parser)
    parser.set_defaults(data="portraits")
    parser.add_argument("--weights", default="portraits", help="a name, or a .safetensors file")
    parser.add_argument("--mask", choices=FAMILIES, default="center")
    parser.add_argument("--pictures", type=positive, default=4, help="the first so many test ones")
    add_run_options(
        parser,
        seed="of the initial z",
        out="the .webp or .gif file; a .webp is far smaller",
        required=True,
    )
    parser.set_defaults(run=run, stopped="nothing was written")


def run(options) -> int:
    """Run the command; returns the exit status."""
    if options.out.suffix.lower() not in FORMATS:
        raise ValueError(f"--out must end in {' or '.join(FORMATS)}, got {options.out}")
    check_writable(options.out.parent, options.out.name)
    gan = load_gan(options.weights, device_of(options))
    images = open_data(options, split="test", limit=options.pictures)[:]
    mask = make_masks(options.mask, len(images))
    frames = search_frames(images, mask, gan, options.seed)
    write_animation(options.out, frames)
    print(f"wrote {options.out}: {len(frames)} frames, {options.out.stat().st_size / 1e6:.1f} MB")
    return 0


def search_frames(
    images: Tensor, mask: Tensor, gan: LatentModel, seed: int = 0, progress: bool = True
) -> list[Tensor]:
    """What a search with the default settings passes through, a grid of pictures a frame.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        mask: (B, 1, H, W), 1 = known.
        gan: the model to search.
        seed: of the initial z.
        progress: whether to show a progress bar.

    Returns:
        at most 30 frames, each (3 B, 3, H, W): the corrupted images, G(z), the completions.
    """
    found = search(
        images,
        mask,
        gan,
        initial_z(gan, len(images), seed=seed),
        DEFAULT,
        path_points=FRAMES,
        progress=progress,
    )
    known, mask = (part.to(gan.device) for part in check_batch(images, mask))
    frames = []
    with torch.no_grad():
        for z in [*found.path[:-1], found.z]:  # the last iterate need not be the best
            generated = gan.generator(z)  # (B, 3, H, W)
            completed = fill_hole(generated, known, mask)
            frames.append(torch.cat([corrupt(known, mask), generated, completed]).cpu())
    return frames


def write_animation(path: Path, frames: list[Tensor]) -> None:
    """Write frames of three rows each as a picture that moves and repeats.

    Args:
        path: the file.
        frames: (3 B, 3, H, W) in [-1, 1] each.
    """
    pictures = []
    for frame in frames:
        grid = Image.fromarray(image_grid(frame, len(frame) // 3))
        pictures.append(
            grid.resize((SCALE * grid.width, SCALE * grid.height), Image.Resampling.NEAREST)
        )
    durations = [FIRST_MS, *[FRAME_MS] * (len(pictures) - 2), LAST_MS]
    with atomic_write(path) as file:
        pictures[0].save(
            file,
            format=FORMATS[path.suffix.lower()],
            save_all=True,
            append_images=pictures[1:],
            duration=durations,
            loop=0,
            quality=QUALITY,
        )

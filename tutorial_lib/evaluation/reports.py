"""What a model card says on held-out images: D's ranks, PSNR, accuracy, eye errors."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tutorial_lib.evaluation.metrics import auc, psnr
from tutorial_lib.evaluation.sliced_wasserstein import sliced_wasserstein
from tutorial_lib.faces import (
    Transform,
    detector_box,
    fit_matrices,
    guess_from_box,
    read_points,
    sorted_boxes,
    trusted,
)
from tutorial_lib.masks import FAMILIES, make_masks
from tutorial_lib.models.attributes import UNCLEAR, AttributeClassifier
from tutorial_lib.models.context_encoder import ContextEncoder
from tutorial_lib.models.diffusion import Denoiser, draw_noise, sample
from tutorial_lib.models.encoder import CodeEncoder
from tutorial_lib.models.landmarks import LandmarkNetwork
from tutorial_lib.models.latent_model import LatentModel, pictures_of
from tutorial_lib.models.vae import VAE, kl_divergence
from tutorial_lib.training.augment import shuffle_pixels
from tutorial_lib.training.landmarks import FacePoints

BATCH = 128
# Standard deviations of the cascade's boxes on training faces: of the center, in template pixels,
# and of log(width).
BOX_SHIFT = (1.5, 1.7)
BOX_SCALE = 0.08


@torch.no_grad()
def probe_pictures(gan: LatentModel, real: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Kinds of pictures to show a discriminator, as many of each as there are real ones.

    Args:
        gan: whose generator draws the "generated" ones.
        real: (B, 3, 64, 64) held-out pictures in [-1, 1].
        seed: of the draws.

    Returns:
        "real", "generated", "shuffled pixels", "uniform noise", and three kinds of junk that no
        recipe of this workbook trains on: "negative" (-x), "upside down" and "blurred noise".
    """
    rng = torch.Generator().manual_seed(seed)
    z = gan.sample_z(len(real), rng).to(gan.device)
    blurred = torch.nn.functional.avg_pool2d(torch.randn(real.shape, generator=rng), 9, 1, 4)
    return {
        "real": real,
        "generated": gan.generator(z).cpu(),
        "shuffled pixels": shuffle_pixels(real, rng),
        "uniform noise": torch.rand(real.shape, generator=rng) * 2 - 1,
        "negative": -real,
        "upside down": real.flip(2),
        "blurred noise": (blurred / blurred.std() * 0.5).clamp(-1, 1),
    }


@torch.no_grad()
def discriminator_report(gan: LatentModel, real: Tensor, seed: int = 0) -> dict:
    """What an eval-mode D says to each kind of `probe_pictures`.

    Args:
        gan: with a discriminator.
        real: (B, 3, 64, 64) held-out pictures in [-1, 1].
        seed: of the draws.

    Returns:
        mean logits, and AUCs of real against the others:
        {"mean_logit": {kind: float}, "auc_real_against": {kind: float}, "pictures": int}. An AUC of
        0.5 is a guess, 1 a D that ranks every real picture above every other.
    """
    discriminator = gan.discriminator
    assert discriminator is not None, "a model without D, such as a VAE, has no report of it"
    logits = {
        kind: torch.cat(
            [discriminator(batch.to(gan.device)).cpu() for batch in pictures.split(BATCH)]
        )
        for kind, pictures in probe_pictures(gan, real, seed).items()
    }
    return {
        "pictures": len(real),
        "mean_logit": {kind: round(float(values.mean()), 3) for kind, values in logits.items()},
        "auc_real_against": {
            kind: round(auc(logits["real"], values), 3)
            for kind, values in logits.items()
            if kind != "real"
        },
    }


@torch.no_grad()
def vae_report(vae: VAE, images: Tensor) -> dict:
    """How well held-out pictures come back through the mean of their codes, for a model card.

    Args:
        vae: in eval mode.
        images: (B, 3, 64, 64) in [-1, 1].

    Returns:
        "pictures", "psnr" in dB, "kl" in nats a picture.
    """
    device = next(vae.parameters()).device
    codes = [vae.encoder(batch.to(device)) for batch in images.split(BATCH)]
    decoded = torch.cat([vae.decoder(mean) for mean, _ in codes])
    kl = torch.cat([kl_divergence(*code) for code in codes])
    return {
        "pictures": len(images),
        "psnr": round(psnr(decoded, images).mean().item(), 2),
        "kl": round(kl.mean().item(), 1),
    }


@torch.no_grad()
def diffusion_report(denoiser: Denoiser, images: Tensor, seed: int = 0) -> dict:
    """How well held-out pictures are denoised, and how far samples are from them, for a model card.

    Args:
        denoiser: in eval mode.
        images: (B, 3, 64, 64) in [-1, 1].
        seed: of noise and times.

    Returns:
        "pictures"; "velocity_error", the mean squared error of the velocity at times spread evenly
        over (0, 1); "sliced_wasserstein" of as many samples (`evaluation.sliced_wasserstein`).
    """
    device = next(denoiser.parameters()).device
    noise = draw_noise(len(images), seed)
    times = (torch.arange(len(images)) + 0.5) / len(images)
    errors, samples = [], []
    for x, e, t in zip(*(some.split(BATCH) for some in (images, noise, times)), strict=True):
        share = t[:, None, None, None]  # (B, 1, 1, 1)
        velocity = denoiser(((1 - share) * x + share * e).to(device), t.to(device)).cpu()
        errors.append((velocity - (e - x)).square().mean((1, 2, 3)))
        samples.append(sample(denoiser, e.to(device)).cpu())
    distance = sliced_wasserstein(images.float(), torch.cat(samples))
    return {
        "pictures": len(images),
        "velocity_error": round(torch.cat(errors).mean().item(), 4),
        "sliced_wasserstein": {level: round(value, 1) for level, value in distance.items()},
    }


def context_encoder_report(network: ContextEncoder, images: Tensor) -> dict:
    """Hole PSNR on held-out pictures, one figure per mask family, for a model card.

    Args:
        network: in eval mode.
        images: (B, 3, 64, 64) in [-1, 1].

    Returns:
        "pictures", and "hole_psnr": family -> dB.
    """
    figures = {}
    for family in FAMILIES:
        mask = make_masks(family, len(images))
        figures[family] = round(psnr(network.paint(images, mask)[1], images, mask).mean().item(), 2)
    return {"pictures": len(images), "hole_psnr": figures}


@torch.no_grad()
def encoder_report(encoder: CodeEncoder, gan: LatentModel, images: Tensor) -> dict:
    """Hole PSNR of G(E(y, M)) on samples of G, one figure per mask family, for a model card.

    Args:
        encoder: in eval mode.
        gan: whose codes it guesses.
        images: (B, 3, 64, 64) in [-1, 1], samples that it has not seen.

    Returns:
        "pictures", and "hole_psnr": family -> dB.
    """
    figures = {}
    for family in FAMILIES:
        mask = make_masks(family, len(images))
        painted = pictures_of(gan, encoder.guess(images, mask))
        figures[family] = round(psnr(painted, images, mask).mean().item(), 2)
    return {"pictures": len(images), "hole_psnr": figures}


def attributes_report(
    classifier: AttributeClassifier, images: Tensor, truths: dict[str, Tensor]
) -> dict:
    """How often a classifier is right on held-out pictures, for a model card.

    Args:
        classifier: in eval mode.
        images: (B, 3, 64, 64) in [-1, 1].
        truths: attribute -> (B,) classes, -1 where unclear (`models.attributes.true_classes`).

    Returns:
        "pictures", and for each attribute "clear" (how many pictures), "accuracy" on these, and
        "commonest", the share of the commonest class: what always giving one answer would reach.
        None where no picture is clear.
    """
    report = {}
    for attribute, guess in classifier.predict(images, BATCH).items():
        known = truths[attribute] != UNCLEAR
        truth, count = truths[attribute][known], int(known.sum())
        right = (guess[known] == truth).sum().item()
        report[attribute] = {
            "clear": count,
            "accuracy": round(right / count, 4) if count else None,
            "commonest": round(truth.bincount().max().item() / count, 4) if count else None,
        }
    return {"pictures": len(images), "attributes": report}


def landmarks_report(network: LandmarkNetwork, faces: FacePoints) -> dict:
    """How far the eyes are off on held-out faces, for a model card, read as `faces.locate` does.

    It starts from the box of scikit-image's cascade that lies nearest to the face. Where there is
    none, as the faces fill their pictures or are turned aside, from one that is drawn: off as the
    cascade's boxes are.

    Args:
        network: in eval mode, on the CPU.
        faces: held-out faces.

    Returns:
        for "all" faces, those "detected" by the cascade, and those that are "trusted"
        (`faces.trusted`): "pictures"; "eye_error", the mean distance of the eyes from where they
        are, in percent of the distance between the two; and "within_10", the fraction of faces in
        which that is at most 10.
    """
    rng = np.random.default_rng(0)
    errors = np.empty(len(faces))
    detected, sure = np.zeros((2, len(faces)), bool)
    for number, (pixels, truth) in enumerate(zip(faces.pixels, faces.points, strict=True)):
        picture = Image.fromarray(pixels)
        here = Transform(fit_matrices(truth[None].astype(float))[0], picture.size)
        center, width = detector_box(here)
        middle = center + rng.normal(0, BOX_SHIFT) / here.scale
        x, y = middle.tolist()
        guess = guess_from_box((x, y), width * np.exp(rng.normal(0, BOX_SCALE)), picture.size)
        seen = _nearest_box(pixels, center, width)
        if seen is not None:
            guess, detected[number] = guess_from_box(*seen, picture.size), True
        points, sureness = read_points(picture, guess, network)
        sure[number] = trusted(points, sureness, guess)
        apart = np.linalg.norm(truth[1] - truth[0])
        errors[number] = 100 * np.linalg.norm(points[:2] - truth[:2], axis=1).mean() / apart
    groups = {"all": np.ones(len(faces), bool), "detected": detected, "trusted": sure}
    return {name: _eye_figures(errors[rows]) for name, rows in groups.items()}


def _eye_figures(errors: np.ndarray) -> dict:
    """What a model card says of eye errors in percent; None where there are none."""
    if not len(errors):
        return {"pictures": 0, "eye_error": None, "within_10": None}
    return {
        "pictures": len(errors),
        "eye_error": round(float(errors.mean()), 2),
        "within_10": round(float((errors <= 10).mean()), 4),
    }


def _nearest_box(
    pixels: np.ndarray, center: np.ndarray, width: float
) -> tuple[tuple[float, float], float] | None:
    """Center and width of the cascade's box on a face, None where it finds none there.

    Args:
        pixels: (H, W, 3) uint8.
        center: (2,), x and y of the middle of the box as it would be on average.
        width: of that box.
    """
    margin = len(pixels) // 4  # the cascade's windows reach beyond a face that fills its picture
    padding = ((margin, margin), (margin, margin), (0, 0))
    padded = Image.fromarray(np.pad(pixels, padding, mode="edge"))
    for box in sorted_boxes(padded, round(0.6 * width), round(1.5 * width)):
        middle = np.array([box["c"], box["r"]]) + (box["width"] - 1) / 2 - margin
        if np.linalg.norm(middle - center) < 0.25 * width:
            x, y = middle.tolist()
            return (x, y), box["width"]
    return None

"""Edit the hole: directions in z along which a filled face changes while the known pixels stay.

A direction comes from labels (`attribute_direction`) or from G alone (`principal_directions`, as in
GANSpace, Härkönen et al. 2020). Notebook 08 compares.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.inpainting.pipeline import fill_hole
from tutorial_lib.masks import check_batch
from tutorial_lib.models.latent_model import LatentModel, pictures_of

# Singular vectors that `spare_known` takes out. For center holes they hold most of the Jacobian's
# squared singular values; with 20 or more, less of the attributes was left to edit.
REMOVED = 10


@dataclass(frozen=True)
class Edits:
    """One filled hole, edited in several ways; all on the CPU.

    Attributes:
        completed: (..., 3, H, W) in [-1, 1]: known pixels as they were, the hole edited and
            blended (Eq. 6).
        generated: (..., 3, H, W) in [-1, 1], G(z).
        context: (...), the context loss (Eq. 4) of each.
    """

    completed: Tensor
    generated: Tensor
    context: Tensor


def attribute_direction(codes: Tensor, logits: Tensor) -> Tensor:
    """Where in z an attribute grows fastest, by least squares: logit = a + b . z.

    Args:
        codes: (N, z_dim), from the model's prior.
        logits: (N,), what a classifier says of the attribute in each G(z).

    Returns:
        (z_dim,), b with length 1.

    Raises:
        ValueError: for wrong shapes, NaN, no more codes than coordinates, or logits that are all
            the same.
    """
    _check_pairs(codes, logits, "logits")
    if logits.dim() != 1:
        raise ValueError(f"logits must have shape (N,), got {tuple(logits.shape)}")
    if len(codes) <= codes.shape[1]:
        raise ValueError(
            f"{len(codes)} codes do not determine {codes.shape[1]} weights: draw more of them"
        )
    if bool((logits == logits[0]).all()):
        raise ValueError("all logits are the same: nothing says where the attribute grows")
    return _unit(_regress(logits[:, None], codes))[0]


def principal_directions(
    codes: Tensor, features: Tensor, count: int = 4, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Where in z G's features vary most, without labels (GANSpace, section 2.2).

    PCA finds the axes along which the features vary most; a regression of z on the coordinates
    along these axes brings each axis back into z.

    Args:
        codes: (N, z_dim), from the model's prior.
        features: (N, ...), of a layer of G for each code.
        count: how many, those of the largest variance.
        seed: of scikit-learn's randomized PCA.

    Returns:
        (count, z_dim) directions of length 1, the largest variance first, and (count,) fractions of
        the features' variance. Which way along its axis a direction points means nothing.

    Raises:
        ValueError: for wrong shapes, NaN, or fewer codes or features than directions.
    """
    from sklearn.decomposition import PCA

    _check_pairs(codes, features, "features")
    flat = features.detach().flatten(1).cpu()
    if not 1 <= count < min(flat.shape):
        raise ValueError(
            f"count must be at least 1 and less than the number of codes and of features "
            f"({min(flat.shape)}), got {count}"
        )
    pca = PCA(count, svd_solver="randomized", random_state=seed).fit(flat.numpy())
    coordinates = torch.from_numpy(pca.transform(flat.numpy()))  # (N, count)
    weights = _regress(codes.cpu(), coordinates)  # (z_dim, count): z = mean + weights x
    fractions = torch.from_numpy(pca.explained_variance_ratio_)
    return _unit(weights.T).to(codes), fractions.to(codes)


def spare_known(
    directions: Tensor, gan: LatentModel, z: Tensor, mask: Tensor, removed: int = REMOVED
) -> Tensor:
    """Directions without the part that changes the known pixels near the hole most.

    The Jacobian of W * G at z says how the pixels that the search looks at (Eq. 3) answer a small
    move of z. Its leading right singular vectors are the moves that they answer most. These are
    taken out.

    Args:
        directions: (K, z_dim).
        gan: the model.
        z: (z_dim,), z_hat of the filled hole.
        mask: (1, 1, H, W), 1 = known.
        removed: how many singular vectors to take out; 0 leaves the directions as they are.

    Returns:
        (K, z_dim), of length 1.

    Raises:
        ValueError: for wrong shapes, a mask that is none, or a direction of which nothing is left.
    """
    _check_code(gan, z)
    if directions.dim() != 2 or directions.shape[1] != gan.z_dim:
        raise ValueError(
            f"directions must have shape (K, {gan.z_dim}), got {tuple(directions.shape)}"
        )
    if not 0 <= removed < gan.z_dim:
        raise ValueError(f"removed must be from 0 to {gan.z_dim - 1}, got {removed}")
    weights = importance_weights(mask).to(z)  # (1, 1, H, W)
    rows, columns = weights[0, 0].nonzero(as_tuple=True)

    def near_the_hole(code: Tensor) -> Tensor:
        return (weights * gan.generator(code[None]))[0, :, rows, columns]  # (3, P)

    jacobian = torch.func.jacfwd(near_the_hole)(z.detach().to(gan.device))  # (3, P, z_dim)
    _, _, vectors = torch.linalg.svd(jacobian.flatten(0, 1), full_matrices=False)
    seen = vectors[:removed].to(directions)  # (removed, z_dim), orthonormal
    left = directions - directions @ seen.T @ seen
    if not bool((left.norm(dim=1) > 1e-6 * directions.norm(dim=1)).all()):
        raise ValueError(f"removing {removed} leaves nothing of a direction: remove fewer")
    return _unit(left)


def edit_hole(image: Tensor, mask: Tensor, gan: LatentModel, z: Tensor, moves: Tensor) -> Edits:
    """Fill a hole from z + move, for each of many moves.

    z + move goes back to where the prior allows it (clipped to the box of a uniform prior), and
    G's image is blended into the hole (Eq. 6).

    Args:
        image: (1, 3, H, W) in [-1, 1]; its hole pixels are never read.
        mask: (1, 1, H, W), 1 = known.
        gan: the model.
        z: (z_dim,), z_hat of the filled hole.
        moves: (..., z_dim), for instance an amount times a direction.

    Returns:
        the `Edits`.

    Raises:
        ValueError: for wrong shapes or ranges, more than one image, or an invalid mask.
    """
    if len(image) != 1:
        raise ValueError(f"edit_hole takes one image at a time, got {len(image)}")
    image, mask = check_batch(image.cpu(), mask.cpu())
    gan.check_size(image)
    _check_code(gan, z)
    if moves.shape[-1] != gan.z_dim:
        raise ValueError(f"moves must have shape (..., {gan.z_dim}), got {tuple(moves.shape)}")
    codes = gan.project(z.to(moves) + moves)  # (..., z_dim)
    generated = pictures_of(gan, codes)  # (..., 3, H, W)
    faces = generated.reshape(-1, *image.shape[1:])  # (N, 3, H, W)
    images, masks = (part.expand(len(faces), -1, -1, -1) for part in (image, mask))
    weights = importance_weights(mask).expand(len(faces), -1, -1, -1)
    return Edits(
        completed=fill_hole(faces, images, masks).reshape(generated.shape),
        generated=generated,
        context=context_loss(faces, images, weights).reshape(moves.shape[:-1]),
    )


def _regress(values: Tensor, on: Tensor) -> Tensor:
    """(N, A) on (N, B), both centered, by least squares: (A, B) weights."""
    centered, ground = values.double(), on.double()
    centered, ground = centered - centered.mean(0), ground - ground.mean(0)
    return torch.linalg.lstsq(ground, centered).solution.T.to(values.dtype)


def _unit(directions: Tensor) -> Tensor:
    return directions / directions.norm(dim=1, keepdim=True)


def _check_pairs(codes: Tensor, values: Tensor, what: str) -> None:
    if codes.dim() != 2 or len(codes) != len(values):
        raise ValueError(
            f"codes must have shape (N, z_dim) and {what} a row for each, "
            f"got {tuple(codes.shape)} and {tuple(values.shape)}"
        )
    if not bool(codes.isfinite().all()) or not bool(values.isfinite().all()):
        raise ValueError(f"codes and {what} must hold no NaN and nothing infinite")


def _check_code(gan: LatentModel, z: Tensor) -> None:
    if z.shape != (gan.z_dim,):
        raise ValueError(f"z must have shape ({gan.z_dim},), got {tuple(z.shape)}")

"""Two metrics for what PSNR misses: is the attribute recovered, is the set like real pictures?

For rendered pictures only. Both see through a small classifier (`models.attributes`), and neither
is the truth. The classifier makes mistakes, its card says how many; it was trained on renderings of
the same kind, so its eye is good for these and for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.models.attributes import UNCLEAR, AttributeClassifier, true_classes
from tutorial_lib.models.weights import load_attributes, load_card

REFERENCE_PICTURES = 2000  # real pictures that a Frechet distance is measured to


@dataclass(frozen=True)
class Judge:
    """An attribute classifier with what it compares completions with.

    Attributes:
        classifier: in eval mode.
        card: its model card.
        truths: attribute -> (N,) true classes of the held-out pictures.
        reference: (M, 64), `classifier_features` of real pictures.
    """

    classifier: AttributeClassifier
    card: dict
    truths: dict[str, Tensor]
    reference: np.ndarray

    def recovered(
        self, completed: Tensor, rows: Sequence[int] | None = None
    ) -> dict[str, list[float | None]]:
        """Whether each picture shows the true attributes.

        Args:
            completed: (B, 3, 64, 64) in [-1, 1].
            rows: which of the held-out pictures were completed; None: all.

        Returns:
            "recovered ATTRIBUTE" -> for each picture 1, 0 or None (unclear).
        """
        truths = self.truths
        if rows is not None:
            truths = {key: truth[list(rows)] for key, truth in truths.items()}
        return {
            f"recovered {key}": [None if np.isnan(value) else value for value in values.tolist()]
            for key, values in recovered(self.classifier, completed, truths).items()
        }

    def distance(self, pictures: Tensor) -> float:
        """Frechet distance of these pictures to the real ones."""
        return frechet_distance(classifier_features(self.classifier, pictures), self.reference)


def load_judge(
    held_out, indices: Sequence[int], training, device: torch.device | str | None = None
) -> Judge:
    """The shipped judge of a rendered set.

    Args:
        held_out: the test set.
        indices: of the pictures that will be completed.
        training: the set to measure distances to.
        device: of the classifier.

    Raises:
        FileNotFoundError: for a set without a classifier.
        ValueError: for a set that is not rendered.
    """
    name = f"{held_out.name}-attributes"
    classifier = load_attributes(name, device)
    real = training.images(range(min(REFERENCE_PICTURES, len(training))))
    return Judge(
        classifier,
        load_card(name),
        true_classes(held_out, indices),
        classifier_features(classifier, real),
    )


def recovered(
    classifier: AttributeClassifier, completed: Tensor, truths: dict[str, Tensor]
) -> dict[str, np.ndarray]:
    """Whether the classifier reads the true attribute in each completed picture.

    What it can show: that a completion brings back (or misses) something that can be named, however
    its pixels differ. What it cannot: the classifier reads the whole picture, so what the known
    pixels give away (a beard on the chin, the arms of the glasses) counts as recovered, and a wrong
    guess of its own as lost. Therefore show the same figure for the originals (the best it can be),
    for the corrupted pictures (what the known pixels alone say) and the fraction of the most
    common class. A completion that shows another plausible face is no failure of the method, though
    it scores 0 here.

    Args:
        classifier: in eval mode, for the set the pictures are from.
        completed: (B, 3, 64, 64) in [-1, 1].
        truths: attribute -> (B,) classes, -1 where unclear, from `true_classes`.

    Returns:
        attribute -> (B,) float64: 1 recovered, 0 not, NaN where the truth is unclear.

    Raises:
        ValueError: when the truths are of other attributes or of another number of pictures.
    """
    if truths.keys() != classifier.heads.keys():
        raise ValueError(
            f"the classifier knows {', '.join(classifier.heads)}, "
            f"the truths are of {', '.join(truths)}: take both from the same data set"
        )
    lengths = {len(truth) for truth in truths.values()}
    if lengths != {len(completed)}:
        raise ValueError(f"{len(completed)} pictures need as many truths, got {sorted(lengths)}")
    return {
        attribute: np.where(
            truths[attribute] == UNCLEAR, np.nan, (guess == truths[attribute]).double().numpy()
        )
        for attribute, guess in classifier.predict(completed).items()
    }


@torch.no_grad()
def classifier_features(
    classifier: AttributeClassifier, images: Tensor, batch_size: int = 128
) -> np.ndarray:
    """The 64 numbers from which the classifier reads a picture's attributes.

    Args:
        classifier: in eval mode.
        images: (B, 3, 64, 64) in [-1, 1].
        batch_size: pictures at a time.

    Returns:
        (B, 64) float64.
    """
    device = next(classifier.parameters()).device
    batches = [classifier.features(batch.to(device)).cpu() for batch in images.split(batch_size)]
    return torch.cat(batches).double().numpy()


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Squared Frechet distance of two Gaussians fitted to two sets of features.

    |mean_a - mean_b|^2 + trace(C_a + C_b - 2 (C_a C_b)^(1/2)), with the covariances C that divide
    by n - 1 (Dowson & Landau 1982; Heusel et al. 2017).

    What it can show: that completed pictures as a set differ from real ones in what the classifier
    looks at (all smile alike, the eyes are smeared); a set of blurred means has a small spread and
    is far away, which PSNR would reward. What it cannot: whether a single picture is right
    (shuffled completions score the same), nor anything to which the features are blind. It is no
    FID: those features are Inception's, and the numbers do not compare. With few pictures it is too
    large, by about 1 / count. So compare only sets of the same size, and state the distance of two
    disjoint sets of real pictures of that size as its zero.

    Args:
        features_a: (N, F), N above F.
        features_b: (M, F), M above F.

    Returns:
        The distance, 0 or more.

    Raises:
        ValueError: for arrays that do not fit, are not finite, or hold too few pictures.
    """
    a, b = (np.asarray(features, dtype=np.float64) for features in (features_a, features_b))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"need features (N, F) and (M, F), got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features must be finite: look for NaN in the pictures")
    needed = a.shape[1] + 1
    if min(len(a), len(b)) < needed:
        raise ValueError(
            f"{len(a)} and {len(b)} pictures are too few for a covariance of {a.shape[1]} "
            f"features: take at least {needed}, better several hundred"
        )
    # C = R^T R by QR of the centered features; then trace (C_a C_b)^(1/2) is the sum of the
    # singular values of R_a R_b^T, and no root of a nearly singular product is taken
    roots = [np.linalg.qr(x - x.mean(0), mode="r") / np.sqrt(len(x) - 1) for x in (a, b)]
    common = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    spread = sum(np.square(root).sum() for root in roots) - 2 * common
    return max(0.0, float(np.square(a.mean(0) - b.mean(0)).sum() + spread))

"""Generated pictures on a map (paper's Fig. 3b).

T-SNE of samples and of the paths that searches took among them.

What goes into t-SNE decides what the map shows: pictures, through their principal components, or
codes. Notebook 08 compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.device import seeded_generator
from tutorial_lib.models.latent_model import LatentModel, pictures_of

# Of t-SNE. On 3,400 pictures 1000 raised the trustworthiness from 0.9865 to 0.9869 and took half as
# long again.
MAX_ITERATIONS = 500


@dataclass(frozen=True)
class Embedding:
    """Samples and paths on one map.

    Attributes:
        samples: (N, 2), where each sample lies. The unit means nothing.
        paths: a (K, 2) array a path, where its points lie.
        sample_features: (N, D), what t-SNE was given of the samples.
        path_features: a (K, D) array a path, what t-SNE was given of its points.
        kept_variance: fraction of the samples' variance that the principal components keep; 1
            without them.
        trustworthiness: 0 to 1, of samples and path points together: 1 when those that are near
            each other on the map are near each other in the features as well (Venna & Kaski 2001;
            scikit-learn's).
    """

    samples: np.ndarray
    paths: tuple[np.ndarray, ...]
    sample_features: np.ndarray
    path_features: tuple[np.ndarray, ...]
    kept_variance: float
    trustworthiness: float


def sample_pictures(gan: LatentModel, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Codes from the model's prior and their pictures, (count, z_dim) and (count, 3, H, W).

    Both are on the CPU.

    Raises:
        ValueError: for a count below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    codes = gan.sample_z(count, seeded_generator(seed))
    return codes, pictures_of(gan, codes)


def embed(
    samples: Tensor,
    paths: Sequence[Tensor] = (),
    *,
    components: int | None = 50,
    perplexity: float = 30.0,
    seed: int = 0,
    neighbors: int = 10,
    iterations: int = MAX_ITERATIONS,
) -> Embedding:
    """One t-SNE (van der Maaten & Hinton 2008) of samples and of the points of paths.

    As in the paper's Fig. 3b.

    Args:
        samples: (N, ...) pictures or codes; all that follows a first dimension is flattened.
        paths: (K, ...) a path, of the samples' kind; K may differ between paths.
        components: first to so many principal components, fitted on the samples (fewer when the
            data have fewer); None gives t-SNE the values themselves.
        perplexity: of t-SNE, at least 1 and less than the number of points.
        seed: the same seed on the same machine gives the same map.
        neighbors: how many neighbors the trustworthiness looks at, less than half the number of
            points.
        iterations: of t-SNE; 250 at the least.

    Returns:
        an `Embedding`.

    Raises:
        ValueError: for samples and paths of different sizes, NaN, or numbers outside what is
            listed.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE, trustworthiness

    flat = [
        _flat(part, "samples" if number == 0 else f"path {number}")
        for number, part in enumerate([samples, *paths])
    ]
    widths = {part.shape[1] for part in flat}
    if len(widths) > 1:
        raise ValueError(
            f"samples and paths must hold things of one kind, got {sorted(widths)} values each: "
            "both pictures, or both codes"
        )
    total = sum(map(len, flat))
    if not 1 <= perplexity < total:
        raise ValueError(
            f"perplexity must be at least 1 and less than the number of points ({total}), "
            f"got {perplexity}"
        )
    if not 1 <= neighbors < total / 2:
        raise ValueError(
            f"neighbors must be at least 1 and less than half the number of points ({total}), "
            f"got {neighbors}"
        )
    kept = 1.0
    if components is not None:
        if components < 2 or min(flat[0].shape) < 2:
            raise ValueError(
                "two principal components or more are needed, "
                "and two samples or more to find them in"
            )
        pca = PCA(min(components, *flat[0].shape), svd_solver="randomized", random_state=seed).fit(
            flat[0]
        )
        kept, flat = (
            float(pca.explained_variance_ratio_.sum()),
            [pca.transform(part) for part in flat],
        )
    features = np.concatenate(flat)
    placed = TSNE(
        perplexity=perplexity, init="pca", max_iter=iterations, random_state=seed
    ).fit_transform(features)
    ends = np.cumsum([len(part) for part in flat])[:-1]
    on_map = np.split(placed, ends)
    return Embedding(
        samples=on_map[0],
        paths=tuple(on_map[1:]),
        sample_features=flat[0],
        path_features=tuple(flat[1:]),
        kept_variance=kept,
        trustworthiness=float(trustworthiness(features, placed, n_neighbors=neighbors)),
    )


def own_path_share(
    samples: np.ndarray, paths: Sequence[np.ndarray], neighbors: int = 10
) -> np.ndarray:
    """How much a path keeps to itself.

    Of its points' nearest neighbors, the fraction that belong to the same path.

    Args:
        samples: (N, D), features or places on a map.
        paths: (K, D) a path; K above `neighbors`, or 1 cannot be reached.
        neighbors: how many are counted, the point itself left out.

    Returns:
        (paths,) fractions, 0 to 1.

    Raises:
        ValueError: for no paths, or more neighbors than there are other points.
    """
    from sklearn.neighbors import NearestNeighbors

    if not len(paths):
        raise ValueError("there are no paths")
    owner = np.repeat(np.arange(-1, len(paths)), [len(samples), *map(len, paths)])
    if not 1 <= neighbors < len(owner):
        raise ValueError(
            f"neighbors must be at least 1 and less than the number of points ({len(owner)}), "
            f"got {neighbors}"
        )
    found = NearestNeighbors(n_neighbors=neighbors).fit(np.concatenate([samples, *paths]))
    near = found.kneighbors(return_distance=False)  # (points, neighbors), the point itself left out
    same = (owner[near] == owner[:, None]).mean(1)
    return np.array([same[owner == number].mean() for number in range(len(paths))])


def path_extent(samples: np.ndarray, paths: Sequence[np.ndarray]) -> np.ndarray:
    """(paths,): how far each path reaches over the map.

    The diagonal of its bounding box as a fraction of the samples'.
    """

    def diagonal(points):
        return np.linalg.norm(np.ptp(points, axis=0))

    return np.array([diagonal(path) / diagonal(samples) for path in paths])


def spread(items: Tensor, region: Tensor | None = None) -> float:
    """How much things differ: the root-mean-square difference of a pair, averaged over all pairs.

    Args:
        items: (B, ...) pictures, codes or places, B of 2 or more.
        region: of pictures (B, 3, H, W), where to look: (1, 1, H, W), above 0 there; None looks
            everywhere.

    Returns:
        the mean over the pairs, in the items' own unit.

    Raises:
        ValueError: for fewer than two items or an empty region.
    """
    if len(items) < 2:
        raise ValueError(f"two or more are needed to compare, got {len(items)}")
    values = (
        items.flatten(1)
        if region is None
        else items[:, (region > 0).expand(1, *items.shape[1:])[0]]
    )
    if values.shape[1] == 0:
        raise ValueError("region holds no pixel")
    return (torch.pdist(values.double()).mean() / values.shape[1] ** 0.5).item()


def spaced_out(points: np.ndarray, gap: float) -> list[int]:
    """Indices into points (N, 2) such that squares with side `gap` around those do not overlap.

    They are taken in their order, as many as fit: each point that is left out is too near to one
    that was taken.

    Raises:
        ValueError: for a gap that is not positive.
    """
    if not gap > 0:
        raise ValueError(f"gap must be positive, got {gap}")
    taken: list[int] = []
    for index, point in enumerate(points):
        if not taken or np.abs(points[taken] - point).max(1).min() >= gap:
            taken.append(index)
    return taken


def _flat(values: Tensor, what: str) -> np.ndarray:
    values = torch.as_tensor(values).detach().cpu().float()
    if values.dim() < 2 or len(values) == 0:
        raise ValueError(f"{what} must hold one thing a row, got shape {tuple(values.shape)}")
    if not bool(values.isfinite().all()):
        raise ValueError(f"{what} must hold no NaN and nothing infinite")
    return values.flatten(1).numpy()

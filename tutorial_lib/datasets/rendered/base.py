"""What the rendered sets share: reproducible draws, a few brushes, and the data set with its cache.

A rendered set is a module with `sample_attributes(seed, index)`, `draw(attributes)` and a subclass
of `RenderedPictures` that names them. Pictures are 64x64 RGB and pure functions of (seed, index);
both splits share the seed.
"""

from __future__ import annotations

import colorsys
import functools
import hashlib
import io
import os
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from PIL import Image, ImageFilter
from tqdm.auto import tqdm

from tutorial_lib.cache import atomic_write, default_cache_dir, lock_of, locked
from tutorial_lib.datasets.base import ArrayImages, check_split
from tutorial_lib.device import available_threads

SIZE = 64
SPLIT_SIZES = {"train": 20_000, "test": 2_000}
# Both splits share the seed and take their indices from ranges that cannot meet.
SPLIT_START = {"train": 0, "test": 1_000_000_000}
CHUNK = 250


class Draws:
    """The random draws of picture `index` of stream `seed`.

    No global random state is read or changed.

    Args:
        seed, index: integers >= 0. Raises ValueError for negative numbers.
    """

    def __init__(self, seed: int, index: int):
        if seed < 0 or index < 0:
            raise ValueError(f"seed and index must be at least 0, got seed={seed}, index={index}")
        self.rng = np.random.default_rng(np.random.SeedSequence([int(seed), int(index)]))

    def number(self, low: float = 0.0, high: float = 1.0) -> float:
        """Uniform in [low, high)."""
        return float(self.rng.uniform(low, high))

    def bell(self, spread: float, limit: float) -> float:
        """Normal with mean 0, clipped to [-limit, limit]."""
        return float(np.clip(self.rng.normal(0.0, spread), -limit, limit))

    def choice(self, options: Mapping[str, float]) -> str:
        """One of the words, with probabilities in proportion to their weights."""
        weights = np.array(list(options.values()), dtype=float)
        return list(options)[int(self.rng.choice(len(weights), p=weights / weights.sum()))]

    def texture(self) -> int:
        """A seed for what is too fine to be an attribute: grain, strands, leaves."""
        return int(self.rng.integers(2**31))


# -- brushes --


def from_bytes(color) -> np.ndarray:
    """Color 0..255 -> (3,) float32 in [0, 1]."""
    return np.asarray(color, dtype=np.float32) / 255.0


def from_hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Hue, saturation, value in [0, 1] -> (3,) float32 in [0, 1]."""
    return np.asarray(colorsys.hsv_to_rgb(hue, saturation, value), dtype=np.float32)


def blurred(mask: np.ndarray, radius: float) -> np.ndarray:
    """Gaussian blur of a (64, 64) mask in [0, 1]; eight bits are enough for shading."""
    picture = Image.fromarray((mask * 255.0 + 0.5).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32) / 255.0


def smooth_noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth (64, 64) noise in [0, 1] with `cells` bumps a side."""
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return (
        np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), dtype=np.float32) / 255.0
    )


def to_bytes(canvas: np.ndarray) -> np.ndarray:
    """A canvas in [0, 1] -> uint8; what lies outside is clipped."""
    return np.clip(canvas * 255.0 + 0.5, 0, 255).astype(np.uint8)


def photographed(canvas: np.ndarray, blur: float, noise: np.ndarray) -> np.ndarray:
    """A canvas in [0, 1] through a lens onto a sensor: (64, 64, 3) uint8; noise in gray levels."""
    picture = Image.fromarray(to_bytes(canvas)).filter(ImageFilter.GaussianBlur(blur))
    return np.clip(np.asarray(picture) + noise + 0.5, 0, 255).astype(np.uint8)


# -- the data set and its cache --


@functools.cache
def _hash_of(*paths: str) -> str:
    source = b"".join(Path(path).read_bytes().replace(b"\r\n", b"\n") for path in paths)
    return hashlib.sha256(source).hexdigest()[:16]


def _render_range(kind: type[RenderedPictures], seed: int, indices: range) -> np.ndarray:
    return np.stack([kind.render(seed, index)[0] for index in indices])


def _render_job(job: range, kind: type[RenderedPictures], seed: int, start: int):
    """What a process does: the job, so that its pictures are known by it, and its pictures."""
    return job, _render_range(kind, seed, range(start + job.start, start + job.stop))


def _read_chunk(path: Path) -> np.ndarray:
    """The pictures of a chunk file, none if it is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as file:  # read whole, as only then is the checksum compared
            pictures = np.load(io.BytesIO(file.read("pictures.npy")), allow_pickle=False)
    except Exception:  # a flipped bit makes zipfile and numpy raise almost anything
        return np.empty((0, SIZE, SIZE, 3), np.uint8)
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (SIZE, SIZE, 3):
        return np.empty((0, SIZE, SIZE, 3), np.uint8)
    return pictures


class RenderedPictures(ArrayImages):
    """Rendered pictures as a map-style data set; item i is a (3, 64, 64) float32 tensor in [-1, 1].

    A subclass sets `name`, `noun` (of its pictures, in the plural, for progress bars) and the
    static methods `sample(seed, index) -> attributes` and `draw(attributes) -> (64, 64, 3) uint8`.

    Args:
        split: "train" (20000 pictures) or "test" (2000); the two never share a picture.
        limit: how many pictures instead, 1 or more. Only these are rendered.
        seed: another seed, another endless stream of pictures.
        cache_dir: folder for rendered pictures; default `default_cache_dir()`. A later, larger
            limit renders only what is missing. A damaged file is rendered again; a folder that
            cannot be written costs only the time.
        workers: processes that render; default: up to 4 when more than 500 pictures are missing,
            else this one alone.

    Raises ValueError for an unknown split, a limit below 1 or a negative seed.
    In memory the pictures stay uint8: 12 KiB each.
    """

    name: str
    noun: str
    sample: Callable[[int, int], dict]
    draw: Callable[[dict], np.ndarray]

    @classmethod
    def render(cls, seed: int, index: int) -> tuple[np.ndarray, dict]:
        """Picture `index` of stream `seed` and its attributes, a pure function of both numbers."""
        attributes = cls.sample(seed, index)
        return cls.draw(attributes), attributes

    @classmethod
    def renderer_hash(cls) -> str:
        """Hash of the renderer's source and of this file.

        A cache made by another version of them is never read.
        """
        return _hash_of(sys.modules[cls.__module__].__file__, __file__)

    def __init__(
        self,
        split: str = "train",
        limit: int | None = None,
        seed: int = 0,
        cache_dir: str | os.PathLike | None = None,
        workers: int | None = None,
    ):
        check_split(split)
        count = SPLIT_SIZES[split] if limit is None else limit
        if not 1 <= count <= SPLIT_START["test"]:
            raise ValueError(f"limit must be from 1 to {SPLIT_START['test']:,}, got {limit}")
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        self.split, self.seed, self.start = split, int(seed), SPLIT_START[split]
        root = default_cache_dir() if cache_dir is None else Path(cache_dir)
        self.folder = root / f"{self.name}-{self.renderer_hash()}" / f"seed{self.seed}-{split}"
        super().__init__(np.empty((int(count), SIZE, SIZE, 3), np.uint8), self.name)
        self._fill(workers)

    def _fill(self, workers: int | None) -> None:
        """Read what the cache holds, and render the rest; one process at a time does that."""
        if not self._missing():
            return
        with ExitStack() as stack:
            doing = f"rendering {self.split} {self.noun}"
            try:
                stack.enter_context(locked(lock_of(self.folder), doing, wait=True))
            except OSError as error:
                warnings.warn(f"rendered {self.noun} are not kept: {error}", stacklevel=3)
            self._render(self._missing(), workers)

    def _missing(self) -> list[range]:
        """Read what the cache holds; the pictures that it lacks, each range within one chunk."""
        jobs = []
        for first in range(0, len(self.pixels), CHUNK):
            stop = min(first + CHUNK, len(self.pixels))
            stored = _read_chunk(self._path(first))[: stop - first]
            self.pixels[first : first + len(stored)] = stored
            if len(stored) < stop - first:
                jobs.append(range(first + len(stored), stop))
        return jobs

    def _render(self, jobs: list[range], workers: int | None) -> None:
        """Render chunk by chunk, and store each as soon as it is done."""
        missing = sum(map(len, jobs))
        if workers is None:
            workers = min(available_threads(), 4) if missing > 500 else 1
        rendered = Parallel(workers, return_as="generator_unordered")(
            delayed(_render_job)(job, type(self), self.seed, self.start) for job in jobs
        )
        try:
            with tqdm(
                total=missing,
                desc=f"rendering {self.split} {self.noun}",
                unit="picture",
                disable=missing < CHUNK,
            ) as bar:
                for job, pictures in rendered:
                    self._keep(job, pictures)
                    bar.update(len(job))
        finally:
            if workers > 1:  # they would wait for more work, and each holds some hundred MB
                get_reusable_executor().shutdown(kill_workers=True)

    def _path(self, first: int) -> Path:
        return self.folder / f"{first // CHUNK:06d}.npz"

    def _keep(self, job: range, pictures: np.ndarray) -> None:
        self.pixels[job.start : job.stop] = pictures
        chunk = job.start - job.start % CHUNK
        try:
            with atomic_write(self._path(chunk)) as file:
                np.savez(file, pictures=self.pixels[chunk : job.stop])
        except OSError as error:
            warnings.warn(f"rendered {self.noun} are not kept: {error}", stacklevel=2)

    def attributes(self, index: int) -> dict:
        """What picture `index` shows, drawn again: see the top of the renderer's module."""
        return self.sample(self.seed, self.start + range(len(self))[index])

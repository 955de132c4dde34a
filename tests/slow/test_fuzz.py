"""Thousands of damaged files at every door: one kind of error, no file left, no memory eaten.

500 of them in the usual tests; `python -m pytest -m fuzz` runs 20,000 and prints figures.
"""

import contextlib
import hashlib
import io
import json
import os
import random
import struct
import sys
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from archives import jpeg, mat, tgz
from PIL import Image

from tutorial_lib.datasets import folder
from tutorial_lib.datasets.folder import PictureFolder
from tutorial_lib.datasets.stanford_cars import StanfordCars
from tutorial_lib.datasets.svhn import SVHN
from tutorial_lib.evaluation.results import load_results
from tutorial_lib.faces import NoFaceFound
from tutorial_lib.images import FORMATS, MAX_BYTES, PictureError, load_picture
from tutorial_lib.masks import read_mask
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.models.weights import load_gan, save_gan
from tutorial_lib.teaching.widgets import painter as painter_module
from tutorial_lib.teaching.widgets.painter import MaskPainter
from tutorial_lib.training.checkpoint import (
    CHECKPOINT,
    LOG,
    TrainingLog,
    read_checkpoint,
    save_checkpoint,
)
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.landmarks import FacePoints

MEGABYTES = 500
BOMB = 700_000_000  # bytes of one member, unpacked
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def pictures():
    """A file of each format, or several: 32x32, gray, with a palette, transparent, turned, deep."""
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 4), dtype=np.uint8)
    color, clear = Image.fromarray(noise[..., :3]), Image.fromarray(noise)
    gray, deep = color.convert("L"), Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [(format, color, {}) for format in FORMATS]
    kinds += [("JPEG", gray, {"exif": exif}), ("JPEG", color, {"progressive": True})]
    kinds += [("PNG", clear, {"exif": exif}), ("PNG", deep, {}), ("PNG", color.convert("P"), {})]
    kinds += [("WEBP", clear, {"lossless": True}), ("TIFF", gray.convert("F"), {})]
    kinds += [("TIFF", color, {"compression": way}) for way in ("tiff_lzw", "jpeg", "tiff_deflate")]
    kinds += [("GIF", color, {"save_all": True, "append_images": [color, color]})]
    for format, picture, options in kinds:
        file = io.BytesIO()
        picture.save(file, format, **options)
        yield file.getvalue()


def mutated(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """One to six changes: bytes, numbers, pieces moved, doubled, cut out or taken from others."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 16, 200))
        # headers decide on most
        at = min(at, rng.randrange(64)) if rng.random() < 0.4 else at
        match rng.randrange(6):
            case 0:
                data[at : at + length] = rng.randbytes(len(data[at : at + length]))
            case 1:
                number = struct.pack(rng.choice("<>") + "I", rng.choice(EXTREMES))
                data[at : at + 4] = number[: len(data[at : at + 4])]
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                other = rng.choice(others)
                begin = rng.randrange(len(other))
                data[at : at + length] = other[begin : begin + length]
            case 5:
                if rng.random() < 0.3:
                    del data[at:]
        if not data:
            break
    return bytes(data)


class Doors:
    """Each method takes damaged bytes to one door; only the promised error may come out."""

    def __init__(self, work: Path):
        self.work = work
        self.pictures = list(pictures())
        self.members = self._zip()
        box = {"1.jpg": (1, 1, 30, 30)}
        noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        tgz(work / "cars_train.tgz", {"1.jpg": jpeg(noise)}, "cars_train")
        tgz(work / "car_devkit.tgz", {"cars_train_annos.mat": mat(box)}, "devkit")
        digits = {"X": np.stack([noise] * 2, -1), "y": np.array([[1], [10]], np.uint8)}
        scipy.io.savemat(work / "train_32x32.mat", digits, do_compression=False)
        save_gan(work / "tiny", uniform_latent_model(Generator(1), Discriminator(1, "none")), {})
        tiny = GANTask(GANSettings(base_channels=1))
        save_checkpoint(work / CHECKPOINT, tiny, {}, TrainingLog())
        (work / LOG).unlink()
        self.whole = {path.name: path.read_bytes() for path in work.iterdir()}
        self.painter = MaskPainter(torch.zeros(1, 3, 64, 64))
        self.every = [*self.pictures, self.members, *self.whole.values()]
        self.bomb = self._bomb()
        table = "file\n" + "".join(
            f"train/{n}.png{',9,9,20,9,15,15,10,20,20,20'}\n" for n in (0, 1)
        )
        self.points = table.encode()
        self.results = json.dumps({"made_from": {}, "variants": {"a": {"auc": [0.5]}}}).encode()

    def _zip(self) -> bytes:
        numbered = list(enumerate(self.pictures[:3]))
        splits = ("train", "test")
        return self._packed({f"{s}/{n}.png": content for n, content in numbered for s in splits})

    def _bomb(self) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("train/0.png", "w") as member:
                for _ in range(BOMB // 1_000_000):
                    member.write(bytes(1_000_000))
            archive.writestr("test/0.png", self.pictures[0])
        return file.getvalue()

    def _packed(self, members: dict[str, bytes]) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return file.getvalue()

    def picture(self, rng):
        content = mutated(rng.choice(self.pictures), rng, self.every)
        with contextlib.suppress(PictureError):
            load_picture(content)
        with contextlib.suppress(ValueError):
            read_mask(content)

    def zip(self, rng):
        self._opened(mutated(self.members, rng, self.every), PictureFolder)

    def _opened(self, content, read, name="pictures.zip"):
        path = self.work / name
        path.write_bytes(content)
        try:
            with contextlib.suppress(ValueError):
                read(path)
        finally:
            path.unlink()
            folder._told.clear()

    def false_size(self, rng):
        """The list at the end of an archive says that a huge member is small."""
        listed = self.bomb.index(b"PK\1\2") + 24
        told = struct.pack("<I", rng.choice((0, 1, 1000, 10_000_000, MAX_BYTES)))
        self._opened(self.bomb[:listed] + told + self.bomb[listed + 4 :], PictureFolder)

    def face_points(self, rng):
        members = dict(zip(("train/0.png", "train/1.png"), self.pictures, strict=False))
        table = mutated(self.points, rng, self.every)
        self._opened(self._packed(members | {"points.csv": table}), FacePoints)

    def stored_results(self, rng):
        self._opened(mutated(self.results, rng, self.every), load_results, "results.json")

    def _in_place_of(self, name, rng, read):
        path = self.work / name
        path.write_bytes(mutated(self.whole[name], rng, self.every))
        try:
            with contextlib.suppress(ValueError):
                read()
        finally:
            path.write_bytes(self.whole[name])

    def cars(self, rng):
        name = rng.choice(["cars_train.tgz", "car_devkit.tgz"])
        self._in_place_of(name, rng, lambda: StanfordCars(self.work, cache_dir=self.work / "c"))

    def svhn(self, rng):
        self._in_place_of(
            "train_32x32.mat", rng, lambda: SVHN(self.work, cache_dir=self.work / "c")
        )

    def card(self, rng):
        self._in_place_of("tiny.json", rng, lambda: load_gan(self.work / "tiny.safetensors", "cpu"))

    def weights(self, rng):
        """With a card that states the hash of the damaged file, as one made on purpose would."""

        def read():
            digest = hashlib.sha256((self.work / "tiny.safetensors").read_bytes()).hexdigest()
            card = json.loads(self.whole["tiny.json"]) | {"sha256": digest}
            (self.work / "tiny.json").write_text(json.dumps(card))
            load_gan(self.work / "tiny.safetensors", "cpu")

        try:
            self._in_place_of("tiny.safetensors", rng, read)
        finally:
            (self.work / "tiny.json").write_bytes(self.whole["tiny.json"])

    def checkpoint(self, rng):
        path = self.work / CHECKPOINT
        self._in_place_of(CHECKPOINT, rng, lambda: read_checkpoint(path, {}))

    def painter_message(self, rng):
        odd = [None, True, -1, 0, 1, 2, 2.0, 1e9, "0", [], {}, 10**30]
        content = {"kind": "photo", "part": 0, "parts": 1}
        if rng.random() < 0.5:
            content[rng.choice(list(content))] = rng.choice(odd)
        content = rng.choice([content, content, content, None, [], "photo"])
        parts = [memoryview(mutated(rng.choice(self.pictures), rng, self.every))]
        parts = rng.choice([parts, parts, parts, [], parts * 2])
        with contextlib.suppress(ValueError):
            self.painter._receive(self.painter, content, parts)
        with contextlib.suppress(ValueError):
            self.painter.known = mutated(self.painter.known, rng, self.every)

    @property
    def all(self):
        archives = [self.zip, self.false_size, self.face_points, self.cars, self.svhn]
        files = [self.card, self.weights, self.checkpoint, self.stored_results]
        return [self.picture] * 6 + archives + files + [self.painter_message]


def resident() -> float:
    """Megabytes of memory that this process holds; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def peak() -> float:
    """Megabytes that this process held at most; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def no_face(*_):
    raise NoFaceFound


def run(count: int, work: Path, monkeypatch) -> dict:
    monkeypatch.setattr(
        painter_module, "align", no_face
    )  # it is slow, and sees whole pictures only
    torch.manual_seed(0)
    doors = Doors(work)
    begun, before, start, most, failed = resident(), peak(), time.perf_counter(), 0.0, []
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore")
        for number in range(count):
            door = doors.all[number % len(doors.all)]
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    door(random.Random(number))
            except Exception as error:
                failed.append(f"input {number}, {door.__name__}: {type(error).__name__}: {error}")
            most = max(most, resident() - begun)
    left = {path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file()}
    left -= set(doors.whole)
    return {
        "inputs": count,
        "seconds": round(time.perf_counter() - start),
        "failed": failed,
        "megabytes": round(resident() - begun),
        "megabytes_at_most": round(max(most, peak() - before)),
        "left": {name for name in left if not name.endswith((".npy", ".lock"))},
        "kept": sum(name.endswith(".npy") for name in left),
    }


def check(figures: dict) -> None:
    assert not figures["failed"], "\n".join(figures["failed"][:20])
    assert not figures["left"]
    assert figures["megabytes_at_most"] < MEGABYTES
    assert figures["kept"] <= 2  # what a later version of a file was decoded to replaces the first


def test_damaged_files_raise_one_kind_of_error(tmp_path, monkeypatch):
    check(run(500, tmp_path, monkeypatch))


@pytest.mark.fuzz
def test_twenty_thousand_damaged_files(tmp_path, monkeypatch, capsys):
    figures = run(int(os.environ.get("FUZZ_INPUTS", 20_000)), tmp_path, monkeypatch)
    with capsys.disabled():
        print(f"\n{figures | {'failed': len(figures['failed'])}}")
    check(figures)

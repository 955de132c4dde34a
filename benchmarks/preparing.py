"""Claim: 50,000 pictures in CelebA's format, 48,000 of them to train on, cost under 1 GB of memory;
training never waits for them.

An archive is made of 2,000 rendered faces, each 25 times, as JPEG files of 178x218 pixels. One
process prepares it, one runs through a whole epoch without a network, one trains a DCGAN for a
whole epoch; the memory of each is watched. Takes some minutes. Run: python benchmarks/preparing.py
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import psutil
from measure import store
from PIL import Image

from tutorial_lib import load_dataset
from tutorial_lib.datasets import celeba
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.loop import train

PICTURES, FACES, FIRST = (
    50_000,
    2_000,
    150_001,
)  # numbers from 150,001 on reach into the official test split
BATCH = 64
LIMIT, WAITING = 1000, 0.05  # MB; share of an epoch that may go into getting pictures
SETTINGS = GANSettings(base_channels=24, discriminator_channels=16, precision="bfloat16")


def make_archive(path: Path) -> None:
    """img_align_celeba.zip as its makers pack it: a folder, then numbered files."""
    faces = []
    for pixels in load_dataset("synthetic-faces", split="train", limit=FACES).pixels:
        file = io.BytesIO()
        Image.fromarray(pixels).resize((178, 178)).crop((0, -20, 178, 198)).save(
            file, "JPEG", quality=90
        )
        faces.append(file.getvalue())
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("img_align_celeba")
        for number in range(PICTURES):
            archive.writestr(f"img_align_celeba/{FIRST + number:06d}.jpg", faces[number % FACES])


def opened(folder: Path):
    """The training split; decoded by the first call only."""
    return celeba.CelebA(folder, cache_dir=folder)


def epoch_of_pictures(folder: Path) -> None:
    """Each picture once, in random order, a batch at a time, with no network to wait for."""
    dataset = opened(folder)
    order = np.random.default_rng(0).permutation(len(dataset))
    for start in range(0, len(order), BATCH):
        dataset.images(order[start : start + BATCH].tolist())


def epoch_of_training(folder: Path) -> None:
    """A DCGAN, small so that this ends in minutes: a larger one only makes the pictures' share
    smaller.
    """
    dataset = opened(folder)
    train(GANTask(SETTINGS), dataset, steps=len(dataset) // BATCH, batch_size=BATCH)


PARTS = {
    "import": lambda folder: None,
    "prepare": opened,
    "pictures": epoch_of_pictures,
    "training": epoch_of_training,
}


def watched(part: str, folder: Path) -> tuple[float, float]:
    """Seconds and the largest memory, in MB, of a process that does one part, with those that it
    starts.

    Pages of the mapped file do not count: the system drops them when it needs the room.
    """
    process = subprocess.Popen([sys.executable, __file__, part, str(folder)])
    watch, largest, ended = psutil.Process(process.pid), 0.0, threading.Event()

    def look() -> None:
        nonlocal largest
        while not ended.wait(0.05):
            held = 0
            for one in [watch, *watch.children(recursive=True)] if watch.is_running() else []:
                try:
                    memory = one.memory_info()
                    held += memory.rss - getattr(
                        memory, "shared", 0
                    )  # Linux: shared is what files back
                except psutil.Error:  # it has ended meanwhile
                    continue
            largest = max(largest, held / 1e6)

    thread, start = threading.Thread(target=look), time.perf_counter()
    thread.start()
    code, seconds = process.wait(), time.perf_counter() - start
    ended.set()
    thread.join()
    if code:
        raise SystemExit(f"{part} failed")
    return seconds, largest


def main() -> None:
    if len(sys.argv) == 3:
        PARTS[sys.argv[1]](Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_archive(folder / "img_align_celeba.zip")
        size = (folder / "img_align_celeba.zip").stat().st_size / 1e6
        figures = {
            "pictures": PICTURES,
            "archive_mb": round(size),
            "settings": vars(SETTINGS) | {"augment": list(SETTINGS.augment)},
            "parts": {},
        }
        print(f"{PICTURES:,} pictures, {size:.0f} MB")
        for part in PARTS:
            seconds, memory = watched(part, folder)
            figures["parts"][part] = {"seconds": round(seconds, 1), "memory_mb": round(memory)}
            print(f"{part:10s} {seconds:6.1f} s, at most {memory:5.0f} MB")
    seconds = {
        part: each["seconds"] - figures["parts"]["import"]["seconds"]
        for part, each in figures["parts"].items()
    }
    figures["prepared_a_second"] = round((PICTURES - celeba.HELD_OUT) / seconds["prepare"])
    figures["share_of_an_epoch"] = {
        part: round(seconds[part] / seconds["training"], 4) for part in ("prepare", "pictures")
    }
    print(
        f"preparing takes {seconds['prepare'] / seconds['training']:.2f} of an epoch's time, once; "
        f"an epoch's pictures {seconds['pictures'] / seconds['training']:.1%} of it"
    )
    worst = max(each["memory_mb"] for each in figures["parts"].values())
    held = worst < LIMIT and seconds["pictures"] < WAITING * seconds["training"]
    print(
        f"largest memory {worst} MB: the claim {'holds' if held else 'does NOT hold'} "
        f"(under {LIMIT} MB, under {WAITING:.0%})"
    )
    print(store("preparing", figures))


if __name__ == "__main__":
    main()

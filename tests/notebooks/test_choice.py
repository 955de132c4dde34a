"""Each notebook chooses pictures and weights in one cell, and runs whole with a reader's own."""

import ast
import os
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image
from shorter import shorten
from test_notebooks import MAIN, code_cells

from tutorial_lib import load_dataset
from tutorial_lib.cli import main
from tutorial_lib.evaluation.results import load_results, write_results
from tutorial_lib.images import to_uint8

TRAIN = 64
JUDGED = 32  # test pictures that the weights' cards speak of
TABLE = "table1-portraits"
STORED = {"photographs": "ablations-portraits-{}", "rendered": "ablations-synthetic-faces-{}"}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A reader's archive of pictures, weights trained on it for a few steps, and results under the
    archive's name.

    The results are the stored ones on photographs: there are as many test pictures as those speak
    of.
    """
    folder = tmp_path_factory.mktemp("own")
    table = load_results(TABLE)
    table["made_from"]["data"]["name"] = "pictures"
    write_results(folder / "table.json", table)
    test = max(table["made_from"]["data"]["indices"]) + 1
    pixels = to_uint8(
        load_dataset("synthetic-numbers", split="test", limit=TRAIN + test).images(slice(None))
    )
    archive(folder / "pictures.zip", pixels)
    (folder / "few").mkdir()
    archive(folder / "few" / "pictures.zip", pixels[: TRAIN + JUDGED])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUTORIAL_CACHE", str(folder / "cache"))
        yield train_on(folder)


def archive(path, pixels):
    with zipfile.ZipFile(path, "w") as pictures:
        for number, picture in enumerate(pixels):
            file = BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            split = "train" if number < TRAIN else "test"
            pictures.writestr(f"{split}/{number:04d}.png", file.getvalue())


def train_on(folder):
    for model in ("dcgan", "vae", "context-encoder", "diffusion"):
        assert (
            main(
                [
                    "train",
                    "--model",
                    model,
                    "--data",
                    "folder",
                    "--root",
                    str(folder / "few" / "pictures.zip"),
                    "--steps",
                    "20",
                    "--batch-size",
                    "16",
                    "--base-channels",
                    "8" if model == "diffusion" else "4",
                    "--device",
                    "cpu",
                    "--out",
                    str(folder / model),
                ]
            )
            == 0
        )
    for suffix in (".json", ".safetensors"):
        shutil.copy(folder / "dcgan" / f"dcgan{suffix}", folder / f"second{suffix}")
    return folder


def choice(notebook):
    """The number of the cell that chooses, and the names that it sets."""
    for number, cell in code_cells(notebook):
        statements = ast.parse(cell.source).body
        names = {
            node.id
            for statement in statements
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        if {"DATA", "WEIGHTS"} <= names:
            assert all(isinstance(statement, ast.Assign) for statement in statements), (
                "the cell that chooses does something else as well"
            )
            return number, names - {"kind", "name"}
    raise AssertionError("no cell chooses pictures and weights")


def a_readers(own, names):
    """Values for these names: the reader's own pictures and weights, and stored results of as many
    pictures.
    """
    weights, vae, painter, denoiser = (
        str(own / model / f"{model}.safetensors")
        for model in ("dcgan", "vae", "context-encoder", "diffusion")
    )
    values = {
        "DATA": "folder",
        "ROOT": str(own / "pictures.zip"),
        "WEIGHTS": weights,
        "PHOTO_WEIGHTS": str(own / "second.safetensors"),
        "VAE_WEIGHTS": vae,
        "STORED": STORED,
        "ENCODER": painter,
        "DENOISER": denoiser,
        "TABLE": str(own / "table.json"),
        "TABLES": dict.fromkeys(("faces", "digits", "cars"), str(own / "table.json")),
    }
    assert names <= values.keys(), f"new names: {names - values.keys()}"
    return "\n".join(f"{name} = {values[name]!r}" for name in sorted(names))


def run_with(own, path):
    notebook = nbformat.read(path, as_version=4)
    shorten(notebook, path)
    number, names = choice(notebook)
    assert number <= 4, "the choice is not at the top"
    notebook.cells[number].source += "\n" + a_readers(own, names)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": path.parent}}).execute()


@pytest.fixture(scope="module")
def runs(own, request):
    """The notebooks asked for, run side by side on one thread each.

    These networks are too small for more.
    """
    wanted = [
        item.callspec.params["path"] for item in request.session.items if item.path == request.path
    ]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(os.cpu_count()) as pool:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield {path: pool.submit(run_with, own, path) for path in wanted}
        pool.shutdown(cancel_futures=True)


CHOOSING = [path for path in MAIN if "plane" not in path.stem]  # that world has no pictures


@pytest.mark.parametrize("path", CHOOSING, ids=lambda path: path.stem[:2])
def test_a_notebook_runs_with_other_pictures_and_weights(path, runs):
    runs[path].result()

"""The landmark network: its shapes, its training, and how far the shipped one is off on faces it
has not seen."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tutorial_lib import cli
from tutorial_lib.evaluation.reports import landmarks_report
from tutorial_lib.faces import LANDMARKS, fit_matrices
from tutorial_lib.models.landmarks import CROP_SIZE, LandmarkNetwork
from tutorial_lib.models.weights import (
    WEIGHTS_DIR,
    load_attributes,
    load_card,
    load_landmarks,
    save_network,
)
from tutorial_lib.training.landmarks import (
    FacePoints,
    LandmarksSettings,
    LandmarksTask,
    crops_for_training,
)
from tutorial_lib.training.loop import train

SIZE = (112, 100)


def drawn_face(rng):
    """A face of five dots of different colors, and where they are."""
    middle, size, turn = (
        rng.uniform(45, 55, 2),
        rng.uniform(0.9, 1.3),
        np.radians(rng.uniform(-15, 15)),
    )
    shape = np.array([[-13, -13], [13, -13], [0, 2], [-10, 13], [10, 13]]) * size
    points = (
        shape @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + middle
    )
    picture = Image.new("RGB", SIZE, tuple(rng.integers(60, 200, 3).tolist()))
    for (x, y), color in zip(points, ["black", "black", "red", "white", "white"], strict=True):
        ImageDraw.Draw(picture).ellipse([x - 4, y - 4, x + 4, y + 4], fill=color)
    return picture, points


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """An archive of 24 drawn faces to train on and 6 held out."""
    rng, lines = np.random.default_rng(0), ["file,eye1_x,...\n"]
    path = tmp_path_factory.mktemp("pack") / "dots.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(30):
            name = f"{'train' if number < 24 else 'test'}/{number:02d}.png"
            (picture, points), buffer = drawn_face(rng), io.BytesIO()
            picture.save(buffer, "PNG")
            archive.writestr(name, buffer.getvalue())
            lines.append(",".join([name, *(f"{value:.2f}" for value in points.flat)]) + "\n")
        archive.writestr("points.csv", "".join(lines))
    return path


# -- the network -----------------------------------------------------------------------------------


def test_heat_maps_are_probabilities_and_points_their_means():
    torch.manual_seed(0)
    network = LandmarkNetwork(4).eval().requires_grad_(False)
    crops = torch.rand(3, 3, 64, 64) * 2 - 1
    maps = network.heat_maps(crops)
    assert maps.shape == (3, len(LANDMARKS), 16, 16) and (maps >= 0).all()
    torch.testing.assert_close(maps.sum((2, 3)), torch.ones(3, 5))
    rows, columns = np.mgrid[:16, :16] * 4 + 1.5  # the middle of 4x4 pixels of the crop
    torch.testing.assert_close(network.read(crops)[1], maps.flatten(2).amax(2).mean(1))
    for point, values in zip(
        network(crops).flatten(0, 1).tolist(), maps.flatten(0, 1).numpy(), strict=True
    ):
        assert point == pytest.approx([(values * columns).sum(), (values * rows).sum()], abs=1e-3)


def test_other_sizes_are_refused():
    for shape in ((1, 3, 32, 32), (3, 64, 64), (1, 1, 64, 64)):
        with pytest.raises(ValueError, match="landmark network takes images of shape"):
            LandmarkNetwork(4)(torch.zeros(shape))


def test_weights_come_back_and_those_of_another_architecture_are_refused(tmp_path):
    torch.manual_seed(0)
    network = LandmarkNetwork(4).eval().requires_grad_(False)
    path = save_network(tmp_path / "mine", network, {"data": "dots"})
    crops = torch.rand(3, 3, 64, 64) * 2 - 1
    torch.testing.assert_close(
        load_landmarks(path, "cpu")(crops), network(crops), atol=0.05, rtol=0
    )
    with pytest.raises(ValueError, match="holds weights of kind landmarks"):
        load_attributes(path, "cpu")
    with pytest.raises(ValueError, match="not of landmarks"):
        load_landmarks("synthetic-faces-attributes", "cpu")
    card = load_card(path)
    card["architecture"]["base_channels"] = 6
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="another architecture"):
        load_landmarks(path, "cpu")


# -- its training ----------------------------------------------------------------------------------


def test_the_pack_s_points_stay_on_the_dots(pack):
    faces = FacePoints(pack, side=84)
    assert len(faces) == 24 and faces.name == "dots" and faces.pixels.shape == (24, 84, 84, 3)
    for pixels, points in zip(faces.pixels, faces.points.round().astype(int), strict=True):
        left, right, nose, _, corner = (pixels[y, x].astype(int) for x, y in points)
        assert (
            left.max() < 40 and right.max() < 40 and corner.min() > 215 and nose[0] > nose[1] + 150
        )


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_disturbed_crops_keep_their_points_on_the_dots(pack, seed):
    """The points go with the picture however that is turned, scaled and mirrored."""
    faces = FacePoints(pack, side=112)
    pictures, points = faces.batch(list(range(24)))
    crops, truth = crops_for_training(pictures, points, torch.Generator().manual_seed(seed))
    assert (
        crops.shape == (24, 3, CROP_SIZE, CROP_SIZE)
        and crops.abs().max() <= 1
        and truth.shape == (24, 5, 2)
    )
    assert truth.min() >= 0 and truth.max() <= CROP_SIZE - 1
    assert (truth[:, 0, 0] < truth[:, 1, 0]).all() and (truth[:, 3, 0] < truth[:, 4, 0]).all(), (
        "left is left"
    )
    found = truth.round().long()
    gray = torch.stack(
        [
            crop[:, y, x].mean(0)
            for crop, y, x in zip(crops, found[..., 1], found[..., 0], strict=True)
        ]
    )
    uncovered = np.arange(24) % 8 != 0
    assert (gray[uncovered, 3:].mean(1) > gray[uncovered, :2].mean(1) + 0.3).all(), (
        "eyes are dark, corners white"
    )
    again = crops_for_training(pictures, points, torch.Generator().manual_seed(seed))
    assert torch.equal(crops, again[0]) and torch.equal(truth, again[1])


def fit(steps, dataset, whole=40, **options):
    task = LandmarksTask(LandmarksSettings(whole, 8, learning_rate=5e-3), seed=2)
    return task, train(task, dataset, steps=steps, batch_size=12, seed=1, progress=False, **options)


def test_training_learns_and_a_resumed_run_ends_in_the_same_bits(pack, tmp_path):
    dataset = FacePoints(pack)
    task, log = fit(40, dataset)
    assert np.mean(log.values["loss"][-5:]) < 0.5 * np.mean(log.values["loss"][:3])
    assert task.preview().shape == (12, 3, 64, 64) and not task.finish().training
    fit(2, dataset, run_dir=tmp_path)
    resumed, again = fit(40, dataset, run_dir=tmp_path)
    assert log.values == again.values
    for key, value in task.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[key]), key


def test_a_task_without_steps_is_refused():
    with pytest.raises(ValueError, match="steps"):
        LandmarksTask(LandmarksSettings(0))


def test_archives_that_are_not_such_packs_say_so(pack, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such zip"):
        FacePoints(tmp_path / "none.zip")
    with pytest.raises(
        ValueError, match=r"dots\.zip cannot be read.*no picture of the valid split"
    ):
        FacePoints(pack, "valid")
    (tmp_path / "page.zip").write_text("<html>")
    with pytest.raises(ValueError, match=r"page\.zip cannot be read"):
        FacePoints(tmp_path / "page.zip")
    for name, table, said in (
        ("a", None, "holds no points.csv"),
        ("b", "file\ntrain/x.png,1,2\n", "3 columns"),
        ("c", "file\ntrain/x.png" + ",left" * 10, "could not convert"),
        ("d", "file\ntrain/x.png" + ",1" * 10, "x.png"),
    ):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("readme.txt", "")
            if table:
                archive.writestr("points.csv", table)
        with pytest.raises(ValueError, match=said):
            FacePoints(tmp_path / f"{name}.zip")


def test_the_report_counts_by_hand(pack):
    """A network that always says the same, measured with the cascade blind: each box is drawn."""

    class Fixed(torch.nn.Module):
        def read(self, crops):
            points = torch.tensor(
                [[[22.0, 22.0], [42.0, 22.0], [32.0, 32.0], [24.0, 42.0], [40.0, 42.0]]]
            )
            return points, torch.tensor([0.3])

    faces = FacePoints(pack, "test", side=112)
    report = landmarks_report(Fixed(), faces)
    assert report["all"]["pictures"] == 6 and report["detected"] == {
        "pictures": 0,
        "eye_error": None,
        "within_10": None,
    }
    assert 0 < report["all"]["eye_error"] < 100 and report == landmarks_report(Fixed(), faces)


def test_the_command_trains_resumes_and_exports(pack, tmp_path, capsys):
    threads = torch.get_num_threads()
    common = [
        "train",
        "--model",
        "landmarks",
        "--batch-size",
        "8",
        "--base-channels",
        "4",
        "--device",
        "cpu",
    ]
    try:
        assert (
            cli.main(
                [
                    *common,
                    "--steps",
                    "3",
                    "--data",
                    "folder",
                    "--root",
                    str(pack),
                    "--licence",
                    "none",
                    "--out",
                    str(tmp_path / "dots"),
                ]
            )
            == 0
        )
        capsys.readouterr()
        assert cli.main([*common, "--steps", "3", "--out", str(tmp_path / "other")]) == 1
        assert "points.csv" in capsys.readouterr().err and not (tmp_path / "other").exists()
    finally:
        torch.set_num_threads(threads)
    assert load_landmarks(tmp_path / "dots" / "dots.safetensors", "cpu").base_channels == 4
    card = json.loads((tmp_path / "dots" / "dots.json").read_text())
    assert card["held_out"]["all"]["pictures"] == 6 and card["training"]["precision"] == "float32"
    assert "--model landmarks" in card["command"] and "--root dots.zip" in card["command"]


# -- the shipped network ---------------------------------------------------------------------------


def test_the_shipped_network_is_small_and_its_card_is_what_faces_allow():
    """The points it was trained and is measured on are another detector's.

    On eleven portraits whose pupils were marked by hand these are 7 % off, the network 5 %: less
    than that is hard to show.
    """
    card = load_card("landmarks")
    assert card["bytes"] < 300_000
    assert (WEIGHTS_DIR / "landmarks.safetensors").stat().st_size == card["bytes"]
    detected = card["held_out"]["detected"]
    assert detected["eye_error"] < 5.5 and detected["within_10"] >= 0.95


def test_held_out_faces_are_read_as_the_card_says(shared_pack):
    """Every third one: half a minute for all."""
    faces = FacePoints(shared_pack("landmarks"), "test", side=112)
    card = load_card("landmarks")["held_out"]
    faces.pixels, faces.points = faces.pixels[::3], faces.points[::3]
    assert np.isfinite(fit_matrices(faces.points.astype(float))).all()
    report = landmarks_report(load_landmarks("landmarks", "cpu"), faces)
    for group in ("all", "detected"):
        assert report[group]["eye_error"] < card[group]["eye_error"] + 0.5, group
        assert report[group]["within_10"] > card[group]["within_10"] - 0.04, group

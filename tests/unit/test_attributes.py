"""What the classifiers are asked, how they learn it, and whether the shipped ones read pictures and
not their surroundings.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib import cli
from tutorial_lib.baselines import mean_fill
from tutorial_lib.datasets import load_dataset
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.datasets.rendered import cars as synthetic_cars
from tutorial_lib.datasets.rendered import faces as synthetic_faces
from tutorial_lib.datasets.rendered import numbers as synthetic_numbers
from tutorial_lib.datasets.rendered.base import SPLIT_START
from tutorial_lib.evaluation.reports import attributes_report
from tutorial_lib.images import to_float, to_uint8
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.masks import center_mask
from tutorial_lib.models.attributes import ATTRIBUTES, AttributeClassifier, heads_of, true_classes
from tutorial_lib.models.weights import load_attributes, load_card, load_gan, save_network
from tutorial_lib.training.attributes import (
    AttributesSettings,
    AttributesTask,
    LabeledPictures,
    disturbed,
)
from tutorial_lib.training.loop import train

SETS = list(ATTRIBUTES)
KINDS = {
    kind.name: kind
    for kind in (
        synthetic_faces.SyntheticFaces,
        synthetic_cars.SyntheticCars,
        synthetic_numbers.SyntheticNumbers,
    )
}
FACE, CAR = ATTRIBUTES["synthetic-faces"], ATTRIBUTES["synthetic-cars"]
HEADS = {"bright": ["no", "yes"], "side": ["left", "none", "right"]}


# -- what is asked --


@pytest.mark.parametrize("name", SETS)
def test_every_answer_occurs_and_most_pictures_are_clear(name):
    kind = KINDS[name]  # its attributes need no pictures
    held_out = SimpleNamespace(
        name=name, attributes=lambda index: kind.sample(0, SPLIT_START["test"] + index)
    )
    truths = true_classes(held_out, range(400))
    for attribute, classes in heads_of(name).items():
        counts = (truths[attribute] + 1).bincount(minlength=len(classes) + 1)
        assert len(counts) == len(classes) + 1 and counts[1:].min() >= 4, attribute
        assert counts[0] <= 0.45 * 400, attribute


@given(st.floats(0, 1), st.floats(-1, 1))
def test_values_near_a_threshold_are_unclear(smile, gaze):
    face = {"smile": smile, "gaze_x": gaze, "eye_open": smile}
    assert FACE["smile"].answer(face) == ("no" if smile < 0.4 else "yes" if smile > 0.6 else None)
    assert (FACE["wide eyes"].answer(face) is None) == (0.3 <= smile <= 0.7)
    assert FACE["gaze"].answer(face) in (
        {"ahead"}
        if abs(gaze) < 0.15
        else {None}
        if abs(gaze) < 0.4
        else {"left" if gaze < 0 else "right"}
    )


def dark_middle(pixels):
    """Column of the middle of what is dark in the eyes' place, for a bald face with light eyes that
    looks straight.
    """
    eyes = 255.0 - pixels[22:32, 16:31].mean(2)
    weight = np.clip(eyes - 150, 0, None)
    return (weight.sum(0) * np.arange(weight.shape[1])).sum() / weight.sum()


def test_left_is_the_picture_s_left():
    face = {
        **synthetic_faces.sample_attributes(0, 3),
        "glasses": "none",
        "skin": 0.1,
        "yaw": 0.0,
        "tilt": 0.0,
        "hair_style": "bald",
        "shift_x": 0.0,
        "shift_y": 0.0,
        "scale": 1.0,
        "brow_thickness": 0.0,
        "lashes": 0.0,
    }
    middles = {
        FACE["gaze"].answer(face | {"gaze_x": x}): dark_middle(
            synthetic_faces.draw(face | {"gaze_x": x})
        )
        for x in (-0.9, 0.0, 0.9)
    }
    assert middles["left"] < middles["ahead"] - 0.4 < middles["right"] - 0.8


@pytest.mark.parametrize(
    "paint, channel", [("red", 0), ("maroon", 0), ("blue", 2), ("navy", 2), ("green", 1)]
)
def test_the_colors_are_those_of_the_pixels(paint, channel):
    car = synthetic_cars.sample_attributes(0, 1) | {"color": paint, "view": "left", "warmth": 0.0}
    body = synthetic_cars.draw(car)[36:42, 22:42].reshape(-1, 3).mean(0)
    assert body.argmax() == channel and {0: "red", 1: "green", 2: "blue"}[channel] == CAR[
        "color"
    ].answer(car)


def test_a_sedan_from_the_front_is_unclear():
    car = synthetic_cars.sample_attributes(0, 1) | {"style": "sedan"}
    assert CAR["style"].answer(car | {"view": "front"}) is None
    assert CAR["style"].class_of(car | {"view": "rear"}) == -1
    assert CAR["style"].answer(car | {"view": "front left"}) == "sedan"


def test_only_rendered_pictures_have_attributes():
    for ask in (
        heads_of,
        lambda name: true_classes(ArrayImages(np.zeros((1, 64, 64, 3), np.uint8), name), [0]),
    ):
        with pytest.raises(ValueError, match="'holiday' are not known: only rendered sets"):
            ask("holiday")


# -- the network and its training --


class Patches(ArrayImages):
    """Bright or dark pictures with a patch at the left, the right or nowhere.

    Some truths are declared unclear.
    """

    def __init__(self, count=96):
        rng = torch.Generator().manual_seed(0)
        bright, side = (
            torch.randint(0, 2, (count,), generator=rng),
            torch.randint(0, 3, (count,), generator=rng),
        )
        pictures = (bright[:, None, None, None] * 0.8 - 0.4).expand(-1, 3, 64, 64).clone()
        for picture, place in zip(pictures, side.tolist(), strict=True):
            if place != 1:
                picture[:, 24:40, 8 + 16 * place : 24 + 16 * place] = 0.0
        super().__init__(to_uint8(pictures), "patches")
        self.labels = {
            "bright": torch.where(torch.rand(count, generator=rng) < 0.2, -1, bright),
            "side": side,
        }
        self.truth = {"bright": bright, "side": side}

    def batch(self, indices):
        return self.images(indices), {
            attribute: labels[indices] for attribute, labels in self.labels.items()
        }


def fit(steps, dataset, whole=60, **options):
    task = AttributesTask(AttributesSettings(whole, 4), HEADS, seed=2)
    return task, train(task, dataset, steps=steps, batch_size=16, seed=1, progress=False, **options)


def test_training_learns_what_it_is_told_and_a_resumed_run_ends_in_the_same_bits(tmp_path):
    dataset = Patches()
    task, log = fit(60, dataset)
    report = attributes_report(task.finish(), dataset.images(slice(None)), dataset.truth)
    assert (
        report["attributes"]["bright"]["accuracy"] > 0.97
        and report["attributes"]["side"]["accuracy"] > 0.97
    )
    assert np.mean(log.values["loss"][-10:]) < 0.5 * np.mean(log.values["loss"][:5])
    fit(20, dataset, run_dir=tmp_path)
    resumed, again = fit(60, dataset, run_dir=tmp_path)
    assert log.values == again.values
    for key, value in task.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[key]), key


def test_the_loss_is_the_plain_cross_entropy_of_the_clear_pictures():
    dataset = Patches()
    task = AttributesTask(AttributesSettings(10, 4), HEADS, seed=0)
    images, labels = dataset.batch(list(range(12)))
    labels["bright"][:5] = -1
    reference = AttributesTask(AttributesSettings(10, 4), HEADS, seed=0).network
    logits = reference(disturbed(images, torch.Generator().manual_seed(4)))
    wanted, right = 0.0, []
    for attribute, rows in logits.items():
        clear = [k for k in range(12) if labels[attribute][k] >= 0]
        wanted += sum(-F.log_softmax(rows[k], 0)[labels[attribute][k]].item() for k in clear) / len(
            clear
        )
        right.append(
            np.mean([rows[k].argmax().item() == labels[attribute][k].item() for k in clear])
        )
    values = task.step((images, labels), torch.Generator().manual_seed(4), 5)
    assert values["loss"].item() == pytest.approx(wanted, rel=1e-4)
    assert values["accuracy"].item() == pytest.approx(np.mean(right), abs=1e-6)
    assert task.optimizers["network"].param_groups[0]["lr"] == pytest.approx(
        0.5 * task.settings.learning_rate
    )
    assert task.preview().shape == (12, 3, 64, 64)


def test_a_batch_in_which_nothing_is_clear_leaves_the_weights_finite():
    task = AttributesTask(AttributesSettings(10, 4), HEADS)
    images, labels = Patches().batch([0, 1, 2])
    values = task.step(
        (images, {attribute: torch.full_like(truth, -1) for attribute, truth in labels.items()}),
        torch.Generator().manual_seed(0),
        0,
    )
    assert values["loss"] == 0 and all(torch.isfinite(p).all() for p in task.network.parameters())


@given(st.integers(0, 10_000), st.integers(1, 9))
@settings(max_examples=20)
def test_disturbance_is_small_in_range_and_drawn_from_its_generator(seed, count):
    images = (
        torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        .repeat_interleave(8, 2)
        .repeat_interleave(8, 3)
        - 0.5
    )
    before = images.clone()
    first, again = (disturbed(images, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(images, before) and torch.equal(first, again) and first.shape == images.shape
    assert first.abs().max() <= 1 and not torch.equal(
        first, disturbed(images, torch.Generator().manual_seed(seed + 1))
    )
    flat = torch.full((count, 3, 64, 64), 0.3)
    # 0.1 in a hole, times a contrast of 1.15; 0.15 of brightness; noise, five deviations of it
    assert (
        disturbed(flat, torch.Generator().manual_seed(seed)) - flat
    ).abs().max() <= 0.115 + 0.15 + 0.2


def test_labels_go_with_their_pictures():
    dataset = load_dataset("synthetic-numbers", split="test", limit=30)
    labeled = LabeledPictures(dataset)
    images, labels = labeled.batch([7, 3, 20])
    assert (
        torch.equal(images, dataset.images([7, 3, 20]))
        and len(labeled) == 30
        and labeled.name == dataset.name
    )
    assert labels["digit"].tolist() == [dataset.attributes(index)["digit"] for index in (7, 3, 20)]


def test_predictions_are_the_largest_logits_and_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    network = AttributeClassifier(HEADS, 4).eval()
    images = torch.rand(7, 3, 64, 64) * 2 - 1
    guesses = network.predict(images, batch_size=3)
    for attribute, logits in network(images).items():
        assert logits.shape == (7, len(HEADS[attribute]))
        assert [row.index(max(row)) for row in logits.tolist()] == guesses[attribute].tolist()
    with pytest.raises(ValueError, match="64, 64"):
        network(torch.zeros(1, 3, 32, 32))
    for wrong in ({}, {"alone": ["one"]}):
        with pytest.raises(ValueError, match="two classes"):
            AttributeClassifier(wrong)
    with pytest.raises(ValueError, match="steps"):
        AttributesTask(AttributesSettings(0), HEADS)


def test_the_report_counts_by_hand():
    class Fixed:
        def predict(self, images, batch_size):
            return {
                "side": torch.tensor([0, 1, 2, 2, 0]),
                "bright": torch.zeros(5, dtype=torch.int64),
            }

    truths = {"side": torch.tensor([0, 1, 1, -1, 1]), "bright": torch.full((5,), -1)}
    assert attributes_report(Fixed(), torch.zeros(5, 3, 64, 64), truths) == {
        "pictures": 5,
        "attributes": {
            "side": {"clear": 4, "accuracy": 0.5, "commonest": 0.75},
            "bright": {"clear": 0, "accuracy": None, "commonest": None},
        },
    }


def test_weights_come_back_with_their_attributes(tmp_path):
    torch.manual_seed(0)
    network = AttributeClassifier(HEADS, 4).eval()
    path = save_network(tmp_path / "mine", network, {"data": "patches"})
    loaded = load_attributes(path, "cpu")
    images = torch.rand(3, 3, 64, 64) * 2 - 1
    for attribute, logits in loaded(images).items():
        torch.testing.assert_close(logits, network(images)[attribute], atol=5e-3, rtol=0)
    assert loaded.heads == HEADS and not loaded.training and load_card(path)["kind"] == "attributes"
    with pytest.raises(ValueError, match="holds weights of kind attributes"):
        load_gan(path, "cpu")


def test_the_command_trains_a_classifier_for_rendered_pictures_only(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tutorial_lib.cli.train.REPORT_PICTURES", 12)
    threads = torch.get_num_threads()
    common = [
        "train",
        "--model",
        "attributes",
        "--steps",
        "2",
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
                    "--data",
                    "synthetic-numbers",
                    "--limit",
                    "24",
                    "--out",
                    str(tmp_path / "n"),
                ]
            )
            == 0
        )
        capsys.readouterr()
        assert (
            cli.main(
                [*common, "--data", "folder", "--root", str(tmp_path), "--out", str(tmp_path / "f")]
            )
            == 1
        )
        assert "only rendered sets" in capsys.readouterr().err and not Path(tmp_path / "f").exists()
        assert (
            cli.main(
                [
                    *common,
                    "--adversarial",
                    "1",
                    "--limit",
                    "24",
                    "--data",
                    "synthetic-numbers",
                    "--out",
                    str(tmp_path / "a"),
                ]
            )
            == 1
        )
        assert "--adversarial" in capsys.readouterr().err
    finally:
        torch.set_num_threads(threads)
    assert load_attributes(tmp_path / "n" / "n.safetensors", "cpu").heads == heads_of(
        "synthetic-numbers"
    )
    card = json.loads((tmp_path / "n" / "n.json").read_text())
    assert (
        card["held_out"]["pictures"] == 12
        and card["held_out"]["attributes"]["digit"]["clear"] == 12
    )
    assert card["training"]["steps"] == 2 and "--model attributes" in card["command"]


# -- the shipped classifiers --


@pytest.fixture(scope="module", params=SETS)
def shipped(request):
    """Name, classifier, 192 held-out images of another seed than the card's, what they show."""
    dataset = load_dataset(request.param, split="test", limit=192)
    return (
        request.param,
        load_attributes(f"{request.param}-attributes", "cpu"),
        dataset.images(slice(None)),
        true_classes(dataset, range(192)),
    )


def shares(classifier, images, truths):
    return {
        attribute: row["accuracy"]
        for attribute, row in attributes_report(classifier, images, truths)["attributes"].items()
    }


@pytest.mark.slow
def test_shipped_classifiers_are_as_good_as_their_cards_say(shipped):
    name, classifier, images, truths = shipped
    card = load_card(f"{name}-attributes")
    assert classifier.heads == heads_of(name) and card["training"]["steps"] >= 1000
    for attribute, share in shares(classifier, images, truths).items():
        stated = card["held_out"]["attributes"][attribute]["accuracy"]
        count = (truths[attribute] >= 0).sum().item()
        assert stated > 0.93
        assert share > stated - 0.02 - 3 * np.sqrt(stated * (1 - stated) / count), attribute


@pytest.mark.slow
def test_shipped_classifiers_read_holes_that_are_a_little_soft(shipped):
    """As completions are: the hole blurred and off in color, then blended."""
    _, classifier, images, truths = shipped
    wrong = F.avg_pool2d(images, 3, 1, 1, count_include_pad=False) * 0.95 + 0.05
    soft = poisson_blend(wrong, images, center_mask()).clamp(-1, 1)
    for attribute, share in shares(classifier, soft, truths).items():
        assert share > shares(classifier, images, truths)[attribute] - 0.1, attribute


def test_what_is_covered_is_lost():
    dataset = load_dataset("synthetic-faces", split="test", limit=192)
    truths, classifier = (
        true_classes(dataset, range(192)),
        load_attributes("synthetic-faces-attributes", "cpu"),
    )
    report = attributes_report(
        classifier, mean_fill(dataset.images(slice(None)), center_mask()), truths
    )["attributes"]
    for attribute in ("gaze", "smile", "wide eyes"):
        assert report[attribute]["accuracy"] < report[attribute]["commonest"] + 0.12, attribute


def test_a_mirrored_face_looks_the_other_way_and_a_mirrored_car_shows_its_other_side():
    """The labels' left and right against a mirror, which knows nothing of them."""
    for name, attribute, left, right in (
        ("synthetic-faces", "gaze", "left", "right"),
        ("synthetic-cars", "view", "front left", "front right"),
    ):
        classifier, images = (
            load_attributes(f"{name}-attributes", "cpu"),
            load_dataset(name, split="test", limit=192).images(slice(None)),
        )
        seen, mirrored = (
            classifier.predict(pictures)[attribute] for pictures in (images, images.flip(3))
        )
        left, right = (classifier.heads[attribute].index(side) for side in (left, right))
        for one, other in ((left, right), (right, left)):
            assert (mirrored[seen == one] == other).float().mean() > 0.85


def test_shipped_classifiers_follow_what_is_painted():
    """One face, painted again with one attribute changed.

    The answer to that changes, as it is asked.
    """
    classifier = load_attributes("synthetic-faces-attributes", "cpu")
    for attribute, change, answer in (
        ("gaze", {"gaze_x": -0.8}, "left"),
        ("gaze", {"gaze_x": 0.8}, "right"),
        ("glasses", {"glasses": "square"}, "yes"),
        ("smile", {"smile": 0.9, "teeth": 1.0}, "yes"),
        ("smile", {"smile": 0.1, "teeth": 0.0}, "no"),
        ("beard", {"beard": "full"}, "yes"),
        ("beard", {"beard": "none"}, "no"),
    ):
        painted = np.stack(
            [
                synthetic_faces.draw(synthetic_faces.sample_attributes(5, index) | change)
                for index in range(24)
            ]
        )
        guesses = classifier.predict(to_float(painted))[attribute]
        assert (guesses == classifier.heads[attribute].index(answer)).float().mean() > 0.87, (
            attribute,
            answer,
        )

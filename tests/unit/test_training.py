"""The loop: resume is bit-equal, Ctrl-C and NaN lose nothing, and a step is Eq. 1."""

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.models.latent_model import sample_uniform
from tutorial_lib.models.vae import VAE, vae_latent_model
from tutorial_lib.models.weights import load_gan, save_gan
from tutorial_lib.training.checkpoint import CHECKPOINT
from tutorial_lib.training.gan import LOSSES, GANSettings, GANTask, adversarial_losses
from tutorial_lib.training.loop import TrainingDiverged, train

TINY = {"base_channels": 2}
MODERN = GANSettings(
    **TINY,
    norm="spectral",
    augment=("color", "translation", "cutout"),
    ema=0.9,
    r1=1.0,
    r1_every=2,
    junk=0.25,
)
RECIPES = {"paper": GANSettings(**TINY), "modern": MODERN}


@pytest.fixture
def pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    return ArrayImages(pixels, "noise")


def run(pictures, steps, settings=RECIPES["paper"], **options):
    task = GANTask(settings, seed=3)
    return task, train(task, pictures, steps=steps, batch_size=8, seed=5, progress=False, **options)


def weights(task):
    return {
        f"{name}.{key}": value
        for name, module in task.modules.items()
        for key, value in module.state_dict().items()
    }


def assert_same_bits(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert torch.equal(a[key], b[key]), key


@pytest.mark.parametrize("recipe", RECIPES)
def test_resumed_run_ends_in_the_same_bits(pictures, tmp_path, recipe):
    whole, log = run(pictures, 7, RECIPES[recipe])
    run(pictures, 3, RECIPES[recipe], run_dir=tmp_path)
    resumed, resumed_log = run(pictures, 7, RECIPES[recipe], run_dir=tmp_path)
    assert_same_bits(weights(whole), weights(resumed))
    assert log.values == resumed_log.values and log.steps == resumed_log.steps == 7
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss_d"]) for row in rows] == log.values["loss_d"]


def test_ctrl_c_finishes_the_step_and_resumes_to_the_same_bits(pictures, tmp_path):
    whole, _ = run(pictures, 5)
    task = GANTask(RECIPES["paper"], seed=3)
    step = task.step

    def interrupted_step(images, rng, number):
        if number == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(images, rng, number)

    task.step = interrupted_step
    log = train(task, pictures, steps=5, batch_size=8, seed=5, run_dir=tmp_path, progress=False)
    assert log.interrupted and log.steps == 3
    resumed, log = run(pictures, 5, run_dir=tmp_path)
    assert not log.interrupted
    assert_same_bits(weights(whole), weights(resumed))


def test_a_time_limit_ends_the_run_with_a_checkpoint_and_it_can_go_on(pictures, tmp_path):
    whole, _ = run(pictures, 4)
    _, log = run(pictures, 4, run_dir=tmp_path, minutes=0)
    assert log.steps == 0 and not log.interrupted
    _, log = run(pictures, 2, run_dir=tmp_path, minutes=60)
    assert log.steps == 2
    resumed, log = run(pictures, 4, run_dir=tmp_path)
    assert log.steps == 4
    assert_same_bits(weights(whole), weights(resumed))


@pytest.mark.parametrize(("norm", "gain"), [("spectral", 1.0), ("spectral", 8.0), ("none", 1.0)])
def test_a_run_can_begin_with_trained_weights(pictures, tmp_path, norm, gain):
    settings = GANSettings(**TINY, norm=norm, gain=gain)
    trained, _ = run(pictures, 3, settings)
    model = load_gan(save_gan(tmp_path / "trained.safetensors", trained.finish(), {}), "cpu")
    task = GANTask(settings, seed=9)
    task.start_from(model)
    images = pictures.images(slice(None))
    z = sample_uniform(4, torch.Generator().manual_seed(1))
    torch.testing.assert_close(task.final_generator()(z), model.generator(z), atol=0.02, rtol=0)
    torch.testing.assert_close(
        task.discriminator(images), model.discriminator(images), atol=1e-3, rtol=0.02
    )
    train(task, pictures, steps=1, batch_size=8, progress=False)
    assert model.generator(z).isfinite().all()  # and the model is not changed by it


def test_weights_of_other_sizes_are_no_beginning(pictures):
    model = GANTask(GANSettings(base_channels=3, norm="spectral")).finish()
    with pytest.raises(ValueError, match="other sizes"):
        GANTask(GANSettings(**TINY, norm="spectral")).start_from(model)
    with pytest.raises(ValueError, match="batch norm"):
        GANTask(GANSettings(**TINY)).start_from(model)
    with pytest.raises(ValueError, match="without D"):
        GANTask(GANSettings(**TINY, norm="none")).start_from(vae_latent_model(VAE(2)))


@pytest.mark.parametrize("norm", ["spectral", "none", "batch"])
def test_a_d_with_batch_norm_is_no_beginning_and_nothing_is_copied(norm):
    model = GANTask(GANSettings(**TINY), seed=1).finish()
    task = GANTask(GANSettings(**TINY, norm=norm), seed=2)
    before = {key: value.clone() for key, value in weights(task).items()}
    with pytest.raises(ValueError, match=r"has batch norm.*trained with norm 'spectral'"):
        task.start_from(model)
    assert_same_bits(before, weights(task))


@pytest.mark.parametrize(
    ("trained", "gain", "said"),
    [
        (GANSettings(**TINY, norm="none"), 1.0, "spectral norm would make another D"),
        (GANSettings(**TINY, norm="none"), 8.0, "take norm 'none'"),
        (GANSettings(**TINY, norm="spectral", gain=8.0), 1.0, r"8\.00.* give it as the gain"),
    ],
)
def test_weights_that_spectral_norm_would_rescale_are_no_beginning(trained, gain, said):
    model = GANTask(trained, seed=1).finish()
    task = GANTask(GANSettings(**TINY, norm="spectral", gain=gain), seed=2)
    before = {key: value.clone() for key, value in weights(task).items()}
    with pytest.raises(ValueError, match=said):
        task.start_from(model)
    assert_same_bits(before, weights(task))


@pytest.mark.parametrize(("norm", "gain"), [("spectral", 8.0), ("none", 1.0)])
def test_spectral_weights_can_begin_with_a_gain_or_without_norm(norm, gain):
    """The shipped portraits were trained so: first without a gain, then with 8."""
    model = GANTask(GANSettings(**TINY, norm="spectral"), seed=1).finish()
    task = GANTask(GANSettings(**TINY, norm=norm, gain=gain), seed=2)
    task.start_from(model)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():  # the biases are still 0
        ratio = task.discriminator.eval()(images) / model.discriminator(images)
    torch.testing.assert_close(ratio, torch.full((4,), gain), rtol=0.2, atol=0)


def test_d_moves_as_many_times_faster_as_asked(pictures):
    slow, fast = (
        GANTask(GANSettings(**TINY, norm="none", discriminator_rate=rate), seed=3)
        for rate in (1.0, 4.0)
    )
    for task in (slow, fast):
        before = {key: value.clone() for key, value in weights(task).items()}
        train(task, pictures, steps=1, batch_size=8, progress=False)
        task.moved = {
            key: (value - before[key]).abs().max()
            for key, value in weights(task).items()
            if key.endswith("weight")
        }
    key = "discriminator.layers.to_32x32.weight"
    assert fast.moved[key] / slow.moved[key] == pytest.approx(
        4, rel=0.01
    )  # Adam's first step is the rate, whatever the gradient


@pytest.mark.parametrize("kind", LOSSES)
def test_adversarial_losses_pull_d_and_g_apart(kind):
    real, fake = (
        torch.randn(6, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        for seed in (0, 1)
    )
    of_d = torch.autograd.grad(adversarial_losses(kind, real, fake)[0], (real, fake))
    (of_g,) = torch.autograd.grad(adversarial_losses(kind, real.detach(), fake)[1], fake)
    assert (of_d[0] <= 0).all() and (of_d[1] >= 0).all() and (of_g <= 0).all() and (of_g < 0).any()


def test_losses_equal_their_formulas():
    real, fake = torch.tensor([0.3, -2.0]), torch.tensor([1.5, -0.2])
    p, q = real.sigmoid(), fake.sigmoid()
    ours = adversarial_losses("non-saturating", real, fake)
    torch.testing.assert_close(ours[0], -(p.log() + (1 - q).log()).mean())  # Eq. 1
    torch.testing.assert_close(ours[1], -q.log().mean())
    torch.testing.assert_close(
        adversarial_losses("relativistic", real, fake)[0], -(real - fake).sigmoid().log().mean()
    )
    torch.testing.assert_close(
        adversarial_losses("hinge", real, fake)[0], torch.tensor((0.7 + 3.0 + 2.5 + 0.8) / 2)
    )
    with pytest.raises(ValueError, match="hinge"):
        adversarial_losses("wasserstein", real, fake)


def test_nan_stops_and_keeps_the_last_good_checkpoint(pictures, tmp_path):
    good, _ = run(pictures, 2, run_dir=tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    task = GANTask(RECIPES["paper"], seed=3)
    step = task.step
    task.step = lambda images, rng, number: step(images * float("nan"), rng, number)
    with pytest.raises(TrainingDiverged, match="checkpoint"):
        train(task, pictures, steps=4, batch_size=8, seed=5, run_dir=tmp_path, progress=False)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    resumed, _ = run(pictures, 2, run_dir=tmp_path)
    assert_same_bits(weights(good), weights(resumed))


def test_a_checkpoint_of_other_settings_is_refused(pictures, tmp_path):
    run(pictures, 1, run_dir=tmp_path)
    with pytest.raises(ValueError, match=r"made with .*ema 0\.0 \(now 0\.9\)"):
        run(pictures, 2, MODERN, run_dir=tmp_path)


def test_a_checkpoint_of_other_files_is_refused(pictures, tmp_path):
    pictures.identity = "one"
    run(pictures, 1, run_dir=tmp_path)
    pictures.identity = "another"
    with pytest.raises(ValueError, match="made with other files"):
        run(pictures, 2, run_dir=tmp_path)


@pytest.mark.parametrize("before", [None, "one"])
@pytest.mark.parametrize("now", [None, "one", "another"])
def test_a_checkpoint_that_began_with_other_weights_is_refused(pictures, tmp_path, before, now):
    for steps, start in enumerate((before, now), start=1):
        task = GANTask(RECIPES["paper"], seed=3)
        task.started_from = start
        if steps == 1 or before == now:
            train(task, pictures, steps=steps, run_dir=tmp_path, progress=False)
            continue
        said = rf"made with start_from {before!r} \(now {now!r}\)"
        with pytest.raises(ValueError, match=said):
            train(task, pictures, steps=steps, run_dir=tmp_path, progress=False)
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored.get("start_from") == before, "a run without has no such key, as of old"


def test_a_checkpoint_of_other_repetitions_is_refused(pictures, tmp_path):
    pictures.repeat = ("a*", 3)
    run(pictures, 1, run_dir=tmp_path)
    run(pictures, 2, run_dir=tmp_path)
    for other in (("b*", 3), ("a*", 2), None):
        pictures.repeat = other
        with pytest.raises(ValueError, match=r"made with repeat \['a\*', 3\] \(now "):
            run(pictures, 3, run_dir=tmp_path)


@pytest.mark.parametrize("length", [0, 5000])
def test_a_damaged_checkpoint_is_named(pictures, tmp_path, length):
    run(pictures, 1, run_dir=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(
        ValueError, match=r"checkpoint\.safetensors is damaged.*remove it to begin anew"
    ):
        run(pictures, 2, run_dir=tmp_path)


@trying(max_examples=20, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("run")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    run(ArrayImages(pixels, "noise"), 1, run_dir=folder)
    content = bytearray((folder / CHECKPOINT).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (folder / CHECKPOINT).write_bytes(content)
    with pytest.raises(ValueError, match="checkpoint"):
        run(ArrayImages(pixels, "noise"), 2, run_dir=folder)


def test_an_interrupted_save_leaves_the_old_checkpoint(pictures, tmp_path, monkeypatch):
    run(pictures, 1, run_dir=tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("tutorial_lib.cache.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        run(pictures, 2, run_dir=tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


class Board:
    """Stands in for TensorBoard's SummaryWriter and keeps what it is told."""

    def __init__(self, folder, purge_step):
        self.folder, self.purge_step, self.scalars, self.open = folder, purge_step, [], True
        Board.last = self

    def add_scalar(self, name, value, step):
        self.scalars.append((name, value, step))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open = False


def test_the_run_folder_holds_configuration_and_a_log_for_tensorboard(
    pictures, tmp_path, monkeypatch
):
    monkeypatch.setitem(
        sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Board)
    )
    run(pictures, 2, run_dir=tmp_path)
    _, log = run(pictures, 3, run_dir=tmp_path)
    assert (Board.last.folder, Board.last.purge_step, Board.last.open) == (str(tmp_path), 3, False)
    assert sorted(Board.last.scalars) == sorted(
        (name, values[2], 3) for name, values in log.values.items()
    )
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["settings"]["base_channels"] == 2 and (
        config["batch_size"],
        config["seed"],
        config["data"],
    ) == (8, 5, "noise")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no fork and no SIGKILL")
def test_killed_twenty_times_a_run_ends_in_the_bits_of_one_that_never_was(tmp_path):
    """tests/killed.py forks a training, kills it at a random moment, and does so again.

    With SIGKILL nothing can be tidied up.
    """
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "killed.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    killed, resumed = map(int, re.findall(r"(\d+) times", done.stdout))
    assert killed == 20 and resumed >= 10
    a, b = (load_file(tmp_path / kind / CHECKPOINT) for kind in ("killed", "whole"))
    assert_same_bits(a, b)
    left, whole = (
        {path.name for path in (tmp_path / kind).iterdir() if "tfevents" not in path.name}
        for kind in ("killed", "whole")
    )
    assert left == whole


COMMAND = [sys.executable, "-m", "tutorial_lib", "train", "--data", "synthetic-numbers"]
COMMAND += ["--limit", "16", "--batch-size", "4", "--base-channels", "2"]
COMMAND += ["--precision", "float32", "--device", "cpu"]


@pytest.fixture
def at_work(tmp_path):
    """A real `train` that is some steps on its way into tmp_path / "run", and its environment."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "TUTORIAL_CACHE": str(tmp_path / "cache"),
    }
    process = subprocess.Popen(
        [*COMMAND, "--steps", "1000000", "--out", str(tmp_path / "run")],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
    )
    try:
        for line in iter(lambda: process.stderr.read(200), b""):
            if b"loss_d" in line:  # the progress bar: at least one step is done
                break
        yield process, environment
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_sigterm_ends_a_run_with_a_checkpoint_and_status_143(tmp_path, at_work):
    process, _ = at_work
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 143 and "the same command goes on from there" in said
    with safe_open(tmp_path / "run" / CHECKPOINT, framework="pt") as file:
        steps = int(file.metadata()["steps"])
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        assert steps == len(list(csv.DictReader(file))) >= 1
    assert not list((tmp_path / "run").glob("*.partial"))


@pytest.mark.slow
def test_two_runs_into_one_folder_the_second_is_sent_away(tmp_path, at_work):
    process, environment = at_work
    second = subprocess.run(
        [*COMMAND, "--steps", "3", "--out", str(tmp_path / "run")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert second.returncode == 1 and process.poll() is None
    said = second.stderr.splitlines()[-1]
    assert "another process is training into" in said and "choose another folder" in said


def test_a_second_signal_ends_a_run_at_once(pictures):
    task = GANTask(RECIPES["paper"], seed=3)
    step = task.step

    def twice(images, rng, number):
        for _ in range(2 * (number == 1)):
            os.kill(os.getpid(), signal.SIGINT)
        return step(images, rng, number)

    task.step = twice
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        train(task, pictures, steps=5, batch_size=8, progress=False)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_what_a_killed_run_left_half_written_is_removed_by_the_next(pictures, tmp_path):
    left = tmp_path / f".{CHECKPOINT}.{'0' * 32}.partial"
    left.write_bytes(b"half")
    run(pictures, 1, run_dir=tmp_path)
    assert not left.exists()


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"loss": "wasserstein"}, "loss must be one of non-saturating, hinge"),
        ({"gain": 8.0}, "gain is for a D with spectral norm, not 'batch'"),
        ({"gain": 0.0, "norm": "spectral"}, "gain must be positive"),
        ({"norm": "layer"}, "norm must be one of batch, spectral, none, got 'layer'"),
        ({"precision": "float64"}, "precision must be one of"),
        ({"base_channels": 0}, "base_channels must be positive, got 0"),
        ({"discriminator_channels": -1}, "discriminator_channels must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive"),
        ({"junk": 1.5}, "junk must be from 0 to 1, got 1.5"),
        ({"r1": -1.0}, "r1 must not be negative"),
        ({"augment": ("blur",)}, "unknown augmentation 'blur'"),
        ({"precision": "float16"}, "precision must be one of"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        GANSettings(**changes)


def test_empty_set_is_refused():
    with pytest.raises(ValueError, match="no images"):
        run(ArrayImages(np.empty((0, 64, 64, 3), np.uint8), "empty"), 1)


def test_previews_come_at_the_promised_steps(pictures):
    seen = []
    run(
        pictures,
        5,
        on_preview=lambda step, images: seen.append((step, images.shape)),
        preview_every=2,
    )
    assert [step for step, _ in seen] == [0, 2, 4, 5]
    assert all(shape == (64, 3, 64, 64) for _, shape in seen)


def test_every_epoch_shows_every_picture_once(pictures):
    shown = []
    pictures.images = lambda indices: shown.extend(indices) or ArrayImages.images(pictures, indices)
    run(pictures, 5)  # 5 steps of 8 are two epochs of 20
    assert sorted(shown[:20]) == sorted(shown[20:]) == list(range(20))


def test_one_step_is_equation_1_written_out(pictures):
    """The paper's recipe against both losses written plainly, updated by torch's own Adam."""
    settings = GANSettings(**TINY, flips=False)
    task, reference = GANTask(settings, seed=1), GANTask(settings, seed=1)
    images = pictures.images(list(range(8)))
    task.step(images, torch.Generator().manual_seed(2), 0)

    g, d = reference.generator, reference.discriminator
    z = sample_uniform(8, torch.Generator().manual_seed(2))
    fake = g(z)
    ones, zeros = torch.ones(8), torch.zeros(8)
    loss = F.binary_cross_entropy(d(images).sigmoid(), ones) + F.binary_cross_entropy(
        d(fake.detach()).sigmoid(), zeros
    )
    loss.backward()
    torch.optim.Adam(d.parameters(), 2e-4, (0.5, 0.999)).step()
    g.zero_grad()
    F.binary_cross_entropy(d(fake).sigmoid(), ones).backward()
    torch.optim.Adam(g.parameters(), 2e-4, (0.5, 0.999)).step()
    for name in ("generator", "discriminator"):
        for ours, theirs in zip(
            task.modules[name].parameters(), reference.modules[name].parameters(), strict=True
        ):
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_average_follows_its_formula(pictures):
    task = GANTask(GANSettings(**TINY, ema=0.75), seed=0)
    start = [p.clone() for p in task.generator.parameters()]
    task.step(pictures.images(list(range(8))), torch.Generator().manual_seed(0), 0)
    for slow, first, fast in zip(
        task.average.parameters(), start, task.generator.parameters(), strict=True
    ):
        torch.testing.assert_close(slow, 0.75 * first + 0.25 * fast)


def test_final_generator_has_statistics_of_its_own_activations(pictures):
    task, _ = run(pictures, 3, GANSettings(**TINY, ema=0.5))
    final = task.final_generator()
    inputs = []
    norm = final.layers.norm_4x4
    norm.register_forward_hook(lambda module, given, out: inputs.append(given[0]))
    with torch.no_grad():
        final(sample_uniform(4000, torch.Generator().manual_seed(1)))
    torch.testing.assert_close(norm.running_mean, inputs[0].mean((0, 2, 3)), atol=0.02, rtol=0.05)
    torch.testing.assert_close(norm.running_var, inputs[0].var((0, 2, 3)), atol=0.02, rtol=0.1)


def test_training_leaves_torchs_global_generator_alone(pictures):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    run(pictures, 1)
    assert torch.equal(torch.rand(3), expected)


def test_r1_penalty_is_the_squared_slope():
    task = GANTask(GANSettings(**TINY, norm="none", r1=1.0), seed=0)
    task.discriminator = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(12, 1), torch.nn.Flatten(0)
    )
    weight = task.discriminator[1].weight
    penalty = task._r1_penalty(torch.rand(5, 3, 2, 2))
    assert penalty.item() == pytest.approx(weight.square().sum().item(), rel=1e-5)


def test_weights_that_are_not_finite_are_never_stored(pictures, tmp_path):
    """The losses of a step are computed before its update."""

    class Broken(GANTask):
        def step(self, images, rng, number):
            values = super().step(images, rng, number)
            if number == 2:
                with torch.no_grad():
                    next(self.generator.parameters()).fill_(math.nan)
            return values

    options = {"batch_size": 4, "run_dir": tmp_path, "checkpoint_every": 1, "progress": False}
    with pytest.raises(TrainingDiverged, match="after step 3 a weight of the generator"):
        train(Broken(GANSettings(**TINY)), pictures, steps=5, **options)
    with safe_open(tmp_path / CHECKPOINT, "pt") as stored:
        assert stored.metadata()["steps"] == "2"

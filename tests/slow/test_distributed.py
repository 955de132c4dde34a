"""Two processes train one model: they hold the same weights, stop together and resume."""

import os
import subprocess
import sys

import pytest
import together
import torch
from conftest import ROOT
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.models.weights import load_gan
from tutorial_lib.training import distributed
from tutorial_lib.training.checkpoint import CHECKPOINT
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.loop import train
from tutorial_lib.training.vae import VAESettings, VAETask

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TASKS = [name for name, _ in together.tasks()]


def two_processes(*command, environment=None):
    settings = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        **(environment or {}),
    }
    return subprocess.run(
        [*TORCHRUN, *map(str, command)],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of the same trainings, alone and by two processes: see `together`."""
    folder = tmp_path_factory.mktemp("together")
    together.run(folder / "alone", together.STEPS, together.Noise(), ["plain"])
    together.run(folder / "begun alone", 2, together.Noise(), ["plain"])
    done = two_processes(ROOT / "tests" / "together.py", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("name", TASKS)
def test_two_processes_hold_the_same_weights_and_have_learned(runs, name):
    first, second = (load_file(runs / "two" / name / f"held-{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
    fresh = {
        f"{part}/{key}": value
        for part, module in dict(together.tasks())[name].modules.items()
        for key, value in module.named_parameters()
    }
    moved = [(first[key] - value).abs().max() for key, value in fresh.items() if "weight" in key]
    assert max(moved) > 1e-4


@pytest.mark.parametrize("how", ["two", "begun alone"])
def test_without_draws_and_batch_norm_it_is_the_training_of_one(runs, how):
    alone, other = (load_file(runs / kind / "plain" / CHECKPOINT) for kind in ("alone", how))
    assert alone.keys() == other.keys() and any(key.startswith("optimizer/") for key in alone)
    for key, value in alone.items():
        torch.testing.assert_close(other[key], value, atol=1e-8, rtol=1e-6, msg=key)


@pytest.mark.parametrize("name", TASKS)
def test_two_processes_resume_to_the_same_bits(runs, name):
    whole, resumed = (load_file(runs / kind / name / CHECKPOINT) for kind in ("two", "resumed"))
    assert whole.keys() == resumed.keys()
    for key, value in whole.items():
        assert torch.equal(value, resumed[key]), key


@pytest.mark.parametrize(
    "how, said", [("interrupted", "3 True"), ("terminated", "3 False")], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_to_one_process_stops_both_after_the_same_step(runs, how, said):
    assert [(runs / how / "dcgan" / f"{rank}.txt").read_text() for rank in (0, 1)] == [said] * 2
    with safe_open(runs / how / "dcgan" / CHECKPOINT, framework="pt") as file:
        assert file.metadata()["steps"] == "3"


def test_the_command_trains_on_two_processes_and_speaks_once(tmp_path):
    environment = {"TUTORIAL_CACHE": str(tmp_path / "cache")}

    def command(steps, batch_size=8):
        words = f"--data synthetic-numbers --limit 16 --steps {steps} --batch-size {batch_size}"
        words += " --base-channels 4 --device cpu --precision float32 --out"
        words = ["train", *words.split(), tmp_path / "run"]
        return two_processes("-m", "tutorial_lib", *words, environment=environment)

    for steps in (2, 3):  # the second goes on from the first
        done = command(steps)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("2 processes together") == done.stdout.count("wrote ") == 1
    gan = load_gan(tmp_path / "run" / "run.safetensors", "cpu")
    z = gan.sample_z(4, torch.Generator().manual_seed(0))
    assert gan.generator(z).isfinite().all() and gan.card["training"]["steps"] == 3
    assert {"checkpoint.safetensors", "config.json", "log.csv", "samples", "run.json"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    refused = command(4, batch_size=7)
    assert refused.returncode != 0 and "7 images cannot be shared by 2 processes" in refused.stderr


# -- in this process, alone or as if there were others --


def test_alone_nothing_changes():
    with distributed.joined(torch.device("cpu")) as device:
        assert (device.type, distributed.rank(), distributed.world_size()) == ("cpu", 0, 1)
    values = torch.randn(4)
    assert distributed.mean(values) is values
    assert distributed.largest([2, 3], torch.device("cpu")) == [2, 3]
    assert distributed.from_first(lambda: 5) == 5
    task = VAETask(VAESettings(2))
    with distributed.together(task):
        assert not task.optimizers["vae"]._optimizer_step_pre_hooks


def test_on_gpus_batch_norm_is_synchronized_but_for_d_and_the_networks_stay(monkeypatch):
    task = GANTask(GANSettings(2))
    generator = task.generator.eval()
    z = torch.rand(3, 100, generator=torch.Generator().manual_seed(0))
    before, names = generator(z), list(generator.state_dict())
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    task.device = torch.device("cuda")  # only said: the networks are on the CPU
    with distributed.together(task):
        pass
    kinds = {
        name: {type(layer) for layer in module.modules() if "Norm" in type(layer).__name__}
        for name, module in task.modules.items()
    }
    assert kinds["generator"] == {nn.SyncBatchNorm}
    assert kinds["discriminator"] == kinds["average"] == {nn.BatchNorm2d}
    assert list(generator.state_dict()) == names
    torch.testing.assert_close(generator(z), before)
    learning = {id(p) for p in task.optimizers["generator"].param_groups[0]["params"]}
    assert learning == {id(p) for p in generator.parameters()}


def test_the_devices_are_looked_at_when_processes_join(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_torchelastic_launched", lambda: True)
    with pytest.raises(ValueError, match="Apple's GPU"), distributed.joined(torch.device("mps")):
        pass
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    with (
        pytest.raises(ValueError, match="4 processes on a machine with 2 GPUs"),
        distributed.joined(torch.device("cuda")),
    ):
        pass
    assert [distributed.threads_each(cores) for cores in (16, 2)] == [4, 1]


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    images = ArrayImages(torch.zeros(9, 64, 64, 3, dtype=torch.uint8).numpy(), "black")
    monkeypatch.setattr(distributed, "world_size", lambda: 4)
    with pytest.raises(ValueError, match="6 images cannot be shared by 4 processes.*multiple"):
        train(GANTask(GANSettings(2)), images, steps=1, batch_size=6, progress=False)

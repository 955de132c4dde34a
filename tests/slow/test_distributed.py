"""Two processes do the step of one.

The same weights to 1e-8 in float64, from the same or each other's checkpoints.
"""

import os
import subprocess
import sys

import pytest
import together
import torch
from conftest import ROOT
from safetensors.torch import load_file
from torch import nn

from tutorial_lib import distributed
from tutorial_lib.datasets.folder import ArrayImages
from tutorial_lib.models.weights import load_gan
from tutorial_lib.training.attributes import AttributesSettings, AttributesTask
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.loop import CHECKPOINT, train
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
    """Folders of the same training.

    Alone, by two processes, begun alone and ended by two; and of one that was stopped.
    """
    folder = tmp_path_factory.mktemp("together")
    together.run(folder / "alone", together.STEPS)
    together.run(folder / "half", 2)
    done = two_processes(
        ROOT / "tests" / "together.py", folder / "two", folder / "half", folder / "stopped"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("how", ["two", "half"])
@pytest.mark.parametrize("name", TASKS)
def test_two_processes_end_where_one_does(runs, name, how):
    alone, other = (load_file(runs / kind / name / CHECKPOINT) for kind in ("alone", how))
    assert alone.keys() == other.keys() and any(key.startswith("optimizer/") for key in alone)
    for key, value in alone.items():
        torch.testing.assert_close(other[key], value, atol=1e-8, rtol=0, msg=key)
    fresh = {
        f"module/{part}/{key}": value
        for part, module in dict(together.tasks())[name].modules.items()
        for key, value in module.state_dict().items()
    }
    assert any(
        (alone[key] - value).abs().max() > 1e-3
        for key, value in fresh.items()
        if key.endswith("weight")
    )


def test_a_ctrl_c_in_one_process_stops_both_after_the_same_step(runs):
    assert [(runs / "stopped" / f"{rank}.txt").read_text() for rank in (0, 1)] == [
        "3 True",
        "3 True",
    ]


def test_the_command_trains_on_two_processes_and_speaks_once(tmp_path):
    common = [
        "train",
        "--data",
        "synthetic-numbers",
        "--limit",
        "16",
        "--batch-size",
        "8",
        "--base-channels",
        "4",
        "--device",
        "cpu",
        "--precision",
        "float32",
    ]
    environment = {"TUTORIAL_CACHE": str(tmp_path / "cache")}
    done = two_processes(
        "-m",
        "tutorial_lib",
        *common,
        "--steps",
        "3",
        "--out",
        tmp_path / "two",
        environment=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("2 processes together") == done.stdout.count("wrote ") == 1
    subprocess.run(
        [sys.executable, "-m", "tutorial_lib", *common, "--steps", "3", "--out", tmp_path / "one"],
        cwd=ROOT,
        check=True,
        env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
    )
    one, two = (load_gan(tmp_path / name / f"{name}.safetensors", "cpu") for name in ("one", "two"))
    z = one.sample_z(4, torch.Generator().manual_seed(0))
    torch.testing.assert_close(two.generator(z), one.generator(z), atol=0.01, rtol=0)
    assert {"checkpoint.safetensors", "config.json", "log.csv", "samples", "two.json"} <= {
        path.name for path in (tmp_path / "two").iterdir()
    }
    refused = two_processes(
        "-m",
        "tutorial_lib",
        *common,
        "--steps",
        "4",
        "--batch-size",
        "7",
        "--out",
        tmp_path / "odd",
        environment=environment,
    )
    assert (
        refused.returncode != 0 and "7 pictures cannot be shared by 2 processes" in refused.stderr
    )


# -- in this process, alone or as if there were others --


def test_alone_nothing_changes():
    with distributed.joined(torch.device("cpu")) as device:
        assert (device.type, distributed.rank(), distributed.world_size()) == ("cpu", 0, 1)
    values = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert distributed.all_reduce_mean(values) is values and distributed.shard([1, 2, 3]) == [
        1,
        2,
        3,
    ]
    ours, theirs = distributed.SynchronizedBatchNorm2d(3), nn.BatchNorm2d(3)
    assert torch.equal(ours(values), theirs(values)) and torch.equal(
        ours.running_var, theirs.running_var
    )
    assert type(distributed.with_synchronized_batch_norm(nn.BatchNorm2d(3))) is nn.BatchNorm2d


@pytest.mark.parametrize("size", [2, 3])
def test_the_shares_are_the_whole(monkeypatch, size):
    whole = torch.rand(12, 2, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(distributed, "world_size", lambda: size)
    shares = []
    for rank in range(size):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        rng = torch.Generator().manual_seed(1)
        shares.append(
            distributed.drawn(
                lambda count, rng=rng: torch.rand(count, 2, generator=rng), 12 // size
            )
        )
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), whole)


def test_the_devices_are_looked_at_when_processes_join(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_torchelastic_launched", lambda: True)
    with pytest.raises(ValueError, match="Apple's GPU"), distributed.joined(torch.device("mps")):
        pass
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with (
        pytest.raises(ValueError, match="4 processes on a machine with 2 GPUs"),
        distributed.joined(torch.device("cuda")),
    ):
        pass
    assert [distributed.threads_each(cores) for cores in (16, 2)] == [4, 1]


def test_what_cannot_be_shared_is_refused_at_the_door(monkeypatch):
    pictures = ArrayImages(torch.zeros(9, 64, 64, 3, dtype=torch.uint8).numpy(), "black")
    task, hybrid = (
        GANTask(GANSettings(2, junk=0.25)),
        VAETask(VAESettings(2, adversarial=1.0)),
    )  # made alone: their batch norms ask nobody
    monkeypatch.setattr(distributed, "world_size", lambda: 4)
    with pytest.raises(
        ValueError, match="6 pictures cannot be shared by 4 processes: choose a multiple"
    ):
        train(task, pictures, steps=1, batch_size=6, progress=False)
    with pytest.raises(ValueError, match="2 pictures of junk cannot be shared by 4 processes"):
        task.step(pictures.images([0, 1]), torch.Generator(), 0)  # 2 of 8
    with pytest.raises(ValueError, match="3 pictures a process cannot be halved"):
        hybrid.step(pictures.images([0, 1, 2]), torch.Generator().manual_seed(0), 0)
    with pytest.raises(ValueError, match="one process"):
        AttributesTask(AttributesSettings(1), {"a": ["x", "y"]})

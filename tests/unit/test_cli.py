"""The commands, end to end on little data."""

import argparse
import json
import os
import shlex
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_lib.cli import main
from tutorial_lib.cli.train import KINDS, OF_SOME, _command
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.device import fast_precision
from tutorial_lib.evaluation import ablations
from tutorial_lib.models.weights import load_context_encoder, load_gan, load_vae


def test_train_writes_a_run_folder_that_load_gan_reads(tmp_path, capsys):
    noise = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        (tmp_path / "pictures" / split).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(noise.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(
                tmp_path / "pictures" / split / f"{number}.png"
            )
    command = [
        "train",
        "--data",
        "folder",
        "--root",
        str(tmp_path / "pictures"),
        "--steps",
        "3",
        "--batch-size",
        "4",
        "--base-channels",
        "4",
        "--discriminator-channels",
        "2",
        "--norm",
        "spectral",
        "--ema",
        "0.5",
        "--augment",
        "color",
        "--junk",
        "0.25",
        "--licence",
        "none at all",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "run"),
    ]
    threads = torch.get_num_threads()
    try:
        assert main(command) == 0
        assert main(command) == 0, "a finished run is exported again"
    finally:
        torch.set_num_threads(threads)
    gan = load_gan(tmp_path / "run" / "run.safetensors", "cpu")
    assert gan.generator.base_channels == 4 and gan.discriminator.base_channels == 2
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    assert card["training"]["steps"] == 3 and card["training"]["junk"] == 0.25
    quick = fast_precision(torch.device("cpu"))  # nobody asked for another
    assert (
        card["training"]["precision"] == quick
        and f"--precision {quick}" in card["command"]
        and f", in {quick}\n" in capsys.readouterr().out
    )
    assert card["data"] == {
        "name": "pictures",
        "pictures": 6,
        "licence": "none at all",
        "sha256": None,
    }
    assert card["discriminator"]["pictures"] == 3
    assert {"real", "generated", "shuffled pixels", "uniform noise"} <= card["discriminator"][
        "mean_logit"
    ].keys()
    words = shlex.split(card["command"])  # as a shell reads it
    assert words[words.index("--licence") + 1] == "none at all"
    assert str(tmp_path) not in json.dumps(card)
    assert sorted(p.name for p in (tmp_path / "run" / "samples").iterdir()) == [
        "000000.png",
        "000003.png",
    ]
    assert Image.open(tmp_path / "run" / "samples" / "000003.png").size[0] >= 8 * 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--limit", "0"], "limit: must be a whole number from 1 on, got '0'"),
        (["--steps", "-1"], "--steps: must be a whole number"),
        (["--batch-size", "0"], "--batch-size: must be"),
        (["--base-channels", "many"], "--base-channels: must be"),
        (["--minutes", "-5"], "--minutes: must be a number above 0"),
        (["--minutes", "nan"], "--minutes: must be a number above 0"),
        (["--seed", "9" * 23], "--seed: must be at most 9223372036854775807, got '999"),
        (["--threads", "100000"], "--threads: must be a whole number from 1 to 1024, got '100000'"),
        (["--threads", "0"], "--threads: must be a whole number from 1 to 1024"),
        (["--threads", "x"], "--threads: must be a whole number from 1 to 1024"),
    ],
)
def test_sizes_that_are_none_are_refused_at_the_door(tmp_path, capsys, words, said):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--steps", "1", *words, "--out", str(tmp_path / "run")])
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ema", "2"], "ema must be"),
        (["--start-from", "typo"], "typo"),
        (["--name", "checkpoint"], "weights cannot be called 'checkpoint': give another --name"),
        (["--name", "Config"], "weights cannot be called 'Config'"),
        (["--name", "log"], "weights cannot be called 'log'"),
        (["--name", "../a"], "weights cannot be called '../a'"),
        (["--name", "a\\b"], "weights cannot be called"),
        (["--name", ".."], "weights cannot be called '..'"),
        (["--model", "attributes", "--batch-size", "1"], "--batch-size 1: attributes takes at"),
        (["--model", "vae", "--noise", "0"], "noise must be positive"),
        (
            ["--model", "vae", "--norm", "spectral", "--r1", "0"],
            "--norm is a setting of dcgan; --r1 is a setting of dcgan; not of vae",
        ),
        (["--model", "vae", "--norm", "batch"], "--norm is a setting of dcgan; not of vae"),
        (["--model", "vae", "--discriminator-channels", "8"], "a vae has a D with --adversarial"),
        (["--model", "diffusion", "--ema", "0"], "--ema is a setting of dcgan; not of diffusion"),
        (["--model", "diffusion", "--discriminator-channels", "8"], "not of diffusion"),
        (["--model", "context-encoder", "--augment"], "--augment is a setting of dcgan; not of"),
        (["--model", "context-encoder", "--noise", "0"], "--noise is a setting of vae; not of"),
        (["--model", "encoder", "--root", "nope"], "--root is a setting of dcgan, vae, "),
        (["--model", "encoder", "--data", "svhn"], "--data is a setting of dcgan, vae, "),
        (["--model", "encoder", "--repeat", "x*", "3"], "--repeat is a setting of"),
        (["--model", "landmarks", "--crop", "face"], "--crop is a setting of"),
        (["--model", "landmarks", "--extra"], "--extra is a setting of"),
        (["--model", "attributes", "--no-flips"], "--no-flips is a setting of"),
    ],
)
def test_settings_are_looked_at_before_pictures(tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.setattr("tutorial_lib.cli.options.load_dataset", pytest.fail)
    command = ["train", "--steps", "1", *words, "--device", "cpu", "--out", str(tmp_path / "run")]
    assert main(command) == 1
    assert said in capsys.readouterr().err


def test_every_option_of_one_model_alone_is_refused_by_the_others(tmp_path, capsys):
    values = {"norm": "none", "loss": "hinge", "augment": "color", "data": "svhn"}
    for option, models in OF_SOME.items():
        words = [f"--{option.replace('_', '-')}"]
        words += [] if option in ("no_flips", "extra") else [values.get(option, "0.5")]
        words = ["--repeat", "a*", "2"] if option == "repeat" else words
        words = ["--discriminator-channels", "2"] if option.endswith("channels") else words
        for model in set(KINDS) - set(models):
            command = ["train", "--steps", "1", "--model", model, *words, "--device", "cpu"]
            assert main([*command, "--out", str(tmp_path / "run")]) == 1
            said = capsys.readouterr().err
            assert f"{words[0]} is a setting of {', '.join(models)}; not of {model}" in said


@pytest.mark.parametrize("folder", ["checkpoint", "config", "samples"])
def test_a_run_folder_whose_name_is_taken_needs_another(tmp_path, capsys, monkeypatch, folder):
    noise = ArrayImages(np.zeros((4, 64, 64, 3), np.uint8), "noise")
    monkeypatch.setattr("tutorial_lib.cli.options.load_dataset", lambda name, **_: noise)
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    command = ["train", "--steps", "1", "--batch-size", "2", "--base-channels", "2"]
    command += ["--device", "cpu", "--threads", "1", "--out", "."]
    assert main(command) == 1
    assert f"weights cannot be called '{folder}'" in capsys.readouterr().err
    assert not list(Path().iterdir())
    assert main([*command, "--name", "mine"]) == main([*command, "--name", "mine"]) == 0
    assert Path("mine.safetensors").exists() and Path("checkpoint.safetensors").exists()


def test_the_run_folder_one_stands_in_gives_its_name(tmp_path, monkeypatch):
    noise = ArrayImages(np.zeros((4, 64, 64, 3), np.uint8), "noise")
    monkeypatch.setattr("tutorial_lib.cli.options.load_dataset", lambda name, **_: noise)
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    command = ["train", "--steps", "1", "--batch-size", "2", "--base-channels", "2"]
    assert main([*command, "--device", "cpu", "--threads", "1", "--out", "."]) == 0
    card = json.loads(Path("run.json").read_text())
    assert card["name"] == "run" and card["command"].endswith(" --out runs/run")
    assert {path.name for path in Path().glob(".*")} <= {".lock"}
    said = " --norm batch --gain 1.0 --discriminator-rate 1.0 --loss non-saturating --ema 0.0 "
    assert said + "--r1 0.0 --junk 0.0 " in card["command"], "the defaults, for later times"
    assert "--data synthetic-faces" in card["command"]


def test_a_run_goes_on_with_the_weights_and_repetitions_that_it_began_with(tmp_path, capsys):
    noise = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        (tmp_path / "pictures" / split).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(noise.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(
                tmp_path / "pictures" / split / f"{number}.png"
            )
    command = ["train", "--data", "folder", "--root", str(tmp_path / "pictures"), "--steps", "1"]
    command += ["--batch-size", "4", "--base-channels", "2", "--norm", "spectral"]
    command += ["--device", "cpu", "--threads", "1", "--out"]
    for name in ("a", "b"):
        seed = ["--seed", "1"] if name == "b" else []
        assert main([*command, str(tmp_path / name), *seed]) == 0
    plain = [*command, str(tmp_path / "a")]
    given = ["--start-from", str(tmp_path / "a" / "a.safetensors"), "--repeat", "1*", "2"]
    repeated = [*command, str(tmp_path / "c"), *given]
    other = [str(word).replace("/a/a.", "/b/b.") for word in repeated]
    assert main(plain) == main(repeated) == main(repeated) == 0
    capsys.readouterr()
    for words, said in (
        ([*plain, *given[:2]], "made with start_from None (now '"),
        ([*plain, *given[2:]], "repeat None (now ['1*', 2])"),
        (repeated[:-3], "repeat ['1*', 2] (now None)"),
        ([*repeated[:-2], "2*", "2"], "made with repeat ['1*', 2] (now ['2*', 2])"),
        ([*repeated, "--start-from", ""], "(now None)"),
        (other, "made with start_from '"),
    ):
        assert main(words) == 1
        assert said in capsys.readouterr().err


def test_a_run_goes_on_in_the_precision_that_it_began_with(tmp_path, monkeypatch, capsys):
    noise = ArrayImages(np.zeros((4, 64, 64, 3), np.uint8), "noise")
    monkeypatch.setattr("tutorial_lib.cli.options.load_dataset", lambda name, **_: noise)
    command = ["train", "--batch-size", "2", "--base-channels", "2", "--device", "cpu"]
    command += ["--threads", "1", "--out", str(tmp_path / "run")]
    for precision in ("float32", "bfloat16"):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        assert main([*command, "--steps", "1", "--precision", precision]) == 0
        assert main([*command, "--steps", "2"]) == 0
        assert capsys.readouterr().out.count(f", in {precision}") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--data", "folder", "--root", "pictures"],
            "holds no pictures for the test split",
        ),  # before the training, not after it
        (["--root", "pictures"], "synthetic-faces takes no root (pictures): did you mean"),
    ],
)
def test_what_would_fail_in_the_end_fails_at_once(tmp_path, capsys, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures" / "train").mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(tmp_path / "pictures" / "train" / "a.png")
    threads = torch.get_num_threads()
    try:
        assert (
            main(
                [
                    "train",
                    *words,
                    "--steps",
                    "1",
                    "--base-channels",
                    "4",
                    "--device",
                    "cpu",
                    "--out",
                    "run",
                ]
            )
            == 1
        )
    finally:
        torch.set_num_threads(threads)
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_the_command_on_the_card_says_a_zero_and_a_folder_s_name(monkeypatch, tmp_path):
    (tmp_path / "class").mkdir()
    monkeypatch.chdir(tmp_path / "class")
    options = argparse.Namespace(
        command="train",
        run=None,
        stopped="",
        left_out=True,
        device="cpu",
        threads=1,
        out=Path("runs/a"),
        name=None,
        root=Path("."),
        start_from=str(tmp_path / "runs" / "first.safetensors"),
        adversarial=0.0,
        steps=3,
        no_flips=True,
        extra=False,
        augment=[],
        licence="",
        seed=0,
    )
    assert _command(options) == (
        "python -m tutorial_lib train --root class --start-from first.safetensors "
        "--adversarial 0.0 --steps 3 --no-flips --seed 0 --out runs/a"
    )


@pytest.mark.slow
def test_ablations_prints_a_table_and_stores_what_it_was_made_from(tmp_path, capsys, monkeypatch):
    short = {
        name: replace(variant, settings=replace(variant.settings, steps=4))
        for name, variant in ablations.VARIANTS.items()
    }
    monkeypatch.setattr(ablations, "VARIANTS", short)
    command = [
        "ablations",
        "--limit",
        "2",
        "--variants",
        "no prior",
        "l2",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--out",
        str(tmp_path / "a.json"),
    ]
    threads = torch.get_num_threads()
    try:
        assert main(command) == 0
        printed = capsys.readouterr().out
        assert main([*command, "--seed", "1"]) == 1
        assert "made from something else (seed)" in capsys.readouterr().err
        assert main([*command[:-1], str(tmp_path / "b.json"), "--limit", "1"]) == 1
        assert "take at least 2" in capsys.readouterr().err and not (tmp_path / "b.json").exists()
    finally:
        torch.set_num_threads(threads)
    assert all(name in printed for name in ("reference", "no prior", "l2", "hole_psnr", "±"))
    stored = json.loads((tmp_path / "a.json").read_text())
    assert stored["made_from"]["weights"] == "synthetic-faces" and stored["made_from"]["data"][
        "indices"
    ] == [0, 1000]
    assert stored["complete"] and str(tmp_path) not in json.dumps(stored)


def test_ctrl_c_ends_a_command_with_130(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # in the project's own runs/ a command may be at work
    monkeypatch.setattr(
        "tutorial_lib.cli.inpaint.fill_files", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    assert main(["inpaint", "a.png", "--device", "cpu", "--out", "nowhere"]) == 130
    assert "nothing was written" in capsys.readouterr().err
    monkeypatch.setattr(
        "tutorial_lib.cli.ablations.run_ablations",
        lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    assert main(["ablations", "--limit", "1", "--device", "cpu"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["recipes", "generators"])
def test_sigterm_ends_a_command_with_143(monkeypatch, capsys, command):
    def told_to_end(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(f"tutorial_lib.cli.{command}.device_of", told_to_end)
    assert main([command, "--out", "nowhere.json"]) == 143
    assert "the same command goes on" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_other_models_are_trained_by_the_same_command(tmp_path, capsys):
    noise = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        (tmp_path / "pictures" / split).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(noise.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(
                tmp_path / "pictures" / split / f"{number}.png"
            )
    threads = torch.get_num_threads()
    common = [
        "--data",
        "folder",
        "--root",
        str(tmp_path / "pictures"),
        "--steps",
        "2",
        "--batch-size",
        "4",
        "--base-channels",
        "4",
        "--device",
        "cpu",
    ]
    try:
        assert (
            main(
                ["train", "--model", "vae", "--noise", "0.3", *common, "--out", str(tmp_path / "v")]
            )
            == 0
        )
        assert (
            main(
                [
                    "train",
                    "--model",
                    "context-encoder",
                    "--adversarial",
                    "0.5",
                    *common,
                    "--out",
                    str(tmp_path / "c"),
                ]
            )
            == 0
        )
        capsys.readouterr()
        for model, option in (("dcgan", "--adversarial"), ("context-encoder", "--noise")):
            assert (
                main(
                    [
                        "train",
                        "--model",
                        model,
                        option,
                        "0.5",
                        *common,
                        "--out",
                        str(tmp_path / "g"),
                    ]
                )
                == 1
            )
            assert f"{option} is a setting of vae" in capsys.readouterr().err
        assert (
            main(["train", "--model", "vae", "--noise", "0", *common, "--out", str(tmp_path / "g")])
            == 1
        )
        assert "must be positive" in capsys.readouterr().err
    finally:
        torch.set_num_threads(threads)
    assert load_vae(tmp_path / "v" / "v.safetensors", "cpu").encoder.base_channels == 4
    network = load_context_encoder(tmp_path / "c" / "c.safetensors", "cpu")
    card = json.loads((tmp_path / "c" / "c.json").read_text())
    assert (
        card["training"]["adversarial"] == 0.5
        and card["training"]["learning_rate"] == 2e-4
        and "--model context-encoder" in card["command"]
    )
    assert set(card["held_out"]["hole_psnr"]) == {"center", "pattern", "random", "half"}
    assert (
        network.fill.abs().max() < 0.1
        and json.loads((tmp_path / "v" / "v.json").read_text())["held_out"]["pictures"] == 3
    )
    assert json.loads((tmp_path / "v" / "v.json").read_text())["training"]["noise"] == 0.3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ablations", "--variants", "l2", "typo"], "--variants typo: choose from"),
        (["recipes", "--recipes", "typo", "--out", "a.json"], "--recipes typo: choose from"),
        (["generators", "--shipped", "typo"], "--shipped typo: choose from"),
        (["generators", "--sizes", "--lengths"], "nothing to measure"),
        (["generators", "--lengths"], "nothing to measure"),
    ],
)
def test_a_name_that_is_none_is_found_before_anything_is_read(words, said, capsys, monkeypatch):
    for module in ("ablations", "generators", "recipes"):
        monkeypatch.setattr(f"tutorial_lib.cli.{module}.device_of", pytest.fail)
    assert main(words) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["inpaint", "ablations", "table1", "generators"])
@pytest.mark.parametrize("seed", ["-1", "1.5", "x"])
def test_a_seed_is_a_number_from_0_on(command, seed, capsys):
    needed = ["a.png", "--out", "out"] if command == "inpaint" else []
    with pytest.raises(SystemExit, match="2"):
        main([command, *needed, "--seed", seed])
    assert "--seed: must be a whole number from 0 on" in capsys.readouterr().err

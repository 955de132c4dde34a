"""A search as a moving picture."""

import pytest
import torch
from PIL import Image
from test_training import TINY

from tutorial_lib import load_dataset
from tutorial_lib.cli import main
from tutorial_lib.cli.animate import FRAMES, search_frames
from tutorial_lib.inpainting.latent_search import DEFAULT
from tutorial_lib.masks import center_mask
from tutorial_lib.models.weights import save_gan
from tutorial_lib.training.gan import GANSettings, GANTask


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    gan = GANTask(GANSettings(**TINY, norm="spectral")).finish()
    return save_gan(tmp_path_factory.mktemp("weights") / "tiny.safetensors", gan, {})


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_the_command_writes_frames_from_a_stranger_to_the_completion(weights, tmp_path, suffix):
    out = tmp_path / f"search{suffix}"
    words = ["--weights", str(weights), "--pictures", "2", "--out", str(out), "--device", "cpu"]
    assert main(["animate", *words]) == 0
    with Image.open(out) as moving:
        assert 10 < moving.n_frames <= FRAMES and moving.size == (
            3 * (2 * 64 + 2),
            3 * (3 * 64 + 4),
        )
        first = moving.convert("RGB").tobytes()
        moving.seek(moving.n_frames - 1)
        assert moving.convert("RGB").tobytes() != first


def test_frames_hold_known_pixels_and_end_with_the_best_z():
    gan = GANTask(GANSettings(**TINY, norm="spectral")).finish()
    images = load_dataset("portraits", split="test", limit=2).images(slice(None))
    frames = search_frames(images, center_mask().expand(2, -1, -1, -1), gan)
    known = center_mask().expand_as(images) > 0
    for frame in frames:
        corrupted, generated, completed = frame.split(2)
        assert torch.equal(corrupted[known], images[known])
        assert torch.equal(completed[known], images[known])
    misfit = [(frame[2:4] - images)[known].abs().mean().item() for frame in (frames[0], frames[-1])]
    assert misfit[1] < misfit[0] and len(frames) <= FRAMES <= DEFAULT.steps


def test_another_kind_of_file_is_refused(tmp_path, capsys):
    assert main(["animate", "--out", str(tmp_path / "search.mp4")]) == 1
    assert "--out must end in .webp or .gif" in capsys.readouterr().err


def test_a_folder_in_the_place_of_the_file_is_refused_before_the_search(
    tmp_path, capsys, monkeypatch
):
    (tmp_path / "search.gif").mkdir()
    monkeypatch.setattr("tutorial_lib.cli.animate.load_gan", pytest.fail)
    assert main(["animate", "--out", str(tmp_path / "search.gif")]) == 1
    assert "search.gif is a folder, not a file" in capsys.readouterr().err


def test_what_ctrl_c_leaves_is_said(weights, tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tutorial_lib.cli.animate.search_frames", stop)
    out = tmp_path / "search.gif"
    words = ["--weights", str(weights), "--pictures", "1", "--out", str(out), "--device", "cpu"]
    assert main(["animate", *words]) == 130
    assert "stopped; nothing was written" in capsys.readouterr().err and not out.exists()

"""Files in, files out: each picture is framed and said so, filled, and written whole; what cannot be read is told, and stops nothing."""

import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_lib import cli
from tutorial_lib.datasets.framing import frame_face
from tutorial_lib.datasets.portraits import photographs
from tutorial_lib.images import crop_square, to_float, to_uint8
from tutorial_lib.inpainting.files import fill_files, frame_picture, mask_for
from tutorial_lib.inpainting.pipeline import Inpainting, inpaint
from tutorial_lib.masks import center_mask, half_mask, mask_from_file
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.models.weights import save_gan


def pixels(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def green(images, masks):
    """A fill that needs no network."""
    fill = torch.tensor([-1.0, 1.0, -1.0]).view(1, 3, 1, 1).expand_as(images)
    return Inpainting(torch.where(masks > 0, images, fill), fill, *[None] * 5)


def run(paths, out, **options):
    said = []
    problems = fill_files(paths, lambda *_: center_mask(), green, out, say=said.append, **options)
    return problems, said


def test_a_picture_of_the_right_size_comes_back_to_the_bit(tmp_path):
    given = pixels(64, 64)
    problems, said = run([write(tmp_path / "a.png", given)], tmp_path / "out")
    assert not problems and said == [f"{tmp_path / 'a.png'}: taken as it is"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a-corrupted.png", "a-filled.png", "sheet.png"]
    filled = np.asarray(Image.open(tmp_path / "out" / "a-filled.png"))
    hole = np.zeros((64, 64), bool)
    hole[16:48, 16:48] = True
    assert (filled[~hole] == given[~hole]).all() and (filled[hole] == [0, 255, 0]).all()
    corrupted = np.asarray(Image.open(tmp_path / "out" / "a-corrupted.png"))
    assert (corrupted[~hole] == given[~hole]).all() and (corrupted[hole] == corrupted[16, 16]).all()
    sheet = np.asarray(Image.open(tmp_path / "out" / "sheet.png"))
    assert sheet.shape == (64, 4 * 64 + 3 * 2, 3) and (sheet[:, :64] == given).all() and (sheet[:, -64:] == filled).all()


@pytest.mark.parametrize(("size", "box"), [((100, 300), (100, 0, 100)), ((301, 40), (0, 130.5, 40))])
def test_other_sizes_are_cut_to_the_square_in_the_middle(size, box):
    picture = Image.fromarray(pixels(*size))
    framed = frame_picture(picture)
    said = framed.said
    torch.testing.assert_close(framed.pixels, crop_square(picture, box))
    assert f"{size[1]}x{size[0]}" in said and f"square of {min(size)} pixels in the middle" in said and "64x64" in said


def test_faces_are_framed_as_everywhere():
    photo = next(iter(photographs().values()))
    framed = frame_picture(photo, "face")
    assert torch.equal(framed.pixels, frame_face(photo)) and "a face was found at" in framed.said
    with pytest.raises(ValueError, match="no face"):
        frame_picture(Image.fromarray(pixels(200, 200)), "face")
    with pytest.raises(ValueError, match="frame must be"):
        frame_picture(photo, "round")


@pytest.mark.parametrize("size", [(100, 200), (300, 130), (64, 64)])
def test_a_mask_as_large_as_the_picture_is_framed_with_it(size):
    """The picture is black where the mask has its hole: once framed, the two still lie on each other."""
    drawn = np.full(size, 255, np.uint8)
    drawn[size[0] // 3:size[0] // 2, size[1] // 3:size[1] // 2] = 0
    framed = frame_picture(Image.fromarray(drawn).convert("RGB"))
    hole = mask_for(Image.fromarray(drawn), framed)[0, 0] == 0
    assert torch.equal(hole, framed.pixels[0, 0] < 0) and 0.01 < hole.float().mean() < 0.2


def test_another_mask_is_a_square_for_what_is_taken():
    framed = frame_picture(Image.fromarray(pixels(100, 200)))
    drawn = np.full((128, 128), 255, np.uint8)
    drawn[:, :64] = 0
    assert torch.equal(mask_for(Image.fromarray(drawn), framed), half_mask("left"))
    with pytest.raises(ValueError, match="64x128, the picture 200x100: give a mask as large"):
        mask_for(Image.fromarray(drawn[:, 32:96]), framed)
    beside = np.full((100, 200), 255, np.uint8)
    beside[:, :40] = 0  # not in the frame
    with pytest.raises(ValueError, match="no hole"):
        mask_for(Image.fromarray(beside), framed)


def test_a_picture_that_the_mask_does_not_fit_is_left_out_and_told(tmp_path, capsys, weights):
    path, _ = weights
    drawn = np.full((96, 80), 255, np.uint8)
    drawn[30:60, 20:50] = 0
    mask, wide, fits = write(tmp_path / "mask.png", drawn), write(tmp_path / "wide.png", pixels(80, 120)), write(tmp_path / "fits.png", pixels(96, 80))
    threads = torch.get_num_threads()
    command = ["inpaint", str(wide), str(fits), "--weights", str(path), "--device", "cpu", "--restarts", "1", "--out", str(tmp_path / "out")]
    try:
        assert cli.main([*command, "--mask", str(mask)]) == 1
        assert f"left out: {wide}: the mask is 80x96, the picture 120x80" in capsys.readouterr().err
        assert (tmp_path / "out" / "fits-filled.png").exists() and not (tmp_path / "out" / "wide-filled.png").exists()
        assert cli.main([*command, "--mask", str(write(tmp_path / "small.png", pixels(16, 16)))]) == 1
        assert f"--mask {tmp_path / 'small.png'}: the picture is 16x16" in capsys.readouterr().err
    finally:
        torch.set_num_threads(threads)


def test_what_cannot_be_read_is_told_and_the_others_are_filled(tmp_path):
    good = write(tmp_path / "good.png", pixels(64, 64))
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:300])
    small = write(tmp_path / "small.png", pixels(10, 10))
    bad = [tmp_path / "page.jpg", tmp_path / "cut.png", small, tmp_path / "missing.png", tmp_path]
    problems, said = run([*bad[:2], good, *bad[2:]], tmp_path / "out")
    assert list(problems) == bad and len(said) == 1
    assert all(str(path) in said for path, said in problems.items())
    assert "no such file" in problems[tmp_path / "missing.png"] and "32 pixels" in problems[small]
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert set(run(bad, tmp_path / "none")[0]) == set(bad) and not (tmp_path / "none").exists()


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path):
    paths = [write(tmp_path / folder / "face.png", pixels(64, 64, seed)) for seed, folder in enumerate(("a", "b", "c"))]
    run([*paths, paths[0]], tmp_path / "out")  # the same file twice is one
    for seed, name in enumerate(("face", "face-2", "face-3")):
        filled = np.asarray(Image.open(tmp_path / "out" / f"{name}-filled.png"))
        assert (filled[:10] == pixels(64, 64, seed)[:10]).all()
    assert len(list((tmp_path / "out").iterdir())) == 7


def test_nothing_is_written_when_filling_fails_or_half_written(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", pixels(64, 64))
    with pytest.raises(KeyboardInterrupt):
        fill_files([path], lambda *_: center_mask(), lambda *_: (_ for _ in ()).throw(KeyboardInterrupt), tmp_path / "out", say=print)
    assert not (tmp_path / "out").exists()
    run([path], tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        run([path], tmp_path / "out")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    gan = uniform_latent_model(Generator(4), Discriminator(4, "none"), card={})
    return save_gan(tmp_path / "tiny", gan, {"data": {"name": "noise"}}), gan


def test_the_command_fills_as_inpaint_does(tmp_path, capsys, weights):
    path, gan = weights
    threads = torch.get_num_threads()
    files = [str(write(tmp_path / f"{number}.png", pixels(64, 64, number))) for number in range(2)]
    hole = np.full((32, 32), 255, np.uint8)
    hole[8:20, 8:20] = 0
    mask = write(tmp_path / "mask.png", hole)
    try:
        for chosen in ("center", "random", str(mask)):
            out = tmp_path / "out"
            assert cli.main(["inpaint", *files, "--mask", chosen, "--weights", str(path), "--device", "cpu", "--restarts", "2", "--out", str(out)]) == 0
        assert "wrote 2 filled pictures and sheet.png" in capsys.readouterr().out
        assert cli.main(["inpaint", *files, str(tmp_path / "no.png"), "--weights", str(path), "--device", "cpu", "--out", str(out)]) == 1
        assert "left out: no such file" in capsys.readouterr().err
        assert cli.main(["inpaint", *files, "--mask", "centre", "--weights", str(path), "--out", str(tmp_path / "never")]) == 1
        assert "--mask centre: neither one of center, pattern" in capsys.readouterr().err and not (tmp_path / "never").exists()
        assert cli.main(["inpaint", *files, "--mask", str(mask), "--weights", str(path), "--device", "cpu", "--restarts", "2", "--out", str(out)]) == 0
    finally:
        torch.set_num_threads(threads)
    images = torch.cat([to_float(pixels(64, 64, number)) for number in range(2)])
    wanted = to_uint8(inpaint(images, mask_from_file(mask), gan, restarts=2, progress=False).completed)
    for number in range(2):
        filled = np.asarray(Image.open(out / f"{number}-filled.png")).astype(int)
        assert np.abs(filled - wanted[number]).mean() < 1  # half precision weights

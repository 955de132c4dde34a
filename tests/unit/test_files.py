"""Files in, files out: each picture is framed and said so, filled, and written whole.

What cannot be read is told, and stops nothing.
"""

from dataclasses import fields

import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_lib import cli
from tutorial_lib.datasets.portraits import photographs
from tutorial_lib.faces import Transform, align
from tutorial_lib.images import crop_square, load_picture, to_float, to_uint8
from tutorial_lib.inpainting import files
from tutorial_lib.inpainting.files import Framed, FramedMask, fill_files, frame_picture, mask_for
from tutorial_lib.inpainting.inversion import inpaint_quality
from tutorial_lib.inpainting.pipeline import Inpainting, inpaint
from tutorial_lib.inpainting.put_back import frame_in_photo, hole_in_photo
from tutorial_lib.masks import center_mask, half_mask, mask_from_array, read_mask
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
    unused = dict.fromkeys(field.name for field in fields(Inpainting))
    completed = torch.where(masks > 0, images, fill)
    return Inpainting(**unused | {"generated": fill, "completed": completed})


def in_the_center(*_):
    return FramedMask(center_mask())


def run(paths, out, mask_of=in_the_center, **options):
    said = []
    problems = fill_files(paths, mask_of, green, out, say=said.append, **options)
    return problems, said


def test_a_picture_of_the_right_size_comes_back_to_the_bit(tmp_path):
    given = pixels(64, 64)
    problems, said = run([write(tmp_path / "a.png", given)], tmp_path / "out")
    assert not problems and said == [f"{tmp_path / 'a.png'}: taken as it is"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "a-corrupted.png",
        "a-filled.png",
        "a-photo.png",
        "sheet.png",
    ]
    filled = np.asarray(Image.open(tmp_path / "out" / "a-filled.png"))
    hole = np.zeros((64, 64), bool)
    hole[16:48, 16:48] = True
    assert (filled[~hole] == given[~hole]).all() and (filled[hole] == [0, 255, 0]).all()
    corrupted = np.asarray(Image.open(tmp_path / "out" / "a-corrupted.png"))
    assert (corrupted[~hole] == given[~hole]).all() and (corrupted[hole] == corrupted[16, 16]).all()
    sheet = np.asarray(Image.open(tmp_path / "out" / "sheet.png"))
    assert (
        sheet.shape == (64, 4 * 64 + 3 * 2, 3)
        and (sheet[:, :64] == given).all()
        and (sheet[:, -64:] == filled).all()
    )


@pytest.mark.parametrize(
    ("size", "box"), [((100, 300), (100, 0, 100)), ((301, 40), (0, 130.5, 40))]
)
def test_other_sizes_are_cut_to_the_square_in_the_middle(size, box):
    picture = Image.fromarray(pixels(*size))
    framed = frame_picture(picture)
    said = framed.said
    torch.testing.assert_close(framed.pixels, crop_square(picture, box))
    assert (
        f"{size[1]}x{size[0]}" in said
        and f"square of {min(size)} pixels in the middle" in said
        and "64x64" in said
    )


def test_faces_are_framed_as_everywhere():
    photo = next(iter(photographs().values()))
    framed = frame_picture(photo, "face")
    face = align(photo)
    assert torch.equal(framed.pixels, face.pixels) and "a face was found at" in framed.said
    assert np.array_equal(framed.transform.matrix, face.transform.matrix)
    with pytest.raises(ValueError, match="no face"):
        frame_picture(Image.fromarray(pixels(200, 200)), "face")
    with pytest.raises(ValueError, match="frame must be"):
        frame_picture(photo, "round")


@pytest.mark.parametrize("size", [(100, 200), (300, 130), (64, 64)])
def test_a_mask_as_large_as_the_picture_is_framed_with_it(size):
    """The picture is black where the mask has its hole: once framed, all that is dark is hole."""
    known = np.ones(size, bool)
    known[size[0] // 3 : size[0] // 2, size[1] // 3 : size[1] // 2] = False
    framed = frame_picture(Image.fromarray(known.astype(np.uint8) * 255).convert("RGB"))
    hole = mask_for(known, framed)
    found, dark = hole.mask[0, 0] == 0, framed.pixels[0, 0] < 0
    assert not (dark & ~found).any() and 0.01 < dark.float().mean() <= found.float().mean() < 0.2
    assert (found & ~dark).sum() <= 2 * (found.any(0).sum() + found.any(1).sum()), (
        "a pixel all around"
    )
    assert hole.known is known and hole.said == "the mask, as large as the photo, lies on the photo"


def squared(size):
    """A mask of size x size whose left half is hole."""
    drawn = np.ones((size, size), bool)
    drawn[:, : size // 2] = False
    return drawn


@pytest.mark.parametrize(
    ("photo", "size"),
    [
        ((100, 200), 128),
        ((100, 200), 64),
        ((100, 200), 500),
        ((128, 128), 64),
        ((128, 128), 256),
        ((128, 128), 40),
    ],
)
def test_another_square_mask_lies_on_what_is_taken_and_that_is_said(photo, size):
    """A square photo framed as a whole is what is taken: both meanings are the same."""
    hole = mask_for(squared(size), frame_picture(Image.fromarray(pixels(*photo))))
    assert torch.equal(hole.mask, half_mask("left")) and hole.known is None
    assert hole.said == f"the mask of {size}x{size} lies on what was taken of the photo"


def of_a_square_photo():
    """A face in a square photo, framed as an aligned face may be: turned."""
    turn = 0.5 * np.array([[0.8, 0.6], [-0.6, 0.8]])
    transform = Transform(np.column_stack([turn, 31.5 - turn @ [150, 150]]), (300, 300))
    return Framed(torch.zeros(1, 3, 64, 64), transform, "")


def test_how_far_a_face_is_turned_is_said():
    said = files._where(of_a_square_photo().transform)
    assert "its square of 128 pixels, turned by 37 degrees, resized to 64x64" in said


def test_a_square_mask_that_could_be_for_the_photo_or_the_face_is_refused():
    with pytest.raises(ValueError, match="200x200, the picture 300x300: it could be for"):
        mask_for(squared(200), of_a_square_photo())
    assert torch.equal(mask_for(squared(64), of_a_square_photo()).mask, half_mask("left"))


def test_a_mask_of_another_shape_is_refused():
    framed = frame_picture(Image.fromarray(pixels(100, 200)))
    with pytest.raises(ValueError, match="64x128, the picture 200x100: give a mask as large"):
        mask_for(squared(128)[:, 32:96], framed)


def test_holes_outside_the_frame_are_said_or_refused():
    framed = frame_picture(Image.fromarray(pixels(100, 200)))
    known = np.ones((100, 200), bool)
    known[:, :40] = False  # not in the frame
    with pytest.raises(ValueError, match="no hole in the square"):
        mask_for(known, framed)
    known[20:30, 90:100] = False
    assert mask_for(known, framed).said.endswith("; 4000 of 4100 hole pixels lie outside and stay")
    known[20:30, 45:55] = False  # over the frame's edge, at 50
    assert mask_for(known, framed).said.endswith("; 4050 of 4200 hole pixels lie outside and stay")


def test_a_tiny_hole_in_a_large_photo_is_filled():
    known = np.ones((4000, 6000), bool)
    known[2000:2060, 3000:3060] = False
    framed = Framed(
        torch.zeros(1, 3, 64, 64), Transform.of_box((1500, 500, 3000), (6000, 4000)), ""
    )
    assert 1 <= (mask_for(known, framed).mask == 0).sum() <= 9


# ---- the photo at its own size -------------------------------------------------------------------


def test_the_photo_is_filled_at_its_own_size_and_nothing_else_of_it_changes(tmp_path):
    given = pixels(150, 230)
    path = write(tmp_path / "a.png", given)
    problems, _ = run([path], tmp_path / "out")
    assert not problems
    photo = np.asarray(Image.open(tmp_path / "out" / "a-photo.png"))
    hole = hole_in_photo(center_mask(), Transform.of_box((40, 0, 150), (230, 150)))
    assert photo.shape == given.shape and (photo != given).any(-1)[hole].mean() > 0.9
    assert (photo == given)[~hole].all()


@pytest.mark.parametrize(
    ("size", "names"), [("photo", ["a-photo.png"]), ("64", ["a-corrupted.png", "a-filled.png"])]
)
def test_only_the_wanted_size_is_written(tmp_path, size, names):
    run([write(tmp_path / "a.png", pixels(100, 80))], tmp_path / "out", size=size)
    written = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert written == [*names, "sheet.png"]
    with pytest.raises(ValueError, match="size must be one of"):
        run([], tmp_path / "out", size="large")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_photo_that_its_camera_turned_comes_out_upright(tmp_path, orientation):
    """A mask as large as the upright photo, a hole off its center.

    It lies where the viewer drew it.
    """
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels(120, 90)).save(tmp_path / "a.png", exif=exif)
    upright = load_picture(tmp_path / "a.png")
    known = np.ones(upright.size[::-1], bool)
    known[30:40, 20:50] = False
    problems, _ = run(
        [tmp_path / "a.png"], tmp_path / "out", lambda _, framed: mask_for(known, framed)
    )
    photo = Image.open(tmp_path / "out" / "a-photo.png")
    assert not problems and photo.size == upright.size and not photo.getexif()
    assert ((np.asarray(photo) == np.asarray(upright)).all(-1)[known]).all()
    assert (np.asarray(photo) != np.asarray(upright)).any(-1)[~known].mean() > 0.9


def profile(space):
    """As much of a color profile as is looked at: its header names the space."""
    return bytes(16) + space + bytes(108)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_stays_and_the_filled_hole_is_opaque(tmp_path, mode):
    """The mask is as large as the photo; the hole is the half of it that lies in the frame."""
    given = np.dstack([pixels(100, 80), pixels(100, 80, 1)[..., 0]])
    picture = Image.fromarray(given).convert(mode)
    if mode == "P":
        picture.info["transparency"] = bytes(range(256))
    picture.save(tmp_path / "a.png")
    before = Image.open(tmp_path / "a.png").convert("RGBA")
    known = np.ones((100, 80), bool)
    known[:40, 20:60] = False
    run([tmp_path / "a.png"], tmp_path / "out", lambda _, framed: mask_for(known, framed))
    photo = Image.open(tmp_path / "out" / "a-photo.png")
    assert photo.mode == ("LA" if mode == "LA" else "RGBA")
    after = np.asarray(photo.convert("RGBA"))
    stays = known.copy()
    stays[:10] = True  # the frame begins in row 10
    assert (after == np.asarray(before))[stays].all() and (after[~stays][:, 3] == 255).all()
    assert (after != np.asarray(before))[~stays].any(-1).mean() > 0.9


@pytest.mark.parametrize(
    ("mode", "space", "stays"),
    [
        ("RGB", b"RGB ", True),
        ("RGBA", b"RGB ", True),
        ("P", b"RGB ", True),
        ("L", b"GRAY", True),
        ("L", b"RGB ", False),
        ("CMYK", b"CMYK", False),
    ],
)
def test_a_color_profile_stays_where_it_is_for_such_pixels(tmp_path, mode, space, stays):
    picture = Image.fromarray(pixels(80, 80)).convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture.save(path, icc_profile=profile(space))
    run([path], tmp_path / "out")
    photo = Image.open(tmp_path / "out" / "a-photo.png")
    assert photo.info.get("icc_profile") == (profile(space) if stays else None)
    given = np.asarray(Image.open(path).convert("RGBA"))
    assert (np.asarray(photo.convert("RGBA")) == given)[:20].all(), "beside the hole"


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_gray_photo_gets_a_gray_hole(tmp_path, mode):
    gray = Image.fromarray(pixels(90, 120)[..., 0])
    if mode == "I;16":
        Image.fromarray(np.asarray(gray).astype(np.uint16) * 257).save(tmp_path / "a.png")
    else:
        gray.convert(mode).save(tmp_path / "a.png")
    run([tmp_path / "a.png"], tmp_path / "out")
    photo = Image.open(tmp_path / "out" / "a-photo.png")
    hole = hole_in_photo(center_mask(), Transform.of_box((15, 0, 90), (120, 90)))
    assert photo.mode == ("RGB" if mode == "RGB" else "L")
    assert (np.asarray(photo.convert("L")) == np.asarray(gray))[~hole].all()
    for kind in ("photo", "filled"):
        bands = np.asarray(Image.open(tmp_path / "out" / f"a-{kind}.png").convert("RGB"))
        assert (np.ptp(bands.astype(int), axis=-1) == 0).all()


def test_a_photo_that_is_gone_when_it_is_to_be_written_stops_nothing(tmp_path):
    paths = [write(tmp_path / f"{name}.png", pixels(80, 100)) for name in "ab"]

    def fill(images, masks):
        paths[0].unlink()
        return green(images, masks)

    problems = fill_files(paths, in_the_center, fill, tmp_path / "out", say=lambda _: None)
    assert problems == {paths[0]: f"no such file: {paths[0]}"}
    assert (tmp_path / "out" / "b-photo.png").exists() and (
        tmp_path / "out" / "a-filled.png"
    ).exists()
    assert not (tmp_path / "out" / "a-photo.png").exists()


def test_the_command_fills_a_face_in_its_photo(tmp_path, capsys, weights):
    """The mask erased from the photo itself, over the mouth and over a corner beside the face."""
    path, _ = weights
    photo = photographs()["Grace Hopper"]
    source = tmp_path / "hopper.png"
    photo.save(source)
    transform = align(photo).transform
    x, y = transform.to_photo(np.array([[32.0, 46.0]]))[0].astype(int)
    alpha = np.full(photo.size[::-1], 255, np.uint8)
    alpha[y - 10 : y + 10, x - 20 : x + 20] = alpha[-20:, :20] = 0
    write(tmp_path / "erased.png", np.dstack([np.asarray(photo), alpha]))
    threads = torch.get_num_threads()
    try:
        assert (
            cli.main(
                [
                    "inpaint",
                    str(source),
                    "--mask",
                    str(tmp_path / "erased.png"),
                    "--weights",
                    str(path),
                    "--frame",
                    "face",
                    "--size",
                    "photo",
                    "--device",
                    "cpu",
                    "--restarts",
                    "1",
                    "--out",
                    str(tmp_path / "out"),
                ]
            )
            == 0
        )
    finally:
        torch.set_num_threads(threads)
    said = capsys.readouterr().out
    assert (
        f"erased.png: a mask of {photo.width}x{photo.height}; what is transparent is the hole"
        in said
    )
    assert "a face was found at" in said and "400 of 1200 hole pixels lie outside and stay" in said
    filled = np.asarray(Image.open(tmp_path / "out" / "hopper-photo.png"))
    changed = (filled != np.asarray(photo)).any(-1)
    assert not changed[(alpha > 0) | ~frame_in_photo(transform)].any()
    assert changed[y - 10 : y + 10, x - 20 : x + 20].mean() > 0.9


# ---- several files -------------------------------------------------------------------------------


def test_a_picture_that_the_mask_does_not_fit_is_left_out_and_told(tmp_path, capsys, weights):
    path, _ = weights
    drawn = np.full((96, 80), 255, np.uint8)
    drawn[30:60, 20:50] = 0
    mask, wide, fits = (
        write(tmp_path / "mask.png", drawn),
        write(tmp_path / "wide.png", pixels(80, 120)),
        write(tmp_path / "fits.png", pixels(96, 80)),
    )
    threads = torch.get_num_threads()
    command = [
        "inpaint",
        str(wide),
        str(fits),
        "--weights",
        str(path),
        "--device",
        "cpu",
        "--restarts",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    try:
        assert cli.main([*command, "--mask", str(mask)]) == 1
        assert f"left out: {wide}: the mask is 80x96, the picture 120x80" in capsys.readouterr().err
        assert (tmp_path / "out" / "fits-filled.png").exists() and not (
            tmp_path / "out" / "wide-filled.png"
        ).exists()
        assert (
            cli.main([*command, "--mask", str(write(tmp_path / "small.png", pixels(16, 16)))]) == 1
        )
        said = capsys.readouterr().err
        assert f"--mask {tmp_path / 'small.png'} is 16x16: each side" in said
        assert cli.main([*command, "--mask", str(fits)]) == 1
        assert f"--mask {fits}: the mask is mostly gray: is it a photo?" in capsys.readouterr().err
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
    assert all(said.count(str(path)) == 1 for path, said in problems.items())
    assert len(list((tmp_path / "out").iterdir())) == 4
    assert set(run(bad, tmp_path / "none")[0]) == set(bad) and not (tmp_path / "none").exists()


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path):
    paths = [
        write(tmp_path / folder / "face.png", pixels(64, 64, seed))
        for seed, folder in enumerate(("a", "b", "c"))
    ]
    run([*paths, paths[0]], tmp_path / "out")  # the same file twice is one
    for seed, name in enumerate(("face", "face-2", "face-3")):
        filled = np.asarray(Image.open(tmp_path / "out" / f"{name}-filled.png"))
        assert (filled[:10] == pixels(64, 64, seed)[:10]).all()
    assert len(list((tmp_path / "out").iterdir())) == 10


@pytest.mark.parametrize(
    "names",
    [
        ("face.png", "FACE.png", "Face.bmp"),
        ("face.png", "face.bmp", "face.tif"),
        ("caf\u00e9.png", "cafe\u0301.png", "CAF\u00c9.bmp"),
        ("face.png", "face-2.png", "face.bmp"),
    ],
)
def test_names_that_a_file_system_may_take_for_one_are_numbered(tmp_path, names):
    paths = [tmp_path / str(folder) / name for folder, name in enumerate(names)]
    for seed, path in enumerate(paths):
        write(path, pixels(64, 64, seed))
    assert not run(paths, tmp_path / "out")[0]
    stems = {file.name.casefold() for file in (tmp_path / "out").glob("*-filled.png")}
    assert len(stems) == 3 and len(list((tmp_path / "out").iterdir())) == 10
    first = np.asarray(Image.open(tmp_path / "out" / f"{paths[0].stem}-filled.png"))
    assert (first[:10] == pixels(64, 64, 0)[:10]).all()


@pytest.mark.parametrize("name", ["sheet.png", "a-filled.png"])
def test_a_file_that_is_read_is_never_overwritten(tmp_path, name):
    paths = [write(tmp_path / each, pixels(64, 64)) for each in ("a.png", name)]
    before = paths[1].read_bytes()
    with pytest.raises(ValueError, match=f"{name} would be overwritten: choose another folder"):
        run(paths, tmp_path)
    assert paths[1].read_bytes() == before and len(list(tmp_path.iterdir())) == 2


def test_a_picture_that_is_left_out_and_the_mask_are_not_overwritten(tmp_path):
    path, small = write(tmp_path / "a.png", pixels(64, 64)), tmp_path / "a-photo.png"
    before = write(small, pixels(10, 10)).read_bytes()
    with pytest.raises(ValueError, match="a-photo.png would be overwritten"):
        run([path, small], tmp_path)
    with pytest.raises(ValueError, match="a-photo.png would be overwritten"):
        run([path], tmp_path, kept=[str(small)])
    assert small.read_bytes() == before and len(list(tmp_path.iterdir())) == 2


def test_the_command_does_not_overwrite_its_mask(tmp_path, capsys, weights):
    drawn = np.full((64, 64), 255, np.uint8)
    drawn[8:20, 8:20] = 0
    mask, out = write(tmp_path / "out" / "a-corrupted.png", drawn), str(tmp_path / "out")
    before = mask.read_bytes()
    words = ["inpaint", str(write(tmp_path / "a.png", pixels(64, 64))), "--mask", str(mask)]
    assert cli.main([*words, "--weights", str(weights[0]), "--device", "cpu", "--out", out]) == 1
    assert "a-corrupted.png would be overwritten" in capsys.readouterr().err
    assert mask.read_bytes() == before


def test_a_folder_in_the_place_of_a_result_is_found_out_before_the_search(tmp_path):
    path = write(tmp_path / "a.png", pixels(64, 64))
    (tmp_path / "out" / "a-filled.png").mkdir(parents=True)
    with pytest.raises(OSError, match="a-filled.png is a folder"):
        fill_files([path], in_the_center, pytest.fail, tmp_path / "out", say=lambda _: None)


@pytest.mark.parametrize("writes", [0, 1])
def test_what_ctrl_c_leaves_is_said(tmp_path, capsys, monkeypatch, weights, writes):
    """In the search, and when the first file is there."""
    left, method = [writes], inpaint

    def search(*arguments, **options):
        if not writes:
            raise KeyboardInterrupt
        return method(*arguments, **options)

    def write_some(*arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        written(*arguments)

    written = files._write
    monkeypatch.setattr("tutorial_lib.cli.inpaint.inpaint", search)
    monkeypatch.setattr(files, "_write", write_some)
    words = ["--weights", str(weights[0]), "--device", "cpu", "--restarts", "1"]
    words += [str(write(tmp_path / "a.png", pixels(64, 64))), "--out", str(tmp_path / "out")]
    assert cli.main(["inpaint", *words]) == 130
    said = "files that are there are whole, the same command begins anew"
    assert (said if writes else "nothing was written") in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*"))) == writes


def test_a_transparent_mask_with_little_known_is_not_sent_to_an_option_it_ignores(
    tmp_path, capsys, weights
):
    erased = np.dstack([pixels(64, 64), np.zeros((64, 64), np.uint8)])
    erased[:6, :, 3] = 255
    mask, path = write(tmp_path / "mask.png", erased), write(tmp_path / "a.png", pixels(64, 64))
    words = ["--weights", str(weights[0]), "--device", "cpu", "--restarts", "1", "--mask"]
    assert cli.main(["inpaint", *words, str(mask), "--out", str(tmp_path / "o"), str(path)]) == 0
    said = capsys.readouterr().err
    assert "only 9% of the mask is known" in said and "--mask-hole" not in said
    assert "Then save it without transparency" in said


def test_a_folder_that_cannot_be_written_is_found_out_before_the_search(tmp_path):
    path = write(tmp_path / "a.png", pixels(64, 64))
    (tmp_path / "out").write_text("a file in its place")
    with pytest.raises(OSError):
        fill_files([path], in_the_center, pytest.fail, tmp_path / "out", say=lambda _: None)


@pytest.mark.parametrize("hole", ["black", "white"])
def test_the_color_of_the_hole_can_be_chosen_and_an_inverted_mask_is_asked_about(
    tmp_path, capsys, weights, hole
):
    drawn = np.full((64, 64), 0 if hole == "white" else 255, np.uint8)
    drawn[8:20, 8:20] = 255 - drawn[0, 0]
    mask, picture = write(tmp_path / "mask.png", drawn), write(tmp_path / "a.png", pixels(64, 64))
    words = ["--weights", str(weights[0]), "--device", "cpu", "--restarts", "1", "--threads", "1"]
    words += ["--mask", str(mask), "--out", str(tmp_path / "out"), str(picture)]
    threads = torch.get_num_threads()
    try:
        assert cli.main(["inpaint", *words, "--mask-hole", hole]) == 0
        said = capsys.readouterr()
        assert f"a mask of 64x64; {hole} is the hole" in said.out and "inverted" not in said.err
        filled = np.asarray(Image.open(tmp_path / "out" / "a-filled.png"))
        assert (filled == pixels(64, 64)).all(-1)[drawn == drawn[0, 0]].all()
        other = "black" if hole == "white" else "white"
        assert cli.main(["inpaint", *words, "--mask-hole", other]) == 0
        said = capsys.readouterr()
        assert f"Is it inverted? Then add --mask-hole {hole}" in said.err
    finally:
        torch.set_num_threads(threads)


def test_nothing_is_written_when_filling_fails_or_half_written(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", pixels(64, 64))
    with pytest.raises(KeyboardInterrupt):
        fill_files(
            [path],
            in_the_center,
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
            tmp_path / "out",
            say=print,
        )
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


def test_quality_tunes_and_the_default_does_not(tmp_path, weights):
    path, gan = weights
    picture = write(tmp_path / "a.png", pixels(64, 64))
    words = ["inpaint", str(picture), "--weights", str(path), "--device", "cpu", "--size", "64"]
    for name, more in (("plain", []), ("tuned", ["--quality"])):
        out = ["--restarts", "1", "--out", str(tmp_path / name)]
        assert cli.main([*words, *more, *out]) == 0

    def batch(file):
        return to_float(np.asarray(Image.open(file))[None])

    images = batch(picture)
    for name, method in (("plain", inpaint), ("tuned", inpaint_quality)):
        written = batch(tmp_path / name / "a-filled.png")
        wanted = method(images, center_mask(), gan, progress=False).completed
        assert (written - wanted).abs().max() < 2 / 255  # rounded to gray levels


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
            assert (
                cli.main(
                    [
                        "inpaint",
                        *files,
                        "--mask",
                        chosen,
                        "--weights",
                        str(path),
                        "--device",
                        "cpu",
                        "--restarts",
                        "2",
                        "--out",
                        str(out),
                    ]
                )
                == 0
            )
        assert "wrote 2 filled pictures and sheet.png" in capsys.readouterr().out
        assert (
            cli.main(
                [
                    "inpaint",
                    *files,
                    str(tmp_path / "no.png"),
                    "--weights",
                    str(path),
                    "--device",
                    "cpu",
                    "--out",
                    str(out),
                ]
            )
            == 1
        )
        assert "left out: no such file" in capsys.readouterr().err
        assert (
            cli.main(
                [
                    "inpaint",
                    *files,
                    "--mask",
                    "centre",
                    "--weights",
                    str(path),
                    "--out",
                    str(tmp_path / "never"),
                ]
            )
            == 1
        )
        assert (
            "--mask centre: neither one of center, pattern" in capsys.readouterr().err
            and not (tmp_path / "never").exists()
        )
        assert (
            cli.main(
                [
                    "inpaint",
                    *files,
                    "--mask",
                    str(mask),
                    "--weights",
                    str(path),
                    "--device",
                    "cpu",
                    "--restarts",
                    "2",
                    "--out",
                    str(out),
                ]
            )
            == 0
        )
    finally:
        torch.set_num_threads(threads)
    images = torch.cat([to_float(pixels(64, 64, number)) for number in range(2)])
    drawn = mask_from_array(np.kron(read_mask(mask)[0], np.ones((2, 2))))  # it is 32x32
    wanted = to_uint8(inpaint(images, drawn, gan, restarts=2, progress=False).completed)
    for number in range(2):
        filled = np.asarray(Image.open(out / f"{number}-filled.png")).astype(int)
        assert np.abs(filled - wanted[number]).mean() < 1  # half precision weights

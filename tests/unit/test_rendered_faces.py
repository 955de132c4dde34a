"""Rendered faces: a pure function of (seed, index), a cache that is never wrong, attributes that
can be seen.
"""

import hashlib
import os
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import tutorial_lib
from tutorial_lib import load_dataset
from tutorial_lib.cache import lock_of, locked
from tutorial_lib.datasets.rendered import base as rendered
from tutorial_lib.datasets.rendered import faces as synthetic_faces
from tutorial_lib.datasets.rendered.faces import (
    SyntheticFaces,
    draw,
    sample_attributes,
)
from tutorial_lib.images import check_images, to_float, to_uint8

TEST_START = 10**9


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the reader's cache."""
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "default"))


@pytest.fixture
def calls(monkeypatch):
    """A renderer that costs nothing, in chunks of four.

    The list of (seed, index) that were asked of it.
    """
    asked = []

    def flat(seed, index):
        asked.append((seed, index))
        return flat_face(seed, index), {}

    monkeypatch.setattr(SyntheticFaces, "render", flat)
    monkeypatch.setattr(rendered, "CHUNK", 4)
    return asked


def flat_face(seed, index):
    rng = np.random.default_rng([seed, index])
    return np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (64, 64, 3))


def flat_faces(seed, indices):
    return np.stack([flat_face(seed, index) for index in indices])


# -- a pure function --


def test_a_face_does_not_depend_on_what_was_drawn_before():
    wanted = [(0, 3), (3, 0), (1, 2), (0, TEST_START), (123456789, 17)]
    first = {key: SyntheticFaces.render(*key)[0] for key in wanted}
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    for key in reversed(wanted):
        picture, attributes = SyntheticFaces.render(*key)
        assert (
            picture.shape == (64, 64, 3)
            and picture.dtype == np.uint8
            and np.array_equal(picture, first[key])
        )
        assert attributes == sample_attributes(*key) and np.array_equal(draw(attributes), picture)
    assert random.getstate() == states[0] and np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])
    assert len({picture.tobytes() for picture in first.values()}) == 5


def test_another_process_draws_the_same_faces():
    code = (
        "import hashlib\nfrom tutorial_lib.datasets.rendered.faces import SyntheticFaces\n"
        "for key in ((0, 3), (7, 1000000002)):\n"
        "    picture, attributes = SyntheticFaces.render(*key)\n"
        "    print(hashlib.sha256(picture.tobytes()).hexdigest(), attributes)"
    )
    root = Path(tutorial_lib.__file__).parents[1]
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "77"},
    ).stdout.splitlines()
    for key, line in zip([(0, 3), (7, 1000000002)], told, strict=True):
        picture, attributes = SyntheticFaces.render(*key)
        assert line == f"{hashlib.sha256(picture.tobytes()).hexdigest()} {attributes}"


UNGUARDED = """
import sys
from tutorial_lib.datasets.rendered.faces import SyntheticFaces
print("once", flush=True)
SyntheticFaces(limit=3, seed=4, cache_dir=sys.argv[1], workers=2)
"""


def test_worker_processes_draw_what_this_one_draws(tmp_path):
    """In a script without `if __name__ == "__main__"` as well, which runs once."""
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED, encoding="utf-8")
    told = subprocess.run(
        [sys.executable, script, tmp_path],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert (told.returncode, told.stdout) == (0, "once\n"), told.stderr
    stored = np.load(next(tmp_path.rglob("*.npz")))["pictures"]
    assert np.array_equal(stored, [SyntheticFaces.render(4, index)[0] for index in range(3)])


@pytest.mark.parametrize("key", [(-1, 0), (0, -1)])
def test_negative_numbers_are_refused(key):
    with pytest.raises(ValueError, match="at least 0"):
        sample_attributes(*key)


# -- the data set --


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return SyntheticFaces(limit=12, seed=2, cache_dir=tmp_path_factory.mktemp("cache"))


def test_items_are_floats_in_range_with_their_attributes(faces):
    assert len(faces) == 12
    for index in (0, 7, -1):
        picture, attributes = SyntheticFaces.render(2, index % 12)
        assert faces[index].shape == (3, 64, 64) and faces[index].dtype == torch.float32
        assert (
            torch.equal(faces[index], to_float(picture)[0])
            and faces.attributes(index) == attributes
        )
    check_images(faces.images(slice(None)))
    assert len(list(faces)) == 12
    for index in (12, -13):
        with pytest.raises(IndexError):
            faces[index]
        with pytest.raises(IndexError):
            faces.attributes(index)


@given(
    indices=st.lists(st.integers(-12, 11), max_size=8),
    kind=st.sampled_from([list, torch.tensor, np.array]),
)
@settings(max_examples=40, deadline=None)
def test_a_batch_is_its_items(faces, indices, kind):
    batch = faces.images(kind(indices))
    assert batch.shape == (len(indices), 3, 64, 64)
    assert all(
        torch.equal(picture, faces[index]) for picture, index in zip(batch, indices, strict=True)
    )


@given(st.slices(12))
@settings(max_examples=40, deadline=None)
def test_a_slice_is_its_items(faces, chosen):
    assert torch.equal(faces.images(chosen), faces.images(range(12)[chosen]))


def test_a_data_loader_takes_it(faces):
    batches = list(torch.utils.data.DataLoader(faces, batch_size=5))
    assert torch.equal(torch.cat(batches), faces.images(slice(None)))


def test_train_and_test_never_overlap(calls, tmp_path):
    sets = {
        split: SyntheticFaces(split, limit=9, seed=6, cache_dir=tmp_path)
        for split in ("train", "test")
    }
    assert calls == [(6, i) for i in range(9)] + [(6, TEST_START + i) for i in range(9)]
    assert sets["train"].attributes(8) == sample_attributes(6, 8)
    assert sets["test"].attributes(8) == sample_attributes(6, TEST_START + 8)
    train = {picture.tobytes() for picture in sets["train"].pixels}
    assert len(train) == 9 and not train & {picture.tobytes() for picture in sets["test"].pixels}
    with pytest.raises(
        ValueError, match="1,000,000,000"
    ):  # one more, and train would reach into test
        SyntheticFaces("train", limit=TEST_START + 1, cache_dir=tmp_path)


def test_whole_splits_have_the_documented_sizes(monkeypatch):
    ranges = []
    monkeypatch.setattr(rendered, "CHUNK", 5000)
    monkeypatch.setattr(
        rendered,
        "_render_range",
        lambda kind, seed, indices: (
            ranges.append((indices.start, indices.stop))
            or np.zeros((len(indices), 64, 64, 3), np.uint8)
        ),
    )
    assert len(SyntheticFaces("test", workers=1)) == 2_000 and ranges == [
        (TEST_START, TEST_START + 2_000)
    ]
    assert len(SyntheticFaces("train", workers=1)) == 20_000 and ranges[1:] == [
        (start, start + 5_000) for start in range(0, 20_000, 5_000)
    ]
    sizes = re.search(
        r'"train" \((\d+) pictures\) or "test" \((\d+)\)', rendered.RenderedPictures.__doc__
    )
    assert sizes.groups() == ("20000", "2000")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"split": "valid"}, "train.*test.*valid"),
        ({"limit": 0}, "limit"),
        ({"limit": -3}, "limit"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_is_wrong_is_said(calls, options, message):
    with pytest.raises(ValueError, match=message):
        load_dataset("synthetic-faces", **options)
    assert not calls


# -- the cache --


def test_only_what_is_asked_for_is_rendered_and_only_once(calls, tmp_path):
    for limit, new in (
        (6, range(6)),
        (6, []),
        (3, []),
        (11, range(6, 11)),
        (11, []),
        (12, [11]),
        (1, []),
        (12, []),
    ):
        calls.clear()
        faces = SyntheticFaces(limit=limit, seed=1, cache_dir=tmp_path)
        assert calls == [(1, index) for index in new]
        assert np.array_equal(faces.pixels, flat_faces(1, range(limit)))
    assert not list(tmp_path.rglob("*.tmp"))


def test_seeds_and_splits_are_kept_apart(calls, tmp_path):
    keys = [(seed, split) for seed in (0, 1) for split in ("train", "test")]
    for _ in range(2):
        for seed, split in keys:
            start = TEST_START if split == "test" else 0
            faces = SyntheticFaces(split, 5, seed, cache_dir=tmp_path)
            assert np.array_equal(faces.pixels, flat_faces(seed, range(start, start + 5)))
    assert len(calls) == 20


def test_another_renderer_reads_none_of_it(calls, tmp_path, monkeypatch):
    SyntheticFaces(limit=5, cache_dir=tmp_path)
    source = b"".join(Path(module.__file__).read_bytes() for module in (synthetic_faces, rendered))
    assert (
        SyntheticFaces.renderer_hash()
        == hashlib.sha256(source.replace(b"\r\n", b"\n")).hexdigest()[:16]
    )
    assert [folder.name for folder in tmp_path.iterdir() if folder.name != "default"] == [
        f"synthetic-faces-{SyntheticFaces.renderer_hash()}"
    ]
    monkeypatch.setattr(SyntheticFaces, "renderer_hash", staticmethod(lambda: "0123456789abcdef"))
    SyntheticFaces(limit=5, cache_dir=tmp_path)
    assert len(calls) == 10


def test_the_environment_says_where_the_cache_is(calls, tmp_path):
    load_dataset("synthetic-faces", limit=5)
    assert len(list((tmp_path / "default").rglob("*.npz"))) == 2
    load_dataset("synthetic-faces", limit=5)
    assert len(calls) == 5


def damage(kind, whole):
    flipped = bytearray(whole)
    if isinstance(kind, int):
        flipped[kind] ^= 0x10
    return {
        "cut": whole[:-200],
        "half": whole[: len(whole) // 2],
        "empty": b"",
        "page": b"<html>full</html>",
        "bare array": whole[whole.index(b"\x93NUMPY") :][: 128 + 4 * 64 * 64 * 3],
    }.get(kind, bytes(flipped))


@pytest.mark.parametrize("kind", ["cut", "half", "empty", "page", "bare array"])
def test_a_damaged_chunk_alone_is_rendered_again(calls, tmp_path, kind):
    SyntheticFaces(limit=10, cache_dir=tmp_path)
    (chunk,) = tmp_path.rglob("000001.npz")
    chunk.write_bytes(damage(kind, chunk.read_bytes()))
    for new in ([4, 5, 6, 7], []):
        calls.clear()
        assert np.array_equal(
            SyntheticFaces(limit=10, cache_dir=tmp_path).pixels, flat_faces(0, range(10))
        )
        assert calls == [(0, index) for index in new]


def test_no_flipped_bit_goes_unnoticed(calls, tmp_path):
    SyntheticFaces(limit=4, cache_dir=tmp_path)
    (chunk,) = tmp_path.rglob("*.npz")
    whole = chunk.read_bytes()
    for place in [
        *range(0, 200),
        *range(200, len(whole) - 200, 5003),
        *range(len(whole) - 200, len(whole)),
    ]:
        chunk.write_bytes(damage(place, whole))
        assert np.array_equal(
            SyntheticFaces(limit=4, cache_dir=tmp_path).pixels, flat_faces(0, range(4))
        )
    assert len(calls) > 4 * 200  # most of these bytes matter


def test_a_cache_that_cannot_be_written_costs_only_a_warning(calls, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for _ in range(2):
        with pytest.warns(UserWarning, match="not kept"):
            faces = SyntheticFaces(limit=6, cache_dir=tmp_path / "file" / "cache")
        assert np.array_equal(faces.pixels, flat_faces(0, range(6)))
    assert len(calls) == 12 and (tmp_path / "file").read_text() == "not a folder"


def test_an_interrupted_rendering_keeps_what_was_done(calls, tmp_path, monkeypatch):
    def stop_at_six(seed, index):
        if index == 6:
            raise KeyboardInterrupt
        return flat_face(seed, index), {}

    with monkeypatch.context() as patch:
        patch.setattr(SyntheticFaces, "render", stop_at_six)
        with pytest.raises(KeyboardInterrupt):
            SyntheticFaces(limit=8, cache_dir=tmp_path)
    assert np.array_equal(
        SyntheticFaces(limit=8, cache_dir=tmp_path).pixels, flat_faces(0, range(8))
    )
    assert calls == [(0, index) for index in (4, 5, 6, 7)]


TWICE = """
import hashlib, sys
from tutorial_lib.datasets.rendered.faces import SyntheticFaces
faces = SyntheticFaces(limit=40, cache_dir=sys.argv[1], workers=1)
print(hashlib.sha256(faces.pixels.tobytes()).hexdigest())
"""


def test_two_first_renderings_at_once_end_alike(tmp_path):
    words = [sys.executable, "-c", TWICE, str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    both = [subprocess.Popen(words, **pipes) for _ in range(2)]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0] and not any("Traceback" in err for _, err in said)
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == [".seed0-train.lock", "000000.npz"]


def test_one_renders_while_the_other_waits(calls, tmp_path):
    """The lock is held as by another process: nothing is rendered until it is released."""
    one = SyntheticFaces(limit=4, cache_dir=tmp_path)
    calls.clear()
    done = threading.Thread(target=lambda: SyntheticFaces(limit=8, cache_dir=tmp_path))
    with locked(lock_of(one.folder), "rendering"):
        done.start()
        time.sleep(0.3)
        assert not calls
    done.join(30)
    assert len(calls) == 4


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_who_shares_the_cache_may_read_it(calls, tmp_path):
    before = os.umask(0o022)
    try:
        SyntheticFaces(limit=4, cache_dir=tmp_path)
    finally:
        os.umask(before)
    (chunk,) = tmp_path.rglob("*.npz")
    assert chunk.stat().st_mode & 0o777 == 0o644


# -- attributes against their documentation --


def documented():
    """{attribute: (low, high), a tuple of words, or int}, read from the table in the module's
    docstring.
    """
    table = {}
    lines = re.sub(r"\n {20,}", " ", synthetic_faces.__doc__)  # rows that go on in the next line
    for names, what in re.findall(r"^    (\w+(?:, \w+)*) +(float .*|int .*|\".*)$", lines, re.M):
        what = re.sub(r"\(.*", "", what)
        bounds = re.match(r"float (-?[\d.]+?)\.\.(-?[\d.]+)", what)
        for name in names.split(", "):
            table[name] = (
                tuple(map(float, bounds.groups()))
                if bounds
                else int
                if what.startswith("int")
                else tuple(re.findall(r'"([^"]+)"', what))
            )
    return table


def test_300_faces_keep_to_the_documented_ranges_and_use_them():
    drawn = [sample_attributes(3, index) for index in range(300)]
    table = documented()
    assert all(face.keys() == table.keys() for face in drawn) and len(table) == 46
    for name, allowed in table.items():
        values = [face[name] for face in drawn]
        if allowed is int:
            assert (
                all(type(value) is int and value >= 0 for value in values)
                and len(set(values)) == 300
            )
        elif isinstance(allowed[0], str):
            assert set(values) == set(allowed)
        else:
            low, high = allowed
            assert all(type(value) is float and low <= value <= high for value in values)
            assert min(values) < low + 0.2 * (high - low) and max(values) > high - 0.2 * (
                high - low
            )


def test_attributes_are_not_all_alike_between_neighbors():
    """Each number is independent of the same number in the next face, and of the face's place in
    the row.
    """
    names = [
        name
        for name, allowed in documented().items()
        if isinstance(allowed, tuple) and isinstance(allowed[0], float)
    ]
    drawn = [sample_attributes(0, index) for index in range(400)]
    values = np.array([[face[name] for name in names] for face in drawn])
    for row in values.T:
        assert abs(np.corrcoef(row[:-1], row[1:])[0, 1]) < 0.2
        assert abs(np.corrcoef(row, np.arange(400))[0, 1]) < 0.2


# -- attributes against pixels --

STILL = {"yaw": 0.0, "tilt": 0.0, "shift_x": 0.0, "shift_y": 0.0, "scale": 1.0}
FACES = range(8)


def face(index, **changes):
    """Face `index` looking straight ahead, with other attributes as given; int, so that differences
    may be negative.
    """
    return draw(sample_attributes(11, index) | STILL | changes).astype(int)


def where(values):
    """(first row, last row, first column, last column) where a (64, 64) array is not zero."""
    rows, columns = np.nonzero(values.any(1))[0], np.nonzero(values.any(0))[0]
    return rows[0], rows[-1], columns[0], columns[-1]


# what is changed; where pixels may change (rows, columns); the most that the most changed pixel
# changes at least
CHANGES = {
    "smile": (
        {"smile": 0.0},
        {"smile": 1.0},
        (16, 56),
        (11, 52),
        40,
    ),  # mouth, cheeks, eyes and brows
    "teeth": ({"teeth": 0.0}, {"teeth": 1.0}, (40, 54), (17, 48), 80),
    "lips": ({"lip_color": 0.0}, {"lip_color": 1.0}, (39, 52), (17, 47), 10),
    "eye color": ({"eye_color": "brown"}, {"eye_color": "blue"}, (22, 30), (15, 48), 60),
    "gaze": ({"gaze_x": -1.0}, {"gaze_x": 1.0}, (22, 30), (15, 48), 100),
    "brows": ({"brow_height": 0.0}, {"brow_height": 1.0}, (15, 26), (14, 50), 20),
    "square glasses": ({"glasses": "none"}, {"glasses": "square"}, (19, 37), (9, 54), 25),
    "round glasses": ({"glasses": "none"}, {"glasses": "round"}, (19, 37), (9, 54), 25),
    "half-rim glasses": ({"glasses": "none"}, {"glasses": "half-rim"}, (19, 37), (9, 54), 25),
    "beard": ({"beard": "none"}, {"beard": "full"}, (25, 63), (7, 57), 30),
    "clothes": ({"clothes_hue": 0.1}, {"clothes_hue": 0.6}, (52, 63), (0, 63), 20),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_attribute_changes_its_own_part_of_the_picture_and_no_other(change):
    before, after, rows, columns, least = CHANGES[change]
    for index in FACES:
        difference = np.abs(face(index, **before) - face(index, **after)).max(2)
        first_row, last_row, first_column, last_column = where(difference)
        assert (
            rows[0] <= first_row
            and last_row <= rows[1]
            and columns[0] <= first_column
            and last_column <= columns[1]
        )
        assert difference.max() >= least


def lips(index, **changes):
    """The lips' pixels: those that lipstick changes."""
    changes |= {"teeth": 0.0, "beard": "none"}
    return (
        np.abs(face(index, lip_color=0.0, **changes) - face(index, lip_color=1.0, **changes)).max(2)
        > 4
    )


def test_a_smile_widens_the_mouth_and_raises_its_corners():
    for index in FACES:
        rise, width = {}, {}
        for smile in (0.0, 1.0):
            mouth = lips(index, smile=smile)
            _, _, left, right = where(mouth)
            corners = mouth[:, [left, left + 1, right - 1, right]]
            middle = mouth[:, 31:33]
            rise[smile] = np.nonzero(middle)[0].mean() - np.nonzero(corners)[0].mean()
            width[smile] = right - left
        assert rise[1.0] > rise[0.0] + 1 and width[1.0] > width[0.0] + 2


def test_teeth_are_white():
    for index in FACES:
        shown = face(index, smile=1.0, teeth=1.0, beard="none")[40:50, 26:38]
        hidden = face(index, smile=1.0, teeth=0.0, beard="none")[40:50, 26:38]
        assert (shown.min(2) > 200).sum() > (hidden.min(2) > 200).sum() + 10


def test_eyes_look_where_the_gaze_says():
    """The dark of iris and pupil lies further right, or lower, among the eyes' pixels."""
    for index in FACES:
        eyes = {
            gaze: 255
            - face(index, glasses="none", gaze_x=gaze[0], gaze_y=gaze[1], eye_color="brown")[
                20:32, 12:52
            ]
            for gaze in ((-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0))
        }
        rows, columns = np.mgrid[0:12, 0:40]
        right = ((eyes[1.0, 0.0] - eyes[-1.0, 0.0]).sum(2) * columns).sum()
        down = ((eyes[0.0, 1.0] - eyes[0.0, -1.0]).sum(2) * rows).sum()
        assert right > 0 and down > 0


def test_the_background_s_hue_changes_the_corners_and_not_the_face():
    for index in FACES:
        a, b = (
            face(index, background_hue=hue, hair_style="short", hair_volume=0.0)
            for hue in (0.1, 0.6)
        )
        assert np.abs(a - b)[0, [0, -1]].max(-1).min() > 15
        assert np.array_equal(a[15:46, 22:42], b[15:46, 22:42])
        light = (
            face(index, background_value=1.0)[0, 0].sum()
            - face(index, background_value=0.0)[0, 0].sum()
        )
        assert light > 300


def test_skin_and_hair_have_the_tone_they_are_said_to_have():
    for index in FACES:
        plain = {"hair_style": "short", "beard": "none", "glasses": "none"}
        cheeks = [
            face(index, skin=skin, **plain)[34:38, [18, 19, 44, 45]].mean()
            for skin in (0.0, 0.25, 0.5, 0.75, 1.0)
        ]
        assert (np.diff(cheeks) < -10).all()
        hair = [
            face(index, hair_color=color, hair_volume=1.0, **plain)[6:11, 26:38].mean()
            for color in ("black", "brown", "blond", "white")
        ]
        assert (np.diff(hair) > 10).all()


def test_the_lit_side_is_the_brighter_one():
    for index in FACES:
        bald = {"hair_style": "bald", "beard": "none", "glasses": "none", "light_strength": 1.0}
        left, right = (face(index, light=light, **bald)[30:40] for light in (-1.0, 1.0))
        assert (
            right[:, 42:46].mean() > right[:, 18:22].mean() + 8
            and left[:, 18:22].mean() > left[:, 42:46].mean() + 8
        )


def test_a_shift_of_a_pixel_is_a_pixel():
    for index in FACES:
        bald = {"hair_style": "bald", "beard": "none"}
        middle = face(index, **bald)
        right, down = face(index, shift_x=1.0, **bald), face(index, shift_y=1.0, **bald)
        inside = slice(14, 50)
        for moved, axis in ((right, 1), (down, 0)):
            assert np.abs(moved - np.roll(middle, 1, axis))[inside, inside].max() <= 8
            assert np.abs(moved - middle)[inside, inside].max() > 30


def test_a_turned_head_moves_the_nose_by_about_three_pixels():
    for index in FACES:
        plain = {
            "hair_style": "bald",
            "beard": "none",
            "glasses": "none",
            "light": 0.0,
            "smile": 0.0,
        }
        nose = {
            yaw: face(index, yaw=yaw, **plain)[38:42, 24:41].sum((0, 2)) for yaw in (-1.0, 0.0, 1.0)
        }

        def moved(yaw, nose=nose):
            """By how many pixels the nostrils' shadow must be moved to match best."""
            gaps = {by: np.roll(nose[0.0], by) - nose[yaw] for by in range(-6, 7)}
            return min(gaps, key=lambda by: np.abs(gaps[by])[6:-6].sum())

        assert 2 <= moved(1.0) <= 4 and -4 <= moved(-1.0) <= -2


@pytest.mark.parametrize("tilt", [-7.0, 4.0, 7.0])
def test_a_tilt_turns_the_picture_clockwise(tilt):
    rows, columns = np.mgrid[0:64, 0:64]
    inside = np.hypot(rows - 32, columns - 31.5) < 15
    for index in FACES:
        tilted, straight = (
            face(index, hair_style="bald", tilt=tilt),
            Image.fromarray(face(index, hair_style="bald").astype(np.uint8)),
        )
        error = {
            angle: np.abs(
                np.asarray(straight.rotate(-angle, Image.Resampling.BICUBIC, center=(32, 32.5)))
                - tilted
            )[inside].mean()
            for angle in (tilt, 0, -tilt)
        }
        assert error[tilt] < 0.75 * error[0] < 0.75 * error[-tilt]


def test_every_style_is_another_picture():
    for name, allowed in documented().items():
        if isinstance(allowed, tuple) and isinstance(allowed[0], str):
            fixed = {"glasses": "square"} if name == "glasses_color" else {}
            pictures = [face(1, **fixed, **{name: word}) for word in allowed]
            for i, a in enumerate(pictures):
                for b in pictures[:i]:
                    assert np.abs(a - b).max() > 8, name


def test_faces_are_found_in_rendered_faces(faces):
    """What the cascade was trained on are photographs: it takes most of these for faces."""
    from tutorial_lib.evaluation.metrics import face_found

    assert face_found(faces.images(slice(None))).mean() > 0.7
    assert np.array_equal(to_uint8(faces.images(slice(None))), faces.pixels)

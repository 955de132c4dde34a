"""The mask painter as an object, without a browser: what a browser would send is sent by hand."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import callback_errors_raise
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib import cbook
from PIL import Image

from tutorial_lib.faces import align
from tutorial_lib.images import load_picture
from tutorial_lib.masks import center_mask, rectangle_mask
from tutorial_lib.teaching.widgets import MaskPainter
from tutorial_lib.teaching.widgets import painter as painter_module

SIDE = 16
MASKS = arrays(np.uint8, (SIDE, SIDE), elements=st.integers(0, 1)).filter(
    lambda mask: 0 < mask.sum() < mask.size
)


def picture(seed=0, size=SIDE):
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def face_of(photo):
    return align(load_picture(photo)).pixels


def paint(painter, content):
    """What a browser sends after a stroke: the mask's bytes beside the message."""
    state, paths, buffers = (
        {},
        [["known"]],
        [memoryview(content)] if isinstance(content, bytes) else [],
    )
    if not buffers:  # no bytes at all
        state, paths = {"known": content}, []
    painter._handle_msg(
        {
            "content": {"data": {"method": "update", "state": state, "buffer_paths": paths}},
            "buffers": buffers,
        }
    )


def send_photo(painter, *parts, numbers=None):
    """What a browser sends when a photo is dropped, in parts."""
    for number, part in enumerate(parts):
        content = {
            "kind": "photo",
            "part": numbers[number] if numbers else number,
            "parts": len(parts),
        }
        painter._handle_msg(
            {
                "content": {"data": {"method": "custom", "content": content}},
                "buffers": [memoryview(part)],
            }
        )


@pytest.fixture(scope="module")
def hopper():
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return file.read()


# ---- the mask ------------------------------------------------------------------------------------


def test_nothing_is_painted_to_begin_with():
    painter = MaskPainter(picture())
    assert (
        painter.array.dtype == np.uint8
        and painter.array.shape == (SIDE, SIDE)
        and painter.array.all()
    )
    with pytest.raises(ValueError, match="paint a hole first"):
        _ = painter.mask


@given(MASKS)
def test_what_the_browser_paints_is_the_mask(mask):
    painter = MaskPainter(picture())
    paint(painter, mask.tobytes())
    assert np.array_equal(painter.array, mask)
    assert painter.mask.dtype == torch.float32 and painter.mask.shape == (1, 1, SIDE, SIDE)
    assert np.array_equal(painter.mask[0, 0].numpy(), mask)


@given(MASKS)
def test_a_mask_set_in_python_goes_to_the_browser_row_by_row(mask):
    tensor = torch.from_numpy(mask.astype(np.float32))[None, None]
    for painter in (MaskPainter(picture(), tensor), MaskPainter(picture())):
        painter.mask = tensor
        assert list(painter.known) == [int(value) for row in mask for value in row]
        assert torch.equal(painter.mask, tensor)


def test_all_painted_is_no_mask_either():
    painter = MaskPainter(picture())
    paint(painter, bytes(SIDE * SIDE))
    assert not painter.array.any()
    with pytest.raises(ValueError, match="smaller hole"):
        _ = painter.mask


def test_the_array_is_a_copy():
    painter = MaskPainter(picture(), center_mask(size=SIDE))
    painter.array[:] = 0
    assert torch.equal(painter.mask, center_mask(size=SIDE))


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        (torch.ones(1, 1, SIDE, SIDE), "no hole"),
        (torch.zeros(SIDE, SIDE), "shape"),
        (center_mask(size=8), "does not fit"),
        (torch.full((1, 1, SIDE, SIDE), 0.5), "only 0"),
    ],
)
def test_what_is_no_mask_is_refused(mask, problem):
    with pytest.raises(ValueError, match=problem):
        MaskPainter(picture(), mask)
    painter = MaskPainter(picture(), center_mask(size=SIDE))
    with pytest.raises(ValueError, match=problem):
        painter.mask = mask
    assert torch.equal(painter.mask, center_mask(size=SIDE))


class TestNonsenseFromTheBrowser:
    @pytest.fixture(autouse=True)
    def no_silent_widget_errors(self):
        """Not here: the errors are made on purpose."""

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            bytes(SIDE * SIDE - 1),
            bytes(SIDE * SIDE + 1),
            bytes([2]) * (SIDE * SIDE),
            b"\xff" * (SIDE * SIDE),
            bytes([1, 0, 7] + [1] * (SIDE * SIDE - 3)),
            "text",
            256,
            None,
        ],
    )
    def test_it_is_refused_put_back_and_said(self, content):
        painter = MaskPainter(picture(), center_mask(size=SIDE))
        good = painter.known
        with pytest.raises(AssertionError, match="refused"), callback_errors_raise():
            paint(painter, content)
        assert painter.message.startswith("refused: a mask has 256 values of 0 and 1")
        assert painter.known == good and torch.equal(painter.mask, center_mask(size=SIDE))

    def test_python_gets_the_error_itself(self):
        painter = MaskPainter(picture())
        with pytest.raises(ValueError, match="got 3 bytes with values"):
            painter.known = b"\x00\x01\x02"
        assert painter.array.all()

    @pytest.mark.parametrize(
        ("content", "buffers"),
        [
            ({"kind": "photo"}, [b"x"]),
            ({"kind": "photo", "part": "0", "parts": 1}, [b"x"]),
            ({"kind": "photo", "part": 0, "parts": None}, [b"x"]),
            ({"kind": "photo", "part": -1, "parts": 1}, [b"x"]),
            ({"kind": "photo", "part": 0, "parts": 1}, []),
            ({"kind": "photo", "part": 0, "parts": 1}, [b"x", b"y"]),
        ],
    )
    def test_what_is_no_part_of_a_photo_is_said(self, content, buffers):
        painter = MaskPainter(picture())
        with pytest.raises(ValueError, match="no part of a photo"):
            painter._receive(painter, content, buffers)
        assert "drop it again" in painter.message and torch.equal(painter.image, picture())

    def test_more_than_a_photo_is_not_kept(self, monkeypatch):
        monkeypatch.setattr(painter_module, "MAX_BYTES", 25)
        painter = MaskPainter(picture())
        with pytest.raises(AssertionError, match="logged"), callback_errors_raise():
            send_photo(painter, *[bytes(10)] * 3)
        assert "more than 25 bytes" in painter.message and not painter._parts

    def test_a_part_of_a_photo_that_is_missing_is_said(self, hopper):
        painter = MaskPainter(picture())
        with pytest.raises(AssertionError, match="logged"), callback_errors_raise():
            send_photo(painter, hopper[:1000], hopper[1000:], numbers=[0, 2])
        assert "part 2 is missing" in painter.message and torch.equal(painter.image, picture())


# ---- the picture ---------------------------------------------------------------------------------


def test_the_browser_gets_a_png_of_the_picture():
    painter = MaskPainter(picture(3))
    with Image.open(io.BytesIO(painter.picture)) as image:
        assert image.format == "PNG"
        expected = np.rint((picture(3)[0].double().numpy().transpose(1, 2, 0) + 1) / 2 * 255)
        assert np.array_equal(np.asarray(image), expected)
    assert (painter.rows, painter.columns) == (SIDE, SIDE) and painter.gray == 153  # 0.2 in [-1, 1]


def test_the_hole_stays_with_another_picture_but_not_with_another_size():
    painter = MaskPainter(picture(), center_mask(size=SIDE))
    painter.set_image(picture(1))
    assert torch.equal(painter.image, picture(1)) and torch.equal(
        painter.mask, center_mask(size=SIDE)
    )
    painter.set_image(picture(2, size=32))
    assert painter.array.shape == (32, 32) and painter.array.all()
    painter.mask = rectangle_mask(0, 0, 3, 5, size=32)
    assert (painter.array == 0).sum() == 15


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (torch.zeros(2, 3, SIDE, SIDE), "one picture"),
        (torch.zeros(3, SIDE, SIDE), "shape"),
        (torch.full((1, 3, SIDE, SIDE), 2.0), "must lie in"),
        (None, "shape"),
    ],
)
def test_what_is_no_picture_is_refused(image, problem):
    with pytest.raises(ValueError, match=problem):
        MaskPainter(image)
    painter = MaskPainter(picture())
    with pytest.raises(ValueError, match=problem):
        painter.set_image(image)
    assert torch.equal(painter.image, picture())


# ---- photos --------------------------------------------------------------------------------------


def test_a_photo_comes_in_parts_and_is_framed(hopper):
    painter = MaskPainter(picture(size=64), center_mask())
    send_photo(painter, hopper[:20_000], hopper[20_000:20_001], hopper[20_001:])
    assert torch.equal(painter.image, face_of(hopper)) and torch.equal(painter.mask, center_mask())
    assert painter.message == "a face was found and framed"
    assert painter.photo == load_picture(hopper)
    assert np.array_equal(painter.transform.matrix, align(painter.photo).transform.matrix)


def test_another_picture_comes_from_no_photo(hopper):
    painter = MaskPainter(picture(size=64))
    assert painter.photo is None and painter.transform is None
    assert painter.load(hopper) and not painter.load(b"no photo")
    assert painter.photo.size == (512, 600), "a photo that is not taken leaves the last one"
    painter.set_image(picture(size=64))
    assert painter.photo is None and painter.transform is None


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 25])
def test_a_file_goes_to_the_browser_in_parts(length, monkeypatch):
    monkeypatch.setattr(painter_module, "_PART", 10)
    painter, sent, content = MaskPainter(picture()), [], bytes(range(length))
    monkeypatch.setattr(painter, "send", lambda *message: sent.append(message))
    painter.download(content, "a.png", "image/png")
    assert b"".join(part for _, (part,) in sent) == content and all(
        len(part) <= 10 for _, (part,) in sent
    )
    for number, (said, _) in enumerate(sent):
        assert said == {
            "kind": "download",
            "name": "a.png",
            "type": "image/png",
            "part": number,
            "parts": len(sent),
        }


def test_a_photo_after_one_that_broke_off(hopper):
    painter = MaskPainter(picture(size=64))
    content = {"kind": "photo", "part": 0, "parts": 2}
    painter._handle_msg(
        {
            "content": {"data": {"method": "custom", "content": content}},
            "buffers": [memoryview(hopper[:100])],
        }
    )
    send_photo(painter, hopper)
    assert torch.equal(painter.image, face_of(hopper))


@pytest.mark.parametrize(
    ("content", "problem"), [(b"", "cannot be read"), (b"<html>404</html>", "cannot be read")]
)
def test_what_is_no_photo_is_refused_and_the_picture_kept(content, problem):
    painter = MaskPainter(picture(size=64))
    send_photo(painter, content)
    assert painter.message.startswith("not taken: ") and problem in painter.message
    assert torch.equal(painter.image, picture(size=64))


def test_a_path_or_a_picture_will_do_as_well(hopper, tmp_path):
    (tmp_path / "hopper.jpg").write_bytes(hopper)
    painter = MaskPainter(picture(size=64))
    assert painter.load(tmp_path / "hopper.jpg") and torch.equal(painter.image, face_of(hopper))
    assert (
        not painter.load(Image.new("RGB", (200, 200), "gray"))
        and "no face was found" in painter.message
    )
    assert not painter.load(tmp_path / "nowhere.jpg") and "nowhere.jpg" in painter.message


def test_messages_of_others_are_left_alone():
    painter = MaskPainter(picture())
    painter._handle_msg(
        {"content": {"data": {"method": "custom", "content": {"kind": "another"}}}, "buffers": []}
    )
    assert painter.message == "" and painter.array.all()


def test_the_browser_s_half_is_the_file_beside_the_module():
    assert MaskPainter(picture())._esm == Path(painter_module.__file__).with_name(
        "painter.js"
    ).read_text(encoding="utf-8")

"""A hole painted by hand: with mouse, finger, pen or keys, on any picture.

A dropped photo will do (notebooks 00 and 07).
"""

from __future__ import annotations

from pathlib import Path

import anywidget
import numpy as np
import traitlets
from PIL import Image
from torch import Tensor

from tutorial_lib.faces import Transform, align
from tutorial_lib.images import MAX_BYTES, check_images, load_picture, to_uint8
from tutorial_lib.masks import HOLE_GRAY, check_mask, mask_from_array
from tutorial_lib.teaching.widgets.frames import encode_png

_GRAY = round((HOLE_GRAY + 1) * 127.5)
_PART = 4_000_000  # bytes sent to the browser at once, as many as it sends (painter.js)
_STYLE = """
.mask-painter-view { max-width: 460px; margin: 2px 8px 2px 2px; }
.mask-painter-bar {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 4px;
  margin-bottom: 4px;
}
.mask-painter-bar label { display: flex; align-items: center; gap: 4px; }
.mask-painter-bar input[type=range] { width: 60px; }
.mask-painter-bar button { padding: 3px 5px; font-size: 12px; cursor: pointer; }
.mask-painter-bar button:disabled { opacity: 0.5; }
.mask-painter-bar button[aria-pressed=true] { outline: 2px solid #0072B2; font-weight: bold; }
.mask-painter-bar button:focus-visible, .mask-painter-canvas:focus-visible {
  outline: 3px solid #D55E00;
}
.mask-painter-canvas {
  display: block;
  max-width: 100%;
  touch-action: none;
  cursor: crosshair;
  image-rendering: pixelated;
}
.mask-painter-status, .mask-painter-message { min-height: 1.3em; margin-top: 4px; }
"""


def _as_bytes(value, _) -> bytes:
    """What the browser sends as bytes; anything else becomes none, which `_check_known` refuses."""
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else b""


class MaskPainter(anywidget.AnyWidget):
    """A picture to paint a hole on. The browser's half is painter.js.

    Tools: brush, rectangle, eraser, clear, undo. With keys: Tab to the picture, arrows move the
    cursor (with Shift by eight pixels), Space or Enter uses the tool there (a rectangle takes two
    corners), B, R and E choose it, + and - its size, C clears, Ctrl+Z or Cmd+Z takes back. A photo
    can be dropped on the picture or chosen by a button; the face in it is found and framed.

    Args:
        image: (1, 3, H, W) in [-1, 1].
        mask: (1, 1, H, W), 1 = known; None starts without a hole.

    Attributes:
        image: (1, 3, H, W), the picture; `set_image` changes it.
        picture: its PNG file, which the browser is given.
        known: H * W bytes, row by row, 1 = known, 0 = hole: what the browser paints on.
        message: what is said below the picture.
        photo: the photo that the picture was taken from, at its own size; None for any other
            picture.
        transform: from the photo to the picture; None as well without a photo.

    Raises:
        ValueError: for what is no picture or no mask for it.
    """

    _esm = Path(__file__).with_name("painter.js")
    _css = _STYLE
    rows = traitlets.Int().tag(sync=True)
    columns = traitlets.Int().tag(sync=True)
    gray = traitlets.Int(_GRAY).tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    known = traitlets.Bytes().tag(sync=True, from_json=_as_bytes)
    message = traitlets.Unicode().tag(sync=True)

    def __init__(self, image: Tensor, mask: Tensor | None = None):
        self._checked = b""
        self._parts: list[bytes] = []
        super().__init__()
        self.add_class("mask-painter")
        self.on_msg(self._receive)
        self.set_image(image)
        if mask is not None:
            self.mask = mask

    def set_image(self, image: Tensor) -> None:
        """Paint on another picture, (1, 3, H, W) in [-1, 1].

        The hole stays, unless the size is another.
        """
        check_images(image, "image")
        if len(image) != 1:
            raise ValueError(f"one picture to paint on is wanted, got {len(image)}")
        self._show(image, None, None)

    def _show(self, image: Tensor, photo: Image.Image | None, transform: Transform | None) -> None:
        self.image = image.detach().cpu()
        self.photo, self.transform = photo, transform
        rows, columns = image.shape[-2:]
        with self.hold_sync():
            if (rows, columns) != (self.rows, self.columns):
                self.rows, self.columns = rows, columns
                self.known = bytes([1]) * (rows * columns)
            self.picture = encode_png(to_uint8(self.image)[0])

    @property
    def array(self) -> np.ndarray:
        """uint8 (H, W), 1 = known, 0 = hole; a copy."""
        return np.frombuffer(self._checked, np.uint8).reshape(self.rows, self.columns).copy()

    @property
    def mask(self) -> Tensor:
        """(1, 1, H, W), 1 = known.

        Raises:
            ValueError: when nothing is painted, or everything.
        """
        array = self.array
        if array.all():
            raise ValueError(
                "paint a hole first: nothing is painted, so there is nothing to fill in"
            )
        if not array.any():
            raise ValueError(
                "paint a smaller hole: everything is painted, so nothing says what to fill in"
            )
        return mask_from_array(array)

    @mask.setter
    def mask(self, mask: Tensor) -> None:
        mask = check_mask(mask, self.image)
        self.known = mask[0, 0].cpu().numpy().astype(np.uint8).tobytes()

    def load(self, source) -> bool:
        """Take in a photo.

        Args:
            source: a path, bytes or a Pillow picture.

        Returns:
            False, with the reason in `message`, when that fails.
        """
        try:
            photo = load_picture(source)
            face = align(photo)
        except (ValueError, OSError) as error:
            self.message = f"not taken: {error}"
            return False
        self._show(face.pixels, photo, face.transform)
        self.message = "a face was found and framed"
        return True

    @traitlets.observe("known")
    def _check_known(self, change) -> None:
        """Whoever sets `known`, the browser included.

        Bytes that are no mask of this picture are put back, and that is said.
        """
        known = change["new"]
        if len(known) == self.rows * self.columns and not known.strip(b"\x00\x01"):
            self._checked = known
            return
        self.message = (
            f"refused: a mask has {self.rows * self.columns} values of 0 and 1, got {len(known)} "
            f"bytes with values {sorted(set(known))[:5]}; the hole is as it was"
        )
        self.known = self._checked
        raise ValueError(self.message)

    def download(self, content: bytes, name: str, kind: str) -> None:
        """Let the browser save a file, in its folder of downloads.

        Args:
            content: the file.
            name: how it is called.
            kind: its MIME type, such as "image/png".
        """
        parts = [content[start : start + _PART] for start in range(0, len(content), _PART)] or [b""]
        for number, part in enumerate(parts):
            self.send(
                {
                    "kind": "download",
                    "name": name,
                    "type": kind,
                    "part": number,
                    "parts": len(parts),
                },
                [part],
            )

    def _receive(self, _, content, buffers) -> None:
        """A piece of a photo.

        Servers close a connection that sends more than ten megabytes at once, so it comes in parts.
        """
        if not isinstance(content, dict) or content.get("kind") != "photo":
            return
        try:
            photo = self._whole_photo(content, buffers)
        except ValueError as error:  # ipywidgets only logs it
            self._parts = []
            self.message = str(error)
            raise
        if photo is not None:
            self.load(photo)

    def _whole_photo(self, content: dict, buffers) -> bytes | None:
        """Keep a part; the photo once it is whole.

        Raises:
            ValueError: for parts out of order, too much, or what is no part.
        """
        part, parts = content.get("part"), content.get("parts")
        if not (type(part) is type(parts) is int and part >= 0 and len(buffers) == 1):
            raise ValueError("what came is no part of a photo: drop it again")
        if part == 0:
            # an answer that equals the last one is new nevertheless
            self._parts, self.message = [], ""
        if part != len(self._parts):
            raise ValueError(
                f"part {part + 1} of a photo came, part {len(self._parts) + 1} is missing: "
                "drop it again"
            )
        self._parts.append(bytes(buffers[0]))
        if sum(map(len, self._parts)) > MAX_BYTES:
            raise ValueError(f"the photo has more than {MAX_BYTES:,} bytes: make it smaller")
        if part + 1 < parts:
            return None
        photo, self._parts = b"".join(self._parts), []
        return photo

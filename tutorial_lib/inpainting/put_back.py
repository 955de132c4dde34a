"""A filled 64x64 picture put back into the photo it was taken from, at the photo's size.

The search sees 64x64 pixels (`hole_in_picture`). The photo keeps all of its own: only its hole is
filled, from the enlarged completion, and blended there by Eq. 6 (`put_back`).
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor

from tutorial_lib.faces import Transform
from tutorial_lib.images import IMAGE_SIZE, check_images, to_float, to_uint8
from tutorial_lib.inpainting.large_blending import blend_large
from tutorial_lib.masks import check_mask

# Of a pixel, (x, y) from its center: the center and the corners, just inside.
_POINTS = (1 - 1e-6) * np.array([(0, 0), (-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)])


def put_back(
    photo: Image.Image,
    completed: Tensor,
    mask: Tensor | np.ndarray,
    transform: Transform,
    *,
    blend: bool = True,
) -> Image.Image:
    """The photo at its own size, its hole filled with the completed picture.

    The completion is enlarged (bicubic) to where it lies in the photo, and Eq. 6 is solved there:
    its gradients in the hole, the photo's own pixels around it. All other pixels stay bit for bit.
    The completion has 64x64 pixels, so in a large photo the filled region has no seam, but it is
    softer than what surrounds it: no detail is invented.

    Args:
        photo: an RGB picture of any size.
        completed: (1, 3, 64, 64) or (3, 64, 64) in [-1, 1], such as `Inpainting.completed`.
        mask: 1 = known. Either (1, 1, 64, 64), the picture's: a photo pixel belongs to the hole
            when its center lies in a hole pixel of the picture. Or (H, W), the photo's: what lies
            of its hole outside the picture's frame is not filled, and never read.
        transform: from the photo to the picture.
        blend: Eq. 6; otherwise the enlarged completion is pasted into the hole.

    Returns:
        A new RGB picture of the photo's size.

    Raises:
        ValueError: for a wrong shape, range or mode, a transform of a photo of another size, a mask
            without known pixels, or when no pixel of the hole lies in the frame.
    """
    if photo.mode != "RGB":
        raise ValueError(f"the photo must be RGB, got {photo.mode}: read it with load_picture")
    if photo.size != transform.size:
        raise ValueError(
            f"the transform is for a photo of {_times(transform.size)} pixels, "
            f"this one has {_times(photo.size)}"
        )
    completed = completed[None] if completed.dim() == 3 else completed
    check_images(completed, "the completed picture")
    if completed.shape != (1, 3, IMAGE_SIZE, IMAGE_SIZE):
        raise ValueError(f"one completed picture of 64x64 is wanted, got {tuple(completed.shape)}")
    hole, known = _photo_masks(mask, transform)

    rows, columns = _bounds(hole, around=1)
    pixels = np.array(photo)
    window = pixels[rows, columns]  # (h, w, 3), the hole and the pixels around it
    generated = _enlarge(completed[0].cpu().float(), transform, rows, columns)  # (3, h, w)
    hole, known = hole[rows, columns], known[rows, columns]
    filled = generated
    if blend:
        filled = blend_large(
            generated, to_float(window)[0], torch.from_numpy(hole), torch.from_numpy(known)
        )
    window[hole] = to_uint8(filled)[0][hole]
    return Image.fromarray(pixels)


def hole_in_photo(mask: Tensor, transform: Transform) -> np.ndarray:
    """The photo's pixels whose centers lie in hole pixels of a picture.

    Args:
        mask: (1, 1, 64, 64), 1 = known; all of it may be hole, which gives the picture's frame.
        transform: from the photo to the picture.

    Returns:
        (H, W) bool, True = hole.
    """
    hole = (mask[0, 0] == 0).cpu().numpy()
    found = np.zeros(transform.size[::-1], bool)
    rows, columns = _box_in_photo(transform, *_bounds(hole))
    y, x = np.arange(len(found))[rows, None], np.arange(found.shape[1])[None, columns]
    (a, b, shift_x), (c, d, shift_y) = transform.matrix
    column = np.floor(a * x + b * y + shift_x + 0.5).astype(int)  # (h, w), whose pixel it falls in
    row = np.floor(c * x + d * y + shift_y + 0.5).astype(int)
    padded = np.pad(hole, 1)  # beside the picture there is no hole
    found[rows, columns] = padded[row.clip(-1, IMAGE_SIZE) + 1, column.clip(-1, IMAGE_SIZE) + 1]
    return found


def frame_in_photo(transform: Transform) -> np.ndarray:
    """(H, W) bool: the photo's pixels whose centers lie in the picture's frame."""
    return hole_in_photo(torch.zeros(1, 1, IMAGE_SIZE, IMAGE_SIZE), transform)


def hole_in_picture(hole: np.ndarray, transform: Transform) -> Tensor:
    """The mask of the 64x64 picture for a hole of the photo: all pixels that the hole touches.

    So a hole of any size survives, and no pixel that the search takes for known has a part in it.

    Args:
        hole: (H, W) bool, True = hole.
        transform: from the photo to the picture.

    Returns:
        (1, 1, 64, 64), 1 = known.

    Raises:
        ValueError: when the hole touches none of the picture's pixels, or all of them.
    """
    touched = np.zeros((IMAGE_SIZE, IMAGE_SIZE), bool)
    whole = slice(0, IMAGE_SIZE)
    rows, columns = _box_in_photo(transform, whole, whole)
    places = np.argwhere(hole[rows, columns]) + [rows.start, columns.start]
    centers = transform.to_picture(places[:, ::-1])  # (N, 2), x and y
    # two pixels touch where the center or a corner of one lies in the other
    for point in _POINTS:
        shift = transform.matrix[:, :2] @ point
        column, row = np.floor(centers + shift + 0.5).astype(int).T
        inside = (row >= 0) & (row < IMAGE_SIZE) & (column >= 0) & (column < IMAGE_SIZE)
        touched[row[inside], column[inside]] = True
        touched |= _holes_at(point, hole, transform)
    if not touched.any():
        raise ValueError("the mask has no hole in the square that is taken of the picture")
    if touched.all():
        raise ValueError(
            "the hole touches every pixel of the 64x64 that are taken of the picture: "
            "nothing says what to fill in"
        )
    return torch.from_numpy(~touched).float()[None, None]


def _holes_at(point: np.ndarray, hole: np.ndarray, transform: Transform) -> np.ndarray:
    """(64, 64) bool: does a point of each picture pixel, from its center, lie in the hole?"""
    row, column = np.indices((IMAGE_SIZE, IMAGE_SIZE)).reshape(2, -1)
    places = transform.to_photo(np.stack([column, row], 1) + point)
    x, y = np.floor(places + 0.5).astype(int).T
    inside = (x >= 0) & (x < hole.shape[1]) & (y >= 0) & (y < hole.shape[0])
    found = np.zeros(IMAGE_SIZE**2, bool)
    found[inside] = hole[y[inside], x[inside]]
    return found.reshape(IMAGE_SIZE, IMAGE_SIZE)


def hole_of(mask: Tensor | np.ndarray, transform: Transform) -> np.ndarray:
    """(H, W) bool: the photo's pixels that `put_back` fills; arguments and errors are its own."""
    return _photo_masks(mask, transform)[0]


def _photo_masks(mask: Tensor | np.ndarray, transform: Transform) -> tuple[np.ndarray, np.ndarray]:
    """(hole, known), each (H, W) bool: what is filled, and what gives boundary values."""
    shape = transform.size[::-1]
    if isinstance(mask, torch.Tensor) and mask.ndim == 4:
        mask = check_mask(mask)
        if mask.shape != (1, 1, IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(f"one mask of (1, 1, 64, 64) is wanted, got {tuple(mask.shape)}")
        hole = hole_in_photo(mask, transform)
        known = ~hole
    else:
        mask = torch.as_tensor(mask).cpu().numpy()
        if mask.shape != shape:
            raise ValueError(
                f"a mask is (1, 1, 64, 64), or (H, W) = {shape} as the photo, got {mask.shape}"
            )
        if not ((mask == 0) | (mask == 1)).all():
            raise ValueError("a mask holds only 0 (hole) and 1 (known)")
        known = mask == 1
        hole = ~known & frame_in_photo(transform)
    if not hole.any():
        raise ValueError("no pixel of the hole lies in the frame of the picture")
    if not known.any():
        raise ValueError("the mask leaves no known pixel in the photo")
    return hole, known


def _bounds(hole: np.ndarray, around: int = 0) -> tuple[slice, slice]:
    """Rows and columns of the smallest box that holds the hole and `around` more pixels."""

    def bounds(some: np.ndarray) -> slice:
        found = np.flatnonzero(some)
        return slice(max(0, int(found[0]) - around), min(len(some), int(found[-1]) + 1 + around))

    return bounds(np.any(hole, 1)), bounds(np.any(hole, 0))


def _box_in_photo(transform: Transform, rows: slice, columns: slice) -> tuple[slice, slice]:
    """Rows and columns of the photo that hold a box of the picture's pixels, and a little more."""
    corners = transform.to_photo(
        np.array([[x, y] for x in (columns.start, columns.stop) for y in (rows.start, rows.stop)])
        - 0.5
    )
    first = np.floor(corners.min(0) - 1).astype(int)
    last = np.ceil(corners.max(0) + 2).astype(int)
    (left, top), (right, bottom) = (end.clip(0, transform.size) for end in (first, last))
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def _enlarge(picture: Tensor, transform: Transform, rows: slice, columns: slice) -> Tensor:
    """(3, 64, 64) -> (3, h, w): the picture at the centers of a box of the photo's pixels.

    By cubic splines, which keep a ramp a ramp; the cubic filter of Pillow's `transform` moves it by
    up to a tenth of a picture pixel. The picture's edge is repeated beyond the frame.
    """
    matrix = transform.matrix[::-1, 1::-1]  # scipy counts (row, column)
    first = transform.to_picture(np.array([[columns.start, rows.start]]))[0, ::-1]
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    enlarged = [
        ndimage.affine_transform(channel, matrix, first, shape, order=3, mode="nearest")
        for channel in picture.numpy()
    ]
    return torch.from_numpy(np.stack(enlarged))


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"

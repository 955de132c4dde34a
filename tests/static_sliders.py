"""What is in a slider that needs no kernel, read back from its HTML."""

import base64
import io
import json
import re
from types import SimpleNamespace

import numpy as np
from PIL import Image


def parts(page):
    """Its frames, uint8 (H, W, 3), labels, captions, marks, and where its sliders start."""

    def constant(name):
        start = re.search(rf"\b{name}=(?=\[)", page).end()
        return json.JSONDecoder().raw_decode(page, start)[0]

    sprite = re.findall(r"url\(data:image/webp;base64,([^)]*)\)", page)[0]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sprite))).convert("RGB"))
    columns, rows = (
        int(share) // 100 for share in re.search(r"background-size:(\d+)% (\d+)%", page).groups()
    )
    height, width = pixels.shape[0] // rows, pixels.shape[1] // columns
    frames = pixels.reshape(rows, height, columns, width, 3).swapaxes(1, 2)
    captions = constant("captions")
    return SimpleNamespace(
        frames=list(frames.reshape(-1, height, width, 3)[: len(captions)]),
        labels=constant("axes"),
        captions=captions,
        marks=constant("marks"),
        start=[int(value) for value in re.findall(r'<input[^>]* value="(\d+)"', page)],
    )

"""A slider that needs no kernel: pictures in one sprite, a range input and a few lines of script.

It moves in a page of the site, and wherever else HTML is shown with its script.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

MOST_BYTES = 1_500_000
_COLUMNS, _MOST_PIXELS = 16, 16383  # of the sprite; a WebP file is no wider

_STYLE = """
.frames{max-width:100%;font-family:sans-serif}
.frames .pictures{display:flex;flex-wrap:wrap;gap:.75em;align-items:flex-start;margin-bottom:.5em}
.frames .picture{background-repeat:no-repeat;max-width:100%}
.frames .ground{position:relative;flex:1 1 20em}
.frames .ground img{display:block;width:100%;height:auto}
.frames .ring{position:absolute;width:22px;height:22px;margin:-11px;border-radius:50%;
box-sizing:border-box;border:3px solid #0072b2;outline:2px solid #fff}
.frames label{display:flex;flex-wrap:wrap;gap:.5em;align-items:center;min-height:2.75em}
.frames input{flex:1 1 12em;max-width:24em}
.frames output{min-width:4em}
.frames .caption{text-align:left}
"""

_WITHOUT_SCRIPT = (
    "A page that runs no scripts cannot move this: trust the notebook, or run the cell."
)

# JupyterLab leaves the keys to an element with this attribute; it would go to another cell.
_OWN_KEYS = 'data-lm-suppress-shortcuts="true"'

_SCRIPT = """
(function(){
const root=document.getElementById(ID), axes=AXES, captions=CAPTIONS, columns=COLUMNS, rows=ROWS;
const marks=MARKS, ring=root.querySelector('.ring');
const inputs=[...root.querySelectorAll('input')], outputs=[...root.querySelectorAll('output')];
const picture=root.querySelector('.picture'), caption=root.querySelector('.caption');
function show(){
  let frame=0;
  axes.forEach((labels,k)=>{
    const at=+inputs[k].value;
    frame=frame*labels.length+at;
    outputs[k].textContent=labels[at];
    inputs[k].setAttribute('aria-valuetext',labels[at]);
  });
  const x=frame%columns/Math.max(1,columns-1), y=Math.floor(frame/columns)/Math.max(1,rows-1);
  picture.style.backgroundPosition=100*x+'% '+100*y+'%';
  if(ring){ring.style.left=100*marks[frame][0]+'%';ring.style.top=100*marks[frame][1]+'%';}
  root.dataset.frame=frame;
  caption.textContent=captions[frame];
}
inputs.forEach(input=>input.addEventListener('input',show));
show();
})();
"""


def slider_html(
    frames: Sequence[np.ndarray],
    axes: Mapping[str, Sequence[str]],
    captions: Sequence[str],
    alt: str,
    scale: int = 1,
    start: Sequence[int] | None = None,
    ground: np.ndarray | None = None,
    marks: Sequence[Sequence[float]] = (),
) -> str:
    """One or more sliders over pictures, as HTML that stands on its own.

    Args:
        frames: uint8 (H, W, 3) pictures of one size, the last axis fastest.
        axes: name of each slider -> the labels of its positions.
        captions: a line of text for each frame.
        alt: what the pictures show, for those who cannot see them.
        scale: how many pixels of the screen a pixel becomes, in each direction.
        start: where each slider stands at first; at the left end when left out.
        ground: uint8 (H, W, 3), a picture that stays, beside the frames; None shows none.
        marks: for each frame, where a ring lies on `ground`: fractions of its width and height.

    Returns:
        HTML; each frame is chosen by keys, mouse or touch.

    Raises:
        ValueError: when the numbers of frames, labels, captions and marks do not agree, or the
            result is larger than 1.5 MB.
    """
    wanted = math.prod(len(labels) for labels in axes.values())
    if not len(frames) == len(captions) == wanted or not wanted:
        raise ValueError(
            f"sliders with {' x '.join(str(len(labels)) for labels in axes.values())} positions "
            f"need as many frames and captions, got {len(frames)} and {len(captions)}"
        )
    if len(marks) != (0 if ground is None else wanted):
        raise ValueError(f"a ground needs a mark for each frame, got {len(marks)} marks")
    sprite, columns, rows = _sprite(frames)
    height, width = frames[0].shape[:2]
    name = "frames-" + hashlib.sha256(sprite + repr(axes).encode()).hexdigest()[:12]
    values = {
        "ID": name,
        "AXES": [[str(label) for label in labels] for labels in axes.values()],
        "CAPTIONS": list(captions),
        "COLUMNS": columns,
        "ROWS": rows,
        "MARKS": [[round(float(part), 4) for part in mark] for mark in marks],
    }
    script = re.sub(  # "<" is written as an escape, so that no text ends the script
        "|".join(values),
        lambda found: json.dumps(values[found[0]]).replace("<", "\\u003c"),
        _SCRIPT,
    )
    controls = "".join(
        f"<label><span>{html.escape(axis)}</span>"
        f'<input type="range" min="0" max="{len(labels) - 1}" value="{first}" '
        f'aria-label="{html.escape(axis)}" {_OWN_KEYS}><output></output></label>'
        for (axis, labels), first in zip(axes.items(), start or [0] * len(axes), strict=True)
    )
    pixelated = "image-rendering:pixelated;" if scale > 1 else ""
    picture = (
        f'<div class="picture" role="img" aria-label="{html.escape(alt)}" style="{pixelated}'
        f"width:{width * scale}px;aspect-ratio:{width}/{height};"
        f"background-size:{100 * columns}% {100 * rows}%;"
        f'background-image:url({_data_url(sprite)})"></div>'
    )
    if ground is not None:
        picture = (
            f'<div class="ground" style="max-width:{ground.shape[1]}px">'
            f'<img alt="" src="{_data_url(_webp(ground))}">'
            f'<span class="ring"></span></div>{picture}'
        )
    page = (
        f'<div class="frames" id="{name}"><style>{_STYLE}</style>'
        f'<div class="pictures">{picture}</div>{controls}'
        f'<p class="caption" aria-live="polite">{_WITHOUT_SCRIPT}</p>'
        f"<script>{script}</script></div>"
    )
    if len(page) > MOST_BYTES:
        raise ValueError(
            f"the slider takes {len(page):,} bytes, over {MOST_BYTES:,}: use fewer frames"
        )
    return page


def _sprite(frames: Sequence[np.ndarray]) -> tuple[bytes, int, int]:
    """All frames in one file, and its columns and rows."""
    height, width = frames[0].shape[:2]
    columns = min(_COLUMNS, len(frames), _MOST_PIXELS // width)
    rows = math.ceil(len(frames) / columns)
    whole = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        place = whole[row * height : (row + 1) * height, column * width : (column + 1) * width]
        place[:] = frame
    return _webp(whole), columns, rows


def _webp(pixels: np.ndarray) -> bytes:
    """Every pixel is kept, in fewer bytes than as PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, quality=90, method=4)
    return file.getvalue()


def _data_url(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"

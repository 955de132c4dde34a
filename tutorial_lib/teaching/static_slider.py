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
from collections.abc import Sequence

import numpy as np
from PIL import Image

MOST_BYTES = 1_500_000
_COLUMNS = 16  # of the sprite

_STYLE = """
.frames{max-width:100%;font-family:sans-serif}
.frames .picture{image-rendering:pixelated;background-repeat:no-repeat;max-width:100%}
.frames label{display:flex;flex-wrap:wrap;gap:.5em;align-items:center;min-height:2.75em}
.frames input{flex:1 1 12em;max-width:24em}
.frames output{min-width:4em}
"""

_SCRIPT = """
(function(){
const root=document.getElementById(ID), axes=AXES, captions=CAPTIONS, columns=COLUMNS;
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
  const x=-(frame%columns)*picture.clientWidth;
  const y=-Math.floor(frame/columns)*picture.clientHeight;
  picture.style.backgroundPosition=x+'px '+y+'px';
  root.dataset.frame=frame;
  caption.textContent=captions[frame];
}
inputs.forEach(input=>input.addEventListener('input',show));
window.addEventListener('resize',show);
show();
})();
"""


def slider_html(
    frames: Sequence[np.ndarray],
    axes: dict[str, Sequence[str]],
    captions: Sequence[str],
    alt: str,
    scale: int = 1,
) -> str:
    """One or more sliders over pictures, as HTML that stands on its own.

    Args:
        frames: uint8 (H, W, 3) pictures of one size, the last axis fastest.
        axes: name of each slider -> the labels of its positions.
        captions: a line of text for each frame.
        alt: what the pictures show, for those who cannot see them.
        scale: how many pixels of the screen a pixel becomes, in each direction.

    Returns:
        HTML; each frame is chosen by keys, mouse or touch.

    Raises:
        ValueError: when the numbers of frames, labels and captions do not agree, or the result is
            larger than 1.5 MB.
    """
    wanted = math.prod(len(labels) for labels in axes.values())
    if not len(frames) == len(captions) == wanted or not wanted:
        raise ValueError(
            f"sliders with {' x '.join(str(len(labels)) for labels in axes.values())} positions "
            f"need as many frames and captions, got {len(frames)} and {len(captions)}"
        )
    sprite, columns, rows = _sprite(frames)
    height, width = frames[0].shape[:2]
    name = "frames-" + hashlib.sha256(sprite + repr(axes).encode()).hexdigest()[:12]
    values = {
        "ID": name,
        "AXES": [[str(label) for label in labels] for labels in axes.values()],
        "CAPTIONS": list(captions),
        "COLUMNS": columns,
    }
    script = re.sub(  # "<" is written as an escape, so that no text ends the script
        "|".join(values),
        lambda found: json.dumps(values[found[0]]).replace("<", "\\u003c"),
        _SCRIPT,
    )
    controls = "".join(
        f"<label><span>{html.escape(axis)}</span>"
        f'<input type="range" min="0" max="{len(labels) - 1}" value="0" '
        f'aria-label="{html.escape(axis)}"><output></output></label>'
        for axis, labels in axes.items()
    )
    picture = (
        f'<div class="picture" role="img" aria-label="{html.escape(alt)}" style="'
        f"width:{width * scale}px;aspect-ratio:{width}/{height};"
        f"background-size:{100 * columns}% {100 * rows}%;"
        f'background-image:url(data:image/png;base64,{base64.b64encode(sprite).decode()})"></div>'
    )
    page = (
        f'<div class="frames" id="{name}"><style>{_STYLE}</style>{picture}{controls}'
        f'<p class="caption" aria-live="polite"></p><script>{script}</script></div>'
    )
    if len(page) > MOST_BYTES:
        raise ValueError(
            f"the slider takes {len(page):,} bytes, over {MOST_BYTES:,}: use fewer frames"
        )
    return page


def _sprite(frames: Sequence[np.ndarray]) -> tuple[bytes, int, int]:
    """All frames in one PNG file, and its columns and rows."""
    columns = min(_COLUMNS, len(frames))
    rows = math.ceil(len(frames) / columns)
    height, width = frames[0].shape[:2]
    whole = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        place = whole[row * height : (row + 1) * height, column * width : (column + 1) * width]
        place[:] = frame
    file = io.BytesIO()
    Image.fromarray(whole).save(file, "PNG", optimize=True)
    return file.getvalue(), columns, rows

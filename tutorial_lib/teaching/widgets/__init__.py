"""Small interactive parts: moving a slider never computes a model.

They have public members and a named `observe` method. Each works without a browser: set its value
and read the array it shows.
"""

from tutorial_lib.teaching.widgets.blind_test import BlindTest
from tutorial_lib.teaching.widgets.editor import HoleEditor
from tutorial_lib.teaching.widgets.explorer import LambdaExplorer
from tutorial_lib.teaching.widgets.filler import HoleFiller
from tutorial_lib.teaching.widgets.frames import (
    WINDOWS,
    FrameSlider,
    LivePreview,
    PathSlider,
    WindowSlider,
    encode_png,
    says_errors,
)
from tutorial_lib.teaching.widgets.painter import MaskPainter
from tutorial_lib.teaching.widgets.walk import ManifoldWalk

__all__ = [
    "WINDOWS",
    "BlindTest",
    "FrameSlider",
    "HoleEditor",
    "HoleFiller",
    "LambdaExplorer",
    "LivePreview",
    "ManifoldWalk",
    "MaskPainter",
    "PathSlider",
    "WindowSlider",
    "encode_png",
    "says_errors",
]

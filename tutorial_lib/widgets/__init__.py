"""Small interactive parts with public members and a named `observe` method; moving one never computes a model.

Each works without a browser: set its value and read the array it shows.
"""

from tutorial_lib.widgets.frames import (
    WINDOWS,
    FrameSlider,
    LivePreview,
    PathSlider,
    PhotoUpload,
    WindowSlider,
    encode_png,
    says_errors,
)

__all__ = ["WINDOWS", "FrameSlider", "LivePreview", "PathSlider", "PhotoUpload", "WindowSlider", "encode_png", "says_errors"]

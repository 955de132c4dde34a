"""Less work in a notebook, for tests that look at something else than what it finds.

nbval runs every cell as it is.
"""

from pathlib import Path

LESS = {
    "03_training_a_gan": ("steps=400, ", "steps=40, "),
    "07_lambda_explorer": (
        "short = replace(SETTINGS, steps=40)",
        "short = replace(SETTINGS, steps=10)",
    ),
    "13_after_gans": (
        'load_dataset("synthetic-faces", split="test", limit=6)',
        'load_dataset("synthetic-faces", split="test", limit=2)',
    ),
}


def shorten(notebook, path):
    """Take the training of 03, the searches of 07 and the rendered faces of 13 down.

    Args:
        notebook: as read from `path`; it is changed.
        path: its name says which it is.
    """
    if Path(path).stem not in LESS:
        return
    much, less = LESS[Path(path).stem]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and much in cell.source]
    assert len(cells) == 1, f"{path}: {much!r} is in {len(cells)} cells"
    cells[0].source = cells[0].source.replace(much, less)

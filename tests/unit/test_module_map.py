"""The manual's map of the library is what the modules say of themselves.

`python tests/unit/test_module_map.py` writes it again.
"""

import ast
import re
from pathlib import Path

ROOT = next(path for path in Path(__file__).resolve().parents if (path / "README.md").is_file())
MANUAL = ROOT / "docs" / "manual.md"
BETWEEN = re.compile(r"(<!-- module map -->\n).*?(<!-- end of the map -->)", re.DOTALL)
ORDER = ["faces", "datasets", "models", "training", "inpainting", "baselines", "evaluation"]
ORDER = ["", *ORDER, "teaching", "cli"]


def summary(path):
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def module_map():
    """A Markdown table: each module of the library and what it says of itself, room by room."""
    library = ROOT / "tutorial_lib"
    paths = library.rglob("*.py")
    names = {path.relative_to(library).with_suffix("").as_posix(): path for path in paths}
    rows = []
    for name, path in sorted(names.items(), key=lambda pair: (place(pair[0]), pair[0])):
        if name in ("__init__", "__main__"):
            continue
        is_room = name.endswith("/__init__")
        shown = f"**{name.removesuffix('__init__')}**" if is_room else f"`{name}`"
        link = f"../tutorial_lib/{name.removesuffix('__init__') if is_room else name + '.py'}"
        rows.append(f"| [{shown}]({link}) | {summary(path)} |")
    return "\n".join(["| module | what it is |", "|---|---|", *rows, ""])


def place(name):
    """Where a module's room stands in the order of the imports."""
    room = name.split("/")[0] if "/" in name else ""
    return ORDER.index(room)


def test_the_map_is_what_the_modules_say():
    found = BETWEEN.search(MANUAL.read_text(encoding="utf-8"))
    assert found and found[0] == f"{found[1]}{module_map()}{found[2]}"


def test_each_module_says_in_one_line_what_it_is():
    for path in (ROOT / "tutorial_lib").rglob("*.py"):
        if path.name != "__main__.py":
            assert 10 < len(summary(path)) <= 100 and summary(path).endswith((".", "?")), path


if __name__ == "__main__":
    text = MANUAL.read_text(encoding="utf-8")
    MANUAL.write_text(
        BETWEEN.sub(lambda found: f"{found[1]}{module_map()}{found[2]}", text), encoding="utf-8"
    )

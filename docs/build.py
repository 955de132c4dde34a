"""Build the web edition; `python3 workbook.py site` calls this.

The pages are gathered in a folder of their own: what is in docs/, the notebooks with their stored
outputs and sliders that need no kernel, README, CONTRIBUTING, CHANGELOG, and an API page a module.
Sphinx makes HTML of them. Nothing is fetched.
"""

import argparse
import json
import pkgutil
import posixpath
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from sphinx.cmd.build import main as sphinx

import tutorial_lib
from tutorial_lib.teaching import stored
from tutorial_lib.teaching.explorers import EXPLORERS

ROOT = Path(__file__).resolve().parents[1]
# Widgets that compute something: without a kernel they can only be named.
LIVE = ("HoleFiller(", "BlindTest(", "LambdaExplorer(")
NOTE = (
    '<p class="live">This part computes as you use it, so it needs a running notebook: '
    '<a href="../start.html">how to run the workbook</a>.</p>'
)
# What themes write and a screen reader stumbles over -> what it understands.
FOR_SCREEN_READERS = {
    r'(<p class="caption" role="heading")>': r'\1 aria-level="2">',
    r'<summary aria-label="Toggle hidden content">': "<summary>",
    r'<aside class="(sidebar|toc)-drawer': r'<aside aria-label="\1" class="\1-drawer',
    r'(<article role="main"[^>]*>)(\s*<noscript>)': r"\1<h1>Search</h1>\2",
    r"<dl>\s*((?:<dd>(?:(?!</?d[dlt]\b).)*</dd>\s*)+)</dl>": r'<span class="parameters">\1</span>',
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def build(out: Path, explorers: dict[str, Callable[[], str]] = EXPLORERS) -> int:
    """Build the site in a folder that is new, empty or an older site; returns Sphinx's status."""
    if out.exists() and any(out.iterdir()) and not (out / "searchindex.js").is_file():
        raise SystemExit(f"{out} is there already and is not a site: name another folder")
    work = out.with_name(f"{out.name}-work")
    shutil.rmtree(work, ignore_errors=True)
    gather(work / "source", explorers)
    folders = [str(work / name) for name in ("source", "html")]
    status = sphinx(["-q", "-W", "--keep-going", "-c", str(ROOT / "docs"), *folders])
    if status == 0:
        polish(work / "html")
        for unneeded in (".doctrees", ".buildinfo", "objects.inv", "_sources"):
            remove(work / "html" / unneeded)
        remove(out)
        shutil.move(work / "html", out)
        remove(work)
        print(f"the site is ready: open {out / 'index.html'} in a browser")
    return status


def polish(folder: Path) -> None:
    """Mend the pages for screen readers."""
    for path in folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for pattern, better in FOR_SCREEN_READERS.items():
            text = re.sub(pattern, better, text, flags=re.S)
        text = re.sub(
            r'<span class="parameters">.*?</dd>\s*</span>',
            lambda found: re.sub(r"(</?)dd>", r"\1span>", found[0]),
            text,
            flags=re.S,
        )
        path.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    """A file or a folder that may not be there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def gather(source: Path, explorers: dict[str, Callable[[], str]]) -> None:
    """Write the sources of all pages."""
    pages = pages_of_the_project()
    for name, page in pages.items():
        target = source / page
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            target.write_text(api_page(page[4:-4]), encoding="utf-8")
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        folder = posixpath.dirname(name)
        if name.endswith(".ipynb"):
            notebook = json.loads(text)
            without_kernel(notebook, explorers)
            for cell in notebook["cells"]:
                if cell["cell_type"] == "markdown":
                    cell["source"] = relinked("".join(cell["source"]), folder, pages)
            text = json.dumps(notebook)
        else:
            if page == "index.md":
                text = home_page(text, pages)
            text = relinked(text, folder, pages)
        target.write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "_static", source / "_static")
    (source / "data").mkdir(exist_ok=True)
    shutil.copy(ROOT / "data" / "search.webp", source / "data")


def pages_of_the_project() -> dict[str, str]:
    """File or folder of the project -> the source of its page."""
    texts = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"]
    texts += ["benchmarks/README.md"]
    texts = [name for name in texts if (ROOT / name).is_file()]  # a student edition has fewer
    notebooks = [
        path.relative_to(ROOT).as_posix() for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")
    ]
    pages = {name: name for name in [*texts, *sorted(notebooks)]}
    pages |= {f"docs/{path.name}": path.name for path in (ROOT / "docs").glob("*.md")}
    for room in rooms():
        pages[f"{room.replace('.', '/')}/"] = f"api/{room}.rst"
    return pages


def home_page(text: str, pages: dict[str, str]) -> str:
    """Without the entries of pages that only a teacher's copy has."""
    for page in ("teaching", "lecture", "benchmarks/README"):
        if f"{page}.md" not in pages.values():
            text = text.replace(f"\n{page}\n", "\n")
    return text


def relinked(text: str, folder: str, pages: dict[str, str]) -> str:
    """Links to the project's files lead to their pages; those to files without one are dropped."""
    modules = {module for room in rooms() for module in modules_of(room)}

    def link(found: re.Match) -> str:
        image, label, target = found.groups()
        name, hash_, anchor = target.partition("#")
        if not name or re.match(r"[a-z]+:", name):
            return found[0]
        slash = "/" if name.endswith("/") else ""
        name = posixpath.normpath(posixpath.join(folder, name)) + slash
        if image:
            return f"![{label}](/{name})"
        if name in pages:
            return f"[{label}](/{pages[name]}{hash_}{anchor})"
        module = name.removesuffix(".py").replace("/", ".")
        return f"[{label}](#{module})" if module in modules else label

    return LINK.sub(link, text)


def without_kernel(notebook: dict, explorers: dict[str, Callable[[], str]]) -> None:
    """Give each widget its static form, each picture its description, and a page one title."""
    stored.without_kernel(notebook, explorers)  # of those that a reader has run since
    notebook["metadata"].pop("widgets", None)
    cells = [cell for cell in notebook["cells"] if "answer" not in cell["metadata"].get("tags", [])]
    notebook["cells"] = cells
    sources = ["".join(cell["source"]) for cell in cells]
    for cell, text in zip(cells, sources, strict=True):
        if cell["cell_type"] == "markdown":
            if cell is not cells[0]:  # a part is no title of its own
                cell["source"] = re.sub(r"^# ", "## ", text, flags=re.M)
            continue
        cell["outputs"] = [
            each for each in cell["outputs"] if stored.VIEW not in each.get("data", {})
        ]
        for output in cell["outputs"]:
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if alt:
                cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
        explorer = any(words in text for words in explorers)
        if not explorer and any(words in text for words in LIVE):
            cell["outputs"].append(stored.html_output(NOTE))


def rooms() -> list[str]:
    """The library and its packages, data is not one."""
    inner = pkgutil.walk_packages(tutorial_lib.__path__, "tutorial_lib.")
    packages = [each.name for each in inner if each.ispkg and each.name != "tutorial_lib.data"]
    return ["tutorial_lib", *packages]


def modules_of(room: str) -> list[str]:
    """The modules of a package, without its packages."""
    folder = str(ROOT / room.replace(".", "/"))
    inner = pkgutil.iter_modules([folder], f"{room}.")
    return [each.name for each in inner if not each.ispkg and not each.name.endswith("__")]


def api_page(room: str) -> str:
    """The page of a package: what it says of itself, and each module's public names."""
    parts = [f"{room}\n{'=' * len(room)}\n\n.. automodule:: {room}\n"]
    below = [other for other in rooms() if other.rpartition(".")[0] == room]
    if below:
        lines = "".join(f"   {other}\n" for other in below)
        parts.append(f".. toctree::\n   :maxdepth: 1\n\n{lines}")
    for module in modules_of(room):
        name = module.rpartition(".")[2]
        parts.append(f"{name}\n{'-' * len(name)}\n")
        parts.append(f".. automodule:: {module}\n   :members:\n")
    return "\n".join(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    sys.exit(build(parser.parse_args().out.resolve()))

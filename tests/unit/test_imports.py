"""The order of the modules, read from their sources: an import only points to a lower floor."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest
from conftest import ROOT

PACKAGE = ROOT / "tutorial_lib"
FLOORS = [
    {"cache", "device", "images", "masks"},
    {"faces", "datasets", "models"},
    {"training"},
    {"inpainting"},
    {"baselines"},
    {"evaluation"},
    {"teaching"},
    {"cli", "__main__"},
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
NOT_AT_IMPORT = ["matplotlib", "sklearn", "skimage", "ipywidgets", "IPython"]


def imported(source, package):
    """The modules of tutorial_lib that a module's source imports, anywhere in it.

    `package` resolves relative imports.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            )
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "tutorial_lib")


def part(name):
    """The part of the package a dotted name is in.

    Tutorial_lib.models.weights.load_gan is in models.
    """
    return name.split(".")[1] if "." in name else ""


def wrong_imports(files):
    """What breaks the order, for {dotted module name: source}."""
    graph = {}
    for module, source in files.items():
        own = part(module)
        if not own:  # the package itself is the public face of all floors
            continue
        if own not in FLOOR:
            yield f"{module} stands on no floor: name it in FLOORS"
            continue
        is_package = any(other.startswith(f"{module}.") for other in files)
        package = module if is_package else module.rpartition(".")[0]
        for name in imported(source, package):
            other = part(name)
            if other not in FLOOR:
                yield f"{module} imports {name}: take it from the module that defines it"
                continue
            if FLOOR[other] > FLOOR[own]:
                yield f"{module} imports {name} from a floor above"
            while name not in files and part(name.rpartition(".")[0]):
                name = name.rpartition(".")[0]  # from something in a module to the module
            graph.setdefault(module, set()).add(name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"a circle of imports: {' -> '.join(error.args[1])}"


def sources():
    """{dotted module name: source}, packages by their own name."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
    }
    return {
        name.removesuffix(".__init__"): path.read_text(encoding="utf-8")
        for name, path in paths.items()
    }


def asks_for_a_device(source):
    return any(
        getattr(node, "attr", getattr(node, "id", "")) == "is_available"
        for node in ast.walk(ast.parse(source))
    )


def test_imports_point_to_lower_floors():
    files = sources()
    assert "tutorial_lib.device" in files
    assert not list(wrong_imports(files))


@pytest.mark.parametrize(
    "module, source, said",
    [
        ("models.weights", "import tutorial_lib.inpainting.pipeline", "floor above"),
        ("images", "def late():\n    from tutorial_lib import datasets", "floor above"),
        ("inpainting.latent_search", "from ..training.loop import train", ""),
        ("inpainting.latent_search", "from ..teaching.plotting import show", "floor above"),
        ("evaluation.looks", "from tutorial_lib.teaching.plotting import show", "floor above"),
        ("models.dcgan", "from tutorial_lib import load_gan", "module that defines it"),
        ("teaching.widgets", "from tutorial_lib.teaching.plotting import show", ""),
        ("newcomer", "import os", "no floor"),
        ("datasets.folder", "import torch, numpy", ""),
    ],
)
def test_a_wrong_import_is_found(module, source, said):
    found = list(wrong_imports({f"tutorial_lib.{module}": source}))
    assert [said in problem for problem in found][:1] == ([True] if said else [])


@pytest.mark.parametrize("one, other", [("images", "masks"), ("models.dcgan", "models.vae")])
def test_a_circle_is_found(one, other):
    files = {
        f"tutorial_lib.{one}": f"import tutorial_lib.{other}",
        f"tutorial_lib.{other}": f"def late():\n    from tutorial_lib.{one} import something",
    }
    assert "circle" in next(wrong_imports(files))


def test_only_device_asks_what_there_is():
    asking = {module for module, source in sources().items() if asks_for_a_device(source)}
    assert asking == {"tutorial_lib.device"}
    assert asks_for_a_device("if torch.cuda.is_available(): pass")


def test_the_public_names_are_there_and_no_others():
    import tutorial_lib
    from tutorial_lib.datasets import load_dataset

    assert tutorial_lib.load_dataset is load_dataset
    assert all(callable(getattr(tutorial_lib, name)) for name in tutorial_lib.__all__)
    with pytest.raises(AttributeError, match="load_wgan"):
        tutorial_lib.load_wgan  # noqa: B018


def test_import_leaves_the_heavy_packages_for_later():
    code = f"""
import sys, tutorial_lib
at_once = "torch" in sys.modules
from tutorial_lib import inpaint, load_dataset, load_gan
print([name for name in {NOT_AT_IMPORT} if name in sys.modules] + at_once * ["torch"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"

"""pyproject.toml (ranges), constraints.txt (the tested versions) and environment.yml (conda) say
the same.
"""

import re
import tomllib
from importlib import metadata

import pytest
import yaml
from conftest import ROOT
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import tutorial_lib
import workbook

LEFT_TO_TORCH = re.compile(r"nvidia-|cuda-|triton$")
PYTHONS = ["3.11.0", "3.11.9", "3.12.0", "3.13.0", "3.14.0"]
SYSTEMS = {"linux": ("posix", "Linux"), "darwin": ("posix", "Darwin"), "win32": ("nt", "Windows")}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_citation_names_the_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == tutorial_lib.__version__


def needed():
    """What pyproject.toml asks for, the packages of notebooks, slides, site and tests included."""
    extras = project()["optional-dependencies"]
    asked = [*project()["dependencies"]]
    for extra in ("notebooks", "site", "test", "teach"):
        asked += extras[extra]
    return [Requirement(text) for text in asked if not text.startswith("tutorial_lib[")]


def pins():
    """[(name, version, marker or None)] of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    parsed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for requirement in parsed:
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), (
            f"not one exact version: {requirement}"
        )
    return [(canonicalize_name(pin.name), str(pin.specifier)[2:], pin.marker) for pin in parsed]


def pinned(environment):
    """{name: version} for one machine."""
    found = [
        (name, version)
        for name, version, marker in pins()
        if marker is None or marker.evaluate(environment)
    ]
    assert len(found) == len(dict(found)), "a package is pinned twice"
    return dict(found)


def environments():
    for python in PYTHONS:
        for system, (os_name, platform_system) in SYSTEMS.items():
            yield default_environment() | {
                "python_full_version": python,
                "python_version": python.rpartition(".")[0],
                "sys_platform": system,
                "os_name": os_name,
                "platform_system": platform_system,
            }


def test_every_dependency_is_pinned_inside_its_range_on_every_machine():
    for environment in environments():
        versions = pinned(environment)
        for requirement in needed():
            version = versions.get(canonicalize_name(requirement.name))
            assert version and requirement.specifier.contains(version), (
                f"{requirement} and {version}"
            )


def test_every_package_that_is_brought_along_is_pinned_as_installed():
    versions = pinned(default_environment())
    waiting, seen = [(requirement, "") for requirement in needed()], set()
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen or LEFT_TO_TORCH.match(name):
            continue
        seen.add((name, extra))
        installed = metadata.distribution(name)
        assert versions.get(name) == installed.version.partition("+")[0], (
            f"{name} {installed.version} is installed"
        )
        for inner in map(Requirement, installed.requires or []):
            if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                waiting += [(inner, wanted) for wanted in ["", *inner.extras]]
    unneeded = versions.keys() - {name for name, _ in seen}
    assert not unneeded, "pinned, but nothing brings it along"


def test_the_tests_bring_along_what_lab_slides_and_site_need():
    extras = project()["optional-dependencies"]
    assert {"tutorial_lib[teach]", "tutorial_lib[site]"} <= set(extras["test"])
    assert "tutorial_lib[notebooks]" in extras["teach"]


def test_torch_is_the_tested_one():
    assert pinned(default_environment())["torch"] == "2.13.0"


def test_versions_of_python_agree():
    asked = SpecifierSet(project()["requires-python"])
    minors = [(3, minor) for minor in range(8, 20)]
    inside = [version for version in minors if asked.contains("{}.{}.0".format(*version))]
    assert [inside[0], inside[-1]] == [workbook.OLDEST, workbook.NEWEST]
    assert [version for version in minors if workbook.version_problem(version) is None] == inside


def test_conda_gives_python_and_pip_and_pip_the_rest():
    *given, by_pip = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))[
        "dependencies"
    ]
    assert given == [f"python{project()['requires-python']}", "pip"]
    assert by_pip == {"pip": ["-c constraints.txt", "-e .[test]"]}


def test_the_build_takes_the_pinned_setuptools():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    assert build["requires"] == [f"setuptools=={pinned(default_environment())['setuptools']}"]


def test_version_and_licence_are_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert project()["dynamic"] == ["version"]
    assert tutorial_lib.__version__ == metadata.version("tutorial_lib") == citation["version"]
    assert project()["license"] == citation["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_the_commit_hooks_are_the_pinned_tools():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    versions = pinned(default_environment())
    assert {repo["rev"] for repo in config["repos"]} == {
        f"v{versions['ruff']}",
        f"v{versions['mypy']}",
    }


@pytest.mark.parametrize(
    "name",
    [
        "workbook.py",
        "constraints.txt",
        "pyproject.toml",
        "environment.yml",
        ".ci/run",
        "binder/postBuild",
    ],
)
def test_no_package_index_but_pytorchs_is_named(name):
    hosts = re.findall(r"https?://([\w.-]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert set(hosts) <= {"download.pytorch.org", "arxiv.org"}  # the latter has the paper

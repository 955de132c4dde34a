#!/usr/bin/env python3
"""The workbook's commands. Python 3.11 to 3.14 is all they need:

    python3 workbook.py lab       makes .venv, installs the pinned packages, opens JupyterLab
    python3 workbook.py test      the same set-up, then every test, the notebooks included
    python3 workbook.py site      the same set-up, then the course as web pages in build/site
    python3 workbook.py handout   a copy for students, without solutions; needs no set-up
    python3 workbook.py slides    the lecture: notebooks with slides and notes, in JupyterLab

`test --fast` runs the unit tests alone, in under three minutes.

The first call takes the network and some minutes, a later one neither; an interrupted set-up goes
on with the next call.
"""

import sys

OLDEST, NEWEST = (3, 11), (3, 14)


def version_problem(version):
    """What is wrong with this Python version, in one line; None when it will do."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return None
    age = "old" if tuple(version[:2]) < OLDEST else "new"
    return (
        f"workbook: Python {version[0]}.{version[1]} is too {age}; take one from "
        f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}, for instance: "
        f"python{NEWEST[0]}.{NEWEST[1] - 1} workbook.py lab"
    )


if version_problem(sys.version_info):  # before anything that an old Python does not have
    sys.exit(version_problem(sys.version_info))

import argparse
import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "workbook-stamp"
CONSTRAINTS = ROOT / "constraints.txt"
SITE = ROOT / "docs" / "build.py"
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"
# What a student edition leaves out: the tests hold answers too.
FOR_TEACHERS = (
    "notebooks/solutions/",
    "tests/",
    "docs/teaching.md",
    "docs/lecture.md",
    ".ci/",
    ".github/",
    "benchmarks/",
    "CONTRIBUTING.md",
)
TEACHING = {
    "README.md": re.compile(
        r"^Teaching a class.*?\n\n|^    python3 workbook\.py test .*?\n", re.M | re.S
    ),
    "docs/manual.md": re.compile(r"^## Teach\n.*?(?=^## )", re.M | re.S),
}
LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)[^)]*\)")
SOLUTIONS = re.compile(r"; worked answers are in \[notebooks/solutions\]\(notebooks/solutions\)")
LECTURE = ROOT / "docs" / "lecture.md"
# Holds an extension of JupyterLab that lets sliders work on slides.
RISE = ROOT / "tutorial_lib" / "teaching" / "rise"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
WORKERS = 2
CPU_GIGABYTES, CUDA_GIGABYTES = 3, 10
DISK = re.compile(r"No space left|Errno 28\b|WinError 112|not enough space|quota exceeded", re.I)
NETWORK = re.compile(
    r"connection (broken|refused|reset|aborted|error)|ConnectionError|Failed to establish|"
    r"name resolution|NameResolution|getaddrinfo|network is unreachable|max retries|timed? ?out|"
    r"ProxyError|SSLError|IncompleteRead",
    re.I,
)
# JupyterLab asks at its first start whether it may fetch news; the workbook stays off the network.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
}


class SetUpError(Exception):
    """The set-up cannot go on; the message says why and what helps, in one line."""


def main(arguments=None) -> int:
    """Run one command; returns the exit status.

    That of JupyterLab, pytest or Sphinx, 1 for a failed set-up, 130 for Ctrl-C.
    """
    options, rest = parse(arguments)
    try:
        if options.command == "handout":
            print(f"workbook: {hand_out(options.out)}")
            return 0
        if options.command == "slides" and not LECTURE.is_file():
            raise SetUpError(f"{LECTURE} is not there; a student edition has no lecture")
        set_up(options.cpu)
        if options.command == "test":
            command = ["-m", *test_command(rest, options.fast)]
        elif options.command == "slides":
            lecture = lecture_command(options.out.resolve(), options.no_browser, options.port)
            command = ["-m", *lecture]
        elif options.command == "site":
            print("workbook: building the site; this takes a minute or two", flush=True)
            command = [SITE, "--out", options.out.resolve()]
        else:
            trust_notebooks(ROOT / "notebooks")
            command = ["-m", *lab_command(options.no_browser, options.port)]
        return run([PYTHON, *command])[0]
    except KeyboardInterrupt:
        finished = read_stamp()[0] == fingerprint()
        unfinished = "" if finished else "; the next call goes on with the set-up"
        print(f"workbook: stopped{unfinished}", file=sys.stderr)
        return 130
    except (SetUpError, OSError) as problem:
        full = getattr(problem, "errno", 0) == errno.ENOSPC
        print(f"workbook: {no_space() if full else problem}", file=sys.stderr)
        return 1


def parse(arguments):
    """The options, and what is left for pytest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    lab = commands.add_parser(
        "lab", help="open JupyterLab at the first notebook", allow_abbrev=False
    )
    test = commands.add_parser(
        "test",
        help="run every test",
        allow_abbrev=False,
        epilog="Whatever else is given goes to pytest: test -x tests/unit/test_masks.py",
    )
    test.add_argument(
        "--fast", action="store_true", help="the unit tests alone, in under three minutes"
    )
    site = commands.add_parser("site", help="build the course as web pages", allow_abbrev=False)
    site.add_argument(
        "--out",
        type=Path,
        default=ROOT / "build" / "site",
        help="a folder that is new, empty or an older site (build/site)",
    )
    handout = commands.add_parser(
        "handout", help="copy the workbook for students, without solutions", allow_abbrev=False
    )
    handout.add_argument("--out", type=Path, required=True, help="a folder that is not there yet")
    slides = commands.add_parser(
        "slides", help="open the lecture, notebooks with slides and notes", allow_abbrev=False
    )
    slides.add_argument(
        "--out", type=Path, required=True, help="a folder; it is made when it is not there"
    )
    for command in (lab, slides):
        command.add_argument(
            "--no-browser", action="store_true", help="print the address instead of opening it"
        )
        command.add_argument(
            "--port", type=int, help="port to listen on (8888, or the next that is free)"
        )
    for command in (lab, test, site, slides):
        command.add_argument(
            "--cpu",
            action="store_true",
            help="install PyTorch's build without CUDA, gigabytes smaller",
        )
    options, rest = parser.parse_known_args(arguments)
    if options.command != "test" and rest:
        commands.choices[options.command].error(f"unrecognized arguments: {' '.join(rest)}")
    port = getattr(options, "port", None)
    if port is not None and not 0 < port < 65536:
        commands.choices[options.command].error(f"--port must be from 1 to 65535, got {port}")
    return options, rest


def test_command(rest, fast=False) -> list:
    """The module that is pytest, and its arguments.

    All tests are shared by two workers, file by file, the long files first so that neither waits
    for the other at the end; named ones are not, unless `-n` asks for it. Workers have one thread
    each.
    """
    command = ["pytest", "--durations=15"]
    named = any("::" in word or (ROOT / word).exists() for word in rest)
    if fast:
        command += ["-m", "not slow and not fuzz"]
        command += [] if named else ["tests/unit"]
    workers = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    workers.add_argument("-n", "--numprocesses")
    asked = workers.parse_known_args(rest)[0].numprocesses
    if asked is None and not named and (os.cpu_count() or 1) >= WORKERS:
        asked = str(WORKERS)
        command += ["-n", asked, "--dist", "loadscope"]
        command += [] if fast else ["--no-loadscope-reorder"]
    if asked not in (None, "0"):
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    return command + rest


def trust_notebooks(folder):
    """Sign the course's notebooks: in others JupyterLab shows stored sliders that do not move."""
    notebooks = sorted(folder.glob("[0-9][0-9]_*.ipynb"))  # not a reader's own
    run([PYTHON, "-m", "jupyter", "trust", *notebooks], stdout=subprocess.DEVNULL)


def lab_command(no_browser, port, folder=ROOT, notebook=FIRST_NOTEBOOK) -> list:
    """The module that is JupyterLab, and its arguments; opens a notebook of a folder."""
    command = [
        "jupyterlab",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{notebook}",
        "--ServerApp.answer_yes=True",  # Ctrl-C ends it without a question
    ]
    if no_browser:
        command.append("--no-browser")
    if port:
        command.append(f"--port={port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container
        command.append("--allow-root")
    return command


# ---- the lecture ---------------------------------------------------------------------------------


def lecture_command(folder, no_browser, port) -> list:
    """Make the speaker's folder unless it is there; the module that is JupyterLab, and arguments.

    Raises:
        SetUpError: when the slides cannot be written, or the folder holds none.
    """
    os.environ["JUPYTER_PATH"] = os.pathsep.join(
        filter(None, [str(RISE), os.environ.get("JUPYTER_PATH")])
    )
    if not folder.exists():
        command = [PYTHON, "-m", "tutorial_lib.teaching.slides", "write", folder]
        if run(command)[0]:
            raise SetUpError("the slides were not written; the lines above say why")
        trust_notebooks(folder)
    notebooks = sorted(path.name for path in folder.glob("*.ipynb"))
    if not notebooks:
        raise SetUpError(f"{folder} is there and holds no notebooks: name a new folder")
    return lab_command(no_browser, port, folder, notebooks[0])


# ---- the student edition -------------------------------------------------------------------------


def hand_out(folder) -> str:
    """Copy what a student needs into a new folder; returns what was done, in one line.

    Raises:
        SetUpError: when the folder is there already and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SetUpError(f"{folder} is there already: name a new folder for the student edition")
    files = [name for name in project_files() if not name.startswith(FOR_TEACHERS)]
    unfinished = folder.with_name(folder.name + ".partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in files:
        target = unfinished / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    for name, teaching in TEACHING.items():
        page = unfinished / name
        text = SOLUTIONS.sub("; your teacher has worked answers", page.read_text(encoding="utf-8"))
        page.write_text(teaching.sub("", text), encoding="utf-8")
    for page in unfinished.rglob("*.md"):
        text = LINK.sub(partial(link_or_label, page.parent), page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")
    if folder.exists():
        folder.rmdir()
    unfinished.rename(folder)
    return f"wrote {len(files)} files to {folder}; open it with: python3 workbook.py lab, run there"


def link_or_label(folder: Path, found: re.Match) -> str:
    """A link that leads somewhere, or else its words alone."""
    return found[0] if (folder / found[2]).exists() else found[1]


def project_files() -> list:
    """The project's own files, relative to its folder, with /: git's where this is a checkout."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        if (ROOT / ".git").exists():
            listed = subprocess.run(
                ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
            )
            names = listed.stdout.decode().split("\0")
            return [name for name in names if name and (ROOT / name).is_file()]
    found = []
    for path, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders if not name.startswith((".", "__")) and name != "runs"
        ]
        found += [(Path(path) / name).relative_to(ROOT).as_posix() for name in names]
    return sorted(found)


# ---- the set-up ----------------------------------------------------------------------------------


def set_up(cpu) -> None:
    """Make .venv what constraints.txt and pyproject.toml say, unless it is so already.

    `cpu` is remembered in the stamp.

    Raises:
        SetUpError: when there is no venv module, no disk space, no network or no package for this
            machine.
    """
    done, build = read_stamp()
    other_build = cpu and build == "default"
    cpu = cpu or build == "cpu"
    build = "cpu" if cpu else "default"
    if done == fingerprint() and PYTHON.exists() and not other_build:
        return
    print("workbook: setting up .venv; the first time this takes some minutes", flush=True)
    if other_build or not usable():
        make_venv(cpu)
    STAMP.write_text(f"unfinished {build}\n", encoding="utf-8")
    remove_half_installed()
    if cpu:
        pip("--no-deps", "--index-url", TORCH_CPU_INDEX, "torch")
    pip("setuptools")  # builds the project's own package, below, without a download of its own
    pip("--no-build-isolation", "-e", ".[test]")
    settings = VENV / "share" / "jupyter" / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "overrides.json").write_text(json.dumps(LAB_SETTINGS), encoding="utf-8")
    STAMP.write_text(f"{fingerprint()} {build}\n", encoding="utf-8")


def read_stamp() -> tuple:
    """(fingerprint of the finished set-up, its build of torch); twice None without a stamp."""
    words = STAMP.read_text(encoding="utf-8").split() if STAMP.is_file() else []
    return tuple(words) if len(words) == 2 else (None, None)


def fingerprint() -> str:
    """Changes when what is to be installed, the Python or the folder does."""
    files = [CONSTRAINTS.read_bytes(), (ROOT / "pyproject.toml").read_bytes()]
    return hashlib.sha256(
        b"\0".join([*files, repr((sys.version_info[:2], str(ROOT))).encode()])
    ).hexdigest()


def usable() -> bool:
    """Whether .venv is of this Python version and has a pip that starts."""
    try:
        found = subprocess.run(
            [PYTHON, "-c", "import sys, pip._internal.cli.main; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            env=environment(),
        )
    except OSError:
        return False
    return found.stdout.split() == [str(part) for part in sys.version_info[:2]]


def make_venv(cpu) -> None:
    """Make .venv anew."""
    if not all(importlib.util.find_spec(module) for module in ("venv", "ensurepip")):
        raise SetUpError(
            "this Python has no venv module; on Debian and Ubuntu: sudo apt install python3-venv"
        )
    needed = CUDA_GIGABYTES if sys.platform == "linux" and not cpu else CPU_GIGABYTES
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < needed:
        smaller = f" (or {CPU_GIGABYTES} GB with --cpu)" if needed > CPU_GIGABYTES else ""
        raise SetUpError(
            f"no disk space: {free:.1f} GB are free in {ROOT}, "
            f"the set-up takes {needed} GB{smaller}"
        )
    # Not the interpreter inside .venv, which is about to go.
    python = sys.executable if sys.prefix == sys.base_prefix else sys._base_executable
    status, errors = run([python, "-m", "venv", "--clear", VENV], stderr=subprocess.PIPE)
    if status:
        raise SetUpError(explain(errors))


def remove_half_installed() -> None:
    """Forget packages whose installation was cut off.

    Pip writes RECORD last and takes one without it for installed.
    """
    for folder in packages().glob("*.dist-info"):
        if not (folder / "RECORD").is_file():
            shutil.rmtree(folder)


def packages() -> Path:
    """The folder of .venv where pip installs."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(VENV)}))


def pip(*arguments) -> None:
    """Install into .venv, at the versions of constraints.txt.

    Raises:
        SetUpError: with the reason, when pip fails.
    """
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    install = [PYTHON, "-m", "pip", "install", *quiet, "--retries=3", "--only-binary=:all:"]
    status, errors = run([*install, "-c", CONSTRAINTS, *arguments], stderr=subprocess.PIPE)
    if status:
        raise SetUpError(explain(errors))


def explain(errors) -> str:
    """One line for what pip or venv wrote when it failed."""
    if DISK.search(errors):
        return no_space()
    if NETWORK.search(errors):
        return (
            "no network: the first call downloads packages; connect and call again, "
            "it goes on where it stopped"
        )
    missing = re.search(r"No matching distribution found for (\S+)", errors)
    if missing:
        return (
            f"there is no {missing[1]} for this machine ({sysconfig.get_platform()}): the workbook "
            "runs on 64-bit Linux and Windows and on Apple silicon with macOS 14 or later"
        )
    lines = [line for line in errors.splitlines() if line.strip()]
    reasons = [line for line in lines if line.lower().startswith("error")]
    reasons = reasons or lines or ["it gave no reason"]
    return f"the set-up failed: {reasons[-1].strip()} (call again, or delete .venv and call again)"


def no_space() -> str:
    return (
        f"no disk space left while setting up {VENV}: "
        "make room there and in the temporary folder, then call again"
    )


# ---- processes -----------------------------------------------------------------------------------


def environment() -> dict:
    """The environment of all that is started: .venv first, no settings or kernels of the user's."""
    variables = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")
    }
    jupyter = VENV / "jupyter"
    return variables | {
        "VIRTUAL_ENV": str(VENV),
        "PATH": f"{PYTHON.parent}{os.pathsep}{variables.get('PATH', os.defpath)}",
        "PYTHONUTF8": "1",
        "PIP_USER": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        "JUPYTER_CONFIG_DIR": str(jupyter / "config"),
        "JUPYTER_DATA_DIR": str(jupyter / "data"),
        "JUPYTER_RUNTIME_DIR": str(jupyter / "runtime"),
        "IPYTHONDIR": str(VENV / "ipython"),
    }


def run(command, stdout=None, stderr=None) -> tuple:
    """Run a command in the project's folder.

    Returns (exit status, what it wrote to a piped stderr).

    Raises:
        KeyboardInterrupt: for Ctrl-C, when the command, which hears it too, has ended.
    """
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment(),
        stdout=stdout,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    try:
        errors = process.communicate()[1]
        return process.returncode, errors or ""
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        raise
    finally:
        # what is still there; JupyterLab may hang while it shuts down
        for end in (process.terminate, process.kill):
            if process.poll() is None:
                end()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=5)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what it has started, too
    sys.exit(main())

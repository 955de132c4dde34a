"""workbook.py, without the network.

What is installed is left to a stub, what can go wrong is made to.
"""

import ast
import errno
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from conftest import ROOT

import workbook as ours


@pytest.fixture
def book(tmp_path):
    """A copy of workbook.py, as a module, in a folder of its own."""
    for name in ("workbook.py", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    spec = importlib.util.spec_from_file_location("workbook_copy", tmp_path / "workbook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def calls(book, monkeypatch):
    """The commands that the copy runs.

    They succeed at once, and making a .venv leaves an interpreter there.
    """
    made = []

    def run(command, stdout=None, stderr=None):
        made.append([str(part) for part in command])
        if made[-1][1:3] == ["-m", "venv"]:
            shutil.rmtree(book.VENV, ignore_errors=True)
            book.PYTHON.parent.mkdir(parents=True)
            book.PYTHON.touch()
        return 0, ""

    monkeypatch.setattr(book, "run", run)
    monkeypatch.setattr(book, "usable", book.PYTHON.is_file)
    monkeypatch.setattr(book.shutil, "disk_usage", lambda path: SimpleNamespace(free=1e12))
    return made


def modules(calls):
    """The names after -m, and empty the list."""
    names = [call[2] for call in calls]
    calls.clear()
    return names


def failing(book, capsys, arguments=("test",)):
    """The one line that a failing call ends with."""
    assert book.main(list(arguments)) == 1
    line = capsys.readouterr().err
    assert line.startswith("workbook: ") and line.count("\n") == 1
    return line


# ---- which Python --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version, said",
    [
        ((3, 11, 0), None),
        ((3, 14, 2), None),
        ((3, 10, 9), "too old"),
        ((2, 7, 18), "too old"),
        ((3, 15, 0), "too new"),
    ],
)
def test_the_version_of_python_is_judged(version, said):
    problem = ours.version_problem(version)
    assert problem is None if said is None else said in problem


def test_an_old_python_can_read_the_file_to_its_end():
    ast.parse((ROOT / "workbook.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_an_old_python_gets_one_line():
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 1, 'final', 0); "
        "runpy.run_path('workbook.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "Python 3.9 is too old" in done.stderr


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    """`test` sets the number of threads for what it starts: put back what was there."""
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "2"))


# ---- arguments -----------------------------------------------------------------------------------


def test_what_is_not_ours_goes_to_pytest_in_its_order():
    options, rest = ours.parse(
        ["test", "-x", "-k", "blend or mask", "--cpu", "tests/unit/test_masks.py", "--co"]
    )
    assert options.cpu and rest == ["-x", "-k", "blend or mask", "tests/unit/test_masks.py", "--co"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["lab", "--brwser"],
        ["lab", "--port", "0"],
        ["lab", "--port", "x"],
        ["slides"],
        ["slides", "--out", "x", "--port", "0"],
        ["lap"],
        [],
    ],
)
def test_wrong_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        ours.parse(arguments)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_all_tests_are_shared_by_two_workers_and_named_ones_are_not(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(ours.os, "cpu_count", lambda: 4)
    for rest in (
        ["tests/unit/test_masks.py"],
        ["-k", "x", "tests"],
        ["tests/unit/test_masks.py::test_x"],
        ["-n", "0"],
    ):
        assert ours.test_command(rest) == ["pytest", "--durations=15", *rest]
        assert "OMP_NUM_THREADS" not in os.environ
    shared = ["-n", "2", "--dist", "loadscope", "--no-loadscope-reorder"]
    assert ours.test_command(["-x", "-rs"]) == ["pytest", "--durations=15", *shared, "-x", "-rs"]
    # two workers with two threads each would wait for one another
    assert os.environ["OMP_NUM_THREADS"] == "1"
    monkeypatch.setattr(ours.os, "cpu_count", lambda: 1)
    assert ours.test_command(["-x"]) == ["pytest", "--durations=15", "-x"]


@pytest.mark.parametrize("asked", [["-n", "2"], ["-n2"], ["--numprocesses=auto"]])
def test_workers_that_are_asked_for_have_one_thread_each_too(monkeypatch, asked):
    monkeypatch.delenv("OMP_NUM_THREADS")
    rest = [*asked, "tests/unit/test_masks.py"]
    assert ours.test_command(rest) == ["pytest", "--durations=15", *rest]
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_fast_leaves_out_what_is_slow_and_keeps_to_the_unit_tests():
    options, rest = ours.parse(["test", "--fast", "-x"])
    assert options.fast and rest == ["-x"]
    command = ours.test_command(rest, options.fast)
    chosen = ["-m", "not slow and not fuzz"]
    assert command[2:5] == [*chosen, "tests/unit"] and command[-1] == "-x"
    assert (ROOT / "tests" / "unit").is_dir()
    named = ["tests/conftest.py"]
    assert ours.test_command(named, True)[2:] == [*chosen, *named]


def test_lab_opens_the_first_notebook():
    command = ours.lab_command(no_browser=True, port=8899)
    assert {
        "--no-browser",
        "--port=8899",
        "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
    } <= set(command)
    assert not [
        word for word in ours.lab_command(False, None) if "browser" in word or "port" in word
    ]


def test_site_sets_up_and_builds_where_it_is_told(book, calls, tmp_path, capsys):
    assert book.main(["site"]) == 0
    assert "building the site" in capsys.readouterr().out
    build = [str(book.PYTHON), str(book.ROOT / "docs" / "build.py"), "--out"]
    assert calls[-1] == [*build, str(book.ROOT / "build" / "site")]
    assert calls[-2][-2:] == ["-e", ".[test]"]  # which has what Sphinx needs
    assert book.main(["site", "--out", str(tmp_path / "pages")]) == 0
    assert calls[-1] == [*build, str(tmp_path / "pages")]
    assert (ROOT / "docs" / "build.py").is_file()


# ---- the student edition -------------------------------------------------------------------------


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_handout_is_the_course_without_solutions(tmp_path, capsys):
    assert ours.main(["handout", "--out", str(tmp_path / "class")]) == 0
    copied = files_below(tmp_path / "class")
    for name in ("workbook.py", "notebooks/00_start_here.ipynb", "data/portraits.zip"):
        assert name in copied
        assert (tmp_path / "class" / name).read_bytes() == (ROOT / name).read_bytes()
    assert not [name for name in copied if name.startswith((*ours.FOR_TEACHERS, ".git/", "runs/"))]
    readme = (tmp_path / "class" / "README.md").read_text(encoding="utf-8")
    manual = (tmp_path / "class" / "docs" / "manual.md").read_text(encoding="utf-8")
    assert "notebooks/solutions" not in readme and "your teacher has worked" in readme
    for_teachers = ("docs/teaching", "docs/lecture", "Teaching a class", "handout", "## Teach")
    assert not [word for word in for_teachers if word in readme + manual]
    assert "## Your own generator" in manual and "workbook.py test" not in readme
    links = [
        (page, target)
        for page in (tmp_path / "class").rglob("*.md")
        for _, target in ours.LINK.findall(page.read_text(encoding="utf-8"))
    ]
    assert len(links) > 50 and not [
        (page, target) for page, target in links if not (page.parent / target).exists()
    ]
    assert "## Other pictures and weights" in readme
    assert [path.name for path in tmp_path.iterdir()] == ["class"]
    assert ours.main(["handout", "--out", str(tmp_path / "class")]) == 1
    assert "is there already" in capsys.readouterr().err
    assert files_below(tmp_path / "class") == copied


def test_handout_without_git_leaves_out_hidden_folders_and_runs(tmp_path, monkeypatch):
    for name in (
        "README.md",
        "docs/manual.md",
        "notebooks/00.ipynb",
        "notebooks/solutions/00.ipynb",
        ".venv/x",
        "runs/x",
        "tutorial_lib/__pycache__/x",
    ):
        (tmp_path / "book" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "book" / name).write_text(name)
    monkeypatch.setattr(ours, "ROOT", tmp_path / "book")
    (tmp_path / "out").mkdir()
    ours.hand_out(tmp_path / "out")
    wanted = {"README.md", "docs/manual.md", "notebooks/00.ipynb"}
    assert files_below(tmp_path / "out") == wanted


# ---- the lecture ---------------------------------------------------------------------------------


def test_slides_are_written_once_and_opened_with_their_extension(book, calls, monkeypatch, capsys):
    monkeypatch.setenv("JUPYTER_PATH", "mine")
    folder = book.ROOT / "lecture"
    assert "student edition has no lecture" in failing(book, capsys, ["slides", "--out", "lecture"])
    assert calls == []
    book.LECTURE.parent.mkdir()
    book.LECTURE.touch()
    write = book.run

    def run(command, **streams):
        if "write" in command:
            folder.mkdir()
            for name in ("02_b.ipynb", "01_a.ipynb", "rise.css"):
                (folder / name).touch()
        return write(command, **streams)

    monkeypatch.setattr(book, "run", run)
    assert book.main(["slides", "--out", str(folder), "--no-browser"]) == 0
    assert calls[-3][1:] == ["-m", "tutorial_lib.teaching.slides", "write", str(folder)]
    signed = [str(folder / name) for name in ("01_a.ipynb", "02_b.ipynb")]
    assert calls[-2][1:] == ["-m", "jupyter", "trust", *signed]
    assert {f"--ServerApp.root_dir={folder}", "--LabApp.default_url=/lab/tree/01_a.ipynb"} < {
        *calls[-1]
    }
    assert book.environment()["JUPYTER_PATH"] == os.pathsep.join([str(book.RISE), "mine"])

    calls.clear()
    assert book.main(["slides", "--out", str(folder)]) == 0
    assert modules(calls) == ["jupyterlab"]


def test_a_folder_without_slides_is_refused(book, calls, monkeypatch, capsys):
    monkeypatch.setenv("JUPYTER_PATH", "")
    book.LECTURE.parent.mkdir()
    book.LECTURE.touch()
    (book.ROOT / "full").mkdir()
    assert "holds no notebooks" in failing(
        book, capsys, ["slides", "--out", str(book.ROOT / "full")]
    )


# ---- the set-up ----------------------------------------------------------------------------------


def test_first_call_sets_up_and_second_only_runs(book, calls):
    assert book.main(["test", "-x"]) == 0
    assert calls[-2][-2:] == ["-e", ".[test]"] and str(book.CONSTRAINTS) in calls[-2]
    assert calls[-1] == [str(book.PYTHON), "-m", *book.test_command(["-x"])]
    assert modules(calls) == ["venv", "pip", "pip", "pytest"]
    (book.ROOT / "notebooks").mkdir(exist_ok=True)
    for name in ("00_start.ipynb", "mine.ipynb"):  # only the course's own are trusted
        (book.ROOT / "notebooks" / name).touch()
    assert book.main(["lab"]) == 0
    assert calls[0][2:] == ["jupyter", "trust", str(book.ROOT / "notebooks" / "00_start.ipynb")]
    assert modules(calls) == ["jupyter", "jupyterlab"]


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_a_changed_list_is_installed_into_the_same_venv(book, calls, name):
    book.set_up(cpu=False)
    calls.clear()
    with open(book.ROOT / name, "a", encoding="utf-8") as file:
        file.write("# changed\n")
    book.set_up(cpu=False)
    assert modules(calls) == ["pip", "pip"]


def test_an_interrupted_set_up_goes_on(book, calls, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(book, "pip", interrupted)
        assert book.main(["test"]) == 130
    assert "goes on with the set-up" in capsys.readouterr().err
    assert modules(calls) == ["venv"]
    assert book.main(["test"]) == 0
    assert modules(calls) == ["pip", "pip", "pytest"]


def test_a_package_that_was_cut_off_is_installed_again(book, calls):
    python = "python{}.{}".format(*sys.version_info)
    packages = book.VENV.joinpath(
        *(["Lib"] if os.name == "nt" else ["lib", python]), "site-packages"
    )
    whole, half = packages / "whole-1.dist-info", packages / "half-1.dist-info"
    book.make_venv(cpu=True)  # and no stamp: as if the call had been cut off after this
    for folder in (whole, half):
        folder.mkdir(parents=True)
    (whole / "RECORD").touch()
    book.set_up(cpu=False)
    assert whole.is_dir() and not half.exists()


def test_a_broken_venv_is_made_anew(book, calls):
    book.set_up(cpu=False)
    calls.clear()
    book.PYTHON.unlink()
    book.set_up(cpu=False)
    assert modules(calls) == ["venv", "pip", "pip"]


def test_usable_means_this_python_with_a_pip(book):
    assert not book.usable()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", book.VENV], check=True)
    assert not book.usable()


def test_cpu_takes_torch_alone_from_its_own_index_and_is_remembered(book, calls):
    book.set_up(cpu=True)
    assert calls[1][-4:] == [
        "--no-deps",
        "--index-url",
        "https://download.pytorch.org/whl/cpu",
        "torch",
    ]
    assert not [call for call in calls[2:] if "--index-url" in call]
    assert modules(calls) == ["venv", "pip", "pip", "pip"]
    book.set_up(cpu=False)
    assert modules(calls) == []
    book.STAMP.write_text("of-an-older-list cpu\n", encoding="utf-8")
    book.set_up(cpu=False)
    assert "--index-url" in calls[0]


def test_cpu_replaces_the_default_build(book, calls):
    book.set_up(cpu=False)
    calls.clear()
    book.set_up(cpu=True)
    assert modules(calls) == ["venv", "pip", "pip", "pip"]


# ---- one line for what is missing ----------------------------------------------------------------


def test_no_venv_module(book, calls, monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ensurepip" else real(name)
    )
    assert "python3-venv" in failing(book, capsys)
    assert not calls


@pytest.mark.parametrize("arguments, said", [(["test"], "--cpu"), (["lab", "--cpu"], "takes 3 GB")])
def test_no_disk_space(book, calls, monkeypatch, capsys, arguments, said):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(book.shutil, "disk_usage", lambda path: SimpleNamespace(free=0.4e9))
    line = failing(book, capsys, arguments)
    assert "no disk space: 0.4 GB" in line and said in line
    assert not calls


def test_a_disk_that_is_full_later(book, calls, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(book, "remove_half_installed", full)
    assert "no disk space left" in failing(book, capsys)


@pytest.mark.parametrize(
    "written, said",
    [
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by "
            "'NameResolutionError(...)': /simple/torch/\n"
            "ERROR: No matching distribution found for torch==2.13.0\n",
            "no network",
        ),
        ("ReadTimeoutError: HTTPSConnectionPool: Read timed out.\n", "no network"),
        (
            "WARNING: Retrying after connection broken by 'ReadTimeoutError'\n"
            "ERROR: Could not install packages due to an OSError: "
            "[Errno 28] No space left on device\n",
            "no disk space",
        ),
        (
            "ERROR: Could not find a version (from versions: none)\n"
            "ERROR: No matching distribution found for torch==2.13.0\n",
            "there is no torch==2.13.0 for this machine",
        ),
        ("ERROR: something else\nnote: by pip\n\n", "ERROR: something else"),
        ("", "no reason"),
    ],
)
def test_what_pip_says_becomes_one_line(written, said):
    line = ours.explain(written)
    assert said in line and "\n" not in line


@pytest.mark.slow
def test_no_network_with_a_real_venv_and_pip(book, tmp_path):
    offline = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_EXTRA_INDEX_URL": "",
    }
    code = (
        "import workbook, sys; workbook.CUDA_GIGABYTES = workbook.CPU_GIGABYTES = 0; "
        "sys.exit(workbook.main(['test']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | offline,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("workbook: no network") and done.stderr.count("\n") == 1
    assert book.read_stamp() == ("unfinished", "default")
    assert book.usable()


# ---- processes -----------------------------------------------------------------------------------


def test_run_gives_the_exit_status_and_what_was_said(book):
    said = book.run(
        [sys.executable, "-c", "import sys; sys.exit('what is wrong')"], stderr=subprocess.PIPE
    )
    assert said == (1, "what is wrong\n")
    assert book.run([sys.executable, "-c", ""]) == (0, "")


def test_nothing_of_the_users_settings_gets_in(monkeypatch, book):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    environment = book.environment()
    assert "PYTHONPATH" not in environment
    assert environment["PATH"].startswith(str(book.PYTHON.parent))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        assert environment[name].startswith(str(book.VENV))


@pytest.mark.skipif(os.name == "nt", reason="a terminal's signals are sent to a process group")
@pytest.mark.parametrize(
    "to_group, number, status", [(True, signal.SIGINT, 130), (False, signal.SIGTERM, 143)]
)
def test_ctrl_c_and_terminate_end_what_was_started(book, tmp_path, to_group, number, status):
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    script = (
        (tmp_path / "workbook.py")
        .read_text(encoding="utf-8")
        .replace(
            "        set_up(options.cpu)\n",
            f"        run([sys.executable, '-c', {child!r}], stderr=subprocess.PIPE)\n",
        )
    )
    (tmp_path / "workbook.py").write_text(script, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "workbook.py", "test"],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    started = int(process.stdout.readline())
    (os.killpg if to_group else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == status
    assert errors == (
        "workbook: stopped; the next call goes on with the set-up\n" if to_group else ""
    )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(started, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the child is still there")

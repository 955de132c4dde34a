"""A real JupyterLab under headless Chromium, for the tests that try the notebooks as a reader
would.

Read back are the bytes of the pictures on the page and the labels of the sliders, not screenshots.
"""

import base64
import io
import os
import socket
import subprocess
import symtable
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image
from shorter import shorten

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "a-token-of-the-test"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 480_000  # milliseconds for a notebook to run; a busy machine is slow, not wrong
ANSWER = 60  # seconds for a widget to show what was asked of it
# The panel's session context knows both: that the kernel answers, and that it has nothing to do.
READY = """() => {
    const panel = window.jupyterapp?.shell?.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
    return panel?.content?.widgets?.length > 1 && kernel?.connectionStatus === 'connected'
        && kernel?.status === 'idle';
}"""
RUN = """numbers => {  // not awaited: waiting has a limit below
    const content = window.jupyterapp.shell.currentWidget.content;
    const run = async () => {
        for (const number of numbers) {
            content.activeCellIndex = number;
            await window.jupyterapp.commands.execute('notebook:run-cell');
        }
    };
    run();
}"""
# Every cell of these has run, or one has failed and those after it will not.
RAN = """numbers => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = numbers.map(number => panel.content.widgets[number]);
    const failed = output => output.output_type === 'error';
    return panel.sessionContext.session.kernel.status === 'idle'
        && (cells.every(cell => cell.model.executionCount > 0)
            || cells.some(cell => cell.model.outputs.toJSON().some(failed)));
}"""
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type === 'code').flatMap(cell => cell.model.outputs.toJSON())
    .filter(output => output.output_type === 'error')
    .map(output => `${output.ename}: ${output.evalue}`)"""
IN_KERNEL = """async code => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code, store_history: false});
    let said = '';
    future.onIOPub = message => { said += message.content.text ?? message.content.evalue ?? ''; };
    await future.done;
    return said.trim();
}"""
SHUT_DOWN = "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"
SHOWN = """async selector => {
    const image = document.querySelector(selector);
    if (!image) return null;
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''));
}"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def copy_notebooks(folder):
    """The notebooks without their outputs, with fewer steps.

    What is seen later was computed there, and the stored ones are not saved over.
    """
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
        shorten(notebook, path)
        nbformat.write(notebook, folder / path.name)


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):  # without a Chromium no server is started
    """The address of a JupyterLab in a folder that holds a copy of the notebooks."""
    place = tmp_path_factory.mktemp("lab")
    folder = place / "notebooks"
    folder.mkdir()
    copy_notebooks(folder)
    with serving(folder, place) as address:
        yield address


@contextmanager
def serving(folder, place, **variables):
    """The address of a JupyterLab in a folder; `place` is for what is its own."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # A home of its own: no settings, work spaces or news of the person who runs the test.
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    environment = os.environ | {name: str(place / where) for name, where in own.items()} | variables
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    log = place / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for_server(server, address, log)
        yield address
    finally:
        server.terminate()  # ends its kernels as well
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_for_server(server, address, log):
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        assert server.poll() is None, f"JupyterLab ended:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(f"{address}/api/status?token={TOKEN}", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"JupyterLab does not answer:\n{log.read_text()}")


def needed_cells(path, until):
    """The numbers of the last cell of a notebook that holds a text and of those it rests on.

    A cell rests on those above that set a name it uses. nbval runs all of them.
    """
    cells = nbformat.read(path, as_version=4).cells
    code = [(number, cell) for number, cell in enumerate(cells) if cell.cell_type == "code"]
    numbers, names = [], set()
    for number, cell in reversed(code):
        if names & made_names(cell) if numbers else until in cell.source:
            numbers.insert(0, number)
            names |= used_names(cell)
    assert numbers, f"no cell of {path} holds {until!r}"
    return numbers


def made_names(cell):
    table = symtable.symtable(cell.source, "cell", "exec")
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def used_names(cell):
    """Names of the notebook that a cell uses, inside its functions as well."""

    def used(table):
        outside = table.get_type() == "module"
        names = {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (outside or symbol.is_global())
        }
        return names.union(*map(used, table.get_children()))

    return used(symtable.symtable(cell.source, "cell", "exec"))


@pytest.fixture(scope="session")
def run_notebook(lab, chromium):
    """A context manager: run_notebook(name, until) opens a notebook, runs the last cell that holds
    the text `until` and the cells that it rests on, and gives the page (Playwright's).
    """

    @contextmanager
    def running(name, until):
        from playwright.sync_api import sync_playwright

        numbers = needed_cells(ROOT / "notebooks" / name, until)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(PATIENCE)
            # a work space of its own, or the notebook opened before would come back
            page.goto(f"{lab}/lab/workspaces/{Path(name).stem}/tree/{name}?token={TOKEN}")
            page.wait_for_function(READY)
            page.evaluate(RUN, numbers)
            page.wait_for_function(RAN, arg=numbers)
            assert page.evaluate(ERRORS) == []
            yield page
            page.evaluate(SHUT_DOWN)
            browser.close()

    return running


def in_kernel(page, code):
    """What code prints that is run in the open notebook's kernel; an error's text as well."""
    return page.evaluate(IN_KERNEL, code)


def shown_array(page, selector):
    """The picture of an <img> on the page, uint8 (H, W, 3), or None."""
    encoded = page.evaluate(SHOWN, selector)
    return encoded and np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))


def wait_until(page, holds, otherwise):
    """Until `holds()` is true; fails with what `otherwise()` says after `ANSWER`."""
    deadline = time.monotonic() + ANSWER
    while time.monotonic() < deadline:
        if holds():
            return
        page.wait_for_timeout(100)
    pytest.fail(otherwise())


def drag(page, slider, share):
    """Drag the handle of an ipywidgets slider (a CSS selector) to a share, 0 to 1, of its track."""
    handle = page.locator(f"{slider} .noUi-handle")
    handle.hover()  # once it stands still
    start, track = handle.bounding_box(), page.locator(f"{slider} .noUi-base").bounding_box()
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] * share, start["y"] + start["height"] / 2, steps=10)
    page.mouse.up()


def play(page, widget):
    """Press play in an ipywidgets Play (a CSS selector) and wait for its end.

    For a moment after the last step it still plays: a slider that is moved then would start it
    anew.
    """
    page.locator(f"{widget} button").first.click()
    for state in ("attached", "detached"):
        page.locator(f"{widget} .fa-pause").wait_for(state=state, timeout=1000 * ANSWER)


def press(page, slider, *keys):
    """Press keys on the handle of an ipywidgets slider (a CSS selector)."""
    handle = page.locator(f"{slider} .noUi-handle")
    handle.scroll_into_view_if_needed()
    handle.focus()
    for key in keys:
        page.keyboard.press(key)

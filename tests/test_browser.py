"""The window slider of notebook 03 in a real JupyterLab under headless Chromium: a key press and a drag.

Read back are the bytes of the picture on the page and the slider's label, not screenshots.
"""

import base64
import io
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import center_mask
from tutorial_lib.plotting import colored
from tutorial_lib.widgets import WINDOWS

NOTEBOOK = "03_importance_weights.ipynb"
TOKEN = "a-token-of-the-test"
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync"]
PATIENCE = 120_000  # milliseconds; a busy machine is slow, not wrong
HANDLE = ".window-slider .noUi-handle"
PICTURE = "img.window-image, .window-image img"
READOUT = ".window-slider .widget-readout"
# The panel's session context knows both: that the kernel answers, and that it has nothing to do.
READY = """() => {
    const panel = window.jupyterapp?.shell?.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
    return panel?.content?.widgets?.length > 1 && kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}"""
RUN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"  # not awaited: waiting has a limit below
# Every cell has run, or one has failed and those after it will not.
RAN = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = panel.content.widgets.filter(cell => cell.model.type === 'code' && cell.model.sharedModel.source.trim());
    return panel.sessionContext.session.kernel.status === 'idle' && (cells.every(cell => cell.model.executionCount > 0)
        || cells.some(cell => cell.model.outputs.toJSON().some(output => output.output_type === 'error')));
}"""
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type === 'code').flatMap(cell => cell.model.outputs.toJSON())
    .filter(output => output.output_type === 'error').map(output => `${output.ename}: ${output.evalue}`)"""
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


@pytest.fixture
def lab(chromium, tmp_path):  # without a Chromium no server is started
    """The address of a JupyterLab in a folder that holds a copy of the notebook: the stored one is not saved over."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    notebook = nbformat.read(ROOT / "notebooks" / NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)  # what is seen later was computed here
    nbformat.write(notebook, folder / NOTEBOOK)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # A home of its own: no settings, work spaces or news of the person who runs the test.
    own = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython",
           "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    environment = os.environ | {name: str(tmp_path / place) for name, place in own.items()}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
               f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
               "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    log = tmp_path / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
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


@pytest.fixture
def page(lab, chromium):
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{lab}/lab/tree/{NOTEBOOK}?token={TOKEN}")
        yield page
        browser.close()


def wait_for_window(page, window):
    """Until the page shows the map of this window, computed here, and its label says so."""
    expected = colored(importance_weights(center_mask(), window)[0, 0])
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        encoded = page.evaluate(SHOWN, PICTURE)
        shown = encoded and np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))
        label = page.locator(READOUT).inner_text()
        if shown is not None and np.array_equal(shown, expected) and label == str(window):
            return
        page.wait_for_timeout(100)
    size = None if shown is None else shown.shape
    pytest.fail(f"window {window} is wanted; the page shows label {label!r} and another picture, of shape {size}")


def test_window_slider_by_key_and_by_mouse(page):
    page.wait_for_function(READY)
    page.evaluate(RUN_ALL)
    page.wait_for_function(RAN)
    assert page.evaluate(ERRORS) == []

    handle = page.locator(HANDLE)
    handle.scroll_into_view_if_needed()
    wait_for_window(page, 7)
    handle.focus()
    page.keyboard.press("ArrowRight")
    wait_for_window(page, 9)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    wait_for_window(page, 5)

    # From where the handle is to the middle of the place of window 15.
    start, track = handle.bounding_box(), page.locator(".window-slider .noUi-base").bounding_box()
    x, y = start["x"] + start["width"] / 2, start["y"] + start["height"] / 2
    target = track["x"] + track["width"] * WINDOWS.index(15) / (len(WINDOWS) - 1)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(target, y, steps=10)
    page.mouse.up()
    wait_for_window(page, 15)

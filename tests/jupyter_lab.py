"""A JupyterLab for each module of tests that needs one, and one browser; what notebooks are shown in them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
ARTIFACTS = ROOT / "artifacts"
BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FOLDERS = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "IPYTHONDIR",
)
KERNEL_IS_READY = """() => {
  const panel = window.jupyterapp?.shell?.currentWidget;
  const session = panel?.context?.sessionContext;
  const kernel = session?.session?.kernel;
  return !!(panel?.context?.isReady && session?.isReady && kernel
    && kernel.connectionStatus === 'connected' && kernel.status === 'idle');
}"""
RUN_ALL = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
DARK = "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
IS_DARK = "() => document.body.dataset.jpThemeLight === 'false'"
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.model.type === 'code')
  .flatMap(cell => cell.model.outputs.toJSON()).filter(output => output.output_type === 'error')
  .map(output => output.evalue)"""


@dataclass(frozen=True)
class Server:
    """A JupyterLab that trusts nothing that lies in its `folder`; every notebook may use a kernel."""

    address: str
    folder: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab that has never seen any notebook, and so trusts none.

    It ends with its module, and with it kernels whose machines run live: they would compute beside all other tests.
    """
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {name: str(folder / ".jupyter" / name.lower()) for name in FOLDERS}
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    environment = os.environ | settings | {"PYTHONPATH": str(ROOT)}
    with open(folder / "server.log", "w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address + "/api/status", process, folder / "server.log")
        yield Server(address, folder)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def browser(needs: Callable[[str, str], str]) -> Iterator[Any]:
    """A headless Chromium. It ends with its module: while it lives, no other test can have an event loop."""
    chromium = needs("chromium", "chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="python -m pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS)
        yield browser
        browser.close()


def notebook(*cells: str) -> str:
    """The text of a notebook with these cells, none of which has run."""
    made = [
        {"cell_type": "code", "id": f"cell{n}", "source": text, "metadata": {}, "outputs": [], "execution_count": None}
        for n, text in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def opened(browser: Any, server: Server, name: str, text: str, height: int = 1000) -> Any:
    """A page with a notebook of this text; `page.mistakes` gathers what the browser's console complains about."""
    (server.folder / name).write_text(text, encoding="utf-8")
    page = browser.new_context(viewport={"width": 1200, "height": height}).new_page()
    page.mistakes = []
    page.on("pageerror", lambda error: page.mistakes.append(str(error)))
    page.goto(f"{server.address}/lab/tree/{name}?reset", wait_until="domcontentloaded")
    wait_for_kernel(page)
    return page


def wait_for_kernel(page: Any) -> None:
    """Wait until the notebook is there and its kernel has nothing to do."""
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
    page.wait_for_function(KERNEL_IS_READY, timeout=60_000)


def run_all(page: Any) -> None:
    """Run every cell; none may fail."""
    page.evaluate(RUN_ALL)
    page.wait_for_function(KERNEL_IS_READY, timeout=60_000)
    assert page.evaluate(ERRORS) == []


def make_dark(page: Any) -> None:
    page.evaluate(DARK)
    page.wait_for_function(IS_DARK, timeout=30_000)
    page.wait_for_timeout(1000)


def keep(shown: Any, name: str) -> None:
    """Keep a picture of a page, or of a part of it."""
    ARTIFACTS.mkdir(exist_ok=True)
    shown.screenshot(path=str(ARTIFACTS / f"{name}.png"))

"""The welcome notebook in a real JupyterLab in a real browser. Screenshots are kept in `artifacts/`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
ARTIFACTS = ROOT / "artifacts"
NAME = "00-welcome.ipynb"
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
PICTURES = """() => [...document.querySelectorAll('.jp-OutputArea-output img')]
  .map(image => ({alt: image.alt, width: image.naturalWidth}))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab that has never seen the notebook, and so does not trust it."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(ROOT / "notebooks" / NAME, folder / NAME)
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
        yield address
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
def page(server: str, needs: Callable[[str, str], str]) -> Iterator[Any]:
    """The notebook, open in the browser; `page.mistakes` gathers what the browser's console complains about."""
    chromium = needs("chromium", "chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="python -m pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS)
        page = browser.new_context(viewport={"width": 1200, "height": 1000}).new_page()
        page.mistakes = []
        page.on("pageerror", lambda error: page.mistakes.append(str(error)))
        page.goto(f"{server}/lab/tree/{NAME}?reset", wait_until="domcontentloaded")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        page.wait_for_function(KERNEL_IS_READY, timeout=60_000)
        yield page
        browser.close()


def screenshots(page: Any, name: str) -> None:
    """Keep what every screenful of the notebook looks like."""
    ARTIFACTS.mkdir(exist_ok=True)
    panel = page.locator(".jp-WindowedPanel-outer").first
    height, step = panel.evaluate("panel => [panel.scrollHeight, panel.clientHeight]")
    for number, top in enumerate(range(0, height, step)):
        panel.evaluate(f"panel => panel.scrollTo(0, {top})")
        page.wait_for_timeout(250)
        page.screenshot(path=str(ARTIFACTS / f"{name}-{number}.png"))
    panel.evaluate("panel => panel.scrollTo(0, 0)")


def all_pictures(page: Any) -> dict[str, int]:
    """alt -> width of every picture; cells out of sight are not drawn, so each is scrolled to."""
    found: dict[str, int] = {}
    panel = page.locator(".jp-WindowedPanel-outer").first
    for top in range(0, panel.evaluate("panel => panel.scrollHeight"), 500):
        panel.evaluate(f"panel => panel.scrollTo(0, {top})")
        page.wait_for_timeout(150)
        found |= {picture["alt"]: picture["width"] for picture in page.evaluate(PICTURES)}
    return found


def test_a_notebook_that_is_not_trusted_shows_its_saved_pictures(page: Any) -> None:
    assert page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.every(cell => !cell.model.trusted)"
    )
    pictures = all_pictures(page)
    assert {alt.split(":")[0].split(" of ")[0] for alt in pictures} == {"Memory map", "Bar chart"}
    assert all(width > 300 for width in pictures.values())
    screenshots(page, "welcome-untrusted")


def test_all_cells_run_and_give_what_was_saved(page: Any) -> None:
    before = all_pictures(page)
    done = page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(KERNEL_IS_READY, timeout=60_000)
    assert done is not False
    assert set(all_pictures(page)) == set(before)
    outputs = page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.model.type === 'code')"
        ".map(cell => cell.model.outputs.toJSON().map(output => output.output_type))"
    )
    assert not any("error" in types for types in outputs)
    screenshots(page, "welcome-light")


def test_the_dark_theme_shows_the_same(page: Any) -> None:
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'", timeout=30_000)
    page.wait_for_timeout(1000)
    screenshots(page, "welcome-dark")
    assert page.mistakes == []


def test_the_tab_key_completes_commands(page: Any) -> None:
    answer = page.evaluate(
        "async () => (await window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
        ".requestComplete({code: '%vm sta', cursor_pos: 7})).content"
    )
    assert answer["matches"] == ["start"]

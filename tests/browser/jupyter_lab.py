"""What notebooks are shown in a browser, and what tests do with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
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
    settings: Path
    """Where it keeps what a person has set, such as the theme."""


def notebook(*cells: str) -> str:
    """The text of a notebook with these cells, none of which has run."""
    made = [
        {"cell_type": "code", "id": f"cell{n}", "source": text, "metadata": {}, "outputs": [], "execution_count": None}
        for n, text in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@contextmanager
def shown(browser: Any, server: Server, address: str, height: int = 1000) -> Iterator[Any]:
    """A page of the server's; `page.mistakes` gathers what the browser's console complains about.

    What it leaves is nothing that the next one sees: neither a kernel nor a theme.
    """
    page = browser.new_page()
    page.set_viewport_size({"width": 1200, "height": height})
    page.mistakes = []
    page.on("pageerror", lambda error: page.mistakes.append(str(error)))
    page.goto(server.address + address, wait_until="domcontentloaded")
    try:
        yield page
    finally:
        page.close()
        end_kernels(browser, server.address)
        shutil.rmtree(server.settings, ignore_errors=True)


def end_kernels(browser: Any, address: str) -> None:
    """End every kernel: one whose machine runs live would compute beside all other tests."""
    browser.request.get(f"{address}/lab")  # gives the cookie without which the server obeys nobody
    (mine,) = [cookie["value"] for cookie in browser.cookies(address) if cookie["name"] == "_xsrf"]
    for kernel in browser.request.get(f"{address}/api/kernels").json():
        answer = browser.request.delete(f"{address}/api/kernels/{kernel['id']}", headers={"X-XSRFToken": mine})
        assert answer.ok or answer.status == 404, answer.text()  # it may have ended meanwhile


@contextmanager
def opened(browser: Any, server: Server, name: str, text: str, height: int = 1000) -> Iterator[Any]:
    """A page with a notebook of this text, as `shown` gives it."""
    (server.folder / name).write_text(text, encoding="utf-8")
    with shown(browser, server, f"/lab/tree/{name}?reset", height) as page:
        wait_for_kernel(page)
        yield page


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

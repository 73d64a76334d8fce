"""Live pictures in a real JupyterLab in a real browser. Screenshots are kept in `artifacts/`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_browser import ARTIFACTS, BROWSER_FLAGS, KERNEL_IS_READY, server  # noqa: F401

pytestmark = pytest.mark.slow

CELLS = [
    "%load_ext axlab\n%vm create demo",
    "%axlab states 0 --live",
    "%vm create demo",
    "%vm start 1",
    "%axlab timeline 1 --live",
]
UPLOAD = """async ([name, content]) => {
  const token = document.cookie.split('; ').find(one => one.startsWith('_xsrf='))?.slice(6) ?? '';
  const answer = await fetch(`/api/contents/${name}`, {
    method: 'PUT', headers: {'Content-Type': 'application/json', 'X-XSRFToken': token},
    body: JSON.stringify({type: 'notebook', format: 'json', content}),
  });
  return answer.status;
}"""
ERRORS = """() => window.jupyterapp.shell.currentWidget.content.widgets.flatMap(cell => cell.model.outputs.toJSON())
  .filter(output => output.output_type === 'error').map(output => output.evalue)"""
NAME = "pictures.ipynb"


def notebook(cells: list[str]) -> dict[str, Any]:
    """A notebook with these cells, none of which has run."""
    made = [
        {"cell_type": "code", "id": f"cell{n}", "source": text, "metadata": {}, "outputs": [], "execution_count": None}
        for n, text in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def page(server: str, needs: Callable[[str, str], str]) -> Iterator[Any]:  # noqa: F811
    """A notebook of live pictures, open in the browser, all cells run."""
    chromium = needs("chromium", "chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="python -m pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS)
        page = browser.new_context(viewport={"width": 1200, "height": 1400}).new_page()
        page.mistakes = []
        page.on("pageerror", lambda error: page.mistakes.append(str(error)))
        page.goto(f"{server}/lab?reset", wait_until="domcontentloaded")
        assert page.evaluate(UPLOAD, [NAME, notebook(CELLS)]) in (200, 201)
        page.goto(f"{server}/lab/tree/{NAME}?reset", wait_until="domcontentloaded")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        page.wait_for_function(KERNEL_IS_READY, timeout=60_000)
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_function(KERNEL_IS_READY, timeout=60_000)
        assert page.evaluate(ERRORS) == []
        yield page
        browser.close()


def keep(page: Any, name: str, view: Any) -> None:
    """Keep a picture of a view."""
    ARTIFACTS.mkdir(exist_ok=True)
    view.screenshot(path=str(ARTIFACTS / f"{name}.png"))


def view(page: Any, words: str) -> Any:
    """The live view whose picture's title begins with these words."""
    found = page.locator(".axlab-view", has=page.locator(f"svg[aria-label^={json.dumps(words)}]"))
    found.scroll_into_view_if_needed(timeout=30_000)
    return found


def test_a_click_starts_a_vm_and_the_state_machine_moves(page: Any) -> None:
    machine = view(page, "VM[0] demo: life cycle")
    machine.get_by_role("button", name="Start").click()
    machine.locator("pre", has_text="✓ VM[0] started successfully").wait_for()
    machine.locator("button[aria-disabled=true]", has_text="Start").wait_for()
    machine.get_by_role("button", name="Suspend").press("Enter")
    machine.locator("pre", has_text="✓ VM[0] suspend signal sent").wait_for()
    machine.locator("text=Running → Suspended").wait_for()
    keep(page, "states-live", machine)
    machine.get_by_role("button", name="Resume").click()
    machine.locator("text=Suspended → Running").wait_for()
    assert page.mistakes == []


def test_the_timeline_zooms_moves_and_says_what_is_under_the_pointer(page: Any) -> None:
    lanes = page.locator(".axlab-timeline")
    lanes.scroll_into_view_if_needed()
    canvas = lanes.locator("canvas")
    keep(page, "timeline-whole", lanes)
    whole = canvas.get_attribute("data-window")
    canvas.focus()
    for key in ("+", "+", "ArrowLeft"):
        before = canvas.get_attribute("data-window")
        page.keyboard.press(key)
        lanes.locator(f"canvas:not([data-window='{before}'])").wait_for()
    lanes.get_by_role("button", name="Zoom in (+)").click()
    canvas.hover(position={"x": 300, "y": 185})
    lanes.locator("[role=status]", has_text="vCPU 1.0 at ").wait_for()
    keep(page, "timeline-zoomed", lanes)
    lanes.get_by_role("button", name="Everything (0)").click()
    lanes.locator(f"canvas[data-window='{whole}']").wait_for()
    assert page.mistakes == []

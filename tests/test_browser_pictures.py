"""Live pictures in a real JupyterLab in a real browser. Screenshots are kept in `artifacts/`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_lab import Server, keep, notebook, opened, run_all

pytestmark = pytest.mark.slow

CELLS = (
    "%load_ext axlab\n%vm create demo",
    "%axlab states 0 --live",
    "%vm create demo",
    "%vm start 1",
    "%axlab timeline 1 --live",
)


@pytest.fixture(scope="module")
def page(server: Server, browser: Any) -> Iterator[Any]:
    """A notebook of live pictures, open in the browser, all cells run."""
    page = opened(browser, server, "pictures.ipynb", notebook(*CELLS), 1400)
    run_all(page)
    yield page
    page.context.close()


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
    keep(machine, "states-live")
    machine.get_by_role("button", name="Resume").click()
    machine.locator("text=Suspended → Running").wait_for()
    assert page.mistakes == []


def test_the_timeline_zooms_moves_and_says_what_is_under_the_pointer(page: Any) -> None:
    lanes = page.locator(".axlab-timeline")
    lanes.scroll_into_view_if_needed()
    canvas = lanes.locator("canvas")
    keep(lanes, "timeline-whole")
    whole = canvas.get_attribute("data-window")
    canvas.focus()
    for key in ("+", "+", "ArrowLeft"):
        before = canvas.get_attribute("data-window")
        page.keyboard.press(key)
        lanes.locator(f"canvas:not([data-window='{before}'])").wait_for()
    lanes.get_by_role("button", name="Zoom in (+)").click()
    canvas.hover(position={"x": 300, "y": 185})
    lanes.locator("[role=status]", has_text="vCPU 1.0 at ").wait_for()
    keep(lanes, "timeline-zoomed")
    lanes.get_by_role("button", name="Everything (0)").click()
    lanes.locator(f"canvas[data-window='{whole}']").wait_for()
    assert page.mistakes == []

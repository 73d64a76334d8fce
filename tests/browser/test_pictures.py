"""Live pictures in a real JupyterLab in a real browser. Screenshots are kept in `artifacts/`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from browser.jupyter_lab import Server, keep, make_dark, notebook, opened, run_all

pytestmark = pytest.mark.slow

CELLS = (
    "%load_ext axlab\n%vm create demo",
    "%axlab states 0 --live",
    "%vm create demo",
    "%vm start 1",
    "%axlab timeline 1 --live",
    "%axlab map 1 --live",
    "%vm create demo",
    "%axlab cpu 2.0 --live",
    "%axlab irqs 2 --live",
    "%axlab exits --live",
)


@pytest.fixture(scope="module")
def page(server: Server, browser: Any) -> Iterator[Any]:
    """A notebook of live pictures, open in the browser, all cells run."""
    with opened(browser, server, "pictures.ipynb", notebook(*CELLS), 1400) as page:
        run_all(page)
        yield page


EXECUTE = """async (code) => { const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.sessionContext.session.kernel.requestExecute({code}).done; }"""


def view(page: Any, words: str) -> Any:
    """The live view that is titled with these words."""
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


def test_a_click_in_the_map_shows_the_walk_and_its_bits(page: Any) -> None:
    memory = view(page, "VM[1]")
    memory.locator("[data-send]", has_text="RAM rwx").click()
    memory.locator("text=vCPU 0: IPA 0x40000000, read").first.wait_for()
    step = memory.locator("[data-send*=step]").first
    step.focus()
    page.keyboard.press("Enter")
    memory.locator("text=Stage 2 level 1: bits of").wait_for()
    assert "step" in page.evaluate("() => document.activeElement.dataset.send"), "the focus stays where it was"
    memory.get_by_label("Address").fill("0x12345")
    memory.get_by_label("Address").press("Enter")
    memory.locator("text=translation fault").first.wait_for()
    memory.get_by_label("Address").fill("main")
    memory.get_by_label("Address").press("Enter")
    memory.locator(".axlab-refused", has_text="'main' is no address").wait_for()
    keep(memory, "map-live")
    assert page.mistakes == []


def test_a_vcpu_is_stepped_and_shows_what_changed(page: Any) -> None:
    cpu = view(page, "VM[2]")
    counted = cpu.locator("text=/[0-9]+ instructions executed/")
    page.evaluate(EXECUTE, "%vm start 2 --detach\n%vm run --for 50us")
    cpu.locator("text=VM Running").wait_for()  # what a cell did is shown, too
    before = counted.text_content()
    cpu.get_by_role("button", name="Step", exact=True).click()
    page.wait_for_function("([view, before]) => !view.textContent.includes(before)", arg=[cpu.element_handle(), before])
    cpu.locator("input").fill("print_hex")
    cpu.locator("input").press("Enter")
    cpu.locator("text=Code around PC, in print_hex").wait_for()
    keep(cpu, "cpu-live")
    assert page.mistakes == []


def test_the_other_views_show_what_has_happened_meanwhile(page: Any) -> None:
    interrupts = view(page, "Interrupts of VM[2]")
    interrupts.get_by_label("Inject INTID").fill("33")
    interrupts.get_by_label("Inject INTID").press("Enter")
    interrupts.locator("pre", has_text="✓ interrupt 33 is pending").wait_for()
    keep(interrupts, "irqs-live")
    profile = view(page, "Exits of all VMs")
    profile.get_by_role("button", name="Compare with now").click()
    profile.locator("text=EXITS (OTHER)").first.wait_for()
    keep(profile, "profile-live")
    assert page.mistakes == []


def test_the_views_read_on_dark(page: Any) -> None:
    make_dark(page)
    keep(view(page, "VM[0] demo: life cycle"), "states-dark")
    keep(view(page, "VM[2]"), "cpu-dark")
    keep(page.locator(".axlab-timeline"), "timeline-dark")
    assert page.mistakes == []


def test_a_saved_notebook_shows_its_pictures_without_a_kernel(page: Any) -> None:
    stills = page.locator(".axlab-still")
    assert not any(still.is_visible() for still in stills.all()), "while it lives, the view alone is shown"
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    page.reload()
    stills.first.wait_for(timeout=60_000)
    assert page.locator(".axlab-view").count() == 0
    assert stills.locator("img").first.get_attribute("alt").startswith("State machine of VM[0] demo")

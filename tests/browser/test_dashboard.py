"""The dashboard in a real browser: served by voila, in a notebook that is not trusted, and as exported HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browser.jupyter_lab import ROOT, Server, keep, make_dark, notebook, opened, run_all, shown

pytestmark = pytest.mark.slow

LIVE = ("%load_ext axlab\n%vm create demo\n%vm create demo", "%axlab dashboard --live")
STILL = ("%load_ext axlab\n%vm create demo\n%vm start 0", "%axlab dashboard 0")
TITLES = ["Life cycle", "Console", "Timeline", "vCPU", "Interrupts", "Memory", "Exits"]
PICTURES = "() => [...document.querySelectorAll('img[alt]')].filter(i => i.naturalWidth > 300).map(i => i.alt)"


@pytest.fixture(scope="module")
def executed(server: Server) -> Path:
    """A notebook with a still dashboard that was run somewhere else, and is not trusted here."""
    import nbclient
    import nbformat

    made = nbformat.reads(notebook(*STILL), as_version=4)
    nbclient.NotebookClient(made, resources={"metadata": {"path": str(ROOT)}}).execute()
    path = server.folder / "still.ipynb"
    nbformat.write(made, path)
    return path


def test_voila_serves_it_live(server: Server, browser: Any) -> None:
    (server.folder / "live.ipynb").write_text(notebook(*LIVE), encoding="utf-8")
    with shown(browser, server, "/voila/render/live.ipynb") as page:
        machine = page.locator(".axlab-view", has=page.locator("svg[aria-label^='VM[0] demo: life cycle']"))
        machine.wait_for(timeout=60_000)
        assert [title.inner_text() for title in page.locator(".axlab-dashboard h3").all()] == TITLES
        machine.get_by_role("button", name="Start").click()
        page.locator(".widget-toggle-button", has_text="Run").click()
        console = page.get_by_role("log", name="Console of VM[0] demo")
        console.get_by_text("Hello from a guest at EL1").wait_for()
        page.locator("text=Running → Stopping").first.wait_for()
        keep(page, "dashboard-voila")
        page.get_by_label("VM", exact=True).select_option("VM[1] demo-2")
        page.get_by_role("log", name="Console of VM[1] demo-2 (Loaded)").wait_for()


def test_jupyterlab_shows_it_live_on_light_and_on_dark(server: Server, browser: Any) -> None:
    with opened(browser, server, "live-lab.ipynb", notebook(*LIVE), 4400) as page:
        run_all(page)
        board = page.locator(".axlab-dashboard")
        machine = board.locator(".axlab-view", has=page.locator("svg[aria-label^='VM[0] demo: life cycle']"))
        machine.get_by_role("button", name="Start").click()
        board.locator(".widget-toggle-button", has_text="Run").click()
        board.get_by_role("log", name="Console of VM[0] demo").get_by_text("Three ticks are enough").wait_for()
        board.locator("svg[aria-label^='Exits of VM[0] demo']", has_text="192").wait_for()
        assert board.locator("svg, canvas").evaluate_all(
            "all => all.filter(one => one.getBoundingClientRect().right > innerWidth).length"
        ) == 0, "a picture is wider than the page"  # fmt: skip
        keep(page, "dashboard-light")
        make_dark(page)
        page.get_by_label("VM", exact=True).select_option("VM[1] demo-2")
        board.get_by_role("log", name="Console of VM[1] demo-2 (Loaded)").wait_for()
        keep(page, "dashboard-dark")
        assert page.mistakes == []


def test_a_notebook_that_is_not_trusted_shows_it(server: Server, browser: Any, executed: Path) -> None:
    with opened(browser, server, executed.name, executed.read_text(encoding="utf-8"), 5000) as page:
        assert page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets.every(cell => !cell.model.trusted)"
        )
        page.wait_for_timeout(500)
        assert len(page.evaluate(PICTURES)) == len(TITLES) - 1  # the console is text
        console = page.locator("pre", has_text="Hello from a guest at EL1").last
        console.scroll_into_view_if_needed()
        assert console.evaluate("pre => getComputedStyle(pre).backgroundColor") == "rgb(27, 30, 35)"
        keep(page, "dashboard-untrusted")


def test_exported_html_shows_it(browser: Any, executed: Path) -> None:
    from nbconvert import HTMLExporter

    exported, _ = HTMLExporter().from_filename(str(executed))
    executed.with_suffix(".html").write_text(exported, encoding="utf-8")
    page = browser.new_page()
    page.set_viewport_size({"width": 1100, "height": 1000})
    page.goto(executed.with_suffix(".html").as_uri(), wait_until="domcontentloaded")
    assert len(page.evaluate(PICTURES)) == len(TITLES) - 1
    assert page.locator("pre", has_text="Three ticks are enough").last.is_visible()
    keep(page, "dashboard-html")
    page.close()

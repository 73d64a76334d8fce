"""The welcome notebook in a real JupyterLab in a real browser. Screenshots are kept in `artifacts/`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from browser.jupyter_lab import ARTIFACTS, KERNEL_IS_READY, ROOT, Server, make_dark, opened

pytestmark = pytest.mark.slow

NAME = "00-welcome.ipynb"
PICTURES = """() => [...document.querySelectorAll('.jp-OutputArea-output img')]
  .map(image => ({alt: image.alt, width: image.naturalWidth}))"""


@pytest.fixture(scope="module")
def page(server: Server, browser: Any) -> Iterator[Any]:
    """The notebook, open in the browser."""
    with opened(browser, server, NAME, (ROOT / "notebooks" / NAME).read_text(encoding="utf-8")) as page:
        yield page


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
    assert {alt.split(":")[0].split(" of ")[0] for alt in pictures} == {"Memory map", "Exits"}
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
    make_dark(page)
    screenshots(page, "welcome-dark")
    assert page.mistakes == []


def test_the_tab_key_completes_commands(page: Any) -> None:
    answer = page.evaluate(
        "async () => (await window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
        ".requestComplete({code: '%vm sta', cursor_pos: 7})).content"
    )
    assert answer["matches"] == ["start"]

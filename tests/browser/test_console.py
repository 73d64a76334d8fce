"""A console in a real JupyterLab in a real browser: the guest answers what is typed. Screenshots are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from browser.jupyter_lab import Server, keep, make_dark, notebook, opened, run_all, wait_for_kernel

pytestmark = pytest.mark.slow

ANSWERS = r"""%%guest echo
        .include "axlab.S"
again:  adr     x0, prompt
        bl      print
1:      bl      read_char
        cmp     w0, '\r'
        b.eq    2f
        bl      print_char
        b       1b
2:      adr     x0, answer
        bl      print
        b       again
prompt: .asciz  "\x1b[32mguest\x1b[0m> "
answer: .asciz  "\r\n\x1b[1;33mI heard you\x1b[0m \x1b]0;owned\x07\x1b[6n<b>&amp;</b>\r\n"
"""
CELLS = ("%load_ext axlab", ANSWERS, "%axlab console echo --live", "%vm start echo --detach", "%axlab console echo")


@pytest.fixture(scope="module")
def page(server: Server, browser: Any) -> Iterator[Any]:
    with opened(browser, server, "console.ipynb", notebook(*CELLS)) as page:
        run_all(page)
        yield page


def console(page: Any) -> Any:
    found = page.locator(".axlab-console")
    found.scroll_into_view_if_needed()
    return found


def test_the_guest_answers_what_is_typed(page: Any) -> None:
    view = console(page)
    view.get_by_role("button", name="Run").click()
    view.get_by_role("button", name="Pause").wait_for()
    terminal = view.get_by_role("log", name="Console of VM[0] echo (Running)")
    terminal.get_by_text("guest>").wait_for()
    terminal.click()
    page.keyboard.type("hello?")
    page.keyboard.press("Enter")
    terminal.get_by_text("I heard you <b>&amp;</b>").wait_for()
    assert "guest> hello?" in terminal.inner_text()
    keep(page, "console-light")
    assert page.title().endswith("JupyterLab") and page.mistakes == []


def test_a_reloaded_page_shows_the_same_console(page: Any) -> None:
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.reload(wait_until="domcontentloaded")
    wait_for_kernel(page)
    terminal = console(page).get_by_role("log")
    terminal.get_by_text("I heard you").wait_for()
    terminal.click()
    page.keyboard.type("again")
    page.keyboard.press("Enter")
    terminal.get_by_text("guest> again").wait_for()


def test_the_dark_theme_shows_it_too(page: Any) -> None:
    make_dark(page)
    console(page)
    keep(page, "console-dark")
    assert page.mistakes == []


def test_the_kernels_interrupt_stops_the_machine(page: Any) -> None:
    view = console(page)
    for _ in range(3):
        view.get_by_role("button", name="Pause").wait_for()
        page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.interrupt()")
        view.get_by_role("button", name="Run").wait_for()
        view.get_by_role("status").get_by_text("interrupted").wait_for()
        view.get_by_role("button", name="Run").click()
    view.get_by_role("button", name="Pause").click()
    view.get_by_role("button", name="Run").wait_for()
    assert view.get_by_role("status").inner_text() == ""


def test_a_restarted_kernel_begins_anew(page: Any) -> None:
    page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart() }"
    )
    wait_for_kernel(page)
    run_all(page)
    view = console(page)
    view.get_by_role("log", name="Console of VM[0] echo (Running)").wait_for()
    view.get_by_role("button", name="Run").click()
    view.get_by_role("log").get_by_text("guest>").wait_for()
    assert "again" not in view.get_by_role("log").inner_text()
    assert page.mistakes == []

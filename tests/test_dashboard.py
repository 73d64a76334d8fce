"""The dashboard: all pictures of a VM on one page, still and live."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_labs import lab_with, prints

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.notebook.dashboard import Dashboard
from axlab.notebook.dashboard_view import DashboardView
from axlab.notebook.figures import show
from axlab.notebook.live import views_of

TITLES = ["Life cycle", "Console", "Timeline", "vCPU", "Interrupts", "Memory", "Exits"]


def ran() -> Lab:
    lab = lab_with(prints("one"), prints("two"))
    lab.shell("vm start all")
    return lab


def test_a_still_dashboard_has_every_picture_and_its_text() -> None:
    page = show(ran(), "dashboard", ["1"])
    assert list(page.pictures) == TITLES
    bundle = page._repr_mimebundle_()
    assert all(f"<h3>{title}</h3>" in bundle["text/html"] for title in TITLES)
    assert bundle["text/html"].count("<img alt=") == len(TITLES) - 1
    assert "VM[1] guest1\n\nLife cycle\n----------\n" in bundle["text/plain"] and "two" in bundle["text/plain"]


def test_it_is_saved_as_one_page(tmp_path: Path) -> None:
    page = show(ran(), "dashboard", [])
    page.save(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and "<title>VM[0] guest0</title>" in text and "src='http" not in text
    with pytest.raises(AxError, match="the page cannot be written to"):
        page.save(tmp_path / "nowhere" / "page.html")


def test_a_lab_without_vms_shows_its_physical_cpus() -> None:
    assert list(Dashboard(Lab(code_cache=False)).picture().pictures) == ["Timeline"]


def test_a_vm_that_is_not_there_is_said() -> None:
    with pytest.raises(AxError, match=r"VM\[7\]"):
        show(ran(), "dashboard", ["7"])


def test_the_live_one_shows_the_vm_that_is_chosen() -> None:
    view = DashboardView(Dashboard(ran()))
    assert view.choice.options == (("VM[0] guest0", 0), ("VM[1] guest1", 1))
    assert [scene.scene.vm for scene in view.views[:2]] == [0, 0]
    view.choice.value = 1
    assert [scene.scene.vm for scene in view.views[:2]] == [1, 1]
    assert len(view.place.children) == len(TITLES)


def test_it_follows_the_list_of_vms() -> None:
    lab = Lab(code_cache=False)
    view = DashboardView(Dashboard(lab))
    assert (view.choice.options, view.choice.value, len(view.views)) == ((), None, 1)
    lab.shell("vm create demo; vm create demo")
    view.refresh()
    assert (view.choice.value, len(view.views)) == (0, len(TITLES))
    view.choice.value = 1
    lab.shell("vm delete 1 --force")
    view.refresh()
    assert (view.choice.value, view.views[0].scene.vm) == (0, 0)


def test_a_view_that_is_not_shown_any_more_is_not_kept_up_to_date() -> None:
    lab = ran()
    view = DashboardView(Dashboard(lab))
    first = view.views[0]
    view.choice.value = 1
    before = first.shown
    lab.shell("vm start 0")
    assert first.shown is before
    view.close()
    assert views_of(lab).views == []


def test_a_saved_notebook_shows_the_still_one() -> None:
    bundle, _ = DashboardView(Dashboard(ran()))._repr_mimebundle_()
    assert "<h3>Memory</h3>" in bundle["text/html"] and "application/vnd.jupyter.widget-view+json" in bundle


def test_running_from_the_page_needs_a_kernel() -> None:
    view = DashboardView(Dashboard(ran()))
    with pytest.raises(AxError, match="the machine runs live in a notebook"):
        view.run.value = True

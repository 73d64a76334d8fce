"""The live dashboard: the live views of a VM on one page, and a choice of the VM."""

from __future__ import annotations

import html
from typing import Any

import ipywidgets

from axlab.notebook.dashboard import Dashboard, DashboardPicture
from axlab.notebook.live import Live
from axlab.notebook.live_machine import machine_of
from axlab.notebook.turns import Turns
from axlab.notebook.widgets import VIEWS, LiveView, display_live, with_picture


def view_of(scene: Any) -> Any:
    """The live view that shows a scene, or a dashboard."""
    return DashboardView(scene) if isinstance(scene, Dashboard) else VIEWS[scene.view](scene)


class DashboardView(ipywidgets.VBox):  # type: ignore[misc]
    """A dashboard, live. `close` ends it and its views."""

    def __init__(self, scene: Dashboard) -> None:
        self.scene = scene
        self.turns = Turns()
        self.views: list[LiveView] = []
        self.choice = ipywidgets.Dropdown(description="VM", layout={"width": "22em"})
        self.run = ipywidgets.ToggleButton(description="Run", tooltip="Let the machine run, never ahead of the clock")
        self.place = ipywidgets.VBox()
        self.offered: list[tuple[str, int]] = []
        self.offering = False
        self.shown: int | None = None
        super().__init__([ipywidgets.HBox([self.choice, self.run]), self.place])
        self.add_class("axlab-dashboard")
        self.refresh()
        self.show()
        self.choice.observe(self._chosen, "value")
        self.run.observe(self._run, "value")
        self.live = Live(scene.lab, self.refresh)

    def refresh(self) -> None:
        """Offer the VMs that there are; the views bring themselves up to date."""
        offered = [(f"VM[{vm.id}] {vm.name}", vm.id) for vm in self.scene.vms()]
        self.run.value = machine_of(self.scene.lab).on
        if offered == self.offered:
            return
        self.offered = offered
        if self.scene.vm not in [number for _, number in offered]:
            self.scene.vm = None
        self.offering = True  # new options choose by themselves, which no person did
        self.choice.options = offered
        self.choice.value = self.scene.chosen()
        self.offering = False
        if self.views and self.scene.chosen() != self.shown:
            self.show()

    def show(self) -> None:
        """Show the views of the VM that was chosen. Those of another are not closed: a page may still load them."""
        for view in self.views:
            view.live.close()
        parts = self.scene.scenes()
        self.shown = self.scene.chosen()
        self.views = [VIEWS[part.view](part) for part in parts.values()]
        self.place.children = [
            ipywidgets.VBox([ipywidgets.HTML(f"<h3>{html.escape(title)}</h3>"), view])
            for title, view in zip(parts, self.views, strict=True)
        ]

    def _chosen(self, change: Any) -> None:
        if not self.offering and change["new"] != self.shown:
            self.turns(self.choose, change["new"])

    def choose(self, vm: int | None) -> None:
        """Show the views of this VM."""
        self.scene.vm = vm
        self.show()

    def _run(self, change: Any) -> None:
        machine = machine_of(self.scene.lab)
        if change["new"] != machine.on:
            self.turns(machine.start if change["new"] else machine.stop)

    def close(self) -> None:
        """The dashboard goes away."""
        self.live.close()
        for view in self.views:
            view.close()
        super().close()

    @property
    def picture(self) -> DashboardPicture:
        """What is shown, as a page of pictures."""
        return self.scene.picture()

    def _ipython_display_(self) -> None:
        display_live(self)

    def _repr_mimebundle_(self, **more: Any) -> Any:
        return with_picture(super()._repr_mimebundle_(**more), self.picture)

"""All pictures of a VM on one page."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from axlab.errors import AxError
from axlab.notebook.console import Console
from axlab.notebook.exit_profile import ExitProfile
from axlab.notebook.interrupts import Interrupts
from axlab.notebook.memory_map import MemoryMap
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Scene
from axlab.notebook.state_machine import StateMachine
from axlab.notebook.timeline import Timeline
from axlab.notebook.vcpu_view import VcpuView

PAGE = (
    "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title></head>"
    "<body>{body}</body></html>\n"
)


@dataclass(frozen=True)
class DashboardPicture:
    """The pictures of a dashboard by their titles, below each other."""

    title: str
    pictures: dict[str, Picture]

    @property
    def alt(self) -> str:
        return f"{self.title}: {', '.join(self.pictures)}"

    @property
    def text(self) -> str:
        """Every picture's text, under its title."""
        parts = [f"{title}\n{'-' * len(title)}\n{picture.text}" for title, picture in self.pictures.items()]
        return "\n\n".join([self.title, *parts])

    def html(self) -> str:
        parts = [
            f"<section><h3>{html.escape(title)}</h3>{picture.html()}</section>"
            for title, picture in self.pictures.items()
        ]
        return f"<div><h2>{html.escape(self.title)}</h2>{''.join(parts)}</div>"

    def save(self, path: str | Path) -> None:
        """Write one HTML page that needs nothing else. Raises AxError."""
        try:
            Path(path).write_text(PAGE.format(title=html.escape(self.title), body=self.html()), encoding="utf-8")
        except OSError as error:
            raise AxError(f"the page cannot be written to {path}: {error.strerror or error}") from None

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html()}


@dataclass
class Dashboard:
    """The page of one VM; without one, of the lab's first."""

    view: ClassVar[str] = "dashboard"

    lab: Any
    vm: int | None = None

    def vms(self) -> list[Any]:
        """The lab's VMs, which a person may choose from."""
        return list(self.lab.hypervisor.vms)

    def chosen(self) -> int | None:
        """The VM that is shown: the one that was asked for, else the first; None where there is none."""
        return self.vm if self.vm is not None else next((vm.id for vm in self.vms()), None)

    def scenes(self) -> dict[str, Scene]:
        """What is on the page, by title, from top to bottom."""
        vm = self.chosen()
        if vm is None:
            return {"Timeline": Timeline(self.lab)}
        parts: dict[str, Scene] = {
            "Life cycle": StateMachine(self.lab, vm),
            "Console": Console(self.lab, vm),
            "Timeline": Timeline(self.lab),
            "vCPU": VcpuView(self.lab, vm),
            "Interrupts": Interrupts(self.lab, vm),
            "Memory": MemoryMap(self.lab, vm),
            "Exits": ExitProfile(self.lab, vm),
        }
        return parts

    def title(self) -> str:
        vm = self.lab.hypervisor.vms.get(self.chosen()) if self.chosen() is not None else None
        return "Lab" if vm is None else f"VM[{vm.id}] {vm.name}"

    def picture(self) -> DashboardPicture:
        """The page of this moment."""
        return DashboardPicture(self.title(), {title: scene.picture() for title, scene in self.scenes().items()})

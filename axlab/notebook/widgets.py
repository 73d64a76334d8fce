"""Live views: anywidgets that show a scene, and send what a person does to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from axlab.errors import AxError
from axlab.notebook.console import Console, title_of
from axlab.notebook.live import Live, refresh_all
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Answer, Scene, unknown
from axlab.notebook.terminal_colours import GROUND, INK
from axlab.notebook.terminal_grid import HISTORY
from axlab.notebook.turns import Turns

FOLDER = Path(__file__).parent


class LiveView(anywidget.AnyWidget):
    """A scene, live. `refresh` brings it up to date, `close` ends it.

    Where no kernel runs, in a saved notebook, the picture of the moment when it was shown is there.
    """

    _css = FOLDER / "view.css"
    answer = traitlets.Dict({"text": "", "ok": True}).tag(sync=True)

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene
        self.shown: dict[str, Any] = {}
        self.places = 0  # where browsers show it, as far as they have told
        self.away = False  # whether it was shown, and is not any more
        turns = Turns()
        self.on_msg(lambda _, message, buffers: turns(self.receive, message))
        self.refresh()
        self.live = Live(scene.lab, self.refresh)

    @property
    def picture(self) -> Picture:
        """What is shown, as a picture."""
        return self.scene.draw(self.shown)

    def refresh(self) -> None:
        """Show the state of this moment; nothing is drawn or sent where it has not changed, or nobody sees it."""
        if self.away:
            return
        data = self.scene.data()
        if data != self.shown:
            self.shown = data
            with self.hold_sync():
                self.show(data)

    def show(self, data: dict[str, Any]) -> None:
        """Send the data to the browser, in the form that its view draws."""
        raise NotImplementedError

    def receive(self, message: Any) -> None:
        """A message of the browser. What goes wrong is shown, never raised: nobody would see it."""
        if message in ({"here": 1}, {"here": -1}):
            self.places += message["here"]
            self.away = self.places <= 0
            self.refresh()
            return
        try:
            if not isinstance(message, dict):
                raise unknown(message)
            answer = self.scene.receive(message)
        except AxError as error:
            answer = Answer(str(error), ok=False)
        self.answer = {"text": answer.text, "ok": answer.ok}
        if answer.moved:
            refresh_all(self.scene.lab)
        else:
            self.refresh()

    def close(self) -> None:
        """The view goes away."""
        if hasattr(self, "live"):
            self.live.close()
        super().close()

    def _ipython_display_(self) -> None:
        display_live(self)

    def _repr_mimebundle_(self, **more: Any) -> Any:
        return with_picture(super()._repr_mimebundle_(**more), self.picture)


def with_picture(found: Any, picture: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a widget shows of itself (a bundle, with metadata or without), with a picture as its text and HTML."""
    bundle, metadata = found if isinstance(found, tuple) else (found, {})
    return {**(bundle or {}), **picture._repr_mimebundle_()}, metadata


def display_live(view: Any) -> None:
    """Show the picture of a view and, in its place where a kernel runs, the live view.

    JupyterLab says "model not found" for a view whose kernel is gone, whatever else the output holds; so the
    picture is an output of its own, which `view.css` hides while the view behind it lives.
    """
    from IPython.display import display

    still = view.picture._repr_mimebundle_()
    still["text/html"] = f'<div class="axlab-still">{still["text/html"]}</div>'
    display(still, raw=True)  # type: ignore[no-untyped-call]
    bundle, metadata = view._repr_mimebundle_()
    nothing = {"text/plain": "(live view)", "text/html": ""}
    display(bundle | nothing, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]


class PictureView(LiveView):
    """Shows the scene's picture as it is, with its controls below."""

    _esm = FOLDER / "view.js"
    svg = traitlets.Unicode("").tag(sync=True)
    controls: Any = traitlets.List([]).tag(sync=True)

    def show(self, data: dict[str, Any]) -> None:
        self.svg = self.scene.draw(data).svg
        self.controls = [control.plain() for control in self.scene.controls(data)]


class TimelineView(LiveView):
    """Draws lanes on a canvas, since they are zoomed and moved faster than Python is asked."""

    _esm = FOLDER / "timeline.js"
    frame = traitlets.Dict({}).tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    legend: Any = traitlets.List([]).tag(sync=True)

    def show(self, data: dict[str, Any]) -> None:
        from axlab.notebook.timeline import alt, legend_entries

        self.frame = data
        self.alt = alt(data)
        states, marks = legend_entries(data)
        self.legend = [[*one, "axlab-state"] for one in states] + [[*one, "axlab-mark"] for one in marks]


class ConsoleView(LiveView):
    """A console, live. What it needs to begin with is asked for by the browser (`hello`), also after a reload."""

    scene: Console
    _esm = FOLDER / "console.js"
    facts = traitlets.Dict({}).tag(sync=True)
    colours = traitlets.Dict({"ground": GROUND, "ink": INK}).tag(sync=True)

    def __init__(self, scene: Console) -> None:
        self.rows: list[str] = []
        self.past = 0
        self.screen: Any = None  # nobody has asked yet
        super().__init__(scene)

    def show(self, data: dict[str, Any]) -> None:
        self.facts = {
            "title": title_of(data),
            **{key: data[key] for key in ("state", "waiting", "live", "message")},
        }
        if self.screen is None:
            return
        if self.screen is not self.scene.screen or data["past"] - self.past > HISTORY:
            self.send_all(data)
            return
        rows = {str(n): row for n, row in enumerate(data["rows"]) if n >= len(self.rows) or row != self.rows[n]}
        past = self.scene.past(data["past"] - self.past) if data["past"] > self.past else []
        if rows or past or len(data["rows"]) < len(self.rows):
            self.send({"rows": rows, "count": len(data["rows"]), "past": past})
        self.remember(data)

    def send_all(self, data: dict[str, Any]) -> None:
        """Everything, in the place of what the browser has."""
        rows = {str(n): row for n, row in enumerate(data["rows"])}
        self.send({"all": True, "rows": rows, "count": len(rows), "past": self.scene.past(HISTORY)})
        self.remember(data)

    def remember(self, data: dict[str, Any]) -> None:
        self.rows, self.past, self.screen = data["rows"], data["past"], self.scene.screen

    def receive(self, message: Any) -> None:
        if message == {"hello": True}:
            self.refresh()
            self.send_all(self.shown)
        else:
            super().receive(message)


VIEWS: dict[str, type[LiveView]] = {"console": ConsoleView, "picture": PictureView, "timeline": TimelineView}
"""By `Scene.view`."""

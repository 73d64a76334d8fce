"""The live view of a scene: an anywidget that shows its picture, and sends what a person does to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from axlab.errors import AxError
from axlab.notebook.live import Live, refresh_all
from axlab.notebook.scene import Answer, Scene, unknown

FOLDER = Path(__file__).parent


class LiveView(anywidget.AnyWidget):
    """A scene, live. `refresh` brings it up to date, `close` ends it.

    Where no kernel runs, in a saved notebook, the picture of the moment when it was shown stands in its place.
    """

    _esm = FOLDER / "view.js"
    _css = FOLDER / "view.css"
    svg = traitlets.Unicode("").tag(sync=True)
    controls: Any = traitlets.List([]).tag(sync=True)
    answer = traitlets.Dict({"text": "", "ok": True}).tag(sync=True)

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene
        self.shown: dict[str, Any] = {}
        self.on_msg(self._receive)
        self.refresh()
        self.live = Live(scene.lab, self.refresh)

    def refresh(self) -> None:
        """Show the state of this moment; nothing is drawn or sent where it has not changed."""
        data = self.scene.data()
        if data == self.shown:
            return
        self.shown = data
        self.picture = self.scene.draw(data)
        with self.hold_sync():
            self.svg = self.picture.svg
            self.controls = [control.plain() for control in self.scene.controls(data)]

    def _receive(self, _: Any, message: Any, buffers: Any) -> None:
        """A message of the browser. What goes wrong is shown, never raised: nobody would see it."""
        try:
            if not isinstance(message, dict):
                raise unknown(message)
            answer = self.scene.receive(message)
        except AxError as error:
            answer = Answer(str(error), ok=False)
        self.answer = {"text": answer.text, "ok": answer.ok}
        refresh_all(self.scene.lab)

    def close(self) -> None:
        """The view goes away."""
        if hasattr(self, "live"):
            self.live.close()
        super().close()

    def _repr_mimebundle_(self, **more: Any) -> Any:
        found = super()._repr_mimebundle_(**more)
        bundle, metadata = found if isinstance(found, tuple) else (found, {})
        return {**(bundle or {}), **self.picture._repr_mimebundle_()}, metadata

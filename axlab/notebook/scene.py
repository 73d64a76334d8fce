"""What a live view shows and obeys, without a browser: state in, plain data and a picture out, messages in.

A scene is drawn once, as a `Picture`; the live view shows the same picture and adds the controls. So static
and live cannot differ.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from axlab.errors import AxError
from axlab.notebook.picture import Picture

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message: text for the person, and whether it worked.

    `moved`: the lab may have changed, so that its other views must look, too.
    """

    text: str = ""
    ok: bool = True
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """A control below a live picture, and the message that it sends.

    `kind`: a "button"; a "field", whose text is sent as `value`; a "choice" of `options`, sent as `value` too.
    `hint` says more about it, and why it is not `enabled`.
    """

    kind: str
    label: str
    send: Message
    enabled: bool = True
    hint: str = ""
    value: str = ""
    options: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As a view takes it."""
        return asdict(self) | {"options": list(self.options)}


@dataclass
class Scene:
    """The base of all scenes. `lab` is what they show; VMs are looked up by id each time, since they come and go.

    `view` is the kind of live view that shows it, a key of `axlab.notebook.widgets.VIEWS`.
    """

    view: ClassVar[str] = "picture"

    lab: Any = field(repr=False)

    def remember(self, memory: dict[str, Any]) -> None:
        """Keep what later pictures of the same lab need in `memory`, and use what earlier ones kept there."""

    def data(self) -> dict[str, Any]:
        """What is shown, as plain data."""
        raise NotImplementedError

    def draw(self, data: dict[str, Any]) -> Picture:
        """The data as a picture."""
        raise NotImplementedError

    def controls(self, data: dict[str, Any]) -> list[Control]:
        """What a person can do about it."""
        return []

    def receive(self, message: Message) -> Answer:
        """Obey a message of a control, or of a part of the picture. Raises AxError."""
        raise unknown(message)

    def picture(self) -> Picture:
        """The picture of this moment."""
        return self.draw(self.data())


def unknown(message: object) -> AxError:
    """For a message that the scene does not know."""
    return AxError(f"this view does not understand {message!r}")


def word(message: Message, key: str) -> str:
    """A text of a message. Raises AxError where there is none."""
    value = message.get(key)
    if not isinstance(value, str):
        raise unknown(message)
    return value


def obey(lab: Any, line: str) -> Answer:
    """Run a command of the shell, and say what it said."""
    result = lab.shell(line)
    return Answer(result.text(), result.ok, moved=True)

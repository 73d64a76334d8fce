"""What comes to the machine from outside: the commands of `Hypervisor`, each at one moment of the machine.

Between two of them a run is a function of what the machine is. Who keeps a `History` can therefore go to any moment
again: from an earlier state, with the same commands at the same positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from axlab.vmm.hypervisor import Hypervisor
    from axlab.vmm.vm import Vm

Position = tuple[int, int]  # turns and instructions of the hypervisor
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Leg:
    """What is replayed, for who waits: `text` says it, `by` is what of the hypervisor goes from `begin` to `end`."""

    text: str
    by: str
    begin: int
    end: int

    def line(self, hypervisor: Hypervisor) -> str:
        """`replaying 1 s to 2 s: 42 %`."""
        part = (getattr(hypervisor, self.by) - self.begin) / max(1, self.end - self.begin)
        return f"{self.text}: {max(0, min(100, int(part * 100)))} %"


class History(Protocol):
    """Who keeps what came from outside. It belongs to no state: a copy of a hypervisor has none."""

    look_at: int
    """The turn at which `look` is called next."""
    leg: Leg | None
    """What is replayed at the moment, while time is travelled."""

    def look(self) -> None:
        """So many turns are done: is it time to remember where the machine stands?"""

    def note(self, command: str, arguments: dict[str, Any]) -> None:
        """A command is about to be given."""

    def refused(self) -> None:
        """The command that was noted last has changed nothing."""

    def obeyed(self) -> None:
        """The command that was noted last has been given."""

    def due(self) -> tuple[Position, int] | None:
        """Where and when (ns) the next command is to be given again, if the machine stands before known ones."""

    def give(self) -> None:
        """Give the command that is due."""


class Kept(Protocol):
    """One VM as it was at some moment."""

    def put(self, hypervisor: Hypervisor) -> Vm:
        """Make the VM what it was; one that is not there any more is made. Raises `AxError` with nothing changed."""


def from_outside(method: F) -> F:
    """A command of `Hypervisor`: its history is told, unless the machine itself gives it."""
    names = method.__code__.co_varnames[1 : method.__code__.co_argcount]

    @wraps(method)
    def command(self: Hypervisor, *values: Any, **named: Any) -> Any:
        history = self.history
        if history is None or self.inside:
            return method(self, *values, **named)
        history.note(method.__name__, dict(zip(names, values, strict=False)) | named)
        self.inside = True
        try:
            result = method(self, *values, **named)
        except BaseException:
            history.refused()
            raise
        finally:
            self.inside = False
        history.obeyed()
        return result

    return cast("F", command)

"""What can happen, as frozen values, and the hub that tells observers.

Every event has `time`: virtual nanoseconds. `vm`, `vcpu`, `pcpu` are ids; -1 where there is none.
Observers are optional, cheap when absent and harmless when broken: the state of a lab is the same
with and without them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """What all events have."""

    time: int


@dataclass(frozen=True, slots=True)
class Exit(Event):
    """A vCPU left the guest. `cost` is the time in ns that the hypervisor took to handle it.

    `reason` is the name of the exit's type (`MmioRead`, `Hypercall`, ...). `esr`, `far`, `hpfar` are
    the syndrome registers of EL2. `address`, `width` and `value` are those of an MMIO access, a
    system register's encoding and value, a hypercall's number, or an interrupt's INTID; 0 elsewhere.
    """

    pcpu: int
    vm: int
    vcpu: int
    reason: str
    pc: int
    esr: int = 0
    far: int = 0
    hpfar: int = 0
    cost: int = 0
    address: int = 0
    width: int = 0
    value: int = 0


@dataclass(frozen=True, slots=True)
class VmState(Event):
    """A VM moved in the lifecycle; `reason` says why where the state does not."""

    vm: int
    old: str
    new: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VcpuState(Event):
    """A vCPU's scheduling state changed (Free, Ready, Running, Blocked); `reason` is what it waits for."""

    pcpu: int
    vm: int
    vcpu: int
    old: str
    new: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Interrupt(Event):
    """`action`: raised (a line or an SGI), injected (list register), taken (acknowledged), ended."""

    vm: int
    vcpu: int
    intid: int
    action: str


@dataclass(frozen=True, slots=True)
class Hypercall(Event):
    """A guest called the hypervisor, with arguments in x1 to x6; `result` is what x0 is after it."""

    vm: int
    vcpu: int
    number: int
    args: tuple[int, ...]
    result: int


@dataclass(frozen=True, slots=True)
class Mmio(Event):
    """A vCPU left the guest for an emulated device; `device` is its name, or empty where nothing answered."""

    vm: int
    vcpu: int
    address: int
    width: int
    value: int
    is_write: bool
    device: str


@dataclass(frozen=True, slots=True)
class Console(Event):
    """Bytes that a guest printed (`output`) or was sent (`input`)."""

    vm: int
    data: bytes
    direction: str = "output"


@dataclass(frozen=True, slots=True)
class Psci(Event):
    """A guest called its firmware (power, other CPUs) by the manual's name of the function."""

    vm: int
    vcpu: int
    function: str
    args: tuple[int, ...]
    result: int


@dataclass(frozen=True, slots=True)
class Fault(Event):
    """A guest broke: an exception that it cannot take, or an abort that the hypervisor gave it."""

    vm: int
    vcpu: int
    pc: int
    message: str


@dataclass(frozen=True, slots=True)
class Log(Event):
    """A log line of the hypervisor. Levels: error, warn, info, debug."""

    level: str
    message: str
    vm: int = -1


class Observers:
    """Who is told of events. An observer is a callable that takes one event."""

    def __init__(self) -> None:
        self.observers: list[Callable[[Event], None]] = []

    def add(self, observer: Callable[[Event], None]) -> None:
        self.observers.append(observer)

    def remove(self, observer: Callable[[Event], None]) -> None:
        self.observers = [known for known in self.observers if known != observer]  # a method is made anew each time

    def emit(self, event: Event) -> None:
        """Tell every observer. One that raises is dropped with a warning; the lab goes on."""
        for observer in self.observers:
            try:
                observer(event)
            except Exception as error:
                self.remove(observer)
                warnings.warn(f"observer {observer!r} failed on {event!r} and was detached: {error!r}", stacklevel=2)

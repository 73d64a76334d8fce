"""Stop points, running and going back, as gdb asks for them: the answers of a `Session` that move the machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from axlab.errors import AxError
from axlab.machine.stops import Hit, Watch
from axlab.time.gdb_packets import place, said
from axlab.vmm.stops import StopPoint
from axlab.vmm.tasks import Phase

if TYPE_CHECKING:
    from axlab.time.gdb_session import Session

OWNER = "gdb"
SIGINT, SIGTRAP = 2, 5
SLICE_NS = 100_000_000  # how far the machine runs before Ctrl-C is looked for, at least
PATIENCE_NS = 1_000_000_000  # that a step may take: a vCPU that sleeps executes nothing
WATCHES = {"2": "w", "3": "r", "4": "rw"}
WATCH_NAMES = {"r": "rwatch", "w": "watch", "rw": "awatch"}
LARGEST_POINT = 0x1000  # bytes that a watch may be of
OK, REFUSED = b"OK", b"E16"


# Stop points


def set_point(session: Session, text: str) -> Iterator[bytes]:
    key = point_key(text)
    if key in session.points:
        yield OK
        return
    kind, address, size = key
    point = StopPoint(0, "gdb", session.number, owner=OWNER)
    if kind in "01":
        point.breakpoints = frozenset({address})
    else:
        point.watches = (Watch(address, address + max(1, size), WATCHES[kind]),)
    session.points[key] = session.lab.hypervisor.stops.add(session.lab.hypervisor, point).number
    yield OK


def clear_point(session: Session, text: str) -> Iterator[bytes]:
    number = session.points.pop(point_key(text), None)
    if number is not None:
        session.lab.hypervisor.stops.remove(session.lab.hypervisor, number)
    yield OK


# Running


def why_stopped(session: Session, text: str) -> Iterator[bytes]:
    yield ended(session) or f"T{SIGTRAP:02x}thread:{session.thread:x};".encode()


def can_continue(session: Session, text: str) -> Iterator[bytes]:
    yield b"vCont;c;C;s;S"


def resume(session: Session, text: str) -> Iterator[bytes]:
    """`vCont`: the first action that is for a thread counts; a step is a step of that thread."""
    for action in text.split(";")[1:]:
        what, _, thread = action.partition(":")
        if what[:1] in ("s", "S"):
            yield from step_thread(session, int(thread, 16) if thread and thread != "-1" else session.thread)
            return
    yield from go_on(session)


def simple_resume(session: Session, text: str) -> Iterator[bytes]:
    if len(text) > 1 and text[0] in "cs":
        session.vcpu.cpu.pc = int(text[1:], 16)
        session.changed()
    yield from step_thread(session, session.thread) if text[0] == "s" else go_on(session)


def step_thread(session: Session, number: int) -> Iterator[bytes]:
    """One instruction of a vCPU, its exit included."""
    vcpu = session.vm.vcpus[number - 1]
    hypervisor = session.lab.hypervisor
    goal, until = vcpu.instructions + 1, hypervisor.now + PATIENCE_NS
    session.thread = number

    def done() -> bool:
        pending = vcpu.task is not None and vcpu.task.phase is Phase.HANDLE_EXIT
        return vcpu.instructions >= goal and not pending or session.interrupted()

    why = ""
    while not done() and why in ("", "instructions"):
        budget = 1 if vcpu.instructions < goal else None  # the exit of the instruction takes none
        why = hypervisor.advance(until, stop=done, max_instructions=budget)
    yield report(session, SIGINT if session.interrupted() else SIGTRAP)


def go_on(session: Session) -> Iterator[bytes]:
    """Until something is hit, Ctrl-C, or nothing happens any more."""
    hypervisor = session.lab.hypervisor
    while True:
        why = hypervisor.advance(hypervisor.now + SLICE_NS, stop=lambda: session.interrupted() or bool(ended(session)))
        if why == "idle" and not ended(session):
            yield said(f"VM[{session.number}] sleeps, and nothing is going to wake it\n")
        if why in ("break", "idle") or ended(session) or session.interrupted():
            break
    yield report(session, SIGTRAP if why == "break" else SIGINT)


def report(session: Session, signal: int) -> bytes:
    """Why the VM stands still: which thread, which watch."""
    end = ended(session)
    if end:
        return end
    stopped, more = session.lab.hypervisor.stops.stopped, ""
    if stopped is not None and stopped.vm == session.number and stopped.vcpu >= 0:
        session.thread = stopped.vcpu + 1
        hit = stopped.hit
        if hit is not None and hit.kind == "break":
            mine = any(kind in "01" and address == hit.pc for kind, address, _ in session.points)
            more = "hwbreak:;" if mine else ""
        elif hit is not None:
            more = watch_hit(session, hit)
    return f"T{signal:02x}{more}thread:{session.thread:x};".encode()


def watch_hit(session: Session, hit: Hit) -> str:
    """`watch:ADDRESS;` for the watch of gdb's that saw an access."""
    for kind, address, size in session.points:
        access = WATCHES.get(kind, "")
        if access and Watch(address, address + max(1, size), access).sees(hit.kind[0], hit.address, hit.size):
            return f"{WATCH_NAMES[access]}:{max(address, hit.address):x};"
    return ""


def ended(session: Session) -> bytes:
    """The end of the VM, as the end of a process; nothing while it lives."""
    vm = session.lab.hypervisor.vms.get(session.number)
    if vm is None or vm.state == "Stopped":
        return b"W00"
    return b"X06" if vm.state == "Failed" else b""


# Going back


def step_back(session: Session, text: str) -> Iterator[bytes]:
    history = getattr(session.lab, "history", None)
    if history is None:
        yield REFUSED
        return
    try:
        history.back(session.number, 1, session.interrupted)
    except AxError:
        yield at_the_beginning(session)
        return
    except KeyboardInterrupt:
        yield report(session, SIGINT)
        return
    yield f"T{SIGTRAP:02x}thread:{session.thread:x};".encode()


def go_back(session: Session, text: str) -> Iterator[bytes]:
    history = getattr(session.lab, "history", None)
    if history is None:
        yield REFUSED
        return
    stops = session.lab.hypervisor.stops
    points = [stops.points[number] for number in session.points.values()]
    try:
        hit = history.back_until(points, session.interrupted)
    except KeyboardInterrupt:  # gdb stays where it was
        yield report(session, SIGINT)
        return
    yield report(session, SIGTRAP) if hit is not None else at_the_beginning(session)


def at_the_beginning(session: Session) -> bytes:
    return f"T{SIGTRAP:02x}replaylog:begin;thread:{session.thread:x};".encode()


def point_key(text: str) -> tuple[str, int, int]:
    """`Z0,40080000,4`: kind, address, size. Raises ValueError."""
    kind, _, rest = text[1:].partition(",")
    if kind not in tuple("01234"):
        raise ValueError(text)
    address, size = place(rest.partition(";")[0])
    if size > LARGEST_POINT:
        raise ValueError(text)
    return kind, address, size

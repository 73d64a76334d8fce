"""What gdb asks of a VM, and what it is answered: one packet in, its answers out. The socket is `gdb_server`'s.

Threads are vCPUs, numbered from 1. While gdb lets the VM run, the whole lab runs, in its one order; a vCPU that is
stepped may so let others go on. `gone` says that gdb has left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from axlab.errors import AxError
from axlab.time import gdb_running
from axlab.time.gdb_packets import place, said
from axlab.time.gdb_target import Register, read_hex, registers, target_xml, write_hex
from axlab.vmm import guest_memory
from axlab.vmm.vcpu import Power

LARGEST = 0x1000  # bytes of memory in one answer
SUPPORTED = (
    "PacketSize=4000;qXfer:features:read+;QStartNoAckMode+;vContSupported+;ReverseStep+;ReverseContinue+;hwbreak+"
)
OK, UNKNOWN, WRONG, NO_MEMORY, REFUSED = b"OK", b"", b"E01", b"E14", b"E16"


class Session:
    """One gdb, attached to one VM of a lab. `interrupted` says whether Ctrl-C was pressed."""

    def __init__(self, lab: Any, vm: int, interrupted: Callable[[], bool] = lambda: False) -> None:
        self.lab = lab
        self.number = vm
        self.interrupted = interrupted
        self.thread = 1
        self.gone = False
        self.acknowledges = True
        self.points: dict[tuple[str, int, int], int] = {}
        self.registers: list[Register] = registers(self.vm.vcpus[0].cpu.features.fp)
        self.description = target_xml(self.registers).encode()

    @property
    def vm(self) -> Any:
        """The VM. Raises `AxError` where it is gone."""
        return self.lab.vm(self.number)

    @property
    def vcpu(self) -> Any:
        """The vCPU of the thread that gdb has chosen."""
        vcpus = self.vm.vcpus
        return vcpus[self.thread - 1] if 0 < self.thread <= len(vcpus) else vcpus[0]

    def answer(self, payload: bytes) -> Iterator[bytes]:
        """The answers to a packet; a malformed one is answered by an error, and one that is not known by nothing."""
        text = payload.decode("latin-1")
        handler = next((known for prefix, known in HANDLERS if text.startswith(prefix)), None)
        if handler is None:
            yield UNKNOWN
            return
        try:
            yield from handler(self, text)
        except (ValueError, IndexError, KeyError, OverflowError):
            yield WRONG
        except LookupError:
            yield NO_MEMORY
        except AxError:
            yield REFUSED

    def leave(self) -> None:
        """gdb is gone: its stop points are, too, and time may go on, as a live shell lets it."""
        self.gone = True
        stops = self.lab.hypervisor.stops
        stops.remove(self.lab.hypervisor, *self.points.values())
        stops.stopped = None
        self.points.clear()

    # Who is there

    def supported(self, text: str) -> Iterator[bytes]:
        yield SUPPORTED.encode()

    def no_acknowledgements(self, text: str) -> Iterator[bytes]:
        yield OK
        self.acknowledges = False

    def features(self, text: str) -> Iterator[bytes]:
        name, _, where = text.removeprefix("qXfer:features:read:").partition(":")
        if name != "target.xml":
            yield b"E00"
            return
        begin, length = place(where)
        part = self.description[begin : begin + min(length, LARGEST)]
        yield (b"m" if begin + len(part) < len(self.description) else b"l") + part

    def threads(self, text: str) -> Iterator[bytes]:
        on = [vcpu.id + 1 for vcpu in self.vm.vcpus if vcpu.power is not Power.OFF] or [1]
        yield b"m" + ",".join(f"{number:x}" for number in on).encode()

    def no_more_threads(self, text: str) -> Iterator[bytes]:
        yield b"l"

    def thread_info(self, text: str) -> Iterator[bytes]:
        vcpu = self.vm.vcpus[max(0, int(text.partition(",")[2], 16) - 1)]
        reason = f" ({vcpu.wait_reason})" if vcpu.wait_reason else ""
        yield f"{self.vm.name} VCpu[{vcpu.id}] {vcpu.state}{reason}".encode().hex().encode()

    def current(self, text: str) -> Iterator[bytes]:
        yield f"QC{self.thread:x}".encode()

    def attached(self, text: str) -> Iterator[bytes]:
        yield b"1"

    def fine(self, text: str) -> Iterator[bytes]:
        yield OK

    def choose(self, text: str) -> Iterator[bytes]:
        number = int(text[2:], 16) if not text[2:].startswith("-") else 0
        if number > len(self.vm.vcpus):
            yield WRONG
            return
        if number and text[1] == "g":
            self.thread = number
        yield OK

    def alive(self, text: str) -> Iterator[bytes]:
        number = int(text[1:], 16)
        there = 0 < number <= len(self.vm.vcpus) and self.vm.vcpus[number - 1].power is not Power.OFF
        yield OK if there else WRONG

    # Registers and memory

    def read_all(self, text: str) -> Iterator[bytes]:
        first = [one for one in self.registers if one.feature != "system"]
        yield "".join(read_hex(self.vcpu.cpu, one) for one in first).encode()

    def write_all(self, text: str) -> Iterator[bytes]:
        data, cpu, at = text[1:], self.vcpu.cpu, 0
        for register in self.registers:
            size = register.bits // 4
            if at + size > len(data):
                break
            write_hex(cpu, register, data[at : at + size])
            at += size
        self.changed()
        yield OK

    def read_one(self, text: str) -> Iterator[bytes]:
        yield read_hex(self.vcpu.cpu, self.registers[int(text[1:], 16)]).encode()

    def write_one(self, text: str) -> Iterator[bytes]:
        number, _, value = text[1:].partition("=")
        write_hex(self.vcpu.cpu, self.registers[int(number, 16)], value)
        self.changed()
        yield OK

    def read_memory(self, text: str) -> Iterator[bytes]:
        address, size = place(text[1:])
        size = min(size, LARGEST)
        try:
            yield guest_memory.read(self.vcpu.cpu, address, size).hex().encode()
        except LookupError:  # as much as there is, to the end of the page
            here = min(size, guest_memory.PAGE - address % guest_memory.PAGE)
            yield memory_or_error(self.vcpu.cpu, address, here)

    def write_memory(self, text: str) -> Iterator[bytes]:
        where, _, data = text[1:].partition(":")
        address, size = place(where)
        raw = bytes.fromhex(data) if text[0] == "M" else data.encode("latin-1")
        if len(raw) != size:
            yield WRONG
            return
        yield from self.store(address, raw)

    def store(self, address: int, data: bytes) -> Iterator[bytes]:
        try:
            guest_memory.write(self.vcpu.cpu, address, data)
        except LookupError:
            yield NO_MEMORY
            return
        if data:
            self.changed()
        yield OK

    def changed(self) -> None:
        """A debugger has changed the guest by hand: what was before cannot be replayed to here."""
        history = getattr(self.lab, "history", None)
        if history is not None:
            history.begin()

    # Leaving, and everything else

    def detach(self, text: str) -> Iterator[bytes]:
        self.leave()
        yield OK

    def kill(self, text: str) -> Iterator[bytes]:
        self.leave()
        self.lab.shell(f"vm stop {self.number} --force")
        if text.startswith("vKill"):
            yield OK

    def monitor(self, text: str) -> Iterator[bytes]:
        """A command of the shell; what it says is shown by gdb."""
        line = bytes.fromhex(text.partition(",")[2]).decode("utf-8", "replace")
        if re.match(r"\s*vm\s+gdb\b", line):
            yield said("gdb is attached already\n")
        else:
            try:
                shown = self.lab.shell(line).text()
            except AxError as error:
                shown = str(error)
            if shown:
                yield said(shown + "\n")
        yield OK


def memory_or_error(cpu: Any, address: int, size: int) -> bytes:
    """Memory as hexadecimal digits, or gdb's error."""
    try:
        return guest_memory.read(cpu, address, size).hex().encode()
    except LookupError:
        return NO_MEMORY


Handler = Callable[[Session, str], Iterator[bytes]]
# By the beginning of the packet; the first that fits.
HANDLERS: tuple[tuple[str, Handler], ...] = (
    ("qSupported", Session.supported),
    ("QStartNoAckMode", Session.no_acknowledgements),
    ("qXfer:features:read:", Session.features),
    ("qfThreadInfo", Session.threads),
    ("qsThreadInfo", Session.no_more_threads),
    ("qThreadExtraInfo,", Session.thread_info),
    ("qAttached", Session.attached),
    ("qSymbol", Session.fine),
    ("qRcmd,", Session.monitor),
    ("qC", Session.current),
    ("vCont?", gdb_running.can_continue),
    ("vCont;", gdb_running.resume),
    ("vKill", Session.kill),
    ("bs", gdb_running.step_back),
    ("bc", gdb_running.go_back),
    ("?", gdb_running.why_stopped),
    ("H", Session.choose),
    ("T", Session.alive),
    ("g", Session.read_all),
    ("G", Session.write_all),
    ("p", Session.read_one),
    ("P", Session.write_one),
    ("m", Session.read_memory),
    ("M", Session.write_memory),
    ("X", Session.write_memory),
    ("Z", gdb_running.set_point),
    ("z", gdb_running.clear_point),
    ("c", gdb_running.simple_resume),
    ("s", gdb_running.simple_resume),
    ("D", Session.detach),
    ("k", Session.kill),
)

"""What is said of a stop: which stop point, which vCPU, when, the symbol, the instruction, and what happened."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from axlab.events import Event
from axlab.shell.inspecting import located
from axlab.units import format_duration

NEXT = "  next  "


def stop_lines(hypervisor: Any) -> list[str]:
    """Lines about why time stands still; none where it does not."""
    stopped = hypervisor.stops.stopped
    if stopped is None:
        return []
    vm = hypervisor.vms.get(stopped.vm)
    who = f"VM[{stopped.vm}]" + (f" VCpu[{stopped.vcpu}]" if stopped.vcpu >= 0 else "") if vm is not None else "the lab"
    points = ", ".join(
        f"stop {number} ({text})" if number > 0 else text
        for number, text in zip(stopped.points, stopped.texts, strict=True)
    )
    lines = [f"● {points}: {who} at {format_duration(stopped.time)}"]
    if stopped.event is not None:
        lines.append(f"  {event_text(stopped.event)}")
    if vm is None or stopped.vcpu < 0:
        return lines
    vcpu = vm.vcpus[stopped.vcpu]
    if stopped.hit is not None and stopped.hit.kind != "break":
        lines.append(f"  {access_text(vm, stopped.hit)}")
        lines.append(f"  by    {instruction_text(vm, vcpu, stopped.hit.pc)}")
    lines.append(f"{NEXT}{instruction_text(vm, vcpu, stopped.pc)}")
    return lines


def access_text(vm: Any, hit: Any) -> str:
    """`wrote 8 bytes at 0x40200000 (counter): 41 -> 42`."""
    symbol = vm.symbols.name(hit.address)
    where = f"{hit.address:#x}" + (f" ({symbol})" if symbol else "")
    size = f"{hit.size} byte{'s' * (hit.size != 1)}"
    if hit.kind == "read":
        return f"read {size} at {where}: {number_text(hit.value)}"
    before = "" if hit.was is None else f"{number_text(hit.was)} -> "
    return f"wrote {size} at {where}: {before}{number_text(hit.value)}"


def number_text(value: int) -> str:
    """A number as people read it: small ones in decimal, others in hexadecimal."""
    return str(value) if value < 10 else f"{value} ({value:#x})" if value < 1 << 20 else f"{value:#x}"


def instruction_text(vm: Any, vcpu: Any, pc: int) -> str:
    """`0x40080010 main+0x10: ldr x2, [x1]`."""
    symbol = vm.symbols.name(pc)
    return f"{pc:#x}{' ' + symbol if symbol else ''}: {located(vcpu, pc)['instruction']}"


def event_text(event: Event) -> str:
    """An event and its fields, without those that are said already."""
    said = {"time", "vm", "vcpu", "pcpu", "pc"}
    parts = []
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name in said or value in (0, "", ()) and field.name not in ("number", "result"):
            continue
        shown = f"{value:#x}" if isinstance(value, int) and not isinstance(value, bool) and value > 999 else str(value)
        parts.append(f"{field.name} {shown}")
    return f"{type(event).__name__}: {', '.join(parts)}"

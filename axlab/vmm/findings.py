"""What was found about a VM, in words; and how a vCPU, an address and an instruction are called in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from axlab.vmm import guest_memory

if TYPE_CHECKING:
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm


@dataclass(frozen=True)
class Finding:
    """One thing about a VM. `kind`: a "cause" that keeps it from going on, a "fact", or a "warning".

    `vcpu` is -1 where it is about the VM; `details` are lines that show it. `awaits` is the memory that a loop waits
    for: address and bytes.
    """

    kind: str
    text: str
    vcpu: int = -1
    details: tuple[str, ...] = ()
    awaits: tuple[int, int] | None = None


def named(vcpu: Vcpu) -> str:
    """`VCpu[1]`."""
    return f"VCpu[{vcpu.id}]"


def at(vm: Vm, address: int) -> str:
    """`0x40080010 (main+0x10)`."""
    symbol = vm.symbols.name(address)
    return f"{address:#x} ({symbol})" if symbol else f"{address:#x}"


def instruction(vm: Vm, vcpu: Vcpu, pc: int) -> str:
    """`0x40080010 main+0x10: ldr x2, [x1]`."""
    from axlab.machine.isa.disassembler import disassemble

    symbol = vm.symbols.name(pc)
    try:
        word = int.from_bytes(guest_memory.read(vcpu.cpu, pc, 4), "little")
        text = disassemble(word, pc)
    except guest_memory.NotThere as error:
        text = f"({error.why})"
    return f"{pc:#x}{' ' + symbol if symbol else ''}: {text}"


def memory_at(vcpu: Vcpu, address: int, size: int) -> int | None:
    """What is in memory; None where nothing is."""
    try:
        return int.from_bytes(guest_memory.read(vcpu.cpu, address, size), "little")
    except guest_memory.NotThere:
        return None

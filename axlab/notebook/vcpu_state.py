"""What a vCPU holds at a moment, as plain data: registers, PSTATE, the code around its PC, and who called whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from axlab.errors import AxError
from axlab.shell.inspecting import instruction_at
from axlab.vmm import guest_memory

BEFORE, AFTER = 6, 9  # instructions around the PC
MOST_FRAMES = 8
SYSTEM = ("ELR_EL1", "SPSR_EL1", "ESR_EL1", "FAR_EL1", "VBAR_EL1", "SCTLR_EL1", "TTBR0_EL1", "TTBR1_EL1")
BRANCH = re.compile(r"(?:bl?|b\.\w+|cbn?z|tbn?z|adrp?)\s.*?(0x[0-9a-f]+)$")
CALLS = ("bl", "blr")
FLAGS = (("N", 8, "negative"), ("Z", 4, "zero"), ("C", 2, "carry"), ("V", 1, "overflow"))
MASKS = (("D", 8, "debug"), ("A", 4, "SError"), ("I", 2, "IRQ"), ("F", 1, "FIQ"))


def registers(cpu: Any) -> dict[str, int]:
    """The registers that are shown, by name."""
    found = {f"x{number}": value for number, value in enumerate(cpu.x)}
    found |= {"sp": cpu.sp, "pc": cpu.pc}
    return found | {name: cpu.sys[name] for name in SYSTEM if name in cpu.sys}


def pstate(cpu: Any) -> list[list[Any]]:
    """PSTATE, field by field: [name, whether it is set, what it means as it is]."""
    fields = [[name, bool(cpu.nzcv & bit), f"{'' if cpu.nzcv & bit else 'not '}{word}"] for name, bit, word in FLAGS]
    fields += [
        [name, bool(cpu.daif & bit), f"{word} {'masked' if cpu.daif & bit else 'taken'}"] for name, bit, word in MASKS
    ]
    stack = f"SP_EL{cpu.el if cpu.sp_sel else 0}"
    return [*fields, ["EL", bool(cpu.el), f"EL{cpu.el}"], ["SP", bool(cpu.sp_sel), stack]]


def code(vm: Any, vcpu: Any) -> list[dict[str, Any]]:
    """The instructions around the PC: address, word, text, `label` where a symbol begins, `target` of a branch.

    A word that cannot be read has the reason as its text, and the word -1.
    """
    pc = vcpu.cpu.pc & ~3
    return [line(vm, vcpu, pc + 4 * offset) for offset in range(-BEFORE, AFTER + 1) if pc + 4 * offset >= 0]


def line(vm: Any, vcpu: Any, address: int) -> dict[str, Any]:
    try:
        word, text = instruction_at(vcpu, address)
    except AxError as error:
        word, text = -1, f"({error.message})"
    symbol = vm.symbols.at(address)
    branch = BRANCH.match(text)
    return {
        "address": address,
        "word": word,
        "text": text,
        "label": symbol.name if symbol is not None and symbol.address == address else "",
        "target": vm.symbols.name(int(branch[1], 16)) if branch else "",
    }


def frames(vm: Any, vcpu: Any) -> list[dict[str, Any]]:
    """Where the vCPU is, and who called: `by` says what names it, the pc, the lr, or a frame record.

    A frame pointer leads to a record of two words: the caller's frame pointer and the return address (AAPCS64, 6.4.6).
    The chain ends where it leads to no memory, or not upwards. A function that keeps no frame is known by lr alone.
    """
    cpu = vcpu.cpu
    chain = list(returns(vcpu))
    found = [("pc", cpu.pc)]
    if cpu.x[30] and cpu.x[30] not in chain:
        found.append(("lr", cpu.x[30]))
    return [
        {"by": by, "address": address, "name": vm.symbols.name(address)}
        for by, address in found + [("frame", address) for address in chain]
    ]


def returns(vcpu: Any) -> Iterator[int]:
    """The return addresses that the chain of frame pointers holds, the latest first."""
    pointer, count = vcpu.cpu.x[29], 0
    while pointer and not pointer % 8 and count < MOST_FRAMES:
        try:
            record = guest_memory.read(vcpu.cpu, pointer, 16)
        except AxError:
            return
        above, back = (int.from_bytes(record[at : at + 8], "little") for at in (0, 8))
        if not back:
            return
        yield back
        count += 1
        if above <= pointer:
            return
        pointer = above


def is_call(vcpu: Any) -> bool:
    """Whether the next instruction calls a function that comes back behind it."""
    try:
        return instruction_at(vcpu, vcpu.cpu.pc)[1].split()[0] in CALLS
    except AxError:
        return False

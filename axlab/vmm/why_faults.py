"""Exceptions in words: what EL1's syndrome registers say, and the table walk that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.traps import ExceptionClass as EC
from axlab.machine.walks import walk
from axlab.vmm.findings import Finding, at, instruction, named

if TYPE_CHECKING:
    from axlab.vmm.vcpu import Vcpu
    from axlab.vmm.vm import Vm

VECTORS = 0x800  # bytes of a vector table
M64 = (1 << 64) - 1
CLASSES = {
    EC.UNKNOWN: "an undefined instruction",
    EC.FP_ACCESS: "an FP/SIMD instruction, which CPACR_EL1.FPEN does not allow",
    EC.ILLEGAL_STATE: "an illegal execution state",
    EC.SVC: "SVC",
    EC.SYSTEM_REGISTER: "an access to a system register that is not allowed",
    EC.INSTRUCTION_ABORT_LOWER: "an instruction fetch of EL0",
    EC.INSTRUCTION_ABORT_SAME: "an instruction fetch",
    EC.PC_ALIGNMENT: "a misaligned PC",
    EC.DATA_ABORT_LOWER: "a data access of EL0",
    EC.DATA_ABORT_SAME: "a data access",
    EC.SP_ALIGNMENT: "a misaligned stack pointer",
    EC.BRK: "BRK",
}
ABORTS = {
    EC.INSTRUCTION_ABORT_LOWER: "x", EC.INSTRUCTION_ABORT_SAME: "x", EC.DATA_ABORT_LOWER: "r", EC.DATA_ABORT_SAME: "r",
}  # fmt: skip
STATUS = {0: "address size fault", 1: "translation fault", 2: "access flag fault", 3: "permission fault"}
KINDS = ("a synchronous exception", "an IRQ", "an FIQ", "an SError")
DFSC_EXTERNAL, DFSC_ALIGNMENT = 0x10, 0x21


def failed(vm: Vm) -> list[Finding]:
    """Why a VM is Failed."""
    vcpu = next((one for one in vm.vcpus if vm.fault.startswith(f"{named(one)} ")), vm.vcpus[0])
    details = [f"next  {instruction(vm, vcpu, vcpu.cpu.pc)}", *fetch_walk(vm, vcpu), *exception_lines(vm, vcpu)]
    return [Finding("cause", f"{vm.label} failed: {vm.fault or vm.reason}", vcpu.id, tuple(details))]


def fetch_walk(vm: Vm, vcpu: Vcpu) -> list[str]:
    """The walk for pc, where it leads nowhere."""
    cpu = vcpu.cpu
    found = walk(cpu, cpu.pc, "x", cpu.el)
    if found.pa is not None and found.fault is None and cpu.memory.contains(found.pa):
        return []
    return ["the walk for that instruction:", *("  " + line for line in str(found).splitlines())]


def vector_of(vcpu: Vcpu, pc: int) -> int | None:
    """The offset into the vector table where pc is the beginning of a vector, or near behind it."""
    offset = pc - vcpu.cpu.sys["VBAR_EL1"]
    return offset if 0 <= offset < VECTORS else None


def exception_lines(vm: Vm, vcpu: Vcpu) -> list[str]:
    """What brought a vCPU that stands in its vector table there."""
    sys = vcpu.cpu.sys
    offset = vector_of(vcpu, vcpu.cpu.pc)
    if offset is None:
        return []
    kind = KINDS[offset >> 7 & 3]
    lines = [f"it came there by {kind}: VBAR_EL1 is {sys['VBAR_EL1']:#x}, the vector {offset & ~0x7F:#x}"]
    if sys["VBAR_EL1"] == 0:
        lines.append("VBAR_EL1 is 0: the guest has set no vector table")
    if offset >> 7 & 3:
        return lines
    return lines + syndrome_lines(vm, vcpu)


def syndrome_lines(vm: Vm, vcpu: Vcpu) -> list[str]:
    """ESR_EL1, ELR_EL1 and FAR_EL1 in words, and the walk of the address for an abort."""
    sys = vcpu.cpu.sys
    esr, far, elr = sys["ESR_EL1"], sys["FAR_EL1"], sys["ELR_EL1"]
    ec = esr >> 26
    what = CLASSES.get(ec, f"exception class {ec:#x}")  # type: ignore[call-overload]
    access = ABORTS.get(ec)  # type: ignore[call-overload]
    if access is None:
        return [f"the exception was {what} (ESR_EL1 {esr:#x}) at {instruction(vm, vcpu, elr)}"]
    write = bool(esr >> 6 & 1) and access == "r"
    verb = {"x": "", "r": "a store to " if write else "a load from "}[access]
    lines = [
        f"the exception was {what}: {verb}{at(vm, far)}, {status_text(esr & 0x3F)} (ESR_EL1 {esr:#x})",
        f"by {instruction(vm, vcpu, elr)}",
    ]
    if esr & 0x3F == DFSC_ALIGNMENT:
        return lines
    found = walk(vcpu.cpu, far, "w" if write else access, 0 if ec in (EC.DATA_ABORT_LOWER, 0x20) else vcpu.cpu.el)
    return [*lines, f"the walk of {far:#x}:", *("  " + line for line in str(found).splitlines())]


def status_text(status: int) -> str:
    """A fault status code in words."""
    if status == DFSC_EXTERNAL:
        return "where nothing answers (synchronous external abort)"
    if status == DFSC_ALIGNMENT:
        return "which is misaligned"
    return f"{STATUS.get(status >> 2, f'status {status:#x}')}, level {status & 3}"

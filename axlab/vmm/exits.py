"""Why a vCPU left its guest, as values: one type per reason, made from what EL2's syndrome registers say.

`decode` is the only reader of ESR_EL2. What each exit leads to stands in `handlers.HANDLERS`, what
each costs in `COSTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axlab.machine.bus import Bus
from axlab.machine.traps import ExceptionClass as EC
from axlab.machine.traps import Trap
from axlab.units import GuestPhysAddr

if TYPE_CHECKING:
    from axlab.machine.cpu import Cpu

SystemRegister = tuple[int, int, int, int, int]
"""op0, op1, CRn, CRm, op2"""


@dataclass(frozen=True, slots=True)
class Hypercall:
    """HVC with one of AxVisor's numbers in x0 and arguments in x1-x6. The result goes to x0."""

    nr: int
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MmioRead:
    """A load of a device: `width` bytes into `register`, sign-extended or not, into 64 or 32 bits."""

    address: GuestPhysAddr
    width: int
    register: int
    sign_extend: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class MmioWrite:
    """A store of `width` bytes to a device."""

    address: GuestPhysAddr
    width: int
    value: int


@dataclass(frozen=True, slots=True)
class MmioOther:
    """An access that the syndrome does not describe: a pair, a write-back, an exclusive, a SIMD register."""

    address: GuestPhysAddr
    is_write: bool


@dataclass(frozen=True, slots=True)
class SysRegRead:
    """MRS of a trapped system register into general-purpose `register`."""

    encoding: SystemRegister
    register: int


@dataclass(frozen=True, slots=True)
class SysRegWrite:
    """MSR of `value` to a trapped system register."""

    encoding: SystemRegister
    value: int


@dataclass(frozen=True, slots=True)
class ExternalInterrupt:
    """A physical interrupt of the host (its INTID) came while the guest ran; the guest knows nothing of it."""

    vector: int


@dataclass(frozen=True, slots=True)
class CpuUp:
    """PSCI CPU_ON: the vCPU of this MPIDR is to begin at `entry` with `context` in x0."""

    target: int
    entry: int
    context: int


@dataclass(frozen=True, slots=True)
class CpuDown:
    """PSCI CPU_OFF: the calling vCPU leaves."""


@dataclass(frozen=True, slots=True)
class CpuSuspend:
    """PSCI CPU_SUSPEND."""

    power_state: int
    entry: int
    context: int


@dataclass(frozen=True, slots=True)
class FirmwareCall:
    """Any other call of the SMC calling convention: `function` in w0, arguments in x1-x3."""

    function: int
    args: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Halt:
    """WFI: nothing to do until an interrupt is pending."""


@dataclass(frozen=True, slots=True)
class SendIPI:
    """A software-generated interrupt (GICv3's ICC_SGI1R_EL1): to MPIDRs of one cluster, or to all but the sender.

    `targets` has bit n for Aff0 = `first` + n of the cluster `cluster` (Aff3.Aff2.Aff1, Aff0 zero).
    """

    intid: int
    cluster: int
    first: int
    targets: int
    to_all: bool


@dataclass(frozen=True, slots=True)
class NestedPageFault:
    """Stage 2 has no mapping, or one that does not admit the access ("r", "w", "x"). `on_walk`: of stage 1's tables."""

    address: GuestPhysAddr
    access: str
    on_walk: bool = False
    permission: bool = False


@dataclass(frozen=True, slots=True)
class SystemDown:
    """PSCI SYSTEM_OFF."""


@dataclass(frozen=True, slots=True)
class SystemReset:
    """PSCI SYSTEM_RESET."""


@dataclass(frozen=True, slots=True)
class Semihosting:
    """HLT 0xF000: the operation in w0, its parameter block at x1."""

    operation: int
    parameter: int


@dataclass(frozen=True, slots=True)
class FailEntry:
    """The guest cannot go on: a syndrome that the hypervisor has no answer to."""

    reason: str


Exit = (
    Hypercall | MmioRead | MmioWrite | MmioOther | SysRegRead | SysRegWrite | ExternalInterrupt | CpuUp | CpuDown
    | CpuSuspend | FirmwareCall | Halt | SendIPI | NestedPageFault | SystemDown | SystemReset | Semihosting | FailEntry
)  # fmt: skip

COSTS: dict[type, int] = {
    Hypercall: 2_000,
    MmioRead: 3_000,
    MmioWrite: 3_000,
    MmioOther: 5_000,
    SysRegRead: 1_500,
    SysRegWrite: 1_500,
    ExternalInterrupt: 2_000,
    CpuUp: 10_000,
    CpuDown: 5_000,
    CpuSuspend: 2_000,
    FirmwareCall: 1_500,
    Halt: 2_000,
    SendIPI: 2_500,
    NestedPageFault: 5_000,
    SystemDown: 5_000,
    SystemReset: 5_000,
    Semihosting: 5_000,
    FailEntry: 1_000,
}
"""Virtual nanoseconds from the guest's last instruction to its next: the way out, the handler and the way back."""

PSCI_CPU_SUSPEND = 0x01
PSCI_CPU_OFF = 0x02
PSCI_CPU_ON = 0x03
PSCI_SYSTEM_OFF = 0x08
PSCI_SYSTEM_RESET = 0x09

SGI_REGISTERS: tuple[SystemRegister, ...] = ((3, 0, 12, 11, 5), (3, 0, 12, 11, 6), (3, 0, 12, 11, 7))
"""ICC_SGI1R_EL1, ICC_ASGI1R_EL1, ICC_SGI0R_EL1"""

M32, M64 = (1 << 32) - 1, (1 << 64) - 1


def decode(trap: Trap, cpu: Cpu, bus: Bus) -> Exit:
    """The exit that a trap stands for. `cpu` is the vCPU as the guest left it, `bus` has its VM's virtual devices."""
    if trap.kind == "irq":
        return ExternalInterrupt(trap.intid)
    if trap.kind == "semihosting":
        return Semihosting(cpu.x[0] & M32, cpu.x[1])
    decoder = DECODERS.get(trap.ec)
    if decoder is None:
        return FailEntry(f"unhandled exception class {trap.ec:#04x} (ESR {trap.esr:#x})")
    return decoder(trap, cpu, bus)


def decode_wfx(trap: Trap, cpu: Cpu, bus: Bus) -> Exit:
    return Halt()


def decode_hvc(trap: Trap, cpu: Cpu, bus: Bus) -> Exit:
    """Fast calls of the SMC calling convention have bit 31 of w0 set; AxVisor's hypercalls are small numbers."""
    if cpu.x[0] >> 31 == 1:
        return decode_firmware(cpu)
    return Hypercall(cpu.x[0], tuple(cpu.x[1:7]))


def decode_smc(trap: Trap, cpu: Cpu, bus: Bus) -> Exit:
    return decode_firmware(cpu)


def decode_firmware(cpu: Cpu) -> Exit:
    """A PSCI function that needs an exit of its own, or any other. 32-bit functions see 32-bit arguments."""
    function = cpu.x[0] & M32
    mask = M64 if function & 1 << 30 else M32
    a, b, c = (cpu.x[n] & mask for n in (1, 2, 3))
    number = function & ~(1 << 30)
    if number == 0x8400_0000 | PSCI_CPU_ON:
        return CpuUp(a, b, c)
    if number == 0x8400_0000 | PSCI_CPU_SUSPEND:
        return CpuSuspend(a, b, c)
    simple = FIRMWARE.get(function)
    return simple() if simple else FirmwareCall(function, (a, b, c))


FIRMWARE: dict[int, type[CpuDown] | type[SystemDown] | type[SystemReset]] = {
    0x8400_0000 | PSCI_CPU_OFF: CpuDown,
    0x8400_0000 | PSCI_SYSTEM_OFF: SystemDown,
    0x8400_0000 | PSCI_SYSTEM_RESET: SystemReset,
}
"""These exist as 32-bit functions only (DEN0022, table 6)."""


def decode_system_register(trap: Trap, cpu: Cpu, bus: Bus) -> Exit:
    """ISS (DDI 0487, D17.2.37): Op0 21-20, Op2 19-17, Op1 16-14, CRn 13-10, Rt 9-5, CRm 4-1, Direction 0."""
    iss = trap.iss
    encoding = (iss >> 20 & 3, iss >> 14 & 7, iss >> 10 & 15, iss >> 1 & 15, iss >> 17 & 7)
    rt = iss >> 5 & 31
    if iss & 1:
        return SysRegRead(encoding, rt)
    value = register(cpu, rt)
    if encoding in SGI_REGISTERS:
        return decode_sgi(value)
    return SysRegWrite(encoding, value)


def decode_sgi(value: int) -> SendIPI:
    """ICC_SGI1R_EL1 (IHI 0069, 12.2.21).

    Aff3 55-48, RS 47-44, IRM 40, Aff2 39-32, INTID 27-24, Aff1 23-16, target list 15-0.
    """
    cluster = (value >> 48 & 0xFF) << 32 | (value >> 32 & 0xFF) << 16 | (value >> 16 & 0xFF) << 8
    return SendIPI(value >> 24 & 15, cluster, (value >> 44 & 15) * 16, value & 0xFFFF, bool(value >> 40 & 1))


def decode_instruction_abort(trap: Trap, cpu: Cpu, bus: Bus) -> Exit:
    on_walk = bool(trap.iss >> 7 & 1)
    return NestedPageFault(faulting_ipa(trap, on_walk), "x", on_walk, is_permission_fault(trap))


def decode_data_abort(trap: Trap, cpu: Cpu, bus: Bus) -> Exit:
    """An address that a virtual device of the VM claims, or one where stage 2 has nothing to give.

    ISS: ISV 24, SAS 23-22, SSE 21, SRT 20-16, SF 15, S1PTW 7, WnR 6, DFSC 5-0.
    """
    iss = trap.iss
    is_write = bool(iss >> 6 & 1)
    on_walk = bool(iss >> 7 & 1)
    address = faulting_ipa(trap, on_walk)
    if on_walk or bus.find(address) is None:
        return NestedPageFault(address, "w" if is_write else "r", on_walk, is_permission_fault(trap))
    if not iss >> 24 & 1:
        return MmioOther(address, is_write)
    width = 1 << (iss >> 22 & 3)
    rt = iss >> 16 & 31
    if is_write:
        return MmioWrite(address, width, register(cpu, rt) & (1 << 8 * width) - 1)
    return MmioRead(address, width, rt, bool(iss >> 21 & 1), bool(iss >> 15 & 1))


DECODERS: dict[int, Callable[[Trap, Cpu, Bus], Exit]] = {
    EC.WFX: decode_wfx,
    EC.HVC: decode_hvc,
    EC.SMC: decode_smc,
    EC.SYSTEM_REGISTER: decode_system_register,
    EC.INSTRUCTION_ABORT_LOWER: decode_instruction_abort,
    EC.DATA_ABORT_LOWER: decode_data_abort,
}


def faulting_ipa(trap: Trap, on_walk: bool) -> GuestPhysAddr:
    """HPFAR_EL2 has the page, FAR_EL2 the offset in it. On a walk of stage 1 there is the page alone."""
    offset = 0 if on_walk else trap.far & 0xFFF
    return GuestPhysAddr(trap.hpfar >> 4 << 12 | offset)


def is_permission_fault(trap: Trap) -> bool:
    return trap.iss >> 2 & 15 == 0b0011


def register(cpu: Cpu, number: int) -> int:
    """A general-purpose register; 31 is the zero register."""
    return cpu.x[number] if number < 31 else 0


def summary(exit: Exit) -> tuple[int, int, int]:
    """Address, width and value of an exit, for the record: what each of them means depends on the exit."""
    match exit:
        case MmioRead(address, width):
            return address, width, 0
        case MmioWrite(address, width, value):
            return address, width, value
        case MmioOther(address) | NestedPageFault(address):
            return address, 0, 0
        case SysRegRead(encoding):
            return packed(encoding), 8, 0
        case SysRegWrite(encoding, value):
            return packed(encoding), 8, value
        case Hypercall(number) | ExternalInterrupt(number) | SendIPI(number) | FirmwareCall(number):
            return 0, 0, number
        case CpuUp(target):
            return 0, 0, target
    return 0, 0, 0


def packed(encoding: SystemRegister) -> int:
    """A system register's encoding as one number: op0 15-14, op1 13-11, CRn 10-7, CRm 6-3, op2 2-0."""
    op0, op1, crn, crm, op2 = encoding
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2

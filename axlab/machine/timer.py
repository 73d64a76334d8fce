"""The generic timer (Arm DDI 0487, D11): a counter at 62.5 MHz, and a physical and a virtual timer per CPU.

One tick is exactly 16 ns of virtual time, so that the counter is `now // 16` and nothing is rounded.
All registers live in the CPU's `sys` under their Arm names; here is what they mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

FREQUENCY = 62_500_000
NS_PER_TICK = 16

ENABLE = 1 << 0
IMASK = 1 << 1
ISTATUS = 1 << 2

M64 = (1 << 64) - 1


def signed(value: int, bits: int) -> int:
    """The two's complement number in the low `bits` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


class GenericTimer:
    """The timers of one CPU. It keeps the CPU's own dictionary `sys`, and no other state."""

    def __init__(self, sys: dict[str, int]) -> None:
        self.sys = sys
        self.reset()

    def reset(self) -> None:
        """Both timers off. The compare values are UNKNOWN after a reset; here they are zero."""
        for name in ("CNTV_CTL_EL0", "CNTV_CVAL_EL0", "CNTP_CTL_EL0", "CNTP_CVAL_EL0", "CNTKCTL_EL1"):
            self.sys[name] = 0
        self.sys.setdefault("CNTVOFF_EL2", 0)

    def physical_counter(self, now: int) -> int:
        """CNTPCT_EL0 at `now` ns."""
        return now // NS_PER_TICK & M64

    def virtual_counter(self, now: int) -> int:
        """CNTVCT_EL0 at `now` ns: the physical counter less CNTVOFF_EL2."""
        return now // NS_PER_TICK - self.sys["CNTVOFF_EL2"] & M64

    def virtual_control(self, now: int) -> int:
        """CNTV_CTL_EL0 with ISTATUS."""
        return control(self.sys["CNTV_CTL_EL0"], self.virtual_counter(now) >= self.sys["CNTV_CVAL_EL0"])

    def physical_control(self, now: int) -> int:
        """CNTP_CTL_EL0 with ISTATUS."""
        return control(self.sys["CNTP_CTL_EL0"], self.physical_counter(now) >= self.sys["CNTP_CVAL_EL0"])

    def virtual_line(self, now: int) -> bool:
        """Whether the virtual timer asserts its interrupt, PPI 27."""
        return self.sys["CNTV_CTL_EL0"] == ENABLE and self.virtual_counter(now) >= self.sys["CNTV_CVAL_EL0"]

    def physical_line(self, now: int) -> bool:
        """Whether the physical timer asserts its interrupt, PPI 30."""
        return self.sys["CNTP_CTL_EL0"] == ENABLE and self.physical_counter(now) >= self.sys["CNTP_CVAL_EL0"]

    def virtual_deadline(self) -> int | None:
        """When, in ns, the virtual timer asserts its interrupt (0 or a time past: it does so now); None: never."""
        if self.sys["CNTV_CTL_EL0"] & (ENABLE | IMASK) != ENABLE:
            return None
        return deadline(self.sys["CNTV_CVAL_EL0"] + signed(self.sys["CNTVOFF_EL2"], 64))

    def physical_deadline(self) -> int | None:
        """When, in ns, the physical timer asserts its interrupt; None: never."""
        if self.sys["CNTP_CTL_EL0"] & (ENABLE | IMASK) != ENABLE:
            return None
        return deadline(self.sys["CNTP_CVAL_EL0"])


def control(stored: int, condition_met: bool) -> int:
    """A CTL register as it reads: ISTATUS is only meaningful, and only set, while the timer is enabled."""
    return stored | ISTATUS if condition_met and stored & ENABLE else stored


def deadline(ticks: int) -> int | None:
    """The first nanosecond of a value of the physical counter; beyond 64 bits it never comes."""
    return max(ticks, 0) * NS_PER_TICK if ticks <= M64 else None


class TimedCpu(Protocol):
    """What the timer's registers need of a CPU."""

    sys: dict[str, int]
    timer: GenericTimer
    attention: bool

    @property
    def now(self) -> int:
        """Virtual time in nanoseconds."""


def store(cpu: TimedCpu, name: str, value: int) -> None:
    """Store a register of a timer; the CPU then looks again at when its next interrupt is due."""
    cpu.sys[name] = value & M64
    cpu.attention = True


def virtual_left(cpu: TimedCpu) -> int:
    """CNTV_TVAL_EL0: the low 32 bits of what is left until the compare value."""
    return cpu.sys["CNTV_CVAL_EL0"] - cpu.timer.virtual_counter(cpu.now) & 0xFFFF_FFFF


def physical_left(cpu: TimedCpu) -> int:
    """CNTP_TVAL_EL0."""
    return cpu.sys["CNTP_CVAL_EL0"] - cpu.timer.physical_counter(cpu.now) & 0xFFFF_FFFF


def set_virtual_left(cpu: TimedCpu, value: int) -> None:
    """CNTV_TVAL_EL0 is signed: the compare value becomes the counter plus it."""
    store(cpu, "CNTV_CVAL_EL0", cpu.timer.virtual_counter(cpu.now) + signed(value, 32))


def set_physical_left(cpu: TimedCpu, value: int) -> None:
    """CNTP_TVAL_EL0."""
    store(cpu, "CNTP_CVAL_EL0", cpu.timer.physical_counter(cpu.now) + signed(value, 32))


Read = Callable[[TimedCpu], int]
Write = Callable[[TimedCpu, int], None]

TIMER_REGISTERS: dict[str, tuple[Read | None, Write | None]] = {
    "CNTFRQ_EL0": (lambda cpu: FREQUENCY, None),
    "CNTPCT_EL0": (lambda cpu: cpu.timer.physical_counter(cpu.now), None),
    "CNTVCT_EL0": (lambda cpu: cpu.timer.virtual_counter(cpu.now), None),
    "CNTP_CTL_EL0": (
        lambda cpu: cpu.timer.physical_control(cpu.now),
        lambda cpu, value: store(cpu, "CNTP_CTL_EL0", value & (ENABLE | IMASK)),
    ),
    "CNTP_CVAL_EL0": (
        lambda cpu: cpu.sys["CNTP_CVAL_EL0"],
        lambda cpu, value: store(cpu, "CNTP_CVAL_EL0", value),
    ),
    "CNTP_TVAL_EL0": (physical_left, set_physical_left),
    "CNTV_CTL_EL0": (
        lambda cpu: cpu.timer.virtual_control(cpu.now),
        lambda cpu, value: store(cpu, "CNTV_CTL_EL0", value & (ENABLE | IMASK)),
    ),
    "CNTV_CVAL_EL0": (
        lambda cpu: cpu.sys["CNTV_CVAL_EL0"],
        lambda cpu, value: store(cpu, "CNTV_CVAL_EL0", value),
    ),
    "CNTV_TVAL_EL0": (virtual_left, set_virtual_left),
    "CNTKCTL_EL1": (
        lambda cpu: cpu.sys["CNTKCTL_EL1"],
        lambda cpu, value: store(cpu, "CNTKCTL_EL1", value & 0x3FF),
    ),
    "CNTVOFF_EL2": (
        lambda cpu: cpu.sys["CNTVOFF_EL2"],
        lambda cpu, value: store(cpu, "CNTVOFF_EL2", value),
    ),
}

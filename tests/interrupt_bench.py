"""A bench for interrupt controllers: CPUs that only have interrupts, and a VM's GIC on a bus."""

from __future__ import annotations

from typing import Any

from axlab.events import Observers
from axlab.machine.bus import Access, Bus
from axlab.machine.gic_frames import claims
from axlab.machine.gic_interface import INTERFACE_REGISTERS, VirtualInterface
from axlab.machine.timer import TIMER_REGISTERS, GenericTimer
from axlab.vmm.virtual_gic import VirtualGic

GICD = 0x0800_0000
GICC = 0x0801_0000
GICR = 0x080A_0000
STRIDE = 0x2_0000
SGI_FRAME = 0x1_0000
SPURIOUS = 1023

IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER = range(0x80, 0x400, 0x80)
IPRIORITYR, ITARGETSR, ICFGR, IROUTER = 0x400, 0x800, 0xC00, 0x6000

UART, BLOCK, NET = 33, 48, 49


class BareCpu:
    """What interrupt controllers and timers need of a CPU, with a clock that a test sets."""

    def __init__(self, version: int = 3) -> None:
        self.sys: dict[str, int] = {}
        self.timer = GenericTimer(self.sys)
        self.gic = VirtualInterface(version)
        self.active_ppis: set[int] = set()
        self.attention = False
        self.now = 0

    def read(self, name: str) -> int:
        """MRS."""
        registers: dict[str, Any] = {**TIMER_REGISTERS, **INTERFACE_REGISTERS}
        return int(registers[name][0](self))

    def write(self, name: str, value: int) -> None:
        """MSR."""
        registers: dict[str, Any] = {**TIMER_REGISTERS, **INTERFACE_REGISTERS}
        registers[name][1](self, value)


class Bench:
    """A VM's GIC with `cpus` vCPUs. `boot` sets it up as an operating system does: group 1, everything enabled."""

    def __init__(self, version: int = 3, cpus: int = 2, boot: bool = True, **more: Any) -> None:
        self.version = version
        self.cpus = [BareCpu(version) for _ in range(cpus)]
        self.observers = Observers()
        self.vgic = VirtualGic(version, self.cpus, observers=self.observers, vm=0, **more)
        self.gic = self.vgic.gic
        self.bus = Bus()
        for claim in claims(self.vgic.frames(), GICD, GICR if version == 3 else GICC):
            self.bus.attach(claim)
        if boot:
            self.boot()

    def boot(self) -> None:
        self.write(GICD, 3)
        for word in range(1, 9):
            self.write(GICD + ISENABLER + 4 * word, 0xFFFF_FFFF)
            if self.version == 3:
                self.write(GICD + IGROUPR + 4 * word, 0xFFFF_FFFF)
            for spi in range(32 * word, 32 * word + 32, 4):
                self.write(GICD + IPRIORITYR + spi, 0xA0A0A0A0)
        for index, cpu in enumerate(self.cpus):
            private = self.private(index)
            self.write(private + ISENABLER, 0xFFFF_FFFF, cpu=index)
            for ppi in range(0, 32, 4):
                self.write(private + IPRIORITYR + ppi, 0xA0A0A0A0, cpu=index)
            if self.version == 3:
                self.write(private + IGROUPR, 0xFFFF_FFFF)
                cpu.write("ICC_PMR_EL1", 0xF8)
                cpu.write("ICC_IGRPEN1_EL1", 1)
            else:
                self.write(GICC, 1, cpu=index)
                self.write(GICC + 4, 0xF8, cpu=index)

    def private(self, cpu: int) -> int:
        """Where the registers of a CPU's SGIs and PPIs are."""
        return GICR + STRIDE * cpu + SGI_FRAME if self.version == 3 else GICD

    def frame(self, intid: int, cpu: int = 0) -> int:
        """The frame that an interrupt's registers are in."""
        return self.private(cpu) if intid < 32 else GICD

    def read(self, address: int, width: int = 4, cpu: int = 0) -> int:
        return self.bus.access(Access(address, width, cpu=cpu))

    def write(self, address: int, value: int, width: int = 4, cpu: int = 0) -> None:
        self.bus.access(Access(address, width, value, True, cpu))

    def bit(self, register: int, intid: int, cpu: int = 0) -> bool:
        """An interrupt's bit of a register with one bit for each."""
        word = self.read(self.frame(intid, cpu) + register + intid // 32 * 4, cpu=cpu)
        return bool(word >> intid % 32 & 1)

    def set(self, register: int, intid: int, cpu: int = 0) -> None:
        """Write a one for an interrupt, zeros for the others of its word."""
        self.write(self.frame(intid, cpu) + register + intid // 32 * 4, 1 << intid % 32, cpu=cpu)

    def priority(self, intid: int, value: int, cpu: int = 0) -> None:
        self.write(self.frame(intid, cpu) + IPRIORITYR + intid, value, 1, cpu)

    def edge(self, intid: int) -> None:
        """Make an SPI edge-triggered."""
        address = GICD + ICFGR + intid // 16 * 4
        self.write(address, self.read(address) | 2 << intid % 16 * 2)

    def acknowledge(self, cpu: int = 0) -> int:
        """The guest takes its next interrupt, as its vector does."""
        self.vgic.flush(cpu)
        intid = self.read(GICC + 0xC, cpu=cpu) if self.version == 2 else self.cpus[cpu].read("ICC_IAR1_EL1")
        self.vgic.sync(cpu)
        return intid

    def end(self, intid: int, cpu: int = 0) -> None:
        """The guest has handled it."""
        self.vgic.flush(cpu)
        if self.version == 2:
            self.write(GICC + 0x10, intid, cpu=cpu)
        else:
            self.cpus[cpu].write("ICC_EOIR1_EL1", intid)
        self.vgic.sync(cpu)

    def drain(self, cpu: int = 0) -> list[int]:
        """Acknowledge and end until there is nothing more."""
        taken = []
        while (intid := self.acknowledge(cpu)) != SPURIOUS:
            taken.append(intid)
            self.end(intid, cpu)
        return taken


ANY_CPU = 1 << 31


def listed(bench: Bench, vcpu: int = 0) -> list[int]:
    """The INTIDs in a vCPU's list registers, once it is about to be entered."""
    bench.vgic.flush(vcpu)
    return [lr & 0x3FF for lr in bench.cpus[vcpu].gic.lrs if lr >> 62]

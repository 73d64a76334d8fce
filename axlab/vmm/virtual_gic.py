"""A VM's interrupt controller: its own GIC, whose interrupts go into the list registers of its vCPUs.

The same `Gic` that the board has holds the state of all interrupts of the VM. `flush` writes what a
vCPU may be given into its list registers before it is entered; the guest acknowledges and ends
interrupts there without an exit; `sync` reads back what it did. Between `sync` and the next entry
the `Gic` is the whole truth, also for what stands in list registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from axlab.events import Interrupt, Observers
from axlab.machine.gic import FIRST_SPI, SGIS, Gic
from axlab.machine.gic_frames import Frame, frames
from axlab.machine.gic_interface import VirtualInterface, release
from axlab.machine.gic_list_registers import (
    HCR_EN,
    HCR_EOI_COUNT_SHIFT,
    HCR_LRENPIE,
    HCR_NPIE,
    HCR_TDIR,
    HCR_UIE,
    LIST_REGISTERS,
    LR_ACTIVE,
    LR_EOI,
    LR_GROUP1,
    LR_HW,
    LR_PENDING,
    LR_PHYSICAL_SHIFT,
    LR_PRIORITY_SHIFT,
    LR_SOURCE_SHIFT,
    LR_STATE,
)
from axlab.machine.gic_priority import bits
from axlab.machine.timer import GenericTimer

MAINTENANCE_PPI = 25

TIMERS: dict[int, Callable[[GenericTimer, int], bool]] = {
    27: GenericTimer.virtual_line,
    30: GenericTimer.physical_line,
}
"""The guest's own timers: virtual interrupts with HW=1, whose line is that of the hardware."""


class GuestCpu(Protocol):
    """What the interrupt controller needs of a vCPU's `Cpu`."""

    gic: VirtualInterface
    timer: GenericTimer
    active_ppis: set[int]
    attention: bool

    @property
    def now(self) -> int:
        """Virtual time in nanoseconds."""


class VirtualGic:
    """The GIC of one VM, `version` 2 or 3, for vCPUs of the affinities `mpidrs`.

    `owned` are the INTIDs of the SPIs that the VM has (default: all); the others are RAZ/WI.
    `dirty` are the vCPUs for which something may have changed: the hypervisor wakes those of them that
    sleep and have an interrupt `pending`. Times are in ns and only go into events.
    """

    def __init__(
        self,
        version: int,
        cpus: Sequence[GuestCpu],
        mpidrs: Iterable[int] | None = None,
        spis: int = 256,
        *,
        owned: Iterable[int] | None = None,
        observers: Observers | None = None,
        vm: int = -1,
    ) -> None:
        self.gic = Gic(version, len(cpus), spis, mpidrs)
        self.gic.sent = []
        self.cpus = cpus
        self.observers = observers
        self.vm = vm
        if owned is not None:
            self.gic.shared.implemented = 0
            self.own(owned)
        self.reset()

    def own(self, intids: Iterable[int]) -> None:
        """Give the VM more SPIs."""
        for intid in intids:
            if FIRST_SPI <= intid < FIRST_SPI + self.gic.shared.count:
                self.gic.shared.implemented |= 1 << intid - FIRST_SPI

    def reset(self) -> None:
        """As after power-on, with nothing in any list register."""
        self.gic.reset()
        self.written = [[0] * LIST_REGISTERS for _ in self.cpus]
        self.held = [0] * len(self.cpus)
        self.sender = [[0] * SGIS for _ in self.cpus]
        for vcpu in range(len(self.cpus)):
            self.reset_cpu(vcpu)

    def reset_cpu(self, vcpu: int) -> None:
        """A vCPU is switched on: its CPU interface begins anew, its redistributor is as it was."""
        self.cpus[vcpu].gic.reset()
        self.cpus[vcpu].active_ppis.clear()
        self.written[vcpu] = [0] * LIST_REGISTERS
        self.held[vcpu] = 0
        self.gic.dirty.add(vcpu)

    def frames(self) -> list[Frame]:
        """GICD and GICR<n> (version 3), or GICD and GICC (version 2), for the VM's bus."""
        return frames(self.gic, self.cpus)

    @property
    def dirty(self) -> set[int]:
        """The vCPUs for which something may have changed since they were last flushed."""
        return self.gic.dirty

    # Sources

    def set_level(self, intid: int, level: bool, vcpu: int | None = None, now: int = 0) -> None:
        """Drive an interrupt's line; a PPI's is that of `vcpu`."""
        if self.gic.set_level(intid, level, vcpu or 0) and level:
            self.tell(now, vcpu or 0, intid, "raised")

    def inject(self, intid: int, vcpu: int | None = None, now: int = 0) -> None:
        """Make an interrupt pending once, as an edge does, whatever its configuration."""
        if self.gic.pulse(intid, vcpu or 0):
            self.tell(now, vcpu or 0, intid, "raised")

    def send_sgi(self, source: int, intid: int, targets: Iterable[int], now: int = 0) -> None:
        """A vCPU sends a software-generated interrupt to others."""
        self.gic.send_sgi(source, intid, targets)
        self.tell_sent(now)

    def write_sgi_register(self, source: int, value: int, now: int = 0, name: str = "ICC_SGI1R_EL1") -> None:
        """`source` wrote a register that sends SGIs, which trapped.

        With one security state ICC_SGI1R_EL1 sends those of both groups, ICC_ASGI1R_EL1 and
        ICC_SGI0R_EL1 those of group 0 only.
        """
        intid = value >> 24 & 0xF
        targets = sgi_targets(value, source, self.gic.mpidrs)
        if name != "ICC_SGI1R_EL1":
            targets = [target for target in targets if self.gic.group_of(intid, target) == 0]
        self.send_sgi(source, intid, targets, now)

    def tell(self, now: int, vcpu: int, intid: int, action: str) -> None:
        """Emit an event, where anybody listens."""
        if self.observers is not None and self.observers.observers:
            self.observers.emit(Interrupt(now, self.vm, vcpu, intid, action))

    def tell_sent(self, now: int) -> None:
        """Events for the SGIs that were sent, also those by GICD_SGIR."""
        if self.gic.sent:
            for target, intid in self.gic.sent:
                self.tell(now, target, intid, "raised")
            self.gic.sent = []

    # Delivery

    def pending(self, vcpu: int, now: int | None = None) -> bool:
        """Whether an interrupt is signalled to a vCPU, which ends its WFI, be it masked in PSTATE or not."""
        self.sample_timers(vcpu, now)
        self.flush(vcpu, now)
        interface = self.cpus[vcpu].gic
        return interface.irq_pending() or interface.fiq_pending()

    def sample_timers(self, vcpu: int, now: int | None = None) -> None:
        """Set the levels of the timers' PPIs as their lines are. One that the guest is handling waits for its end."""
        cpu = self.cpus[vcpu]
        at = cpu.now if now is None else now
        for intid, line in TIMERS.items():
            if not self.gic.private[vcpu].active >> intid & 1:
                level = line(cpu.timer, at)
                self.set_level(intid, level, vcpu, at)
                if not level and intid in cpu.active_ppis:
                    release(cpu, intid)

    def flush(self, vcpu: int, now: int | None = None) -> None:
        """Before an entry: load the list registers, if anything changed."""
        cpu = self.cpus[vcpu]
        if cpu.gic.changed:
            self.sync(vcpu)
        if vcpu not in self.gic.dirty and not cpu.gic.stale:
            return
        self.gic.dirty.discard(vcpu)
        self.tell_sent(cpu.now if now is None else now)
        listed, controls = self.choose(vcpu)
        lrs = [self.entry(vcpu, intid) for intid in listed]
        self.tell_injected(vcpu, lrs, cpu.now if now is None else now)
        lrs += [0] * (LIST_REGISTERS - len(lrs))
        cpu.gic.load(lrs, HCR_EN | controls)
        cpu.gic.journal = [] if self.observers is not None and self.observers.observers else None
        cpu.active_ppis.update(lr >> LR_PHYSICAL_SHIFT & 0x1FFF for lr in lrs if lr & LR_HW)
        cpu.attention = True
        self.written[vcpu] = lrs

    def choose(self, vcpu: int) -> tuple[list[int], int]:
        """What goes into the list registers, and the maintenance controls that say when there is room again.

        Active interrupts come first, those that will end first before the others, but one place is
        kept for the best pending one.
        """
        active = self.by_priority(vcpu, *self.active_of(vcpu))
        pending = self.by_priority(vcpu, *self.pending_of(vcpu))
        room = LIST_REGISTERS - (1 if pending else 0)
        controls = 0
        if len(active) > room:
            controls |= HCR_UIE | HCR_LRENPIE | HCR_TDIR
        kept = active[:room]
        if len(kept) + len(pending) > LIST_REGISTERS:
            controls |= HCR_NPIE
        listed = kept + pending[: LIST_REGISTERS - len(kept)]
        held = sum(1 << i - FIRST_SPI for i in {*active, *listed} if i >= FIRST_SPI)
        if self.held[vcpu] & ~held & self.gic.shared_routes & self.gic.shared.pending:
            self.gic.touch_all()  # a 1-of-N interrupt that was listed here may go to another
            self.gic.dirty.discard(vcpu)
        self.held[vcpu] = held
        return listed, controls

    def active_of(self, vcpu: int) -> tuple[int, int]:
        """Bits of the private and of the shared interrupts that are active on a vCPU."""
        shared = self.gic.shared.active
        mine = shared & self.held[vcpu] | shared & self.gic.routed[vcpu] & ~self.held_elsewhere(vcpu)
        return self.gic.private[vcpu].active, mine

    def pending_of(self, vcpu: int) -> tuple[int, int]:
        """Bits of the private and of the shared interrupts that a vCPU may be given now."""
        private, shared = self.gic.deliverable(vcpu)
        choice = shared & self.gic.shared_routes
        shared &= ~(choice & self.held_elsewhere(vcpu))
        enabled = self.cpus[vcpu].gic.priorities.enabled
        for group, bank in ((0, ~self.gic.shared.group), (1, self.gic.shared.group)):
            if not enabled[group]:
                shared &= ~(choice & bank)
        return private, shared

    def held_elsewhere(self, vcpu: int) -> int:
        """Bits of the SPIs that are listed or active on another vCPU."""
        return sum_of_bits(held for other, held in enumerate(self.held) if other != vcpu)

    def by_priority(self, vcpu: int, private: int, shared: int) -> list[int]:
        """INTIDs of these bits, the highest priority first, lower INTIDs before higher ones."""
        found = bits(private) + [FIRST_SPI + index for index in bits(shared)]
        return sorted(found, key=lambda intid: self.gic.priority_of(intid, vcpu))

    def entry(self, vcpu: int, intid: int) -> int:
        """The list register of an interrupt.

        A level-sensitive one is never pending and active: its line is sampled again when it has ended,
        for which the EOI bit asks; for the timers the hardware does it (HW). Of a GICv2's SGIs one
        sender is listed at a time.
        """
        bank, bit = self.gic.place(intid, vcpu)
        lr = intid | self.gic.priority_of(intid, vcpu) << LR_PRIORITY_SHIFT
        lr |= LR_GROUP1 if bank.group & bit else 0
        active = bool(bank.active & bit)
        by_sender = self.gic.version == 2 and intid < SGIS
        lr |= LR_ACTIVE if active else LR_PENDING
        if intid in TIMERS:
            return lr | LR_HW | intid << LR_PHYSICAL_SHIFT
        if by_sender:
            return lr | self.sender_of(vcpu, intid, active) << LR_SOURCE_SHIFT | LR_EOI
        if not bank.edge & bit:
            return lr | LR_EOI
        again = bank.latched & bank.enabled & bank.of_groups(self.gic.enabled_groups) & bit
        return lr | LR_PENDING if again else lr

    def sender_of(self, vcpu: int, intid: int, active: bool) -> int:
        """Who sent the SGI of a GICv2 that is active, or else the next of those that are pending."""
        waiting = self.gic.sgi_sources[vcpu][intid]
        return self.sender[vcpu][intid] if active or not waiting else bits(waiting)[0]

    def tell_injected(self, vcpu: int, lrs: list[int], now: int) -> None:
        """Events for what is pending in the list registers now and was not before."""
        if self.observers is None or not self.observers.observers:
            return
        before = {lr & 0x3FF for lr in self.written[vcpu] if lr & LR_PENDING}
        for lr in lrs:
            if lr & LR_PENDING and lr & 0x3FF not in before:
                self.tell(now, vcpu, lr & 0x3FF, "injected")

    # After an exit

    def sync(self, vcpu: int) -> None:
        """After an exit: read back what the guest did with its list registers."""
        cpu = self.cpus[vcpu]
        interface = cpu.gic
        if interface.journal:
            for intid, action, at in interface.journal:
                self.tell(at, vcpu, intid, action)
            interface.journal = []
        if interface.changed and not interface.stale:
            interface.changed = False
            for old, new in zip(self.written[vcpu], interface.lrs, strict=True):
                if old != new:
                    self.fold(vcpu, old, new)
            self.written[vcpu] = list(interface.lrs)
            self.settle_unlisted(vcpu, interface.hcr >> HCR_EOI_COUNT_SHIFT)
            self.gic.dirty.add(vcpu)
        if cpu.active_ppis:
            cpu.active_ppis.discard(MAINTENANCE_PPI)
            self.sample_timers(vcpu)

    def fold(self, vcpu: int, old: int, new: int) -> None:
        """A list register moved from `old` to `new`: so did its interrupt."""
        intid = old & 0x3FF
        bank, bit = self.gic.place(intid, vcpu)
        if old & LR_PENDING and not new & LR_PENDING:
            self.taken(vcpu, intid, old)
        if new & LR_ACTIVE:
            bank.active |= bit
            return
        bank.active &= ~bit
        if old & LR_HW:
            bank.set_line(bit, False)
        if not new & LR_STATE and intid >= FIRST_SPI:
            self.held[vcpu] &= ~bit
        self.gic.touch(intid, vcpu)

    def taken(self, vcpu: int, intid: int, lr: int) -> None:
        """The guest acknowledged an interrupt: an edge is used up, of a GICv2's SGIs that of one sender."""
        bank, bit = self.gic.place(intid, vcpu)
        if self.gic.version == 2 and intid < SGIS:
            sender = lr >> LR_SOURCE_SHIFT & 7
            self.sender[vcpu][intid] = sender
            self.gic.sgi_sources[vcpu][intid] &= ~(1 << sender)
            if self.gic.sgi_sources[vcpu][intid]:
                return
        bank.latched &= ~bit

    def settle_unlisted(self, vcpu: int, count: int) -> None:
        """The guest ended `count` active interrupts that had found no list register: the innermost ones."""
        if not count:
            return
        listed = {lr & 0x3FF for lr in self.written[vcpu] if lr & LR_STATE}
        unlisted = [i for i in self.by_priority(vcpu, *self.active_of(vcpu)) if i not in listed]
        for intid in unlisted[:count]:
            self.gic.deactivate(vcpu, intid)

    def deactivate(self, vcpu: int, value: int) -> None:
        """ICC_DIR_EL1, which traps (ICH_HCR_EL2.TDIR) while active interrupts outnumber the list registers."""
        cpu = self.cpus[vcpu]
        if not cpu.gic.priorities.split_eoi:
            return
        if cpu.gic.find_active(value) is not None:
            release(cpu, cpu.gic.deactivate(value, cpu.now))
            self.sync(vcpu)
        elif value & 0xFF_FFFF < 1020:
            self.gic.deactivate(vcpu, value)


def sgi_targets(value: int, source: int, mpidrs: list[int]) -> list[int]:
    """The CPUs that a value of ICC_SGI1R_EL1 names (Arm IHI 0069, 12.2.21): a list, or all but the sender (IRM)."""
    if value >> 40 & 1:
        return [cpu for cpu in range(len(mpidrs)) if cpu != source]
    cluster = (value >> 48 & 0xFF) << 32 | (value >> 32 & 0xFF) << 16 | (value >> 16 & 0xFF) << 8
    first = (value >> 44 & 0xF) * 16
    listed = [cluster | first + bit for bit in range(16) if value >> bit & 1]
    return [cpu for cpu, mpidr in enumerate(mpidrs) if mpidr in listed]


def sum_of_bits(masks: Iterable[int]) -> int:
    """All bits that any of the masks has."""
    union = 0
    for mask in masks:
        union |= mask
    return union

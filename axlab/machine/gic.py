"""A GIC: the interrupts of a machine, who gets them, and which is next (Arm IHI 0069 for v3, IHI 0048 for v2).

The board has one, whose physical CPU interfaces are the methods `acknowledge`, `end` and `deactivate`;
every VM has one, whose interrupts its `VirtualGic` puts into list registers. The register frames are
devices over it (`gic_distributor`, `gic_redistributor`, `gic_v2`). There is one security state
(GICD_CTLR.DS = 1) and there are no LPIs.
"""

from __future__ import annotations

from collections.abc import Iterable

from axlab.machine.gic_priority import Priorities, bits, lowest_bit
from axlab.machine.gic_state import Bank

SGIS = 16
FIRST_SPI = 32
MAX_SPIS = 988
SPURIOUS = 1023
V2_ALWAYS_ENABLED = 0xFFFF
"""Arm's GIC-400 does not let the SGIs be disabled."""
OTHER_GROUP = 1022
"""What a GICv2 interface answers where the next interrupt is of group 1 and group 0 was asked for."""

ROUTE_ANY = 1 << 31
"""IROUTER.IRM: any one CPU may take it (1 of N)."""
AFFINITY = 0xFF_00FF_FFFF


class Gic:
    """State of all interrupts of `cpus` CPUs and `spis` shared ones; `mpidrs` are the CPUs' affinities.

    `routed` has the bits of the SPIs that go to each CPU, `shared_routes` of those that any of several may take.
    `dirty` collects the CPUs for which something may have changed; whoever delivers interrupts empties it.
    `sent`, where it is a list, gets the target and INTID of each SGI.
    """

    def __init__(self, version: int = 3, cpus: int = 1, spis: int = 256, mpidrs: Iterable[int] | None = None) -> None:
        if version not in (2, 3):
            raise ValueError(f"there is no GIC version {version} here; 2 and 3 are")
        if not 0 <= spis <= MAX_SPIS:
            raise ValueError(f"a GIC has 0 to {MAX_SPIS} SPIs, not {spis}")
        self.version = version
        self.cpus = cpus
        self.mpidrs = [mpidr & AFFINITY for mpidr in (mpidrs if mpidrs is not None else range(cpus))]
        always = V2_ALWAYS_ENABLED if version == 2 else 0
        self.private = [Bank(0, FIRST_SPI, always) for _ in range(cpus)]
        self.shared = Bank(FIRST_SPI, (spis + 31) // 32 * 32)
        self.shared.implemented = (1 << spis) - 1
        self.interfaces = [Priorities() for _ in range(cpus)]
        self.dirty: set[int] = set()
        self.sent: list[tuple[int, int]] | None = None
        self.reset()

    def reset(self) -> None:
        """As after power-on: all SPIs go to the first CPU."""
        for bank in (*self.private, self.shared):
            bank.reset()
        for interface in self.interfaces:
            interface.reset()
        self.enabled_groups = 0
        self.sgi_sources = [[0] * SGIS for _ in range(self.cpus)]
        first = 1 if self.version == 2 else self.mpidrs[0]
        self.routes = [first] * self.shared.count
        self.routed = [0] * self.cpus
        self.routed[0] = (1 << self.shared.count) - 1
        self.shared_routes = 0
        self.touch_all()

    # Where an interrupt is

    def exists(self, intid: int) -> bool:
        """Whether there is an interrupt of that number."""
        bank, bit = self.place(intid, 0)
        return bool(bank.implemented & bit)

    def place(self, intid: int, cpu: int) -> tuple[Bank, int]:
        """The bank that holds an interrupt, and its bit there (beyond the last SPI: a bit that is not implemented)."""
        if intid < FIRST_SPI:
            return self.private[cpu], 1 << intid
        return self.shared, 1 << intid - FIRST_SPI

    def priority_of(self, intid: int, cpu: int) -> int:
        """Its priority, 0 to 0xF8."""
        return self.private[cpu].priority[intid] if intid < FIRST_SPI else self.shared.priority[intid - FIRST_SPI]

    def group_of(self, intid: int, cpu: int) -> int:
        """Its group, 0 or 1."""
        bank, bit = self.place(intid, cpu)
        return 1 if bank.group & bit else 0

    def touch(self, intid: int, cpu: int) -> None:
        """An interrupt changed: whoever may get it is dirty."""
        if intid < FIRST_SPI:
            self.dirty.add(cpu)
        else:
            bit = 1 << intid - FIRST_SPI
            self.dirty.update(index for index, routed in enumerate(self.routed) if routed & bit)

    def touch_all(self) -> None:
        """Anything may have changed, such as after a register write."""
        self.dirty.update(range(self.cpus))

    # Routing

    def set_route(self, index: int, value: int) -> None:
        """Of SPI `index`: IROUTER (v3: an affinity, or 1 of N) or ITARGETSR (v2: CPUs of which one gets it)."""
        self.routes[index] = value
        bit = 1 << index
        targets = 0
        for cpu, mpidr in enumerate(self.mpidrs):
            if self.version == 2:
                here = bool(value >> cpu & 1)
            else:
                here = bool(value & ROUTE_ANY) or value & AFFINITY == mpidr
            self.routed[cpu] = self.routed[cpu] | bit if here else self.routed[cpu] & ~bit
            targets += here
        self.shared_routes = self.shared_routes | bit if targets > 1 else self.shared_routes & ~bit
        self.touch_all()

    # Sources

    def set_level(self, intid: int, level: bool, cpu: int = 0) -> bool:
        """Drive an input line (of a PPI: that of `cpu`); says whether it changed."""
        bank, bit = self.place(intid, cpu)
        changed = bank.set_line(bit, level)
        if changed:
            self.touch(intid, cpu)
        return changed

    def pulse(self, intid: int, cpu: int = 0) -> bool:
        """Make an interrupt pending once, as an edge or a write to ISPENDR does; says whether it was not."""
        bank, bit = self.place(intid, cpu)
        new = bit & bank.implemented & ~bank.latched
        bank.latched |= new
        if new:
            self.touch(intid, cpu)
        return bool(new)

    def send_sgi(self, source: int, intid: int, targets: Iterable[int]) -> None:
        """A CPU sends a software-generated interrupt. A GICv2 keeps those of different senders apart."""
        for target in targets:
            if self.version == 2:
                self.sgi_sources[target][intid] |= 1 << source
            self.pulse(intid, target)
            if self.sent is not None:
                self.sent.append((target, intid))

    # Delivery

    def deliverable(self, cpu: int) -> tuple[int, int]:
        """Bits of the SGIs and PPIs, and of the SPIs, that could be signalled to a CPU."""
        groups = self.enabled_groups
        return self.private[cpu].candidates(groups), self.shared.candidates(groups) & self.routed[cpu]

    def highest_pending(self, cpu: int) -> tuple[int, int] | None:
        """INTID and priority of the next interrupt for a CPU; None where nothing is pending for it."""
        enabled = self.interfaces[cpu].enabled
        private, shared = self.deliverable(cpu)
        found = bits(private) + [FIRST_SPI + index for index in bits(shared)]
        ranked = [(self.priority_of(i, cpu), i) for i in found if enabled[self.group_of(i, cpu)]]
        if not ranked:
            return None
        priority, intid = min(ranked)
        return intid, priority

    def signalled(self, cpu: int) -> tuple[int, int] | None:
        """INTID and priority of what the CPU interface signals to its CPU now, if anything."""
        best = self.highest_pending(cpu)
        if best and self.interfaces[cpu].signals(best[1], self.group_of(best[0], cpu)):
            return best
        return None

    def acknowledge(self, cpu: int) -> int:
        """IAR: take the signalled interrupt, which becomes active; `SPURIOUS` where there is none.

        A GICv2's SGI has its sender in bits 12:10.
        """
        best = self.signalled(cpu)
        if best is None:
            return SPURIOUS
        intid, priority = best
        self.interfaces[cpu].take(priority, self.group_of(intid, cpu))
        source = self.activate(intid, cpu)
        return intid | source << 10

    def activate(self, intid: int, cpu: int) -> int:
        """Pending becomes active; the sender of a GICv2's SGI (else 0), which may have others behind it."""
        bank, bit = self.place(intid, cpu)
        source = 0
        if self.version == 2 and intid < SGIS:
            source = self.take_source(intid, cpu)
        if not (self.version == 2 and intid < SGIS and self.sgi_sources[cpu][intid]):
            bank.latched &= ~bit
        bank.active |= bit
        self.touch(intid, cpu)
        return source

    def take_source(self, intid: int, cpu: int) -> int:
        """The lowest CPU that sent this SGI, which is now no longer waiting."""
        sources = self.sgi_sources[cpu][intid]
        if not sources:
            return 0
        source = lowest_bit(sources)
        self.sgi_sources[cpu][intid] = sources & ~(1 << source)
        return source

    def end(self, cpu: int, intid: int) -> None:
        """EOIR: drop the running priority and, unless EOImode separates the two, deactivate."""
        if intid & 0x3FF >= 1020 or not self.interfaces[cpu].drop():
            return
        if not self.interfaces[cpu].split_eoi:
            self.deactivate(cpu, intid)

    def deactivate(self, cpu: int, intid: int) -> None:
        """DIR: the interrupt is no longer active; if still pending, it can be signalled again."""
        intid &= 0x3FF if intid & 0x3FF < SGIS else 0xFF_FFFF
        bank, bit = self.place(intid, cpu)
        bank.active &= ~bit
        self.touch(intid, cpu)

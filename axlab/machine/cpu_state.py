"""What a CPU is: registers, time, and the caches that follow from them.

The TLBs are caches, too: one for each translation regime, a setting of the EL and of the registers that decide how
an address is translated. What a CPU does stands in `cpu`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from axlab.machine import stops, system_registers
from axlab.machine.access_trace import AccessTrace
from axlab.machine.bus import Bus
from axlab.machine.exclusives import Monitor
from axlab.machine.features import Features
from axlab.machine.gic_interface import VirtualInterface
from axlab.machine.instruction_trace import InstructionTrace
from axlab.machine.isa.bits import M64
from axlab.machine.memory import Memory
from axlab.machine.stops import Hit, Watch
from axlab.machine.timer import GenericTimer
from axlab.machine.tlb import Tlb, Views

if TYPE_CHECKING:
    from axlab.machine.mmu import Stage2Page
    from axlab.machine.translator.translated import Translated

NS_PER_INSTRUCTION = 100

# The registers that decide how an address is translated: each setting has a TLB of its own.
regime_of = itemgetter("SCTLR_EL1", "TTBR0_EL1", "TTBR1_EL1", "TCR_EL1", "MAIR_EL1", "HCR_EL2", "VTTBR_EL2", "VTCR_EL2")
MAX_REGIMES = 16

STATE = (
    "memory", "bus", "index", "features", "x", "v", "pc", "sp_el0", "sp_el1", "el", "sp_sel", "nzcv", "daif", "il",
    "ss", "sys", "executed", "ns_per_instruction", "entry_time", "entry_executed", "slice_end", "attention",
    "active_ppis", "event", "peers", "monitor", "timer", "gic", "translates", "breakpoints", "watches", "hit", "passed",
)  # fmt: skip
CACHES = (
    "next_pc", "decoded", "tlbs", "tlb", "regime", "readers", "writers", "code", "stage2_pages", "translated", "trace",
    "accesses", "watched",
)  # fmt: skip


class CpuState:
    """The state of one CPU: plain data, named as in the manual.

    `x` holds X0 to X30, `v` V0 to V31 (128 bits each), `nzcv` and `daif` four bits each as the manual orders
    them, `sys` the stored system registers by name. `executed` counts instructions since creation,
    `now` is virtual time in ns. `attention` asks the stepper to look for interrupts before the next
    instruction: set it after whatever may change whether one is taken. `active_ppis` are the private
    interrupts that were reported by `run` and are still active. `peers` are the CPUs that share this one's
    TLB maintenance and events, itself included; `monitor` the exclusive accesses (see `connect`).
    `translates`: run translated blocks, not one instruction after the other; the results are the same.
    `breakpoints` and `watches` make `run` return None early with `hit` set (see `stops`); `passed` are pc and
    `executed` of the breakpoint that was hit last.
    """

    __slots__ = (*STATE, *CACHES, "__weakref__")

    x: list[int]
    v: list[int]
    pc: int
    sp_el0: int
    sp_el1: int
    el: int
    sp_sel: int
    nzcv: int
    daif: int
    il: int
    ss: int
    event: bool
    attention: bool
    readers: tuple[Views, ...]
    writers: tuple[Views, ...]
    code: Views

    def __init__(self, memory: Memory, bus: Bus, index: int, mpidr: int, features: Features) -> None:
        self.memory = memory
        self.bus = bus
        self.index = index
        self.features = features
        self.sys: dict[str, int] = system_registers.reset_values(features)
        self.sys["MPIDR_EL1"] = self.sys["VMPIDR_EL2"] = 1 << 31 | mpidr
        self.executed = 0
        self.ns_per_instruction = NS_PER_INSTRUCTION
        self.entry_time = 0
        self.entry_executed = 0
        self.slice_end = 0
        self.active_ppis: set[int] = set()
        self.peers: Sequence[Any] = [self]
        self.monitor = Monitor()
        self.timer = GenericTimer(self.sys)
        self.gic = VirtualInterface(features.gic_version)
        self.translates = True
        self.breakpoints: frozenset[int] = frozenset()
        self.watches: tuple[Watch, ...] = ()
        self.hit: Hit | None = None
        self.passed = (0, -1)
        self.drop_caches()
        self.reset(0)

    def reset(self, entry: int, x0: int = 0) -> None:
        """The state in which a guest starts: EL1h, interrupts masked, MMU off. EL2's registers stay."""
        self.x = [x0 & M64] + [0] * 30
        self.v = [0] * 32
        self.pc = entry
        self.sp_el0 = self.sp_el1 = 0
        self.el = self.sp_sel = 1
        self.nzcv = 0
        self.daif = 0xF
        self.il = self.ss = 0
        self.event = False
        for name, value in system_registers.reset_values(self.features).items():
            if name.endswith(("_EL0", "_EL1")) and name != "MPIDR_EL1":
                self.sys[name] = value
        self.timer.reset()
        self.gic.reset()
        self.active_ppis.clear()
        self.monitor.reservations.pop(self, None)
        self.attention = True
        self.flush_tlb()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in STATE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self.drop_caches()

    def drop_caches(self) -> None:
        """Begin with empty caches: decoded words, translations."""
        self.next_pc = 0
        self.decoded: dict[int, Callable[[], None]] = {}
        self.stage2_pages: dict[int, Stage2Page] = {}
        self.tlbs: dict[tuple[int, ...], Tlb] = {}
        self.tlb = Tlb()
        self.regime: tuple[int, ...] = ()
        self.translated: Translated | None = None
        self.trace: InstructionTrace | None = None
        self.accesses: AccessTrace | None = None
        self.watched = {access: stops.watched_pages(self.watches, access) for access in "rw"}
        self.memory.users.add(self)

    # Translation regimes

    def select_regime(self) -> None:
        """Use the TLB that belongs to the current EL and translation registers."""
        regime = (self.el, *regime_of(self.sys))
        if regime != self.regime:
            if regime[6:] != self.regime[6:]:
                self.stage2_pages = {}
            tlb = self.tlbs.get(regime)
            if tlb is None:
                if len(self.tlbs) >= MAX_REGIMES:
                    self.tlbs.clear()
                tlb = self.tlbs[regime] = Tlb()
            self.regime = regime
            self.tlb = tlb
            self.readers, self.writers, self.code = tlb.readers, tlb.writers, tlb.code
        if self.monitor.reservations:
            for frame in self.monitor.watched(self):
                self.tlb.drop_writers(frame)

    def flush_tlb(self) -> None:
        """Forget all translations. Whoever frees or remaps memory under a running guest calls this."""
        self.tlbs.clear()
        self.regime = ()
        self.stage2_pages = {}
        self.select_regime()

    def flush_tlb_page(self, page: int) -> bool:
        """Forget the translations of virtual page `page`, bits 55 to 12 of its address. Whether it had code."""
        had_code = [tlb.drop_page(page) for tlb in self.tlbs.values()]  # of all, whatever the first one says
        return any(had_code)

    def drop_writers(self, frame: int) -> None:
        """Send stores to the physical page `frame` the long way, in every regime."""
        for tlb in self.tlbs.values():
            tlb.drop_writers(frame)

    def drop_all_writers(self) -> None:
        """Send the next store to every page the long way, in every regime."""
        for tlb in self.tlbs.values():
            tlb.drop_all_writers()

    def forget_code(self, frame: int) -> None:
        """The physical page `frame` has changed: what was translated from it is no more."""
        if self.translated is not None:
            forgotten = self.translated.forget(frame)
            for tlb in self.tlbs.values():
                for pc in forgotten:
                    tlb.targets.pop(pc, None)

"""An AArch64 CPU, ARMv8.0-A, at EL0 and EL1: how it runs, and the primitives that semantics are written in.

EL2 is the hypervisor, in Python: what goes there makes `run` return a `Trap`. The functions in
`isa/semantics_*.py` say what instructions do, in terms of the methods below; `stepper` fetches and calls them.
"""

from __future__ import annotations

from collections.abc import Sequence

from axlab.machine import data_access, exceptions, exclusives, stepper, stops, system_registers
from axlab.machine.access_trace import AccessTrace
from axlab.machine.cpu_state import CpuState
from axlab.machine.exclusives import Monitor
from axlab.machine.instruction_trace import InstructionTrace
from axlab.machine.isa.bits import M32, M64
from axlab.machine.isa.condition_codes import HOLDS
from axlab.machine.stops import Watch
from axlab.machine.tlb import INDEX
from axlab.machine.translator import runner
from axlab.machine.traps import ExceptionClass as EC
from axlab.machine.traps import Trap

# In the syndrome of a conditional instruction: CV = 1 and the condition 0b1110, always.
ALWAYS = 0x1E << 20

# What an access of so many bytes keeps of a value.
SIZE_MASK = tuple((1 << 8 * size) - 1 for size in range(17))


class Cpu(CpuState):
    """One CPU: what it can be asked to do, and the primitives of semantics."""

    __slots__ = ()

    peers: Sequence[Cpu]

    # Running and time

    def run(self, instructions: int) -> Trap | None:
        """Execute until something goes to EL2 (the Trap says what), or that many instructions are done (None).

        None also where a breakpoint or a watch was hit, which `hit` says, until the next `run`.
        """
        translates = self.translates and self.accesses is None
        return stepper.run(self, instructions, runner.execute if translates else runner.step)

    def enter(self, time: int) -> None:
        """It is `time` ns of virtual time now: from here on every instruction costs `ns_per_instruction`."""
        self.entry_time = time
        self.entry_executed = self.executed
        if self.trace is not None:
            self.trace.mark(self.executed, time)

    @property
    def now(self) -> int:
        """Virtual time in ns."""
        return self.entry_time + (self.executed - self.entry_executed) * self.ns_per_instruction

    @property
    def is_observed(self) -> bool:
        """Whether somebody wants to know of loads and stores."""
        return self.accesses is not None or bool(self.watches)

    def end_slice(self) -> None:
        """Make `run` return None after the current instruction."""
        self.slice_end = 0
        self.attention = True

    @property
    def ended_slice(self) -> bool:
        """Whether the last `run` was ended by `end_slice`: by an access to a device."""
        return self.slice_end == 0

    def record(self, trace: InstructionTrace | None) -> None:
        """Add every instruction from now on to `trace`, or stop recording. Recording code is code of its own."""
        self.trace = trace
        if trace is not None:
            trace.mark(self.executed, self.now)
        self.translated = None
        for tlb in self.tlbs.values():
            tlb.targets.clear()

    def record_accesses(self, accesses: AccessTrace | None) -> None:
        """Add every load and store from now on to `accesses`, or stop recording."""
        self.accesses = accesses
        self.flush_tlb()

    def stop_at(self, breakpoints: frozenset[int], watches: tuple[Watch, ...]) -> None:
        """Stop before the instructions at these addresses, and behind accesses that are watched for, and nowhere else.

        Only code of pages where breakpoints come or go is translated anew.
        """
        changed = self.breakpoints ^ breakpoints
        self.breakpoints = breakpoints
        if changed and self.translated is not None:
            self.translated.forget_pages({address >> 12 for address in changed})
            for tlb in self.tlbs.values():
                tlb.targets.clear()
        if watches != self.watches:
            self.watches = watches
            self.watched = {access: stops.watched_pages(watches, access) for access in "rw"}
            self.flush_tlb()

    # General-purpose registers. `sf` is 1 for 64 bits (Xn), 0 for 32 (Wn)

    def get_x(self, n: int, sf: int) -> int:
        """Xn or Wn; 31 is the zero register."""
        if n == 31:
            return 0
        return self.x[n] if sf else self.x[n] & M32

    def set_x(self, n: int, sf: int, value: int) -> None:
        """Write Xn, or Wn and zero the upper half; 31 is the zero register. `value` may be of any size or sign."""
        if n != 31:
            self.x[n] = value & (M64 if sf else M32)

    def get_sp_or_x(self, n: int, sf: int) -> int:
        """As `get_x`, but 31 is the stack pointer."""
        value = self.sp if n == 31 else self.x[n]
        return value if sf else value & M32

    def set_sp_or_x(self, n: int, sf: int, value: int) -> None:
        """As `set_x`, but 31 is the stack pointer."""
        value &= M64 if sf else M32
        if n == 31:
            self.sp = value
        else:
            self.x[n] = value

    @property
    def sp(self) -> int:
        """The stack pointer that PSTATE selects."""
        return self.sp_el1 if self.el and self.sp_sel else self.sp_el0

    @sp.setter
    def sp(self, value: int) -> None:
        if self.el and self.sp_sel:
            self.sp_el1 = value
        else:
            self.sp_el0 = value

    def base(self, n: int) -> int:
        """The base register of an address: Xn, or 31 for the stack pointer, which must be aligned to 16 bytes."""
        if n != 31:
            return self.x[n]
        sp = self.sp
        if sp & 15 and self.sys["SCTLR_EL1"] >> (3 if self.el else 4) & 1:  # SA, SA0
            raise exceptions.GuestException(1, EC.SP_ALIGNMENT)
        return sp

    def get_v(self, n: int) -> int:
        """Vn, all 128 bits."""
        return self.v[n]

    def set_v(self, n: int, value: int) -> None:
        """Write Vn. A narrower value zeroes the rest."""
        self.v[n] = value

    # Flags

    def carry(self) -> int:
        """PSTATE.C."""
        return self.nzcv >> 1 & 1

    def holds(self, cond: int) -> int:
        """Whether the condition `cond` holds."""
        return HOLDS[cond] >> self.nzcv & 1

    def set_nzcv(self, value: int) -> None:
        """Write all four flags, N in bit 3."""
        self.nzcv = value

    def flags_of_logic(self, result: int, sf: int) -> None:
        """N and Z from a result, C and V clear."""
        self.nzcv = 4 if not result else result >> (63 if sf else 31) << 3

    def flags_of_add(self, a: int, b: int, sf: int) -> None:
        """The flags of a + b. Both fit the register."""
        self.flags_of_add_carry(a, b, 0, sf)

    def flags_of_add_carry(self, a: int, b: int, carry: int, sf: int) -> None:
        """The flags of a + b + carry (the manual's AddWithCarry)."""
        total = a + b + carry
        top = 63 if sf else 31
        result = total & (M64 if sf else M32)
        overflow = ((a ^ result) & (b ^ result)) >> top
        self.nzcv = result >> top << 3 | (not result) << 2 | total >> top + 1 << 1 | overflow

    def flags_of_sub(self, a: int, b: int, sf: int) -> None:
        """The flags of a - b. Both fit the register; C is set where there is no borrow."""
        top = 63 if sf else 31
        result = a - b & (M64 if sf else M32)
        self.nzcv = result >> top << 3 | (a == b) << 2 | (a >= b) << 1 | ((a ^ b) & (a ^ result)) >> top

    # Memory. `size` is in bytes: 1, 2, 4, 8, and 16 for a Q register. Little-endian

    def load(self, address: int, size: int) -> int:
        """Read memory. An access that is refused raises, before anything changes."""
        try:
            return self.readers[size][address >> 12][INDEX[size][address & 4095]]  # type: ignore[index]
        except (KeyError, TypeError):
            return data_access.load(self, address, size, self.el)

    def store(self, address: int, size: int, value: int) -> None:
        """Write the low `size` bytes of `value` to memory."""
        try:
            self.writers[size][address >> 12][INDEX[size][address & 4095]] = value & SIZE_MASK[size]  # type: ignore[index]
        except (KeyError, TypeError):
            data_access.store(self, address, size, value, self.el)

    def load_pair(self, address: int, size: int) -> tuple[int, int]:
        """Read two values that lie side by side."""
        return self.load(address, size), self.load(address + size, size)

    def store_pair(self, address: int, size: int, first: int, second: int) -> None:
        """Write two values side by side: both or none."""
        try:
            view = self.writers[size][address >> 12]
            index = INDEX[size][address & 4095]
            view[index + 1] = second & SIZE_MASK[size]  # type: ignore[operator]
            view[index] = first & SIZE_MASK[size]  # type: ignore[index]
        except (KeyError, TypeError, IndexError):
            data_access.store_pair(self, address, size, first, second)

    def load_unprivileged(self, address: int, size: int) -> int:
        """Read memory as EL0 may."""
        return data_access.load(self, address, size, 0)

    def store_unprivileged(self, address: int, size: int, value: int) -> None:
        """Write memory as EL0 may."""
        data_access.store(self, address, size, value, 0)

    def load_acquire(self, address: int, size: int) -> int:
        """Read memory, which must be aligned. CPUs run one at a time: order needs nothing else."""
        if address & size - 1:
            raise exceptions.alignment_fault(self, address, "r")
        return self.load(address, size)

    def store_release(self, address: int, size: int, value: int) -> None:
        """Write memory, which must be aligned."""
        if address & size - 1:
            raise exceptions.alignment_fault(self, address, "w")
        self.store(address, size, value)

    def load_exclusive(self, address: int, size: int) -> int:
        """Read memory and reserve it."""
        return exclusives.load_exclusive(self, address, size)

    def store_exclusive(self, address: int, size: int, value: int) -> int:
        """Write memory if its reservation stands: the status, 0 for success or 1."""
        return exclusives.store_exclusive(self, address, size, value)

    def clear_exclusive(self) -> None:
        """End this CPU's reservation."""
        self.monitor.reservations.pop(self, None)

    def current_word(self) -> int:
        """The instruction at pc, which was fetched before."""
        page = self.code.get(self.pc >> 12)
        return data_access.fetch(self) if page is None else page[(self.pc & 4095) >> 2]

    def load_atomic(self, address: int, size: int) -> int:
        """Read memory that the same instruction writes: it must be aligned, and writable first of all."""
        if address & size - 1:
            raise exceptions.alignment_fault(self, address, "w")
        data_access.translate(self, address & M64, "w", self.el)
        return self.load(address, size)

    # Control flow. `pc` is the address of the instruction that is being executed

    def branch(self, target: int) -> None:
        """Go on at `target` after this instruction."""
        self.next_pc = target & M64

    # What the manual checks before an instruction

    def check_el1(self) -> None:
        """The instruction is UNDEFINED at EL0."""
        if self.el == 0:
            raise exceptions.undefined()

    def set_daif(self, value: int) -> None:
        """Write the interrupt masks. What is unmasked while it is pending is taken before the next instruction."""
        unmasked = self.daif & ~value
        self.daif = value
        if unmasked and self.interrupt_pending():
            self.attention = True

    def check_daif_access(self, crm: int, op2: int) -> None:
        """EL0 may write DAIF only if SCTLR_EL1.UMA is set."""
        if self.el == 0 and not self.sys["SCTLR_EL1"] >> 9 & 1:
            raise system_registers.trap(1, (0, 3, 4, crm, op2), 31, is_read=False)

    def check_fp(self) -> None:
        """CheckFPAdvSIMDEnabled64: CPACR_EL1.FPEN, then CPTR_EL2.TFP; UNDEFINED without FP."""
        if not self.features.fp:
            raise exceptions.undefined()
        enabled = self.sys["CPACR_EL1"] >> 20 & 3
        if enabled != 3 and (enabled != 1 or self.el == 0):
            raise exceptions.GuestException(1, EC.FP_ACCESS, ALWAYS)
        if self.sys["CPTR_EL2"] >> 10 & 1:
            raise exceptions.GuestException(2, EC.FP_ACCESS, ALWAYS)

    def interrupt_pending(self) -> bool:
        """Whether an interrupt is pending, masked or not."""
        return stepper.interrupt_pending(self)

    def check_wait(self, is_wfe: int) -> None:
        """Trap a WFI or WFE that would wait: SCTLR_EL1.nTWI and nTWE at EL0, HCR_EL2.TWI and TWE."""
        if self.el == 0 and not self.sys["SCTLR_EL1"] >> (18 if is_wfe else 16) & 1:
            raise exceptions.GuestException(1, EC.WFX, ALWAYS | is_wfe)
        if self.sys["HCR_EL2"] >> (14 if is_wfe else 13) & 1:
            raise exceptions.GuestException(2, EC.WFX, ALWAYS | is_wfe)

    # Exceptions, also for the hypervisor

    def take_exception_to_el1(self, vector: int, esr: int | None = None, far: int | None = None) -> None:
        """Enter EL1's vector table at offset `vector`."""
        exceptions.take_exception_to_el1(self, vector, esr, far)

    def inject_abort(self, va: int, write: bool, external: bool = True, fetch: bool = False) -> None:
        """Make the guest take an abort at the instruction at pc: external by default, else a translation fault."""
        exceptions.inject_abort(self, va, write, external, fetch)

    def inject_undefined(self) -> None:
        """Make the guest take an Undefined Instruction exception at the instruction at pc."""
        exceptions.inject_undefined(self)


def connect(cpus: Sequence[Cpu]) -> None:
    """Make `cpus` one inner shareable domain: common exclusive monitor, broadcast TLB maintenance, SEV."""
    monitor = Monitor()
    for cpu in cpus:
        cpu.peers = cpus
        cpu.monitor = monitor

"""`vm exits`, `regs`, `mem`, `disasm`, `walk`: what a guest is doing, seen from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from axlab.errors import AxError
from axlab.shell.arguments import Address, Choice, Number, Size, VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Flag, Option, command
from axlab.shell.inspecting import instruction_at, the_vm, vcpu_of, walked
from axlab.shell.parts import one_vm, table_format
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result
from axlab.units import format_duration
from axlab.vmm import guest_memory

VCPU = Option("cpu", Number(0, 255, "CPU"), "Which vCPU", short="c", default=0)
PHYSICAL = Flag("physical", "ADDR is a guest physical address", short="p")

SYSTEM_REGISTERS = (
    "SCTLR_EL1",
    "TCR_EL1",
    "TTBR0_EL1",
    "TTBR1_EL1",
    "MAIR_EL1",
    "VBAR_EL1",
    "ELR_EL1",
    "SPSR_EL1",
    "ESR_EL1",
    "FAR_EL1",
    "HCR_EL2",
    "VTTBR_EL2",
    "VTCR_EL2",
    "ESR_EL2",
    "FAR_EL2",
    "HPFAR_EL2",
)


@dataclass(frozen=True)
class ExitRow:
    """How often a VM left the guest for one reason; `per_second` of virtual time since it started."""

    reason: str
    count: int
    share: float
    per_second: float


@dataclass(kw_only=True)
class ExitsResult(Result):
    """A VM's exits by reason, the most frequent first."""

    vm: int
    total: int
    virtual_ns: int
    exits: list[ExitRow] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        rows = tuple((row.reason, str(row.count), f"{row.share:.1%}", f"{row.per_second:,.0f}") for row in self.exits)
        total = f"{self.total} exits of VM[{self.vm}] in {format_duration(self.virtual_ns)} of virtual time"
        table: list[Block] = [Table(("REASON", "COUNT", "SHARE", "PER SECOND"), rows)] if rows else []
        return [*table, Lines((total,))]


@command("vm exits", "Show why and how often a virtual machine left the guest", one_vm(), table_format())
def exits(context: Context, vm: VmReference, format: str) -> Result:
    found = the_vm(context, vm)
    passed = context.hypervisor.now - found.started_at
    total = sum(found.exits.values())
    rows = [
        ExitRow(reason, count, count / total, count * 1e9 / passed if passed else 0.0)
        for reason, count in sorted(found.exits.items(), key=lambda item: (-item[1], item[0]))
    ]
    return ExitsResult(vm=found.id, total=total, virtual_ns=passed, exits=rows, format=format)


@dataclass(kw_only=True)
class RegistersResult(Result):
    """The registers of one vCPU; `pstate` has N, Z, C, V, D, A, I, F as they are set."""

    vm: int
    vcpu: int
    x: list[int]
    pc: int
    sp: int
    el: int
    pstate: str
    system: dict[str, int]

    @property
    def tables(self) -> dict[str, list[Any]]:
        named = {**{f"x{number}": value for number, value in enumerate(self.x)}, "sp": self.sp, "pc": self.pc}
        return {"registers": [{"name": name, "value": value} for name, value in {**named, **self.system}.items()]}

    def blocks(self) -> list[Block]:
        named = [(f"x{number}", value) for number, value in enumerate(self.x)] + [("sp", self.sp), ("pc", self.pc)]
        lines = [f"VM[{self.vm}] VCpu[{self.vcpu}]: EL{self.el}, PSTATE {self.pstate}", ""]
        lines += ["".join(f"  {name:>4} {value:016x}" for name, value in named[i : i + 3]) for i in range(0, 33, 3)]
        pairs = list(self.system.items())
        lines.append("")
        lines += [
            "".join(f"  {name:>9} {value:016x}" for name, value in pairs[i : i + 2]) for i in range(0, len(pairs), 2)
        ]
        return [Lines(tuple(lines))]


def pstate(cpu: Any) -> str:
    """`NzCv DAIF`: capitals are set."""
    return f"{lettered('NZCV', cpu.nzcv)} {lettered('DAIF', cpu.daif)}"


def lettered(letters: str, bits: int) -> str:
    """Each letter as a capital where its bit is set; the last letter is bit 0."""
    last = len(letters) - 1
    return "".join(letter if bits >> last - place & 1 else letter.lower() for place, letter in enumerate(letters))


@command("vm regs", "Show the registers of a vCPU", one_vm(), VCPU)
def regs(context: Context, vm: VmReference, cpu: int) -> Result:
    found = the_vm(context, vm)
    state = vcpu_of(found, cpu).cpu
    system = {name: state.sys[name] for name in SYSTEM_REGISTERS if name in state.sys}
    return RegistersResult(
        vm=found.id,
        vcpu=cpu,
        x=list(state.x),
        pc=state.pc,
        sp=state.sp,
        el=state.el,
        pstate=pstate(state),
        system=system,
    )


@dataclass(kw_only=True)
class MemoryResult(Result):
    """Guest memory from `address` on."""

    vm: int
    address: int
    data: bytes = field(repr=False)

    def blocks(self) -> list[Block]:
        rows = (self.data[start : start + 16] for start in range(0, len(self.data), 16))
        return [Lines(tuple(hex_line(self.address + 16 * number, row) for number, row in enumerate(rows)))]

    def json(self) -> dict[str, Any]:
        return {"ok": self.ok, "vm": self.vm, "address": self.address, "data": self.data.hex()}


def hex_line(address: int, row: bytes) -> str:
    """`40080000  7f 45 4c 46 ...  |.ELF...|`."""
    left, right = row[:8].hex(" "), row[8:].hex(" ")
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
    return f"{address:08x}  {left:<23}  {right:<23}  |{text}|"


@command(
    "vm mem",
    "Show guest memory in hexadecimal and as text",
    one_vm(),
    Argument("address", Address(), "Guest virtual address"),
    Argument("length", Size(1 << 20), "How many bytes", minimum=0, default=64),
    VCPU,
    PHYSICAL,
)
def mem(context: Context, vm: VmReference, address: int, length: int, cpu: int, physical: bool) -> Result:
    """Show memory.

    A virtual address is translated as the vCPU would do it now; with --physical the address is a
    guest physical one.
    """
    found = the_vm(context, vm)
    data = guest_memory.read(vcpu_of(found, cpu).cpu, address, length, physical)
    return MemoryResult(vm=found.id, address=address, data=data)


@dataclass(kw_only=True)
class DisassemblyResult(Result):
    """Instructions of a guest; `marked` is where its vCPU stands."""

    vm: int
    marked: int
    lines: list[tuple[int, int, str]] = field(default_factory=list)

    HIDDEN: ClassVar[frozenset[str]] = Result.HIDDEN | {"marked"}

    @property
    def tables(self) -> dict[str, list[Any]]:
        names = ("address", "word", "text")
        return {"lines": [dict(zip(names, line, strict=True)) for line in self.lines]}

    def blocks(self) -> list[Block]:
        return [
            Lines(
                tuple(
                    f"{'=>' if address == self.marked else '  '} {address:#010x}: {word:08x}  {text}"
                    for address, word, text in self.lines
                )
            )
        ]


@command(
    "vm disasm",
    "Disassemble guest memory",
    one_vm(),
    Argument("address", Address(), "Guest virtual address; by default the program counter", minimum=0),
    Argument("count", Number(1, 4096, "N"), "How many instructions", minimum=0, default=8),
    VCPU,
    PHYSICAL,
)
def disasm(context: Context, vm: VmReference, address: int | None, count: int, cpu: int, physical: bool) -> Result:
    found = the_vm(context, vm)
    vcpu = vcpu_of(found, cpu)
    start = (vcpu.cpu.pc if address is None else address) & ~3
    lines: list[tuple[int, int, str]] = []
    for place in range(start, start + 4 * count, 4):
        try:
            lines.append((place, *instruction_at(vcpu, place, physical)))
        except AxError:
            if not lines:
                raise
            break
    return DisassemblyResult(vm=found.id, marked=vcpu.cpu.pc, lines=lines)


@dataclass(kw_only=True)
class WalkResult(Result):
    """A translation of both stages, step by step; `pa` None where it ends in a fault."""

    vm: int
    vcpu: int
    address: int
    ipa: int | None
    pa: int | None
    steps: list[str] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        return [Lines(tuple(self.steps))]


@command(
    "vm walk",
    "Show how an address is translated, by both stages",
    one_vm(),
    Argument("address", Address(), "Guest virtual address"),
    VCPU,
    PHYSICAL,
    Option("access", Choice(("r", "w", "x"), "ACCESS"), "For reading, writing or executing", default="r"),
)
def walk(context: Context, vm: VmReference, address: int, cpu: int, physical: bool, access: str) -> Result:
    found = the_vm(context, vm)
    steps = walked(vcpu_of(found, cpu), address, physical, access)
    return WalkResult(vm=found.id, vcpu=cpu, address=address, ipa=steps.ipa, pa=steps.pa, steps=str(steps).split("\n"))

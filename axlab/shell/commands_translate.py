"""`vm translate`: the Python function that a block or a hot region of guest code became, beside its disassembly."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.shell.arguments import Address, VmReference
from axlab.shell.commands_inspect import VCPU
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, command
from axlab.shell.inspecting import instruction_at, the_vm, vcpu_of
from axlab.shell.parts import one_vm
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result
from axlab.vmm import guest_memory
from axlab.vmm.guest_memory import PAGE

if TYPE_CHECKING:
    from axlab.machine.translator.blocks import Block as TranslatedBlock

# What names in the Python mean, by the pattern that they match; only those that occur are explained.
LEGEND = {
    r"x\d+": "x0 to x30: registers, shared by all blocks of the vCPU",
    r"F[ABK]": "FA, FB, FK: the operands and the kind of the operation that set the flags last",
    r"b": "b: instructions that may still be executed before the hypervisor looks around",
    r"R[1248]": "R1 to R8: pages that may be read, as items of that many bytes; a page that is missing raises",
    r"W[1248]": "W1 to W8: pages that may be written",
    r"I[248]": "I2 to I8: where in a page an aligned item is; one that is not aligned raises",
    r"s": "s: a result before it is wrapped to the register's width",
    r"E1": "E1[1]: the CPU, if it is at EL1; missing at EL0, and that raises",
    r"Z": "Z: bytes of pages that DC ZVA may zero",
    r"(?:load|store)(?:_pair)?_[248]": "load_8, store_8...: an access that was often misaligned, of that many bytes",
    r"fill|copy": "fill, copy: many iterations of the loop at once; how many were done",
    r"L[0-9a-f]+": "L...: the function of the block at that address",
    r"N[0-9a-f]+": "N...: the block that is executed where the region's assumptions do not hold",
    r"g": "g: which of the region's loops goes on",
    r"F": "F: functions of blocks by address, for targets in other pages and computed ones",
    r"call": "call: the instruction's semantics function, because it does not fold",
}


@dataclass(frozen=True)
class TranslatedInstruction:
    """One instruction of a block, and the lines of Python that do what it does."""

    address: int
    word: int
    text: str
    python: list[str]


@dataclass(kw_only=True)
class TranslationResult(Result):
    """A translated block or region: its instructions in the order of its text, and the source of its function. The
    lines of `before` are executed where a region is entered."""

    vm: int
    vcpu: int
    pc: int
    region: bool = False
    before: list[str] = field(default_factory=list)
    instructions: list[TranslatedInstruction] = field(default_factory=list)
    source: str = ""

    def blocks(self) -> list[Block]:
        rows: list[tuple[str, ...]] = [("", "", "", line) for line in self.before]
        for one, after in zip(self.instructions, [*self.instructions[1:], None], strict=True):
            jumps = after is not None and after.address != one.address + 4
            first, *more = one.python or ["# the block goes on at the target" if jumps else "# nothing to do"]
            rows.append((f"{one.address:#010x}", f"{one.word:08x}", one.text, first))
            rows += [("", "", "", line) for line in more]
        kind = "a hot region" if self.region else "a block"
        head = f"VM[{self.vm}] VCpu[{self.vcpu}]: {kind} of {len(self.instructions)} instructions at {self.pc:#x}"
        lines = [*self.before, *[line for one in self.instructions for line in one.python]]
        names = set(re.findall(r"\w+", "\n".join(lines)))
        legend = [f"  {text}" for key, text in LEGEND.items() if any(re.fullmatch(key, name) for name in names)]
        table = Table(("ADDRESS", "WORD", "INSTRUCTION", "PYTHON"), tuple(rows))
        return [Lines((head, "")), table, Lines(("", *legend))]


@command(
    "vm translate",
    "Show the Python that a block of guest code becomes",
    one_vm(),
    Argument("address", Address(), "Guest virtual address; by default the program counter", minimum=0),
    VCPU,
)
def translate_block(context: Context, vm: VmReference, address: int | None, cpu: int) -> Result:
    """Show translated code.

    The block translator reads the semantics of each instruction and leaves of them what these very
    instructions do. Where several blocks that are executed very often became one function, a region, that is
    shown; a block is translated for this command. Nothing of the VM changes.
    """
    found = the_vm(context, vm)
    vcpu = vcpu_of(found, cpu)
    pc = vcpu.cpu.pc if address is None else address
    block = translated(vcpu, pc)
    return TranslationResult(
        vm=found.id,
        vcpu=cpu,
        pc=pc,
        region=block.is_region,
        before=lines_before(block),
        instructions=instructions_of(block),
        source=dedent(block.source),
    )


def translated(vcpu: Any, pc: int) -> TranslatedBlock:
    """What is executed at a guest virtual address: the region, or the block, which is made anew. Raises AxError where
    there can be none."""
    from axlab.machine.translator.blocks import translate
    from axlab.machine.translator.library import instructions

    if pc % 4:
        raise AxError(f"no instruction is at {pc:#x}: instructions are at multiples of 4")
    frame = guest_memory.host_address(vcpu.cpu, pc) // PAGE * PAGE
    region = vcpu.cpu.translated and vcpu.cpu.translated.region_at(pc, frame // PAGE)
    if region:
        return region  # type: ignore[no-any-return]
    page = memoryview(vcpu.cpu.memory.read(frame, PAGE)).cast("I")
    block = translate(pc, instructions(vcpu.cpu, page))
    if block is None:
        text = instruction_at(vcpu, pc)[1]
        raise AxError(f"{text!r} at {pc:#x} is not translated: it is left to the stepper, which executes it by itself")
    return block


def lines_before(block: TranslatedBlock) -> list[str]:
    """The lines of a region that are executed where it is entered; a block has none."""
    lines = block.source.split("\n")[: block.lines[0] - 1]
    inside = [line for line in lines if not line.lstrip().startswith(("def ", "nonlocal "))]
    return dedent("\n".join(inside)).splitlines() if block.is_region else []


def instructions_of(block: TranslatedBlock) -> list[TranslatedInstruction]:
    """The instructions of a block with their share of its text."""
    from axlab.machine.isa.disassembler import disassemble

    body = block.source.rstrip("\n").split("\n")[:-1]  # the last line returns the function
    starts = [begin(body, line) for line in block.lines]
    shares = [body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True)]
    return [
        TranslatedInstruction(address, word, disassemble(word, address), dedent("\n".join(share)).splitlines())
        for address, word, share in zip(block.pcs, block.words, shares, strict=True)
    ]


def begin(body: list[str], line: int) -> int:
    """The index of the first line of an instruction: where a region's loop begins, the one that chooses it."""
    return line - 2 if body[line - 2].lstrip().startswith("elif g==") else line - 1

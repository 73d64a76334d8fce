"""`vm symbols`: the names of a guest's code, and a file that has more of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from axlab.errors import AxError
from axlab.shell.arguments import Address, FilePath, Text, VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Option, command
from axlab.shell.inspecting import the_vm
from axlab.shell.parts import one_vm, table_format
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result
from axlab.vmm.images import read_file
from axlab.vmm.symbols import Symbol, parse_symbols

SHOWN = 20


@dataclass(kw_only=True)
class SymbolsResult(Result):
    """How many symbols a VM has, how many of them were asked for, and the first of these."""

    vm: int
    count: int
    found: int
    symbols: list[Symbol] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        rows = tuple((f"{one.address:#018x}", str(one.size), one.name) for one in self.symbols)
        table: list[Block] = [Table(("ADDRESS", "SIZE", "NAME"), rows)] if rows else []
        more = self.found - len(rows)
        rest = [Lines((f"... and {more} more; --find TEXT chooses",))] if more else []
        counted = f"{self.count} symbol{'s' * (self.count != 1)} of VM[{self.vm}]"
        return [*table, *rest, *self.transcript, Lines((counted,))]


@command(
    "vm symbols",
    "Show the names of a guest's code, or add those of a file",
    one_vm(),
    Argument("file", FilePath("host"), "An ELF file, or a list such as System.map", minimum=0),
    Option("offset", Address(), "How far above its linked address the code runs", short="o", default=0),
    Option("find", Text(), "Only names that contain this", short="F"),
    table_format(),
)
def symbols(context: Context, vm: VmReference, file: str | None, offset: int, find: str | None, format: str) -> Result:
    """Show or add symbols.

    Symbols name what is at an address: in traces, in pictures, for breakpoints. The built-in guests and ELF images
    bring their own. A kernel's Image has none: name its System.map, or the vmlinux it was made from.
    """
    found = the_vm(context, vm)
    if file is not None:
        try:
            more = parse_symbols(read_file(context.shell.host_path(file)), file)
        except AxError as error:
            raise AxError(f"{file}: {error.message}") from None
        found.symbols = found.symbols.joined(more.moved(offset))
        context.say(f"✓ {len(more)} symbol{'s' * (len(more) != 1)} added to VM[{found.id}]")
    wanted = [] if file is not None and not find else [one for one in found.symbols if (find or "") in one.name]
    return SymbolsResult(
        vm=found.id,
        count=len(found.symbols),
        found=len(wanted),
        symbols=wanted[:SHOWN],
        format=format,
        transcript=context.transcript,
    )

"""`vm break` and `vm watch`: where virtual time is to stand still, and why it does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from axlab.errors import AxError
from axlab.machine.stops import Watch
from axlab.shell.arguments import FilterText, Number, Size, Text, VmReference
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Flag, Option, command
from axlab.shell.inspecting import the_vm, vcpu_of
from axlab.shell.parts import one_vm, table_format
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result
from axlab.vmm.stops import StopPoint

LARGEST = 16 << 20  # bytes that one watch covers: each page of it is looked at, so that more would be slow
WORD = 8
IF = re.compile(r"\bif\b")

ONCE = Flag("once", "Forget it when it has stopped", short="1")
IGNORE = Option("ignore", Number(0, 1_000_000_000, "N"), "Do not stop the first N times", short="i", default=0)
VCPU = Option("vcpu", Number(0, 255, "N"), "This vCPU only")
WHERE = Argument(
    "where", FilterText("FILTER"), "An address, a symbol or a filter, and perhaps: if FILTER", minimum=0, maximum=None
)
NUMBERS = Argument("numbers", Text("N"), "Numbers of stop points, or all", maximum=None)


@dataclass(frozen=True)
class StopRow:
    """A stop point: `kind` is break, watch, event or every (tried before every instruction)."""

    number: int
    vm: int | None
    kind: str
    what: str
    addresses: tuple[str, ...]
    hits: int
    ignore: int
    once: bool
    enabled: bool

    @property
    def cells(self) -> tuple[str, ...]:
        more = [f"ignores {self.ignore}"] if self.ignore else []
        more += ["once"] if self.once else []
        more += [] if self.enabled else ["off"]
        where = ", ".join(self.addresses[:3]) + (", ..." if len(self.addresses) > 3 else "")
        vm = "all" if self.vm is None else str(self.vm)
        return str(self.number), vm, self.kind, self.what, where, str(self.hits), ", ".join(more)


def stop_row(point: StopPoint) -> StopRow:
    kinds = {"watch": point.watches, "break": point.breakpoints, "event": point.events, "every": point.everywhere}
    ranges = [f"{watch.start:#x}..{watch.end - 1:#x}" for watch in point.watches]
    addresses = [f"{address:#x}" for address in sorted(point.breakpoints)]
    return StopRow(
        point.number,
        point.vm,
        "+".join(kind for kind, found in kinds.items() if found),
        point.text,
        (*ranges, *addresses),
        point.hits,
        point.ignore,
        point.once,
        point.enabled,
    )


@dataclass(kw_only=True)
class StopsResult(Result):
    """The stop points that people have set."""

    ROWS = "stops"
    stops: list[StopRow] = field(default_factory=list)

    def blocks(self) -> list[Block]:
        titles = ("NUMBER", "VM", "KIND", "STOPS AT", "ADDRESS", "HITS", "")
        table: list[Block] = [Table(titles, tuple(row.cells for row in self.stops))] if self.stops else []
        return [*self.transcript, *table] or [Lines(("No stop points; 'vm break' and 'vm watch' set them.",))]


@dataclass(kw_only=True)
class StopSetResult(Result):
    """A stop point that was set."""

    stop: StopRow


def listed(context: Context, vm: int | None, format: str = "table") -> Result:
    points = [point for point in context.hypervisor.stops.listed() if vm is None or point.vm in (None, vm)]
    return StopsResult(stops=[stop_row(point) for point in points], format=format, transcript=context.transcript)


def condition_of(context: Context, text: str, vm: Any) -> Any:
    """The filter behind an `if`. Raises AxError where it asks for events."""
    chosen = context.lab.filter(text, vm)
    if chosen.kinds:
        kinds = ", ".join(sorted(chosen.kinds))
        raise AxError(f"what stops at an address cannot ask for events ({kinds}); use 'vm break' with the filter alone")
    return chosen


def place_and_condition(text: str) -> tuple[str, str]:
    """`main if x0 == 3` in its two parts."""
    found = IF.search(text)
    return (text.strip(), "") if found is None else (text[: found.start()].strip(), text[found.end() :].strip())


def break_point(context: Context, text: str, vm: Any) -> StopPoint:
    """The stop point that a text asks for. Raises AxError."""
    place, condition = place_and_condition(text)
    address = context.lab.filter_address(place, vm)
    point = StopPoint(0, text, None if vm is None else vm.id)
    if address is not None:
        if address & 3:
            raise AxError(f"{address:#x} is no address of an instruction: those are multiples of 4")
        point.breakpoints = frozenset({address})
        point.condition = condition_of(context, condition, vm) if condition else None
        return point
    chosen = context.lab.filter(place if not condition else f"({place}) and ({condition})", vm)
    point.condition = chosen
    places = chosen.places
    ordinary = [one for one in places if not one.events]
    point.events = len(ordinary) < len(places)
    point.breakpoints = frozenset().union(*(one.breakpoints for one in ordinary if one.breakpoints is not None))
    point.everywhere = any(one.breakpoints is None for one in ordinary)
    point.after, point.before = min(one.after for one in places), max(one.before for one in places)
    return point


@command("vm break", "Stop where a guest reaches an address, or where a filter holds",
         one_vm(), WHERE, VCPU, IGNORE, ONCE)  # fmt: skip
def break_(context: Context, vm: VmReference, where: list[str], vcpu: int | None, ignore: int, once: bool) -> Result:
    """Set a breakpoint.

    WHERE is an address, a symbol, or a filter such as 'pc == main and x0 > 3', 'exit == mmio' or 'state changed';
    one with > in it needs quotes. Whatever runs the machine then stops there, before the instruction; 'vm run' goes on.
    """
    found = the_vm(context, vm)
    text = " ".join(where)
    if not text:
        return listed(context, found.id)
    return added(context, found, break_point(context, text, found), vcpu, ignore, once)


def added(context: Context, vm: Any, point: StopPoint, vcpu: int | None, ignore: int, once: bool) -> Result:
    """Set a stop point, and say so."""
    if vcpu is not None:
        point.vcpu = vcpu_of(vm, vcpu).id
    point.ignore, point.once = ignore, once
    context.hypervisor.stops.add(context.hypervisor, point)
    context.say(f"✓ stop {point.number} set: VM[{vm.id}] {described(vm, point)}")
    if point.everywhere:
        context.say("  Note: it names no address, so that every instruction is looked at, which is slow")
    return StopSetResult(stop=stop_row(point), transcript=context.transcript)


def described(vm: Any, point: StopPoint) -> str:
    """Where it stops, in words."""
    if point.watches:
        watch = point.watches[0]
        kind = {"r": "read", "w": "write", "rw": "access"}[watch.access]
        symbol = vm.symbols.name(watch.start)
        return f"behind a {kind} of {watch.start:#x}..{watch.end - 1:#x}{f' ({symbol})' if symbol else ''}"
    parts = []
    if len(point.breakpoints) == 1:
        (address,) = point.breakpoints
        symbol = vm.symbols.name(address)
        parts.append(f"before {address:#x}{f' ({symbol})' if symbol else ''}")
    elif point.breakpoints:
        parts.append(f"before any of {len(point.breakpoints)} instructions")
    parts += ["at events"] if point.events else []
    parts += ["before any instruction"] if point.everywhere else []
    condition = getattr(point.condition, "text", "")
    return " or ".join(parts) + (f" where {condition} holds" if condition else "")


@command("vm break list", "List stop points", table_format())
def list_(context: Context, format: str) -> Result:
    """List breakpoints and watches, with their numbers, and how often each was hit."""
    return listed(context, None, format)


def chosen(context: Context, numbers: list[str]) -> list[StopPoint]:
    """The stop points of these numbers, or all. Raises AxError."""
    stops = context.hypervisor.stops
    if numbers == ["all"]:
        return list(stops.listed())
    wrong = next((one for one in numbers if not one.isdecimal() or len(one) > 9), None)
    if wrong is not None:
        raise AxError(f"{wrong!r} is no number of a stop point; 'vm break list' shows them")
    return [stops.find(int(one)) for one in numbers]


@command("vm break delete", "Forget stop points", NUMBERS)
def delete(context: Context, numbers: list[str]) -> Result:
    points = chosen(context, numbers)
    context.hypervisor.stops.remove(context.hypervisor, *[point.number for point in points])
    context.say(f"✓ {len(points)} stop point{'s' * (len(points) != 1)} deleted")
    return listed(context, None)


def switch(context: Context, numbers: list[str], enabled: bool) -> Result:
    for point in chosen(context, numbers):
        point.enabled = enabled
    context.hypervisor.stops.apply(context.hypervisor)
    return listed(context, None)


@command("vm break enable", "Let stop points stop again", NUMBERS)
def enable(context: Context, numbers: list[str]) -> Result:
    return switch(context, numbers, True)


@command("vm break disable", "Keep stop points, but let them stop nobody", NUMBERS)
def disable(context: Context, numbers: list[str]) -> Result:
    return switch(context, numbers, False)


@command(
    "vm watch",
    "Stop behind an access to memory",
    one_vm(),
    Argument("where", FilterText("RANGE"), "ADDRESS, ADDRESS..END or a symbol, and perhaps: if FILTER", maximum=None),
    Option("size", Size(LARGEST), "How many bytes (an address: 8; a symbol: its own)"),
    VCPU,
    IGNORE,
    Flag("read", "Behind reads", short="r"),
    Flag("write", "Behind writes (what is watched for without either)", short="w"),
    ONCE,
)
def watch(
    context: Context,
    vm: VmReference,
    where: list[str],
    size: int | None,
    vcpu: int | None,
    ignore: int,
    read: bool,
    write: bool,
    once: bool,
) -> Result:
    """Watch guest memory.

    The vCPU stops behind the instruction that accessed it; what was there and what is there is shown. A filter may
    ask for `value`, `was`, `address`, `width` and `write`. Addresses are virtual ones; what the hypervisor writes is
    not seen.
    """
    found = the_vm(context, vm)
    text = " ".join(where)
    place, condition = place_and_condition(text)
    start, length = watched_range(context, place, found, size)
    point = StopPoint(0, text, found.id)
    access = ("r" if read else "") + ("w" if write or not read else "")
    point.watches = (Watch(start, start + length, access),)
    point.condition = condition_of(context, condition, found) if condition else None
    return added(context, found, point, vcpu, ignore, once)


def watched_range(context: Context, text: str, vm: Any, size: int | None) -> tuple[int, int]:
    """Where a range begins, and its bytes. Raises AxError."""
    low, dots, high = text.partition("..")
    start = fixed_address(context, low, vm)
    if dots:
        last = fixed_address(context, high, vm)
        if last < start:
            raise AxError(f"the range {text} ends before it begins")
        size = last - start + 1
    if size is None:
        symbol = vm.symbols.at(start) if vm.symbols.address_of(text) == start else None
        size = symbol.size if symbol is not None and symbol.size else WORD
    if size > LARGEST:
        raise AxError(f"{size:#x} bytes are too many to watch; {LARGEST:#x} are allowed")
    return start, size


def fixed_address(context: Context, text: str, vm: Any) -> int:
    address = context.lab.filter_address(text, vm)
    if address is None:
        raise AxError(f"{text} is a condition; an address is wanted, such as 0x40080000 or a symbol")
    return int(address)

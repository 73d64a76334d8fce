"""The filter language: one text for stops of a lab (registers, memory, events) and for rows of a trace (columns).

>>> chosen = Filter("exit == mmio and gpa in 0x9000000..0x9000fff")
>>> chosen.rows(lab.trace.recorder.table("exits"))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from axlab.errors import AxError
from axlab.events import Console, Event
from axlab.trace import filter_tree as tree
from axlab.trace.columns import DESCRIBED, ROWS, kind_of
from axlab.trace.filter_check import check
from axlab.trace.filter_code import live_code, row_code
from axlab.trace.filter_names import ACCESS, EVERYWHERE, Scope

if TYPE_CHECKING:
    from axlab.trace.table import Table

M64 = (1 << 64) - 1
FOREVER = 1 << 63  # ns
MOST_ADDRESSES = 4096  # breakpoints that one filter sets; more, and every instruction is looked at


class Moment(Protocol):
    """What a filter is asked about on a lab: `axlab.vmm.stops.Situation`."""

    event: Event | None
    hit: Any

    @property
    def time(self) -> int: ...

    def where(self, name: str) -> int:
        """vm, vcpu or pc. Raises LookupError where there is none."""

    def register(self, name: str) -> int:
        """A register of the vCPU. Raises LookupError."""

    def memory(self, address: int, size: int) -> int:
        """Memory at a guest virtual address. Raises LookupError."""

    def console_line(self) -> str:
        """The last line of the VM's console, as far as it is printed."""


class Facts:
    """What the code of a filter asks, of one moment of a lab."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.register = moment.register
        self.memory = moment.memory
        self.kind = "" if moment.event is None else kind_of(type(moment.event))

    def happened(self, kinds: tuple[str, ...]) -> bool:
        """Whether the moment is an event of one of these kinds."""
        return self.kind in kinds

    def column(self, column: str, kinds: tuple[str, ...], guard: tuple[str, ...]) -> Any:
        """A column of the event or access. Raises LookupError where it has none of that name."""
        moment = self.moment
        if moment.event is None:
            return self._standing(column, kinds)
        if self.kind not in kinds:
            if column in EVERYWHERE:
                return moment.time if column == "time" else moment.where(column)
            raise LookupError(column)
        if guard and getattr(moment.event, "reason", guard[0]) not in guard:
            raise LookupError(column)
        if isinstance(moment.event, Console) and column == "data":
            return moment.console_line()
        found = getattr(moment.event, column)
        return unsigned(found) if DESCRIBED[column].form == "signed" else found

    def _standing(self, column: str, kinds: tuple[str, ...]) -> Any:
        moment = self.moment
        if column == "time":
            return moment.time
        if column in EVERYWHERE:
            return moment.where(column)
        if moment.hit is None or moment.hit.kind == "break" or ACCESS not in kinds:
            raise LookupError(column)
        if column == "is_write":
            return moment.hit.kind == "write"
        found = getattr(moment.hit, {"width": "size"}.get(column, column))
        if found is None:
            raise LookupError(column)
        return found


class Filter:
    """A checked filter. Raises `AxError`, with a caret, for a text that is none."""

    def __init__(self, text: str, scope: Scope | None = None) -> None:
        self.text = text.strip()
        self.tree = check(self.text, scope or Scope())
        self._live: Callable[[Facts], bool] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Filter:
        """Itself: a filter never changes."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {"text": self.text, "tree": self.tree, "_live": None}

    def __repr__(self) -> str:
        return f"Filter({self.text!r})"

    # On a lab

    def holds(self, moment: Moment) -> bool:
        """Whether it holds at a moment of a lab."""
        if self._live is None:
            self._live = live_code(self.tree)
        return self._live(Facts(moment))

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of events that it can only be asked about when one happens."""
        return frozenset().union(*(_kinds(part) for part in tree.everything(self.tree)))

    @property
    def places(self) -> list[Place]:
        """Where on a lab it has to be asked: one place for each alternative."""
        return [_place(part) for part in _alternatives(self.tree)]

    # On a trace

    def rows(self, table: Table) -> list[int]:
        """The numbers of the rows of a table for which it holds. Raises `AxError` where it asks for registers."""
        for part in tree.everything(self.tree):
            if isinstance(part, tree.Register | tree.MemoryAt):
                what = part.name if isinstance(part, tree.Register) else "memory"
                raise AxError(f"a recorded trace has no registers and no memory; the filter asks for {what}")
        columns = [column.name for column in table.columns]
        select, used = row_code(self.tree, kind_of(table.event_type), columns)
        stores = table.stored()
        return select(*[_values(table, stores, name) for name in used])


class Place:
    """Where an alternative of a filter has to be asked.

    With `events` at events, else before the instructions at `breakpoints`, else (None) before every one; only
    from `after` to before `before` ns of virtual time; only of the VM and vCPU with these ids, if any.
    """

    def __init__(
        self,
        events: bool,
        breakpoints: frozenset[int] | None,
        after: int,
        before: int,
        vm: int | None,
        vcpu: int | None,
    ) -> None:
        self.events = events
        self.breakpoints = breakpoints
        self.after = after
        self.before = before
        self.vm = vm
        self.vcpu = vcpu


def _alternatives(node: tree.Test) -> tuple[tree.Test, ...]:
    return node.tests if isinstance(node, tree.Some) else (node,)


def _place(node: tree.Test) -> Place:
    kinds = [_kinds(part) for part in tree.everything(node)]
    windows = [_window(test) for test in _all(node)]
    after, before = max(first for first, _ in windows), min(end for _, end in windows)
    return Place(any(kinds), _addresses(node), after, before, _equal(node, "vm"), _equal(node, "vcpu"))


def _kinds(node: Any) -> frozenset[str]:
    """The kinds of events that a node alone is about."""
    if isinstance(node, tree.Happened):
        return frozenset(node.kinds)
    if isinstance(node, tree.Field) and node.name.name not in EVERYWHERE and ACCESS not in node.name.kinds:
        return frozenset(node.name.kinds)
    return frozenset()


def _all(node: tree.Test) -> list[tree.Test]:
    """The tests that must all hold."""
    return [one for test in node.tests for one in _all(test)] if isinstance(node, tree.All) else [node]


def _is(node: Any, name: str) -> bool:
    return isinstance(node, tree.Field) and node.name.name == name


def _equal(node: tree.Test, name: str) -> int | None:
    """The number that a column has to have."""
    for test in _all(node):
        if isinstance(test, tree.Compare) and test.operator == "==":
            for one, other in ((test.left, test.right), (test.right, test.left)):
                if _is(one, name) and isinstance(other, tree.Constant) and isinstance(other.value, int):
                    return other.value
    return None


MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def _window(test: tree.Test) -> tuple[int, int]:
    """From which time in ns on a test can hold, and from which on it cannot any more."""
    match test:
        case tree.Compare(operator, left, tree.Constant(int(ns))) if _is(left, "time"):
            return _window_of(operator, ns)
        case tree.Compare(operator, tree.Constant(int(ns)), right) if _is(right, "time"):
            return _window_of(MIRRORED[operator], ns)
        case tree.Between(inner, tree.Constant(int(low)), tree.Constant(int(high)), False) if _is(inner, "time"):
            return low, high + 1
    return 0, FOREVER


def _window_of(operator: str, ns: int) -> tuple[int, int]:
    """The window of `time OPERATOR ns`."""
    first = {">": ns, ">=": ns, "==": ns}
    end = {"<": ns, "<=": ns + 1, "==": ns + 1}
    return first.get(operator, 0), end.get(operator, FOREVER)


def _addresses(node: tree.Test) -> frozenset[int] | None:
    """The addresses at one of which pc has to be for a test to hold; None where that cannot be told."""
    match node:
        case tree.All(tests):
            found = [addresses for test in tests if (addresses := _addresses(test)) is not None]
            return min(found, key=len) if found else None
        case tree.Some(tests):
            each = [_addresses(test) for test in tests]
            return None if None in each else frozenset().union(*(one for one in each if one is not None))
        case tree.Compare("==", left, tree.Constant(int(address))) if _is(left, "pc"):
            return frozenset({address})
        case tree.Compare("==", tree.Constant(int(address)), right) if _is(right, "pc"):
            return frozenset({address})
        case tree.OneOf(inner, choices, False) if _is(inner, "pc"):
            constants = [one.value for one in choices if isinstance(one, tree.Constant) and isinstance(one.value, int)]
            return frozenset(constants) if len(constants) == len(choices) else None
        case tree.Between(inner, tree.Constant(int(low)), tree.Constant(int(high)), False) if _is(inner, "pc"):
            first = -(-low // 4) * 4
            return frozenset(range(first, high + 1, 4)) if high - first <= 4 * MOST_ADDRESSES else None
    return None


def _values(table: Table, stores: Any, name: str) -> Any:
    """The values of a column as events have them; of the console, the line as far as it is printed."""
    column = next(column for column in table.columns if column.name == name)
    if table.event_type is Console and name == "data":
        return _lines(table)
    rows = stores[name].rows()
    return map(bool, rows) if column.form == "flag" else map(unsigned, rows) if column.form == "signed" else rows


def unsigned(value: int) -> int:
    """A result as the register holds it, for numbers of filters are unsigned: -1 is 2**64 - 1."""
    return value & M64


def _lines(table: Table) -> list[str]:
    """For each row of the console, the line that it adds to."""
    lines: dict[tuple[int, str], bytes] = {}
    found = []
    for _, vm, data, direction in table.rows():
        before = lines.get((vm, direction), b"")
        line = last_line(before + data if not before.endswith(b"\n") else data)
        lines[vm, direction] = line
        found.append(line.decode("utf-8", "replace"))
    return found


def last_line(data: bytes) -> bytes:
    """The last line of a text, its newline included if it has one."""
    return data[data.rfind(b"\n", 0, max(0, len(data) - 1)) + 1 :]


def kinds_of(chosen: Filter) -> list[str]:
    """The kinds of rows that a filter can choose from: those for which every column of one alternative is there."""
    found = []
    for kind in ROWS:
        if any(_can_choose(test, kind) for test in _alternatives(chosen.tree)):
            found.append(kind)
    return found


def _can_choose(test: tree.Test, kind: str) -> bool:
    for part in tree.everything(test):
        if isinstance(part, tree.Field) and kind not in part.name.kinds:
            return False
        if isinstance(part, tree.Happened) and not part.negated and kind not in part.kinds:
            return False
    return True

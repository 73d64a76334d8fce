"""The filter language: what a text means on the rows of a trace, and what is said of a wrong one."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axlab import events
from axlab.errors import AxError
from axlab.lab import Lab
from axlab.trace.columns import ROWS, columns_of
from axlab.trace.filter import Filter, kinds_of
from axlab.trace.filter_check import address
from axlab.trace.filter_names import EXITS, VCPU_STATES, VM_STATES, Scope, known_names, reference
from axlab.trace.recorder import Recorder
from axlab.vmm import exits, psci, register_values
from axlab.vmm.lifecycle import VmStatus
from axlab.vmm.symbols import Symbol, labels, symbols_of
from axlab.vmm.vcpu import VcpuStatus

SYMBOLS = symbols_of([Symbol("main", 0x1000, 0x40), Symbol("text", 0x1040), Symbol("counter", 0x2000, 8)])
SCOPE = Scope(register_values.names(), (SYMBOLS,), {"demo": 0, "other": 1})

EVENTS: list[events.Event] = [
    events.VmState(0, 0, "Loaded", "Running"),
    events.Exit(1_000_000, 0, 0, 0, "MmioWrite", 0x1000, address=0x900_0000, width=4, value=65, cost=3000),
    events.Exit(2_000_000, 0, 1, 0, "MmioRead", 0x1004, address=0xA00_0000, width=1, cost=2000),
    events.Exit(3_000_000, 1, 1, 1, "SysRegRead", 0x1008, address=0x900_0000, width=8),
    events.Exit(4_000_000, 1, 1, 1, "Halt", 0x100C),
    events.Hypercall(5_000_000, 0, 0, 3, (1, 2), 0),
    events.Hypercall(6_000_000, 0, 0, 4, (), 0),
    events.Mmio(7_000_000, 0, 0, 0x900_0000, 4, 65, True, "Uart"),
    events.Interrupt(8_000_000, 1, 0, 27, "taken"),
    events.Console(9_000_000, 0, b"log"),
    events.Console(9_000_000, 1, b"other\n"),
    events.Console(9_000_000, 0, b"in: "),
    events.Console(9_500_000, 0, b"\nnext"),
    events.VmState(10_000_000, 0, "Running", "Failed", "broken"),
]


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    made = Recorder()
    for event in EVENTS:
        made(event)
    return made


def chosen(recorder: Recorder, text: str, kind: str) -> list[int]:
    return Filter(text, Scope((), (SYMBOLS,), {"demo": 0})).rows(recorder.table(kind))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kind", "rows"),
    [
        ("exit == mmio", "exits", [0, 1]),
        ("exit == MmioWrite", "exits", [0]),
        ("exit == mmio_write", "exits", [0]),
        ("reason == mmio", "exits", [0, 1]),
        ("exit != mmio", "exits", [2, 3]),
        ("not exit == mmio", "exits", [2, 3]),
        ("exit in {wfi, sysreg}", "exits", [2, 3]),
        ("exit(wfi)", "exits", [3]),
        ("exit", "exits", [0, 1, 2, 3]),
        ("exit == mmio and gpa in 0x9000000..0x9000fff and vm == 0", "exits", [0]),
        ("gpa == 0x9000000", "exits", [0]),
        ("address == 0x9000000", "exits", [0, 2]),
        ("gpa not in 0x9000000..0x9000fff", "exits", [1]),
        ("vm == demo", "exits", [0]),
        ("pc == main", "exits", [0]),
        ("pc in main", "exits", [0, 1, 2, 3]),
        ("pc in {main, main + 8}", "exits", [0, 2]),
        ("pc == \"main\" or pc == 0x100c", "exits", [0, 3]),
        ("pc & 0xf == 4 + 4", "exits", [2]),
        ("cost > 2us", "exits", [0]),
        ("cost >= 2us and time < 1.5ms", "exits", [0]),
        ("time in 2ms..3ms", "exits", [1, 2]),
        ("not (vm == 0 or vcpu == 1)", "exits", [1]),
        ("hypercall(3)", "hypercalls", [0]),
        ("hypercall > 3", "hypercalls", [1]),
        ("hypercall(3)", "exits", []),
        ("not hypercall(3)", "exits", []),
        ("not hypercall", "exits", [0, 1, 2, 3]),
        ("exit == wfi or hypercall(4)", "hypercalls", [1]),
        ("state changed", "vm_states", [0, 1]),
        ("state == failed", "vm_states", [1]),
        ("new != failed", "vm_states", [0]),
        ("write and gpa == 0x9000000", "mmio", [0]),
        ("not write", "mmio", []),
        ("device == uart", "mmio", [0]),
        ("mmio(uart) and gpa == 0x9000000", "mmio", [0]),
        ("intid == 27 and interrupt == taken", "interrupts", [0]),
        ("console contains \"login: \"", "console", [2]),
        ("console contains \"login: \" or console == 'next'", "console", [2, 3]),
        ("console contains \"in: \"", "console", [2]),
        ("console == 'other\\n'", "console", [1]),
        ("value - 66 == -1", "exits", [0]),
        ("value << 64 == 0 and value >> 1 == 32", "exits", [0]),
    ],
)  # fmt: skip
def test_a_filter_chooses_rows(recorder: Recorder, text: str, kind: str, rows: list[int]) -> None:
    assert chosen(recorder, text, kind) == rows


WRONG = [
    ("exit = mmio", "a single = means nothing here; write == to compare", 5, 1),
    ("exxit == mmio", "there is no column, register or symbol exxit; did you mean exit?", 0, 5),
    ("exit == mmoi", "exit is never mmoi; did you mean mmio?", 8, 4),
    ("x99 == 1", "there is no column, register or symbol x99; did you mean x9?", 0, 3),
    ("x0 > 10ms", "x0 is a number, 10ms is a time: they cannot be compared", 5, 4),
    ("time > 5", "5 has no unit; write 5ns, 5us, ...", 7, 1),
    ("x0", "x0 is a number; a condition is wanted here, such as x0 == ...", 0, 2),
    ("pc == mian", "there is no column, register or symbol mian; did you mean main?", 6, 4),
    ("exit < mmio", "words are equal or not; < orders nothing", 5, 1),
    ("(x0 == 1", "the filter ends too early: ) is missing", 8, 1),
    ("x0 == 1 x1", "'x1' is not expected here: an operator, and, or could stand here", 8, 2),
    ("x0 ==", "the filter ends too early: a name, a number or a text is missing", 5, 1),
    ("x0 == 'abc", "this text has no end: a quote is missing", 6, 4),
    ("12ab == 3", "12ab is neither a number nor a duration; write 16, 0x10, 10ms", 0, 4),
    ("x0 == 0x", "0x is neither a number nor a duration; write 16, 0x10, 10ms", 6, 2),
    ("x0 in 5..3", "the range 5..3 ends before it begins", 9, 1),
    ("pc in mani", "after in comes a range a..b, a set {a, b}, or a function; mani is none; did you mean main?", 6, 4),
    ("[x0]:3 == 1", "memory is read in 1, 2, 4 or 8 bytes", 5, 1),
    ("0x1ffffffffffffffff == x0", "0x1ffffffffffffffff has more than 64 bits", 0, 19),
    ("console contains 3", "contains compares texts; 3 is a number", 17, 1),
    ("foo(3)", "foo takes nothing in brackets", 0, 3),
    ("state == exit", "state is compared with a word, not with the column exit", 9, 4),
    ("exit == 3", "exit is a word, 3 is a number: they cannot be compared", 8, 1),
    ("x0 changed", "only state and vcpu_state tell that they change; to see memory change use 'vm watch'", 0, 2),
    ("time + 3 > 4ms", "3 is no time; write one with its unit, such as 10ms", 7, 1),
    ("x0 + exit == 4", "exit is a word; a number is wanted here", 5, 4),
    ("result < 0", "nothing is below 0: numbers are unsigned; a negative one is result >= 1 << 63", 9, 1),
    ("0 > x0", "nothing is below 0: numbers are unsigned; a negative one is x0 >= 1 << 63", 0, 1),
    ("x0 + (x1 == 2) == 4", "x1 == 2 is a condition; a value is wanted here", 6, 7),
    ("x0 == #", "'#' means nothing here", 6, 1),
    ("not " * 70 + "x0 == 1", "the filter is nested too deeply", 240, 47),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "column", "length"), WRONG, ids=[one[0][:20] for one in WRONG])
def test_a_wrong_filter_is_explained_with_a_caret(text: str, message: str, column: int, length: int) -> None:
    with pytest.raises(AxError) as caught:
        Filter(text, SCOPE)
    error = caught.value
    assert error.message == message
    assert (error.text, error.column, error.length) == (text, column, length)


def test_an_empty_filter_and_one_without_end_are_refused() -> None:
    long = "x0 == 1 or " * 300 + "x0 == 2"
    for text, message in ((" ", "the filter is empty"), (long, "has 3307 characters; 2000 are allowed")):
        with pytest.raises(AxError, match=message):
            Filter(text, SCOPE)


def test_a_recorded_trace_has_no_registers(recorder: Recorder) -> None:
    with pytest.raises(AxError, match=r"x0 is a register, and a recorded trace has none"):
        Filter("x0 == 1", Scope())
    with pytest.raises(AxError, match=r"a recorded trace has no registers and no memory; the filter asks for x0"):
        Filter("x0 == 1", SCOPE).rows(recorder.table("exits"))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("pc == main and x0 > 3", [(False, {0x1000}, 0, None)]),
        ("0x1004 == pc", [(False, {0x1004}, 0, None)]),
        ("pc in {main, counter} and pc in 0x1000..0x100f", [(False, {0x1000, 0x2000}, 0, None)]),
        ("pc in 0x1001..0x1009", [(False, {0x1004, 0x1008}, 0, None)]),
        ("pc != main", [(False, None, 0, None)]),
        ("pc in 0..0xffffffff", [(False, None, 0, None)]),
        ("x0 == 1 and time > 3ms and vm == other", [(False, None, 3_000_000, 1)]),
        ("pc == main or hypercall(3) and vm == 0", [(False, {0x1000}, 0, None), (True, None, 0, 0)]),
        ("not (x0 == 1 or pc != main)", [(False, {0x1000}, 0, None)]),
        ("exit == mmio and pc == main", [(True, {0x1000}, 0, None)]),
        ("value == 3 and write", [(False, None, 0, None)]),
    ],
)
def test_a_filter_knows_where_it_has_to_be_asked(text: str, places: list[Any]) -> None:
    found = [(place.events, place.breakpoints, place.after, place.vm) for place in Filter(text, SCOPE).places]
    assert found == places


@pytest.mark.parametrize(
    ("text", "found"),
    [("main", 0x1000), ("main + 0x10", 0x1010), ("0x4000", 0x4000), ("text", 0x1040), ("x0 > 3", None), ("exit", None)],
)
def test_an_address_is_told_from_a_condition(text: str, found: int | None) -> None:
    assert address(text, SCOPE) == found


def test_a_register_alone_is_no_address() -> None:
    with pytest.raises(AxError, match=r"x0 is no fixed address; a condition is wanted, such as pc == main"):
        address("x0", SCOPE)


def test_a_filter_says_of_which_kinds_its_rows_are() -> None:
    assert kinds_of(Filter("exit == mmio", SCOPE)) == ["exits"]
    assert kinds_of(Filter("gpa == 3", SCOPE)) == ["exits", "mmio"]
    assert kinds_of(Filter("hypercall(3) or state changed", SCOPE)) == ["vm_states", "hypercalls"]


def test_a_filter_survives_a_copy_and_is_data() -> None:
    one = Filter("exit == mmio", SCOPE)
    assert copy.deepcopy(one) is one
    assert pickle.loads(pickle.dumps(one)).tree == one.tree


def test_the_words_of_the_language_are_those_of_the_machine() -> None:
    assert set(EXITS) == {kind.__name__ for kind in exits.COSTS}
    assert VM_STATES == tuple(str(state) for state in VmStatus)
    assert set(VCPU_STATES) <= {str(state) for state in VcpuStatus}
    assert set(psci.NAMES.values()) >= {"CPU_ON", "SYSTEM_OFF"}


def test_every_documented_column_with_a_simple_value_can_be_named() -> None:
    names = known_names()
    columns = {column.name: column for kind in ROWS for column in columns_of(ROWS[kind])}
    assert {name for name in columns if name not in names} == {"args"}, "a tuple"
    assert all(name.meaning for name in names.values())


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    "exit x0 mmio == != < in .. { } ( ) [ ] : and or not 3 0x10 10ms 'a' + - * & | ^ << ~ contains changed , pc vm"
    .split()), max_size=25).map(" ".join))  # fmt: skip
def test_any_text_is_a_filter_or_an_error_with_a_place_in_it(text: str) -> None:
    try:
        made = Filter(text, SCOPE)
    except AxError as error:
        assert error.message and "Traceback" not in error.message
        assert not error.text or 0 <= error.column <= len(text)
        return
    recorder = Recorder()
    for event in EVENTS:
        recorder(event)
    registers = "x0" in text or "[" in text
    for kind in ("exits", "mmio", "console", "hypercalls"):
        try:
            rows = made.rows(recorder.table(kind))
        except AxError:
            assert registers
        else:
            assert all(0 <= row < len(recorder.table(kind)) for row in rows)


CONDITIONS = st.recursive(
    st.sampled_from(["exit == mmio", "vm == 0", "pc in main", "cost > 2us", "gpa == 0x9000000", "value in {65, 3}"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} and {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} or {two[1]})"),
        inner.map(lambda one: f"not {one}"),
    ),
    max_leaves=6,
)


@given(CONDITIONS, CONDITIONS)
def test_and_or_and_not_are_those_of_logic(one: str, other: str) -> None:
    recorder = Recorder()
    for event in EVENTS:
        recorder(event)
    a, b = (set(chosen(recorder, text, "exits")) for text in (one, other))
    assert set(chosen(recorder, f"{one} and {other}", "exits")) == a & b
    assert set(chosen(recorder, f"{one} or {other}", "exits")) == a | b
    assert set(chosen(recorder, f"not not ({one})", "exits")) == a
    assert chosen(recorder, f"not ({one} and {other})", "exits") == chosen(
        recorder, f"not ({one}) or not ({other})", "exits"
    )


def test_a_column_that_is_not_there_decides_nothing() -> None:
    lab = Lab()
    assert chosen(lab.trace.recorder, "not intid == 3", "exits") == []


def test_the_names_in_docs_are_those_of_the_language() -> None:
    page = (Path(__file__).parent.parent / "docs" / "filter.md").read_text(encoding="utf-8")
    assert page.endswith(reference()), "write the table of docs/filter.md anew: it is filter_names.reference()"


@pytest.mark.parametrize("text", ["sysreg", "psci", "wfi", "ipi", "irq", "page_fault", "cpu_on", "off", "hypercall"])
def test_every_word_of_the_page_is_an_exit(text: str) -> None:
    assert Filter(f"exit == {text}", SCOPE).kinds == {"exits"}


def test_labels_of_the_assembler_reach_to_the_next() -> None:
    table = labels({"first": 0x1000, "second": 0x1010})
    assert table.extent("first") == range(0x1000, 0x1010)
    assert table.extent("second") == range(0x1010, 0x2000)
    assert table.extent("third") is None

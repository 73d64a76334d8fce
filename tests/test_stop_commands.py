"""`vm break`, `vm watch`, `vm run --until`: what is said when time stands still, and of what is wrong."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from shell_labs import lab_with, said
from small_guests import ENTRY, SPINS, hvc

from axlab.errors import AxError
from axlab.events import Event
from axlab.lab import Lab
from axlab.shell.results import Result
from axlab.vmm.symbols import Symbol, symbols_of

COUNTER = 0x4020_0000
COUNTS = """
    ldr x1, =0x40200000
again:
    ldr x2, [x1]
    add x2, x2, #1
    str x2, [x1]
    b again"""
CALLS = "    mov x0, #0\n" + hvc(3) + hvc(4) + "    ldr w0, =0x84000008\n    hvc #0\n    b ."
PRINTS = """
    ldr x1, =0x09000000
    mov w2, #'o'
    str w2, [x1]
    mov w2, #'k'
    str w2, [x1]
    mov w2, #'\\n'
    str w2, [x1]
1:  b 1b"""


@pytest.fixture
def lab() -> Lab:
    """A VM that counts in memory, with symbols, started."""
    lab = lab_with(COUNTS)
    lab.vm(0).symbols = symbols_of([Symbol("main", ENTRY, 0x14), Symbol("counter", COUNTER, 8)])
    lab.shell("vm start 0 -d")
    return lab


def last(result: Result) -> list[str]:
    """What was said last: of the stop."""
    lines = said(result)
    return lines[next(at for at, line in enumerate(lines) if line.startswith("●")) :]


def test_a_breakpoint_at_a_symbol_stops_whatever_runs_the_machine(lab: Lab) -> None:
    assert said(lab.shell("vm break 0 main+8")) == ["✓ stop 1 set: VM[0] before 0x40080008 (main+0x8)"]
    result = lab.shell("vm run")
    assert last(result) == [
        "● stop 1 (main+8): VM[0] VCpu[0] at 200 ns",
        "  next  0x40080008 main+0x8: add x2, x2, #0x1",
    ]
    assert result.ok and result.json()["why"] == "break"
    assert result.json()["stopped"]["pc"] == 0x4008_0008
    assert lab.run("1ms") == "break"
    assert last(lab.shell("vm step 0 100"))[0] == "● stop 1 (main+8): VM[0] VCpu[0] at 1 us"
    assert "● stop 1" in lab.shell("vm suspend 0").text(), "also a command that waits says so"


def test_a_condition_behind_if_is_asked_at_the_breakpoint(lab: Lab) -> None:
    lab.shell("vm break 0 main+8 if x2 == 7")
    lab.shell("vm run")
    assert lab.vm(0).vcpus[0].cpu.x[2] == 7
    lab.shell("vm break delete all")
    assert "set: VM[0] before any instruction where" not in lab.shell("vm break 0 'main + 8 if x2 > 90'").text()
    lab.shell("vm run")
    assert lab.vm(0).vcpus[0].cpu.x[2] == 91


def test_a_watch_says_who_changed_what(lab: Lab) -> None:
    assert said(lab.shell("vm watch 0 counter if value == 3")) == [
        "✓ stop 1 set: VM[0] behind a write of 0x40200000..0x40200007 (counter)"
    ]
    assert last(lab.shell("vm run")) == [
        "● stop 1 (counter if value == 3): VM[0] VCpu[0] at 1.2 us",
        "  wrote 8 bytes at 0x40200000 (counter): 2 -> 3",
        "  by    0x4008000c main+0xc: str x2, [x1]",
        "  next  0x40080010 main+0x10: b 0x40080004",
    ]


def test_a_watch_for_reads_of_a_range(lab: Lab) -> None:
    lab.shell("vm watch 0 0x40200004..0x40200004 --read")
    assert last(lab.shell("vm run"))[1] == "  read 8 bytes at 0x40200000 (counter): 0"


def test_a_filter_over_registers_and_time_stops_without_an_address(lab: Lab) -> None:
    result = lab.shell("vm break 0 'x2 > 40 and time > 10us' --once")
    assert said(result)[1] == "  Note: it names no address, so that every instruction is looked at, which is slow"
    lab.shell("vm run")
    assert lab.vm(0).vcpus[0].cpu.x[2] == 41
    assert said(lab.shell("vm break list")) == ["No stop points; 'vm break' and 'vm watch' set them."]


def test_memory_can_be_asked_for(lab: Lab) -> None:
    lab.shell("vm break 0 'pc == main+8 and [counter]:4 == 9 and [x1 + 0]:1 in 9..9'")
    lab.shell("vm run")
    assert lab.vm(0).vcpus[0].cpu.x[2] == 9
    lab.shell("vm break delete 1; vm break 0 main+8 if [0]:8 == 0 or [0x9000000]:4 == 0")
    assert lab.run("20us") == "time", "nothing is mapped there, or a device, which nobody reads"


def test_events_stop_too() -> None:
    lab = lab_with(CALLS)
    lab.shell("vm break 0 'hypercall > 3 or exit == off'")
    result = lab.shell("vm start 0")
    assert last(result)[1] == "  Hypercall: number 4, args (0, 0, 0, 0, 0, 0), result -1"
    assert last(lab.shell("vm run"))[1] == "  Exit: reason SystemDown, esr 0x5a000000, cost 0x1388"


def test_a_result_is_compared_as_the_register_that_it_is_in_at_an_event_and_in_a_trace() -> None:
    lab = lab_with(CALLS)
    lab.shell("vm break 0 'result == -1'")
    assert last(lab.shell("vm start 0"))[1].endswith("result -1")
    rows = lab.trace.frame("hypercalls")
    assert lab.trace.select(where="result == -1").frame("hypercalls")["result"].tolist() == [-1]
    assert lab.trace.select(where="result >= 1 << 63").frame("hypercalls").equals(rows[rows["result"] < 0])


def test_the_line_of_the_console_can_be_waited_for() -> None:
    lab = lab_with(PRINTS)
    lab.shell("vm start 0 -d")
    result = lab.shell("vm run --for 1ms --until 'console == \"ok\\n\"'")
    assert last(result)[0] == '● until console == "ok\\n": VM[0] at 6.7 us'
    assert lab.vm(0).console.output == b"ok\n"


def test_a_run_until_a_filter_leaves_no_stop_point_behind_and_fails_where_it_never_held(lab: Lab) -> None:
    assert last(lab.shell("vm run --until 'pc == main+12'"))[0] == "● until pc == main+12: VM[0] VCpu[0] at 300 ns"
    result = lab.shell("vm run --until 'state == failed' --for 1ms")
    assert not result.ok
    assert said(result)[-1] == "✗ state == failed did not hold"
    assert not lab.hypervisor.stops.points


def test_stop_points_are_listed_switched_and_deleted(lab: Lab) -> None:
    lab.shell("vm break 0 main --ignore 2 --once; vm watch 0 counter --read --write; vm break 0 'state changed'")
    assert said(lab.shell("vm break list")) == [
        "NUMBER VM KIND  STOPS AT      ADDRESS                HITS",
        "------ -- ----- ------------- ---------------------- ---- ---------------",
        "1      0  break main          0x40080000             0    ignores 2, once",
        "2      0  watch counter       0x40200000..0x40200007 0",
        "3      0  event state changed                        0",
    ]
    lab.shell("vm break disable 1 2")
    assert lab.run("1ms") == "time"
    lab.shell("vm break enable 2; vm break delete 1 3")
    assert lab.run("1ms") == "break"
    assert [row["number"] for row in lab.shell("vm break list").json()["stops"]] == [2]
    assert said(lab.shell("vm break 0"))[2].startswith("2      0  watch counter"), "without a place they are listed"


def test_a_vcpu_can_be_chosen(lab: Lab) -> None:
    lab.shell("vm break 0 main+8 --vcpu 0")
    assert lab.run("1ms") == "break"
    assert said(lab.shell("vm break 0 main+8 --vcpu 1")) == ["✗ VM[0] has no vCPU 1: it has 1, numbered from 0"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("vm break 0 mian", "mian\n^^^^ there is no column, register or symbol mian; did you mean main?"),
        ("vm break 0 x0", "x0\n^^ x0 is no fixed address; a condition is wanted, such as pc == main"),
        ("vm break 0 0x40080002", "✗ 0x40080002 is no address of an instruction: those are multiples of 4"),
        ("vm break 7 main", "✗ VM[7] not found"),
        ("vm break delete 1", "✗ there is no stop point 1 (there are: none)"),
        ("vm break delete x", "✗ 'x' is no number of a stop point; 'vm break list' shows them"),
        ("vm watch 0 counter..main", "✗ the range counter..main ends before it begins"),
        ("vm watch 0 main..0x50000000", "✗ 0xff80001 bytes are too many to watch; 0x1000000 are allowed"),
        ("vm watch 0 exit", "✗ exit is a condition; an address is wanted, such as 0x40080000 or a symbol"),
        ("vm watch 0 main if hypercall",
         "✗ what stops at an address cannot ask for events (hypercalls); use 'vm break' with the filter alone"),
        ("vm run --until 'exit == mmoi'", "exit == mmoi\n        ^^^^ exit is never mmoi; did you mean mmio?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(lab: Lab, command: str, message: str) -> None:
    result = lab.shell(command)
    assert not result.ok
    assert result.text() == message


def test_a_filter_with_a_redirection_in_it_is_told_from_one(lab: Lab) -> None:
    with pytest.raises(AxError, match=r"a filter with > in it needs quotes around it"):
        lab.shell("vm break 0 x0 > 3")
    assert not Path(lab.shell.files.root, "3").exists()


def test_a_copy_of_a_lab_has_its_own_stop_points(lab: Lab) -> None:
    lab.shell("vm break 0 'pc == main+8 and x2 == 5'; vm break 0 'state changed'")
    other = copy.deepcopy(lab)
    other.shell("vm break delete all")
    assert (lab.run("1ms"), other.run("1ms")) == ("break", "time")
    assert lab.vm(0).vcpus[0].cpu.x[2] == 5
    assert any(observer is other.hypervisor.stops for observer in other.events.observers) is False


def test_stop_points_do_not_change_a_run() -> None:
    fingerprints = set()
    for commands in ("", "vm break 0 hypercall; vm break 0 x0 == 1", "vm watch 0 0x40300000 --read; vm break 0 exit"):
        lab = lab_with(CALLS)
        lab.shell(commands)
        lab.shell("vm start 0")
        while lab.run() == "break":
            pass
        fingerprints.add(lab.fingerprint())
    assert len(fingerprints) == 1


def test_names_of_the_filter_language_are_completed(lab: Lab) -> None:
    def proposed(line: str) -> list[str]:
        return [one.text for one in lab.shell.complete(line)]

    assert "main" in proposed("vm break 0 ma")
    assert proposed("vm break 0 'pc == main and hyperc") == ["'pc == main and hypercall'"]
    assert {"sctlr_el1"} == set(proposed("vm run --until sctlr_"))
    assert {"counter", "cost"} <= set(proposed("vm watch 0 co"))


def test_every_event_can_be_said() -> None:
    from axlab.shell.stop_lines import event_text
    from axlab.trace.columns import KINDS

    for kind in KINDS.values():
        values = {"int": 1, "str": "word", "bytes": b"x", "bool": True, "tuple[int, ...]": (1,)}
        event: Event = kind(*[values[str(field.type)] for field in kind.__dataclass_fields__.values()])
        assert event_text(event).startswith(kind.__name__ + ": ")


def test_a_spinning_guest_is_not_slowed_down_by_a_breakpoint_elsewhere() -> None:
    """The code objects of its blocks are those of a guest without stops; test_stops_of_a_cpu.py compares them."""
    lab = lab_with(SPINS)
    lab.shell("vm break 0 0x40090000; vm start 0 -d")
    lab.run("1ms")
    translated = lab.vm(0).vcpus[0].cpu.translated
    assert translated is not None and any(block.pc == ENTRY for block in translated.blocks.values())

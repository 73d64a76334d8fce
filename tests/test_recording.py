"""What is recorded: levels, ranges of addresses, windows of time, the last rows only, parts on disk, full disks."""

from __future__ import annotations

import copy
import gc
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ring_guest import ring_lab
from shell_labs import lab_with
from small_guests import COUNTS

from axlab.errors import AxError
from axlab.events import Exit, Hypercall, Log
from axlab.lab import Lab
from axlab.machine.instruction_trace import InstructionTrace
from axlab.trace import Trace
from axlab.trace import executed as executed_module
from axlab.trace import recorder as recorder_module
from axlab.trace.executed import Recording
from axlab.trace.scope import FOREVER, Scope, kept_runs
from axlab.trace.spill import Spill


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few rows, so that a short run makes many of them."""
    monkeypatch.setattr(executed_module, "CHUNK", 50)
    monkeypatch.setattr(recorder_module, "SEGMENT", 64)
    monkeypatch.setattr(recorder_module, "BATCH", 16)


def demo(**settings: Any) -> Lab:
    """The demo guest, run to its end, recorded in some way."""
    lab = Lab()
    lab.trace.record("instructions", **settings)
    lab.create("demo")
    lab.shell("vm start 0")
    return lab


WHOLE = list(demo().trace.recorder.table("instructions").rows())
PRINT = range(0x4008_01BC, 0x4008_01D4)


# --- scopes ----------------------------------------------------------------------------------------


@given(
    runs=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.booleans()), max_size=30),
    ranges=st.lists(st.tuples(st.integers(0, 45), st.integers(0, 10)), max_size=2),
    begin=st.integers(0, 900),
    length=st.integers(1, 3000),
)
def test_a_scope_keeps_exactly_the_instructions_in_it(
    runs: list[tuple[int, int, bool]], ranges: list[tuple[int, int]], begin: int, length: int
) -> None:
    trace = InstructionTrace()
    trace.mark(0, 50)
    time = executed = 0
    for place, count, enters in runs:
        trace.add(4 * place, count)
        time, executed = time + 10 * count, executed + count
        if enters:
            time += 35
            trace.mark(executed, 50 + time)
    addresses = tuple((4 * first, 4 * (first + more)) for first, more in ranges)
    scope = Scope(addresses, begin, begin + length)
    every = list(Recording(0, 0, 10, trace=trace).instructions())
    kept = Recording(0, 0, 10, trace=trace, scope=scope)
    wanted = [row for row in every if scope.has(row[0], row[3])]
    # Ranges that overlap are made one where a person gives them; here an instruction may be in both.
    assert sorted(set(kept.instructions())) == wanted


def test_a_scope_of_everything_keeps_the_columns_as_they_are() -> None:
    trace = InstructionTrace()
    trace.mark(0, 7)
    trace.add(0x1000, 3)
    runs, marks = kept_runs(trace.runs, trace.marks, 10, Scope(end=FOREVER))
    assert (runs, marks) == (trace.runs, trace.marks)


def test_only_a_range_of_addresses_is_recorded_by_number_or_by_name(small_parts: None) -> None:
    wanted = [row for row in WHOLE if row[3] in PRINT]
    for addresses in ("0x400801bc..0x400801d3", PRINT, ["0x400801bc-0x400801c7", "0x400801c8..0x400801d3"]):
        assert list(demo(addresses=addresses).trace.recorder.table("instructions").rows()) == wanted
    lab = Lab()
    lab.create("demo")
    lab.trace.record("instructions", addresses="print")
    lab.shell("vm start 0")
    assert list(lab.trace.recorder.table("instructions").rows()) == wanted
    assert len(lab.trace.frame("instructions")) == len(wanted)


def test_only_a_window_of_time_is_recorded_and_then_vcpus_run_unrecorded(small_parts: None) -> None:
    lab = demo(window="300us..1350us")
    assert list(lab.trace.recorder.table("instructions").rows()) == [
        row for row in WHOLE if 300_000 <= row[0] < 1_350_000
    ]
    assert all(vcpu.cpu.trace is None for vcpu in lab.vm(0).vcpus)
    times = [row[0] for _, _, row in lab.trace.recorder.rows()]
    assert (min(times), max(times)) == (300_000, 1_349_980) or (300_000 <= min(times) and max(times) < 1_350_000)
    assert lab.fingerprint() == demo().fingerprint()


def test_the_window_of_one_vm_ends_the_recording_of_no_other() -> None:
    lab = lab_with(COUNTS, COUNTS)
    lab.trace.record("blocks")
    lab.trace.record("memory", vm=0, window="1ms..2ms")
    for vm in lab.hypervisor.vms:
        lab.hypervisor.start(vm)
    lab.run("15ms")
    accesses = lab.trace.frame("accesses")
    assert set(accesses["vm"]) == {0}
    assert (accesses["time"].min() // 1000, accesses["time"].max() // 1000) == (1000, 1999)
    assert [vm.vcpus[0].cpu.trace is None for vm in lab.hypervisor.vms] == [True, False]
    assert lab.vm(0).vcpus[0].cpu.accesses is None
    instructions = lab.trace.frame("blocks").groupby("vm")["instructions"].sum()
    assert instructions[1] == lab.vm(1).vcpus[0].instructions
    assert instructions[0] == 10_000
    late = lab.create("demo")
    assert late.vcpus[0].cpu.trace is not None


def test_the_events_of_one_vm_can_be_left_out_and_the_fingerprint_has_them() -> None:
    labs = [lab_with(COUNTS, COUNTS) for _ in range(2)]
    labs[1].trace.record("off", vm=0)
    for lab in labs:
        for vm in lab.hypervisor.vms:
            lab.hypervisor.start(vm)
        lab.run("1ms")
    kept = {getattr(table.event_type(*row), "vm", None) for _, table, row in labs[1].trace.recorder.rows()}
    assert 1 in kept
    started = [row for row in labs[1].trace.recorder.table("vcpu_states").rows() if row[2] == 0]
    assert started == []
    assert labs[0].fingerprint() == labs[1].fingerprint()
    labs[1].trace.record("events", vm=0)
    labs[1].shell("vm stop 0 --force")
    assert [row[1] for row in labs[1].trace.recorder.table("vm_states").rows()].count(0) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": "20ms..10ms"}, "the window from 20ms to 10ms is empty: it ends before it begins"),
        ({"window": "20ms"}, "'20ms' is no window of time; write it as \"10ms..20ms\""),
        ({"addresses": "0x20..0x10"}, "the range 0x20..0x10 ends before it begins"),
        ({"addresses": "nobody"}, "'nobody' is no range of addresses and no symbol; write it as "
                                  "0x40080000..0x40080fff, or add symbols"),
        ({"addresses": 7}, '7 is no range of addresses; write it as "0x40080000..0x40080fff", or name a function'),
        ({"limit": 0}, "limit = 0 is wrong: at least one row is kept, or all (None)"),
        ({"limit": 5, "spill": True}, "limit and spill exclude each other: one forgets what is old, the other puts it "
                                      "on disk"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AxError) as raised:
        Lab().trace.record("instructions", **settings)
    assert str(raised.value) == message


def test_a_wrong_level_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(AxError) as raised:
        Lab().trace.record("instruction")
    assert str(raised.value) == (
        "'instruction' is no level of recording; did you mean instructions? (off, events, blocks, instructions, memory)"
    )


# --- memory ----------------------------------------------------------------------------------------


def test_at_the_level_memory_every_load_and_store_is_a_row() -> None:
    lab = lab_with(COUNTS)
    lab.trace.record("memory")
    lab.hypervisor.start(lab.vm(0))
    lab.run("100us")
    frame = lab.trace.frame("accesses")
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "time": "int64", "at": "timedelta64[ns]", "vm": "Int32", "vcpu": "Int32", "pc": "UInt64",
        "address": "UInt64", "width": "Int64", "value": "UInt64", "is_write": "boolean",
    }  # fmt: skip
    counted = frame[frame["address"] == 0x4020_0000]
    assert list(counted["is_write"])[:4] == [False, True, False, True]
    assert list(counted["value"])[:6] == [0, 1, 1, 2, 2, 3]
    assert (frame["width"] == 8).all()
    assert len(lab.trace.frame("instructions")) == lab.vm(0).vcpus[0].instructions
    assert list(lab.trace.recorder.table("accesses").rows()) == list(
        frame.drop(columns="at").itertuples(index=False, name=None)
    )


@pytest.mark.parametrize(("kind", "register"), [("mmio", 0x0900_0018), ("accesses", 0x0903_03FC)])
def test_an_access_to_a_device_is_a_row_of_mmio_or_if_it_is_passed_through_of_accesses(
    kind: str, register: int
) -> None:
    lab = lab_with(f"    ldr x1, ={register:#x}\n    ldr w2, [x1]\n    b .", passed=("/pl061",))
    lab.trace.record("memory")
    lab.hypervisor.start(lab.vm(0))
    lab.run("100us")
    counts = {of: len(lab.trace.frame(of).query(f"address == {register}")) for of in ("mmio", "accesses")}
    assert counts == {"mmio": 0, "accesses": 0} | {kind: 1}


def test_recording_memory_changes_nothing_and_ends_with_another_level(small_parts: None) -> None:
    plain, recorded, chosen = ring_lab(), ring_lab("memory"), Lab()
    assert recorded.fingerprint() == plain.fingerprint()
    recorded.trace.record("blocks")
    assert all(vcpu.cpu.accesses is None for vcpu in recorded.vm(0).vcpus)
    chosen.trace.record("memory", addresses="0x40080250..0x40080282")
    chosen.create("demo")
    chosen.shell("vm start 0")
    text = chosen.trace.frame("accesses")
    assert bytes(text["value"].astype("uint8")).startswith(b"Hello from a guest")


# --- the last rows, and parts on disk --------------------------------------------------------------


def test_only_the_last_rows_are_kept_and_it_is_told_how_many_are_not(small_parts: None) -> None:
    lab = demo(limit=200)
    kept = [row for row in lab.trace.recorder.table("instructions").rows() if row[2] == 0]
    whole = [row for row in WHOLE if row[2] == 0]
    assert kept == whole[-len(kept) :]
    assert 200 <= len(kept) < 500
    events = len(lab.trace)
    assert 200 <= events <= 400
    assert lab.trace.recorder.dropped > 0


def test_a_trace_on_disk_is_the_same_as_one_in_memory(small_parts: None, tmp_path: Path) -> None:
    memory, disk = demo(), demo(spill=True)
    files = list((disk.folder / "trace").iterdir())
    assert len(files) > 10
    assert len(disk.trace) == len(memory.trace)
    assert len(disk.trace.recorder.order) < 100
    for kind in (*memory.trace.recorder.kinds(), "blocks"):
        assert disk.trace.frame(kind).equals(memory.trace.frame(kind)), kind
    assert disk.trace.compare(memory).equal
    for lab, name in ((memory, "memory"), (disk, "disk")):
        for suffix in ("", ".csv", ".parquet"):
            lab.trace.save(tmp_path / f"{name}{suffix}")
    for suffix in ("", ".csv"):
        assert (tmp_path / f"memory{suffix}").read_bytes() == (tmp_path / f"disk{suffix}").read_bytes()
    assert Trace.load(tmp_path / "disk").frame("instructions").equals(memory.trace.frame("instructions"))


def test_files_go_with_the_last_trace_that_has_them(small_parts: None, tmp_path: Path) -> None:
    lab = Lab(folder=tmp_path)
    lab.trace.record("memory", spill=True)
    lab.create("demo")
    lab.shell("vm start 0")
    folder = tmp_path / "trace"
    copied = copy.deepcopy(lab)
    rows = len(copied.trace.frame("accesses"))
    assert rows > 100
    lab.trace.clear()
    del lab
    gc.collect()
    assert len(copied.trace.frame("accesses")) == rows
    del copied
    gc.collect()
    assert list(folder.iterdir()) == []


def test_a_part_that_somebody_removed_is_named(small_parts: None) -> None:
    lab = demo(spill=True)
    for file in (lab.folder / "trace").iterdir():
        file.unlink()
    with pytest.raises(AxError, match=r"a part of the trace that was put on disk cannot be read: .*No such file"):
        lab.trace.frame("exits")


def test_a_disk_that_is_full_ends_the_trace_and_what_was_there_is_kept(
    small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full: every write fails for want of space."""
    room = 12
    new = Spill._new

    def full(spill: Spill) -> str:
        return new(spill) if spill.written < room else "/dev/full"

    monkeypatch.setattr(Spill, "_new", full)
    monkeypatch.setattr("axlab.trace.spill._remove", lambda path: None)
    told: list[Log] = []
    lab = Lab()
    lab.events.add(lambda event: told.append(event) if isinstance(event, Log) and event.level == "warn" else None)
    lab.trace.record("instructions", spill=True)
    lab.create("demo")
    lab.shell("vm start 0")
    problem = f"it cannot be written to {lab.folder / 'trace'}: No space left on device"
    assert [log.message for log in told if log.message.startswith("the trace")] == [lab.trace.problem]
    assert problem in lab.trace.problem
    assert lab.trace.problem.endswith("; what was recorded until then is kept")
    assert problem in repr(lab.trace)
    assert lab.vm(0).state == "Stopped"
    for vcpu in (0, 1):
        kept = [row for row in lab.trace.recorder.table("instructions").rows() if row[2] == vcpu]
        whole = [row for row in WHOLE if row[2] == vcpu]
        assert kept == whole[: len(kept)]
        assert 0 < len(kept) <= len(whole)
    exits = list(lab.trace.recorder.table("exits").rows())
    assert 0 < len(exits) < 199
    assert exits == list(demo().trace.recorder.table("exits").rows())[: len(exits)]
    assert lab.fingerprint() == demo().fingerprint()


def test_columns_that_are_joined_keep_their_values() -> None:
    one, other = Trace(), Trace()
    for trace, reasons in ((one, ("Halt", "Hypercall")), (other, ("MmioRead", "Halt"))):
        for reason in reasons:
            trace.recorder(Exit(1, 0, 0, 0, reason, 4))
        trace.recorder(Hypercall(2, 0, 0, 3, (1, 2, 3), 0))
    for kind in ("exits", "hypercalls"):
        tables = [trace.recorder.table(kind) for trace in (one, other)]
        rows = [row for table in tables for row in table.rows()]
        for store in tables[0].stores:
            tables[0].stores[store].append(tables[1].stores[store])
        assert list(tables[0].rows()) == rows
        assert list(tables[0].chosen([2, 0] if len(rows) > 2 else [1]).rows()) == (
            [rows[2], rows[0]] if len(rows) > 2 else [rows[1]]
        )
    assert isinstance(tables[0].stores["time"].columns()[0], array)

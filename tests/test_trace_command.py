"""`vm trace`, and parts of traces: by VM, time and filter; shown, counted, written, and what is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
from ring_guest import ring_lab
from shell_labs import lab_with, said
from small_guests import COUNTS

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.trace import Trace


@pytest.fixture(scope="module")
def demo() -> Lab:
    lab = Lab()
    lab.trace.record("memory")
    lab.create("demo")
    lab.shell("vm start 0")
    return lab


# --- parts of a trace ------------------------------------------------------------------------------


def test_a_part_without_limits_is_the_whole(demo: Lab) -> None:
    part = demo.trace.select()
    assert [row for _, _, row in part.recorder.rows()] == [row for _, _, row in demo.trace.recorder.rows()]
    for kind in (*demo.trace.recorder.kinds(), "blocks"):
        assert part.frame(kind).equals(demo.trace.frame(kind)), kind
    assert part.spans() == demo.trace.spans()


def test_a_part_has_the_rows_of_a_span_of_time(demo: Lab) -> None:
    part = demo.trace.select(since="300us", until=400_000)
    for kind in demo.trace.recorder.kinds():
        whole = [row for row in demo.trace.recorder.table(kind).rows() if 300_000 <= row[0] < 400_000]
        assert list(part.recorder.table(kind).rows()) == whole
    assert {span.begin for span in part.spans()} >= {300_000}
    assert max(span.end for span in part.spans()) == 400_000


def test_a_part_has_the_rows_for_which_a_filter_holds(demo: Lab) -> None:
    part = demo.trace.select(where="exit == mmio and address == 0x9000000")
    exits = demo.trace.frame("exits")
    assert len(part.frame("exits")) == (exits["address"] == 0x0900_0000).sum()
    assert len(part.frame("psci")) == 0
    stores = demo.trace.select(where="write and pc in interrupt").frame("accesses")
    assert len(stores) > 10
    assert stores["is_write"].all()


def test_a_part_of_one_vm_has_its_rows_only() -> None:
    lab = lab_with(COUNTS, COUNTS)
    lab.trace.record("blocks")
    for vm in lab.hypervisor.vms:
        lab.hypervisor.start(vm)
    lab.run("1ms")
    part = lab.trace.select(1)
    assert set(part.frame("blocks")["vm"]) == {1}
    assert {span.vm for span in part.spans()} == {1}
    assert len(part.hot()) == len(lab.trace.hot(vm=1))
    assert lab.trace.select("guest1").spans() == part.spans()


def test_a_filter_that_is_wrong_is_refused_with_a_caret(demo: Lab) -> None:
    with pytest.raises(AxError) as raised:
        demo.trace.select(where="exit == mmoi")
    assert "^^^^" in str(raised.value)


# --- the command -----------------------------------------------------------------------------------


def test_the_rows_of_each_kind_are_counted(demo: Lab) -> None:
    lines = said(demo.shell("vm trace 0"))
    counts = dict(line.split() for line in lines[2:-1])
    assert counts["exits"] == "199"
    assert counts["instructions"] == str(sum(vcpu.instructions for vcpu in demo.vm(0).vcpus))
    assert counts["accesses"] == str(len(demo.trace.frame("accesses")))


def test_the_last_rows_of_a_kind_are_shown_with_symbols(demo: Lab) -> None:
    assert said(demo.shell("vm trace 0 --kind exits --since 3ms --last 2")) == [
        "TIME       PCPU VCPU REASON     PC         COST ADDRESS   WIDTH VALUE SYMBOL",
        "---------- ---- ---- ---------- ---------- ---- --------- ----- ----- -------------------",
        "3.54248 ms 0    0    MmioWrite  0x400801c8 3 us 0x9000000 4     0xa   print+0xc",
        "3.54608 ms 0    0    SystemDown 0x400800b8 5 us 0x0       0     0x0   sleep_and_tick+0x34",
        "the last 2 of 44 exits; --last N shows more",
    ]
    assert said(demo.shell("vm trace 0 -k interrupts -w 'action == taken' -n 1"))[2].split() == [
        "3.39528", "ms", "0", "27", "taken",
    ]  # fmt: skip
    assert said(demo.shell("vm trace 0 -k faults")) == ["No faults were recorded."]
    json = demo.shell("vm trace 0 -k exits -n 1 --format json").json()
    assert json["last"][0]["reason"] == "SystemDown"


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "parquet", "arrow", "perfetto.json", "vcd"])
def test_what_is_chosen_is_written_to_a_file_of_the_lab(demo: Lab, form: str) -> None:
    kind = "" if form in ("perfetto.json", "vcd") else "-k exits"
    text = demo.shell(f"vm trace 0 --since 3ms {kind} -o run.{form}").text()
    assert text.endswith(f"written to run.{form}")
    assert (demo.folder / f"run.{form}").stat().st_size > 100


def test_a_file_without_an_ending_is_read_again(demo: Lab) -> None:
    demo.shell("vm trace 0 --since 3ms -o part")
    assert Trace.load(demo.folder / "part").frame("exits").equals(demo.trace.select(since="3ms").frame("exits"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("vm trace 0 -o ../run.csv", "✗ ../run.csv is outside of the lab's folder"),
        ("vm trace 0 -o run.cvs", "✗ run.cvs: a trace is not written as .cvs; did you mean .csv? (known: .csv, .json, "
         ".jsonl, .parquet, .arrow, .chrome.json, .perfetto.json, .vcd; none: own columns)"),
        ("vm trace 0 -o nix/run.csv", "✗ the trace cannot be written to nix/run.csv: there is no folder nix; "
         "choose another place"),
        ("vm trace 7", "✗ VM[7] not found"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(demo: Lab, line: str, message: str) -> None:
    assert demo.shell(line).text().replace(str(demo.folder), "") == message


def test_an_unknown_kind_and_an_unknown_level_are_refused_with_the_nearest(demo: Lab) -> None:
    for line, near in (("vm trace 0 -k exit", "exits"), ("vm trace 0 -l memroy", "memory")):
        with pytest.raises(AxError, match=f"did you mean {near}\\?"):
            demo.shell(line)


def test_the_level_is_chosen_for_all_or_for_one(tmp_path: Path) -> None:
    lab = lab_with(COUNTS, COUNTS, folder=tmp_path)
    assert said(lab.shell("vm trace 1 --level memory")) == ["✓ From now on memory of VM[1] is recorded"]
    for vm in lab.hypervisor.vms:
        lab.hypervisor.start(vm)
    lab.run("100us")
    assert set(lab.trace.frame("accesses")["vm"]) == {1}
    assert said(lab.shell("vm trace --level blocks")) == ["✓ From now on blocks of every VM are recorded"]
    lab.run("100us")
    assert set(lab.trace.frame("blocks")["vm"]) == {0, 1}
    assert ring_lab().shell("vm trace").json()["level"] == "events"

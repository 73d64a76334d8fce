"""Views of a trace: exits with their functions, latencies, scheduling, hot code, coverage; by hand and on real runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from ring_guest import SGI, ring_lab

from axlab.errors import AxError
from axlab.events import Interrupt
from axlab.lab import Lab
from axlab.machine.instruction_trace import InstructionTrace
from axlab.trace import Trace
from axlab.trace.columns import VIEWS, columns_of
from axlab.trace.deliveries import Latency, deliveries, latencies
from axlab.trace.executed import Recording
from axlab.trace.frames import frame_of_rows
from axlab.trace.profile import coverage, hot_blocks, hot_functions, profile
from axlab.trace.scheduling import fairness, turns
from axlab.trace.spans import Span
from axlab.vmm.config import parse_config
from axlab.vmm.config_new import new_config
from axlab.vmm.symbols import Symbol, symbols_of

U_BOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
NAMES = symbols_of([Symbol("start", 0x1000, 8), Symbol("loop", 0x1008, 12), Symbol("unused", 0x1014, 4)])


@pytest.fixture(scope="module")
def demo() -> Lab:
    lab = Lab()
    lab.trace.record("blocks")
    lab.create("demo")
    lab.shell("vm start 0")
    return lab


@pytest.fixture(scope="module")
def ring() -> Lab:
    return ring_lab("blocks")


@pytest.fixture(scope="module")
def u_boot(needs: Callable[[str, str], str]) -> Lab:
    """U-Boot to its first line, and some way on."""
    lab = Lab()
    lab.trace.record("blocks")
    text = new_config("u-boot", name="u-boot", image=needs(U_BOOT, "u-boot-qemu"))
    vm = lab.create(parse_config(text, "u-boot.toml").require())
    lab.hypervisor.start(vm)
    lab.run("400ms")
    assert vm.console.output.lstrip().startswith(b"U-Boot 20")
    return lab


def recorded(*runs: tuple[int, int]) -> Recording:
    """A recording of VM 0 that executed these runs (address, instructions), one after the other."""
    trace = InstructionTrace()
    trace.mark(0, 0)
    for pc, count in runs:
        trace.add(pc, count)
    return Recording(0, 0, 100, trace=trace)


# --- interrupts ------------------------------------------------------------------------------------


def test_an_interrupt_is_followed_from_raised_to_ended() -> None:
    steps = [(10, "raised"), (15, "injected"), (40, "taken"), (70, "ended"), (90, "raised"), (95, "injected")]
    found = deliveries(Interrupt(time, 0, 1, 27, action) for time, action in steps)
    assert latencies(found) == [
        Latency(0, 1, 27, 10, 15, 40, 70, 5, 30, 30),
        Latency(0, 1, 27, 90, 95, -1, -1, 5, -1, -1),
    ]


def test_an_interrupt_that_is_raised_twice_before_it_is_taken_is_one_and_while_it_is_handled_another() -> None:
    steps = [(10, "raised"), (12, "raised"), (15, "injected"), (20, "taken"), (25, "raised"), (30, "ended"),
             (35, "injected"), (36, "taken"), (37, "ended")]  # fmt: skip
    found = deliveries(Interrupt(time, 0, 0, 33, action) for time, action in steps)
    assert [(one.raised, one.taken, one.ended) for one in found] == [(10, 20, 30), (25, 36, 37)]


def test_a_shared_interrupt_is_raised_for_the_vm_and_taken_by_one_of_its_vcpus() -> None:
    steps = [Interrupt(10, 0, 0, 33, "raised"), Interrupt(20, 0, 2, 33, "injected"), Interrupt(30, 0, 2, 33, "taken")]
    assert [(one.vcpu, one.raised, one.taken) for one in deliveries(steps)] == [(2, 10, 30)]


def test_private_interrupts_of_vcpus_and_vms_are_kept_apart() -> None:
    steps = [Interrupt(10, vm, vcpu, 27, "raised") for vm in (0, 1) for vcpu in (0, 1)]
    assert len(deliveries(steps)) == 4


def test_a_vcpu_whose_clock_is_behind_is_interrupted_when_it_was_raised_not_before() -> None:
    steps = [Interrupt(150, 0, 1, 5, "raised"), Interrupt(100, 0, 1, 5, "injected"), Interrupt(120, 0, 1, 5, "taken")]
    assert [(one.injected, one.taken) for one in deliveries(steps)] == [(150, 150)]


def test_the_latencies_of_the_demo_guest_are_those_of_its_three_ticks(demo: Lab) -> None:
    frame = demo.trace.latency()
    assert list(frame["intid"]) == [27, 27, 27]
    assert (frame["to_taken"] == frame["taken"] - frame["raised"]).all()
    assert demo.trace.latency("sgi").empty


def test_the_latencies_of_a_ring_are_those_of_the_interrupts_that_went_around(ring: Lab) -> None:
    frame = ring.trace.latency("sgi")
    assert list(frame["vcpu"]) == [1, 2, 3, 0] * 5
    assert set(frame["intid"]) == {SGI}
    assert (frame["to_taken"] == 0).all()  # asleep on an idle physical CPU, its next instruction acknowledges it
    assert (frame["handling"] == 300).all()
    assert frame["raised_at"].dtype == "timedelta64[ns]"


def test_latencies_of_an_unknown_kind_are_refused_with_what_there_is() -> None:
    with pytest.raises(AxError) as raised:
        Trace().latency("sgis")
    assert str(raised.value) == "there is no latency of 'sgis'; did you mean sgi? (there is irq, sgi, ppi, spi)"


# --- scheduling ------------------------------------------------------------------------------------


def test_the_turns_of_vcpus_add_up() -> None:
    spans = [
        Span(0, 0, 0, "Running", 0, 60, ""), Span(0, 0, -1, "Ready", 60, 80, ""), Span(0, 0, 0, "Running", 80, 100, ""),
        Span(1, 0, -1, "Ready", 0, 60, ""), Span(1, 0, 0, "Running", 60, 80, ""), Span(1, 0, -1, "Ready", 80, 100, ""),
        Span(1, 1, -1, "Blocked", 0, 100, "interrupt"),
    ]  # fmt: skip
    first, second, third = turns(spans)
    assert (first.running, first.waiting, first.waits, first.longest_wait, first.got) == (80, 20, 1, 20, 0.8)
    assert (second.running, second.waiting, second.waits, second.mean_wait, second.longest_wait) == (20, 80, 2, 40, 60)
    assert (third.running, third.blocked, third.got) == (0, 100, 1.0)


def test_jains_index_is_one_where_all_get_the_same_and_one_in_n_where_one_gets_all() -> None:
    assert fairness([0.3, 0.3, 0.3]) == pytest.approx(1)
    assert fairness([1, 0, 0, 0]) == 0.25
    assert fairness([1, 0.5]) == pytest.approx(0.9)
    assert fairness([]) == fairness([0, 0]) == 1


def test_a_ring_on_fewer_physical_cpus_waits_more_and_is_less_fair() -> None:
    alone, together = ring_lab(pcpus=4).trace, ring_lab(pcpus=1).trace
    assert alone.sched()["waiting"].sum() == 0
    assert together.sched()["waiting"].min() > 0
    assert (together.latency("sgi")["to_taken"] > 0).all()
    assert together.fairness() < alone.fairness() == 1


# --- hot code and coverage -------------------------------------------------------------------------


def test_every_instruction_is_counted_by_address() -> None:
    addresses, times = profile([recorded((0x1000, 2), (0x1008, 3), (0x1008, 3)), recorded((0x1008, 1))])
    assert dict(zip(addresses.tolist(), times.tolist(), strict=True)) == {
        0x1000: 1, 0x1004: 1, 0x1008: 3, 0x100C: 2, 0x1010: 2,
    }  # fmt: skip


def test_hot_functions_and_blocks_are_those_with_the_most_instructions() -> None:
    recordings = [recorded((0x1000, 2), *[(0x1008, 3)] * 4, (0x5000, 2))]
    assert [(one.symbol, one.pc, one.times, one.instructions) for one in hot_functions(0, recordings, NAMES.at)] == [
        ("loop", 0x1008, 4, 12), ("start", 0x1000, 1, 2), ("", 0x5000, 1, 2),
    ]  # fmt: skip
    blocks = hot_blocks(0, recordings, NAMES.at)
    assert [(one.symbol, one.pc, one.times, one.instructions) for one in blocks] == [
        ("loop", 0x1008, 3, 9), ("start", 0x1000, 1, 5), ("", 0x5000, 1, 2),
    ]  # fmt: skip
    assert sum(one.share for one in blocks) == pytest.approx(1)


def test_coverage_says_of_each_function_how_much_was_executed_and_of_none_that_nothing_was() -> None:
    found = coverage(0, [recorded((0x1000, 2), (0x1008, 1))], NAMES.at, NAMES.functions())
    assert [(one.symbol, one.covered, one.share) for one in found] == [
        ("start", 2, 1.0), ("loop", 1, pytest.approx(1 / 3)), ("unused", 0, 0.0),
    ]  # fmt: skip


def test_code_without_symbols_is_covered_page_by_page() -> None:
    found = coverage(0, [recorded((0x1FFC, 2))], lambda address: None)
    assert [(one.pc, one.size, one.covered) for one in found] == [(0x1000, 4096, 1), (0x2000, 4096, 1)]


def test_all_that_a_real_run_executed_is_in_its_hot_functions(ring: Lab) -> None:
    hot = ring.trace.hot()
    assert hot["instructions"].sum() == sum(vcpu.instructions for vcpu in ring.vm(0).vcpus)
    assert dict(zip(hot["symbol"], hot["times"], strict=True))["work"] == 20 * 100
    assert hot["share"].sum() == pytest.approx(1)
    assert ring.trace.hot("blocks")["instructions"].sum() == hot["instructions"].sum()


def test_the_coverage_of_a_real_run_names_what_was_never_called(ring: Lab, demo: Lab) -> None:
    covered = ring.trace.coverage().set_index("symbol")["share"]
    assert covered["never_called"] == 0
    assert covered["work"] == 1
    assert list(demo.trace.coverage()["symbol"])[:3] == ["_start", "ask_the_hypervisor", "start_the_second_vcpu"]


def test_hot_code_is_found_by_functions_or_blocks() -> None:
    with pytest.raises(AxError) as raised:
        Trace().hot("function")
    assert str(raised.value) == "hot code is found by functions or blocks, not by 'function'; did you mean functions?"


# --- exits -----------------------------------------------------------------------------------------


def test_an_exit_has_its_function_and_how_long_the_guest_was_away(demo: Lab) -> None:
    frame = demo.trace.exits()
    printed = frame[frame["address"] == 0x0900_0000]
    assert set(printed["symbol"]) == {"print+0xc", "print_char+0x4", "print_hex+0x20"}
    assert (printed["away"] == printed["cost"]).all()
    slept = frame[frame["reason"] == "Halt"]
    assert (slept["away"] > 900_000).all()
    last = frame.iloc[-1]
    assert last["reason"] == "SystemDown"
    assert pandas.isna(last["away"])


# --- of one VM -------------------------------------------------------------------------------------

OF_A_VM: dict[str, Callable[..., object]] = {
    "frame": lambda trace, vm: trace.frame("psci", vm),
    **{view.__name__: lambda trace, vm, view=view: view(trace, vm=vm) for view in (
        Trace.exits, Trace.timeline, Trace.spans, Trace.deliveries, Trace.latency, Trace.sched, Trace.fairness,
        Trace.hot, Trace.coverage, Trace.summary, Trace.fingerprint, Trace.select,
    )},
}  # fmt: skip


@pytest.mark.parametrize("view", OF_A_VM)
def test_a_view_is_of_a_vm_by_its_id_its_name_or_itself_and_an_unknown_vm_is_an_error(view: str, demo: Lab) -> None:
    def shown(vm: object) -> str:
        found = OF_A_VM[view](demo.trace, vm)
        return found.frame("exits").to_csv() if isinstance(found, Trace) else str(found)

    assert shown(0) == shown("demo") == shown(demo.vm(0)) == shown(demo.trace.frame("exits")["vm"].iloc[0])
    for unknown, close in ((7, "; there"), ("dmeo", "; did you mean demo? There")):
        with pytest.raises(AxError) as raised:
            shown(unknown)
        assert str(raised.value) == f"VM[{unknown}] not found{close} is VM[0] demo"


def test_a_vm_that_is_no_more_is_known_by_its_id_as_long_as_there_are_rows_of_it(tmp_path: Path) -> None:
    lab = Lab()
    lab.create("demo")
    lab.shell("vm start 0; vm delete 0 --force")
    exits = len(lab.trace.exits(vm=0))
    assert exits > 100
    lab.trace.save(tmp_path / "run")
    assert len(Trace.load(tmp_path / "run").exits(vm=0)) == exits
    with pytest.raises(AxError, match=r"^VM\[demo\] not found; there is VM\[0\]$"):
        lab.trace.exits(vm="demo")
    lab.trace.clear()
    with pytest.raises(AxError, match=r"^VM\[0\] not found; there is none$"):
        lab.trace.exits(vm=0)


# --- U-Boot ----------------------------------------------------------------------------------------


def test_the_views_of_u_boot_agree_with_what_the_hypervisor_counted(u_boot: Lab) -> None:
    vcpu = u_boot.vm(0).vcpus[0]
    assert len(u_boot.trace.exits()) == sum(vcpu.exits.values())
    assert u_boot.trace.sched()["running"].sum() == vcpu.usage_at(u_boot.now).run_ns
    hot, covered = u_boot.trace.hot(), u_boot.trace.coverage()
    assert hot["instructions"].sum() == vcpu.instructions
    assert len(hot) == len(covered)
    assert covered["covered"].sum() > 1_000
    exits = u_boot.trace.exits()
    assert (exits["away"].dropna() >= exits["cost"][exits["away"].notna()]).all()


# --- frames ----------------------------------------------------------------------------------------

MAKERS: dict[str, Callable[[Trace], pandas.DataFrame]] = {
    "exits()": Trace.exits, "timeline()": Trace.timeline, "latency()": Trace.latency, "sched()": Trace.sched,
    "hot()": Trace.hot, "coverage()": Trace.coverage,
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_documented_columns_and_types_whether_there_is_anything_in_it(view: str, demo: Lab) -> None:
    full, empty, plain = MAKERS[view](demo.trace), MAKERS[view](Trace()), frame_of_rows(VIEWS[view], [])
    assert len(full) > 0
    assert len(empty) == 0
    names = [name for name in full.columns if name != "at" and not name.endswith("_at")]
    assert names == [column.name for column in columns_of(VIEWS[view])]
    assert dict(full.dtypes.astype(str)) == dict(empty.dtypes.astype(str)) == dict(plain.dtypes.astype(str))


def test_a_trace_that_was_saved_has_its_views_without_symbols(demo: Lab, tmp_path: Path) -> None:
    demo.trace.save(tmp_path / "run")
    again = Trace.load(tmp_path / "run")
    assert again.latency().equals(demo.trace.latency())
    assert again.hot("blocks")["instructions"].sum() == demo.trace.hot("blocks")["instructions"].sum()
    assert set(again.hot()["symbol"]) == {""}

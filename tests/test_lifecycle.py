"""The lifecycle: a table, what the hypervisor does by it, and what moves a VM without a command."""

from __future__ import annotations

import pytest
from small_guests import (
    COUNTS,
    MS,
    POWERS_OFF,
    RAM,
    SLEEPS_FOR_EVER,
    SPINS,
    config,
    finished,
    hvc,
    hypervisor,
    listen,
    report,
    reported,
    started,
)

from axlab.errors import Refused
from axlab.events import VmState
from axlab.vmm.lifecycle import ADMITS, MOVES, OPERATIONS, VmStatus, admit, allowed

TABLE = """
    Loading   | VM is still loading | ok | VM is loading, cannot suspend | VM is loading, cannot resume
    Loaded    | ok | ok | VM is not running, cannot suspend | VM is not started yet, use 'vm start' instead
    Running   | VM is already running | ok | ok | VM is already running
    Suspended | VM is suspended, use 'vm resume' instead | ok | VM is already suspended | ok
    Stopping  | VM is stopping, wait for it to fully stop | VM is already stopping | VM is stopping, cannot suspend \
| VM is stopping, cannot resume
    Stopped   | ok | VM is already stopped | VM is stopped, cannot suspend | VM is stopped, use 'vm start' instead
    Failed    | ok | VM is already stopped | VM is stopped, cannot suspend | VM is stopped, use 'vm start' instead
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_table_says_what_the_reference_says(row: list[str]) -> None:
    state, *verdicts = row
    for operation, expected in zip(OPERATIONS, verdicts, strict=True):
        verdict = ADMITS[VmStatus(state)][operation]
        assert (verdict.message or "ok") == expected
        assert verdict.admitted == (expected == "ok")


def test_only_a_stopping_vm_is_stopped_again_and_only_by_force() -> None:
    forceable = [(s, o) for s, row in ADMITS.items() for o, verdict in row.items() if verdict.forceable]
    assert forceable == [(VmStatus.STOPPING, "stop")]
    with pytest.raises(Refused, match="^VM is already stopping$"):
        admit(VmStatus.STOPPING, "stop")
    admit(VmStatus.STOPPING, "stop", force=True)


def test_every_admitted_operation_leads_somewhere() -> None:
    for state in VmStatus:
        for operation in allowed(state):
            assert operation in MOVES[VmStatus.STOPPED if state is VmStatus.FAILED else state]


def test_a_loaded_vm_stops_at_once() -> None:
    """Fix 2: the original waits for ever in Stopping, because no vCPU is there to leave."""
    hv = hypervisor()
    vm = hv.create(config(SPINS))
    hv.stop(vm)
    assert (vm.state, vm.reason, hv.running_vms) == ("Stopped", "clean", 0)


def test_a_vm_that_is_loading_can_be_stopped() -> None:
    hv = hypervisor()
    vm = hv.create(config(SPINS))
    vm.state = VmStatus.LOADING
    hv.stop(vm)
    assert vm.state == "Stopped"


def test_a_guest_that_powers_off_stops_its_vm() -> None:
    vm = finished(POWERS_OFF)
    assert (vm.state, vm.reason) == ("Stopped", "guest power-off")


def test_a_refused_operation_leaves_the_state_as_it_was() -> None:
    hv, vm = started(SPINS)
    with pytest.raises(Refused, match="^VM is already running$"):
        hv.start(vm)
    assert vm.state == "Running"
    assert hv.running_vms == 1


def test_a_graceful_stop_lets_the_vcpu_leave_at_its_next_exit() -> None:
    hv, vm = started(SPINS)
    hv.advance(3 * MS)
    hv.stop(vm)
    assert vm.state == "Stopping"
    hv.advance(9 * MS)
    assert vm.state == "Stopping"
    hv.advance(11 * MS)
    assert (vm.state, vm.reason) == ("Stopped", "clean")


def test_a_forced_stop_kicks_a_vcpu_whatever_it_does() -> None:
    """Fix 18: in the original a forced stop is a graceful one."""
    hv, vm = started("msr daifset, #15\n b .")
    hv.advance(3 * MS)
    hv.stop(vm, force=True)
    hv.advance(3 * MS + 100_000)
    assert (vm.state, vm.reason) == ("Stopped", "forced")


def test_a_vcpu_asleep_in_wfi_still_leaves_when_its_vm_is_stopped() -> None:
    hv, vm = started(SLEEPS_FOR_EVER)
    hv.advance(3 * MS)
    hv.stop(vm)
    hv.advance(4 * MS)
    assert vm.state == "Stopped"


def test_force_turns_a_graceful_stop_into_a_forced_one() -> None:
    hv, vm = started(SPINS)
    hv.advance(1 * MS)
    hv.stop(vm)
    hv.stop(vm, force=True)
    hv.advance(2 * MS)
    assert (vm.state, vm.reason) == ("Stopped", "forced")


def test_a_stopped_vm_that_starts_again_is_as_good_as_new() -> None:
    """Fix 3: the original reboots into stale memory and devices."""
    source = (
        """
    ldr x1, =0x40200000
    ldr x2, [x1]
    add x3, x2, #1
    str x3, [x1]
    mrs x4, cntvct_el0
    mrs x5, vbar_el1
    msr vbar_el1, x1
    """
        + report("x2", "x4", "x5")
        + POWERS_OFF
    )
    hv, vm = started(source)
    hv.advance(100 * MS)
    first = reported(vm, 3)
    hv.start(vm)
    hv.advance(300 * MS)
    assert reported(vm, 3) == first == [0, first[1], 0]
    assert vm.state == "Stopped"


def test_a_guest_reset_restarts_the_vm_by_itself() -> None:
    source = """
    ldr w0, =0x84000009
    hvc #0"""
    hv, vm = started(source)
    seen = listen(hv, VmState)
    hv.advance(100_000)
    assert [(e.old, e.new) for e in seen[:3]] == [
        ("Running", "Stopping"), ("Stopping", "Stopped"), ("Stopped", "Running"),
    ]  # fmt: skip
    assert seen[1].reason == "guest reset"
    assert hv.running_vms == 1


def test_the_running_count_is_right_though_the_guest_powers_off_at_once() -> None:
    """Fix 4: the original counts a VM after its first vCPU may have left."""
    hv = hypervisor()
    vms = [hv.create(config(POWERS_OFF, vm_id=n, passed=("/intc",))) for n in range(3)]
    for vm in vms:
        hv.start(vm)
    assert hv.running_vms == 3
    hv.advance(100 * MS)
    assert hv.running_vms == 0
    assert [vm.state for vm in vms] == ["Stopped"] * 3


def test_a_vm_of_several_vcpus_stops_when_the_last_has_left() -> None:
    source = hvc(0xC400_0003, 1, 0x4008_0000 + 0x40, 0) + "b .\n .balign 64\n" + SPINS
    hv, vm = started(source, cpus=2)
    hv.advance(2 * MS)
    assert len(vm.on_vcpus) == 2
    hv.stop(vm)
    hv.advance(20 * MS)
    assert (vm.state, hv.running_vms, vm.on_vcpus) == ("Stopped", 0, [])


def test_a_guest_that_jumps_into_nothing_fails_its_vm() -> None:
    vm = finished("ldr x0, =0x20000000\n br x0")
    assert vm.state == "Failed"
    assert vm.reason == "VCpu[0] at 0x20000000: instruction fetch from 0x20000000, where nothing is mapped"


def test_an_exception_vector_that_cannot_be_fetched_fails_the_vm() -> None:
    vm = finished("ldr x0, =0x20000000\n msr vbar_el1, x0\n isb\n svc #0")
    assert vm.state == "Failed"
    assert "instruction fetch from 0x20000200" in vm.reason


def test_a_guest_that_can_fetch_no_vector_by_its_own_tables_fails_at_the_next_tick() -> None:
    source = """
    ldr x0, =0x80001919      // T0SZ = T1SZ = 25, nothing mapped
    msr tcr_el1, x0
    ldr x0, =0x40500000
    msr ttbr0_el1, x0
    isb
    mrs x0, sctlr_el1
    orr x0, x0, #1
    msr sctlr_el1, x0
    isb
    b ."""
    vm = finished(source, hv=hypervisor(tick=MS))
    assert vm.state == "Failed"
    assert vm.reason == "VCpu[0] at 0x200: exception vector at 0x200 cannot be fetched"


def test_a_failed_vm_starts_again() -> None:
    hv, vm = started("mov x0, #0\n br x0")
    hv.advance(MS)
    assert vm.state == "Failed"
    hv.start(vm)
    assert (vm.state, vm.fault) == ("Running", "")


def test_a_suspended_vcpu_executes_nothing() -> None:
    hv, vm = started(COUNTS)
    hv.advance(5 * MS)
    hv.suspend(vm)
    hv.advance(20 * MS)
    vcpu = vm.vcpus[0]
    assert (vcpu.state, vcpu.wait_reason) == ("Blocked", "resume")
    before = (vcpu.instructions, vm.read(RAM, 0x100_0000), vcpu.cpu.pc, list(vcpu.cpu.x))
    hv.sleep(1000 * MS)
    assert (vcpu.instructions, vm.read(RAM, 0x100_0000), vcpu.cpu.pc, list(vcpu.cpu.x)) == before
    hv.resume(vm)
    hv.advance(hv.now + MS)
    assert vcpu.instructions > before[0]


def test_a_running_vcpu_suspends_at_the_hosts_tick() -> None:
    """Fix 5: in the original nothing ever sets Blocked, so a suspend always times out."""
    hv, vm = started(SPINS)
    hv.advance(5 * MS)
    hv.suspend(vm)
    hv.advance(9 * MS)
    assert vm.vcpus[0].state == "Running"
    hv.advance(11 * MS)
    assert vm.vcpus[0].state == "Blocked"


def test_virtual_time_stands_still_while_a_vm_is_suspended() -> None:
    source = """
1:  mrs x0, cntvct_el0
    ldr x1, =0x40300000
    str x0, [x1]
    b 1b"""
    hv, vm = started(source)
    hv.advance(5 * MS)
    hv.suspend(vm)
    hv.advance(20 * MS)
    before = reported(vm)[0]
    hv.sleep(10_000 * MS)
    hv.resume(vm)
    hv.advance(hv.now + 10_000)
    assert 0 < reported(vm)[0] - before < 2_000


def test_a_sleeper_sleeps_on_after_suspend_and_resume() -> None:
    hv, vm = started(SLEEPS_FOR_EVER)
    hv.advance(5 * MS)
    hv.suspend(vm)
    hv.sleep(100 * MS)
    hv.resume(vm)
    executed = vm.vcpus[0].instructions
    assert hv.advance(hv.now + 100 * MS) == "idle"
    assert (vm.vcpus[0].state, vm.vcpus[0].wait_reason) == ("Blocked", "interrupt")
    assert vm.vcpus[0].instructions == executed


def test_a_suspended_vm_can_be_stopped() -> None:
    hv, vm = started(SPINS)
    hv.advance(5 * MS)
    hv.suspend(vm)
    hv.advance(20 * MS)
    hv.stop(vm)
    hv.advance(30 * MS)
    assert (vm.state, hv.running_vms) == ("Stopped", 0)


def test_a_vcpu_that_is_off_stays_off_after_resume() -> None:
    hv, vm = started(SPINS, cpus=2)
    hv.advance(5 * MS)
    hv.suspend(vm)
    hv.advance(20 * MS)
    hv.resume(vm)
    hv.advance(30 * MS)
    assert [vcpu.state for vcpu in vm.vcpus] == ["Running", "Free"]


POWER_BUTTON = """
    adr x0, vectors
    msr vbar_el1, x0
    ldr x1, =0x09030000         // GPIO: rising edge of line 3
    mov w2, #8
    str w2, [x1, #0x40c]
    str w2, [x1, #0x410]
    ldr x0, =0x08000000         // GICD: affinity routing, group 1; INTID 39
    mov w1, #0x12
    str w1, [x0]
    mov w1, #0x80
    str w1, [x0, #0x84]
    str w1, [x0, #0x104]
    mov x0, #0xff
    msr icc_pmr_el1, x0
    mov x0, #1
    msr icc_igrpen1_el1, x0
    msr daifclr, #2
1:  wfi
    b 1b
    .balign 2048
vectors: .space 0x280
"""


def test_a_guest_that_handles_its_power_button_is_given_time_to_power_off() -> None:
    hv, vm = started(POWER_BUTTON + POWERS_OFF, passed=("/",))
    hv.advance(5 * MS)
    hv.stop(vm)
    hv.advance(6 * MS)
    assert (vm.state, vm.reason) == ("Stopped", "clean")
    assert vm.exits["SystemDown"] == 1


def test_a_guest_that_ignores_its_power_button_is_stopped_after_two_seconds() -> None:
    ignores = """
    mrs x0, icc_iar1_el1
    ldr x1, =0x09030000
    mov w2, #8
    str w2, [x1, #0x41c]
    msr icc_eoir1_el1, x0
    eret"""
    hv, vm = started(POWER_BUTTON + ignores, passed=("/",))
    hv.advance(5 * MS)
    hv.stop(vm)
    hv.advance(1_900 * MS)
    assert vm.state == "Stopping"
    hv.advance(2_100 * MS)
    assert (vm.state, vm.reason) == ("Stopped", "clean")

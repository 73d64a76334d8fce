"""vCPU tasks: the phases of their life, what they wait for, and what is booked for them."""

from __future__ import annotations

from small_guests import (
    ENTRY,
    MS,
    POWERS_OFF,
    SLEEPS_FOR_EVER,
    SPINS,
    config,
    hvc,
    hypervisor,
    listen,
    report,
    reported,
    started,
)

from axlab.events import Log, VcpuState
from axlab.vmm.exits import CpuUp
from axlab.vmm.phases import PHASES
from axlab.vmm.psci import start_cpu
from axlab.vmm.tasks import Phase

SECOND_NS = 1_000_000_000


def test_every_phase_has_a_function() -> None:
    assert set(PHASES) == set(Phase)


def test_a_task_is_named_as_in_the_original() -> None:
    hv, vm = started(SPINS, vm_id=1)
    assert [task.name for task in hv.tasks] == ["VM[1]-VCpu[0]"]


def test_starting_tells_the_originals_log_lines_in_its_order() -> None:
    hv = hypervisor()
    seen = listen(hv, Log)
    vm = hv.create(config(POWERS_OFF))
    hv.start(vm)
    hv.advance(MS)
    assert [e.message for e in seen] == [
        "VM[0] added to global list",
        "Initializing VM[0]'s 1 vcpus",
        "Spawning task for VM[0] VCpu[0]",
        "VM[0] VCpu[0] waiting for running",
        "VM[0] VCpu[0] running...",
        "VM[0] VCpu[0] system shutdown",
        "VM[0] VCpu[0] stopping",
        "VM[0] last VCpu exiting",
        "VM[0] VCpu[0] exiting...",
    ]


def test_the_check_for_stopping_comes_before_the_guest_is_entered_again() -> None:
    """Fix 8"""
    hv, vm = started("1: ldr w0, =0x84000000\n hvc #0\n b 1b")
    hv.advance(MS)
    executed = vm.vcpus[0].instructions
    hv.stop(vm)
    hv.advance(2 * MS)
    assert vm.state == "Stopped"
    assert vm.vcpus[0].instructions - executed <= 3


def test_without_boot_delay_all_vms_start_at_once() -> None:
    hv, vm = started(SPINS, vm_id=5)
    hv.advance(MS)
    assert vm.vcpus[0].instructions > 0


def test_the_boot_delay_sleeps_and_never_underflows() -> None:
    """Fix 9: the original computes (0 - 1) * 5 for VM 0, and burns a physical CPU while it waits."""
    hv = hypervisor(boot_delay=True)
    vms = [hv.create(config(POWERS_OFF, vm_id=n, passed=("/intc",))) for n in (0, 1, 3)]
    for vm in vms:
        hv.start(vm)
    assert hv.advance(9 * SECOND_NS) == "time"
    assert [vm.state for vm in vms] == ["Stopped", "Stopped", "Running"]
    assert (vms[2].vcpus[0].state, vms[2].vcpus[0].wait_reason) == ("Blocked", "boot delay")
    assert all(pcpu.task is None for pcpu in hv.physical_cpus)
    hv.advance(11 * SECOND_NS)
    assert vms[2].state == "Stopped"


def test_a_vm_that_is_stopped_in_its_boot_delay_stops_at_once() -> None:
    hv = hypervisor(boot_delay=True)
    vm = hv.create(config(SPINS, vm_id=3))
    hv.start(vm)
    hv.advance(MS)
    hv.stop(vm)
    hv.advance(2 * MS)
    assert (vm.state, vm.vcpus[0].instructions) == ("Stopped", 0)


def test_only_the_primary_vcpu_is_delayed() -> None:
    second = f"{hvc(0xC400_0003, 1, ENTRY + 0x100, 0)} b .\n .org 0x100\n{POWERS_OFF}"
    hv = hypervisor(boot_delay=True)
    vm = hv.create(config(second, vm_id=2, cpus=2))
    hv.start(vm)
    hv.advance(5 * SECOND_NS + MS)
    assert vm.state == "Stopped"


def test_a_sleeping_vcpu_wakes_for_an_interrupt_and_for_nothing_else() -> None:
    """Fix 10: the original's waiters share one queue, and wake for anything."""
    hv, vm = started(SLEEPS_FOR_EVER, cpus=2)
    hv.advance(MS)
    start_cpu(hv, vm, vm.vcpus[0], CpuUp(1, ENTRY, 0))
    hv.advance(2 * MS)
    executed = [vcpu.instructions for vcpu in vm.vcpus]
    assert [v.wait_reason for v in vm.vcpus] == ["interrupt", "interrupt"]
    hv.suspend(vm)
    hv.resume(vm)
    hv.advance(3 * MS)
    assert [vcpu.instructions for vcpu in vm.vcpus] == executed


def test_a_blocked_vcpu_wakes_for_an_injected_interrupt_though_it_masks_it() -> None:
    setup = """
    ldr x0, =0x08000000
    mov w1, #0x12
    str w1, [x0]
    ldr x0, =0x080b0000
    mov w1, #-1
    str w1, [x0, #0x80]
    str w1, [x0, #0x100]
    mov x0, #0xff
    msr icc_pmr_el1, x0
    mov x0, #1
    msr icc_igrpen1_el1, x0
    wfi
    mov x5, #1
"""
    hv, vm = started(setup + report("x5") + POWERS_OFF)
    assert hv.advance(MS) == "idle"
    hv.inject(vm, 0, 20)
    hv.advance(2 * MS)
    assert (reported(vm), vm.state) == ([1], "Stopped")


def test_accounting_adds_up_to_the_time_since_the_task_began() -> None:
    hv, vm = started("1: mov x0, #2000\n 2: subs x0, x0, #1\n b.ne 2b\n wfi\n b 1b")
    hv.advance(5 * MS)
    usage = vm.vcpus[0].usage_at(hv.now)
    assert usage.run_ns + usage.ready_ns + usage.blocked_ns == hv.now
    assert usage.run_ns > 0
    assert usage.switches == 1


def test_accounting_counts_the_state_that_a_vcpu_is_still_in() -> None:
    hv, vm = started("b .")
    hv.advance(5 * MS)
    assert vm.vcpus[0].usage_at(hv.now).run_ns == 5 * MS
    assert vm.vcpus[0].usage.run_ns == 0, "looking changes nothing"


def test_state_changes_are_told_with_what_is_waited_for() -> None:
    hv, vm = started(SLEEPS_FOR_EVER)
    seen = listen(hv, VcpuState)
    hv.advance(MS)
    assert [(e.old, e.new, e.reason) for e in seen] == [("Running", "Blocked", "interrupt")]

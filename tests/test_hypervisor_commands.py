"""Every state, every command, every kind of guest; and random sequences of commands on several VMs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from small_guests import ENTRY, MS, POWERS_OFF, SLEEPS_FOR_EVER, SPINS, config, hypervisor

from axlab.errors import AxError, Refused
from axlab.vmm.hypervisor import Hypervisor
from axlab.vmm.lifecycle import ADMITS, MOVES, VmStatus
from axlab.vmm.scheduler import SCHEDULERS
from axlab.vmm.vm import Vm

GUESTS = {
    "runs": "1: ldr w0, =0x84000000\n hvc #0\n b 1b",
    "sleeps": SLEEPS_FOR_EVER,
    "is one vCPU of two, the other off": SPINS,
    "loops with interrupts masked": "msr daifset, #15\n b .",
    "powers off in the middle": "mov x1, #5000\n1: subs x1, x1, #1\n b.ne 1b\n" + POWERS_OFF,
}
JUMPS_INTO_NOTHING = "mov x0, #0\n br x0"


def prepared(state: VmStatus, guest: str) -> tuple[Hypervisor, Vm]:
    """A VM with that guest in that state; 200 us of the guest have passed where it has run."""
    hv = hypervisor()
    source = JUMPS_INTO_NOTHING if state is VmStatus.FAILED else GUESTS[guest]
    vm = hv.create(config(source, cpus=2 if "two" in guest else 1))
    if state is VmStatus.LOADING:
        vm.state = VmStatus.LOADING
    if state in (VmStatus.LOADED, VmStatus.LOADING):
        return hv, vm
    hv.start(vm)
    hv.advance(200_000)
    if state is VmStatus.SUSPENDED:
        hv.suspend(vm)
    elif state in (VmStatus.STOPPING, VmStatus.STOPPED):
        hv.stop(vm)
    if state is VmStatus.STOPPED:
        hv.advance(20 * MS)
    assert vm.state is state
    return hv, vm


@pytest.mark.parametrize("guest", GUESTS)
@pytest.mark.parametrize("operation", ["start", "stop", "force", "suspend", "resume"])
@pytest.mark.parametrize("state", VmStatus)
def test_every_state_admits_what_the_table_says(state: VmStatus, operation: str, guest: str) -> None:
    hv, vm = prepared(state, guest)
    force = operation == "force"
    name = "stop" if force else operation
    verdict = ADMITS[state][name]
    before = (vm.reason, hv.running_vms, len(hv.tasks))
    command: Callable[[], None] = (lambda: hv.stop(vm, force=True)) if force else (lambda: getattr(hv, name)(vm))
    if not (verdict.admitted or force and verdict.forceable):
        with pytest.raises(Refused) as refusal:
            command()
        assert refusal.value.message == verdict.message
        assert (vm.state, (vm.reason, hv.running_vms, len(hv.tasks))) == (state, before)
        return
    command()
    row = MOVES[VmStatus.STOPPED if state is VmStatus.FAILED else state]
    left_at_once = {VmStatus.STOPPING, VmStatus.STOPPED} if force else set()
    assert vm.state in {row.get(name, VmStatus.STOPPING), *left_at_once}
    hv.advance(hv.now + 30 * MS)
    if name == "stop":
        assert (vm.state, hv.running_vms, hv.tasks) == ("Stopped", 0, [])
    if force:
        assert vm.reason == ("forced" if state not in (VmStatus.LOADING, VmStatus.LOADED) else "clean")
    if operation == "suspend":
        ended = guest == "powers off in the middle"  # it did so before its next exit
        states = {task.state for task in hv.tasks}
        assert (vm.state, states) == (("Stopped", set()) if ended else ("Suspended", {"Blocked"}))


SECOND_ON = f"ldr x0, =0xc4000003\n mov x1, #1\n ldr x2, ={ENTRY + 0x400:#x}\n hvc #0\n"
SOURCES = [
    *GUESTS.values(),
    JUMPS_INTO_NOTHING,
    SECOND_ON + SLEEPS_FOR_EVER + "\n .org 0x400\n b .",
    SECOND_ON + "b .\n .org 0x400\n ldr w0, =0x84000002\n hvc #0",
    SECOND_ON + "mov x9, #900\n1: subs x9, x9, #1\n b.ne 1b\n ldr w0, =0x84000009\n hvc #0\n .org 0x400\n b .",
]


class Commands(RuleBasedStateMachine):
    """Commands in any order on up to four VMs; whatever is refused changes nothing."""

    @initialize(scheduler=st.sampled_from(sorted(SCHEDULERS)), guests=st.lists(st.sampled_from(SOURCES), max_size=3))
    def begin(self, scheduler: str, guests: list[str]) -> None:
        self.hv = hypervisor(scheduler=scheduler)
        self.time = 0
        for vm_id, guest in enumerate(guests):
            self.create(vm_id, guest, 2, 3)
            self.hv.start(self.hv.vms.find(vm_id))

    def pick(self, number: int) -> Vm | None:
        """One of the VMs, if there is one."""
        vms = list(self.hv.vms)
        return vms[number % len(vms)] if vms else None

    @rule(vm_id=st.integers(0, 3), guest=st.sampled_from(SOURCES), cpus=st.integers(1, 4), mask=st.integers(1, 15))
    def create(self, vm_id: int, guest: str, cpus: int, mask: int) -> None:
        try:
            self.hv.create(config(guest, vm_id=vm_id, cpus=cpus, sets=(mask,) * cpus, passed=("/intc", "/pl011")))
        except AxError as error:
            assert error.message == f"VM with id {vm_id} already exists"

    @rule(n=st.integers(0, 3), command=st.sampled_from(["start", "stop", "suspend", "resume", "reset", "remove"]))
    def command(self, n: int, command: str) -> None:
        vm = self.pick(n)
        if vm is not None:
            before = (vm.state, vm.reason, self.hv.running_vms)
            try:
                getattr(self.hv, command)(vm)
            except Refused:
                assert (vm.state, vm.reason, self.hv.running_vms) == before

    @rule(n=st.integers(0, 3))
    def force(self, n: int) -> None:
        vm = self.pick(n)
        if vm is not None and ADMITS[vm.state]["stop"].message in ("", "VM is already stopping"):
            self.hv.stop(vm, force=True)

    @rule(n=st.integers(0, 3), vcpu=st.integers(0, 3), intid=st.integers(0, 31))
    def inject(self, n: int, vcpu: int, intid: int) -> None:
        vm = self.pick(n)
        if vm is not None and vm.on_vcpus and vcpu < len(vm.vcpus):
            self.hv.inject(vm, vcpu, intid)

    @rule(n=st.integers(0, 3), mask=st.integers(1, 15))
    def pin(self, n: int, mask: int) -> None:
        vm = self.pick(n)
        if vm is not None:
            self.hv.set_affinity(vm.vcpus[0], mask)

    @rule(ns=st.sampled_from([1, 50_000, 333_333, MS, 11 * MS]))
    def advance(self, ns: int) -> None:
        self.hv.advance(self.hv.now + ns)

    @rule(count=st.integers(0, 3000))
    def step(self, count: int) -> None:
        self.hv.advance(max_instructions=count)

    @invariant()
    def counts_match_states(self) -> None:
        active = [vm for vm in self.hv.vms if vm.on_vcpus]
        assert self.hv.running_vms == len(active)
        for vm in self.hv.vms:
            assert bool(vm.on_vcpus) == (vm.state in ("Running", "Suspended", "Stopping"))
            assert all((vcpu.power == "Off") == (vcpu.task is None) for vcpu in vm.vcpus)

    @invariant()
    def no_task_is_without_its_vm(self) -> None:
        tasks = self.hv.tasks
        on_cpus = [pcpu.task for pcpu in self.hv.physical_cpus.busy()]
        waiting = self.hv.scheduler.ready
        assert all(task in tasks for task in [*on_cpus, *waiting])
        for task in tasks:
            assert (task in on_cpus, task in waiting) == (task.state == "Running", task.state == "Ready")

    @invariant()
    def memory_is_freed(self) -> None:
        labels = {f"VM[{vm.id}]" for vm in self.hv.vms}
        owners = {r.owner for r in self.hv.host_memory.reservations}
        assert all(any(label in owner for label in labels) for owner in owners)

    @invariant()
    def time_is_monotone(self) -> None:
        assert self.hv.now >= self.time
        self.time = self.hv.now


def test_random_commands_keep_the_hypervisor_consistent(volume: Callable[[int], int]) -> None:
    run_state_machine_as_test(Commands, settings=settings(max_examples=volume(1000), stateful_step_count=40))

"""Every state, every command, every flag, against guests of every temper; and random sessions on several VMs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from shell_labs import DEAF, FAULTS, lab_with, prints
from small_guests import POWERS_OFF, SLEEPS_FOR_EVER, SPINS

from axlab.lab import Lab
from axlab.shell.results import Result
from axlab.vmm.lifecycle import ADMITS, VmStatus

SMP = """
    ldr x0, =0xc4000003
    mov x1, #1
    adr x2, 1f
    mov x3, #0
    hvc #0
1:  wfi
    b 1b"""
TEMPERS = {"runs": SPINS, "sleeps": SLEEPS_FOR_EVER, "deaf": DEAF, "two vCPUs": SMP}
ACTIVE = (VmStatus.RUNNING, VmStatus.SUSPENDED, VmStatus.STOPPING)
AT_REST = (VmStatus.LOADED, VmStatus.STOPPED, VmStatus.FAILED)
COMMANDS = (
    "start -d", "start -d --force", "stop", "stop -f", "suspend", "resume", "restart", "restart -f", "delete",
    "delete -f", "delete -f --keep-data", "show", "show -f", "list",
)  # fmt: skip


def in_state(state: VmStatus, source: str) -> Lab:
    """A lab whose VM 0 is in a state, by the commands that lead there."""
    if state is VmStatus.FAILED:
        source = FAULTS
    lab = lab_with(source, cpus=2)
    if state in ACTIVE or state is VmStatus.FAILED:
        lab.shell("vm start 0 -d")
        lab.run(for_="1ms")
    if state is VmStatus.SUSPENDED:
        lab.shell("vm suspend 0")
    elif state is VmStatus.STOPPING:
        lab.shell("vm stop 0")
    elif state is VmStatus.STOPPED:
        lab.shell("vm stop 0")
    elif state is VmStatus.LOADING:
        lab.vm(0).state = VmStatus.LOADING  # creation is one step: only a test can see this state
    assert lab.vm(0).state is state
    return lab


def expected(state: VmStatus, command: str) -> tuple[bool, set[VmStatus | None]]:
    """Whether the command works, and the states that it may leave the VM in (None: it is gone)."""
    word, *flags = command.split()
    force = "-f" in flags or "--force" in flags
    same: set[VmStatus | None] = {state}
    if word in ("show", "list"):
        return True, same
    if word == "delete":
        gone = force or state in (VmStatus.STOPPED, VmStatus.FAILED)
        return gone, {None} if gone else same
    if word == "restart":
        works = state is not VmStatus.LOADING and (force or state is not VmStatus.STOPPING)
        return works, {VmStatus.RUNNING} if works else same
    if word == "start" and force:
        return True, {VmStatus.RUNNING}
    verdict = ADMITS[state][word]
    if not (verdict.admitted or verdict.forceable and force):
        return False, same
    return True, {
        "start": {VmStatus.RUNNING},
        "stop": {VmStatus.STOPPING, VmStatus.STOPPED},
        "suspend": {VmStatus.SUSPENDED},
        "resume": {VmStatus.RUNNING},
    }[word]


@pytest.mark.slow
@pytest.mark.parametrize("state", list(VmStatus))
def test_every_command_does_in_every_state_what_the_table_says(state: VmStatus) -> None:
    tempers = TEMPERS if state in ACTIVE else {"runs": SPINS}
    for (temper, source), command in itertools.product(tempers.items(), COMMANDS):
        lab = in_state(state, source)
        name, _, flags = command.partition(" ")
        result = lab.shell(f"vm {name} {'' if name == 'list' else 0} {flags}")
        works, states = expected(state, command)
        vm = lab.hypervisor.vms.get(0)
        assert result.ok == works, (state, temper, command, result.text())
        assert (vm.state if vm else None) in states, (state, temper, command, result.text())
        check_invariants(lab)


@pytest.mark.parametrize(
    "command", ["stop 0", "stop -f 0", "restart 0", "delete -f 0", "suspend 0", "start --force 0 -d"]
)
def test_a_guest_that_powers_itself_off_in_the_middle_is_met(command: str) -> None:
    """Fix 4: the running count goes down once, whoever is first."""
    for steps in range(1, 8):
        lab = lab_with(prints("x"))
        lab.shell(f"vm start 0 -d; vm step 0 {steps}")
        lab.shell(f"vm {command}")
        lab.run(for_="30ms")
        check_invariants(lab)


def check_invariants(lab: Lab) -> None:
    """Counts match states, and no task is without its VM."""
    hypervisor = lab.hypervisor
    vms = list(hypervisor.vms)
    assert hypervisor.running_vms == sum(vm.state in ACTIVE for vm in vms)
    assert [vm.id for vm in vms] == sorted({vm.id for vm in vms})
    for task in hypervisor.tasks:
        assert task.vm in vms and task.vm.state in ACTIVE
    for vm in vms:
        assert vm.state not in ACTIVE or any(vcpu.task for vcpu in vm.vcpus)
        assert vm.state in ACTIVE or all(vcpu.state == "Free" for vcpu in vm.vcpus)


SOURCES = (SPINS, SLEEPS_FOR_EVER, DEAF, SMP, POWERS_OFF, FAULTS, prints("hello\n"))


class Sessions(RuleBasedStateMachine):
    """Random commands on up to four VMs with up to four vCPUs."""

    def __init__(self) -> None:
        super().__init__()
        self.lab = lab_with()
        self.now = 0

    def say(self, line: str) -> Result:
        return self.lab.shell(line)

    @precondition(lambda self: len(self.lab.hypervisor.vms) < 4)
    @rule(number=st.integers(0, 3), source=st.sampled_from(SOURCES), cpus=st.integers(1, 4))
    def create(self, number: int, source: str, cpus: int) -> None:
        from shell_labs import DEVICES
        from small_guests import config

        there = number in self.lab.hypervisor.vms
        made = config(source, number, cpus=cpus, **{"mode": "emulated", **DEVICES})
        (self.lab.folder / "new.toml").write_text(made.to_toml())
        assert self.say("vm create new.toml").ok != there

    @rule(
        command=st.sampled_from(["start -d", "stop", "suspend", "resume", "restart", "delete"]),
        which=st.sampled_from(["0", "1", "2", "3", "0-3", "all", "guest1"]),
        force=st.booleans(),
    )
    def command(self, command: str, which: str, force: bool) -> None:
        word, _, flags = command.partition(" ")
        forced = " --force" if force and word in ("start", "stop", "restart", "delete") else ""
        self.say(f"vm {word} {which} {flags}{forced}")

    @rule(time=st.sampled_from(["100us", "3ms", "25ms"]))
    def time_passes(self, time: str) -> None:
        self.say(f"vm run --for {time}")

    @rule()
    def look(self) -> None:
        assert self.say("vm list").ok and self.say("vcpu list").ok and self.say("machine show").ok

    @invariant()
    def counts_match_states_and_time_goes_on(self) -> None:
        check_invariants(self.lab)
        assert self.lab.now >= self.now
        self.now = self.lab.now

    def teardown(self) -> None:
        """After all VMs are deleted nothing of them remains."""
        memory = self.lab.board.memory
        assert self.say("vm delete all --force").ok
        assert len(self.lab.hypervisor.vms) == 0 and self.lab.hypervisor.tasks == []
        assert memory.touched() == 0


@pytest.mark.slow
def test_sessions_of_random_commands_do_what_the_table_says(volume: Callable[[int], int]) -> None:
    run_state_machine_as_test(Sessions, settings=settings(max_examples=volume(1000), stateful_step_count=30))
